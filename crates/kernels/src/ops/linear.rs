//! The linear map on the channels of each irrep.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::{register, same_dtype, with_real};
use crate::host::steerable_linear::{LinearPlan, LinearWanted, SteerableLinear};
use crate::host::{HostTensor, upload};

/// The tensors that a steerable linear map reads.
#[derive(Clone, Debug)]
pub struct LinearInputs {
    /// The input, `[N, plan.dim_in()]`, or its first columns.
    pub x: Tensor<2>,
    /// The other columns of the input, where it comes in two pieces, cut between blocks.
    pub beside: Option<Tensor<2>>,
    /// The matrices of the plan, one after the other, `[plan.num_weights()]`.
    pub weight: Tensor<1>,
    /// Added to the invariant output channels, `[plan.num_scalars()]`.
    pub bias: Option<Tensor<1>>,
}

/// The linear map of a plan: `out[m, c_out] = sum over c_in of W[c_in, c_out] in[m, c_in]` between
/// channels of the same irrep, plus the bias. Gradients flow to all tensors.
///
/// # Shapes
/// - output: `[N, plan.dim_out()]`
///
/// # Panics
/// When a shape does not fit the plan, or the input is cut inside a block.
pub fn steerable_linear(inputs: LinearInputs, plan: &Arc<LinearPlan>) -> Tensor<2> {
    let LinearInputs {
        x,
        beside,
        weight,
        bias,
    } = inputs;
    let (device, dtype) = (x.device(), x.dtype());
    let [rows, columns] = x.dims();
    let beside = beside.unwrap_or_else(|| Tensor::zeros([rows, 0], (&device, dtype)));
    let [rows_beside, columns_beside] = beside.dims();
    assert_eq!(
        rows_beside, rows,
        "steerable_linear: the pieces of the input differ in their rows"
    );
    assert!(
        columns + columns_beside == plan.dim_in() && plan.can_be_cut_at(columns),
        "steerable_linear: the input must have {} columns, cut between blocks, got {columns} + {columns_beside}",
        plan.dim_in()
    );
    assert_eq!(
        weight.dims(),
        [plan.num_weights()],
        "steerable_linear: number of weights"
    );
    let bias = bias.unwrap_or_else(|| Tensor::zeros([0], (&device, dtype)));
    let [biases] = bias.dims();
    assert!(
        biases == 0 || biases == plan.num_scalars(),
        "steerable_linear: {biases} biases for {} invariant channels",
        plan.num_scalars()
    );
    same_dtype(
        "steerable_linear",
        [dtype, beside.dtype(), weight.dtype(), bias.dtype()],
    );
    Tensor::from_dispatch(Dispatch::steerable_linear(
        x.into_dispatch(),
        beside.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        plan.clone(),
    ))
}

/// Linear maps on packed rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait LinearOps: Backend {
    /// The linear map of a [`LinearPlan`]: `[N, plan.dim_out()]`, see [`crate::steerable_linear`].
    #[fusion(dtype = x, shape = burn::tensor::Shape::new([x[0], plan.dim_out()]))]
    fn steerable_linear(
        x: FloatTensor<Self>,
        beside: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        plan: Arc<LinearPlan>,
    ) -> FloatTensor<Self> {
        linear_on_host::<Self>([x, beside, weight, bias], &plan)
    }

    /// Gradients of [`Self::steerable_linear`] to x, beside, weight and bias. Those that are not
    /// wanted come back with no rows.
    #[fusion(meta = |_, x, beside, weight, bias, _, wanted| {
        let [x, beside, weight, bias] = [
            (x, wanted.x),
            (beside, wanted.beside),
            (weight, wanted.weight),
            (bias, wanted.bias),
        ]
        .map(|(like, wanted)| {
            let mut spec = like.clone();
            spec.shape[0] = if wanted { like.shape[0] } else { 0 };
            spec
        });
        (x, beside, weight, bias)
    })]
    fn steerable_linear_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        beside: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        plan: Arc<LinearPlan>,
        wanted: LinearWanted,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        linear_backward_on_host::<Self>(grad, [x, beside, weight, bias], &plan, wanted)
    }
}

/// [`LinearOps::steerable_linear`] on the host, of x, beside, weight and bias.
pub(crate) fn linear_on_host<B: Backend>(
    tensors: [FloatTensor<B>; 4],
    plan: &LinearPlan,
) -> FloatTensor<B> {
    let [x, beside, weight, bias] = tensors;
    let (device, dtype, rows) = (x.device(), x.dtype(), x.shape()[0]);
    let widths = [x.shape()[1], beside.shape()[1]];
    let [x, beside, weight, bias] = [x, beside, weight, bias].map(HostTensor::float::<B>);
    with_real!("steerable_linear", dtype, T => {
        let out = SteerableLinear::<T> {
            plan,
            inputs: [x.as_slice(), beside.as_slice()],
            widths,
            weight: weight.as_slice(),
            bias: bias.as_slice(),
            rows,
        }
        .forward();
        upload::<B, T>(out, [rows, plan.dim_out()], &device)
    })
}

/// [`LinearOps::steerable_linear_backward`] on the host, of x, beside, weight and bias.
pub(crate) fn linear_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    tensors: [FloatTensor<B>; 4],
    plan: &LinearPlan,
    wanted: LinearWanted,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let [x, beside, weight, bias] = tensors;
    let (device, dtype, rows) = (x.device(), x.dtype(), x.shape()[0]);
    let widths = [x.shape()[1], beside.shape()[1]];
    let [grad, x, beside, weight, bias] =
        [grad, x, beside, weight, bias].map(HostTensor::float::<B>);
    with_real!("steerable_linear", dtype, T => {
        let gradients = SteerableLinear::<T> {
            plan,
            inputs: [x.as_slice(), beside.as_slice()],
            widths,
            weight: weight.as_slice(),
            bias: bias.as_slice(),
            rows,
        }
        .backward(grad.as_slice(), wanted);
        let [to_x, to_beside] = gradients.inputs;
        let rows = |wanted: bool| if wanted { rows } else { 0 };
        let (weights, biases) = (gradients.weight.len(), gradients.bias.len());
        (
            upload::<B, T>(to_x, [rows(wanted.x), widths[0]], &device),
            upload::<B, T>(to_beside, [rows(wanted.beside), widths[1]], &device),
            upload::<B, T>(gradients.weight, [weights], &device),
            upload::<B, T>(gradients.bias, [biases], &device),
        )
    })
}

#[cfg(feature = "flex")]
impl LinearOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl LinearOps for burn::backend::NdArray {}

impl<B: Backend + LinearOps, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn steerable_linear(
        x: FloatTensor<Self>,
        beside: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        plan: Arc<LinearPlan>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), beside.node(), weight.node(), bias.node()];
        let inputs = [x, beside, weight, bias].map(|tensor| tensor.into_primitive());
        let [x, beside, weight, bias] = inputs.clone();
        let out = B::steerable_linear(x, beside, weight, bias, plan.clone());
        match LinearBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, plan), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct LinearBackward;

impl<B: Backend + LinearOps> Backward<B, 4> for LinearBackward {
    type State = ([FloatTensor<B>; 4], Arc<LinearPlan>);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, beside, weight, bias], plan) = ops.state;
        let wanted = LinearWanted {
            x: ops.parents[0].is_some(),
            beside: ops.parents[1].is_some(),
            weight: ops.parents[2].is_some(),
            bias: ops.parents[3].is_some(),
        };
        let (to_x, to_beside, to_weight, to_bias) =
            B::steerable_linear_backward(grad, x, beside, weight, bias, plan, wanted);
        register!(grads, ops.parents, [to_x, to_beside, to_weight, to_bias]);
    }
}
