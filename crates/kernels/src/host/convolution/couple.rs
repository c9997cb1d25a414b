//! Coupled features `z = Q_J Y_J f` of sixteen edges, and the transposes of that.

use super::lanes::{LANES, Lanes, add, multiply_add, scaled_add};
use super::program::PathProgram;
use crate::host::real::Real;
use crate::host::simd::Instructions;

/// Channels that are summed side by side.
const CHANNELS: usize = 4;

/// What one run of edges brings to a path: the features of the input block and the harmonics.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a, T> {
    /// `[m_in, c_in]`
    pub(crate) x: &'a [Lanes<T>],
    pub(crate) y: &'a [Lanes<T>],
    /// Number of channels `c_in`.
    pub(crate) mul: usize,
}

/// Kernel entries `K[slot] = sum over terms of value Y`.
#[inline(always)]
pub(crate) fn kernel_entries<I: Instructions, T: Real>(
    path: &PathProgram<T>,
    y: &[Lanes<T>],
    entries: &mut [Lanes<T>],
) {
    for (entry, slot) in entries.iter_mut().zip(&path.slots) {
        let mut sum = [T::ZERO; LANES];
        for &(harmonic, value) in &path.terms[slot.terms.clone()] {
            sum = scaled_add::<I, T>(&y[harmonic], value, &sum);
        }
        *entry = sum;
    }
}

/// `z[m_out, c] = sum over m_in of K[m_out, m_in] x[m_in, c]`; entry (m_out, c) goes to
/// `z[(m_out mul + c) stride]`.
#[inline(always)]
pub(crate) fn couple<I: Instructions, T: Real>(
    path: &PathProgram<T>,
    sources: Sources<'_, T>,
    entries: &mut [Lanes<T>],
    z: &mut [Lanes<T>],
    stride: usize,
) {
    let Sources { x, y, mul } = sources;
    kernel_entries::<I, T>(path, y, entries);
    for (m, slots) in path.by_m_out.iter().enumerate() {
        let (slots, entries) = (&path.slots[slots.clone()], &entries[slots.clone()]);
        let mut c = 0;
        while c + CHANNELS <= mul {
            let mut sums = [[T::ZERO; LANES]; CHANNELS];
            for (slot, entry) in slots.iter().zip(entries) {
                let x = &x[slot.m_in * mul + c..][..CHANNELS];
                for j in 0..CHANNELS {
                    sums[j] = multiply_add::<I, T>(entry, &x[j], &sums[j]);
                }
            }
            for (j, sum) in sums.iter().enumerate() {
                z[(m * mul + c + j) * stride] = *sum;
            }
            c += CHANNELS;
        }
        for c in c..mul {
            let mut sum = [T::ZERO; LANES];
            for (slot, entry) in slots.iter().zip(entries) {
                sum = multiply_add::<I, T>(entry, &x[slot.m_in * mul + c], &sum);
            }
            z[(m * mul + c) * stride] = sum;
        }
    }
}

/// The transposes of [`couple`] for the gradient `to_z`: added to the gradients of x (of the input
/// block) and of y. `entries` are those of [`kernel_entries`].
#[inline(always)]
pub(crate) fn couple_backward<I: Instructions, T: Real>(
    path: &PathProgram<T>,
    sources: Sources<'_, T>,
    entries: &[Lanes<T>],
    to_z: &[Lanes<T>],
    stride: usize,
    to_x: Option<&mut [Lanes<T>]>,
    to_y: Option<&mut [Lanes<T>]>,
) {
    let Sources { x, mul, .. } = sources;
    if let Some(to_x) = to_x {
        for (slot, entry) in path.slots.iter().zip(entries) {
            let to_x = &mut to_x[slot.m_in * mul..(slot.m_in + 1) * mul];
            for (c, to) in to_x.iter_mut().enumerate() {
                *to = multiply_add::<I, T>(entry, &to_z[(slot.m_out * mul + c) * stride], to);
            }
        }
    }
    if let Some(to_y) = to_y {
        for slot in &path.slots {
            let x = &x[slot.m_in * mul..(slot.m_in + 1) * mul];
            let mut sums = [[T::ZERO; LANES]; CHANNELS];
            let mut c = 0;
            while c + CHANNELS <= mul {
                for j in 0..CHANNELS {
                    let to_z = &to_z[(slot.m_out * mul + c + j) * stride];
                    sums[j] = multiply_add::<I, T>(&x[c + j], to_z, &sums[j]);
                }
                c += CHANNELS;
            }
            let [mut sum, ..] = sums;
            for c in c..mul {
                let to_z = &to_z[(slot.m_out * mul + c) * stride];
                sum = multiply_add::<I, T>(&x[c], to_z, &sum);
            }
            for other in &sums[1..] {
                sum = add(&sum, other);
            }
            for &(harmonic, value) in &path.terms[slot.terms.clone()] {
                to_y[harmonic] = scaled_add::<I, T>(&sum, value, &to_y[harmonic]);
            }
        }
    }
}
