//! What can be wrong with two structures that are to be compared.

use steerable_graph::GraphError;
use thiserror::Error;

use crate::DegenerateFrame;

/// Two structures that cannot be compared.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum CompareError {
    /// Residues correspond one to one, so there must be equally many.
    #[error("the model has {model} residues, the reference {reference}; they must correspond")]
    Lengths {
        /// Residues of the model.
        model: usize,
        /// Residues of the reference.
        reference: usize,
    },
    /// There is nothing to compare.
    #[error("there are no residues to compare")]
    Empty,
    /// A coordinate is infinite or not a number.
    #[error("residue {index} of the {of} is at {position:?}, which is not finite")]
    NotFinite {
        /// "model" or "reference".
        of: &'static str,
        /// The residue, counted from 0.
        index: usize,
        /// Where it is, in angstrom.
        position: [f64; 3],
    },
    /// A score is a sum divided by this length.
    #[error("a score cannot be normalised by the length 0")]
    NoLength,
    /// The distances of lDDT could not be listed.
    #[error("the reference's neighbours cannot be found: {0}")]
    Neighbours(#[from] GraphError),
    /// A residue without a frame has no local coordinates.
    #[error("residue {index} of the {of}: {source}")]
    Frame {
        /// "model" or "reference".
        of: &'static str,
        /// The residue, counted from 0.
        index: usize,
        /// What is wrong with its atoms.
        source: DegenerateFrame,
    },
}
