//! From distances to coordinates: classical multidimensional scaling, what to do about missing and
//! noisy distances, and which of the two mirror images is the chain.

mod classical;
mod embed;
mod error;
mod handedness;
mod known;
mod largest;
mod shortest_paths;
mod smacof;

pub use classical::{ClassicalMds, classical_mds};
pub use embed::{Embedding, embed};
pub use error::MdsError;
pub use handedness::{handedness, mirrored, with_hand_of_proteins};
pub use known::KnownDistances;
pub use shortest_paths::complete;
pub use smacof::{Smacof, SmacofConfig, smacof};
