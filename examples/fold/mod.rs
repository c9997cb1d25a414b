//! Refines perturbed protein backbones with a structure module, on chains it has not seen.
//!
//! The data flows [`data`] (files to chains, a saved split) → [`noise`] (where a refinement starts) →
//! [`training`] → [`evaluation`] (before and after, chain by
//! chain) → [`plots`]; [`cli`] holds every choice, and
//! [`run`] strings it together.

pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod noise;
pub mod plots;
pub mod run;
pub mod training;
