//! Activations, number by number.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};

use super::with_real;
use crate::Activation;
use crate::host::activation::{backward, forward};
use crate::host::{HostTensor, upload};

/// The activation of every number; for the backward pass the input is kept.
///
/// The host computes it to a few units in the last place. Kernels on CubeCL backends (f32) are as precise as the
/// functions there. CubeCL's `erf` is off by up to 1.5e-7 where the compiler has none, and its `log1p` is
/// `ln(1 + x)`: what is small of `Gelu`, `Softplus` and `ShiftedSoftplus` is right to some 1e-7, not to a part of
/// itself.
///
/// # Shapes
/// - x, output: any, the same
pub fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::activate(x.into_dispatch(), activation))
}

/// Activations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait ActivationOps: Backend {
    /// The activation of every number.
    #[fusion(dtype = x, shape = x)]
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        activate_on_host::<Self>(x, activation)
    }

    /// Gradient of [`Self::activate`] to its input.
    #[fusion(dtype = x, shape = x)]
    fn activate_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        activate_backward_on_host::<Self>(grad, x, activation)
    }
}

/// [`ActivationOps::activate`] on the host.
pub(crate) fn activate_on_host<B: Backend>(
    x: FloatTensor<B>,
    activation: Activation,
) -> FloatTensor<B> {
    let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
    let x = HostTensor::float::<B>(x);
    with_real!("activate", dtype, T => {
        upload::<B, T>(forward::<T>(activation, x.as_slice()), shape, &device)
    })
}

/// [`ActivationOps::activate_backward`] on the host.
pub(crate) fn activate_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
    activation: Activation,
) -> FloatTensor<B> {
    let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
    let [grad, x] = [grad, x].map(HostTensor::float::<B>);
    with_real!("activate", dtype, T => {
        let to_x = backward::<T>(activation, x.as_slice(), grad.as_slice());
        upload::<B, T>(to_x, shape, &device)
    })
}

#[cfg(feature = "flex")]
impl ActivationOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl ActivationOps for burn::backend::NdArray {}

impl<B: Backend + ActivationOps, C: CheckpointStrategy> ActivationOps for Autodiff<B, C> {
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        let out = B::activate(x.clone(), activation);
        match ActivateBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((x, activation), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct ActivateBackward;

impl<B: Backend + ActivationOps> Backward<B, 1> for ActivateBackward {
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, activation) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::activate_backward(grad, x, activation)
        });
    }
}
