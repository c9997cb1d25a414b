//! Why a training cannot go on.

use steerable_data::LoadError;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::models::ModelError;

/// Why a training cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A value of the configuration is not allowed.
    #[error("{key} = {value}: expected {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The model cannot take a batch.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A batch cannot be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is nothing to train on or to validate with.
    #[error("no items to {purpose} with")]
    NoItems {
        /// What they are for.
        purpose: &'static str,
    },
    /// The checkpoint is of another training.
    #[error("the checkpoint {file} does not tell how far its training was: {reason}")]
    State {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The checkpoint is of another model, or the data or the seed are others than it was trained with.
    #[error("the training in the folder is another one: {what} was {saved} and is now {now}")]
    OtherTraining {
        /// What differs.
        what: String,
        /// What it was.
        saved: String,
        /// What it is now.
        now: String,
    },
    /// The loss or its gradients are not finite.
    #[error(
        "step {step}: the loss is {loss} and the norm of its gradients {norm}; {}. \
         A lower learning_rate or max_gradient_norm may help",
        what_is_left(*.saved)
    )]
    Diverged {
        /// Steps before it.
        step: u64,
        /// The loss.
        loss: f64,
        /// The norm of the gradients.
        norm: f64,
        /// Whether there is a checkpoint from before.
        saved: bool,
    },
    /// The score of a validation is not finite.
    #[error(
        "step {step}: the score of the validation is {score}; {}. \
         A lower learning_rate or max_gradient_norm may help",
        what_is_left(*.saved)
    )]
    ValidationDiverged {
        /// Steps before it.
        step: u64,
        /// The mean error of some quantity.
        score: f64,
        /// Whether there is a checkpoint from before.
        saved: bool,
    },
}

fn what_is_left(saved: bool) -> &'static str {
    if saved {
        "the last checkpoint is whole"
    } else {
        "there is no checkpoint yet"
    }
}

impl TrainError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers have numbers and words"
    )]
    pub(super) fn value(key: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        Self::Value {
            key,
            value: value.to_string(),
            allowed,
        }
    }
}
