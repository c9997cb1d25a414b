//! What can be wrong with a checkpoint.

use std::io;
use std::path::PathBuf;

use super::conventions::Refusal;

/// A checkpoint that cannot be written, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system refuses.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not a whole safetensors file.
    #[error("{} is not a whole safetensors file: {reason}", file.display())]
    NotSafetensors {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is a safetensors file of another program.
    #[error(
        "{} is a safetensors file, but not a checkpoint of steerable: {reason}; \
         `steerable import` reads the weights of other codes",
        file.display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was written by a later version.
    #[error(
        "{} has format {found} (written by steerable {version}); this version reads formats up to {known}",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The version that wrote it.
        version: String,
        /// The newest known format.
        known: u32,
    },
    /// It is not as it was written.
    #[error("{} is damaged: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was written under conventions that cannot be converted.
    #[error("{} cannot be used: {reason}", file.display())]
    Conventions {
        /// The file.
        file: PathBuf,
        /// Which, and why.
        reason: Refusal,
    },
    /// Parameters of the module are not in the checkpoint.
    #[error("{} lacks {} of the model: {}", file.display(), count(names, "parameter"), some(names))]
    Missing {
        /// The file.
        file: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// Tensors of the checkpoint are not parameters of the module.
    #[error("{} has {} that the model lacks: {}", file.display(), count(names, "tensor"), some(names))]
    Unexpected {
        /// The file.
        file: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A tensor has another shape than the parameter.
    #[error("tensor \"{name}\" of {} has shape {found:?}, the model expects {expected:?}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// Its name.
        name: String,
        /// Shape in the checkpoint.
        found: Vec<usize>,
        /// Shape of the parameter.
        expected: Vec<usize>,
    },
    /// A tensor has a type that has no counterpart.
    #[error("tensor \"{name}\" of {} has type {dtype}, which cannot be used here", file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// Its name.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The optimizer's state cannot be taken apart or put together.
    #[error("the state of the optimizer in {}: {reason}", file.display())]
    Optimizer {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

impl CheckpointError {
    pub(super) fn io(
        action: &'static str,
        file: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Io {
            action,
            file,
            source,
        }
    }
}

fn count(names: &[String], what: &str) -> String {
    match names.len() {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// The first few names: a model of another size would fill the screen.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(", ..");
    }
    text
}
