//! Representation 4: what pairs of residues say without a frame of reference.

mod distances;
mod distogram;
mod orientation;

pub use distances::{DistanceMatrix, rank};
pub use distogram::{DistanceBins, DistogramError, ExpectedDistance};
pub use orientation::{OrientedResidue, PairOrientation, relative_frames};
