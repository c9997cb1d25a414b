//! Graphs that need no positions: bonds given by the caller, and the complete graph.

use serde::{Deserialize, Serialize};

use crate::graph::{Grouped, group, group_in_order};
use crate::positions::check_num_nodes;
use crate::rows::Rows;
use crate::{Graph, GraphError};

/// A directed edge: a message runs `src -> dst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// The sending node.
    pub src: u32,
    /// The receiving node.
    pub dst: u32,
}

impl Graph {
    /// The graph with exactly these edges, such as the bonds of a molecule.
    ///
    /// Edges are directed: a bond that both atoms should hear is given twice, once each way.
    /// Self-edges and repeated edges are kept; repeated ones stay in the order given. Because
    /// the edges are sorted, edge features have to follow them, see [`Graph::order`].
    ///
    /// ```
    /// use steerable_graph::{Edge, Graph};
    ///
    /// let bonds = [Edge { src: 0, dst: 1 }, Edge { src: 2, dst: 0 }, Edge { src: 1, dst: 0 }];
    /// let lengths = [1.1, 1.4, 1.2];
    /// let graph = Graph::from_edges(3, &bonds)?;
    ///
    /// let order = graph.order().expect("edges were given");
    /// let sorted: Vec<f64> = order.iter().map(|&edge| lengths[edge as usize]).collect();
    /// assert_eq!((graph.dst(), graph.src()), ([0, 0, 1].as_slice(), [1, 2, 0].as_slice()));
    /// assert_eq!(sorted, [1.2, 1.4, 1.1]);
    /// # Ok::<(), steerable_graph::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// [`GraphError::EdgeOutOfRange`] names the first edge with an end outside `0..num_nodes`;
    /// [`GraphError::TooManyNodes`] and [`GraphError::TooManyEdges`] beyond `u32`.
    pub fn from_edges(num_nodes: usize, edges: &[Edge]) -> Result<Self, GraphError> {
        check_num_nodes(num_nodes)?;
        check_num_edges(edges.len() as u64)?;
        for (index, &edge) in edges.iter().enumerate() {
            if edge.src.max(edge.dst) as usize >= num_nodes {
                return Err(GraphError::EdgeOutOfRange {
                    index,
                    edge,
                    num_nodes,
                });
            }
        }
        let sources: Vec<u32> = edges.iter().map(|edge| edge.src).collect();
        let destinations: Vec<u32> = edges.iter().map(|edge| edge.dst).collect();
        let by_src = group(&sources, num_nodes).members;
        let Grouped {
            offsets,
            members: order,
        } = group_in_order(&destinations, num_nodes, by_src.into_iter());
        let entries = order.iter().map(|&edge| sources[edge as usize]).collect();
        let graph = Self::from_rows(Rows { offsets, entries });
        Ok(Self {
            order: Some(order),
            ..graph
        })
    }

    /// The graph in which every node hears every other node, `n (n - 1)` edges.
    ///
    /// # Panics
    /// If the edges exceed `u32`, from 65,537 nodes on; [`Graph::try_complete`] returns the error.
    #[must_use]
    pub fn complete(num_nodes: usize) -> Self {
        match Self::try_complete(num_nodes) {
            Ok(graph) => graph,
            Err(error) => panic!("Graph::complete: {error}"),
        }
    }

    /// As [`Graph::complete`], without the panic.
    ///
    /// # Errors
    /// [`GraphError::TooManyNodes`], [`GraphError::TooManyEdges`].
    pub fn try_complete(num_nodes: usize) -> Result<Self, GraphError> {
        check_num_nodes(num_nodes)?;
        let nodes = num_nodes as u64;
        check_num_edges(nodes * nodes.saturating_sub(1))?;
        let degree = num_nodes.saturating_sub(1);
        let offsets = (0..=num_nodes).map(|node| (node * degree) as u32).collect();
        let entries = (0..num_nodes as u32)
            .flat_map(|dst| (0..num_nodes as u32).filter(move |&src| src != dst))
            .collect();
        Ok(Self::from_rows(Rows { offsets, entries }))
    }
}

/// Accepts what `u32` offsets can count.
pub(crate) fn check_num_edges(edges: u64) -> Result<(), GraphError> {
    if edges > u64::from(u32::MAX) {
        return Err(GraphError::TooManyEdges { at_least: edges });
    }
    Ok(())
}
