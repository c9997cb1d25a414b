//! The choices of a training.

use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::Schedule;

/// The choices of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Passes over the training data.
    pub epochs: usize,
    /// Stop when so many minutes of training are over; the learning rate then falls by time where that is
    /// ahead of the epochs, so the result depends on the speed of the machine.
    pub max_minutes: Option<f64>,
    /// The learning rate.
    pub schedule: Schedule,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// Longest gradient of all parameters together.
    pub max_gradient_norm: f64,
    /// How much of the moving average of the parameters is kept at each step.
    pub ema_decay: f64,
    /// Stop when so many epochs brought nothing better.
    pub patience: Option<usize>,
    /// Decides the order of the data and how items are turned. (Initial parameters come from the device's seed.)
    pub seed: u64,
    /// Save at least so often, in minutes; always after each epoch.
    pub checkpoint_minutes: f64,
    /// Checkpoints that are kept beside the best.
    pub keep_checkpoints: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            max_minutes: None,
            schedule: Schedule::default(),
            weight_decay: 0.0,
            max_gradient_norm: 10.0,
            ema_decay: 0.999,
            patience: None,
            seed: 1,
            checkpoint_minutes: 5.0,
            keep_checkpoints: 2,
        }
    }
}

impl TrainingConfig {
    /// Refuses values that make no training.
    ///
    /// # Errors
    /// [`TrainError::Value`] with key, value and what is allowed.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = |key, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(TrainError::value(key, value, "a positive number")),
        };
        let fraction = |key, value: f64| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(TrainError::value(key, value, "a number from 0 to 1")),
        };
        positive("learning_rate", self.schedule.learning_rate)?;
        fraction("final_fraction", self.schedule.final_fraction)?;
        positive("max_gradient_norm", self.max_gradient_norm)?;
        positive("checkpoint_minutes", self.checkpoint_minutes)?;
        if let Some(minutes) = self.max_minutes {
            positive("max_minutes", minutes)?;
        }
        fraction("ema_decay", self.ema_decay)?;
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let allowed = "a number that is not negative";
            return Err(TrainError::value(
                "weight_decay",
                self.weight_decay,
                allowed,
            ));
        }
        if self.patience == Some(0) {
            return Err(TrainError::value("patience", 0, "at least 1"));
        }
        match self.epochs {
            0 => Err(TrainError::value("epochs", 0, "at least 1")),
            _ => Ok(()),
        }
    }
}
