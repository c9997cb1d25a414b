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
//! | [`npy`] | arrays of NumPy and archives of them; writes archives |
//! | [`qm9`] | the package `qm9pack`, its wheel or its tables: molecules, twelve targets, bonds; keeps them |
//! | [`rmd17`] | the archives and splits of rMD17 |
//! | [`sdf`] | SDF and MOL files of version V2000, with bonds |
//! | [`shapes`] | labelled point clouds, meshes in OFF, PLY and OBJ; chooses points, finds normals |
//!
//! # From files to batches
//! What a model takes and tells of an item is a [`Sample`]; [`SampleKeys`] makes them of structures,
//! [`qm9::Qm9::samples`] of molecules, [`shapes::Cloud::sample`] of clouds. [`Split`] draws parts of a data set,
//! [`EdgeRule`] says which nodes hear each other, and a [`Loader`] makes ragged batches within a [`BatchBudget`] on
//! threads of its own. Batches are plain arrays; the caller makes tensors of them.
//!
//! ```
//! use std::num::NonZero;
//! use steerable_data::{
//!     BatchBudget, EdgeRule, Loader, LoaderConfig, SampleKeys, Turns, extxyz, shuffled,
//! };
//!
//! let file = "1\nenergy=-13.6\nH 0 0 0\n2\nenergy=-31.7\nH 0 0 0\nH 0.74 0 0\n";
//! let frames = extxyz::Options::default().open_source(file.as_bytes(), "hydrogen.xyz")?;
//! let mut samples = Vec::new();
//! for structure in frames {
//!     let structure = structure?;
//!     samples.push(SampleKeys::of(&structure).sample(&structure)?);
//! }
//! let loader = Loader::in_memory(samples, LoaderConfig {
//!     edges: EdgeRule::Radius(5.0.into()),
//!     budget: BatchBudget { nodes: 600, edges: 12_000 },
//!     workers: NonZero::<usize>::MIN,
//!     turns: Turns::None,
//! })?;
//! for (epoch, seed) in (0..2).zip(7..) {
//!     for batch in loader.batches(&shuffled(loader.sizes().len(), seed), epoch)? {
//!         let batch = batch?;
//!         assert_eq!((batch.species.len(), batch.graph.num_edges()), (3, 2));
//!         assert_eq!(batch.targets.scalars.len(), 2);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A loader takes any [`burn_dataset::Dataset`] of samples, which is `burn::data::dataset::Dataset`: its views,
//! mappings and databases serve here as they are. The trait is a crate of its own without tensors, so it is
//! always there. [`qm9::Qm9`], [`rmd17::Trajectory`] and [`shapes::LabelledClouds`] are such data sets.
//!
//! Every reader refuses what it does not understand, with the file and the line or array where it stands;
//! nothing is read by halves. What a file promises is not believed: memory grows with what is really
//! there, and ends at a limit.
//!
//! # Features
//! `hdf5`: labelled clouds in HDF5, `shapes::read_labelled_hdf5`. Off by default, since its reader is larger than all else
//! here; it needs no C library.

mod batches;
mod edges;
mod error;
mod keys;
mod lines;
mod loader;
mod sample;
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
pub use edges::{EdgeError, EdgeRule, edge_bonds};
pub use error::{ArrayFault, CacheError, LineFault, ReadError, WriteError};
pub use keys::SampleKeys;
pub use loader::{Batch, Batches, LoadError, Loader, LoaderConfig, Turns};
pub use sample::{Quantities, Sample};
pub use split::{Split, SplitError, SplitSizes, seed_of_part, shuffled};
pub use structure::{
    AtomProperty, AtomValues, Bond, BondKind, Property, PropertyError, Structure, Value,
};
pub use unit::{EnergyUnit, Unit};
