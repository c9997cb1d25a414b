//! Training of steerable networks: models for the usual tasks, their losses, and a loop that can be stopped and
//! resumed at any step.
//!
//! ```text
//! steerable_data::Loader ─► Batch ─► Task::learn ─► gradients ─► clip ─► Adam ─► parameters ─► Ema
//!                                       ▲                                             │
//!                                     model ◄─────────────────────────────────────────┘
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`models`] | models rebuilt from their configurations |
//! | [`tasks`] | what they are trained for: losses, predictions, errors; forces as derivatives of energies |
//! | [`Trainer`] | epochs, learning rate, clipping, moving averages, validation, checkpoints, early stopping |
//! | [`checkpoint`] | one safetensors file with a header |
//! | [`Adam`] | one pass over memory for each parameter, where burn's makes a dozen |

mod adam;
pub mod checkpoint;
mod ema;
mod engine;
mod gradients;
mod loss;
pub mod models;
mod schedule;
pub mod tasks;

pub use adam::{Adam, AdamConfig};
pub use ema::Ema;
pub use engine::{
    EpochReport, Observer, Outcome, Silent, StepReport, TrainError, Trainer, TrainingConfig,
    TrainingData, evaluate, rotated, rotation_error,
};
pub use gradients::{clip_global_norm, global_norm};
pub use loss::Loss;
pub use schedule::Schedule;
