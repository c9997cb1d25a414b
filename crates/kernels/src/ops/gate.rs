//! The gated non-linearity, on packed rows.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};

use super::with_real;
use crate::host::gate::GatePlan;
use crate::host::{HostTensor, upload};

/// `(s, g, x) -> (activation(s), gate(g) x)`, one gate for each channel of x.
///
/// # Shapes
/// - x: `[N, plan.dim_in()]`
/// - output: `[N, plan.dim_out()]`
///
/// # Panics
/// When the number of columns is not the plan's.
pub fn gate(x: Tensor<2>, plan: &Arc<GatePlan>) -> Tensor<2> {
    let columns = x.dims()[1];
    assert_eq!(
        columns,
        plan.dim_in(),
        "gate: {columns} columns, the plan has {}",
        plan.dim_in()
    );
    Tensor::from_dispatch(Dispatch::gate(x.into_dispatch(), plan.clone()))
}

/// The gated non-linearity.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait GateOps: Backend {
    /// See [`crate::gate`]: `[N, plan.dim_in()]` to `[N, plan.dim_out()]`.
    #[fusion(dtype = x, shape = burn::tensor::Shape::new([x[0], plan.dim_out()]))]
    fn gate(x: FloatTensor<Self>, plan: Arc<GatePlan>) -> FloatTensor<Self> {
        gate_on_host::<Self>(x, &plan)
    }

    /// Gradient of [`Self::gate`].
    #[fusion(dtype = x, shape = x)]
    fn gate_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        plan: Arc<GatePlan>,
    ) -> FloatTensor<Self> {
        gate_backward_on_host::<Self>(grad, x, &plan)
    }
}

/// [`GateOps::gate`] on the host.
pub(crate) fn gate_on_host<B: Backend>(x: FloatTensor<B>, plan: &GatePlan) -> FloatTensor<B> {
    let (device, dtype, rows) = (x.device(), x.dtype(), x.shape()[0]);
    let x = HostTensor::float::<B>(x);
    with_real!("gate", dtype, T => {
        let out = plan.forward::<T>(x.as_slice());
        upload::<B, T>(out, [rows, plan.dim_out()], &device)
    })
}

/// [`GateOps::gate_backward`] on the host.
pub(crate) fn gate_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
    plan: &GatePlan,
) -> FloatTensor<B> {
    let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
    let [grad, x] = [grad, x].map(HostTensor::float::<B>);
    with_real!("gate", dtype, T => {
        let to_x = plan.backward::<T>(x.as_slice(), grad.as_slice());
        upload::<B, T>(to_x, shape, &device)
    })
}

#[cfg(feature = "flex")]
impl GateOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl GateOps for burn::backend::NdArray {}

impl<B: Backend + GateOps, C: CheckpointStrategy> GateOps for Autodiff<B, C> {
    fn gate(x: FloatTensor<Self>, plan: Arc<GatePlan>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        let out = B::gate(x.clone(), plan.clone());
        match GateBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, plan), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct GateBackward;

impl<B: Backend + GateOps> Backward<B, 1> for GateBackward {
    type State = (FloatTensor<B>, Arc<GatePlan>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, plan) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::gate_backward(grad, x, plan)
        });
    }
}
