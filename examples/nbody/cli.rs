//! The command line.

use std::path::PathBuf;

use clap::Parser;

use super::settings::Settings;

/// Trains an SE(3)-Transformer and its competitors to foretell the flight of charged balls, and
/// prints a table beside the paper's figures.
#[derive(Parser, Clone, Debug)]
#[command(name = "nbody", args_override_self = true)]
pub struct Cli {
    /// What makes the numbers.
    #[command(flatten)]
    pub settings: Settings,
    /// Folder for checkpoints, curves and pictures. An earlier run in it is moved aside.
    #[arg(long, default_value = "runs/nbody")]
    pub out: PathBuf,
    /// Go on with the run in the folder, with the same flags.
    #[arg(long)]
    pub resume: bool,
    /// How many of the last checkpoints of each model to keep, beside the best.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep: u16,
    /// Threads; 0 for as many as there are cores.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// End with one line of JSON for each model.
    #[arg(long)]
    pub json: bool,
}
