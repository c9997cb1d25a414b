//! Layer normalization as an operation of its own, with or without a rectifier behind it.

use rayon::prelude::*;

use super::activation;
use super::elementary::Elementary;
use super::norm::{LayerNorm, Normalise, NormaliseAndKeep, PullBack};
use super::real::axpy;
use super::simd::dispatch;
use crate::Activation;

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

impl Rectifier {
    pub(crate) fn activation(self) -> Activation {
        match self {
            Self::None => Activation::Identity,
            Self::Relu => Activation::Relu,
        }
    }
}

pub(crate) fn forward<T: Elementary>(
    norm: LayerNorm<'_, T>,
    rectifier: Rectifier,
    x: &[T],
) -> Vec<T> {
    let mut out = x.to_vec();
    let len = (ROWS * norm.gamma.len()).max(1);
    out.par_chunks_mut(len).for_each(|x| {
        dispatch(Normalise { norm, x });
        activation::apply(rectifier.activation(), x);
    });
    out
}

/// Gradients to x, gamma and beta.
pub(crate) fn backward<T: Elementary>(
    norm: LayerNorm<'_, T>,
    rectifier: Rectifier,
    x: &[T],
    grad: &[T],
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let columns = norm.gamma.len();
    let mut to_x = grad.to_vec();
    let len = (ROWS * columns).max(1);
    let parts: Vec<(Vec<T>, Vec<T>)> = to_x
        .par_chunks_mut(len)
        .zip(x.par_chunks(len))
        .map(|(gradient, x)| {
            let mut normal = x.to_vec();
            let (mut out, mut kept) = (x.to_vec(), vec![T::ZERO; x.len() / norm.width]);
            let (mut to_gamma, mut to_beta) = (vec![T::ZERO; columns], vec![T::ZERO; columns]);
            dispatch(NormaliseAndKeep {
                norm,
                normal: &mut normal,
                inverse_deviations: &mut kept,
                out: &mut out,
            });
            activation::pull_back(rectifier.activation(), &out, gradient);
            dispatch(PullBack {
                norm,
                normal: &normal,
                inverse_deviations: &kept,
                gradient,
                to_gamma: &mut to_gamma,
                to_beta: &mut to_beta,
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
