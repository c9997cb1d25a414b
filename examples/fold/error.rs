//! What can go wrong.

use std::path::PathBuf;

use steerable::nn::BuildError;
use steerable_protein::file::{ReadError, WriteError};
use steerable_protein::folding::FoldingError;
use steerable_protein::{CompareError, DistogramError, InternalCoordinatesError, MdsError};
use steerable_train::checkpoint::CheckpointError;
use thiserror::Error;

use crate::file_error::FileError;

/// What can go wrong.
#[derive(Debug, Error)]
pub enum FoldError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A structure that cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A structure that cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A picture that cannot be drawn.
    #[error("cannot draw {}: {reason}", file.display())]
    Plot {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A folder without chains.
    #[error("{} has no chain of at least {least} residues in .pdb, .cif, .pdb.gz or .cif.gz", folder.display())]
    NoChains {
        /// The folder.
        folder: PathBuf,
        /// The least number of residues.
        least: usize,
    },
    /// All chains are alike: none can be held out.
    #[error("the {chains} chains are one cluster of like sequences: give others with --test")]
    OneCluster {
        /// How many.
        chains: usize,
    },
    /// A chain that gives no start or no structure.
    #[error("{chain}: {source}")]
    Chain {
        /// The chain.
        chain: String,
        /// Why not.
        source: Box<ChainError>,
    },
    /// Bins of distances that are none.
    #[error(transparent)]
    Bins(#[from] DistogramError),
    /// A model that cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(Box<CheckpointError>),
    /// A checkpoint of another model.
    #[error("{} is of another model: its configuration is {found}, asked for is {wanted}", file.display())]
    OtherModel {
        /// The file.
        file: PathBuf,
        /// Its configuration.
        found: String,
        /// The one that is asked for.
        wanted: String,
    },
    /// A checkpoint of another training: going on from it would report on chains it was trained on.
    #[error("{} cannot be resumed: {reason}", file.display())]
    OtherTraining {
        /// The file.
        file: PathBuf,
        /// What differs.
        reason: String,
    },
}

impl From<CheckpointError> for FoldError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error.into())
    }
}

/// What can be wrong with one chain.
#[derive(Debug, Error)]
pub enum ChainError {
    /// Folding or refining it.
    #[error(transparent)]
    Folding(#[from] FoldingError),
    /// Comparing it.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// Its torsions.
    #[error(transparent)]
    Torsions(#[from] InternalCoordinatesError),
    /// Its distances.
    #[error(transparent)]
    Distances(#[from] MdsError),
    /// The bins of its distances.
    #[error(transparent)]
    Distogram(#[from] DistogramError),
}

impl ChainError {
    /// With the name of the chain.
    pub fn of(self, chain: &str) -> FoldError {
        FoldError::Chain {
            chain: chain.to_string(),
            source: self.into(),
        }
    }
}
