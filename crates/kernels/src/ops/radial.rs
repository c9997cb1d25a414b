//! The layers of radial networks, several networks side by side.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::{register, same_dtype, with_real};
use crate::host::elementary::Elementary;
use crate::host::norm::LayerNorm;
use crate::host::radial::{RadialLayer, RadialWanted};
use crate::host::{HostTensor, upload};
use crate::{Activation, RadialStackLayer};

/// The numbers of a layer normalization.
#[derive(Clone, Debug)]
pub struct LayerNormAffine {
    /// Scale, `[C]`.
    pub gamma: Tensor<1>,
    /// Shift, `[C]`.
    pub beta: Tensor<1>,
}

/// The parameters of one layer of radial networks that stand side by side.
#[derive(Clone, Debug)]
pub struct RadialLayerInputs {
    /// `[groups * d_input, d_output]`, the maps stacked.
    pub weight: Tensor<2>,
    /// `[groups * d_output]`.
    pub bias: Option<Tensor<1>>,
    /// `[groups * d_output]` each.
    pub affine: Option<LayerNormAffine>,
}

/// What a radial layer computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RadialLayerOptions {
    /// Linear maps side by side, each from its own columns of the input to its own of the output.
    pub groups: usize,
    /// Columns that are normalised together, if there is a normalization.
    pub norm_width: usize,
    /// Added to their variance.
    pub epsilon: f64,
    /// What is applied last.
    pub activation: Activation,
}

/// `activation(norm(x[:, g] weight[g] + bias[g]))` for `groups` linear maps side by side, in one pass
/// over tiles of rows.
///
/// With affine numbers, `norm(x) = gamma (x - mean) / sqrt(var + epsilon) + beta` over each run of
/// `norm_width` columns, with the biased variance; without, `norm(x) = x`.
///
/// The backward pass keeps x and the parameters and forms the rest again.
///
/// # Shapes
/// - x: `[E, groups * d_input]`
/// - output: `[E, groups * d_output]`
pub fn radial_layer(
    x: Tensor<2>,
    inputs: RadialLayerInputs,
    options: RadialLayerOptions,
) -> Tensor<2> {
    let RadialLayerInputs {
        weight,
        bias,
        affine,
    } = inputs;
    let layer = RadialStackLayer {
        weight: weight.dims(),
        has_bias: bias.is_some(),
        has_norm: affine.is_some(),
        options,
    };
    layer.expect_columns("radial_layer", x.dims()[1]);
    let columns = layer.columns();
    let none = || Tensor::zeros([0], (&x.device(), x.dtype()));
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [columns], "radial_layer: number of biases");
    }
    let (gamma, beta) = match affine {
        None => (none(), none()),
        Some(LayerNormAffine { gamma, beta }) => {
            assert_eq!(
                [gamma.dims()[0], beta.dims()[0]],
                [columns; 2],
                "radial_layer: affine sizes"
            );
            (gamma, beta)
        }
    };
    let bias = bias.unwrap_or_else(none);
    same_dtype(
        "radial_layer",
        [
            x.dtype(),
            weight.dtype(),
            bias.dtype(),
            gamma.dtype(),
            beta.dtype(),
        ],
    );
    Tensor::from_dispatch(Dispatch::radial_layer(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        options,
    ))
}

/// The layers of radial networks.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait RadialOps: Backend {
    /// One layer, see [`crate::radial_layer`]. An empty `bias` is none, an empty `gamma` no
    /// normalization.
    #[fusion(
        dtype = x,
        shape = burn::tensor::Shape::new([x[0], options.groups * weight[1]])
    )]
    fn radial_layer(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: RadialLayerOptions,
    ) -> FloatTensor<Self> {
        radial_layer_on_host::<Self>([x, weight, bias, gamma, beta], options)
    }

    /// Gradients of [`Self::radial_layer`] to x, weight, bias, gamma and beta. Those that are not
    /// wanted come back with no rows (x) or zero.
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        reason = "a backend operation takes and gives plain tensors"
    )]
    #[fusion(meta = |_, x, weight, bias, gamma, beta, _, wanted| {
        let mut to_x = x.clone();
        to_x.shape[0] = if wanted.input { x.shape[0] } else { 0 };
        (to_x, weight.clone(), bias.clone(), gamma.clone(), beta.clone())
    })]
    fn radial_layer_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: RadialLayerOptions,
        wanted: RadialWanted,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let tensors = [x, weight, bias, gamma, beta];
        radial_layer_backward_on_host::<Self>(grad, tensors, options, wanted).into()
    }
}

/// The host layer of x, weight, bias, gamma and beta.
fn layer<T: Elementary>(
    [x, weight, bias, gamma, beta]: &[HostTensor; 5],
    rows: usize,
    d_output: usize,
    options: RadialLayerOptions,
) -> RadialLayer<'_, T> {
    let (weight, gamma) = (weight.as_slice::<T>(), gamma.as_slice::<T>());
    let x = x.as_slice::<T>();
    RadialLayer {
        x,
        rows,
        groups: options.groups,
        d_input: x.len() / (rows * options.groups).max(1),
        d_output,
        weight,
        bias: bias.as_slice(),
        norm: (!gamma.is_empty()).then(|| LayerNorm {
            gamma,
            beta: beta.as_slice(),
            width: options.norm_width,
            epsilon: T::of(options.epsilon),
        }),
        activation: options.activation,
    }
}

/// [`RadialOps::radial_layer`] on the host, of x, weight, bias, gamma and beta.
pub(crate) fn radial_layer_on_host<B: Backend>(
    tensors: [FloatTensor<B>; 5],
    options: RadialLayerOptions,
) -> FloatTensor<B> {
    let [x, weight, bias, gamma, beta] = tensors;
    let (device, dtype, rows) = (x.device(), x.dtype(), x.shape()[0]);
    let d_output = weight.shape()[1];
    let tensors = [x, weight, bias, gamma, beta].map(HostTensor::float::<B>);
    with_real!("radial_layer", dtype, T => {
        let out = layer::<T>(&tensors, rows, d_output, options).forward();
        upload::<B, T>(out, [rows, options.groups * d_output], &device)
    })
}

/// [`RadialOps::radial_layer_backward`] on the host, of x, weight, bias, gamma and beta.
pub(crate) fn radial_layer_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    tensors: [FloatTensor<B>; 5],
    options: RadialLayerOptions,
    wanted: RadialWanted,
) -> [FloatTensor<B>; 5] {
    let [x, weight, bias, gamma, beta] = tensors;
    let (device, dtype, [rows, columns]) = (x.device(), x.dtype(), x.shape().dims());
    let [weight_shape, bias_shape, affine_shape] = [&weight, &bias, &gamma].map(|t| t.shape());
    let d_output = weight_shape[1];
    let grad = HostTensor::float::<B>(grad);
    let tensors = [x, weight, bias, gamma, beta].map(HostTensor::float::<B>);
    with_real!("radial_layer", dtype, T => {
        let layer = layer::<T>(&tensors, rows, d_output, options);
        let (to_x, to) = layer.backward(grad.as_slice(), wanted);
        let rows = if wanted.input { rows } else { 0 };
        [
            upload::<B, T>(to_x, [rows, columns], &device),
            upload::<B, T>(to.weight, weight_shape, &device),
            upload::<B, T>(to.bias, bias_shape, &device),
            upload::<B, T>(to.gamma, affine_shape.clone(), &device),
            upload::<B, T>(to.beta, affine_shape, &device),
        ]
    })
}

#[cfg(feature = "flex")]
impl RadialOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl RadialOps for burn::backend::NdArray {}

impl<B: Backend + RadialOps, C: CheckpointStrategy> RadialOps for Autodiff<B, C> {
    fn radial_layer(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: RadialLayerOptions,
    ) -> FloatTensor<Self> {
        let tensors = [x, weight, bias, gamma, beta];
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let inputs = tensors.map(|tensor| tensor.into_primitive());
        let [x, weight, bias, gamma, beta] = inputs.clone();
        let out = B::radial_layer(x, weight, bias, gamma, beta, options);
        match RadialLayerBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, options), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct RadialLayerBackward;

impl<B: Backend + RadialOps> Backward<B, 5> for RadialLayerBackward {
    type State = ([FloatTensor<B>; 5], RadialLayerOptions);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, weight, bias, gamma, beta], options) = ops.state;
        let wanted = RadialWanted {
            input: ops.parents[0].is_some(),
            parameters: ops.parents[1..].iter().any(Option::is_some),
        };
        let (to_x, to_weight, to_bias, to_gamma, to_beta) =
            B::radial_layer_backward(grad, x, weight, bias, gamma, beta, options, wanted);
        register!(
            grads,
            ops.parents,
            [to_x, to_weight, to_bias, to_gamma, to_beta]
        );
    }
}
