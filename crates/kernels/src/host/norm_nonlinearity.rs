//! The non-linearity on the norms of the channels, tile by tile.
//!
//! A tile's norms stay in the first cache on their way through normalization and activation; nothing of
//! size rows x channels is stored.

use super::activation;
use super::elementary::Elementary;
use super::norm::{LayerNorm, Normalise, NormaliseAndKeep, PullBack};
use super::norm_plan::{NormBlock, NormPlan, TileBlock};
use super::real::axpy;
use super::row_norm::RowNorm;
use super::simd::{Instructions, Loop, dispatch};
use crate::Activation;

/// Rows of a tile.
const TILE: usize = 32;

/// The choices of a norm non-linearity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormNonlinearityOptions {
    /// Applied to the transformed norms.
    pub activation: Activation,
    /// Norms below this count as this; positive.
    pub smallest_norm: f64,
    /// Added to the variance where norms are normalised.
    pub epsilon: f64,
}

/// `x -> activation(transform(|x|)) x / |x|`, channel by channel.
#[derive(Clone, Copy)]
pub(crate) struct NormNonlinearity<'a, T> {
    pub(crate) plan: &'a NormPlan,
    /// Scale of the normalised norms `[num_channels]`, or empty: norms are shifted only
    pub(crate) gamma: &'a [T],
    /// Shift, `[num_channels]`
    pub(crate) beta: &'a [T],
    pub(crate) options: NormNonlinearityOptions,
}

/// Numbers of one block of a tile, `[rows, mul]` each.
struct Scratch<T> {
    squares: Vec<T>,
    norms: Vec<T>,
    normal: Vec<T>,
    transformed: Vec<T>,
    activated: Vec<T>,
    to_transformed: Vec<T>,
    to_norms: Vec<T>,
    /// `[rows]`
    deviations: Vec<T>,
}

impl<T: Elementary> Scratch<T> {
    fn new(plan: &NormPlan) -> Self {
        let zeros = || vec![T::ZERO; TILE * plan.most_channels()];
        Self {
            squares: zeros(),
            norms: zeros(),
            normal: zeros(),
            transformed: zeros(),
            activated: zeros(),
            to_transformed: zeros(),
            to_norms: zeros(),
            deviations: vec![T::ZERO; TILE],
        }
    }
}

impl<T: Elementary> NormNonlinearity<'_, T> {
    fn layer_norm(&self, block: &NormBlock) -> Option<LayerNorm<'_, T>> {
        (!self.gamma.is_empty()).then(|| LayerNorm {
            gamma: &self.gamma[block.channels()],
            beta: &self.beta[block.channels()],
            width: block.block.mul,
            epsilon: T::of(self.options.epsilon),
        })
    }

    fn tile_block(&self, block: &NormBlock) -> TileBlock {
        TileBlock {
            block: block.block,
            stride: self.plan.dim(),
        }
    }

    fn forward_block(
        &self,
        block: &NormBlock,
        x: &[T],
        out: &mut [T],
        Scratch {
            squares,
            norms,
            transformed,
            ..
        }: &mut Scratch<T>,
    ) {
        let len = x.len() / self.plan.dim() * block.block.mul;
        let [squares, norms, transformed] =
            [squares, norms, transformed].map(|buffer| &mut buffer[..len]);
        let tile = self.tile_block(block);
        dispatch(Measure {
            tile,
            x,
            smallest_norm: T::of(self.options.smallest_norm),
            squares,
            norms,
        });
        transformed.copy_from_slice(norms);
        match self.layer_norm(block) {
            Some(norm) => dispatch(Normalise {
                norm,
                x: transformed,
            }),
            None => {
                let beta = &self.beta[block.channels()];
                for row in transformed.chunks_exact_mut(beta.len()) {
                    axpy(row, T::ONE, beta);
                }
            }
        }
        activation::apply(self.options.activation, transformed);
        dispatch(Rescale {
            tile,
            x,
            squares,
            norms,
            activated: transformed,
            out,
        });
    }

    fn backward_block(
        &self,
        block: &NormBlock,
        [x, grad]: [&[T]; 2],
        to_x: &mut [T],
        [to_gamma, to_beta]: &mut [Vec<T>; 2],
        scratch: &mut Scratch<T>,
    ) {
        let rows = x.len() / self.plan.dim();
        let len = rows * block.block.mul;
        let Scratch {
            squares,
            norms,
            normal,
            transformed,
            activated,
            to_transformed,
            to_norms,
            deviations,
        } = scratch;
        let [
            squares,
            norms,
            normal,
            transformed,
            activated,
            to_transformed,
            to_norms,
        ] = [
            squares,
            norms,
            normal,
            transformed,
            activated,
            to_transformed,
            to_norms,
        ]
        .map(|buffer| &mut buffer[..len]);
        let tile = self.tile_block(block);
        let smallest_norm = T::of(self.options.smallest_norm);
        dispatch(Measure {
            tile,
            x,
            smallest_norm,
            squares,
            norms,
        });
        let norm = self.layer_norm(block);
        let beta = &self.beta[block.channels()];
        match norm {
            Some(norm) => {
                normal.copy_from_slice(norms);
                dispatch(NormaliseAndKeep {
                    norm,
                    normal,
                    inverse_deviations: &mut deviations[..rows],
                    out: transformed,
                });
            }
            None => {
                transformed.copy_from_slice(norms);
                for row in transformed.chunks_exact_mut(beta.len()) {
                    axpy(row, T::ONE, beta);
                }
            }
        }
        activated.copy_from_slice(transformed);
        activation::apply(self.options.activation, activated);
        dispatch(ToFactors {
            tile,
            x,
            grad,
            squares,
            norms,
            activated,
            to_activated: to_transformed,
            to_norms,
        });
        activation::pull_back(self.options.activation, transformed, to_transformed);
        let to_beta = &mut to_beta[block.channels()];
        match norm {
            Some(norm) => dispatch(PullBack {
                norm,
                normal,
                inverse_deviations: &deviations[..rows],
                gradient: to_transformed,
                to_gamma: &mut to_gamma[block.channels()],
                to_beta,
            }),
            None => {
                for row in to_transformed.chunks_exact(beta.len()) {
                    axpy(to_beta, T::ONE, row);
                }
            }
        }
        axpy(to_norms, T::ONE, to_transformed);
        dispatch(ToFeatures {
            tile,
            x,
            grad,
            smallest_square: smallest_norm * smallest_norm,
            squares,
            norms,
            activated,
            to_norms,
            to_x,
        });
    }
}

impl<T: Elementary> RowNorm<T> for NormNonlinearity<'_, T> {
    fn dim(&self) -> usize {
        self.plan.dim()
    }

    fn affine_lengths(&self) -> [usize; 2] {
        [self.gamma.len(), self.beta.len()]
    }

    fn forward_rows(&self, x: &[T], out: &mut [T]) {
        let tile = TILE * self.plan.dim();
        let mut scratch = Scratch::new(self.plan);
        for (out, x) in out.chunks_mut(tile).zip(x.chunks(tile)) {
            for block in self.plan.blocks() {
                self.forward_block(block, x, out, &mut scratch);
            }
        }
    }

    fn backward_rows(&self, [x, grad]: [&[T]; 2], to_x: &mut [T], to_affine: &mut [Vec<T>; 2]) {
        let tile = TILE * self.plan.dim();
        let mut scratch = Scratch::new(self.plan);
        let inputs = x.chunks(tile).zip(grad.chunks(tile));
        for (to_x, (x, grad)) in to_x.chunks_mut(tile).zip(inputs) {
            for block in self.plan.blocks() {
                self.backward_block(block, [x, grad], to_x, to_affine, &mut scratch);
            }
        }
    }
}

/// Squared norms, and norms no smaller than the smallest.
struct Measure<'a, T> {
    tile: TileBlock,
    x: &'a [T],
    smallest_norm: T,
    squares: &'a mut [T],
    norms: &'a mut [T],
}

impl<T: Elementary> Loop for Measure<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            tile,
            x,
            smallest_norm,
            squares,
            norms,
        } = self;
        squares.fill(T::ZERO);
        for (row, squares) in squares.chunks_exact_mut(tile.block.mul).enumerate() {
            for m in 0..tile.components() {
                for (square, &x) in squares.iter_mut().zip(&x[tile.channels(row, m)]) {
                    *square = I::multiply_add(x, x, *square);
                }
            }
        }
        let smallest = smallest_norm * smallest_norm;
        for (norm, &square) in norms.iter_mut().zip(&*squares) {
            // A NaN is not smaller.
            *norm = if square < smallest {
                smallest_norm
            } else {
                square.sqrt()
            };
        }
    }
}

/// What a feature is multiplied by. One that is exactly zero stays zero and takes no gradient: that of
/// its direction, `activated / smallest_norm`, would grow without bound from layer to layer.
#[inline(always)]
fn factor<T: Elementary>(square: T, norm: T, activated: T) -> T {
    if square == T::ZERO {
        T::ZERO
    } else {
        activated / norm
    }
}

/// `out = factor x`.
struct Rescale<'a, T> {
    tile: TileBlock,
    x: &'a [T],
    squares: &'a [T],
    norms: &'a [T],
    /// Becomes the factor.
    activated: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Elementary> Loop for Rescale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            tile,
            x,
            squares,
            norms,
            activated: factors,
            out,
        } = self;
        for ((value, &square), &norm) in factors.iter_mut().zip(squares).zip(norms) {
            *value = factor(square, norm, *value);
        }
        for (row, factors) in factors.chunks_exact(tile.block.mul).enumerate() {
            for m in 0..tile.components() {
                let x = x[tile.channels(row, m)].iter().zip(factors);
                for (out, (&x, &factor)) in out[tile.channels(row, m)].iter_mut().zip(x) {
                    *out = x * factor;
                }
            }
        }
    }
}

/// Gradients to the activated norms, and to the norms that these are divided by.
struct ToFactors<'a, T> {
    tile: TileBlock,
    x: &'a [T],
    grad: &'a [T],
    squares: &'a [T],
    norms: &'a [T],
    activated: &'a [T],
    to_activated: &'a mut [T],
    to_norms: &'a mut [T],
}

impl<T: Elementary> Loop for ToFactors<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            tile,
            x,
            grad,
            squares,
            norms,
            activated,
            to_activated,
            to_norms,
        } = self;
        to_activated.fill(T::ZERO);
        for (row, to_factors) in to_activated.chunks_exact_mut(tile.block.mul).enumerate() {
            for m in 0..tile.components() {
                let x = &x[tile.channels(row, m)];
                let products = x.iter().zip(&grad[tile.channels(row, m)]);
                for (to_factor, (&x, &grad)) in to_factors.iter_mut().zip(products) {
                    *to_factor = I::multiply_add(x, grad, *to_factor);
                }
            }
        }
        let sizes = squares.iter().zip(norms).zip(activated);
        let outputs = to_activated.iter_mut().zip(to_norms);
        for ((to_activated, to_norm), ((&square, &norm), &activated)) in outputs.zip(sizes) {
            *to_activated = factor(square, norm, *to_activated);
            *to_norm = -(*to_activated * (activated / norm));
        }
    }
}

/// `to_x = factor grad + (to_norm / norm) x`, the latter where the norm is not the smallest.
struct ToFeatures<'a, T> {
    tile: TileBlock,
    x: &'a [T],
    grad: &'a [T],
    smallest_square: T,
    squares: &'a [T],
    norms: &'a [T],
    /// Becomes the factor.
    activated: &'a mut [T],
    /// Becomes that over the norm.
    to_norms: &'a mut [T],
    to_x: &'a mut [T],
}

impl<T: Elementary> Loop for ToFeatures<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            tile,
            x,
            grad,
            smallest_square,
            squares,
            norms,
            activated: factors,
            to_norms: slopes,
            to_x,
        } = self;
        let sizes = squares.iter().zip(norms);
        let values = factors.iter_mut().zip(&mut *slopes);
        for ((value, slope), (&square, &norm)) in values.zip(sizes) {
            *value = factor(square, norm, *value);
            *slope = if square < smallest_square {
                T::ZERO
            } else {
                *slope / norm
            };
        }
        let mul = tile.block.mul;
        let rows = factors.chunks_exact(mul).zip(slopes.chunks_exact(mul));
        for (row, (factors, slopes)) in rows.enumerate() {
            for m in 0..tile.components() {
                let columns = tile.channels(row, m);
                let scales = factors.iter().zip(slopes);
                let inputs = x[columns.clone()].iter().zip(&grad[columns.clone()]);
                let outputs = to_x[columns].iter_mut().zip(scales);
                for ((to_x, (&factor, &slope)), (&x, &grad)) in outputs.zip(inputs) {
                    *to_x = I::multiply_add(slope, x, factor * grad);
                }
            }
        }
    }
}
