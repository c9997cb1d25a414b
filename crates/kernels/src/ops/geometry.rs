//! Positions to relative positions, distances and spherical harmonics of the edges.

#[cfg(feature = "fusion")]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use steerable_harmonics::Normalization;

use super::same_dtype;
use crate::RowGroups;
use crate::composed::geometry as composed;

/// Which nodes the edges join.
#[derive(Clone, Debug)]
pub struct EdgeEnds<'a> {
    /// Edges grouped by the node they leave.
    pub src: &'a RowGroups,
    /// Edges grouped by the node they enter.
    pub dst: &'a RowGroups,
    /// What is added to the position of the source of each edge, `[E, 3]`, as in a periodic cell. A
    /// constant: no gradient flows to it.
    pub shifts: Option<Tensor<2>>,
}

/// What edges look like.
#[derive(Clone, Debug)]
pub struct EdgeVectors {
    /// `pos[dst] - (pos[src] + shift)`, `[E, 3]`.
    pub rel_pos: Tensor<2>,
    /// `|rel_pos|`, `[E, 1]`; the gradient of a zero vector's length is zero.
    pub distance: Tensor<2>,
    /// Harmonics of the direction, `[E, (l_max + 1)^2]`, see [`spherical_harmonics`].
    pub harmonics: Tensor<2>,
}

/// Relative positions, distances and harmonics of all edges, in one pass over them. On the way back each
/// edge has one 3-vector, and each node sums those of its edges in a fixed order.
///
/// # Shapes
/// - positions: `[N, 3]`
///
/// # Panics
/// When a shape does not fit the edges.
pub fn edge_geometry(
    positions: Tensor<2>,
    ends: EdgeEnds<'_>,
    l_max: usize,
    normalization: Normalization,
) -> EdgeVectors {
    let EdgeEnds { src, dst, shifts } = ends;
    let (nodes, edges) = (dst.num_groups(), dst.num_rows());
    assert_eq!(
        positions.dims(),
        [nodes, 3],
        "edge_geometry: positions must be [nodes, 3]"
    );
    assert_eq!(
        (src.num_groups(), src.num_rows()),
        (nodes, edges),
        "edge_geometry: nodes and edges by source"
    );
    let shifts = match shifts {
        None => Tensor::zeros([0, 3], (&positions.device(), positions.dtype())),
        Some(shifts) => {
            assert_eq!(
                shifts.dims(),
                [edges, 3],
                "edge_geometry: shifts must be [edges, 3]"
            );
            shifts
        }
    };
    same_dtype("edge_geometry", [positions.dtype(), shifts.dtype()]);
    let (rel_pos, distance, harmonics) = Dispatch::edge_geometry(
        positions.into_dispatch(),
        src.index.clone().into_dispatch(),
        src.order.clone().into_dispatch(),
        src.offsets.clone().into_dispatch(),
        dst.index.clone().into_dispatch(),
        dst.order.clone().into_dispatch(),
        dst.offsets.clone().into_dispatch(),
        shifts.detach().into_dispatch(),
        l_max,
        normalization,
    );
    EdgeVectors {
        rel_pos: Tensor::from_dispatch(rel_pos),
        distance: Tensor::from_dispatch(distance),
        harmonics: Tensor::from_dispatch(harmonics),
    }
}

/// Lengths and harmonics of given vectors, in one pass over them.
///
/// # Shapes
/// - rel_pos: `[E, 3]`
pub fn vector_geometry(
    rel_pos: Tensor<2>,
    l_max: usize,
    normalization: Normalization,
) -> EdgeVectors {
    assert_eq!(
        rel_pos.dims()[1],
        3,
        "vector_geometry: vectors have 3 columns"
    );
    let (distance, harmonics) =
        Dispatch::vector_geometry(rel_pos.clone().into_dispatch(), l_max, normalization);
    EdgeVectors {
        rel_pos,
        distance: Tensor::from_dispatch(distance),
        harmonics: Tensor::from_dispatch(harmonics),
    }
}

/// Real spherical harmonics of the directions of `vectors`, all degrees `0..=l_max`.
///
/// The zero vector gives `Y_0` as usual, zero for `l >= 1`, and a zero gradient.
///
/// # Shapes
/// - vectors: `[E, 3]`
/// - output: `[E, (l_max + 1)^2]`
pub fn spherical_harmonics(
    vectors: Tensor<2>,
    l_max: usize,
    normalization: Normalization,
) -> Tensor<2> {
    vector_geometry(vectors, l_max, normalization).harmonics
}

/// The geometry of edges. Where a backend has no kernel, a composition of its own operations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait GeometryOps: Backend {
    /// Relative positions `[E, 3]`, their lengths `[E, 1]` and their harmonics `[E, (l_max + 1)^2]`.
    ///
    /// `shifts` has a row for each edge, or no rows for no shifts. The orders and offsets list the edges
    /// by their source and by their destination: the way back for gradients.
    #[fusion(meta = edge_specs)]
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
    fn edge_geometry(
        positions: FloatTensor<Self>,
        src: IntTensor<Self>,
        src_order: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        dst: IntTensor<Self>,
        dst_order: IntTensor<Self>,
        dst_offsets: IntTensor<Self>,
        shifts: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let _ = (src_order, src_offsets, dst_order, dst_offsets);
        let rel_pos = composed::relative_positions::<Self>(positions, src, dst, shifts);
        let (lengths, harmonics) = Self::vector_geometry(rel_pos.clone(), l_max, normalization);
        (rel_pos, lengths, harmonics)
    }

    /// Gradient of relative positions to positions: the sum over the edges into each node, less the sum
    /// over those out of it, `[E, 3]` to `[N, 3]`.
    #[fusion(dtype = grad, shape = burn::tensor::Shape::new([dst_offsets[0] - 1, 3]))]
    fn relative_positions_backward(
        grad: FloatTensor<Self>,
        src_order: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        dst_order: IntTensor<Self>,
        dst_offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let ends = [src_order, src_offsets, dst_order, dst_offsets];
        composed::relative_positions_backward::<Self>(grad, ends)
    }

    /// Lengths `[E, 1]` and harmonics `[E, (l_max + 1)^2]` of vectors `[E, 3]`.
    #[fusion(meta = |vectors, l_max, _| vector_specs(vectors, vectors.shape[0], *l_max))]
    fn vector_geometry(
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let lengths = composed::lengths::<Self>(vectors.clone());
        let harmonics = composed::spherical_harmonics::<Self>(vectors, l_max, normalization);
        (lengths, harmonics)
    }

    /// Gradient of lengths to vectors, from the lengths: `[E, 1]` to `[E, 3]`.
    #[fusion(dtype = vectors, shape = vectors)]
    fn lengths_backward(
        grad: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        lengths: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::lengths_backward::<Self>(grad, vectors, lengths)
    }

    /// Gradient of harmonics to vectors: `[E, (l_max + 1)^2]` to `[E, 3]`.
    #[fusion(dtype = vectors, shape = vectors)]
    fn spherical_harmonics_backward(
        grad: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> FloatTensor<Self> {
        composed::spherical_harmonics_backward::<Self>(grad, vectors, l_max, normalization)
    }
}

/// Shapes of relative positions, lengths and harmonics.
#[cfg(feature = "fusion")]
#[allow(
    clippy::too_many_arguments,
    reason = "the arguments of `GeometryOps::edge_geometry`"
)]
fn edge_specs(
    positions: &TensorSpec,
    src: &TensorSpec,
    _src_order: &TensorSpec,
    _src_offsets: &TensorSpec,
    _dst: &TensorSpec,
    _dst_order: &TensorSpec,
    _dst_offsets: &TensorSpec,
    _shifts: &TensorSpec,
    l_max: &usize,
    _normalization: &Normalization,
) -> (TensorSpec, TensorSpec, TensorSpec) {
    let edges = src.shape[0];
    let (lengths, harmonics) = vector_specs(positions, edges, *l_max);
    let rel_pos = TensorSpec::new([edges, 3].into(), positions.dtype);
    (rel_pos, lengths, harmonics)
}

/// Shapes of lengths and harmonics.
#[cfg(feature = "fusion")]
fn vector_specs(like: &TensorSpec, edges: usize, l_max: usize) -> (TensorSpec, TensorSpec) {
    let spec = |columns: usize| TensorSpec::new([edges, columns].into(), like.dtype);
    (spec(1), spec((l_max + 1).pow(2)))
}

/// Three nodes on the tape: relative positions, and from them lengths and harmonics. A packed output
/// would make every reader cut its columns out, and the backward pass put them together again.
impl<B: Backend + GeometryOps, C: CheckpointStrategy> GeometryOps for Autodiff<B, C> {
    fn edge_geometry(
        positions: FloatTensor<Self>,
        src: IntTensor<Self>,
        src_order: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        dst: IntTensor<Self>,
        dst_order: IntTensor<Self>,
        dst_offsets: IntTensor<Self>,
        shifts: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (positions, node) = positions.into_parts();
        let orders = [&src_order, &src_offsets, &dst_order, &dst_offsets].map(Clone::clone);
        let (rel_pos, distance, harmonics) = B::edge_geometry(
            positions,
            src,
            src_order,
            src_offsets,
            dst,
            dst_order,
            dst_offsets,
            shifts.into_primitive(),
            l_max,
            normalization,
        );
        let relative = RelativePositionsBackward.prepare::<C>([node]);
        let rel_pos = match relative.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(orders, rel_pos),
            OpsKind::UnTracked(prep) => prep.finish(rel_pos),
        };
        let (distance, harmonics) =
            on_tape::<B, C>(&rel_pos, distance, harmonics, l_max, normalization);
        (rel_pos, distance, harmonics)
    }

    fn vector_geometry(
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (distance, harmonics) =
            B::vector_geometry(vectors.primitive().clone(), l_max, normalization);
        on_tape::<B, C>(&vectors, distance, harmonics, l_max, normalization)
    }
}

/// A tensor with its node on the tape.
type Recorded<B, C> = FloatTensor<Autodiff<B, C>>;

/// Lengths and harmonics as functions of the vectors.
fn on_tape<B: Backend + GeometryOps, C: CheckpointStrategy>(
    vectors: &Recorded<B, C>,
    lengths: FloatTensor<B>,
    harmonics: FloatTensor<B>,
    l_max: usize,
    normalization: Normalization,
) -> (Recorded<B, C>, Recorded<B, C>) {
    let of_lengths = LengthsBackward.prepare::<C>([vectors.node()]);
    let of_harmonics = HarmonicsBackward.prepare::<C>([vectors.node()]);
    let vectors = vectors.primitive().clone();
    let lengths = match of_lengths.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((vectors.clone(), lengths.clone()), lengths),
        OpsKind::UnTracked(prep) => prep.finish(lengths),
    };
    let harmonics = match of_harmonics.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((vectors, l_max, normalization), harmonics),
        OpsKind::UnTracked(prep) => prep.finish(harmonics),
    };
    (lengths, harmonics)
}

#[derive(Debug)]
struct RelativePositionsBackward;

impl<B: Backend + GeometryOps> Backward<B, 1> for RelativePositionsBackward {
    type State = [IntTensor<B>; 4];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [src_order, src_offsets, dst_order, dst_offsets] = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::relative_positions_backward(grad, src_order, src_offsets, dst_order, dst_offsets)
        });
    }
}

#[derive(Debug)]
struct LengthsBackward;

impl<B: Backend + GeometryOps> Backward<B, 1> for LengthsBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (vectors, lengths) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::lengths_backward(grad, vectors, lengths)
        });
    }
}

#[derive(Debug)]
struct HarmonicsBackward;

impl<B: Backend + GeometryOps> Backward<B, 1> for HarmonicsBackward {
    type State = (FloatTensor<B>, usize, Normalization);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (vectors, l_max, normalization) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::spherical_harmonics_backward(grad, vectors, l_max, normalization)
        });
    }
}
