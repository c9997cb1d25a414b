//! Activations: one thread for each number.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{buffer, empty_like, has_kernels, one_thread_each, row_major};
use crate::ops::activation::{activate_backward_on_host, activate_on_host};
use crate::{Activation, ActivationOps};

/// `1 / (1 + exp(-x))`, without overflow.
#[cube]
fn sigmoid(x: f32) -> f32 {
    let small = (-x.abs()).exp();
    let mut numerator = 1.0f32;
    if x < 0.0 {
        numerator = small;
    }
    numerator / (1.0 + small)
}

/// The cumulative normal distribution.
#[cube]
fn normal(x: f32) -> f32 {
    0.5 * (1.0 + Erf::erf(x * comptime!(FRAC_1_SQRT_2 as f32)))
}

/// `ln(1 + exp(x))`, without overflow.
#[cube]
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().log1p()
}

/// `f(x)`.
#[cube]
pub(super) fn value(x: f32, #[comptime] activation: Activation) -> f32 {
    let mut out = x;
    if comptime!(activation == Activation::Relu) {
        // A NaN passes, so that it shows.
        if x <= 0.0 {
            out = 0.0;
        }
    } else if comptime!(activation == Activation::Silu) {
        out = x * sigmoid(x);
    } else if comptime!(activation == Activation::Gelu) {
        out = x * normal(x);
    } else if comptime!(activation == Activation::Tanh) {
        out = x.tanh();
    } else if comptime!(activation == Activation::Sigmoid) {
        out = sigmoid(x);
    } else if comptime!(activation == Activation::Softplus) {
        out = softplus(x);
    } else if comptime!(activation == Activation::ShiftedSoftplus) {
        out = softplus(x) - comptime!(LN_2 as f32);
    } else if comptime!(activation == Activation::Abs) {
        out = x.abs();
    }
    out
}

/// `gradient f'(x)`.
#[cube]
pub(super) fn pull_back(x: f32, gradient: f32, #[comptime] activation: Activation) -> f32 {
    let mut out = gradient;
    if comptime!(activation == Activation::Relu) {
        if x <= 0.0 {
            out = 0.0;
        }
    } else if comptime!(activation == Activation::Silu) {
        let value = sigmoid(x);
        out = gradient * (value + x * value * sigmoid(-x));
    } else if comptime!(activation == Activation::Gelu) {
        let bell = (-(x * x * 0.5)).exp();
        let density = bell * comptime!((1.0 / (2.0 * PI).sqrt()) as f32);
        out = gradient * (normal(x) + x * density);
    } else if comptime!(activation == Activation::Tanh) {
        out = gradient * 4.0 * sigmoid(x + x) * sigmoid(-(x + x));
    } else if comptime!(activation == Activation::Sigmoid) {
        out = gradient * sigmoid(x) * sigmoid(-x);
    } else if comptime!(
        activation == Activation::Softplus || activation == Activation::ShiftedSoftplus
    ) {
        out = gradient * sigmoid(x);
    } else if comptime!(activation == Activation::Abs) {
        // Zero in the corner, unless x or the gradient is a NaN.
        out = x * gradient;
        if x > 0.0 {
            out = gradient;
        }
        if x < 0.0 {
            out = -gradient;
        }
    }
    out
}

#[cube(launch)]
fn values(x: &[f32], out: &mut [f32], count: usize, #[comptime] activation: Activation) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    out[ABSOLUTE_POS] = value(x[ABSOLUTE_POS], activation);
}

#[cube(launch)]
fn gradients(
    x: &[f32],
    grad: &[f32],
    out: &mut [f32],
    count: usize,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    out[ABSOLUTE_POS] = pull_back(x[ABSOLUTE_POS], grad[ABSOLUTE_POS], activation);
}

impl ActivationOps for CubeBackend {
    fn activate(x: CubeTensor, activation: Activation) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return activate_on_host::<Self>(x, activation);
        }
        let [x] = row_major([x]);
        let (out, count) = (empty_like(&x, x.shape()), x.meta.num_elements());
        if count > 0 {
            let (groups, threads) = one_thread_each(&out, count);
            values::launch(
                &out.client,
                groups,
                threads,
                buffer(&x),
                buffer(&out),
                count,
                activation,
            );
        }
        out
    }

    fn activate_backward(grad: CubeTensor, x: CubeTensor, activation: Activation) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return activate_backward_on_host::<Self>(grad, x, activation);
        }
        let [grad, x] = row_major([grad, x]);
        let (out, count) = (empty_like(&x, x.shape()), x.meta.num_elements());
        if count > 0 {
            let (groups, threads) = one_thread_each(&out, count);
            gradients::launch(
                &out.client,
                groups,
                threads,
                buffer(&x),
                buffer(&grad),
                buffer(&out),
                count,
                activation,
            );
        }
        out
    }
}
