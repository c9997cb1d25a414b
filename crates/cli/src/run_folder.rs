//! The folder of a run: what is in it and how it is written and read.
//!
//! ```text
//! RUN/config.toml       the configuration that was trained
//! RUN/log.jsonl         one line of JSON for each epoch: EpochRecord
//! RUN/checkpoints/      step-NUMBER.safetensors, the last few and the best; .aside: what a resume passed over
//! RUN/model.safetensors the best model, to use
//! RUN/evaluation.json   errors on the test set: Evaluation
//! RUN/report.html       all of it as a page
//! ```

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::numbers;

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

/// A file of a run that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {reason}", file.display())]
pub struct RunFileError {
    action: &'static str,
    file: PathBuf,
    reason: String,
}

/// One epoch, as a line of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps of the optimizer so far.
    pub step: u64,
    /// Seconds of training so far, over all sittings.
    pub seconds: f64,
    /// The last learning rate.
    pub learning_rate: f64,
    /// Items trained on for each second of this epoch.
    pub items_per_second: f64,
    /// Means over the epoch's training items, by name.
    #[serde(with = "numbers")]
    pub train: BTreeMap<String, f64>,
    /// Over the validation set, by name.
    #[serde(with = "numbers")]
    pub validation: BTreeMap<String, f64>,
    /// How far predictions for turned items are from the turned predictions, of the first validation items:
    /// [`steerable_train::rotation_error`]; `None` where it is not measured.
    #[serde(default, with = "numbers")]
    pub rotation_error: Option<f64>,
}

/// Errors on held-out data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How many items.
    pub items: usize,
    /// Seconds that the predictions took.
    pub seconds: f64,
    /// One entry for each quantity.
    pub quantities: Vec<Quantity>,
    /// How far predictions for turned items are from the turned predictions, of the first batch:
    /// [`steerable_train::rotation_error`]; `None` where it is not measured.
    #[serde(default, with = "numbers")]
    pub rotation_error: Option<f64>,
}

/// Errors of one predicted quantity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// Its name.
    pub name: String,
    /// The unit of errors and of the pairs.
    pub unit: String,
    /// `mae` for mean absolute errors, `mean` for mean lengths of errors, `accuracy` for the part of right
    /// classes.
    pub measure: String,
    /// The measure.
    #[serde(with = "numbers")]
    pub value: f64,
    /// The measure with every input rotated at random.
    #[serde(with = "numbers")]
    pub rotated: Option<f64>,
    /// The measure of predicting the mean of the training set (or its most frequent class).
    #[serde(with = "numbers")]
    pub trivial: Option<f64>,
    /// True and predicted values, at most a few thousand of them.
    #[serde(with = "numbers")]
    pub pairs: Vec<[f64; 2]>,
}

impl RunFolder {
    /// The folder of a path, whether it is there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self) -> Result<(), RunFileError> {
        fs::create_dir_all(&self.0).map_err(failed("create", &self.0))
    }

    /// Whether it holds a run.
    pub fn is_used(&self) -> bool {
        self.checkpoints().exists()
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// The folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The best model.
    pub fn model(&self) -> PathBuf {
        self.0.join("model.safetensors")
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.jsonl")
    }

    /// The errors on the test set.
    pub fn evaluation(&self) -> PathBuf {
        self.0.join("evaluation.json")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// Adds a line to the log.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&self, record: &EpochRecord) -> Result<(), RunFileError> {
        let file = self.log();
        let line = serde_json::to_string(record).expect("numbers and names");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut log| log.write_all(format!("{line}\n").as_bytes()))
            .map_err(failed("write", &file))
    }

    /// The epochs of the log. A last line that a killed process left unfinished is no epoch; of an epoch
    /// that was done twice, once before a crash and once after, the later counts.
    ///
    /// # Errors
    /// When the log is there and cannot be read, or another line is no epoch.
    pub fn epochs(&self) -> Result<Vec<EpochRecord>, RunFileError> {
        let file = self.log();
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(failed("read", &file))?,
        };
        let mut epochs: BTreeMap<usize, EpochRecord> = BTreeMap::new();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let unfinished = !line.ends_with('\n');
            match serde_json::from_str::<EpochRecord>(line) {
                Ok(record) => {
                    epochs.insert(record.epoch, record);
                }
                Err(_) if unfinished => {}
                Err(error) => {
                    return Err(RunFileError {
                        action: "read",
                        file,
                        reason: format!("line {}: {error}", number + 1),
                    });
                }
            }
        }
        Ok(epochs.into_values().collect())
    }

    /// Takes lines of the log away that a training resumed at a step will write again.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn rewind(&self, step: u64) -> Result<(), RunFileError> {
        let file = self.log();
        if !file.exists() {
            return Ok(());
        }
        let epochs = self.epochs()?;
        let kept = epochs.iter().filter(|record| record.step <= step);
        let text: String = kept
            .map(|record| serde_json::to_string(record).expect("numbers and names") + "\n")
            .collect();
        write_whole(&file, text.as_bytes())
    }

    /// Writes the errors on the test set.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn save_evaluation(&self, evaluation: &Evaluation) -> Result<(), RunFileError> {
        let text = serde_json::to_string(evaluation).expect("numbers and names");
        write_whole(&self.evaluation(), text.as_bytes())
    }

    /// The errors on the test set, if they were written.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn load_evaluation(&self) -> Result<Option<Evaluation>, RunFileError> {
        let file = self.evaluation();
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed("read", &file))?,
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| RunFileError {
                action: "read",
                file,
                reason: error.to_string(),
            })
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// When the file system refuses.
pub fn write_whole(file: &Path, content: &[u8]) -> Result<(), RunFileError> {
    let part = file.with_added_extension("part");
    fs::write(&part, content)
        .and_then(|()| fs::rename(&part, file))
        .map_err(failed("write", file))
}

fn failed(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> RunFileError {
    let file = file.to_path_buf();
    move |error| RunFileError {
        action,
        file,
        reason: error.to_string(),
    }
}
