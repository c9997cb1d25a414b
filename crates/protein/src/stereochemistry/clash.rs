//! Atoms that are closer than their van der Waals radii allow.

use std::fmt;

use nalgebra::Vector3;
use steerable_graph::{Graph, GraphError};

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

/// Where an atom is in the chains.
#[derive(Clone, Copy)]
struct Place<'a> {
    chain: usize,
    residue: usize,
    atom: &'a Atom,
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

/// Compares all atoms of different residues, of all chains. Peptide bonds between neighbours and disulfide
/// bonds are no clashes.
///
/// # Source
/// The criterion is that of Jumper et al. 2021, supplement, section 1.9.11.
pub(super) fn find(chains: &[Chain], config: ClashConfig) -> Result<Vec<Clash>, GraphError> {
    let places: Vec<Place<'_>> = chains
        .iter()
        .enumerate()
        .flat_map(|(chain, of)| of.residues.iter().enumerate().map(move |r| (chain, r)))
        .flat_map(|(chain, (residue, of))| {
            let place = move |atom| Place {
                chain,
                residue,
                atom,
            };
            of.atoms.iter().map(place)
        })
        .collect();
    let positions: Vec<[f64; 3]> = places.iter().map(|at| at.atom.position.into()).collect();
    let reach = 2.0 * LARGEST_RADIUS - config.tolerance;
    let graph = Graph::radius(&positions, reach)?;
    let mut clashes = Vec::new();
    for (at, place) in places.iter().enumerate() {
        for &other in &graph.src()[graph.incoming(at)] {
            let other = &places[other as usize];
            let first = (place.chain, place.residue);
            // Each pair once, from its first atom, and none within a residue.
            if first >= (other.chain, other.residue) || are_bonded(place, other) {
                continue;
            }
            let radii = [place, other].map(|p| van_der_waals_radius(&p.atom.element));
            let distance = distance(&place.atom.position, &other.atom.position);
            let overlap = radii[0] + radii[1] - distance;
            if overlap > config.tolerance {
                let atoms = [place, other].map(|p| ClashAtom {
                    residue: chains[p.chain].residue_id(p.residue),
                    atom: p.atom.name.clone(),
                });
                clashes.push(Clash {
                    atoms,
                    distance,
                    overlap,
                });
            }
        }
    }
    Ok(clashes)
}

fn distance(a: &Vector3<f64>, b: &Vector3<f64>) -> f64 {
    (a - b).norm()
}

/// A peptide bond from the first residue to the second, which follows it, or a disulfide bond.
fn are_bonded(one: &Place<'_>, two: &Place<'_>) -> bool {
    let names = (one.atom.name.as_str(), two.atom.name.as_str());
    let follows = one.chain == two.chain && one.residue + 1 == two.residue;
    (follows && names == ("C", "N")) || names == ("SG", "SG")
}
