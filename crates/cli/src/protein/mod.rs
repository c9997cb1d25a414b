//! Subcommands for proteins.

pub mod compare;
pub mod comparison;
pub mod convert;
pub mod correspondence;
pub mod refine;
pub mod tables;
