//! `steerable refine`.

use clap::Args;

use crate::CommandResult;

/// Arguments of `steerable refine`.
#[derive(Debug, Args)]
pub struct RefineArgs {}

/// Runs it.
///
/// # Errors
/// Always: it is not there yet.
pub fn run(_args: &RefineArgs) -> CommandResult {
    Err("`steerable refine` is not there yet".into())
}
