//! The trunk: from the sequence and what is known of pairs of residues to features of pairs and a
//! distogram. Invariant, and blind to where the chain lies in space.
//!
//! ```text
//! sequence ──────────────► embedding ─┐
//! observed distances, ───► embedding ─┴─► pairs ─► pair layers ─► distogram ─► distances ─► MDS
//! orientations, separations               [L, L, c]    │
//!                                                      └─► edges of the structure module
//! ```
//!
//! Everything here is **quadratic in the length of the chain** in memory, and cubic in time: pair
//! features are what the user asks for with a trunk. A batch is a list of chains, each with its own
//! `[L, L, c]`, never padded.

mod agreement;
mod attention;
mod layer;
mod loss;
mod multiplication;
mod network;
mod observed;
mod observed_orientations;

pub use attention::{TriangleAttention, TriangleAttentionConfig};
pub use layer::{PairLayer, PairLayerConfig};
pub use loss::distogram_loss;
pub use multiplication::{TriangleEdges, TriangleMultiplication, TriangleMultiplicationConfig};
pub use network::{Trunk, TrunkConfig, TrunkInputs, TrunkOutput};
pub use observed::{Corruption, ObservedDistances, distances_for_mds, orientation_features};
pub use observed_orientations::{Observations, ObservedOrientations, OrientationCorruption};
