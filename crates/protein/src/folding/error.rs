//! What can be wrong with what a folding model is given.

use steerable_graph::GraphError;
use thiserror::Error;

use crate::{CaTraceError, DegenerateFrame, DistogramError, MdsError};

/// A chain that cannot be folded or refined.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum FoldingError {
    /// Positions that make no graph of neighbours.
    #[error("the positions make no graph: {0}")]
    Graph(#[from] GraphError),
    /// Probabilities that are none.
    #[error(transparent)]
    Distogram(#[from] DistogramError),
    /// Distances that give no coordinates.
    #[error(transparent)]
    Mds(#[from] MdsError),
    /// CA atoms that say not where N and C are.
    #[error(transparent)]
    CaTrace(#[from] CaTraceError),
    /// A residue without a frame.
    #[error(transparent)]
    Frame(#[from] DegenerateFrame),
    /// A model without a trunk was given distances.
    #[error("the model has no trunk: it refines coordinates and cannot start from distances")]
    NoTrunk,
    /// A model with a trunk was given coordinates alone.
    #[error("the model starts from observed distances and cannot refine coordinates alone")]
    NeedsDistances,
    /// A model that reads orientations was given none.
    #[error("the model reads orientations of pairs beside their distances, and none were given")]
    NeedsOrientations,
    /// A model that reads distances alone was given orientations.
    #[error("the model reads distances alone and was given orientations of pairs")]
    ReadsNoOrientations,
    /// Observations or coordinates of another number of residues than the sequence has.
    #[error("{what} of {found} residues beside a sequence of {expected}")]
    OtherLength {
        /// What was given.
        what: &'static str,
        /// The number of its residues.
        found: usize,
        /// The length of the sequence.
        expected: usize,
    },
    /// Distances in other bins than the model reads.
    #[error("the model reads distances in bins with the edges {expected:?}, not {found:?}")]
    OtherDistanceBins {
        /// The edges of what was given, in angstrom.
        found: Vec<f64>,
        /// The edges of the model, in angstrom.
        expected: Vec<f64>,
    },
    /// Orientations in other bins than the model reads.
    #[error("the model reads orientations in {expected} bins around the circle, not in {found}")]
    OtherOrientationBins {
        /// The bins of what was given.
        found: usize,
        /// The bins of the model.
        expected: usize,
    },
    /// No residue has a frame.
    #[error("no residue has N, CA and C")]
    NoResidues,
}
