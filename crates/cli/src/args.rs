//! The subcommands.

use clap::{Parser, Subcommand};

use crate::data::DataCommand;
use crate::protein::{compare, convert, refine};
use crate::{CommandResult, check, evaluate, export, import, info, predict, report, train};

/// SE(3)-equivariant networks: train, evaluate, use.
#[derive(Debug, Parser)]
#[command(name = "steerable", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model by a configuration.
    Train(train::TrainArgs),
    /// Tell a trained model's errors on held-out data, as it stands and turned at random.
    Evaluate(evaluate::EvaluateArgs),
    /// Ask a trained model about the items of a file.
    Predict(predict::PredictArgs),
    /// Check whether a trained model is equivariant.
    Check(check::CheckArgs),
    /// Say what a checkpoint holds: model, sizes, irreps, conventions.
    Info(info::InfoArgs),
    /// Get data, or look into a file.
    #[command(subcommand)]
    Data(DataCommand),
    /// Draw the report of a run again.
    Report(report::ReportArgs),
    /// Read the weights of another code, for use in the library.
    Import(import::ImportArgs),
    /// Write a model's weights for other programs.
    Export(export::ExportArgs),
    /// Refine a protein's backbone with a trained structure module.
    Refine(refine::RefineArgs),
    /// Convert proteins between files and representations.
    Convert(convert::ConvertArgs),
    /// Compare two structures of a protein.
    Compare(compare::CompareArgs),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// Whatever the subcommand finds wrong.
    pub fn run(self) -> CommandResult {
        match self {
            Self::Train(args) => train::run(&args),
            Self::Evaluate(args) => evaluate::run(&args),
            Self::Predict(args) => predict::run(&args),
            Self::Check(args) => check::run(&args),
            Self::Info(args) => info::run(&args),
            Self::Data(command) => command.run(),
            Self::Report(args) => report::run(&args),
            Self::Import(args) => import::run(&args),
            Self::Export(args) => export::run(&args),
            Self::Refine(args) => refine::run(&args),
            Self::Convert(args) => convert::run(&args),
            Self::Compare(args) => compare::run(&args),
        }
    }
}
