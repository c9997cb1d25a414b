//! Subcommands for proteins.

pub mod compare;
pub mod convert;
pub mod refine;
