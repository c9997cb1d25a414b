//! Hand-written backward passes: one node per operation on the tape, not one per small step.

use std::sync::Arc;

use burn::backend::Backend;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use steerable_harmonics::Normalization;
use steerable_harmonics::plan::ConvolutionPlan;

use crate::SteerableOps;
use crate::host::convolution::Wanted;
use crate::host::norm::Rectifier;

impl<B: Backend + SteerableOps, C: CheckpointStrategy> SteerableOps for Autodiff<B, C> {
    fn spherical_harmonics(
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> FloatTensor<Self> {
        let node = vectors.node();
        let vectors = vectors.into_primitive();
        let out = B::spherical_harmonics(vectors.clone(), l_max, normalization);
        match HarmonicsBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((vectors, l_max, normalization), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn convolve(
        features: FloatTensor<Self>,
        harmonics: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        src: IntTensor<Self>,
        edges_by_src: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        row_offsets: IntTensor<Self>,
        plan: Arc<ConvolutionPlan>,
    ) -> FloatTensor<Self> {
        let nodes = [
            features.node(),
            harmonics.node(),
            hidden.node(),
            weight.node(),
        ];
        let floats = [features, harmonics, hidden, weight].map(|tensor| tensor.into_primitive());
        let state = Convolve {
            floats,
            ints: [src, edges_by_src, src_offsets, row_offsets],
            plan,
        };
        let Convolve { floats, ints, plan } = state.clone();
        let [features, harmonics, hidden, weight] = floats;
        let [src, edges_by_src, src_offsets, row_offsets] = ints;
        let out = B::convolve(
            features,
            harmonics,
            hidden,
            weight,
            src,
            edges_by_src,
            src_offsets,
            row_offsets,
            plan,
        );
        match ConvolveBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(state, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn gather_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let node = values.node();
        let groups = RowGroups {
            index,
            order,
            offsets,
        };
        let RowGroups {
            index,
            order,
            offsets,
        } = groups.clone();
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
        let groups = RowGroups {
            index,
            order,
            offsets,
        };
        let RowGroups {
            index,
            order,
            offsets,
        } = groups.clone();
        let out = B::sum_rows(values.into_primitive(), index, order, offsets);
        match SumBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(groups, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

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

/// Hands each gradient to the parent that asked for it. A macro, since burn does not export the type of
/// the parents.
macro_rules! register {
    ($grads:expr, $parents:expr, $gradients:expr) => {
        for (parent, gradient) in $parents.into_iter().zip($gradients) {
            if let Some(node) = parent {
                $grads.register::<B>(node.id, gradient);
            }
        }
    };
}

#[derive(Debug)]
struct HarmonicsBackward;

impl<B: Backend + SteerableOps> Backward<B, 1> for HarmonicsBackward {
    type State = (FloatTensor<B>, usize, Normalization);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (vectors, l_max, normalization) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::spherical_harmonics_backward(grad, vectors, l_max, normalization)
        });
    }
}

/// What the backward pass of a convolution reads: its inputs, and nothing per edge, channel and path.
#[derive(Debug)]
struct Convolve<B: Backend> {
    /// Features, harmonics, hidden, weight.
    floats: [FloatTensor<B>; 4],
    /// Source rows, edges by source, source offsets, row offsets.
    ints: [IntTensor<B>; 4],
    plan: Arc<ConvolutionPlan>,
}

impl<B: Backend> Clone for Convolve<B> {
    fn clone(&self) -> Self {
        Self {
            floats: self.floats.clone(),
            ints: self.ints.clone(),
            plan: self.plan.clone(),
        }
    }
}

#[derive(Debug)]
struct ConvolveBackward;

impl<B: Backend + SteerableOps> Backward<B, 4> for ConvolveBackward {
    type State = Convolve<B>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let Convolve {
            floats: [features, harmonics, hidden, weight],
            ints,
            plan,
        } = ops.state;
        let [src, edges_by_src, src_offsets, row_offsets] = ints;
        let wanted = Wanted {
            features: ops.parents[0].is_some(),
            harmonics: ops.parents[1].is_some(),
            hidden: ops.parents[2].is_some(),
            weight: ops.parents[3].is_some(),
        };
        let (to_features, to_harmonics, to_hidden, to_weight) = B::convolve_backward(
            grad,
            features,
            harmonics,
            hidden,
            weight,
            src,
            edges_by_src,
            src_offsets,
            row_offsets,
            plan,
            wanted,
        );
        register!(
            grads,
            ops.parents,
            [to_features, to_harmonics, to_hidden, to_weight]
        );
    }
}

/// Which rows belong together, both ways round.
#[derive(Debug)]
struct RowGroups<B: Backend> {
    index: IntTensor<B>,
    order: IntTensor<B>,
    offsets: IntTensor<B>,
}

impl<B: Backend> Clone for RowGroups<B> {
    fn clone(&self) -> Self {
        Self {
            index: self.index.clone(),
            order: self.order.clone(),
            offsets: self.offsets.clone(),
        }
    }
}

#[derive(Debug)]
struct GatherBackward;

impl<B: Backend + SteerableOps> Backward<B, 1> for GatherBackward {
    type State = RowGroups<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let RowGroups {
            index,
            order,
            offsets,
        } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::sum_rows(grad, index, order, offsets)
        });
    }
}

#[derive(Debug)]
struct SumBackward;

impl<B: Backend + SteerableOps> Backward<B, 1> for SumBackward {
    type State = RowGroups<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let RowGroups {
            index,
            order,
            offsets,
        } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::gather_rows(grad, index, order, offsets)
        });
    }
}

#[derive(Debug)]
struct SoftmaxBackward;

impl<B: Backend + SteerableOps> Backward<B, 1> for SoftmaxBackward {
    type State = (FloatTensor<B>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (probabilities, offsets) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::segment_softmax_backward(grad, probabilities, offsets)
        });
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl<B: Backend + SteerableOps> Backward<B, 3> for LayerNormBackward {
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

impl<B: Backend + SteerableOps> Backward<B, 3> for GroupedLinearBackward {
    type State = ([FloatTensor<B>; 3], usize);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x, weight, bias], groups) = ops.state;
        let (to_x, to_weight, to_bias) = B::grouped_linear_backward(grad, x, weight, bias, groups);
        register!(grads, ops.parents, [to_x, to_weight, to_bias]);
    }
}
