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

mod amino_acid;
mod backbone;
mod chain;
mod compare;
pub mod file;
mod frame;
pub mod structure;

pub use amino_acid::{AminoAcid, ResidueName};
pub use backbone::{Backbone, BackboneResidue};
pub use chain::{
    Atom, Chain, ChainBackbone, ChainBreak, IncompleteResidue, MAX_PEPTIDE_BOND, Residue,
    ResidueId, ResidueNumber, is_peptide_bond,
};
pub use compare::{
    CompareError, FapeConfig, Gdt, Lddt, LddtConfig, Matched, Superposition, TmScore, fape,
    tm_distance_scale,
};
pub use frame::{DegenerateFrame, Frame};
