//! Radial weights of sixteen edges and their features: `out[m, c_out] += sum over c_in of
//! z[m, c_in] R[c_in, c_out]`, and the transposes of that, in registers.

use super::lanes::{LANES, Lanes, add, multiply_add};
use super::radial_weights::RUNS;
use crate::host::real::Real;
use crate::host::simd::Instructions;

/// Calls a function for the components `0..components`, at most seven at a time, with their number as a
/// constant, so that one sum for each stays in a register. `m` is the first of them.
macro_rules! for_components {
    ($components:expr, $m:ident, $f:ident::<$I:ident, $T:ident>($($argument:expr),* $(,)?)) => {
        let mut $m = 0;
        while $m < $components {
            $m += match $components - $m {
                1 => { $f::<$I, $T, 1>($($argument),*); 1 }
                2 => { $f::<$I, $T, 2>($($argument),*); 2 }
                3 => { $f::<$I, $T, 3>($($argument),*); 3 }
                4 => { $f::<$I, $T, 4>($($argument),*); 4 }
                5 | 8 | 9 => { $f::<$I, $T, 5>($($argument),*); 5 }
                6 => { $f::<$I, $T, 6>($($argument),*); 6 }
                _ => { $f::<$I, $T, 7>($($argument),*); 7 }
            };
        }
    };
}

pub(super) use for_components;

/// Radial weights `[columns, RUNS]` of one run.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a, T> {
    pub(super) radial: &'a [Lanes<T>],
    pub(super) run: usize,
}

impl<T> Strided<'_, T> {
    #[inline(always)]
    fn at(&self, column: usize) -> &Lanes<T> {
        &self.radial[column * RUNS + self.run]
    }
}

/// `out[m, c_out] += sum over c_in of z[m, c_in] R[c_in, c_out]` for M components.
#[inline(always)]
pub(super) fn apply<I: Instructions, T: Real, const M: usize>(
    z: &[Lanes<T>],
    radial: Strided<'_, T>,
    channels: (usize, usize),
    out: &mut [Lanes<T>],
) {
    let mut c = 0;
    // As many channels side by side as keep the sums in registers.
    macro_rules! blocks {
        ($($width:literal),*) => {
            $(while M * $width <= 16 && c + $width <= channels.1 {
                apply_block::<I, T, M, $width>(z, radial, channels, c, out);
                c += $width;
            })*
        };
    }
    blocks!(6, 4, 2);
    while c < channels.1 {
        apply_block::<I, T, M, 1>(z, radial, channels, c, out);
        c += 1;
    }
}

#[inline(always)]
fn apply_block<I: Instructions, T: Real, const M: usize, const C: usize>(
    z: &[Lanes<T>],
    radial: Strided<'_, T>,
    (mul, channels): (usize, usize),
    first: usize,
    out: &mut [Lanes<T>],
) {
    let mut sums = [[[T::ZERO; LANES]; C]; M];
    for k in 0..mul {
        let mut weights = [[T::ZERO; LANES]; C];
        for (c, weight) in weights.iter_mut().enumerate() {
            *weight = *radial.at(k * channels + first + c);
        }
        for m in 0..M {
            let z = &z[m * mul + k];
            for c in 0..C {
                sums[m][c] = multiply_add::<I, T>(z, &weights[c], &sums[m][c]);
            }
        }
    }
    for m in 0..M {
        for c in 0..C {
            let out = &mut out[m * channels + first + c];
            *out = add(&sums[m][c], out);
        }
    }
}

/// What the transposes of [`apply`] read.
#[derive(Clone, Copy)]
pub(super) struct Applied<'a, T> {
    pub(super) z: &'a [Lanes<T>],
    pub(super) radial: Strided<'a, T>,
    pub(super) grad: &'a [Lanes<T>],
    /// Whether these are the first components: the gradient to the radial weights is then set, else
    /// added to.
    pub(super) is_first: bool,
}

#[inline(always)]
pub(super) fn apply_backward<I: Instructions, T: Real, const M: usize>(
    applied: Applied<'_, T>,
    channels: (usize, usize),
    to_z: &mut [Lanes<T>],
    to_radial: &mut [Lanes<T>],
) {
    let mut k = 0;
    macro_rules! blocks {
        ($($width:literal),*) => {
            $(while M * $width <= 6 && k + $width <= channels.0 {
                backward_block::<I, T, M, $width>(applied, channels, k, to_z, to_radial);
                k += $width;
            })*
        };
    }
    blocks!(4, 2);
    while k < channels.0 {
        backward_block::<I, T, M, 1>(applied, channels, k, to_z, to_radial);
        k += 1;
    }
}

#[inline(always)]
fn backward_block<I: Instructions, T: Real, const M: usize, const K: usize>(
    applied: Applied<'_, T>,
    (mul, channels): (usize, usize),
    first: usize,
    to_z: &mut [Lanes<T>],
    to_radial: &mut [Lanes<T>],
) {
    let Applied {
        z,
        radial,
        grad,
        is_first,
    } = applied;
    let mut own = [[[T::ZERO; LANES]; K]; M];
    for (m, own) in own.iter_mut().enumerate() {
        for (k, own) in own.iter_mut().enumerate() {
            *own = z[m * mul + first + k];
        }
    }
    let mut sums = [[[T::ZERO; LANES]; K]; M];
    for c in 0..channels {
        let mut on_channel = [[T::ZERO; LANES]; M];
        for (m, on_channel) in on_channel.iter_mut().enumerate() {
            *on_channel = grad[m * channels + c];
        }
        for k in 0..K {
            let column = (first + k) * channels + c;
            let weight = radial.at(column);
            let to = &mut to_radial[column * RUNS + radial.run];
            let mut to_weight = if is_first { [T::ZERO; LANES] } else { *to };
            for m in 0..M {
                sums[m][k] = multiply_add::<I, T>(weight, &on_channel[m], &sums[m][k]);
                to_weight = multiply_add::<I, T>(&own[m][k], &on_channel[m], &to_weight);
            }
            *to = to_weight;
        }
    }
    for m in 0..M {
        for k in 0..K {
            let to = &mut to_z[m * mul + first + k];
            *to = add(&sums[m][k], to);
        }
    }
}
