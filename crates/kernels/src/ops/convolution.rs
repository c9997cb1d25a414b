//! The convolution of a path plan.

use std::sync::Arc;

#[cfg(feature = "fusion")]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use steerable_harmonics::plan::ConvolutionPlan;

use super::{register, same_dtype, with_real};
use crate::RowGroups;
use crate::host::convolution::{Convolution, HiddenKind, Wanted};
use crate::host::{HostTensor, upload};

/// The tensors that a convolution reads.
#[derive(Clone, Debug)]
pub struct ConvolutionInputs {
    /// Features of the sources, `[num_src, plan.irreps_in().dim()]`.
    pub features: Tensor<2>,
    /// Spherical harmonics of the edges, at least `(plan.l_filter_max() + 1)^2` columns.
    pub harmonics: Tensor<2>,
    /// Hidden radial features of the edges, `[E, plan.num_radials() * hidden_width]`, one network where the plan has none.
    pub hidden: Tensor<2>,
    /// What is known of them.
    pub hidden_kind: HiddenKind,
    /// Last radial layer: `[hidden_width, plan.num_weights()]`, or one more row with the bias.
    pub weight: Tensor<2>,
}

/// The convolution of a plan:
/// `out[i] = sum over e into i of sum over paths of (hidden_e @ weight)_path Q Y(x_e) features[src(e)]`.
///
/// The radial weights are formed tile by tile and never stored for all edges; the backward pass
/// forms them again. Gradients flow to all four tensors; that to a hidden feature of zero may stay zero where
/// they are [`HiddenKind::Rectified`].
///
/// # Shapes
/// - output: `[dst.num_groups(), plan.irreps_out().dim()]`
///
/// # Panics
/// When a shape does not fit the plan, or the edges are not sorted by destination.
pub fn convolve(
    inputs: ConvolutionInputs,
    src: &RowGroups,
    dst: &RowGroups,
    plan: &Arc<ConvolutionPlan>,
) -> Tensor<2> {
    let ConvolutionInputs {
        features,
        harmonics,
        hidden,
        hidden_kind,
        weight,
    } = inputs;
    same_dtype(
        "convolve",
        [
            features.dtype(),
            harmonics.dtype(),
            hidden.dtype(),
            weight.dtype(),
        ],
    );
    let edges = src.num_rows();
    let width = (plan.l_filter_max() + 1).pow(2);
    assert_eq!(
        dst.num_rows(),
        edges,
        "convolve: sources and destinations differ in number"
    );
    assert_eq!(
        features.dims(),
        [src.num_groups(), plan.irreps_in().dim()],
        "convolve: features must be [sources, dim of {}]",
        plan.irreps_in()
    );
    assert!(
        harmonics.dims()[0] == edges && harmonics.dims()[1] >= width,
        "convolve: harmonics must be [{edges}, >= {width}], got {:?}",
        harmonics.dims()
    );
    let hidden_width = weight_rows(&hidden, plan);
    assert_eq!(
        hidden.dims(),
        [edges, hidden_width * plan.num_radials().max(1)],
        "convolve: hidden must be [edges, radial networks x width]"
    );
    let [rows, columns] = weight.dims();
    assert!(
        (rows == hidden_width || rows == hidden_width + 1) && columns == plan.num_weights(),
        "convolve: weight must be [{hidden_width} or {}, {}], got [{rows}, {columns}]",
        hidden_width + 1,
        plan.num_weights()
    );
    assert!(
        dst.is_sorted(),
        "convolve: edges must be sorted by destination"
    );
    Tensor::from_dispatch(Dispatch::convolve(
        features.into_dispatch(),
        harmonics.into_dispatch(),
        hidden.into_dispatch(),
        weight.into_dispatch(),
        src.index.clone().into_dispatch(),
        src.order.clone().into_dispatch(),
        src.offsets.clone().into_dispatch(),
        dst.offsets.clone().into_dispatch(),
        plan.clone(),
        hidden_kind,
    ))
}

fn weight_rows(hidden: &Tensor<2>, plan: &ConvolutionPlan) -> usize {
    hidden.dims()[1] / plan.num_radials().max(1)
}

/// Convolutions, full and channel-wise.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait ConvolutionOps: Backend {
    /// The convolution of a [`ConvolutionPlan`]: `[rows, dim_out]`, see [`crate::convolve`].
    #[fusion(
        dtype = features,
        shape = burn::tensor::Shape::new([row_offsets[0] - 1, plan.irreps_out().dim()])
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
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
        hidden_kind: HiddenKind,
    ) -> FloatTensor<Self> {
        // Only the backward pass reads these two.
        let _ = (edges_by_src, src_offsets);
        let floats = [features, harmonics, hidden, weight];
        convolve_on_host::<Self>(floats, [src, row_offsets], &plan, hidden_kind)
    }

    /// Gradients of [`Self::convolve`] to features, harmonics, hidden and weight. Those that are not
    /// wanted come back with no rows.
    #[fusion(meta = gradient_specs)]
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
    fn convolve_backward(
        grad: FloatTensor<Self>,
        features: FloatTensor<Self>,
        harmonics: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        src: IntTensor<Self>,
        edges_by_src: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        row_offsets: IntTensor<Self>,
        plan: Arc<ConvolutionPlan>,
        hidden_kind: HiddenKind,
        wanted: Wanted,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        // The host sums over the edges of a source in the order of all edges.
        let _ = edges_by_src;
        let floats = [features, harmonics, hidden, weight];
        let ints = [src, src_offsets, row_offsets];
        convolve_backward_on_host::<Self>(grad, floats, ints, &plan, hidden_kind, wanted)
    }
}

/// Shapes of the gradients to features, harmonics, hidden and weight.
#[cfg(feature = "fusion")]
#[allow(
    clippy::too_many_arguments,
    reason = "the arguments of `ConvolutionOps::convolve_backward`"
)]
fn gradient_specs(
    _grad: &TensorSpec,
    features: &TensorSpec,
    harmonics: &TensorSpec,
    hidden: &TensorSpec,
    weight: &TensorSpec,
    _src: &TensorSpec,
    _edges_by_src: &TensorSpec,
    _src_offsets: &TensorSpec,
    _row_offsets: &TensorSpec,
    _plan: &Arc<ConvolutionPlan>,
    _hidden_kind: &HiddenKind,
    wanted: &Wanted,
) -> (TensorSpec, TensorSpec, TensorSpec, TensorSpec) {
    let spec = |like: &TensorSpec, wanted: bool| {
        let rows = if wanted { like.shape[0] } else { 0 };
        TensorSpec::new([rows, like.shape[1]].into(), like.dtype)
    };
    (
        spec(features, wanted.features),
        spec(harmonics, wanted.harmonics),
        spec(hidden, wanted.hidden),
        spec(weight, wanted.weight),
    )
}

/// [`ConvolutionOps::convolve`] on the host, of features, harmonics, hidden and weight, and of sources
/// and row offsets.
pub(crate) fn convolve_on_host<B: Backend>(
    floats: [FloatTensor<B>; 4],
    ints: [IntTensor<B>; 2],
    plan: &ConvolutionPlan,
    hidden_kind: HiddenKind,
) -> FloatTensor<B> {
    let [features, harmonics, hidden, weight] = floats;
    let (device, dtype) = (features.device(), features.dtype());
    let rows = ints[1].shape()[0] - 1;
    let hidden_width = hidden.shape()[1] / plan.num_radials().max(1);
    let harmonics_width = harmonics.shape()[1];
    let [features, harmonics, hidden, weight] =
        [features, harmonics, hidden, weight].map(HostTensor::float::<B>);
    let [src, row_offsets] = ints.map(HostTensor::int::<B>);
    with_real!("convolve", dtype, T => {
        let out = Convolution::<T> {
            plan,
            features: features.as_slice(),
            harmonics: harmonics.as_slice(),
            harmonics_width,
            hidden: hidden.as_slice(),
            hidden_kind,
            hidden_width,
            weight: weight.as_slice(),
            src: src.as_slice(),
            row_offsets: row_offsets.as_slice(),
        }
        .forward();
        upload::<B, T>(out, [rows, plan.irreps_out().dim()], &device)
    })
}

/// [`ConvolutionOps::convolve_backward`] on the host, of features, harmonics, hidden and weight, and of
/// sources, source offsets and row offsets.
pub(crate) fn convolve_backward_on_host<B: Backend>(
    grad: FloatTensor<B>,
    floats: [FloatTensor<B>; 4],
    ints: [IntTensor<B>; 3],
    plan: &ConvolutionPlan,
    hidden_kind: HiddenKind,
    wanted: Wanted,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let [features, harmonics, hidden, weight] = floats;
    let [src, src_offsets, row_offsets] = ints;
    let (device, dtype) = (features.device(), features.dtype());
    let edges = src.shape()[0];
    let hidden_stride = hidden.shape()[1];
    let weight_shape = weight.shape();
    let harmonics_width = harmonics.shape()[1];
    let dim_in = plan.irreps_in().dim();
    let [grad, features, harmonics, hidden, weight] =
        [grad, features, harmonics, hidden, weight].map(HostTensor::float::<B>);
    let num_src = src_offsets.shape()[0] - 1;
    let [src, row_offsets] = [src, row_offsets].map(HostTensor::int::<B>);
    with_real!("convolve", dtype, T => {
        let gradients = Convolution::<T> {
            plan,
            features: features.as_slice(),
            harmonics: harmonics.as_slice(),
            harmonics_width,
            hidden: hidden.as_slice(),
            hidden_kind,
            hidden_width: hidden_stride / plan.num_radials().max(1),
            weight: weight.as_slice(),
            src: src.as_slice(),
            row_offsets: row_offsets.as_slice(),
        }
        .backward(grad.as_slice(), wanted);
        let rows = |wanted: bool, rows: usize| if wanted { rows } else { 0 };
        let nodes = rows(wanted.features, num_src);
        (
            upload::<B, T>(gradients.features, [nodes, dim_in], &device),
            upload::<B, T>(
                gradients.harmonics,
                [rows(wanted.harmonics, edges), harmonics_width],
                &device,
            ),
            upload::<B, T>(
                gradients.hidden,
                [rows(wanted.hidden, edges), hidden_stride],
                &device,
            ),
            upload::<B, T>(
                gradients.weight,
                [rows(wanted.weight, weight_shape[0]), weight_shape[1]],
                &device,
            ),
        )
    })
}

#[cfg(feature = "flex")]
impl ConvolutionOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl ConvolutionOps for burn::backend::NdArray {}

impl<B: Backend + ConvolutionOps, C: CheckpointStrategy> ConvolutionOps for Autodiff<B, C> {
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
        hidden_kind: HiddenKind,
    ) -> FloatTensor<Self> {
        let nodes = [
            features.node(),
            harmonics.node(),
            hidden.node(),
            weight.node(),
        ];
        let floats = [features, harmonics, hidden, weight].map(|tensor| tensor.into_primitive());
        let ints = [src, edges_by_src, src_offsets, row_offsets];
        let state = (floats, ints, plan, hidden_kind);
        let (floats, ints, plan, _) = state.clone();
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
            hidden_kind,
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
}

#[derive(Debug)]
struct ConvolveBackward;

impl<B: Backend + ConvolutionOps> Backward<B, 4> for ConvolveBackward {
    /// Its inputs, and nothing for each edge, channel and path: features, harmonics, hidden and weight;
    /// source rows, edges by source, source offsets and row offsets; the plan, and what is known of hidden.
    type State = (
        [FloatTensor<B>; 4],
        [IntTensor<B>; 4],
        Arc<ConvolutionPlan>,
        HiddenKind,
    );

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (floats, ints, plan, hidden_kind) = ops.state;
        let [features, harmonics, hidden, weight] = floats;
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
            hidden_kind,
            wanted,
        );
        register!(
            grads,
            ops.parents,
            [to_features, to_harmonics, to_hidden, to_weight]
        );
    }
}
