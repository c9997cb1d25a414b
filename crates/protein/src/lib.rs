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
mod ca_trace;
mod chain;
mod closure;
mod compare;
mod completion;
pub mod file;
pub mod folding;
mod frame;
pub mod ideal;
mod internal;
mod mds;
mod pairwise;
mod secondary;
mod stereochemistry;
pub mod structure;
mod torsions;
pub mod trunk;

pub use amino_acid::{AminoAcid, ResidueName};
pub use backbone::{Backbone, BackboneResidue};
pub use ca_trace::{CaTraceError, backbone_of_ca};
pub use chain::{
    Atom, Chain, ChainBackbone, ChainBreak, IncompleteResidue, MAX_PEPTIDE_BOND, Residue,
    ResidueId, ResidueNumber, is_peptide_bond,
};
pub use compare::{
    CompareError, FapeConfig, Gdt, Lddt, LddtConfig, Matched, Superposition, TmScore, fape,
    tm_distance_scale,
};
pub use completion::AddedAtom;
pub use frame::{DegenerateFrame, Frame};
pub use internal::{
    InternalCoordinates, InternalCoordinatesError, InternalTensors, Joint, Link, ResidueShape,
};
pub use mds::{
    ClassicalMds, Embedding, KnownDistances, MdsError, Smacof, SmacofConfig, classical_mds,
    complete, embed, handedness, mirrored, smacof, with_hand_of_proteins,
};
pub use pairwise::{
    DistanceBins, DistanceMatrix, DistogramError, ExpectedDistance, OrientedResidue,
    PairOrientation, rank, relative_frames,
};
pub use secondary::SecondaryStructure;
pub use stereochemistry::{
    Chirality, Clash, ClashAtom, ClashConfig, Measured, PeptideGeometry, PeptideKind,
    ResidueGeometry, Stereochemistry, StereochemistryError, StereochemistrySummary,
};
pub use torsions::{Torsions, torsion_angle};
