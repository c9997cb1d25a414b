//! What can go wrong in a run.

use std::path::PathBuf;

use steerable::nn::BuildError;

use crate::file_error::FileError;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum NbodyError {
    /// The settings do not make a model.
    #[error("these settings do not make the {model}: {source}")]
    Model {
        /// Title of the model.
        model: &'static str,
        /// What its layers say.
        source: BuildError,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is nothing to resume.
    #[error("there is no run to resume in {}: {} is missing", directory.display(), missing.display())]
    NothingToResume {
        /// Folder of the run.
        directory: PathBuf,
        /// The file that should be there.
        missing: PathBuf,
    },
    /// A run cannot go on with other settings.
    #[error("{} tells of a run with other settings: {differing}. Repeat its flags, or start anew without --resume", file.display())]
    SettingsDiffer {
        /// The file with the settings of the earlier run.
        file: PathBuf,
        /// What differs.
        differing: String,
    },
    /// A file does not hold what it should.
    #[error("{} is corrupt: {reason}. {advice}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What can be done.
        advice: String,
    },
    /// Burn's learner stopped.
    #[error("training stopped in {}: {reason}. {advice}", directory.display())]
    Training {
        /// Folder of the model.
        directory: PathBuf,
        /// Why.
        reason: String,
        /// What can be done.
        advice: String,
    },
    /// A picture could not be drawn.
    #[error("cannot draw {}: {reason}", file.display())]
    Plot {
        /// The file.
        file: PathBuf,
        /// What the plotting crate says.
        reason: String,
    },
}
