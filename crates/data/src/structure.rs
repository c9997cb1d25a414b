//! Atoms in space with what is known about them.

use steerable_graph::Cell;
use thiserror::Error;

use crate::{EnergyUnit, Unit};

/// Atoms in space: a molecule, or the contents of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structure {
    /// Atomic numbers, `[atoms]`.
    pub species: Vec<u8>,
    /// In angstrom, `[atoms, 3]`.
    pub positions: Vec<[f64; 3]>,
    /// The cell, if the structure has one.
    pub cell: Option<Cell>,
    /// The bonds, each once; `None` where they are not known.
    pub bonds: Option<Vec<Bond>>,
    /// What is known of the whole: energy, name, dipole.
    pub properties: Vec<Property>,
    /// What is known of each atom: forces, charges.
    pub atom_properties: Vec<AtomProperty>,
}

/// A bond between two atoms.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Bond {
    /// The indices of the atoms, the smaller first.
    pub atoms: [u32; 2],
    /// Which of the four kinds it is.
    pub kind: BondKind,
}

/// The four kinds of bonds that models tell apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BondKind {
    /// One pair of electrons.
    Single,
    /// Two pairs.
    Double,
    /// Three pairs.
    Triple,
    /// In an aromatic ring.
    Aromatic,
}

/// A named property of a structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name, as in the file.
    pub name: String,
    /// Its unit, where that is known.
    pub unit: Option<Unit>,
    /// Its value.
    pub value: Value,
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Finite numbers, one or more.
    Numbers(Vec<f64>),
    /// Anything else.
    Text(String),
}

/// A named property of all atoms.
#[derive(Clone, Debug, PartialEq)]
pub struct AtomProperty {
    /// Its name, as in the file.
    pub name: String,
    /// Its unit, where that is known.
    pub unit: Option<Unit>,
    /// Values for each atom.
    pub width: usize,
    /// The values, atom by atom, `[atoms, width]`.
    pub values: AtomValues,
}

/// The values of a property of all atoms.
#[derive(Clone, Debug, PartialEq)]
pub enum AtomValues {
    /// Real numbers, all finite.
    Real(Vec<f64>),
    /// Integers.
    Integer(Vec<i64>),
    /// Yes or no.
    Logical(Vec<bool>),
    /// Words.
    Text(Vec<String>),
}

/// Why a property cannot be had as asked.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PropertyError {
    /// There is none of that name.
    #[error("no property {wanted:?}, only {present:?}")]
    Missing {
        /// The name asked for.
        wanted: String,
        /// The names that there are.
        present: Vec<String>,
    },
    /// It is of another kind.
    #[error("property {name:?} is not {expected}")]
    WrongKind {
        /// Its name.
        name: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// Its unit is none of energy or force, or not known.
    #[error("property {name:?} has no unit of energy or force")]
    NoEnergyUnit {
        /// Its name.
        name: String,
    },
}

impl Structure {
    /// Number of atoms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.species.len()
    }

    /// Whether there is no atom.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.species.is_empty()
    }

    /// The property of that name.
    ///
    /// # Errors
    /// [`PropertyError::Missing`], with the names that there are.
    pub fn property(&self, name: &str) -> Result<&Property, PropertyError> {
        let found = self.properties.iter().find(|p| p.name == name);
        found.ok_or_else(|| missing(name, self.properties.iter().map(|p| &p.name)))
    }

    /// The property of atoms of that name.
    ///
    /// # Errors
    /// [`PropertyError::Missing`], with the names that there are.
    pub fn atom_property(&self, name: &str) -> Result<&AtomProperty, PropertyError> {
        let found = self.atom_properties.iter().find(|p| p.name == name);
        found.ok_or_else(|| missing(name, self.atom_properties.iter().map(|p| &p.name)))
    }

    /// The one number that a property is, in its own unit.
    ///
    /// # Errors
    /// [`PropertyError`] if there is no such property, or if it is not one number.
    pub fn number(&self, name: &str) -> Result<f64, PropertyError> {
        match &self.property(name)?.value {
            Value::Numbers(numbers) if numbers.len() == 1 => Ok(numbers[0]),
            _ => Err(wrong_kind(name, "one finite number")),
        }
    }

    /// A property that is one vector, in its own unit.
    ///
    /// # Errors
    /// [`PropertyError`] if there is no such property, or if it is not three numbers.
    pub fn vector(&self, name: &str) -> Result<[f64; 3], PropertyError> {
        match &self.property(name)?.value {
            Value::Numbers(numbers) => numbers.as_slice().try_into(),
            Value::Text(_) => [].as_slice().try_into(),
        }
        .map_err(|_| wrong_kind(name, "three finite numbers"))
    }

    /// A property of atoms that is one number for each, in its own unit.
    ///
    /// # Shapes
    /// `[atoms]`
    ///
    /// # Errors
    /// [`PropertyError`] if there is no such property, or if it is not one number for each atom.
    pub fn scalars(&self, name: &str) -> Result<Vec<f64>, PropertyError> {
        let property = self.atom_property(name)?;
        match &property.values {
            AtomValues::Real(values) if property.width == 1 => Ok(values.clone()),
            AtomValues::Integer(values) if property.width == 1 => {
                Ok(values.iter().map(|&value| value as f64).collect())
            }
            _ => Err(wrong_kind(name, "one number for each atom")),
        }
    }

    /// A property that is an energy, in the unit asked for.
    ///
    /// # Errors
    /// [`PropertyError`] if there is no such number, or if its unit is no unit of energy.
    pub fn energy(&self, name: &str, unit: EnergyUnit) -> Result<f64, PropertyError> {
        match self.property(name)?.unit {
            Some(Unit::Energy(own)) => Ok(self.number(name)? * own.factor_to(unit)),
            _ => Err(no_energy_unit(name)),
        }
    }

    /// A property of atoms that is one vector for each, in its own unit.
    ///
    /// # Shapes
    /// `[atoms, 3]`
    ///
    /// # Errors
    /// [`PropertyError`] if there is no such property, or if it is not three real numbers for each atom.
    pub fn vectors(&self, name: &str) -> Result<Vec<[f64; 3]>, PropertyError> {
        let property = self.atom_property(name)?;
        match &property.values {
            AtomValues::Real(values) if property.width == 3 => {
                Ok(values.as_chunks::<3>().0.to_vec())
            }
            _ => Err(wrong_kind(name, "three real numbers for each atom")),
        }
    }

    /// A property of atoms that is a force, per angstrom in the unit of energy asked for.
    ///
    /// # Shapes
    /// `[atoms, 3]`
    ///
    /// # Errors
    /// [`PropertyError`] if there are no such vectors, or if their unit is no unit of force.
    pub fn forces(&self, name: &str, unit: EnergyUnit) -> Result<Vec<[f64; 3]>, PropertyError> {
        let Some(Unit::Force(own)) = self.atom_property(name)?.unit else {
            return Err(no_energy_unit(name));
        };
        let factor = own.factor_to(unit);
        let mut vectors = self.vectors(name)?;
        for vector in &mut vectors {
            *vector = vector.map(|component| component * factor);
        }
        Ok(vectors)
    }
}

fn missing<'a>(wanted: &str, present: impl Iterator<Item = &'a String>) -> PropertyError {
    PropertyError::Missing {
        wanted: wanted.to_owned(),
        present: present.cloned().collect(),
    }
}

fn wrong_kind(name: &str, expected: &'static str) -> PropertyError {
    PropertyError::WrongKind {
        name: name.to_owned(),
        expected,
    }
}

fn no_energy_unit(name: &str) -> PropertyError {
    PropertyError::NoEnergyUnit {
        name: name.to_owned(),
    }
}
