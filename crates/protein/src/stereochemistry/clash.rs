//! Atoms that are closer than their van der Waals radii allow.

use std::collections::HashMap;
use std::fmt;

use nalgebra::Vector3;
use steerable_graph::GraphError;

use crate::{Atom, Chain, ResidueId};

/// When two atoms clash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClashConfig {
    /// By how much the van der Waals radii of two atoms may overlap, in angstrom. The default of 1.5 is that
    /// of lDDT and of AlphaFold. Below about 1.2, angles along the chain and hydrogen bonds count too.
    pub tolerance: f64,
}

impl Default for ClashConfig {
    fn default() -> Self {
        Self { tolerance: 1.5 }
    }
}

/// One of two atoms that clash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClashAtom {
    /// Its residue.
    pub residue: ResidueId,
    /// Its name.
    pub atom: String,
}

/// Two atoms of different residues, not bonded to one another, that are too close.
#[derive(Clone, Debug, PartialEq)]
pub struct Clash {
    /// The two, in the order of the file.
    pub atoms: [ClashAtom; 2],
    /// How far apart they are, in angstrom.
    pub distance: f64,
    /// By how much their van der Waals radii overlap, in angstrom.
    pub overlap: f64,
}

impl Clash {
    /// How many clashes are listed at most; all are counted.
    pub const MOST_LISTED: usize = 10_000;
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = &self.atoms;
        let (distance, overlap) = (self.distance, self.overlap);
        write!(
            f,
            "{} {} - {} {}: {distance:.2} angstrom apart, {overlap:.2} overlap",
            a.residue, a.atom, b.residue, b.atom
        )
    }
}

/// Where an atom is in the chains, and its van der Waals radius.
struct Place<'a> {
    chain: usize,
    residue: usize,
    atom: &'a Atom,
    radius: f64,
}

/// The radius of an element's atoms, in angstrom; a carbon's for those that proteins do not have.
///
/// # Source
/// Bondi 1964, J. Phys. Chem. 68, 441.
fn van_der_waals_radius(element: &str) -> f64 {
    match element {
        "N" => 1.55,
        "O" => 1.52,
        "S" | "P" => 1.80,
        "SE" => 1.90,
        _ => 1.70,
    }
}

/// The largest of [`van_der_waals_radius`].
const LARGEST_RADIUS: f64 = 1.90;

/// Lengths of a bond between two SG atoms, in angstrom: a disulfide's 2.05 and what coarse models make of it.
const DISULFIDE: std::ops::RangeInclusive<f64> = 1.8..=2.4;

/// Compares all atoms of different residues, of all chains. Peptide bonds between neighbours and disulfide
/// bonds are no clashes. Returns the first [`Clash::MOST_LISTED`] and the number of all.
///
/// # Source
/// The criterion is that of Jumper et al. 2021, supplement, section 1.9.11.
pub(super) fn find(
    chains: &[Chain],
    config: ClashConfig,
) -> Result<(Vec<Clash>, usize), GraphError> {
    let places = places(chains);
    let cells = Cells::of(&places, 2.0 * LARGEST_RADIUS - config.tolerance)?;
    let (mut listed, mut count) = (Vec::new(), 0);
    let mut found = Vec::new();
    for (at, place) in places.iter().enumerate() {
        found.clear();
        for &other in cells.around(&place.atom.position) {
            // Each pair once, from its first atom, and none within a residue.
            let later = &places[other];
            if other > at && (place.chain, place.residue) != (later.chain, later.residue) {
                let distance = (place.atom.position - later.atom.position).norm();
                let overlap = place.radius + later.radius - distance;
                if overlap > config.tolerance && !are_bonded(place, later, distance) {
                    found.push((other, distance, overlap));
                }
            }
        }
        count += found.len();
        found.sort_unstable_by_key(|&(other, ..)| other);
        let room = Clash::MOST_LISTED - listed.len();
        listed.extend(found.iter().take(room).map(|&(other, distance, overlap)| {
            let atoms = [place, &places[other]].map(|p| ClashAtom {
                residue: chains[p.chain].residue_id(p.residue),
                atom: p.atom.name.clone(),
            });
            Clash {
                atoms,
                distance,
                overlap,
            }
        }));
    }
    Ok((listed, count))
}

/// All atoms in the order of the file.
fn places(chains: &[Chain]) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (chain, of) in chains.iter().enumerate() {
        for (residue, of) in of.residues.iter().enumerate() {
            places.extend(of.atoms.iter().map(|atom| Place {
                chain,
                residue,
                atom,
                radius: van_der_waals_radius(&atom.element),
            }));
        }
    }
    places
}

/// Atoms by the cube they are in. Pairs are visited and never stored, so that atoms on one another cost no
/// memory.
struct Cells {
    side: f64,
    atoms: HashMap<[i64; 3], Vec<usize>>,
}

impl Cells {
    fn of(places: &[Place<'_>], side: f64) -> Result<Self, GraphError> {
        if !(side.is_finite() && side > 0.0) {
            return Err(GraphError::InvalidRadius { radius: side });
        }
        let mut cells = Self {
            side,
            atoms: HashMap::new(),
        };
        for (node, place) in places.iter().enumerate() {
            let position = &place.atom.position;
            if !position.iter().all(|x| x.is_finite()) {
                let position = (*position).into();
                return Err(GraphError::PositionNotFinite { node, position });
            }
            let cell = cells.cell(position);
            cells.atoms.entry(cell).or_default().push(node);
        }
        Ok(cells)
    }

    /// Far out, where this saturates, floating-point numbers are farther apart than atoms that clash.
    fn cell(&self, position: &Vector3<f64>) -> [i64; 3] {
        position.map(|x| (x / self.side).floor() as i64).into()
    }

    /// The atoms in the cube of a position and in the 26 cubes about it.
    fn around(&self, position: &Vector3<f64>) -> impl Iterator<Item = &usize> {
        let [x, y, z] = self.cell(position);
        let steps = (0..27).map(|step| [step / 9 - 1, step / 3 % 3 - 1, step % 3 - 1]);
        let near = steps.filter_map(move |[dx, dy, dz]| {
            let cell = [x.wrapping_add(dx), y.wrapping_add(dy), z.wrapping_add(dz)];
            self.atoms.get(&cell)
        });
        near.flatten()
    }
}

/// A peptide bond from the first residue to the second, which follows it, or a disulfide bond.
fn are_bonded(one: &Place<'_>, two: &Place<'_>, distance: f64) -> bool {
    let names = (one.atom.name.as_str(), two.atom.name.as_str());
    let follows = one.chain == two.chain && one.residue + 1 == two.residue;
    (follows && names == ("C", "N")) || (names == ("SG", "SG") && DISULFIDE.contains(&distance))
}
