//! The suite of `steerable-graph`: oracles, algebraic properties, degenerate input, one golden file.

mod common;
mod neighbours;
mod periodic;
mod structure;
