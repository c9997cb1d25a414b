//! Layer normalization of rows that lie in the cache.

use std::ops::Range;

use super::elementary::Elementary;
use super::simd::{Instructions, Loop};

/// Partial sums of a sum over columns.
const LANES: usize = 16;

/// Normalization of each run of `width` columns; `gamma` and `beta` have one number per column.
#[derive(Clone, Copy)]
pub(crate) struct LayerNorm<'a, T> {
    pub(crate) gamma: &'a [T],
    pub(crate) beta: &'a [T],
    pub(crate) width: usize,
    pub(crate) epsilon: T,
}

impl<T: Elementary> LayerNorm<'_, T> {
    /// Columns of the run with this number, counted through all rows.
    #[inline(always)]
    fn columns(&self, run: usize) -> Range<usize> {
        let first = run * self.width % self.gamma.len();
        first..first + self.width
    }

    /// Mean and inverse deviation.
    #[inline(always)]
    fn moments(&self, x: &[T]) -> (T, T) {
        let scale = T::of(1.0 / self.width as f64);
        let mean = sum([x], |sum, [x]| sum + x) * scale;
        let variance = sum([x], |sum, [x]| sum + (x - mean) * (x - mean)) * scale;
        (mean, (variance + self.epsilon).recip_sqrt())
    }
}

/// `x = gamma (x - mean) / deviation + beta`.
pub(crate) struct Normalise<'a, T> {
    pub(crate) norm: LayerNorm<'a, T>,
    pub(crate) x: &'a mut [T],
}

impl<T: Elementary> Loop for Normalise<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self { norm, x } = self;
        for (run, x) in x.chunks_exact_mut(norm.width).enumerate() {
            let columns = norm.columns(run);
            let (gamma, beta) = (&norm.gamma[columns.clone()], &norm.beta[columns]);
            let (mean, inverse_deviation) = norm.moments(x);
            for ((x, &gamma), &beta) in x.iter_mut().zip(gamma).zip(beta) {
                *x = I::multiply_add(gamma, (*x - mean) * inverse_deviation, beta);
            }
        }
    }
}

/// As [`Normalise`], and what the backward pass reads.
pub(crate) struct NormaliseAndKeep<'a, T> {
    pub(crate) norm: LayerNorm<'a, T>,
    /// The input; becomes `(x - mean) / deviation`.
    pub(crate) normal: &'a mut [T],
    /// Becomes `1 / deviation` of each run.
    pub(crate) inverse_deviations: &'a mut [T],
    /// Becomes `gamma normal + beta`.
    pub(crate) out: &'a mut [T],
}

impl<T: Elementary> Loop for NormaliseAndKeep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let norm = self.norm;
        let runs = self.normal.chunks_exact_mut(norm.width);
        let runs = runs.zip(self.out.chunks_exact_mut(norm.width));
        for (run, ((x, out), kept)) in runs.zip(self.inverse_deviations).enumerate() {
            let columns = norm.columns(run);
            let (gamma, beta) = (&norm.gamma[columns.clone()], &norm.beta[columns]);
            let (mean, inverse_deviation) = norm.moments(x);
            *kept = inverse_deviation;
            for (((x, out), &gamma), &beta) in x.iter_mut().zip(out).zip(gamma).zip(beta) {
                *x = (*x - mean) * inverse_deviation;
                *out = I::multiply_add(gamma, *x, beta);
            }
        }
    }
}

/// The transpose of the derivative of [`Normalise`].
pub(crate) struct PullBack<'a, T> {
    pub(crate) norm: LayerNorm<'a, T>,
    pub(crate) normal: &'a [T],
    pub(crate) inverse_deviations: &'a [T],
    /// The gradient to the output; becomes that to the input.
    pub(crate) gradient: &'a mut [T],
    /// Is added to.
    pub(crate) to_gamma: &'a mut [T],
    /// Is added to.
    pub(crate) to_beta: &'a mut [T],
}

impl<T: Elementary> Loop for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let norm = self.norm;
        let scale = T::of(1.0 / norm.width as f64);
        let runs = self.gradient.chunks_exact_mut(norm.width);
        let runs = runs.zip(self.normal.chunks_exact(norm.width));
        for (run, ((gradient, normal), &kept)) in runs.zip(self.inverse_deviations).enumerate() {
            let columns = norm.columns(run);
            let to_gamma = self.to_gamma[columns.clone()].iter_mut();
            let to_affine = to_gamma.zip(&mut self.to_beta[columns.clone()]);
            let affine = to_affine.zip(&norm.gamma[columns]);
            for ((gradient, &normal), ((to_gamma, to_beta), &gamma)) in
                gradient.iter_mut().zip(normal).zip(affine)
            {
                *to_gamma = I::multiply_add(*gradient, normal, *to_gamma);
                *to_beta += *gradient;
                *gradient = *gradient * gamma;
            }
            let mean = sum([gradient], |sum, [g]| sum + g) * scale;
            let projection = sum([gradient, normal], |sum, [g, normal]| sum + g * normal) * scale;
            for (gradient, &normal) in gradient.iter_mut().zip(normal) {
                *gradient = kept * I::multiply_add(-normal, projection, *gradient - mean);
            }
        }
    }
}

/// Sums over the numbers of `N` vectors of the same length, in sixteen lanes and a fixed order.
#[inline(always)]
pub(crate) fn sum<T: Elementary, const N: usize>(
    vectors: [&[T]; N],
    add: impl Fn(T, [T; N]) -> T,
) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = vectors.map(|vector| vector.as_chunks::<LANES>());
    for i in 0..chunks[0].0.len() {
        for lane in 0..LANES {
            lanes[lane] = add(lanes[lane], chunks.map(|(whole, _)| whole[i][lane]));
        }
    }
    for lane in 0..chunks[0].1.len() {
        lanes[lane] = add(lanes[lane], chunks.map(|(_, rest)| rest[lane]));
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}
