//! What the file system says, with the file's name.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file or folder could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", file.display())]
pub struct FileError {
    /// "read" and the like.
    pub action: &'static str,
    /// The file.
    pub file: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err` on operations with a file.
    pub fn on(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_path_buf();
        move |source| Self {
            action,
            file,
            source,
        }
    }
}
