//! The layers of radial networks, several networks side by side.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::{register, same_dtype, with_real};
use crate::host::linear::GroupedLinear;
use crate::host::norm::{LayerNorm, Rectifier};
use crate::host::{HostTensor, upload};

/// The numbers of a layer normalization.
#[derive(Clone, Debug)]
pub struct LayerNormAffine {
    /// Scale, `[C]`.
    pub gamma: Tensor<1>,
    /// Shift, `[C]`.
    pub beta: Tensor<1>,
}

/// Layer normalization of each run of `width` columns, and what follows it, in one pass:
/// `rectifier(gamma (x - mean) / sqrt(var + epsilon) + beta)` with the biased variance.
///
/// # Shapes
/// - x, output: `[E, C]` with C a multiple of `width`
pub fn grouped_layer_norm(
    x: Tensor<2>,
    affine: LayerNormAffine,
    width: usize,
    epsilon: f64,
    rectifier: Rectifier,
) -> Tensor<2> {
    let LayerNormAffine { gamma, beta } = affine;
    same_dtype(
        "grouped_layer_norm",
        [x.dtype(), gamma.dtype(), beta.dtype()],
    );
    let columns = x.dims()[1];
    assert!(
        width > 0 && columns.is_multiple_of(width),
        "grouped_layer_norm: {columns} columns in runs of {width}"
    );
    assert_eq!(
        [gamma.dims()[0], beta.dims()[0]],
        [columns; 2],
        "grouped_layer_norm: affine sizes"
    );
    Tensor::from_dispatch(Dispatch::grouped_layer_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        width,
        epsilon,
        rectifier,
    ))
}

/// Several linear maps side by side: `out[:, g] = x[:, g] weight[g] + bias[g]`.
///
/// # Shapes
/// - x: `[E, groups * d_input]`
/// - weight: `[groups * d_input, d_output]`, the maps stacked
/// - bias: `[groups * d_output]`, or `[0]` for none
/// - output: `[E, groups * d_output]`
pub fn grouped_linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    groups: usize,
) -> Tensor<2> {
    same_dtype("grouped_linear", [x.dtype(), weight.dtype(), bias.dtype()]);
    let [rows, d_output] = weight.dims();
    assert!(
        groups > 0 && rows == x.dims()[1] && rows % groups == 0,
        "grouped_linear: {} columns, {rows} rows of weights, {groups} groups",
        x.dims()[1]
    );
    let bias_len = bias.dims()[0];
    assert!(
        bias_len == 0 || bias_len == groups * d_output,
        "grouped_linear: {bias_len} biases"
    );
    Tensor::from_dispatch(Dispatch::grouped_linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        groups,
    ))
}

/// Linear maps and layer normalizations of radial networks.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Autodiff
)]
pub trait RadialOps: Backend {
    /// Layer normalization of each run of `width` columns, then the rectifier: `[E, C]` to `[E, C]`.
    fn grouped_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> FloatTensor<Self> {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let [x, gamma, beta] = [x, gamma, beta].map(HostTensor::float::<Self>);
        with_real!("grouped_layer_norm", dtype, T => {
            let layer = LayerNorm::<T> {
                gamma: gamma.as_slice(),
                beta: beta.as_slice(),
                width,
                epsilon: epsilon as T,
                rectifier,
            };
            upload::<Self, T>(layer.forward(x.as_slice()), shape, &device)
        })
    }

    /// Gradients of [`Self::grouped_layer_norm`] to x, gamma and beta.
    fn grouped_layer_norm_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let columns = shape[1];
        let [grad, x, gamma, beta] = [grad, x, gamma, beta].map(HostTensor::float::<Self>);
        with_real!("grouped_layer_norm", dtype, T => {
            let layer = LayerNorm::<T> {
                gamma: gamma.as_slice(),
                beta: beta.as_slice(),
                width,
                epsilon: epsilon as T,
                rectifier,
            };
            let (to_x, to_gamma, to_beta) = layer.backward(x.as_slice(), grad.as_slice());
            (
                upload::<Self, T>(to_x, shape, &device),
                upload::<Self, T>(to_gamma, [columns], &device),
                upload::<Self, T>(to_beta, [columns], &device),
            )
        })
    }

    /// `groups` linear maps side by side: `[E, groups * d_input]` to `[E, groups * d_output]`.
    fn grouped_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
    ) -> FloatTensor<Self> {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let (d_input, d_output) = (weight.shape()[0] / groups, weight.shape()[1]);
        let [x, weight, bias] = [x, weight, bias].map(HostTensor::float::<Self>);
        with_real!("grouped_linear", dtype, T => {
            let (weight, bias) = (weight.as_slice(), bias.as_slice());
            let layer = GroupedLinear::<T> { groups, d_input, d_output, weight, bias };
            let out = layer.forward(x.as_slice(), shape[0]);
            upload::<Self, T>(out, [shape[0], groups * d_output], &device)
        })
    }

    /// Gradients of [`Self::grouped_linear`] to x, weight and bias.
    fn grouped_linear_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let (weight_shape, bias_shape) = (weight.shape(), bias.shape());
        let (d_input, d_output) = (weight_shape[0] / groups, weight_shape[1]);
        let [grad, x, weight, bias] = [grad, x, weight, bias].map(HostTensor::float::<Self>);
        with_real!("grouped_linear", dtype, T => {
            let (weight, bias) = (weight.as_slice(), bias.as_slice());
            let layer = GroupedLinear::<T> { groups, d_input, d_output, weight, bias };
            let (to_x, to_weight, to_bias) =
                layer.backward(x.as_slice(), grad.as_slice(), shape[0]);
            (
                upload::<Self, T>(to_x, shape, &device),
                upload::<Self, T>(to_weight, weight_shape, &device),
                upload::<Self, T>(to_bias, bias_shape, &device),
            )
        })
    }
}

#[cfg(feature = "flex")]
impl RadialOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl RadialOps for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl RadialOps for burn_cubecl::CubeBackend {}

impl<B: Backend + RadialOps, C: CheckpointStrategy> RadialOps for Autodiff<B, C> {
    fn grouped_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let inputs = [x, gamma, beta].map(|tensor| tensor.into_primitive());
        let [x, gamma, beta] = inputs.clone();
        let out = B::grouped_layer_norm(x, gamma, beta, width, epsilon, rectifier);
        match LayerNormBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, width, epsilon, rectifier), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn grouped_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let inputs = [x, weight, bias].map(|tensor| tensor.into_primitive());
        let [x, weight, bias] = inputs.clone();
        let out = B::grouped_linear(x, weight, bias, groups);
        match GroupedLinearBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, groups), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl<B: Backend + RadialOps> Backward<B, 3> for LayerNormBackward {
    type State = ([FloatTensor<B>; 3], usize, f64, Rectifier);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, gamma, beta], width, epsilon, rectifier) = ops.state;
        let (to_x, to_gamma, to_beta) =
            B::grouped_layer_norm_backward(grad, x, gamma, beta, width, epsilon, rectifier);
        register!(grads, ops.parents, [to_x, to_gamma, to_beta]);
    }
}

#[derive(Debug)]
struct GroupedLinearBackward;

impl<B: Backend + RadialOps> Backward<B, 3> for GroupedLinearBackward {
    type State = ([FloatTensor<B>; 3], usize);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, weight, bias], groups) = ops.state;
        let (to_x, to_weight, to_bias) = B::grouped_linear_backward(grad, x, weight, bias, groups);
        register!(grads, ops.parents, [to_x, to_weight, to_bias]);
    }
}
