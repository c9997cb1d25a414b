//! What a training tells: metrics, their history, and plain lines where there is no terminal.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use burn::tensor::{ExecutionError, TensorReadError};
use burn::train::ItemLazy;
use burn::train::logger::{EvaluationProgressLogger, MetricLogger, TrainingProgressLogger};
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricId, MetricMetadata, MetricName,
    Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use serde::{Deserialize, Serialize};

use super::checkpoint::write_atomically;
use super::error::NbodyError;
use crate::file_error::FileError;

/// Name of the loss among the metrics.
pub const LOSS: &str = "Loss";
/// Name of the mean squared error of positions.
pub const POSITION_ERROR: &str = "MSE x";
/// Name of the mean squared error of velocities.
pub const VELOCITY_ERROR: &str = "MSE v";
/// Name of the relative equivariance error of the displacements.
pub const EQUIVARIANCE_ERROR: &str = "Equivariance error";

/// What one batch gave, on the host.
#[derive(Clone, Copy, Debug)]
pub struct StepOutput {
    /// The loss.
    pub loss: f64,
    /// Mean squared error of positions.
    pub x_mse: f64,
    /// Mean squared error of velocities.
    pub v_mse: f64,
    /// Relative equivariance error of the displacements; NaN in training, where it is not measured.
    pub delta_eq: f64,
    /// Number of systems.
    pub systems: usize,
}

impl ItemLazy for StepOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<StepOutput> for StepOutput {
    fn adapt(&self) -> StepOutput {
        *self
    }
}

/// The mean of one number of [`StepOutput`] over an epoch.
#[derive(Clone)]
pub struct MeanMetric {
    name: MetricName,
    pick: fn(&StepOutput) -> f64,
    state: NumericMetricState,
}

impl MeanMetric {
    /// A metric.
    pub fn new(name: &str, pick: fn(&StepOutput) -> f64) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            pick,
            state: NumericMetricState::new(),
        }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name.clone()).precision(4)
    }
}

impl Metric for MeanMetric {
    type Input = StepOutput;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: false,
        }
        .into()
    }

    fn update(
        &mut self,
        item: &StepOutput,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.state.update((self.pick)(item), item.systems);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for MeanMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

/// One epoch of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Seconds of training so far, over all sittings.
    pub seconds: f64,
    /// Means over the training samples, by metric.
    pub train: BTreeMap<String, f64>,
    /// Means over the validation samples, by metric.
    pub valid: BTreeMap<String, f64>,
}

/// The epochs of a training, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The epochs.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// Reads a history and forgets what came after `last_epoch`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a history.
    pub fn load(file: &Path, last_epoch: usize) -> Result<Self, NbodyError> {
        let text = fs::read_to_string(file).map_err(FileError::on("read", file))?;
        let mut history: Self =
            serde_json::from_str(&text).map_err(|error| NbodyError::Corrupt {
                file: file.to_path_buf(),
                reason: error.to_string(),
                advice: "Delete this model's folder to train it anew".into(),
            })?;
        history.epochs.retain(|epoch| epoch.epoch <= last_epoch);
        Ok(history)
    }

    /// Writes the history.
    ///
    /// # Errors
    /// When the file cannot be written; what was there stays.
    pub fn save(&self, file: &Path) -> Result<(), NbodyError> {
        let text = serde_json::to_vec_pretty(self).expect("plain data");
        Ok(write_atomically(file, &[&text]).map_err(FileError::on("write", file))?)
    }

    /// The epoch among `epochs` with the lowest validation loss.
    pub fn best(&self, epochs: &[usize]) -> Option<usize> {
        self.epochs
            .iter()
            .filter(|epoch| epochs.contains(&epoch.epoch))
            .filter_map(|epoch| Some((epoch.epoch, *epoch.valid.get(LOSS)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(epoch, _)| epoch)
    }

    /// The loss of the last epoch, if it is no longer finite.
    pub fn diverged(&self) -> Option<f64> {
        let last = self.epochs.last()?;
        let losses = [last.train.get(LOSS), last.valid.get(LOSS)];
        losses
            .into_iter()
            .flatten()
            .copied()
            .find(|loss| !loss.is_finite())
    }

    /// Seconds of training so far.
    pub fn seconds(&self) -> f64 {
        self.epochs.last().map_or(0.0, |epoch| epoch.seconds)
    }
}

/// Collects the means of each epoch into a [`History`].
pub struct HistoryLogger {
    history: Arc<Mutex<History>>,
    names: HashMap<MetricId, String>,
    earlier_seconds: f64,
    start: Instant,
}

impl HistoryLogger {
    /// Goes on with a history; the clock starts now.
    pub fn new(history: Arc<Mutex<History>>) -> Self {
        let earlier_seconds = history.lock().expect("no one panics with it").seconds();
        Self {
            history,
            names: HashMap::new(),
            earlier_seconds,
            start: Instant::now(),
        }
    }
}

impl MetricLogger for HistoryLogger {
    fn log(&mut self, update: MetricsUpdate, number: usize, split: &Split) {
        let mut history = self.history.lock().expect("no one panics with it");
        for update in update.entries_numeric {
            let (Some(NumericEntry::Final(value)), Some(name)) = (
                update.numeric_entry,
                self.names.get(&update.entry.metric_id),
            ) else {
                continue;
            };
            if history
                .epochs
                .last()
                .is_none_or(|epoch| epoch.epoch != number)
            {
                history.epochs.push(Epoch {
                    epoch: number,
                    seconds: 0.0,
                    train: BTreeMap::new(),
                    valid: BTreeMap::new(),
                });
            }
            let epoch = history.epochs.last_mut().expect("just made");
            epoch.seconds = self.earlier_seconds + self.start.elapsed().as_secs_f64();
            match split {
                Split::Train => epoch.train.insert(name.clone(), value),
                _ => epoch.valid.insert(name.clone(), value),
            };
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        number: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let history = self.history.lock().expect("no one panics with it");
        let epoch = history.epochs.iter().find(|epoch| epoch.epoch == number);
        let value = epoch.and_then(|epoch| match split {
            Split::Train => epoch.train.get(name),
            _ => epoch.valid.get(name),
        });
        Ok(value
            .map(|value| NumericEntry::Value(*value))
            .into_iter()
            .collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names
            .insert(definition.metric_id, definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, _: EpochSummary) {}
}

/// One line for each epoch, for files and pipes; on a terminal burn's dashboard stands instead.
pub struct PlainLines {
    names: HashMap<MetricId, String>,
    train: HashMap<String, f64>,
    valid: HashMap<String, f64>,
    total_epochs: usize,
    label: String,
    epoch_start: Instant,
}

impl PlainLines {
    /// Lines to the standard output.
    pub fn new() -> Self {
        Self {
            names: HashMap::new(),
            train: HashMap::new(),
            valid: HashMap::new(),
            total_epochs: 0,
            label: String::new(),
            epoch_start: Instant::now(),
        }
    }

    fn note(names: &HashMap<MetricId, String>, of: &mut HashMap<String, f64>, state: MetricState) {
        if let MetricState::Numeric(entry, Some(NumericEntry::Final(value))) = state
            && let Some(name) = names.get(&entry.metric_id)
        {
            of.insert(name.clone(), value);
        }
    }
}

impl Default for PlainLines {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricsRendererTraining for PlainLines {
    fn update_train(&mut self, state: MetricState) {
        Self::note(&self.names, &mut self.train, state);
    }

    fn update_valid(&mut self, state: MetricState) {
        Self::note(&self.names, &mut self.valid, state);
    }
}

impl TrainingProgressLogger for PlainLines {
    fn start(&mut self, total: usize, first: usize, _: Option<usize>, label: Option<&str>) {
        self.total_epochs = total;
        self.label = label.unwrap_or_default().to_owned();
        self.epoch_start = Instant::now();
        if first > 1 {
            println!("{}: going on from epoch {}", self.label, first - 1);
        }
    }

    fn update_epoch(&mut self, epoch: usize) {
        let of =
            |values: &HashMap<String, f64>, name| values.get(name).copied().unwrap_or(f64::NAN);
        println!(
            "{}: epoch {epoch:>3}/{}  train loss {:.5}  valid loss {:.5}  MSE x {:.5}  MSE v {:.5}  \
             equivariance error {:.1e}  {:.1} s",
            self.label,
            self.total_epochs,
            of(&self.train, LOSS),
            of(&self.valid, LOSS),
            of(&self.valid, POSITION_ERROR),
            of(&self.valid, VELOCITY_ERROR),
            of(&self.valid, EQUIVARIANCE_ERROR),
            self.epoch_start.elapsed().as_secs_f64(),
        );
        self.epoch_start = Instant::now();
    }

    fn start_split(&mut self, _: &str, _: usize) {}
    fn update_split(&mut self, _: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _: String) {}
}

impl EvaluationProgressLogger for PlainLines {
    fn start_global_progress(&mut self, _: usize) {}
    fn start_test(&mut self, _: &str, _: usize) {}
    fn update_test_progress(&mut self, _: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _: String) {}
}

impl MetricsRendererEvaluation for PlainLines {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl MetricsRenderer for PlainLines {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names
            .insert(definition.metric_id, definition.name.to_string());
    }
}
