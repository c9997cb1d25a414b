//! How alike two structures are: superposition, RMSD, TM-score, GDT, lDDT and FAPE.

mod error;
mod fape;
mod gdt;
mod lddt;
mod matched;
mod search;
mod superposition;
mod tm_score;

pub use error::CompareError;
pub use fape::{FapeConfig, fape};
pub use gdt::Gdt;
pub use lddt::{Lddt, LddtConfig};
pub use matched::Matched;
pub use superposition::Superposition;
pub use tm_score::{TmScore, tm_distance_scale};
