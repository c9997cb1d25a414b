//! The command `steerable`: from files to a trained model and back.
//!
//! ```text
//! steerable data fetch qm9 --out data          the data, from a package
//! steerable data inspect FILE                  what is in a file
//! steerable train CONFIG.toml                  a run: checkpoints, log, report
//! steerable evaluate CHECKPOINT                errors on held-out data, rotated and not
//! steerable predict CHECKPOINT FILE            a model's answers for a file
//! steerable report RUN                         the page of a run, drawn again
//! steerable info CHECKPOINT                    parameters, irreps, conventions, sizes
//! steerable check CHECKPOINT                   is the trained model equivariant?
//! steerable import FILE / export CHECKPOINT    other codes' weights in, safetensors out
//! steerable refine | convert | compare         proteins
//! ```
//!
//! Each subcommand is a module with its arguments and a `run`. This library is the program's inside and
//! is there for its tests; what others call is in the other crates.

mod args;
pub mod check;
pub mod choices;
pub mod config;
pub mod data;
pub mod dataset;
pub mod evaluate;
pub mod evaluation;
pub mod export;
pub mod import;
pub mod info;
pub mod load;
pub mod models;
mod numbers;
pub mod predict;
pub mod protein;
pub mod recipe;
pub mod report;
pub mod run_folder;
pub mod table;
pub mod train;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::{Cli, Command};

/// What a subcommand returns: its errors are told with their causes.
pub type CommandResult = Result<(), Box<dyn Error>>;

/// Reads the arguments, runs the subcommand and tells errors; 0 for success, 1 for an error, 2 for wrong
/// arguments.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // What clap cannot print, nobody reads.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Computes on so many threads from now on; by default on all cores.
///
/// # Errors
/// When it is none, or threads are at work already.
pub fn threads(count: Option<usize>) -> CommandResult {
    match count {
        None => Ok(()),
        Some(0) => Err("--threads 0: at least 1".into()),
        Some(count) => Ok(rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .build_global()?),
    }
}

/// An error and its causes, leaving out those whose text is already there.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
