//! Many graphs side by side in one, without padding.

use std::borrow::Borrow;

use crate::graph::PeriodicEdges;
use crate::positions::check_num_nodes;
use crate::topology::check_num_edges;
use crate::{Graph, GraphError};

impl Graph {
    /// The disjoint union: the nodes of each graph in turn, and their edges.
    ///
    /// Node features, positions and, without [`Graph::order`], edge features of the batch are
    /// those of the members, concatenated. Takes graphs or references to graphs. A member that is
    /// a batch itself contributes its own members; no graphs at all give the empty batch.
    ///
    /// # Panics
    /// If nodes or edges exceed `u32`; [`Graph::try_batch`] returns the error.
    #[must_use]
    pub fn batch<G: Borrow<Graph>>(graphs: &[G]) -> Self {
        match Self::try_batch(graphs) {
            Ok(graph) => graph,
            Err(error) => panic!("Graph::batch: {error}"),
        }
    }

    /// As [`Graph::batch`], without the panic.
    ///
    /// # Errors
    /// [`GraphError::TooManyNodes`], [`GraphError::TooManyEdges`].
    pub fn try_batch<G: Borrow<Graph>>(graphs: &[G]) -> Result<Self, GraphError> {
        let members = || graphs.iter().map(Borrow::borrow);
        let num_nodes: usize = members().map(Self::num_nodes).sum();
        let num_edges: usize = members().map(Self::num_edges).sum();
        check_num_nodes(num_nodes)?;
        check_num_edges(num_edges as u64)?;

        let ordered = members().any(|graph| graph.order.is_some());
        let periodic = members().any(|graph| graph.periodic.is_some());
        let mut batch = Self {
            node_offsets: vec![0],
            src: Vec::with_capacity(num_edges),
            dst: Vec::with_capacity(num_edges),
            row_offsets: Vec::with_capacity(num_nodes + 1),
            src_offsets: Vec::with_capacity(num_nodes + 1),
            edges_by_src: Vec::with_capacity(num_edges),
            order: ordered.then(|| Vec::with_capacity(num_edges)),
            periodic: periodic.then(PeriodicEdges::default),
        };
        batch.row_offsets.push(0);
        batch.src_offsets.push(0);
        for graph in members() {
            batch.append(graph);
        }
        Ok(batch)
    }

    /// Appends a graph whose nodes and edges are known to fit.
    fn append(&mut self, graph: &Self) {
        let first_node = self.num_nodes() as u32;
        let first_edge = self.num_edges() as u32;
        let edges = 0..graph.num_edges() as u32;

        self.node_offsets.extend(
            graph.node_offsets[1..]
                .iter()
                .map(|&node| first_node + node),
        );
        self.src
            .extend(graph.src.iter().map(|&node| first_node + node));
        self.dst
            .extend(graph.dst.iter().map(|&node| first_node + node));
        self.row_offsets
            .extend(graph.row_offsets[1..].iter().map(|&edge| first_edge + edge));
        self.src_offsets
            .extend(graph.src_offsets[1..].iter().map(|&edge| first_edge + edge));
        self.edges_by_src
            .extend(graph.edges_by_src.iter().map(|&edge| first_edge + edge));
        if let Some(order) = &mut self.order {
            match &graph.order {
                Some(own) => order.extend(own.iter().map(|&edge| first_edge + edge)),
                None => order.extend(edges.map(|edge| first_edge + edge)),
            }
        }
        if let Some(periodic) = &mut self.periodic {
            let num_edges = self.src.len();
            if let Some(own) = &graph.periodic {
                periodic.images.extend_from_slice(&own.images);
                periodic.shifts.extend_from_slice(&own.shifts);
            }
            periodic.images.resize(num_edges, [0; 3]);
            periodic.shifts.resize(num_edges, [0.0; 3]);
        }
    }

    /// Number of graphs in the batch; 1 for a graph that is none, even if it has no nodes.
    #[must_use]
    pub fn num_graphs(&self) -> usize {
        self.node_offsets.len() - 1
    }

    /// The nodes of graph `g` are `node_offsets[g]..node_offsets[g + 1]`.
    ///
    /// # Shapes
    /// `[num_graphs + 1]`
    #[must_use]
    pub fn node_offsets(&self) -> &[u32] {
        &self.node_offsets
    }

    /// The graph each node belongs to, ascending.
    ///
    /// # Shapes
    /// `[num_nodes]`
    #[must_use]
    pub fn graph_of_node(&self) -> Vec<u32> {
        let mut graphs = Vec::with_capacity(self.num_nodes());
        for (graph, nodes) in (0u32..).zip(self.node_offsets.windows(2)) {
            graphs.resize(nodes[1] as usize, graph);
        }
        graphs
    }
}
