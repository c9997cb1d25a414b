//! Layer normalization that commutes with rotations, row by row.

use std::ops::Range;

use super::elementary::Elementary;
use super::norm_plan::{NormBlock, NormPlan};
use super::real::axpy;
use super::simd::{Instructions, Loop, dispatch};
use super::tasks::{rows_per_task, run_all};

/// Invariant blocks lose their mean over channels; every block is divided by its root mean square over
/// channels and components, and scaled.
#[derive(Clone, Copy)]
pub(crate) struct EquivariantNorm<'a, T> {
    pub(crate) plan: &'a NormPlan,
    /// Scale, `[num_channels]`
    pub(crate) gamma: &'a [T],
    /// Shift of the invariant channels, `[num_scalars]`
    pub(crate) beta: &'a [T],
    /// Added to the mean square
    pub(crate) epsilon: T,
}

/// Gradients of an [`EquivariantNorm`].
pub(crate) struct Gradients<T> {
    pub(crate) x: Vec<T>,
    pub(crate) gamma: Vec<T>,
    pub(crate) beta: Vec<T>,
}

/// Mean and inverse root mean square of a block.
struct Moments<T> {
    mean: T,
    inverse: T,
}

impl<T: Elementary> EquivariantNorm<'_, T> {
    #[inline(always)]
    fn moments<I: Instructions>(&self, block: &NormBlock, x: &[T]) -> Moments<T> {
        let scale = T::of(1.0 / x.len() as f64);
        let mean = match block.first_scalar {
            Some(_) => sum([x], |sum, [x]| sum + x) * scale,
            None => T::ZERO,
        };
        let square = |sum, [x]: [T; 1]| I::multiply_add(x - mean, x - mean, sum);
        Moments {
            mean,
            inverse: (sum([x], square) * scale + self.epsilon).recip_sqrt(),
        }
    }

    pub(crate) fn forward(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; x.len()];
        if x.is_empty() {
            return out;
        }
        let dim = self.plan.dim();
        let per_task = rows_per_task(x.len() / dim) * dim;
        let tasks = out.chunks_mut(per_task).zip(x.chunks(per_task));
        run_all(tasks.collect(), |(out, x)| {
            let norm = *self;
            dispatch(Forward { norm, x, out });
        });
        out
    }

    pub(crate) fn backward(&self, x: &[T], grad: &[T]) -> Gradients<T> {
        let zeros = |len: usize| vec![T::ZERO; len];
        let mut gradients = Gradients {
            x: zeros(x.len()),
            gamma: zeros(self.gamma.len()),
            beta: zeros(self.beta.len()),
        };
        if x.is_empty() {
            return gradients;
        }
        let dim = self.plan.dim();
        let per_task = rows_per_task(x.len() / dim) * dim;
        let inputs = x.chunks(per_task).zip(grad.chunks(per_task));
        let tasks = gradients.x.chunks_mut(per_task).zip(inputs);
        let parts = run_all(tasks.collect(), |(to_x, (x, grad))| {
            let (mut to_gamma, mut to_beta) = (zeros(self.gamma.len()), zeros(self.beta.len()));
            dispatch(Backward {
                norm: *self,
                x,
                grad,
                to_x,
                to_gamma: &mut to_gamma,
                to_beta: &mut to_beta,
            });
            (to_gamma, to_beta)
        });
        for (gamma, beta) in parts {
            axpy(&mut gradients.gamma, T::ONE, &gamma);
            axpy(&mut gradients.beta, T::ONE, &beta);
        }
        gradients
    }
}

struct Forward<'a, T> {
    norm: EquivariantNorm<'a, T>,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Elementary> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self { norm, x, out } = self;
        let dim = norm.plan.dim();
        for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
            for block in norm.plan.blocks() {
                let (mul, columns) = (block.block.mul, block.block.columns());
                let x = &x[columns.clone()];
                let Moments { mean, inverse } = norm.moments::<I>(block, x);
                let gamma = &norm.gamma[block.channels()];
                let components = x.chunks_exact(mul);
                for (x, out) in components.zip(out[columns].chunks_exact_mut(mul)) {
                    for ((out, &x), &gamma) in out.iter_mut().zip(x).zip(gamma) {
                        *out = (x - mean) * inverse * gamma;
                    }
                    if let Some(first) = block.first_scalar {
                        axpy(out, T::ONE, &norm.beta[first..first + mul]);
                    }
                }
            }
        }
    }
}

struct Backward<'a, T> {
    norm: EquivariantNorm<'a, T>,
    x: &'a [T],
    grad: &'a [T],
    to_x: &'a mut [T],
    to_gamma: &'a mut [T],
    to_beta: &'a mut [T],
}

impl<T: Elementary> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            norm,
            x,
            grad,
            to_x,
            to_gamma,
            to_beta,
        } = self;
        let dim = norm.plan.dim();
        let rows = x.chunks_exact(dim).zip(grad.chunks_exact(dim));
        for (to_x, (x, grad)) in to_x.chunks_exact_mut(dim).zip(rows) {
            for block in norm.plan.blocks() {
                let (mul, columns) = (block.block.mul, block.block.columns());
                let (x, grad, to_x) = (
                    &x[columns.clone()],
                    &grad[columns.clone()],
                    &mut to_x[columns],
                );
                let channels: Range<usize> = block.channels();
                let Moments { mean, inverse } = norm.moments::<I>(block, x);
                // First the gradient to the normalised numbers, kept in `to_x`.
                let gamma = &norm.gamma[channels.clone()];
                let to_gamma = &mut to_gamma[channels];
                let components = x.chunks_exact(mul).zip(grad.chunks_exact(mul));
                for (to_x, (x, grad)) in to_x.chunks_exact_mut(mul).zip(components) {
                    let inputs = x.iter().zip(grad).zip(gamma);
                    let outputs = to_x.iter_mut().zip(&mut *to_gamma);
                    for ((to_x, to_gamma), ((&x, &grad), &gamma)) in outputs.zip(inputs) {
                        *to_gamma = I::multiply_add(grad, (x - mean) * inverse, *to_gamma);
                        *to_x = grad * gamma;
                    }
                    if let Some(first) = block.first_scalar {
                        axpy(&mut to_beta[first..first + mul], T::ONE, grad);
                    }
                }
                let scale = T::of(1.0 / x.len() as f64);
                let mean_gradient = match block.first_scalar {
                    Some(_) => sum([&*to_x], |sum, [g]| sum + g) * scale,
                    None => T::ZERO,
                };
                let product = |sum, [x, g]: [T; 2]| I::multiply_add(x - mean, g, sum);
                let projection = sum([x, &*to_x], product) * scale * inverse * inverse;
                for (to_x, &x) in to_x.iter_mut().zip(x) {
                    let along = (x - mean) * projection;
                    *to_x = inverse * (*to_x - mean_gradient - along);
                }
            }
        }
    }
}

/// Sums over the numbers of `N` vectors of the same length, in sixteen lanes and a fixed order.
#[inline(always)]
fn sum<T: Elementary, const N: usize>(vectors: [&[T]; N], add: impl Fn(T, [T; N]) -> T) -> T {
    const LANES: usize = 16;
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
    lanes.into_iter().fold(T::ZERO, |sum, lane| sum + lane)
}
