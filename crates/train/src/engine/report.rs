//! What a training tells while it runs.

use crate::tasks::Errors;

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Steps so far.
    pub step: u64,
    /// Items of this epoch that are behind.
    pub items_done: usize,
    /// Items of an epoch.
    pub items: usize,
    /// The loss of the batch.
    pub loss: f64,
    /// The norm of its gradients before clipping.
    pub gradient_norm: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// How much of the training is behind, 0 to 1.
    pub progress: f64,
}

/// One epoch, and the validation after it with the averaged parameters.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Steps so far.
    pub step: u64,
    /// Seconds of training so far, over all sittings, without validation.
    pub seconds: f64,
    /// The last learning rate.
    pub learning_rate: f64,
    /// Items trained on in each second of this sitting's part of the epoch.
    pub items_per_second: f64,
    /// The mean loss of the epoch's items.
    pub train_loss: f64,
    /// Errors on the validation data.
    pub validation: Errors,
    /// How far predictions for turned items are from the turned predictions, as [`crate::rotation_error`] tells it of the
    /// first validation items; `None` where it cannot be measured.
    pub rotation_error: Option<f64>,
    /// Whether no earlier epoch was better.
    pub is_best: bool,
}

/// Hears what a training tells.
pub trait Observer {
    /// After each step.
    fn step(&mut self, report: &StepReport) {
        let _ = report;
    }

    /// After each epoch.
    fn epoch(&mut self, report: &EpochReport) {
        let _ = report;
    }
}

/// Hears and says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
