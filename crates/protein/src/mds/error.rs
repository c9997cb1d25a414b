//! What can be wrong with distances that are to become coordinates.

use thiserror::Error;

/// Distances that give no coordinates.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MdsError {
    /// A distance is negative, infinite or not a number.
    #[error("the distance between residues {i} and {j} is {distance}, not a finite length")]
    NotADistance {
        /// A residue, counted from 0.
        i: usize,
        /// Another.
        j: usize,
        /// What was given, in angstrom.
        distance: f64,
    },
    /// A weight is negative, infinite or not a number.
    #[error("the weight of the distance between residues {i} and {j} is {weight}")]
    NotAWeight {
        /// A residue, counted from 0.
        i: usize,
        /// Another.
        j: usize,
        /// What was given.
        weight: f64,
    },
    /// A pair names a residue that is not there, one residue twice, or was given before.
    #[error("residues {i} and {j} of {len} are not a new pair")]
    NotAPair {
        /// A residue, counted from 0.
        i: usize,
        /// Another.
        j: usize,
        /// The number of residues.
        len: usize,
    },
    /// No path of known distances joins two residues, so they can lie anywhere.
    #[error("no known distances connect residues {i} and {j}")]
    Disconnected {
        /// A residue, counted from 0.
        i: usize,
        /// One that cannot be reached from it.
        j: usize,
    },
    /// Starting points are not as many as the distances are for, or not finite.
    #[error("{points} finite starting points for {residues} residues")]
    Start {
        /// The number of finite points.
        points: usize,
        /// The number of residues.
        residues: usize,
    },
}
