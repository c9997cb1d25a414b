//! The graph on a device, and the geometry of its edges.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable_graph::Graph;
use steerable_harmonics::Normalization;
use steerable_kernels::{
    EdgeEnds, EdgeList, EdgeVectors, MemoryBudget, RowGroups, edge_geometry, vector_geometry,
};
use steerable_radial::Envelope;

use crate::Features;

/// A graph's indices on a device: upload once, use in every layer and every forward pass.
#[derive(Clone, Debug)]
pub struct GraphTensors {
    src: RowGroups,
    dst: RowGroups,
    each_edge: RowGroups,
    members: RowGroups,
    shifts: Option<Vec<f64>>,
    edges: Arc<EdgeList>,
    budget: MemoryBudget,
    graph_of_node: Vec<u32>,
}

impl GraphTensors {
    /// Uploads a graph or a ragged batch of graphs.
    pub fn new(graph: &Graph, device: &Device) -> Self {
        Self {
            src: RowGroups::new(graph.src(), graph.num_nodes(), device),
            dst: RowGroups::new(graph.dst(), graph.num_nodes(), device),
            each_edge: RowGroups::identity(graph.num_edges(), device),
            members: RowGroups::new(&graph.graph_of_node(), graph.num_graphs(), device),
            shifts: graph.shifts().map(|shifts| shifts.as_flattened().to_vec()),
            edges: Arc::new(EdgeList::new(graph.src(), graph.row_offsets())),
            budget: MemoryBudget::Unlimited,
            graph_of_node: graph.graph_of_node(),
        }
    }

    /// The same graph, whose edges may hold only so much at once in each layer.
    ///
    /// [`Convolution`](crate::Convolution) and [`AttentionBlock`](crate::AttentionBlock) then go slab by
    /// slab: consecutive nodes with their incoming edges, as many as fit. Between the passes they store
    /// nothing on the edges, and the backward pass forms it again. What the edges are given, such as
    /// harmonics, and everything on nodes is not part of it. Results and gradients are the same up to
    /// rounding. Layers of other crates that call the operations of `steerable-kernels` themselves, such as
    /// the invariant point attention of `steerable-protein`, read [`budget`](Self::budget) or go without one.
    #[must_use]
    pub fn with_budget(self, budget: MemoryBudget) -> Self {
        Self { budget, ..self }
    }

    /// What the edges may hold at once in each layer.
    pub fn budget(&self) -> MemoryBudget {
        self.budget
    }

    /// Where edges begin and end, on the host.
    pub(crate) fn edges(&self) -> &Arc<EdgeList> {
        &self.edges
    }

    /// Edges grouped by the node they leave.
    pub fn src(&self) -> &RowGroups {
        &self.src
    }

    /// Edges grouped by the node they enter; consecutive, since a [`Graph`] sorts them so.
    pub fn dst(&self) -> &RowGroups {
        &self.dst
    }

    /// Every edge by itself, for what stays on the edges.
    pub fn each_edge(&self) -> &RowGroups {
        &self.each_edge
    }

    /// Nodes grouped by the graph of the batch they belong to.
    pub fn members(&self) -> &RowGroups {
        &self.members
    }

    /// Number of nodes.
    pub fn num_nodes(&self) -> usize {
        self.dst.num_groups()
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.dst.num_rows()
    }

    /// Number of graphs in the batch.
    pub fn num_graphs(&self) -> usize {
        self.members.num_groups()
    }

    /// The graph of the batch that each node belongs to.
    pub fn graph_of_node(&self) -> &[u32] {
        &self.graph_of_node
    }

    /// `rel_pos = pos[dst] - (pos[src] + shift)`, in angstrom: `[N, 3]` to `[E, 3]`.
    ///
    /// # Panics
    /// When `positions` is not `[num_nodes, 3]`.
    pub fn relative_positions(&self, positions: Tensor<2>) -> Tensor<2> {
        self.vectors(positions, 0, Normalization::Component).rel_pos
    }

    /// The geometry of the edges at positions `[N, 3]` in angstrom, in one pass over the edges.
    ///
    /// # Panics
    /// When `positions` is not `[num_nodes, 3]`.
    pub fn geometry(&self, positions: Tensor<2>, options: HarmonicsOptions) -> EdgeGeometry {
        let vectors = self.vectors(positions, options.l_max, options.normalization);
        EdgeGeometry::with_envelope(vectors, options.envelope)
    }

    fn vectors(
        &self,
        positions: Tensor<2>,
        l_max: usize,
        normalization: Normalization,
    ) -> EdgeVectors {
        assert_eq!(
            positions.dims(),
            [self.num_nodes(), 3],
            "GraphTensors: positions must be [nodes, 3]"
        );
        let (device, dtype) = (positions.device(), positions.dtype());
        let ends = EdgeEnds {
            src: &self.src,
            dst: &self.dst,
            shifts: self.shifts.as_ref().map(|shifts| {
                let shifts = TensorData::new(shifts.clone(), [self.num_edges(), 3]);
                Tensor::from_data(shifts, (&device, dtype))
            }),
        };
        edge_geometry(positions, ends, l_max, normalization)
    }

    /// The number of incoming edges of each node, `[N, 1]`; with `at_least` 1 for dividing by it.
    pub(crate) fn in_degrees(&self, device: &Device, dtype: DType, at_least: u32) -> Tensor<2> {
        let degrees: Vec<f64> = self
            .edges
            .in_degrees()
            .map(|degree| f64::from(degree.max(at_least)))
            .collect();
        let rows = degrees.len();
        Tensor::from_data(TensorData::new(degrees, [rows, 1]), (device, dtype))
    }
}

/// What the kernels need to know of where the edges point. Differentiable to positions.
#[derive(Clone, Debug)]
pub struct EdgeGeometry {
    /// `pos[dst] - pos[src]` in angstrom, `[E, 3]`.
    pub rel_pos: Tensor<2>,
    /// `|rel_pos|` in angstrom, `[E, 1]`; the gradient of a zero edge is zero.
    pub distance: Tensor<2>,
    /// Spherical harmonics of the direction times the envelope, `[E, (l_max + 1)^2]`.
    pub harmonics: Tensor<2>,
    /// The envelope, `[E, 1]`, or `None` without a cutoff.
    pub envelope: Option<Tensor<2>>,
}

/// How harmonics are formed from relative positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HarmonicsOptions {
    /// Highest degree.
    pub l_max: usize,
    /// Normalization.
    pub normalization: Normalization,
    /// Smooth cutoff, which scales the whole kernel of an edge.
    pub envelope: Envelope,
}

impl EdgeGeometry {
    /// Geometry of relative positions `[E, 3]`; of positions: [`GraphTensors::geometry`].
    pub fn new(rel_pos: Tensor<2>, options: HarmonicsOptions) -> Self {
        let vectors = vector_geometry(rel_pos, options.l_max, options.normalization);
        Self::with_envelope(vectors, options.envelope)
    }

    fn with_envelope(vectors: EdgeVectors, envelope: Envelope) -> Self {
        let EdgeVectors {
            rel_pos,
            distance,
            harmonics,
        } = vectors;
        let envelope = match envelope {
            Envelope::None => None,
            envelope => Some(envelope.forward(distance.clone())),
        };
        let harmonics = match &envelope {
            None => harmonics,
            Some(envelope) => harmonics * envelope.clone(),
        };
        Self {
            rel_pos,
            distance,
            harmonics,
            envelope,
        }
    }
}

/// Everything a convolution reads of the edges.
#[derive(Clone, Debug)]
pub struct Edges {
    /// The graph.
    pub graph: GraphTensors,
    /// Where the edges point.
    pub geometry: EdgeGeometry,
    /// Invariant input of the radial networks, `[E, d]`: radial basis and scalar edge features.
    pub invariants: Tensor<2>,
    /// Steerable edge features, joined to the features of the source on the edge.
    pub features: Option<Features>,
}
