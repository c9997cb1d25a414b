//! Extended XYZ: frames of atoms with named properties, as ASE, MACE and NequIP exchange them.
//!
//! A frame is a line with the number of atoms, a line of `key=value` pairs, and one line for each atom,
//! whose columns `Properties` names:
//!
//! ```text
//! 3
//! Properties=species:S:1:pos:R:3:forces:R:3 energy=-76.4 Lattice="9 0 0 0 9 0 0 0 9" pbc="T T T"
//! O  0.00 0.00 0.00  0.1 0.0 0.0
//! H  0.96 0.00 0.00 -0.1 0.1 0.0
//! H -0.24 0.93 0.00  0.0 -0.1 0.0
//! ```
//!
//! | key | meaning | unit |
//! | --- | --- | --- |
//! | `energy`, `free_energy`, `REF_energy` | one number | [`Options::energy`], eV by default |
//! | `forces`, `REF_forces` | columns of three | the same for each angstrom |
//! | `dipole`, `REF_dipole` | three numbers | e A |
//! | `charge`, `charges`, `initial_charges`, `REF_charges`, `total_charge` | of atoms or of the whole | e |
//! | `Lattice` | three vectors in turn | angstrom |
//! | `pbc` | along which vectors space repeats; all of them if there is a `Lattice` and no `pbc` | |
//!
//! Everything else is kept under its name, without a unit. A comment without `=` is kept as the text
//! `comment`, and the columns are then those of plain XYZ. Values in quotes, braces or brackets are read
//! as ASE does; a value that consists of finite numbers is numbers, any other is text. A key without a
//! value is the text `T`.
//!
//! [`open`] goes through a file frame by frame. [`FrameIndex`] finds where the frames of a file begin, so that each can
//! be had by its number: files larger than memory are data sets.
//!
//! # Source
//! The format as ASE's documentation of `ase.io.extxyz` states it.

mod comment;
mod index;
mod reader;
mod writer;

pub use index::{FrameIndex, IndexedSamples};
pub use reader::{Frames, Options, open, read};
pub use writer::Writer;

use crate::{EnergyUnit, Unit};

/// The name under which a comment without keys is kept.
const COMMENT: &str = "comment";

/// The unit that convention gives a property of a whole.
fn conventional_unit(name: &str, energy: EnergyUnit) -> Option<Unit> {
    match name {
        "energy" | "free_energy" | "REF_energy" => Some(Unit::Energy(energy)),
        "dipole" | "REF_dipole" => Some(Unit::ChargeAngstrom),
        "charge" | "total_charge" => Some(Unit::ElementaryCharge),
        _ => None,
    }
}

/// How many numbers a property of a whole of that unit has, and what it is.
fn conventional_count(unit: Option<Unit>) -> Option<(usize, &'static str)> {
    match unit {
        Some(Unit::Energy(_)) => Some((1, "energy")),
        Some(Unit::ChargeAngstrom) => Some((3, "dipole")),
        Some(Unit::ElementaryCharge) => Some((1, "charge")),
        _ => None,
    }
}

/// The unit that convention gives a property of atoms.
fn conventional_atom_unit(name: &str, energy: EnergyUnit) -> Option<Unit> {
    match name {
        "forces" | "REF_forces" => Some(Unit::Force(energy)),
        "charge" | "charges" | "initial_charges" | "REF_charges" => Some(Unit::ElementaryCharge),
        _ => None,
    }
}
