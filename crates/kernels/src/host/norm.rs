//! Layer normalization, with or without a rectifier behind it, in one pass over memory.

use rayon::prelude::*;

use super::real::{Real, axpy};

/// Rows that one task normalises; fixed, so that the sums over rows have a fixed order.
const ROWS: usize = 256;

/// What follows the normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rectifier {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
}

/// Normalization of each run of `width` columns; `gamma` and `beta` have one number per column.
#[derive(Clone, Copy)]
pub(crate) struct LayerNorm<'a, T> {
    pub(crate) gamma: &'a [T],
    pub(crate) beta: &'a [T],
    pub(crate) width: usize,
    pub(crate) epsilon: T,
    pub(crate) rectifier: Rectifier,
}

struct Moments<T> {
    mean: T,
    inverse_deviation: T,
}

impl<T: Real> LayerNorm<'_, T> {
    fn columns(&self) -> usize {
        self.gamma.len()
    }

    /// Whether the rectifier stops a value. A NaN passes, so that it shows.
    #[inline(always)]
    fn blocks(&self, value: T) -> bool {
        self.rectifier == Rectifier::Relu && value <= T::ZERO
    }

    #[inline(always)]
    fn moments(&self, x: &[T]) -> Moments<T> {
        let scale = T::of(1.0 / self.width as f64);
        let mean = sum(x.iter().copied()) * scale;
        let variance = sum(x.iter().map(|&x| (x - mean) * (x - mean))) * scale;
        Moments {
            mean,
            inverse_deviation: (variance + self.epsilon).recip_sqrt(),
        }
    }

    pub(crate) fn forward(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; x.len()];
        let len = (ROWS * self.columns()).max(1);
        out.par_chunks_mut(len)
            .zip(x.par_chunks(len))
            .for_each(|(out, x)| {
                pulp::Arch::new().dispatch(|| self.forward_rows(x, out));
            });
        out
    }

    #[inline(always)]
    fn forward_rows(&self, x: &[T], out: &mut [T]) {
        let runs = self.columns() / self.width;
        for (run, (x, out)) in x
            .chunks_exact(self.width)
            .zip(out.chunks_exact_mut(self.width))
            .enumerate()
        {
            let columns = (run % runs) * self.width..(run % runs + 1) * self.width;
            let Moments {
                mean,
                inverse_deviation,
            } = self.moments(x);
            let affine = self.gamma[columns.clone()].iter().zip(&self.beta[columns]);
            for ((out, &x), (&gamma, &beta)) in out.iter_mut().zip(x).zip(affine) {
                let value = gamma * ((x - mean) * inverse_deviation) + beta;
                *out = if self.blocks(value) { T::ZERO } else { value };
            }
        }
    }

    /// Gradients to x, gamma and beta.
    pub(crate) fn backward(&self, x: &[T], grad: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let mut to_x = vec![T::ZERO; x.len()];
        let columns = self.columns();
        let len = (ROWS * columns).max(1);
        let parts: Vec<(Vec<T>, Vec<T>)> = to_x
            .par_chunks_mut(len)
            .zip(x.par_chunks(len).zip(grad.par_chunks(len)))
            .map(|(to_x, (x, grad))| {
                let (mut to_gamma, mut to_beta) = (vec![T::ZERO; columns], vec![T::ZERO; columns]);
                pulp::Arch::new().dispatch(|| {
                    self.backward_rows(x, grad, to_x, &mut to_gamma, &mut to_beta);
                });
                (to_gamma, to_beta)
            })
            .collect();
        let (mut to_gamma, mut to_beta) = (vec![T::ZERO; columns], vec![T::ZERO; columns]);
        for (gamma, beta) in parts {
            axpy(&mut to_gamma, T::ONE, &gamma);
            axpy(&mut to_beta, T::ONE, &beta);
        }
        (to_x, to_gamma, to_beta)
    }

    #[inline(always)]
    fn backward_rows(
        &self,
        x: &[T],
        grad: &[T],
        to_x: &mut [T],
        to_gamma: &mut [T],
        to_beta: &mut [T],
    ) {
        let width = self.width;
        let runs = self.columns() / width;
        let scale = T::of(1.0 / width as f64);
        for (run, ((x, grad), to_x)) in x
            .chunks_exact(width)
            .zip(grad.chunks_exact(width))
            .zip(to_x.chunks_exact_mut(width))
            .enumerate()
        {
            let columns = (run % runs) * width..(run % runs + 1) * width;
            let Moments {
                mean,
                inverse_deviation,
            } = self.moments(x);
            let (gamma, beta) = (&self.gamma[columns.clone()], &self.beta[columns.clone()]);
            let (to_gamma, to_beta) = (&mut to_gamma[columns.clone()], &mut to_beta[columns]);
            // First the gradient to the normalised values, kept in `to_x`.
            for c in 0..width {
                let normal = (x[c] - mean) * inverse_deviation;
                let blocked = self.blocks(gamma[c] * normal + beta[c]);
                let passed = if blocked { T::ZERO } else { grad[c] };
                to_gamma[c] += passed * normal;
                to_beta[c] += passed;
                to_x[c] = passed * gamma[c];
            }
            let mean_gradient = sum(to_x.iter().copied()) * scale;
            let projection = sum(to_x
                .iter()
                .zip(x)
                .map(|(&g, &x)| g * ((x - mean) * inverse_deviation)))
                * scale;
            for c in 0..width {
                let normal = (x[c] - mean) * inverse_deviation;
                to_x[c] = inverse_deviation * (to_x[c] - mean_gradient - normal * projection);
            }
        }
    }
}

/// Sum in eight fixed lanes.
#[inline(always)]
fn sum<T: Real>(values: impl Iterator<Item = T>) -> T {
    let mut lanes = [T::ZERO; 8];
    for (i, value) in values.enumerate() {
        lanes[i % 8] += value;
    }
    lanes.into_iter().fold(T::ZERO, |sum, lane| sum + lane)
}
