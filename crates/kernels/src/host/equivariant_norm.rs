//! Layer normalization that commutes with rotations, row by row.

use std::ops::Range;

use super::elementary::Elementary;
use super::norm::sum;
use super::norm_plan::{NormBlock, NormPlan};
use super::real::axpy;
use super::row_norm::RowNorm;
use super::simd::{Instructions, Loop, dispatch};

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
}

impl<T: Elementary> RowNorm<T> for EquivariantNorm<'_, T> {
    fn dim(&self) -> usize {
        self.plan.dim()
    }

    fn affine_lengths(&self) -> [usize; 2] {
        [self.gamma.len(), self.beta.len()]
    }

    fn forward_rows(&self, x: &[T], out: &mut [T]) {
        let norm = *self;
        dispatch(Forward { norm, x, out });
    }

    fn backward_rows(&self, [x, grad]: [&[T]; 2], to_x: &mut [T], to_affine: &mut [Vec<T>; 2]) {
        let [to_gamma, to_beta] = to_affine;
        dispatch(Backward {
            norm: *self,
            x,
            grad,
            to_x,
            to_gamma,
            to_beta,
        });
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
