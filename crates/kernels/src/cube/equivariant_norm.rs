//! Equivariant layer normalization: threads side by side share a row and go from block to block.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::lanes::{LANES, ROWS, moments, sum_of_lanes, workgroups};
use super::nonlinearity::Nonlinearity;
use super::sums::sum_columns;
use super::{THREADS, buffer, dims, empty_like, has_kernels, row_major, upload, zeros};
use crate::ops::norm::{
    layer_norm_backward_on_host, layer_norm_on_host, nonlinearity_backward_on_host,
    nonlinearity_on_host,
};
use crate::{NormNonlinearityOptions, NormOps, NormPlan};

/// Words of a block: first column, channels, columns, first channel among all, one more than its first
/// channel among the invariant ones, or 0.
const BLOCK: usize = 5;

fn words(plan: &NormPlan) -> Vec<u32> {
    let blocks = plan.blocks().iter();
    let words = blocks.flat_map(|own| {
        [
            own.block.offset,
            own.block.mul,
            own.block.dim(),
            own.first_channel,
            own.first_scalar.map_or(0, |first| first + 1),
        ]
    });
    words.map(|word| word as u32).collect()
}

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
    epsilon: f32,
) {
    let mut shared = Shared::<[f32]>::new_slice(THREADS as usize);
    let row = CUBE_POS * ROWS + UNIT_POS as usize / LANES;
    for block in 0..num_blocks {
        let first = row * width + blocks[block * BLOCK] as usize;
        let mul = blocks[block * BLOCK + 1] as usize;
        let columns = blocks[block * BLOCK + 2] as usize;
        let channel = blocks[block * BLOCK + 3] as usize;
        let scalar = blocks[block * BLOCK + 4] as usize;
        let (mean, inverse) = moments(
            x,
            &mut shared,
            first,
            columns,
            scalar > 0,
            row < rows,
            epsilon,
        );
        if row < rows {
            let mut c = UNIT_POS as usize % LANES;
            while c < columns {
                let mut y = (x[first + c] - mean) * inverse * gamma[channel + c % mul];
                if scalar > 0 {
                    y += beta[scalar - 1 + c];
                }
                out[first + c] = y;
                c += LANES;
            }
        }
    }
}

/// The way back: the gradient to x, and for each row and channel what the gradient to gamma sums; that to
/// beta sums the gradient itself.
#[cube(launch)]
fn backward(
    grad: &[f32],
    x: &[f32],
    gamma: &[f32],
    blocks: &[u32],
    to_x: &mut [f32],
    to_gamma: &mut [f32],
    to_beta: &mut [f32],
    rows: usize,
    width: usize,
    channels: usize,
    scalars: usize,
    num_blocks: usize,
    epsilon: f32,
) {
    let mut shared = Shared::<[f32]>::new_slice(THREADS as usize);
    let row = CUBE_POS * ROWS + UNIT_POS as usize / LANES;
    let lane = UNIT_POS as usize % LANES;
    for block in 0..num_blocks {
        let first = row * width + blocks[block * BLOCK] as usize;
        let mul = blocks[block * BLOCK + 1] as usize;
        let columns = blocks[block * BLOCK + 2] as usize;
        let channel = blocks[block * BLOCK + 3] as usize;
        let scalar = blocks[block * BLOCK + 4] as usize;
        let (mean, inverse) = moments(
            x,
            &mut shared,
            first,
            columns,
            scalar > 0,
            row < rows,
            epsilon,
        );
        let mut sum = 0.0f32;
        let mut projection = 0.0f32;
        if row < rows {
            // A thread has whole channels: their components are `mul` apart.
            let mut c = lane;
            while c < mul {
                let mut to_scale = 0.0f32;
                let mut at = first + c;
                while at < first + columns {
                    let centred = x[at] - mean;
                    let gradient = grad[at] * gamma[channel + c];
                    to_scale += grad[at] * centred * inverse;
                    sum += gradient;
                    projection += centred * gradient;
                    at += mul;
                }
                to_gamma[row * channels + channel + c] = to_scale;
                if scalar > 0 {
                    to_beta[row * scalars + scalar - 1 + c] = grad[first + c];
                }
                c += LANES;
            }
        }
        let scale = 1.0 / f32::cast_from(columns);
        let mut mean_gradient = sum_of_lanes(&mut shared, sum) * scale;
        if scalar == 0 {
            mean_gradient = 0.0;
        }
        let projection = sum_of_lanes(&mut shared, projection) * scale * inverse * inverse;
        if row < rows {
            let mut c = lane;
            while c < columns {
                let along = (x[first + c] - mean) * projection;
                let gradient = grad[first + c] * gamma[channel + c % mul];
                to_x[first + c] = inverse * (gradient - mean_gradient - along);
                c += LANES;
            }
        }
    }
}

impl NormOps for CubeBackend {
    fn norm_nonlinearity(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        plan: Arc<NormPlan>,
        options: NormNonlinearityOptions,
    ) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return nonlinearity_on_host::<Self>([x, gamma, beta], &plan, options);
        }
        if x.meta.num_elements() == 0 {
            return x;
        }
        let [x, gamma, beta] = row_major([x, gamma, beta]);
        let layer = Nonlinearity {
            x,
            gamma,
            beta,
            plan,
            options,
        };
        layer.forward()
    }

    fn norm_nonlinearity_backward(
        grad: CubeTensor,
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        plan: Arc<NormPlan>,
        options: NormNonlinearityOptions,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        if !has_kernels(x.dtype) {
            let tensors = [x, gamma, beta];
            return nonlinearity_backward_on_host::<Self>(grad, tensors, &plan, options);
        }
        if x.meta.num_elements() == 0 {
            let [gamma, beta] = [gamma, beta].map(|affine| zeros(&affine, affine.shape()));
            return (x, gamma, beta);
        }
        let [grad, x, gamma, beta] = row_major([grad, x, gamma, beta]);
        let layer = Nonlinearity {
            x,
            gamma,
            beta,
            plan,
            options,
        };
        layer.backward(&grad).into()
    }

    fn equivariant_layer_norm(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        plan: Arc<NormPlan>,
        epsilon: f64,
    ) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return layer_norm_on_host::<Self>([x, gamma, beta], &plan, epsilon);
        }
        if x.meta.num_elements() == 0 {
            return x;
        }
        let [x, gamma, beta] = row_major([x, gamma, beta]);
        let [rows, width] = dims(&x);
        let out = empty_like(&x, [rows, width]);
        let (groups, threads) = workgroups(rows, &x);
        // Without invariant channels the kernel binds something it does not read.
        let shifts = if plan.num_scalars() > 0 {
            &beta
        } else {
            &gamma
        };
        forward::launch(
            &out.client,
            groups,
            threads,
            buffer(&x),
            buffer(&gamma),
            buffer(shifts),
            buffer(&upload(&x, &words(&plan))),
            buffer(&out),
            rows,
            width,
            plan.blocks().len(),
            epsilon as f32,
        );
        out
    }

    fn equivariant_layer_norm_backward(
        grad: CubeTensor,
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        plan: Arc<NormPlan>,
        epsilon: f64,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        if !has_kernels(x.dtype) {
            let tensors = [x, gamma, beta];
            return layer_norm_backward_on_host::<Self>(grad, tensors, &plan, epsilon);
        }
        if x.meta.num_elements() == 0 {
            let [gamma, beta] = [gamma, beta].map(|affine| zeros(&affine, affine.shape()));
            return (x, gamma, beta);
        }
        let [grad, x, gamma] = row_major([grad, x, gamma]);
        let [rows, width] = dims(&x);
        let (channels, scalars) = (plan.num_channels(), plan.num_scalars());
        let to_x = empty_like(&x, [rows, width]);
        let to_gamma = empty_like(&x, [rows, channels]);
        let to_beta = empty_like(&x, [rows, scalars.max(1)]);
        let (groups, threads) = workgroups(rows, &x);
        backward::launch(
            &x.client,
            groups,
            threads,
            buffer(&grad),
            buffer(&x),
            buffer(&gamma),
            buffer(&upload(&x, &words(&plan))),
            buffer(&to_x),
            buffer(&to_gamma),
            buffer(&to_beta),
            rows,
            width,
            channels,
            scalars,
            plan.blocks().len(),
            epsilon as f32,
        );
        let to_beta = match scalars {
            0 => empty_like(&beta, beta.shape()),
            _ => sum_columns(&to_beta),
        };
        (to_x, sum_columns(&to_gamma), to_beta)
    }
}
