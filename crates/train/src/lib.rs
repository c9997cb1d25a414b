//! What training steerable networks needs beside burn.
//!
//! So far the optimizer: burn's Adam makes a dozen passes over fresh memory for each parameter, and a step
//! of a small molecule through a model of nine million parameters is mostly that. [`Adam`] makes one.

mod adam;
pub mod checkpoint;

pub use adam::{Adam, AdamConfig};
