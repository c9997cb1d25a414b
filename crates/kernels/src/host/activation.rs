//! Activations, vectorised.

use std::f64::consts::PI;
use std::marker::PhantomData;

use rayon::prelude::*;

use super::elementary::{Elementary, NormalTail, exp, exp_m1, two_atanh};
use super::simd::{Instructions, Loop, dispatch};
use crate::Activation;

/// Numbers that are read and written while they stay in the first cache.
const CHUNK: usize = 1 << 12;

/// Numbers below which a second thread costs more than it brings.
const WORTH_THREADS: usize = 1 << 15;

/// A function of one number, and the pull-back of a gradient through it.
trait Function {
    fn value<T: Elementary, I: Instructions>(x: T) -> T;
    /// `gradient f'(x)`.
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T;
}

/// Runs the body with `$F` bound to the [`Function`] of an activation.
macro_rules! with_function {
    ($activation:expr, $F:ident => $body:expr) => {
        with_function!(@arms $activation, $F, $body,
            Identity, Relu, Silu, Gelu, Tanh, Sigmoid, Softplus, ShiftedSoftplus, Abs)
    };
    (@arms $activation:expr, $F:ident, $body:expr, $($name:ident),*) => {
        match $activation {
            $(Activation::$name => {
                type $F = $name;
                $body
            })*
        }
    };
}

/// `x = f(x)`.
pub(crate) fn apply<T: Elementary>(activation: Activation, x: &mut [T]) {
    struct Apply<'a, F, T>(PhantomData<F>, &'a mut [T]);

    impl<F: Function, T: Elementary> Loop for Apply<'_, F, T> {
        type Output = ();

        #[inline(always)]
        fn run<I: Instructions>(self) {
            for x in self.1 {
                *x = F::value::<T, I>(*x);
            }
        }
    }

    with_function!(activation, F => dispatch(Apply::<F, T>(PhantomData, x)));
}

/// `gradient = gradient f'(x)`.
pub(crate) fn pull_back<T: Elementary>(activation: Activation, x: &[T], gradient: &mut [T]) {
    struct PullBack<'a, F, T>(PhantomData<F>, &'a [T], &'a mut [T]);

    impl<F: Function, T: Elementary> Loop for PullBack<'_, F, T> {
        type Output = ();

        #[inline(always)]
        fn run<I: Instructions>(self) {
            for (&x, gradient) in self.1.iter().zip(self.2) {
                *gradient = F::pull_back::<T, I>(x, *gradient);
            }
        }
    }

    with_function!(activation, F => dispatch(PullBack::<F, T>(PhantomData, x, gradient)));
}

/// `f(x)` of every number.
pub(crate) fn forward<T: Elementary>(activation: Activation, x: &[T]) -> Vec<T> {
    by_chunks(x, |_, out| apply(activation, out))
}

/// `gradient f'(x)` of every number.
pub(crate) fn backward<T: Elementary>(activation: Activation, x: &[T], gradient: &[T]) -> Vec<T> {
    by_chunks(gradient, |first, out| {
        pull_back(activation, &x[first..first + out.len()], out);
    })
}

/// A copy of `values` after `change`, which gets the place of its chunk and the chunk.
fn by_chunks<T: Elementary>(values: &[T], change: impl Fn(usize, &mut [T]) + Sync) -> Vec<T> {
    let chunks = values.chunks(CHUNK);
    if values.len() < WORTH_THREADS || rayon::current_num_threads() == 1 {
        // Through a buffer in the cache, so that the result is written once.
        let mut out = Vec::with_capacity(values.len());
        let mut buffer = vec![T::ZERO; CHUNK.min(values.len())];
        for chunk in chunks {
            let buffer = &mut buffer[..chunk.len()];
            buffer.copy_from_slice(chunk);
            change(out.len(), buffer);
            out.extend_from_slice(buffer);
        }
        return out;
    }
    let mut out = vec![T::ZERO; values.len()];
    let tasks = out.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK));
    tasks.enumerate().for_each(|(index, (out, values))| {
        out.copy_from_slice(values);
        change(index * CHUNK, out);
    });
    out
}

struct Identity;

impl Function for Identity {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        x
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(_: T, gradient: T) -> T {
        gradient
    }
}

/// A NaN passes, so that it shows.
struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        if x <= T::ZERO { T::ZERO } else { x }
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        if x <= T::ZERO { T::ZERO } else { gradient }
    }
}

struct Sigmoid;

impl Sigmoid {
    /// Value and slope.
    #[inline(always)]
    fn both<T: Elementary, I: Instructions>(x: T) -> (T, T) {
        let small = exp::<T, I>(-x.abs());
        let sum = T::ONE + small;
        let large = T::ONE / sum;
        let small = small / sum;
        (if x < T::ZERO { small } else { large }, small * large)
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        let small = exp::<T, I>(-x.abs());
        (if x < T::ZERO { small } else { T::ONE }) / (T::ONE + small)
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        gradient * Self::both::<T, I>(x).1
    }
}

struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        x * Sigmoid::value::<T, I>(x)
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        let (value, slope) = Sigmoid::both::<T, I>(x);
        gradient * I::multiply_add(x, slope, value)
    }
}

struct Gelu;

impl Gelu {
    /// The normal distribution, cumulated to x, and its density.
    #[inline(always)]
    fn normal<T: Elementary, I: Instructions>(x: T) -> (T, T) {
        let NormalTail { tail, bell } = NormalTail::of::<I>(x);
        let cumulated = if x < T::ZERO { tail } else { T::ONE - tail };
        (cumulated, bell * T::of(1.0 / (2.0 * PI).sqrt()))
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        x * Self::normal::<T, I>(x).0
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        let (cumulated, density) = Self::normal::<T, I>(x);
        gradient * I::multiply_add(x, density, cumulated)
    }
}

struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        let exp_m1 = exp_m1::<T, I>(-(x.abs() + x.abs()));
        let size = -exp_m1 / (T::of(2.0) + exp_m1);
        if x < T::ZERO { -size } else { size }
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        let slope = Sigmoid::both::<T, I>(x + x).1;
        gradient * (T::of(4.0) * slope)
    }
}

struct Softplus;

impl Function for Softplus {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        let small = exp::<T, I>(-x.abs());
        let positive = if x < T::ZERO { T::ZERO } else { x };
        positive + two_atanh::<T, I>(small / (T::of(2.0) + small))
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        gradient * Sigmoid::value::<T, I>(x)
    }
}

struct ShiftedSoftplus;

impl Function for ShiftedSoftplus {
    /// `ln((1 + exp(-|x|)) / 2) = ln(1 + (exp(-|x|) - 1) / 2)`, to full precision next to 0.
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        let exp_m1 = exp_m1::<T, I>(-x.abs());
        let positive = if x < T::ZERO { T::ZERO } else { x };
        positive + two_atanh::<T, I>(exp_m1 / (T::of(4.0) + exp_m1))
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        Softplus::pull_back::<T, I>(x, gradient)
    }
}

struct Abs;

impl Function for Abs {
    #[inline(always)]
    fn value<T: Elementary, I: Instructions>(x: T) -> T {
        x.abs()
    }

    #[inline(always)]
    fn pull_back<T: Elementary, I: Instructions>(x: T, gradient: T) -> T {
        if x < T::ZERO {
            -gradient
        } else if x > T::ZERO {
            gradient
        } else {
            // Zero, unless x or the gradient is a NaN.
            x * gradient
        }
    }
}
