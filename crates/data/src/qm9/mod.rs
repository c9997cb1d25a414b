//! QM9: 130,831 small organic molecules with twelve properties by density functional theory.
//!
//! [`read`] takes the wheel of the Python package `qm9pack` as it is, a folder with its tables unpacked, or an
//! archive of arrays. `pip download --no-deps qm9pack` fetches the wheel (104 MB); [`WHEEL_SHA256`] is its sum.
//! [`read_cached`] keeps what it has read in an archive, which is read in a fraction of a second.
//!
//! ```no_run
//! use steerable_data::{Split, SplitSizes, qm9};
//! // Needs the wheel.
//! let all = qm9::read_cached("qm9pack-1.0.3-py3-none-any.whl", "qm9.npz")?;
//! let sizes = SplitSizes { train: 10_000, validation: 1_000, test: 1_000 };
//! let split = Split::by_seed(all.len(), sizes, 1)?;
//! all.subset(&split.train).save("qm9_10000.npz")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Units
//! Properties are in the units of the publication ([`Target::unit`]): energies in hartree. U0, U, H and G are
//! total energies; [`Target::atom_reference`] tells what the free atoms have, and
//! [`Molecule::atomization`] is the difference, which is what networks learn. The dipole moment is a
//! magnitude. The tables' polarizability tensors are not read: they are not in the frame of the coordinates.
//!
//! # Bonds
//! Bonds between heavy atoms are those of the SMILES string: single, double, triple, or aromatic by RDKit's
//! rules. Its atoms stand in the order of the coordinates' heavy atoms. A hydrogen is bound to the nearest
//! heavy atom. Bonds are `None` where the elements of string and coordinates differ or where a bond would be
//! longer than 1.45 times the sum of its covalent radii: in six of the 130,831 ([`Qm9::with_bonds`]).
//!
//! In all others each atom has as many hydrogens as RDKit (2026.9.1) gives it, and all bonds are RDKit's but in 151
//! molecules: 139 with a nitro group, whose bonds stay double as in the string while RDKit writes it with
//! charges, and twelve oxonines, rings of nine that are aromatic here and not there.
//!
//! # Archives
//! Molecules follow each other in arrays: `offsets` `[M+1]` of their atoms, `Z` `[A]`, `pos` `[A, 3]`, `q` `[A]`,
//! `y` `[M, columns]` with the names `cols` of its columns as in the tables, `index` and `smiles` `[M]`. Archives
//! that [`Qm9::save`] writes also have the bonds, a number of their layout, and the SHA-256 sum of what they
//! were made of. Each array has a sum of its own, which is compared when it is read.
//!
//! # Source
//! R. Ramakrishnan, P. O. Dral, M. Rupp, O. A. von Lilienfeld, "Quantum chemistry structures and properties
//! of 134 kilo molecules", Sci. Data 1, 140022 (2014); molecules that failed its consistency check are
//! not in the package.

mod archive;
mod aromatic;
mod bonds;
mod cache;
mod rings;
mod table;
mod target;

pub use bonds::with_aromatic;
pub use cache::{WHEEL_SHA256, read_cached, sha256};
pub use target::Target;

use std::path::Path;

use burn_dataset::{Dataset, DatasetError};

use crate::npy::Npz;
use crate::{
    AtomProperty, AtomValues, Bond, Property, Quantities, ReadError, Sample, Structure, Unit,
    Value, WriteError, element,
};

/// The name of the partial charges of the atoms.
pub const CHARGES: &str = "mulliken";

/// The molecules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qm9 {
    molecules: Vec<Molecule>,
    /// The SHA-256 sum of the file that they were read from.
    source: String,
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
    /// The bonds, aromatic ones among them, if string and geometry agree.
    pub bonds: Option<Vec<Bond>>,
}

/// Reads the wheel of the package `qm9pack`, a folder that holds the three tables of its `data`, or an
/// archive of arrays.
///
/// # Errors
/// [`ReadError`] if it cannot be opened, if a table or an array is missing, with the line or the array of a
/// molecule that does not hold what it should, or if an archive is of another layout.
pub fn read(path: impl AsRef<Path>) -> Result<Qm9, ReadError> {
    let path = path.as_ref();
    if !path.is_dir() {
        let archive = Npz::open(path)?;
        if archive.contains("offsets") {
            return archive::read(archive);
        }
    }
    let molecules = match path.is_dir() {
        true => table::read_folder(path)?,
        false => table::read_wheel(path)?,
    };
    let source = sha256(path)?;
    Ok(Qm9 { molecules, source })
}

impl Qm9 {
    /// The molecules in the order of the tables.
    #[must_use]
    pub fn molecules(&self) -> &[Molecule] {
        &self.molecules
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.molecules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.molecules.is_empty()
    }

    /// Those of the indices, in their order.
    ///
    /// # Panics
    /// If there is none of an index.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let molecules = indices.iter().map(|&index| self.molecules[index].clone());
        Self {
            molecules: molecules.collect(),
            source: self.source.clone(),
        }
    }

    /// The molecules as models take them, with the targets asked for as scalars in their order.
    #[must_use]
    pub fn samples(&self, targets: &[Target], origin: Origin) -> Vec<Sample> {
        let molecules = self.molecules.iter();
        molecules
            .map(|molecule| molecule.sample(targets, origin))
            .collect()
    }

    /// Indices of the molecules whose bonds are known.
    #[must_use]
    pub fn with_bonds(&self) -> Vec<usize> {
        let known = |&index: &usize| self.molecules[index].bonds.is_some();
        (0..self.len()).filter(known).collect()
    }

    /// Writes an archive that [`read`] reads back to the last bit: whole, or not at all.
    ///
    /// # Errors
    /// [`WriteError::Io`] if the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), WriteError> {
        archive::write(path.as_ref(), self)
    }
}

impl Dataset<Molecule> for Qm9 {
    fn get(&self, index: usize) -> Result<Molecule, DatasetError> {
        Ok(self.molecules[index].clone())
    }

    fn len(&self) -> usize {
        self.molecules.len()
    }
}

/// From where energies and the like are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// As in the tables.
    Tables,
    /// From the free atoms, for the targets that these have: [`Molecule::atomization`].
    FreeAtoms,
}

impl Molecule {
    /// The molecule as models take it, with the targets asked for as scalars in their order and units.
    #[must_use]
    pub fn sample(&self, targets: &[Target], origin: Origin) -> Sample {
        let scalar = |&target: &Target| match origin {
            Origin::Tables => self.target(target),
            Origin::FreeAtoms => self.atomization(target),
        };
        Sample {
            species: self.species.clone(),
            positions: self.positions.clone(),
            bonds: self.bonds.clone(),
            targets: Quantities {
                scalars: targets.iter().map(scalar).collect(),
                ..Quantities::default()
            },
            ..Sample::default()
        }
    }

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
