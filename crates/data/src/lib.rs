//! Structures of atoms with what is known about them, their units, and the errors of reading them.
//!
//! The crate knows neither tensors nor a framework.

mod error;
mod structure;
mod unit;

pub mod element;

pub use error::{ArrayFault, LineFault, ReadError};
pub use structure::{AtomProperty, AtomValues, Property, PropertyError, Structure, Value};
pub use unit::{EnergyUnit, Unit};
