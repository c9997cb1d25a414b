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
    /// The loss or its gradients are not finite.
    #[error(
        "step {step}: the loss is {loss} and the norm of its gradients {norm}; the last checkpoint is whole. \
         A lower learning_rate or max_gradient_norm may help"
    )]
    Diverged {
        /// Steps before it.
        step: u64,
        /// The loss.
        loss: f64,
        /// The norm of the gradients.
        norm: f64,
    },
}

impl TrainError {
    pub(super) fn value(key: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        Self::Value {
            key,
            value: value.to_string(),
            allowed,
        }
    }
}
