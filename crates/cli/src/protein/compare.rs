//! `steerable compare`.

use clap::Args;

use crate::CommandResult;

/// Arguments of `steerable compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {}

/// Runs it.
///
/// # Errors
/// Always: it is not there yet.
pub fn run(_args: &CompareArgs) -> CommandResult {
    Err("`steerable compare` is not there yet".into())
}
