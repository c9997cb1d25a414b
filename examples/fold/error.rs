//! What can go wrong.

use std::path::PathBuf;

use steerable::graph::GraphError;
use steerable::nn::BuildError;
use steerable_protein::CompareError;
use steerable_protein::file::{ReadError, WriteError};
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
    /// Positions that make no graph.
    #[error("{chain}: {source}")]
    Graph {
        /// The chain.
        chain: String,
        /// Why not.
        source: GraphError,
    },
    /// A comparison.
    #[error("{chain}: {source}")]
    Compare {
        /// The chain.
        chain: String,
        /// Why not.
        source: Box<CompareError>,
    },
    /// A model that cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}
