//! Which node hears which: neighbour search, destination-sorted edges and ragged batches.
//!
//! This crate is the first step of the way of the data. Positions come in, a [`Graph`] goes out;
//! the layers then compute one message per edge and sum the messages of each destination.
//!
//! ```
//! use steerable_graph::Graph;
//!
//! // A water molecule, in angstrom: O, H, H.
//! let water = [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]];
//! let graph = Graph::radius(&water, 1.2)?;
//!
//! // Both hydrogens hear the oxygen, and it hears both. They do not hear each other.
//! assert_eq!(graph.src(), [1, 2, 0, 0]);
//! assert_eq!(graph.dst(), [0, 0, 1, 2]);
//! assert_eq!(graph.row_offsets(), [0, 2, 3, 4]);
//! // rel_pos = pos[dst] - pos[src]
//! assert_eq!(graph.relative_positions(&water)[0], [-0.96, 0.0, 0.0]);
//!
//! let batch = Graph::batch(&[graph, Graph::knn(&water, 1)?]);
//! assert_eq!((batch.num_nodes(), batch.num_edges()), (6, 7));
//! assert_eq!(batch.node_offsets(), [0, 3, 6]);
//! # Ok::<(), steerable_graph::GraphError>(())
//! ```
//!
//! # Where edges come from
//!
//! | | edges into a node | constructor |
//! | --- | --- | --- |
//! | bonds | those given | [`Graph::from_edges`] |
//! | complete | from all other nodes | [`Graph::complete`] |
//! | nearest neighbours | from the k nearest other nodes | [`Graph::knn`] |
//! | radius | from all other nodes within r, or the nearest of them | [`Graph::radius`] |
//! | crystal | the same, over all periodic images | [`Graph::periodic_radius`] |
//!
//! # What is guaranteed
//!
//! - **One answer.** Edges are sorted by destination, source, image. Neighbours at equal distance
//!   are taken in the order of their indices. The result depends neither on the number of threads
//!   nor on the machine.
//! - **Exact.** The search returns what comparing all pairs in `f64` would return, to the last
//!   bit. Distances are compared as `(dx dx + dy dy) + dz dz`, so spacings below 1e-154 count as
//!   coincident, and coordinates above 1e150 are refused.
//! - **Degenerate input is defined.** No node, one node, isolated nodes and coincident points
//!   give the graph the definition says: coincident points are neighbours at distance 0, and a
//!   node is never its own neighbour (other than through a periodic image).
//! - **Fast.** Building n neighbour lists takes O(n log n) time on all threads of the rayon pool
//!   it is called in, also when all points coincide; sorting and reversing are O(nodes + edges).
//!
//! The crate has no features.

mod batch;
mod cell;
mod error;
mod graph;
mod nearest;
mod periodic;
mod positions;
mod radius;
mod rows;
mod topology;
mod tree;

pub use cell::{Cell, Periodicity};
pub use error::GraphError;
pub use graph::Graph;
pub use radius::RadiusConfig;
pub use topology::Edge;
