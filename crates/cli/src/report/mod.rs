//! The report of a run: one page without a network, pictures inside.

mod command;
mod page;
mod plots;

pub use command::{ReportArgs, run};

use std::fs;

use steerable_train::checkpoint::Header;

use crate::run_folder::{EpochRecord, Evaluation, RunFileError, RunFolder, write_whole};

/// Everything a report tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// The title: the configuration's name.
    pub title: String,
    /// The header of the model, if there is one.
    pub header: Option<Header>,
    /// The epochs.
    pub epochs: Vec<EpochRecord>,
    /// The errors on the test set, if they were measured.
    pub evaluation: Option<Evaluation>,
    /// The configuration as it was given.
    pub config: String,
}

impl Report {
    /// Of what is in the folder of a run.
    ///
    /// # Errors
    /// When the log or the evaluation is there and cannot be read.
    pub fn of_run(run: &RunFolder) -> Result<Self, RunFileError> {
        let name = run.path().file_name().and_then(|name| name.to_str());
        Ok(Self {
            title: name.unwrap_or("run").to_owned(),
            header: Header::read(&run.model()).ok(),
            epochs: run.epochs()?,
            evaluation: run.load_evaluation()?,
            config: fs::read_to_string(run.config()).unwrap_or_default(),
        })
    }

    /// Writes `report.html` into the folder of the run.
    ///
    /// # Errors
    /// When a picture cannot be drawn or the file cannot be written.
    pub fn write(&self, run: &RunFolder) -> Result<(), Box<dyn std::error::Error>> {
        Ok(write_whole(&run.report(), self.to_html()?.as_bytes())?)
    }
}
