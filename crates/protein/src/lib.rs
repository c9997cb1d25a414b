//! Protein backbones: four representations and the ways between them, files, comparisons, and a
//! structure module that refines them.
//!
//! ```text
//! PDB, mmCIF ─► Chain ─► Backbone (N, CA, C) ─► Frame ─► Torsions ─► pairwise
//! ```
#![cfg_attr(
    test,
    allow(missing_docs, reason = "tests are documented by their names")
)]

mod backbone;
mod compare;
mod frame;
pub mod structure;

pub use backbone::{Backbone, BackboneResidue};
pub use compare::{
    CompareError, FapeConfig, Gdt, Lddt, LddtConfig, Matched, Superposition, TmScore, fape,
    tm_distance_scale,
};
pub use frame::{DegenerateFrame, Frame};
