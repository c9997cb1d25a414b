//! `steerable convert`.

use clap::Args;

use crate::CommandResult;

/// Arguments of `steerable convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {}

/// Runs it.
///
/// # Errors
/// Always: it is not there yet.
pub fn run(_args: &ConvertArgs) -> CommandResult {
    Err("`steerable convert` is not there yet".into())
}
