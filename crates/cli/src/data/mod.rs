//! `steerable data`: getting data and looking into it.

use clap::Subcommand;

use crate::CommandResult;

pub mod fetch;
pub mod inspect;

/// What to do with data.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Get a published data set.
    Fetch(fetch::FetchArgs),
    /// Say what is in a file.
    Inspect(inspect::InspectArgs),
}

impl DataCommand {
    /// Does it.
    ///
    /// # Errors
    /// Whatever is wrong with the file or the way to it.
    pub fn run(&self) -> CommandResult {
        match self {
            Self::Fetch(args) => fetch::run(args),
            Self::Inspect(args) => inspect::run(args),
        }
    }
}
