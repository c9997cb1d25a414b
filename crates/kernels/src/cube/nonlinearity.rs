//! The non-linearity on norms: threads side by side share a row and go from block to block.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::activation::{pull_back, value};
use super::lanes::{LANES, ROWS, sum_of_lanes, workgroups};
use super::sums::sum_columns;
use super::{THREADS, buffer, dims, empty_like, upload};
use crate::{Activation, NormNonlinearityOptions, NormPlan};

/// Words of a block: first column, channels, components, first channel among all.
pub(super) const BLOCK: usize = 4;

/// The blocks of a plan, as kernels read them.
pub(super) fn words(plan: &NormPlan) -> Vec<u32> {
    let blocks = plan.blocks().iter();
    let words = blocks.flat_map(|own| {
        let components = 2 * own.block.l + 1;
        [
            own.block.offset,
            own.block.mul,
            components,
            own.first_channel,
        ]
    });
    words.map(|word| word as u32).collect()
}

/// The square of the norm of the channel at `at`.
#[cube]
fn square_of(x: &[f32], at: usize, mul: usize, components: usize) -> f32 {
    let mut square = 0.0f32;
    for m in 0..components {
        let x = x[at + m * mul];
        square += x * x;
    }
    square
}

/// A norm, no smaller than the smallest; a NaN is not smaller.
#[cube]
fn norm_of(square: f32, smallest: f32) -> f32 {
    let mut norm = square.sqrt();
    if square < smallest * smallest {
        norm = smallest;
    }
    norm
}

/// Mean and inverse deviation of the norms of a block, in each thread that shares the row.
#[cube]
fn moments(
    x: &[f32],
    shared: &mut [f32],
    first: usize,
    mul: usize,
    components: usize,
    present: bool,
    smallest: f32,
    epsilon: f32,
) -> (f32, f32) {
    let lane = UNIT_POS as usize % LANES;
    let scale = 1.0 / f32::cast_from(mul);
    let mut sum = 0.0f32;
    if present {
        let mut c = lane;
        while c < mul {
            sum += norm_of(square_of(x, first + c, mul, components), smallest);
            c += LANES;
        }
    }
    let mean = sum_of_lanes(shared, sum) * scale;
    let mut squares = 0.0f32;
    if present {
        let mut c = lane;
        while c < mul {
            let norm = norm_of(square_of(x, first + c, mul, components), smallest);
            squares += (norm - mean) * (norm - mean);
            c += LANES;
        }
    }
    let variance = sum_of_lanes(shared, squares) * scale;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// `out = activation(transform(|x|)) x / |x|`; a feature that is exactly zero stays zero.
#[cube(launch)]
fn forward(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    blocks: &[u32],
    out: &mut [f32],
    rows: usize,
    width: usize,
    num_blocks: usize,
    smallest: f32,
    epsilon: f32,
    #[comptime] is_normalised: bool,
    #[comptime] activation: Activation,
) {
    let mut shared = Shared::<[f32]>::new_slice(THREADS as usize);
    let row = CUBE_POS * ROWS + UNIT_POS as usize / LANES;
    for block in 0..num_blocks {
        let first = row * width + blocks[block * BLOCK] as usize;
        let mul = blocks[block * BLOCK + 1] as usize;
        let components = blocks[block * BLOCK + 2] as usize;
        let channel = blocks[block * BLOCK + 3] as usize;
        let mut mean = 0.0f32;
        let mut inverse = 1.0f32;
        if comptime!(is_normalised) {
            let both = moments(
                x,
                &mut shared,
                first,
                mul,
                components,
                row < rows,
                smallest,
                epsilon,
            );
            mean = both.0;
            inverse = both.1;
        }
        if row < rows {
            let mut c = UNIT_POS as usize % LANES;
            while c < mul {
                let square = square_of(x, first + c, mul, components);
                let norm = norm_of(square, smallest);
                let mut transformed = norm + beta[channel + c];
                if comptime!(is_normalised) {
                    transformed =
                        gamma[channel + c] * ((norm - mean) * inverse) + beta[channel + c];
                }
                let mut factor = value(transformed, activation) / norm;
                if square == 0.0 {
                    factor = 0.0;
                }
                for m in 0..components {
                    out[first + c + m * mul] = factor * x[first + c + m * mul];
                }
                c += LANES;
            }
        }
    }
}

/// The way back: the gradient to x, and for each row and channel what those to gamma and beta sum.
#[cube(launch)]
fn backward(
    grad: &[f32],
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    blocks: &[u32],
    to_x: &mut [f32],
    to_gamma: &mut [f32],
    to_beta: &mut [f32],
    rows: usize,
    width: usize,
    channels: usize,
    num_blocks: usize,
    smallest: f32,
    epsilon: f32,
    #[comptime] is_normalised: bool,
    #[comptime] activation: Activation,
) {
    let mut shared = Shared::<[f32]>::new_slice(THREADS as usize);
    let row = CUBE_POS * ROWS + UNIT_POS as usize / LANES;
    let lane = UNIT_POS as usize % LANES;
    for block in 0..num_blocks {
        let first = row * width + blocks[block * BLOCK] as usize;
        let mul = blocks[block * BLOCK + 1] as usize;
        let components = blocks[block * BLOCK + 2] as usize;
        let channel = blocks[block * BLOCK + 3] as usize;
        let mut mean = 0.0f32;
        let mut inverse = 1.0f32;
        if comptime!(is_normalised) {
            let both = moments(
                x,
                &mut shared,
                first,
                mul,
                components,
                row < rows,
                smallest,
                epsilon,
            );
            mean = both.0;
            inverse = both.1;
        }
        let mut sum = 0.0f32;
        let mut projection = 0.0f32;
        if row < rows {
            let mut c = lane;
            while c < mul {
                let square = square_of(x, first + c, mul, components);
                let norm = norm_of(square, smallest);
                let normal = (norm - mean) * inverse;
                let mut transformed = norm + beta[channel + c];
                if comptime!(is_normalised) {
                    transformed = gamma[channel + c] * normal + beta[channel + c];
                }
                let mut along = 0.0f32;
                for m in 0..components {
                    let at = first + c + m * mul;
                    along += x[at] * grad[at];
                }
                let mut to_activated = along / norm;
                if square == 0.0 {
                    to_activated = 0.0;
                }
                let to_transformed = pull_back(transformed, to_activated, activation);
                let at = row * channels + channel + c;
                to_beta[at] = to_transformed;
                if comptime!(is_normalised) {
                    to_gamma[at] = to_transformed * normal;
                    sum += to_transformed * gamma[channel + c];
                    projection += to_transformed * gamma[channel + c] * normal;
                }
                c += LANES;
            }
        }
        let scale = 1.0 / f32::cast_from(mul);
        if comptime!(is_normalised) {
            sum = sum_of_lanes(&mut shared, sum) * scale;
            projection = sum_of_lanes(&mut shared, projection) * scale;
        }
        if row < rows {
            let mut c = lane;
            while c < mul {
                let square = square_of(x, first + c, mul, components);
                let norm = norm_of(square, smallest);
                let normal = (norm - mean) * inverse;
                let mut to_norm = to_beta[row * channels + channel + c];
                let mut transformed = norm + beta[channel + c];
                if comptime!(is_normalised) {
                    transformed = gamma[channel + c] * normal + beta[channel + c];
                    to_norm *= gamma[channel + c];
                    to_norm = inverse * (to_norm - sum - normal * projection);
                }
                let mut along = 0.0f32;
                for m in 0..components {
                    let at = first + c + m * mul;
                    along += x[at] * grad[at];
                }
                let mut factor = value(transformed, activation) / norm;
                // A feature that is exactly zero takes no gradient, and a smallest norm passes none on.
                let mut slope = (to_norm - along / norm * factor) / norm;
                if square == 0.0 {
                    factor = 0.0;
                }
                if square < smallest * smallest {
                    slope = 0.0;
                }
                for m in 0..components {
                    let at = first + c + m * mul;
                    to_x[at] = slope * x[at] + factor * grad[at];
                }
                c += LANES;
            }
        }
    }
}

/// The tensors of one non-linearity, row-major, with rows and columns; an empty gamma means that norms are
/// shifted only.
pub(super) struct Nonlinearity {
    pub(super) x: CubeTensor,
    pub(super) gamma: CubeTensor,
    pub(super) beta: CubeTensor,
    pub(super) plan: Arc<NormPlan>,
    pub(super) options: NormNonlinearityOptions,
}

impl Nonlinearity {
    fn is_normalised(&self) -> bool {
        self.gamma.meta.num_elements() > 0
    }

    /// Scales, or something that is bound and not read.
    fn scales(&self) -> &CubeTensor {
        match self.is_normalised() {
            true => &self.gamma,
            false => &self.beta,
        }
    }

    pub(super) fn forward(&self) -> CubeTensor {
        let [rows, width] = dims(&self.x);
        let out = empty_like(&self.x, [rows, width]);
        let (groups, threads) = workgroups(rows, &self.x);
        forward::launch(
            &out.client,
            groups,
            threads,
            buffer(&self.x),
            buffer(self.scales()),
            buffer(&self.beta),
            buffer(&upload(&self.x, &words(&self.plan))),
            buffer(&out),
            rows,
            width,
            self.plan.blocks().len(),
            self.options.smallest_norm as f32,
            self.options.epsilon as f32,
            self.is_normalised(),
            self.options.activation,
        );
        out
    }

    /// Gradients to x, gamma and beta.
    pub(super) fn backward(&self, grad: &CubeTensor) -> [CubeTensor; 3] {
        let ([rows, width], channels) = (dims(&self.x), self.plan.num_channels());
        let to_x = empty_like(&self.x, [rows, width]);
        let [to_gamma, to_beta] = [(); 2].map(|()| empty_like(&self.x, [rows, channels]));
        let (groups, threads) = workgroups(rows, &self.x);
        backward::launch(
            &to_x.client,
            groups,
            threads,
            buffer(grad),
            buffer(&self.x),
            buffer(self.scales()),
            buffer(&self.beta),
            buffer(&upload(&self.x, &words(&self.plan))),
            buffer(&to_x),
            buffer(&to_gamma),
            buffer(&to_beta),
            rows,
            width,
            channels,
            self.plan.blocks().len(),
            self.options.smallest_norm as f32,
            self.options.epsilon as f32,
            self.is_normalised(),
            self.options.activation,
        );
        let to_gamma = match self.is_normalised() {
            true => sum_columns(&to_gamma),
            false => empty_like(&self.gamma, self.gamma.shape()),
        };
        [to_x, to_gamma, sum_columns(&to_beta)]
    }
}
