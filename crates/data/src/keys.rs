//! Which properties of structures a model is to tell.

use crate::{EnergyUnit, PropertyError, Quantities, Sample, Structure};

/// The names under which structures have what models are trained on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SampleKeys {
    /// The energy, one number.
    pub energy: Option<String>,
    /// The forces, a vector of each atom.
    pub forces: Option<String>,
    /// The dipole moment, one vector.
    pub dipole: Option<String>,
    /// The charges, a number of each atom.
    pub charges: Option<String>,
    /// What energies are to be told in, and forces for each angstrom.
    pub unit: EnergyUnit,
}

impl SampleKeys {
    /// The keys that a structure has, energies in eV. Where there are several, those of reference data
    /// (`REF_energy`), which MACE reads, come before ASE's own (`energy`), and these before a free energy.
    #[must_use]
    pub fn of(structure: &Structure) -> Self {
        let property = |names: &[&str]| {
            let mut known = names.iter().filter(|name| structure.property(name).is_ok());
            known.next().map(|&name| name.to_owned())
        };
        let of_atoms = |names: &[&str]| {
            let mut known = names
                .iter()
                .filter(|name| structure.atom_property(name).is_ok());
            known.next().map(|&name| name.to_owned())
        };
        Self {
            energy: property(&["REF_energy", "energy", "free_energy"]),
            forces: of_atoms(&["REF_forces", "forces"]),
            dipole: property(&["REF_dipole", "dipole"]),
            charges: of_atoms(&["REF_charges", "charges", "charge"]),
            unit: EnergyUnit::ElectronVolt,
        }
    }

    /// A structure as models take it. Targets are the energy as the scalar, the dipole moment as the vector, the
    /// charges as scalars and the forces as vectors of the nodes, each of which there is a key for.
    ///
    /// # Errors
    /// [`PropertyError`] if a property is not there, is of another kind or has no unit of energy.
    pub fn sample(&self, structure: &Structure) -> Result<Sample, PropertyError> {
        let mut targets = Quantities::default();
        if let Some(name) = &self.energy {
            targets.scalars = vec![structure.energy(name, self.unit)?];
        }
        if let Some(name) = &self.dipole {
            targets.vectors = vec![structure.vector(name)?];
        }
        if let Some(name) = &self.charges {
            targets.node_scalars = structure.scalars(name)?;
        }
        if let Some(name) = &self.forces {
            targets.node_vectors = structure.forces(name, self.unit)?;
        }
        Ok(Sample {
            species: structure.species.clone(),
            positions: structure.positions.clone(),
            cell: structure.cell,
            bonds: structure.bonds.clone(),
            targets,
            ..Sample::default()
        })
    }
}
