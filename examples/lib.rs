//! What the programs of the README are made of, in a library so that it can be tested.

pub mod file_error;
pub mod fold;
pub mod nbody;
