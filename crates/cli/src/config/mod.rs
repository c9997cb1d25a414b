//! The configuration of a run, and errors that say how to put it right.

mod error;
mod overlay;

pub use error::ConfigError;
pub use overlay::overlay;
