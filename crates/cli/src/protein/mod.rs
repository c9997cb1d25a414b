//! Subcommands for proteins.
#![allow(
    clippy::result_large_err,
    reason = "an error ends the program and is told once"
)]

pub mod compare;
pub mod comparison;
pub mod convert;
pub mod correspondence;
pub mod refine;
pub mod tables;
