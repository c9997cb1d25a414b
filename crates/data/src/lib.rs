//! Structures of atoms with what is known about them: their types, their units, and the readers of the
//! files that they come in.
//!
//! This crate stands before the first step of the way of the data: a file goes in, [`Structure`]s come out.
//! It knows neither tensors nor a framework; numbers are `f64`, lengths are in angstrom.
//!
//! ```
//! use steerable_data::{EnergyUnit, extxyz};
//!
//! let file = "\
//! 3
//! Properties=species:S:1:pos:R:3 energy=-2081.1
//! O  0.00 0.00 0.00
//! H  0.96 0.00 0.00
//! H -0.24 0.93 0.00
//! ";
//! let mut frames = extxyz::Options::default().open_source(file.as_bytes(), "water.xyz")?;
//! let water = frames.next().expect("a frame")?;
//! assert_eq!(water.species, [8, 1, 1]);
//! let energy = water.energy("energy", EnergyUnit::KilocaloriePerMole)?;
//! assert!((energy - -47991.3).abs() < 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | reads |
//! | --- | --- |
//! | [`extxyz`] | extended XYZ, plain or gzipped, frame by frame; writes it |
//! | [`npy`] | arrays of NumPy and archives of them |
//! | [`qm9`] | the package `qm9pack`, its wheel or its tables: molecules, twelve targets, bonds |
//! | [`rmd17`] | the archives and splits of rMD17 |
//! | [`sdf`] | SDF and MOL files of version V2000, with bonds |
//! | [`shapes`] | labelled point clouds, OFF meshes; chooses points |
//!
//! [`Split`] draws parts of a data set, [`BatchBudget`] tells which items share a batch, and [`Prefetched`] makes
//! batches ahead of their use.
//!
//! Every reader refuses what it does not understand, with the file and the line or array where it stands;
//! nothing is read by halves. What a file promises is not believed: memory grows with what is really
//! there, and ends at a limit.
//!
//! The crate has no features.

mod batches;
mod error;
mod lines;
mod split;
mod structure;
mod unit;

pub mod element;
pub mod extxyz;
pub mod npy;
pub mod qm9;
pub mod rmd17;
pub mod sdf;
pub mod shapes;

pub use batches::{BatchBudget, ItemSize, OverBudget, Prefetched};
pub use error::{ArrayFault, CacheError, LineFault, ReadError, WriteError};
pub use split::{Split, SplitError, SplitSizes, shuffled};
pub use structure::{
    AtomProperty, AtomValues, Bond, BondKind, Property, PropertyError, Structure, Value,
};
pub use unit::{EnergyUnit, Unit};
