//! Attention over the incoming edges of each node.

use std::sync::Arc;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::{register, same_dtype};
use crate::composed::attention as composed;
use crate::host::attention::AttentionPlan;
use crate::{RowGroups, RowOps};

/// The tensors that attention reads.
#[derive(Clone, Debug)]
pub struct AttentionInputs {
    /// Queries of the nodes, `[N, plan.dim_key()]`.
    pub query: Tensor<2>,
    /// Values of the edges, `[E, plan.dim_value()]`, or with the keys behind them
    /// `[E, plan.dim_value() + plan.dim_key()]`.
    pub value: Tensor<2>,
    /// Keys of the edges, `[E, plan.dim_key()]`; `None` where they stand behind the values.
    pub key: Option<Tensor<2>>,
    /// How far each edge has faded, `[E, 1]`; those below 1e-20 count as zero.
    pub envelope: Option<Tensor<2>>,
}

/// Attention of each node over its incoming edges:
/// `out[i] = sum over e into i of w_e value[e]` with `w_e = a_e exp(z_e) / sum of a exp(z)` and
/// `z_e = scale query[i] . key[e]`, head by head; `a` is the envelope, or one.
///
/// A node whose edges all have faded, or that has none, gets zero. The weights are not stored; the
/// backward pass forms them again. Gradients flow to all tensors.
///
/// # Shapes
/// - output: `[dst.num_groups(), plan.dim_value()]`
///
/// # Panics
/// When a shape does not fit the plan, or the edges are not sorted by destination.
pub fn attend(inputs: AttentionInputs, dst: &RowGroups, plan: &Arc<AttentionPlan>) -> Tensor<2> {
    let AttentionInputs {
        query,
        value,
        key,
        envelope,
    } = inputs;
    let (device, dtype) = (query.device(), query.dtype());
    let absent = || Tensor::zeros([0, 0], (&device, dtype));
    let (edges, dim_value, dim_key) = (dst.num_rows(), plan.dim_value(), plan.dim_key());
    assert_eq!(
        query.dims(),
        [dst.num_groups(), dim_key],
        "attend: queries must be [nodes, dim of the keys]"
    );
    let form = AttentionForm {
        is_joint: key.is_none(),
        has_envelope: envelope.is_some(),
    };
    let width = if form.is_joint {
        dim_value + dim_key
    } else {
        dim_value
    };
    assert_eq!(
        value.dims(),
        [edges, width],
        "attend: values must be [edges, dim], with keys behind them if those do not come by themselves"
    );
    if let Some(key) = &key {
        assert_eq!(
            key.dims(),
            [edges, dim_key],
            "attend: keys must be [edges, dim]"
        );
    }
    let key = key.unwrap_or_else(absent);
    let envelope = envelope.unwrap_or_else(absent);
    if form.has_envelope {
        assert_eq!(
            envelope.dims(),
            [edges, 1],
            "attend: the envelope must be [edges, 1]"
        );
    }
    same_dtype(
        "attend",
        [dtype, value.dtype(), key.dtype(), envelope.dtype()],
    );
    assert!(
        dst.is_sorted(),
        "attend: edges must be sorted by destination"
    );
    Tensor::from_dispatch(Dispatch::attend(
        query.into_dispatch(),
        value.into_dispatch(),
        key.into_dispatch(),
        envelope.into_dispatch(),
        dst.offsets.clone().into_dispatch(),
        plan.clone(),
        form,
    ))
}

/// Which of the tensors of an attention are there; the others are `[0, 0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionForm {
    /// Keys stand behind the values.
    pub is_joint: bool,
    /// Edges fade.
    pub has_envelope: bool,
}

/// Attention over runs of edges. Where a backend has no kernel, a composition of its own operations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait AttentionOps: RowOps {
    /// Attention of node i over the edges `offsets[i]..offsets[i + 1]`: `[N, plan.dim_value()]`, see
    /// [`crate::attend`].
    #[fusion(dtype = query, shape = burn::tensor::Shape::new([query[0], plan.dim_value()]))]
    fn attend(
        query: FloatTensor<Self>,
        value: FloatTensor<Self>,
        key: FloatTensor<Self>,
        envelope: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        plan: Arc<AttentionPlan>,
        form: AttentionForm,
    ) -> FloatTensor<Self> {
        let floats = [query, value, key, envelope];
        composed::attend::<Self>(floats, offsets, &plan, form)
    }

    /// Gradients of [`Self::attend`] to query, value, key and envelope, each with the shape of what it
    /// belongs to.
    #[fusion(meta = |_, query, value, key, envelope, _, _, _| {
        (query.clone(), value.clone(), key.clone(), envelope.clone())
    })]
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
    fn attend_backward(
        grad: FloatTensor<Self>,
        query: FloatTensor<Self>,
        value: FloatTensor<Self>,
        key: FloatTensor<Self>,
        envelope: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        plan: Arc<AttentionPlan>,
        form: AttentionForm,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let floats = [query, value, key, envelope];
        composed::attend_backward::<Self>(grad, floats, offsets, &plan, form).into()
    }
}

impl<B: Backend + AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attend(
        query: FloatTensor<Self>,
        value: FloatTensor<Self>,
        key: FloatTensor<Self>,
        envelope: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        plan: Arc<AttentionPlan>,
        form: AttentionForm,
    ) -> FloatTensor<Self> {
        let nodes = [query.node(), value.node(), key.node(), envelope.node()];
        let state = Attend {
            floats: [query, value, key, envelope].map(|tensor| tensor.into_primitive()),
            offsets,
            plan,
            form,
        };
        let Attend {
            floats: [query, value, key, envelope],
            offsets,
            plan,
            form,
        } = state.clone();
        let out = B::attend(query, value, key, envelope, offsets, plan, form);
        match AttendBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(state, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

/// What the backward pass of attention reads: its inputs.
#[derive(Debug)]
struct Attend<B: Backend> {
    /// Query, value, key, envelope.
    floats: [FloatTensor<B>; 4],
    offsets: IntTensor<B>,
    plan: Arc<AttentionPlan>,
    form: AttentionForm,
}

impl<B: Backend> Clone for Attend<B> {
    fn clone(&self) -> Self {
        Self {
            floats: self.floats.clone(),
            offsets: self.offsets.clone(),
            plan: self.plan.clone(),
            form: self.form,
        }
    }
}

#[derive(Debug)]
struct AttendBackward;

impl<B: Backend + AttentionOps> Backward<B, 4> for AttendBackward {
    type State = Attend<B>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let Attend {
            floats: [query, value, key, envelope],
            offsets,
            plan,
            form,
        } = ops.state;
        let (to_query, to_value, to_key, to_envelope) =
            B::attend_backward(grad, query, value, key, envelope, offsets, plan, form);
        register!(
            grads,
            ops.parents,
            [to_query, to_value, to_key, to_envelope]
        );
    }
}
