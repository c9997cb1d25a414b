//! Bonds of a molecule, from its SMILES string and its coordinates.

use super::aromatic::{Atom, HeavyBond, set_aromatic};
use crate::lines::invalid;
use crate::{Bond, BondKind, LineFault, element};

/// The bonds, or `None` where string and coordinates do not fit.
///
/// # Errors
/// [`LineFault::Invalid`] if the string is no SMILES string of the kind that QM9 has.
pub(super) fn bonds(
    smiles: &str,
    species: &[u8],
    positions: &[[f64; 3]],
) -> Result<Option<Vec<Bond>>, LineFault> {
    let mut graph = parse(smiles).ok_or_else(|| invalid(smiles, "SMILES string"))?;
    let heavy: Vec<usize> = (0..species.len()).filter(|&i| species[i] != 1).collect();
    let elements = graph.atoms.iter().map(|atom| atom.element);
    if heavy.is_empty() || !elements.eq(heavy.iter().map(|&i| species[i])) {
        return Ok(None);
    }
    let mut bonds = Vec::with_capacity(species.len() + 2);
    for hydrogen in (0..species.len()).filter(|&i| species[i] == 1) {
        let distance = |&i: &usize| distance(positions[hydrogen], positions[heavy[i]]);
        let nearest = (0..heavy.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(atom) = nearest {
            graph.atoms[atom].hydrogens = graph.atoms[atom].hydrogens.saturating_add(1);
            bonds.push(bond(heavy[atom], hydrogen, BondKind::Single));
        }
    }
    set_aromatic(&graph.atoms, &mut graph.bonds);
    for &(a, b, kind) in &graph.bonds {
        bonds.push(bond(heavy[a], heavy[b], kind));
    }
    bonds.sort_unstable_by_key(|bond| bond.atoms);
    let fits = |bond: &Bond| {
        let [a, b] = bond.atoms.map(|atom| atom as usize);
        let radii = covalent_radius(species[a]) + covalent_radius(species[b]);
        distance(positions[a], positions[b]) < LONGEST_BOND * radii
    };
    Ok(bonds.iter().all(fits).then_some(bonds))
}

/// The bonds of any molecule with those told to be aromatic that would be in QM9: by the rules of RDKit's that the
/// module names, of bonds in a Kekule form, as files have them. `charges` are the formal ones of the atoms, in e, zeros
/// if they are not given.
///
/// Molecules with an aromatic bond already, and those of more than 64 heavy atoms or 64 bonds between them, stay as
/// they are.
///
/// # Panics
/// If a bond names an atom that is none, or there are not as many charges as atoms.
#[must_use]
pub fn with_aromatic(species: &[u8], charges: Option<&[i64]>, bonds: &[Bond]) -> Vec<Bond> {
    const MOST: usize = 64;
    let mut told = bonds.to_vec();
    let mut places = vec![None; species.len()];
    let mut atoms = Vec::new();
    for (index, &element) in species.iter().enumerate().filter(|(_, z)| **z != 1) {
        places[index] = Some(atoms.len());
        let charge = charges.map_or(0, |charges| charges[index]);
        atoms.push(Atom {
            element,
            charge: i8::try_from(charge).unwrap_or_default(),
            hydrogens: 0,
        });
    }
    let (mut heavy, mut numbers) = (Vec::new(), Vec::new());
    for (number, bond) in bonds.iter().enumerate() {
        match bond.atoms.map(|atom| places[atom as usize]) {
            [Some(a), Some(b)] => {
                heavy.push((a, b, bond.kind));
                numbers.push(number);
            }
            [Some(atom), None] | [None, Some(atom)] => {
                let hydrogens = &mut atoms[atom].hydrogens;
                *hydrogens = hydrogens.saturating_add(1);
            }
            [None, None] => {}
        }
    }
    let is_told = bonds.iter().any(|bond| bond.kind == BondKind::Aromatic);
    if is_told || atoms.len() > MOST || heavy.len() > MOST {
        return told;
    }
    set_aromatic(&atoms, &mut heavy);
    for (number, (_, _, kind)) in numbers.into_iter().zip(heavy) {
        told[number].kind = kind;
    }
    told
}

/// The longest bond in units of the sum of its atoms' covalent radii.
const LONGEST_BOND: f64 = 1.45;

fn bond(a: usize, b: usize, kind: BondKind) -> Bond {
    Bond {
        atoms: [a.min(b) as u32, a.max(b) as u32],
        kind,
    }
}

/// In angstrom.
///
/// # Source
/// B. Cordero et al., "Covalent radii revisited", Dalton Trans., 2832 (2008).
fn covalent_radius(atomic_number: u8) -> f64 {
    match atomic_number {
        1 => 0.31,
        6 => 0.76,
        7 => 0.71,
        8 => 0.66,
        _ => 0.57,
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let squares = (0..3).map(|k| (a[k] - b[k]).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Heavy atoms in the order of the string, and the bonds between them.
#[derive(Default)]
pub(super) struct SmilesGraph {
    /// Without their hydrogens.
    pub(super) atoms: Vec<Atom>,
    pub(super) bonds: Vec<HeavyBond>,
}

/// A Kekule SMILES string: atoms of the organic subset or in brackets, bonds, branches, ring closures of one
/// digit. QM9 has no more than that.
pub(super) fn parse(smiles: &str) -> Option<SmilesGraph> {
    let mut graph = SmilesGraph::default();
    let mut branches = Vec::new();
    let mut rings: [Option<(usize, Option<BondKind>)>; 10] = [None; 10];
    let mut last: Option<usize> = None;
    let mut kind: Option<BondKind> = None;
    let mut rest = smiles;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        match character {
            '(' => branches.push(last?),
            ')' => last = Some(branches.pop()?),
            '-' => kind = Some(BondKind::Single),
            '=' => kind = Some(BondKind::Double),
            '#' => kind = Some(BondKind::Triple),
            '0'..='9' => {
                let atom = last?;
                let ring = &mut rings[character as usize - '0' as usize];
                match ring.take() {
                    None => *ring = Some((atom, kind.take())),
                    Some((other, _)) if other == atom => return None,
                    Some((other, at_start)) => {
                        let kind = kind.take().or(at_start).unwrap_or(BondKind::Single);
                        graph.bonds.push((other, atom, kind));
                    }
                }
            }
            _ => {
                let (symbol, charge) = if character == '[' {
                    length = rest.find(']')? + 1;
                    let inner = &rest[1..length - 1];
                    (inner.get(..1)?, charge(inner)?)
                } else {
                    (rest.get(..1)?, 0)
                };
                let atom = graph.atoms.len();
                let known = element::atomic_number(symbol);
                graph.atoms.push(Atom {
                    element: known.filter(|&z| z != 1 && super::is_known(z))?,
                    charge,
                    hydrogens: 0,
                });
                if let Some(last) = last {
                    let kind = kind.take().unwrap_or(BondKind::Single);
                    graph.bonds.push((last, atom, kind));
                }
                last = Some(atom);
            }
        }
        rest = &rest[length..];
    }
    let closed = branches.is_empty() && rings.iter().all(Option::is_none) && kind.is_none();
    closed.then_some(graph)
}

/// The charge at the end of what stands in brackets: a sign, or none.
fn charge(inner: &str) -> Option<i8> {
    match inner.split_once(['+', '-']) {
        None => Some(0),
        Some((_, "")) => Some(if inner.ends_with('+') { 1 } else { -1 }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_give_their_bonds_by_kind() {
        use BondKind::{Double, Single, Triple};
        let bonds = |smiles| parse(smiles).map(|graph| graph.bonds);
        assert_eq!(bonds("C"), Some(vec![]));
        assert_eq!(
            bonds("C=CC#N"),
            Some(vec![(0, 1, Double), (1, 2, Single), (2, 3, Triple)])
        );
        let branch = vec![(0, 1, Single), (1, 2, Double), (1, 3, Single)];
        assert_eq!(bonds("CC(=O)[O-]"), Some(branch));
        let ring = vec![(0, 1, Single), (1, 2, Double), (0, 2, Single)];
        assert_eq!(bonds("C1C=C1"), Some(ring));
    }

    #[test]
    fn what_is_no_such_string_is_refused() {
        for text in [
            "C(", "C)", "C1C", "=", "C=", "c1ccccc1", "[", "[]", "1", "(C)", "C11", "é", "X",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
