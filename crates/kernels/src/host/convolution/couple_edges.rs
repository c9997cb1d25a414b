//! Coupled features of some edges, one edge after the other, with channels side by side, and their transposes.

use std::ops::Range;

use super::Convolution;
use super::couple::kernel_entries;
use super::lanes::{LANES, Lanes, Packed, multiply_add, scaled_add};
use super::program::{Group, PathProgram, Slot};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop};

/// `z[m_out, c] = sum over m_in of K[m_out, m_in] x[m_in, c]`, edge by edge.
pub(super) struct Couple<'a, T> {
    pub(super) convolution: &'a Convolution<'a, T>,
    pub(super) group: &'a Group<'a, T>,
    pub(super) path: &'a PathProgram<T>,
    pub(super) edges: &'a Range<usize>,
    /// Harmonics of the edges.
    pub(super) y: &'a Packed<T>,
    pub(super) entries: &'a mut [Lanes<T>],
    pub(super) z: &'a mut [T],
}

impl<T: Real> Loop for Couple<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (path, slots) = (self.path, self.path.slots.len());
        let (mul, columns) = (self.group.input.mul, self.group.input.columns());
        let runs = 0..self.edges.len().div_ceil(LANES);
        for (run, entries) in runs.zip(self.entries.chunks_exact_mut(slots.max(1))) {
            kernel_entries::<I, T>(path, self.y.run(run), entries);
        }
        let edges = self.edges.clone().enumerate();
        let all_z = self.z.chunks_exact_mut(self.group.coupled_len());
        for ((at, edge), z) in edges.zip(all_z) {
            let x = &self.convolution.features_of(edge)[columns.clone()];
            let entries = &self.entries[at / LANES * slots..][..slots];
            for (z, of_m) in z.chunks_exact_mut(mul).zip(&path.by_m_out) {
                let terms = Terms {
                    slots: &path.slots[of_m.clone()],
                    entries: &entries[of_m.clone()],
                    lane: at % LANES,
                    x,
                    mul,
                };
                terms.sum_all::<I>(z);
            }
        }
    }
}

/// What one component `m_out` of an edge is a sum of.
struct Terms<'a, T> {
    slots: &'a [Slot],
    entries: &'a [Lanes<T>],
    lane: usize,
    /// `[m_in, c]`
    x: &'a [T],
    mul: usize,
}

impl<T: Real> Terms<'_, T> {
    #[inline(always)]
    fn sum_all<I: Instructions>(&self, z: &mut [T]) {
        let mut c = 0;
        while c + 2 * LANES <= self.mul {
            self.sum::<I, 2>(c, z);
            c += 2 * LANES;
        }
        if c + LANES <= self.mul {
            self.sum::<I, 1>(c, z);
            c += LANES;
        }
        for (c, z) in z.iter_mut().enumerate().skip(c) {
            let terms = self.slots.iter().zip(self.entries);
            *z = terms.fold(T::ZERO, |sum, (slot, entry)| {
                I::multiply_add(self.x[slot.m_in * self.mul + c], entry[self.lane], sum)
            });
        }
    }

    /// Channels from `c` on, in U units.
    #[inline(always)]
    fn sum<I: Instructions, const U: usize>(&self, c: usize, z: &mut [T]) {
        let mut sums = [[T::ZERO; LANES]; U];
        for (slot, entry) in self.slots.iter().zip(self.entries) {
            let (x, _) = self.x[slot.m_in * self.mul + c..][..U * LANES].as_chunks::<LANES>();
            for u in 0..U {
                sums[u] = scaled_add::<I, T>(&x[u], entry[self.lane], &sums[u]);
            }
        }
        let (z, _) = z[c..][..U * LANES].as_chunks_mut::<LANES>();
        z.copy_from_slice(&sums);
    }
}

/// The transposes of [`Couple`].
pub(super) struct CoupleBackward<'a, T> {
    pub(super) convolution: &'a Convolution<'a, T>,
    pub(super) group: &'a Group<'a, T>,
    pub(super) path: &'a PathProgram<T>,
    pub(super) edges: &'a Range<usize>,
    pub(super) entries: &'a [Lanes<T>],
    pub(super) to_z: &'a [T],
    pub(super) to_x: Option<&'a mut [T]>,
    pub(super) to_y: Option<&'a mut [T]>,
}

impl<T: Real> Loop for CoupleBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(mut self) {
        let (path, slots) = (self.path, self.path.slots.len());
        let (mul, columns) = (self.group.input.mul, self.group.input.columns());
        let convolution = self.convolution;
        let edges = self.edges.clone().enumerate();
        let all_z = self.to_z.chunks_exact(self.group.coupled_len());
        for ((at, edge), to_z) in edges.zip(all_z) {
            let entries = &self.entries[at / LANES * slots..][..slots];
            if let Some(to_x) = self.to_x.as_deref_mut() {
                let to_x = &mut to_x[at * convolution.dim_in()..][columns.clone()];
                for (slot, entry) in path.slots.iter().zip(entries) {
                    let to_x = &mut to_x[slot.m_in * mul..][..mul];
                    let to_z = &to_z[slot.m_out * mul..][..mul];
                    add_scaled::<I, T>(to_x, entry[at % LANES], to_z);
                }
            }
            if let Some(to_y) = self.to_y.as_deref_mut() {
                let to_y = &mut to_y[at * convolution.harmonics_width..];
                let x = &convolution.features_of(edge)[columns.clone()];
                for slot in &path.slots {
                    let x = &x[slot.m_in * mul..][..mul];
                    let sum = dot::<I, T>(x, &to_z[slot.m_out * mul..][..mul]);
                    for &(harmonic, value) in &path.terms[slot.terms.clone()] {
                        to_y[harmonic] = I::multiply_add(sum, value, to_y[harmonic]);
                    }
                }
            }
        }
    }
}

/// `y += a x`
#[inline(always)]
fn add_scaled<I: Instructions, T: Real>(y: &mut [T], a: T, x: &[T]) {
    let ((y, more_y), (x, more_x)) = (y.as_chunks_mut::<LANES>(), x.as_chunks::<LANES>());
    for (y, x) in y.iter_mut().zip(x) {
        *y = scaled_add::<I, T>(x, a, y);
    }
    for (y, &x) in more_y.iter_mut().zip(more_x) {
        *y = I::multiply_add(x, a, *y);
    }
}

#[inline(always)]
fn dot<I: Instructions, T: Real>(a: &[T], b: &[T]) -> T {
    let ((a, more_a), (b, more_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for (a, b) in a.iter().zip(b) {
        sums = multiply_add::<I, T>(a, b, &sums);
    }
    let rest = more_a.iter().zip(more_b);
    let rest = rest.fold(T::ZERO, |sum, (&a, &b)| I::multiply_add(a, b, sum));
    sums.iter().fold(rest, |sum, &more| sum + more)
}
