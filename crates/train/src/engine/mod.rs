//! The training loop: what every task needs around its gradients.

mod config;
mod error;
mod report;
mod rotation;
mod state;
mod trainer;

pub use config::TrainingConfig;
pub use error::TrainError;
pub use report::{EpochReport, Observer, Silent, StepReport};
pub use rotation::{rotated, rotation_error};
pub use trainer::{Outcome, Trainer, TrainingData, evaluate};
