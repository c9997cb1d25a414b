//! QM9: 130,831 small organic molecules with twelve properties by density functional theory.
//!
//! [`read`] takes the wheel of the Python package `qm9pack` as it is, or a folder with its tables unpacked.
//! `pip download --no-deps qm9pack` fetches the wheel (104 MB).
//!
//! # Units
//! Properties are in the units of the publication ([`Target::unit`]): energies in hartree. U0, U, H and G are
//! total energies; [`Target::atom_reference`] tells what the free atoms have, and
//! [`Molecule::atomization`] is the difference, which is what models are trained on. The dipole moment is a
//! magnitude. The tables' polarizability tensors are not read: they are not in the frame of the coordinates.
//!
//! # Bonds
//! Bonds between heavy atoms are those of the SMILES string, in its Kekule form: single, double and triple;
//! none is told to be aromatic. Its atoms stand in the order of the coordinates' heavy atoms. A hydrogen
//! is bound to the nearest heavy atom. Bonds are `None` where the elements of string and coordinates differ
//! or where a bond would be longer than 1.45 times the sum of its covalent radii: in six of the 130,831. In
//! all others each atom has the hydrogens that its valence leaves room for, wherever that tells a number.
//!
//! # Source
//! R. Ramakrishnan, P. O. Dral, M. Rupp, O. A. von Lilienfeld, "Quantum chemistry structures and properties
//! of 134 kilo molecules", Sci. Data 1, 140022 (2014); molecules that failed its consistency check are
//! not in the package.

mod bonds;
mod table;
mod target;

pub use table::read;
pub use target::Target;

use crate::{AtomProperty, AtomValues, Bond, Property, Structure, Unit, Value, element};

/// The name of the partial charges of the atoms.
pub const CHARGES: &str = "mulliken";

/// The molecules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qm9 {
    molecules: Vec<Molecule>,
}

/// One molecule.
#[derive(Clone, Debug, PartialEq)]
pub struct Molecule {
    /// Its number in the publication, from 1.
    pub index: u32,
    /// Atomic numbers, `[atoms]`.
    pub species: Vec<u8>,
    /// In angstrom, `[atoms, 3]`.
    pub positions: Vec<[f64; 3]>,
    /// Mulliken charges in e, `[atoms]`.
    pub charges: Vec<f64>,
    /// The properties in the order of [`Target::ALL`], in their units.
    pub targets: [f64; 12],
    /// The SMILES string of the relaxed geometry's graph.
    pub smiles: String,
    /// The bonds, if string and geometry agree.
    pub bonds: Option<Vec<Bond>>,
}

impl Qm9 {
    /// The molecules in the order of the tables.
    #[must_use]
    pub fn molecules(&self) -> &[Molecule] {
        &self.molecules
    }
}

impl Molecule {
    /// A property in its unit.
    #[must_use]
    pub fn target(&self, target: Target) -> f64 {
        self.targets[target as usize]
    }

    /// A property less that of the free atoms, in its unit; the property itself where atoms have none.
    #[must_use]
    pub fn atomization(&self, target: Target) -> f64 {
        let atoms = self.species.iter();
        let free: f64 = atoms.filter_map(|&z| target.atom_reference(z)).sum();
        self.target(target) - free
    }

    /// The molecule with its properties under the names of [`Target::name`], its charges under
    /// [`CHARGES`], and `smiles` and `index`.
    #[must_use]
    pub fn structure(&self) -> Structure {
        let number = |name: &str, unit, value| Property {
            name: name.to_owned(),
            unit,
            value: Value::Numbers(vec![value]),
        };
        let targets = Target::ALL.into_iter();
        let mut properties: Vec<_> = targets
            .map(|target| number(target.name(), Some(target.unit()), self.target(target)))
            .collect();
        properties.push(number("index", None, f64::from(self.index)));
        properties.push(Property {
            name: "smiles".to_owned(),
            unit: None,
            value: Value::Text(self.smiles.clone()),
        });
        Structure {
            species: self.species.clone(),
            positions: self.positions.clone(),
            cell: None,
            bonds: self.bonds.clone(),
            properties,
            atom_properties: vec![AtomProperty {
                name: CHARGES.to_owned(),
                unit: Some(Unit::ElementaryCharge),
                width: 1,
                values: AtomValues::Real(self.charges.clone()),
            }],
        }
    }
}

/// Whether the element is one of the five of QM9.
fn is_known(atomic_number: u8) -> bool {
    matches!(
        element::symbol(atomic_number),
        Some("H" | "C" | "N" | "O" | "F")
    )
}
