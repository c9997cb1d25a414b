//! Softmax over the incoming edges of each node.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};

use super::with_real;
use crate::RowGroups;
use crate::host::{HostTensor, segment, upload};

/// Softmax of each column over the rows of each group, whose rows must be consecutive.
///
/// # Shapes
/// - logits, output: `[groups.num_rows(), C]`
///
/// # Panics
/// When the rows of a group are not consecutive.
pub fn segment_softmax(logits: Tensor<2>, groups: &RowGroups) -> Tensor<2> {
    assert_eq!(
        logits.dims()[0],
        groups.num_rows(),
        "segment_softmax: number of rows"
    );
    assert!(
        groups.is_sorted(),
        "segment_softmax: rows of a group must be consecutive"
    );
    Tensor::from_dispatch(Dispatch::segment_softmax(
        logits.into_dispatch(),
        groups.offsets.clone().into_dispatch(),
    ))
}

/// Softmax over runs of rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Autodiff
)]
pub trait SoftmaxOps: Backend {
    /// Softmax of each column over each run of rows `offsets[i]..offsets[i + 1]`.
    fn segment_softmax(logits: FloatTensor<Self>, offsets: IntTensor<Self>) -> FloatTensor<Self> {
        let (device, dtype, shape) = (logits.device(), logits.dtype(), logits.shape());
        let (logits, offsets) = (
            HostTensor::float::<Self>(logits),
            HostTensor::int::<Self>(offsets),
        );
        with_real!("segment_softmax", dtype, T => {
            let out = segment::softmax::<T>(logits.as_slice(), shape[1], offsets.as_slice());
            upload::<Self, T>(out, shape, &device)
        })
    }

    /// Gradient of [`Self::segment_softmax`], from its output.
    fn segment_softmax_backward(
        grad: FloatTensor<Self>,
        probabilities: FloatTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, dtype, shape) = (grad.device(), grad.dtype(), grad.shape());
        let [grad, probabilities] = [grad, probabilities].map(HostTensor::float::<Self>);
        let offsets = HostTensor::int::<Self>(offsets);
        with_real!("segment_softmax", dtype, T => {
            let out = segment::softmax_backward::<T>(
                grad.as_slice(),
                probabilities.as_slice(),
                shape[1],
                offsets.as_slice(),
            );
            upload::<Self, T>(out, shape, &device)
        })
    }
}

#[cfg(feature = "flex")]
impl SoftmaxOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl SoftmaxOps for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl SoftmaxOps for burn_cubecl::CubeBackend {}

impl<B: Backend + SoftmaxOps, C: CheckpointStrategy> SoftmaxOps for Autodiff<B, C> {
    fn segment_softmax(logits: FloatTensor<Self>, offsets: IntTensor<Self>) -> FloatTensor<Self> {
        let node = logits.node();
        let out = B::segment_softmax(logits.into_primitive(), offsets.clone());
        match SoftmaxBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((out.clone(), offsets), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct SoftmaxBackward;

impl<B: Backend + SoftmaxOps> Backward<B, 1> for SoftmaxBackward {
    type State = (FloatTensor<B>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (probabilities, offsets) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::segment_softmax_backward(grad, probabilities, offsets)
        });
    }
}
