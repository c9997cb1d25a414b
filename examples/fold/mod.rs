//! Refines perturbed protein backbones and folds chains from corrupted distances, on chains that were
//! not trained on.
//!
//! The data flows [`data`] (files to chains) → [`clusters`] (like sequences) → [`split`] (saved) →
//! [`start`] (where a model starts, and the baseline) → [`training`] → [`evaluation`] (before and after,
//! chain by chain) → [`report`] and [`plots`]; [`cli`] holds every choice, and [`run`] strings it
//! together.

pub mod cli;
pub mod clusters;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod plots;
pub mod report;
pub mod run;
pub mod side_chains;
pub mod split;
pub mod start;
pub mod training;
