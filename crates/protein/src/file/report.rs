//! What was handled by rule while a file was read.

use std::fmt;

use crate::{AminoAcid, ResidueId};

/// Everything in a file that was not taken as it stands. Its [`Display`](fmt::Display) is one line
/// for each note.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadReport {
    /// The notes, in the order of the file as far as they have one.
    pub notes: Vec<ReadNote>,
}

/// One thing that was handled by rule.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadNote {
    /// Alternate locations: of each atom the one of highest occupancy was kept, the first of equals.
    AlternateLocations {
        /// The residue.
        residue: ResidueId,
        /// How many positions were left out.
        dropped: usize,
    },
    /// One place in the chain holds several kinds of residue: the one of the highest mean occupancy
    /// was kept, the first of equals.
    AlternateResidues {
        /// The residue that was kept.
        residue: ResidueId,
        /// The names of those left out.
        dropped: Vec<String>,
    },
    /// Atoms of one name and location: the one of highest occupancy was kept, the first of equals.
    DuplicateAtoms {
        /// The residue.
        residue: ResidueId,
        /// How many atoms were left out.
        dropped: usize,
    },
    /// A residue whose number has an insertion code; it was kept.
    InsertionCode {
        /// The residue.
        residue: ResidueId,
    },
    /// A modified residue, taken for the amino acid it is derived from.
    Modified {
        /// The residue.
        residue: ResidueId,
        /// What it counts as.
        taken_for: AminoAcid,
    },
    /// A residue of unknown name with the backbone of an amino acid: kept as [`AminoAcid::Unknown`].
    Unknown {
        /// The residue.
        residue: ResidueId,
    },
    /// A residue that lacks N, CA or C: kept in the chain, left out of its backbone.
    Incomplete {
        /// The residue.
        residue: ResidueId,
        /// Those of N, CA and C that are missing.
        missing: Vec<&'static str>,
    },
    /// Neighbours in the chain without a peptide bond.
    Break {
        /// The residue before.
        before: ResidueId,
        /// The residue after.
        after: ResidueId,
        /// From C to N, in angstrom.
        distance: f64,
    },
    /// A ligand, an ion, a nucleotide, or an amino acid bonded to no other: left out.
    NotProtein {
        /// The group.
        residue: ResidueId,
        /// How many atoms it has.
        atoms: usize,
    },
    /// Atoms of a group that has the number of another residue of its chain: left out.
    NumberTaken {
        /// The group.
        residue: ResidueId,
        /// The residue that has the number.
        taken_by: String,
        /// How many atoms were left out.
        atoms: usize,
    },
    /// Waters: left out.
    Waters {
        /// How many atoms, hydrogens included.
        atoms: usize,
    },
    /// Hydrogens: left out.
    Hydrogens {
        /// How many.
        atoms: usize,
    },
    /// Other models than the one read: left out.
    OtherModels {
        /// The number of the model that was read.
        read: u32,
        /// How many were left out.
        dropped: usize,
    },
    /// Tables of atoms after the first one: left out.
    OtherTables {
        /// How many.
        dropped: usize,
    },
    /// Atoms without a chain name: their chain is named A, and the next letter after each TER record.
    UnnamedChain {
        /// How many atoms.
        atoms: usize,
    },
    /// Atoms without an occupancy, taken for 1, or a B factor, taken for 0.
    Defaults {
        /// How many atoms.
        atoms: usize,
    },
    /// A PDB file without the record END or an mmCIF file whose last line is an atom: complete as far
    /// as can be told, but its end may have been cut off.
    NoEnd,
}

impl fmt::Display for ReadNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlternateLocations { residue, dropped } => write!(
                f,
                "{residue}: {dropped} alternate positions of lower occupancy left out"
            ),
            Self::AlternateResidues { residue, dropped } => write!(
                f,
                "{residue}: kept instead of {} by occupancy",
                dropped.join(", ")
            ),
            Self::DuplicateAtoms { residue, dropped } => {
                write!(
                    f,
                    "{residue}: {dropped} atoms of a name already seen left out"
                )
            }
            Self::InsertionCode { residue } => write!(f, "{residue}: kept, with insertion code"),
            Self::Modified { residue, taken_for } => {
                write!(f, "{residue}: taken for {}", taken_for.three_letters())
            }
            Self::Unknown { residue } => write!(f, "{residue}: kept as an unknown amino acid"),
            Self::Incomplete { residue, missing } => write!(
                f,
                "{residue}: left out of the backbone for lack of {}",
                missing.join(", ")
            ),
            Self::Break {
                before,
                after,
                distance,
            } => write!(
                f,
                "{before} - {after}: chain break, C and N are {distance:.2} angstrom apart"
            ),
            Self::NotProtein { residue, atoms } => {
                write!(f, "{residue}: no part of a protein, {atoms} atoms left out")
            }
            Self::NumberTaken {
                residue,
                taken_by,
                atoms,
            } => write!(
                f,
                "{residue}: its number is that of {taken_by}, {atoms} atoms left out"
            ),
            Self::Waters { atoms } => write!(f, "{atoms} atoms of waters left out"),
            Self::Hydrogens { atoms } => write!(f, "{atoms} hydrogens left out"),
            Self::OtherModels { read, dropped } => {
                write!(f, "model {read} read, {dropped} other models left out")
            }
            Self::OtherTables { dropped } => {
                write!(f, "{dropped} further tables of atoms left out")
            }
            Self::UnnamedChain { atoms } => write!(
                f,
                "{atoms} atoms without a chain name: their chains are named from A on"
            ),
            Self::Defaults { atoms } => write!(
                f,
                "{atoms} atoms without occupancy or B factor: taken for 1 and 0"
            ),
            Self::NoEnd => write!(f, "the file has no end mark; it may have been cut off"),
        }
    }
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
