//! `steerable report`: the page of a run, drawn again.

use std::path::PathBuf;

use clap::Args;

use super::Report;
use crate::CommandResult;
use crate::run_folder::RunFolder;

/// Arguments of `steerable report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of a run.
    pub run: PathBuf,
}

/// Writes `report.html` into the folder.
///
/// # Errors
/// When the folder holds no run, or the page cannot be written.
pub fn run(args: &ReportArgs) -> CommandResult {
    if !args.run.is_dir() {
        return Err(format!("{} is no folder", args.run.display()).into());
    }
    let run = RunFolder::at(&args.run);
    let report = Report::of_run(&run)?;
    if report.epochs.is_empty() && report.evaluation.is_none() {
        return Err(format!(
            "{} holds no run: neither log.jsonl nor evaluation.json",
            args.run.display()
        )
        .into());
    }
    report.write(&run)?;
    println!("{}", run.report().display());
    Ok(())
}
