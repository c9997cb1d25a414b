//! Which bonds of a molecule are aromatic.
//!
//! The model is RDKit's: an atom of a ring gives none, one or two electrons to it, and a ring, or a union of
//! fused rings, whose atoms all can give some is aromatic if it has 4n + 2. An exocyclic double bond to an
//! atom that is more electronegative takes the electron with it.
//!
//! # Source
//! "The RDKit Book", section Aromaticity.

use super::rings::{Ring, relevant_rings};
use crate::BondKind;

/// A heavy atom as its neighbourhood has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Atom {
    /// Atomic number.
    pub(super) element: u8,
    /// Formal charge in e.
    pub(super) charge: i8,
    /// Hydrogens bound to it.
    pub(super) hydrogens: u8,
}

/// A bond between two heavy atoms.
pub(super) type HeavyBond = (usize, usize, BondKind);

/// More fused rings are not looked at together.
const MOST_FUSED: usize = 6;

/// Tells the bonds that are aromatic to be so. Bonds come in their Kekule form.
pub(super) fn set_aromatic(atoms: &[Atom], bonds: &mut [HeavyBond]) {
    if bonds.iter().all(|bond| bond.2 == BondKind::Single) {
        return;
    }
    let rings = relevant_rings(atoms.len(), bonds);
    let ring_bonds = rings.iter().fold(0, |all, ring| all | ring.bonds);
    let donors: Vec<_> = (0..atoms.len())
        .map(|atom| electrons(atom, atoms, bonds, ring_bonds))
        .collect();
    let candidates: Vec<Ring> = rings
        .into_iter()
        .filter(|ring| ring.atoms().all(|atom| donors[atom].is_some()))
        .collect();
    let aromatic = aromatic_bonds(&candidates, &donors);
    for (index, bond) in bonds.iter_mut().enumerate() {
        if aromatic >> index & 1 == 1 {
            bond.2 = BondKind::Aromatic;
        }
    }
}

/// The bonds of all unions of fused rings with 4n + 2 electrons, the smallest unions first, until each bond
/// of its fused system is in one.
fn aromatic_bonds(rings: &[Ring], donors: &[Option<u8>]) -> u64 {
    let mut aromatic = 0;
    for system in fused_systems(rings) {
        let all = system.iter().fold(0, |all, &ring| all | rings[ring].bonds);
        let mut found = 0;
        for size in 1..=system.len().min(MOST_FUSED) {
            if found == all {
                break;
            }
            for union in (0u64..1 << system.len()).filter(|set| set.count_ones() == size as u32) {
                let members = (0..system.len()).filter(|place| union >> place & 1 == 1);
                let members: Vec<_> = members.map(|place| rings[system[place]]).collect();
                if fused_systems(&members).len() == 1 && has_aromatic_count(&members, donors) {
                    // Bonds that two of the rings share are inside.
                    found |= members.iter().fold(0, |outline, ring| outline ^ ring.bonds);
                }
            }
        }
        aromatic |= found;
    }
    aromatic
}

/// Whether the atoms of one or two of the rings give 4n + 2 electrons.
fn has_aromatic_count(rings: &[Ring], donors: &[Option<u8>]) -> bool {
    let is_counted = |&atom: &usize| {
        let rings = rings.iter().filter(|ring| ring.atoms >> atom & 1 == 1);
        matches!(rings.count(), 1 | 2)
    };
    let atoms = (0..donors.len()).filter(is_counted);
    let electrons: u32 = atoms.filter_map(|atom| donors[atom]).map(u32::from).sum();
    electrons % 4 == 2
}

/// Indices of rings, by what shares bonds with what.
fn fused_systems(rings: &[Ring]) -> Vec<Vec<usize>> {
    let mut left: Vec<usize> = (0..rings.len()).rev().collect();
    let mut systems = Vec::new();
    while let Some(first) = left.pop() {
        let (mut system, mut bonds) = (vec![first], rings[first].bonds);
        while let Some(place) = left.iter().position(|&ring| rings[ring].bonds & bonds != 0) {
            let ring = left.remove(place);
            bonds |= rings[ring].bonds;
            system.push(ring);
        }
        systems.push(system);
    }
    systems
}

/// How many electrons an atom gives to a ring; `None` if it cannot be in an aromatic one.
fn electrons(atom: usize, atoms: &[Atom], bonds: &[HeavyBond], ring_bonds: u64) -> Option<u8> {
    let Atom {
        element,
        charge,
        hydrogens,
    } = atoms[atom];
    let (valence, outer) = (valence(element)?, outer_electrons(element)?);
    let own = bonds
        .iter()
        .enumerate()
        .filter_map(|(index, &(a, b, kind))| {
            let other = if a == atom { b } else { a };
            (a == atom || b == atom).then_some((other, order(kind), ring_bonds >> index & 1 == 1))
        });
    let own: Vec<_> = own.collect();
    let degree = own.len() as i32 + i32::from(hydrogens);
    let orders: i32 = own.iter().map(|&(_, order, _)| order).sum();
    let multiple = own.iter().filter(|&&(_, order, _)| order > 1);
    let (multiple, unsaturation) = (multiple.count(), orders - own.len() as i32);
    let total = orders + i32::from(hydrogens);
    // An atom with a charge has the valence of its neighbour in the table.
    let allowed = self::valence(element.checked_add_signed(-charge)?).unwrap_or(0);
    if valence <= 1 || degree > 3 || multiple > 1 || total > allowed {
        return None;
    }
    let lone = (outer - valence - i32::from(charge)).max(0);
    let mut electrons = valence - degree + lone;
    if electrons > 1 && unsaturation > 1 {
        electrons = 1;
    }
    let outside = own
        .iter()
        .find(|&&(_, order, in_ring)| order > 1 && !in_ring);
    let is_taken = outside.is_some_and(|&(other, ..)| {
        outer_electrons(atoms[other].element).is_some_and(|other| other > outer)
    });
    match electrons {
        ..0 => None,
        0 if outside.is_some() => Some(0),
        0 => (multiple > 0).then_some(1),
        1 if is_taken => Some(0),
        1 if multiple > 0 => Some(1),
        1 => (charge == 1).then_some(0),
        _ => {
            let electrons = electrons - i32::from(is_taken);
            Some(if electrons % 2 == 1 { 1 } else { 2 })
        }
    }
}

fn order(kind: BondKind) -> i32 {
    match kind {
        BondKind::Single | BondKind::Aromatic => 1,
        BondKind::Double => 2,
        BondKind::Triple => 3,
    }
}

/// The usual number of bonds.
fn valence(element: u8) -> Option<i32> {
    match element {
        5 | 7 => Some(3),
        6 => Some(4),
        8 => Some(2),
        9 => Some(1),
        _ => None,
    }
}

fn outer_electrons(element: u8) -> Option<i32> {
    match element {
        6..=9 => Some(i32::from(element) - 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::bonds::{SmilesGraph, parse};
    use super::*;

    /// The number of aromatic bonds, each atom having the hydrogens that its valence leaves room for.
    fn aromatic(smiles: &str) -> usize {
        let SmilesGraph {
            mut atoms,
            mut bonds,
        } = parse(smiles).unwrap();
        for (index, atom) in atoms.iter_mut().enumerate() {
            let own = bonds
                .iter()
                .filter(|bond| bond.0 == index || bond.1 == index);
            let orders: i32 = own.map(|bond| order(bond.2)).sum();
            let valence = valence(atom.element.checked_add_signed(-atom.charge).unwrap());
            atom.hydrogens = (valence.unwrap() - orders).try_into().unwrap();
        }
        set_aromatic(&atoms, &mut bonds);
        bonds
            .iter()
            .filter(|bond| bond.2 == BondKind::Aromatic)
            .count()
    }

    #[test]
    fn golden_aromatic_bonds_are_those_of_rdkit() {
        // Counted by RDKit 2026.9.1.
        let golden = [
            ("C1=CC=CC=C1", 6),
            ("C1=CNC=C1", 5),
            ("C1=COC=C1", 5),
            ("C1=NN=NN1", 5),
            ("O=C1C=CC=CN1", 6),
            ("O=C1NC=CC(=O)N1", 6),
            ("N=C1C=CNC=C1", 6),
            ("[O-][N+]1=CC=CC=C1", 6),
            ("[NH2+]=C1C=CC([O-])=CN1", 6),
            ("C#CC1=CC=CC=C1", 6),
            ("O=C1C=C1", 3),
            ("C1=CN2C=CN=C2N1", 9),
            ("C1=CC2=C(C=C1)C=CN2", 10),
            ("C1=CC2=CC=CN2C=C1", 10),
            ("N1C=CC=CC=CC=C1", 9),
            ("C1=CC=C2C=CC2=C1", 6),
            ("C1CC2=C1C=CC=C2", 6),
            ("C1C=CC=C1", 0),
            ("C=C1C=CC=C1", 0),
            ("O=C1C=CC(=O)C=C1", 0),
            ("C1=CC=CC=CC=C1", 0),
            ("N1C=CC=CC=C1", 0),
            ("C#CC#C", 0),
        ];
        for (smiles, bonds) in golden {
            assert_eq!(aromatic(smiles), bonds, "{smiles}");
        }
    }
}
