//! The n-body task of the SE(3)-Transformer paper, from simulated data to a table of results.
//!
//! Five charged balls fly in a box. From one frame of their positions, velocities and charges, a
//! network foretells displacement and velocity change ten frames later.
//!
//! The data flows [`simulation`] → [`data`] → [`models`] → [`training`] (with [`progress`] and
//! [`checkpoint`]) → [`evaluation`] → [`plots`]; [`settings`] holds every choice, [`cli`] reads
//! them, and [`run`] strings it all together.
//!
//! # Source
//! Fuchs et al., SE(3)-Transformers (arXiv 2006.10503), section 4.1.

pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod models;
pub mod plain_network;
pub mod plots;
pub mod process;
pub mod progress;
pub mod run;
pub mod settings;
pub mod simulation;
pub mod training;
