//! What can be wrong with the data a graph is built from.

use thiserror::Error;

use crate::Edge;

/// The reason no graph could be built. Every variant carries the offending values.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An edge names a node the graph does not have.
    #[error(
        "edge {index} runs {} -> {}, but the graph has {num_nodes} nodes (0..{num_nodes})",
        edge.src,
        edge.dst
    )]
    EdgeOutOfRange {
        /// Position of the edge in the list given.
        index: usize,
        /// The edge itself.
        edge: Edge,
        /// Number of nodes of the graph.
        num_nodes: usize,
    },
    /// Node numbers are `u32`.
    #[error("{nodes} nodes do not fit the u32 node numbers of a graph")]
    TooManyNodes {
        /// Number of nodes asked for.
        nodes: usize,
    },
    /// Edge numbers and row offsets are `u32`.
    #[error("the graph would have at least {at_least} edges, more than its u32 offsets can count")]
    TooManyEdges {
        /// A lower bound of the number of edges asked for.
        at_least: u64,
    },
    /// A coordinate is NaN or infinite.
    #[error("position of node {node} is not finite: {position:?}")]
    PositionNotFinite {
        /// The node.
        node: usize,
        /// Its position.
        position: [f64; 3],
    },
    /// A coordinate is so large that squared distances would overflow.
    #[error(
        "position of node {node} is {position:?}: magnitudes beyond {limit:e} overflow when squared"
    )]
    PositionTooLarge {
        /// The node.
        node: usize,
        /// Its position.
        position: [f64; 3],
        /// Largest magnitude accepted.
        limit: f64,
    },
    /// A radius has to be finite and positive.
    #[error("the radius must be finite and positive, got {radius}")]
    InvalidRadius {
        /// The radius given.
        radius: f64,
    },
    /// A graph that may keep no neighbour is a mistake, not a request.
    #[error("the number of neighbours to keep must be at least 1, got 0")]
    ZeroNeighbours,
    /// The periodic lattice vectors are not finite, vanish, or are linearly dependent.
    #[error(
        "the periodic lattice vectors of {vectors:?} are not finite or span no volume: relative \
         volume {relative_volume:e}, at least {limit:e} is needed"
    )]
    SingularCell {
        /// The lattice vectors, one per row.
        vectors: [[f64; 3]; 3],
        /// Volume over the product of the edge lengths: 1 for a box, 0 for a flat cell.
        relative_volume: f64,
        /// Smallest relative volume accepted.
        limit: f64,
    },
    /// An unwrapped position is too far from the cell to number the cells between.
    #[error("position of node {node} is {cells:e} cells away from the origin, at most {limit:e}")]
    FarFromCell {
        /// The node.
        node: usize,
        /// Number of cells between the origin and the position along one lattice vector.
        cells: f64,
        /// Largest number accepted.
        limit: f64,
    },
    /// The radius is so many times the cell that the images could not be visited.
    #[error("radius {radius} spans {cells:e} cells along one lattice vector, at most {limit:e}")]
    RadiusSpansTooManyCells {
        /// The radius given.
        radius: f64,
        /// Number of lattice planes it spans.
        cells: f64,
        /// Largest number accepted.
        limit: f64,
    },
}
