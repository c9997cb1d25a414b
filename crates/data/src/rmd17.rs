//! rMD17: molecules in motion at 500 K with energies and forces of density functional theory.
//!
//! An archive holds one molecule: `nuclear_charges` `[A]`, `coords` `[F, A, 3]` in angstrom, `energies` `[F]`
//! in kcal/mol and `forces` `[F, A, 3]` in kcal/(mol A). Energies are kept in that unit and are told in
//! another where they are asked for ([`Structure::energy`], [`Structure::forces`]).
//!
//! The five splits into 1000 frames to train and 1000 to test are lists of indices
//! (`index_train_01.csv`, [`read_split`]). Neither the paper nor the lists say whether they count from 0 or from 1. They
//! are taken to count from 0, as SchNetPack and other Python codes take them; a list counted from 1 would give each
//! frame's successor, a split of the same kind. Where the published one matters, take the author's archives where it is
//! made already and the file's name tells (`rmd17_ethanol_train_01.npz`): no index is read there. Archives of the
//! older MD17 name the same arrays `z`, `R`, `E` `[F]` or `[F, 1]`, and `F`; they are read too.
//!
//! # Source
//! A. S. Christensen, O. A. von Lilienfeld, "On the role of gradients for machine learning of molecular
//! energies and forces", Mach. Learn.: Sci. Technol. 1, 045018 (2020).

use std::path::Path;

use burn_dataset::{Dataset, DatasetError};

use crate::lines::{Lines, invalid};
use crate::npy::{Dimension, Npz, Reals};
use crate::{
    ArrayFault, AtomProperty, AtomValues, EnergyUnit, LineFault, Property, ReadError, Structure,
    Unit, Value, element,
};

/// The name of a frame's energy.
pub const ENERGY: &str = "energy";

/// The name of its forces.
pub const FORCES: &str = "forces";

/// Frames of one molecule with energies and forces, as the archive has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    species: Vec<u8>,
    /// `[F * A]`
    positions: Vec<[f64; 3]>,
    /// `[F]`
    energies: Vec<f64>,
    /// `[F * A, 3]`
    forces: Vec<f64>,
}

/// Reads an archive.
///
/// # Errors
/// [`ReadError`] if it cannot be opened, if an array is missing or does not fit the others, or if a
/// number is none or no element has it.
pub fn read(path: impl AsRef<Path>) -> Result<Trajectory, ReadError> {
    use Dimension::{Any, Exactly};
    let mut archive = Npz::open(path)?;
    let [charges, coordinates, energies, forces] = match archive.contains("nuclear_charges") {
        false if archive.contains("z") && archive.contains("R") => ["z", "R", "E", "F"],
        _ => ["nuclear_charges", "coords", "energies", "forces"],
    };
    let species = species(&archive.reals(charges, &[Any])?);
    let species = species.map_err(|fault| archive.fault(charges, fault))?;
    let shape = [Any, Exactly(species.len()), Exactly(3)];
    let coordinates = archive.reals(coordinates, &shape)?;
    let frames = coordinates.shape[0];
    let energies = match archive.array(energies)?.shape.len() {
        2 => archive.reals(energies, &[Exactly(frames), Exactly(1)])?,
        _ => archive.reals(energies, &[Exactly(frames)])?,
    };
    let shape = [Exactly(frames), Exactly(species.len()), Exactly(3)];
    let forces = archive.reals(forces, &shape)?.values;
    let (energies, coordinates) = (energies.values, coordinates.values);
    Ok(Trajectory {
        species,
        positions: coordinates.as_chunks::<3>().0.to_vec(),
        energies,
        forces,
    })
}

fn species(charges: &Reals) -> Result<Vec<u8>, ArrayFault> {
    let number = |(index, &value): (usize, &f64)| {
        // What is no integer of eight bits becomes another number, and is found by it.
        let number = value as u8;
        if f64::from(number) == value && element::symbol(number).is_some() {
            return Ok(number);
        }
        Err(ArrayFault::Invalid {
            index,
            value,
            field: "atomic number",
        })
    };
    charges.values.iter().enumerate().map(number).collect()
}

impl Dataset<Structure> for Trajectory {
    fn get(&self, index: usize) -> Result<Structure, DatasetError> {
        match self.frame(index) {
            Some(frame) => Ok(frame),
            None => panic!("frame {index} of {}", Trajectory::len(self)),
        }
    }

    fn len(&self) -> usize {
        self.energies.len()
    }
}

impl Trajectory {
    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.energies.len()
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.energies.is_empty()
    }

    /// Atomic numbers, the same in each frame, `[atoms]`.
    #[must_use]
    pub fn species(&self) -> &[u8] {
        &self.species
    }

    /// A frame, with [`ENERGY`] in kcal/mol and [`FORCES`] in kcal/(mol A); `None` behind the last.
    #[must_use]
    pub fn frame(&self, index: usize) -> Option<Structure> {
        let energy = *self.energies.get(index)?;
        let unit = EnergyUnit::KilocaloriePerMole;
        let atoms = index * self.species.len()..(index + 1) * self.species.len();
        Some(Structure {
            species: self.species.clone(),
            positions: self.positions[atoms.clone()].to_vec(),
            properties: vec![Property {
                name: ENERGY.to_owned(),
                unit: Some(Unit::Energy(unit)),
                value: Value::Numbers(vec![energy]),
            }],
            atom_properties: vec![AtomProperty {
                name: FORCES.to_owned(),
                unit: Some(Unit::Force(unit)),
                width: 3,
                values: AtomValues::Real(self.forces[3 * atoms.start..3 * atoms.end].to_vec()),
            }],
            ..Structure::default()
        })
    }

    /// All frames in their order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Structure> {
        (0..self.len()).map(|index| self.frame(index).unwrap_or_default())
    }
}

/// The indices of a published split, taken to count from 0 (see the module), one to a line, each below `frames` and
/// none twice. So a list counted from 1 that holds the last frame is refused.
///
/// # Errors
/// [`ReadError`] with the line otherwise.
pub fn read_split(path: impl AsRef<Path>, frames: usize) -> Result<Vec<usize>, ReadError> {
    let mut lines = Lines::open(path.as_ref())?;
    let mut indices = Vec::new();
    let mut seen = vec![false; frames];
    while let Some(line) = lines.next_line()? {
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        let index = text.parse::<usize>().ok().filter(|&index| index < frames);
        let fault = match index {
            None => invalid(text, "index of a frame"),
            Some(index) if seen[index] => LineFault::Twice {
                key: text.to_owned(),
            },
            Some(index) => {
                seen[index] = true;
                indices.push(index);
                continue;
            }
        };
        return Err(lines.fault(fault));
    }
    Ok(indices)
}
