//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use steerable::graph::GraphError;
use steerable::nn::BuildError;
use steerable_protein::CompareError;
use steerable_protein::file::{ReadError, WriteError};
use thiserror::Error;

/// What can go wrong.
#[derive(Debug, Error)]
pub enum FoldError {
    /// A file or folder.
    #[error("cannot {action} {}: {source}", file.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
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

impl FoldError {
    /// For `map_err` on operations with a file.
    pub fn file(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_path_buf();
        move |source| Self::File {
            action,
            file,
            source,
        }
    }
}
