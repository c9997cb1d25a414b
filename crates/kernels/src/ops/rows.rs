//! Rows read by edges and summed into nodes: each the other's transpose.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};

use crate::RowGroups;
use crate::composed::rows as composed;

/// `out[e] = values[groups.index[e]]`.
///
/// # Shapes
/// - values: `[groups.num_groups(), C]`
/// - output: `[groups.num_rows(), C]`
pub fn gather_rows(values: Tensor<2>, groups: &RowGroups) -> Tensor<2> {
    assert_eq!(
        values.dims()[0],
        groups.num_groups(),
        "gather_rows: number of rows"
    );
    Tensor::from_dispatch(Dispatch::gather_rows(
        values.into_dispatch(),
        groups.index.clone().into_dispatch(),
        groups.order.clone().into_dispatch(),
        groups.offsets.clone().into_dispatch(),
    ))
}

/// Sums the rows of each group, in a fixed order.
///
/// # Shapes
/// - values: `[groups.num_rows(), C]`
/// - output: `[groups.num_groups(), C]`; a group without rows gives zeros
pub fn sum_rows(values: Tensor<2>, groups: &RowGroups) -> Tensor<2> {
    assert_eq!(
        values.dims()[0],
        groups.num_rows(),
        "sum_rows: number of rows"
    );
    Tensor::from_dispatch(Dispatch::sum_rows(
        values.into_dispatch(),
        groups.index.clone().into_dispatch(),
        groups.order.clone().into_dispatch(),
        groups.offsets.clone().into_dispatch(),
    ))
}

/// Gathers and sums of rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait RowOps: Backend {
    /// Rows `values[index[e]]`: `[N, C]` to `[E, C]`.
    ///
    /// `order` and `offsets` group the rows of the output by the row they were read from: the way
    /// back for gradients.
    #[fusion(dtype = values, shape = burn::tensor::Shape::new([index[0], values[1]]))]
    fn gather_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = (order, offsets);
        composed::gather_rows::<Self>(values, index)
    }

    /// Sums `values[order[k]]` over `offsets[i]..offsets[i + 1]`: `[E, C]` to `[N, C]`.
    /// `index` names the sum that each row goes into: the way back for gradients.
    #[fusion(dtype = values, shape = burn::tensor::Shape::new([offsets[0] - 1, values[1]]))]
    fn sum_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = index;
        composed::sum_rows::<Self>(values, order, offsets)
    }
}

impl<B: Backend + RowOps, C: CheckpointStrategy> RowOps for Autodiff<B, C> {
    fn gather_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let node = values.node();
        let groups = [index, order, offsets];
        let [index, order, offsets] = groups.clone();
        let out = B::gather_rows(values.into_primitive(), index, order, offsets);
        match GatherBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(groups, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn sum_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let node = values.node();
        let groups = [index, order, offsets];
        let [index, order, offsets] = groups.clone();
        let out = B::sum_rows(values.into_primitive(), index, order, offsets);
        match SumBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(groups, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct GatherBackward;

impl<B: Backend + RowOps> Backward<B, 1> for GatherBackward {
    /// Index, order and offsets: which rows belong together, both ways round.
    type State = [IntTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [index, order, offsets] = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::sum_rows(grad, index, order, offsets)
        });
    }
}

#[derive(Debug)]
struct SumBackward;

impl<B: Backend + RowOps> Backward<B, 1> for SumBackward {
    /// Index, order and offsets: which rows belong together, both ways round.
    type State = [IntTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [index, order, offsets] = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::gather_rows(grad, index, order, offsets)
        });
    }
}
