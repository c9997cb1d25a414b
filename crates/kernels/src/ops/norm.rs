//! Non-linearity and normalization that act on norms, on packed rows.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::{register, same_dtype, with_real};
use crate::host::equivariant_norm::EquivariantNorm;
use crate::host::norm_nonlinearity::{NormNonlinearity, NormNonlinearityOptions};
use crate::host::norm_plan::NormPlan;
use crate::host::row_norm::RowNorm;
use crate::host::{HostTensor, upload};

/// What happens to the norms before the activation.
#[derive(Clone, Debug)]
pub struct NormAffine {
    /// With it norms are normalised over the channels of each block, then scaled,
    /// `[plan.num_channels()]`.
    pub gamma: Option<Tensor<1>>,
    /// The shift, `[plan.num_channels()]`.
    pub beta: Tensor<1>,
}

/// `x -> activation(transform(|x|)) x / |x|`, channel by channel.
///
/// Norms below `smallest_norm`, and those whose square is no longer a normal number, count as that and pass no gradient on; a feature that is exactly zero
/// stays zero and takes no gradient. Gradients flow to all tensors.
///
/// # Shapes
/// - x, output: `[N, plan.dim()]`
///
/// # Panics
/// When a shape does not fit the plan.
pub fn norm_nonlinearity(
    x: Tensor<2>,
    affine: NormAffine,
    plan: &Arc<NormPlan>,
    options: NormNonlinearityOptions,
) -> Tensor<2> {
    let NormAffine { gamma, beta } = affine;
    expect_columns("norm_nonlinearity", &x, plan);
    let channels = [plan.num_channels()];
    assert!(
        beta.dims() == channels && gamma.as_ref().is_none_or(|gamma| gamma.dims() == channels),
        "norm_nonlinearity: {} channels, {:?} shifts, {:?} scales",
        plan.num_channels(),
        beta.dims(),
        gamma.as_ref().map(Tensor::dims)
    );
    let gamma = gamma.unwrap_or_else(|| Tensor::zeros([0], (&beta.device(), beta.dtype())));
    same_dtype(
        "norm_nonlinearity",
        [x.dtype(), gamma.dtype(), beta.dtype()],
    );
    // Its square must be a normal number: squares are compared with it.
    let least = match x.dtype() {
        DType::F64 => 2.0 * f64::MIN_POSITIVE.sqrt(),
        _ => 2.0 * f64::from(f32::MIN_POSITIVE).sqrt(),
    };
    let options = NormNonlinearityOptions {
        smallest_norm: options.smallest_norm.max(least),
        ..options
    };
    Tensor::from_dispatch(Dispatch::norm_nonlinearity(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        plan.clone(),
        options,
    ))
}

/// Invariant blocks lose their mean over channels; every block is divided by
/// `sqrt(mean square + epsilon)` over channels and components, each channel is multiplied by its
/// gamma, and each invariant channel gets its beta added. Gradients flow to all tensors.
///
/// # Shapes
/// - x, output: `[N, plan.dim()]`
/// - gamma: `[plan.num_channels()]`
/// - beta: `[plan.num_scalars()]`
///
/// # Panics
/// When a shape does not fit the plan.
pub fn equivariant_layer_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    plan: &Arc<NormPlan>,
    epsilon: f64,
) -> Tensor<2> {
    expect_columns("equivariant_layer_norm", &x, plan);
    assert_eq!(
        [gamma.dims()[0], beta.dims()[0]],
        [plan.num_channels(), plan.num_scalars()],
        "equivariant_layer_norm: numbers of scales and shifts"
    );
    same_dtype(
        "equivariant_layer_norm",
        [x.dtype(), gamma.dtype(), beta.dtype()],
    );
    Tensor::from_dispatch(Dispatch::equivariant_layer_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        plan.clone(),
        epsilon,
    ))
}

#[track_caller]
fn expect_columns(operation: &str, x: &Tensor<2>, plan: &NormPlan) {
    let columns = x.dims()[1];
    assert_eq!(
        columns,
        plan.dim(),
        "{operation}: {columns} columns, the plan has {}",
        plan.dim()
    );
}

/// Operations on norms.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait NormOps: Backend {
    /// See [`crate::norm_nonlinearity`]: `[N, plan.dim()]` to the same. Without scales, `[0]`, norms are
    /// shifted and not normalised.
    #[fusion(dtype = x, shape = x)]
    fn norm_nonlinearity(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Arc<NormPlan>,
        options: NormNonlinearityOptions,
    ) -> FloatTensor<Self> {
        nonlinearity_on_host::<Self>([x, gamma, beta], &plan, options)
    }

    /// Gradients of [`Self::norm_nonlinearity`] to x, gamma and beta.
    #[fusion(meta = |_, x, gamma, beta, _, _| (x.clone(), gamma.clone(), beta.clone()))]
    fn norm_nonlinearity_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Arc<NormPlan>,
        options: NormNonlinearityOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        nonlinearity_backward_on_host::<Self>(grad, [x, gamma, beta], &plan, options)
    }

    /// See [`crate::equivariant_layer_norm`]: `[N, plan.dim()]` to the same.
    #[fusion(dtype = x, shape = x)]
    fn equivariant_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Arc<NormPlan>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        layer_norm_on_host::<Self>([x, gamma, beta], &plan, epsilon)
    }

    /// Gradients of [`Self::equivariant_layer_norm`] to x, gamma and beta.
    #[fusion(meta = |_, x, gamma, beta, _, _| (x.clone(), gamma.clone(), beta.clone()))]
    fn equivariant_layer_norm_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Arc<NormPlan>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        layer_norm_backward_on_host::<Self>(grad, [x, gamma, beta], &plan, epsilon)
    }
}

/// [`NormOps::norm_nonlinearity`] on the host, of x, gamma and beta.
pub(crate) fn nonlinearity_on_host<B: Backend>(
    tensors: [FloatTensor<B>; 3],
    plan: &NormPlan,
    options: NormNonlinearityOptions,
) -> FloatTensor<B> {
    let [x, gamma, beta] = tensors;
    let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
    let [x, gamma, beta] = [x, gamma, beta].map(HostTensor::float::<B>);
    with_real!("norm_nonlinearity", dtype, T => {
        let (gamma, beta) = (gamma.as_slice(), beta.as_slice());
        let layer = NormNonlinearity::<T> { plan, gamma, beta, options };
        upload::<B, T>(layer.forward(x.as_slice()), shape, &device)
    })
}

/// [`NormOps::norm_nonlinearity_backward`] on the host, of x, gamma and beta.
pub(crate) fn nonlinearity_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    tensors: [FloatTensor<B>; 3],
    plan: &NormPlan,
    options: NormNonlinearityOptions,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [x, gamma, beta] = tensors;
    let (device, dtype) = (x.device(), x.dtype());
    let [to_x, to_gamma, to_beta] = [&x, &gamma, &beta].map(TensorMetadata::shape);
    let [grad, x, gamma, beta] = [grad, x, gamma, beta].map(HostTensor::float::<B>);
    with_real!("norm_nonlinearity", dtype, T => {
        let (gamma, beta) = (gamma.as_slice(), beta.as_slice());
        let layer = NormNonlinearity::<T> { plan, gamma, beta, options };
        let gradients = layer.backward(x.as_slice(), grad.as_slice());
        (
            upload::<B, T>(gradients.x, to_x, &device),
            upload::<B, T>(gradients.gamma, to_gamma, &device),
            upload::<B, T>(gradients.beta, to_beta, &device),
        )
    })
}

/// [`NormOps::equivariant_layer_norm`] on the host, of x, gamma and beta.
pub(crate) fn layer_norm_on_host<B: Backend>(
    tensors: [FloatTensor<B>; 3],
    plan: &NormPlan,
    epsilon: f64,
) -> FloatTensor<B> {
    let [x, gamma, beta] = tensors;
    let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
    let [x, gamma, beta] = [x, gamma, beta].map(HostTensor::float::<B>);
    with_real!("equivariant_layer_norm", dtype, T => {
        let (gamma, beta) = (gamma.as_slice(), beta.as_slice());
        let layer = EquivariantNorm::<T> { plan, gamma, beta, epsilon: epsilon as T };
        upload::<B, T>(layer.forward(x.as_slice()), shape, &device)
    })
}

/// [`NormOps::equivariant_layer_norm_backward`] on the host, of x, gamma and beta.
pub(crate) fn layer_norm_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    tensors: [FloatTensor<B>; 3],
    plan: &NormPlan,
    epsilon: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [x, gamma, beta] = tensors;
    let (device, dtype) = (x.device(), x.dtype());
    let [to_x, to_gamma, to_beta] = [&x, &gamma, &beta].map(TensorMetadata::shape);
    let [grad, x, gamma, beta] = [grad, x, gamma, beta].map(HostTensor::float::<B>);
    with_real!("equivariant_layer_norm", dtype, T => {
        let (gamma, beta) = (gamma.as_slice(), beta.as_slice());
        let layer = EquivariantNorm::<T> { plan, gamma, beta, epsilon: epsilon as T };
        let gradients = layer.backward(x.as_slice(), grad.as_slice());
        (
            upload::<B, T>(gradients.x, to_x, &device),
            upload::<B, T>(gradients.gamma, to_gamma, &device),
            upload::<B, T>(gradients.beta, to_beta, &device),
        )
    })
}

#[cfg(feature = "flex")]
impl NormOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl NormOps for burn::backend::NdArray {}

impl<B: Backend + NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn norm_nonlinearity(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Arc<NormPlan>,
        options: NormNonlinearityOptions,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let inputs = [x, gamma, beta].map(|tensor| tensor.into_primitive());
        let [x, gamma, beta] = inputs.clone();
        let out = B::norm_nonlinearity(x, gamma, beta, plan.clone(), options);
        match NonlinearityBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, plan, options), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn equivariant_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Arc<NormPlan>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let inputs = [x, gamma, beta].map(|tensor| tensor.into_primitive());
        let [x, gamma, beta] = inputs.clone();
        let out = B::equivariant_layer_norm(x, gamma, beta, plan.clone(), epsilon);
        match LayerNormBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((inputs, plan, epsilon), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct NonlinearityBackward;

impl<B: Backend + NormOps> Backward<B, 3> for NonlinearityBackward {
    type State = ([FloatTensor<B>; 3], Arc<NormPlan>, NormNonlinearityOptions);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, gamma, beta], plan, options) = ops.state;
        let (to_x, to_gamma, to_beta) =
            B::norm_nonlinearity_backward(grad, x, gamma, beta, plan, options);
        register!(grads, ops.parents, [to_x, to_gamma, to_beta]);
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl<B: Backend + NormOps> Backward<B, 3> for LayerNormBackward {
    type State = ([FloatTensor<B>; 3], Arc<NormPlan>, f64);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, gamma, beta], plan, epsilon) = ops.state;
        let (to_x, to_gamma, to_beta) =
            B::equivariant_layer_norm_backward(grad, x, gamma, beta, plan, epsilon);
        register!(grads, ops.parents, [to_x, to_gamma, to_beta]);
    }
}
