//! Hydrogen bonds between amides and carbonyls, by their electrostatic energy.

use nalgebra::Vector3;

use crate::{AminoAcid, BackboneResidue, Chain, ChainBackbone};

/// The charges' product times the conversion to kcal/mol: 0.42 x 0.20 x 332.
const COUPLING: f64 = 27.888;
/// A bond is below this energy, in kcal/mol.
const MAX_ENERGY: f64 = -0.5;
/// The energy of atoms closer than [`MIN_DISTANCE`], and the lowest there is.
const MIN_ENERGY: f64 = -9.9;
/// In angstrom.
const MIN_DISTANCE: f64 = 0.5;
/// Residues whose CA are farther apart are not tried, in angstrom.
const MAX_CA_DISTANCE: f64 = 9.0;

/// A residue of the backbone as a giver and a taker of hydrogen bonds.
pub(super) struct PeptideUnit {
    pub(super) atoms: BackboneResidue,
    o: Vector3<f64>,
    /// `None` where nothing says where it is, at the start of a piece, and in proline, which has none.
    h: Option<Vector3<f64>>,
    /// The number of breaks before it: residues of one piece are bonded without a gap.
    pub(super) piece: usize,
}

impl PeptideUnit {
    pub(super) fn of_chain(chain: &Chain, traced: &ChainBackbone) -> Vec<Self> {
        let backbone = &traced.backbone;
        let oxygens = chain.carbonyl_oxygens(traced);
        let mut piece = 0;
        let unit = |i: usize| {
            let atoms = backbone.residues()[i];
            let is_bonded = backbone.is_bonded_to_previous(i);
            piece += usize::from(i > 0 && !is_bonded);
            let is_proline = chain.residues[traced.residues[i]].amino_acid == AminoAcid::Proline;
            // The amide lies in the plane of the peptide, opposite to the carbonyl before it.
            let h = (is_bonded && !is_proline).then(|| {
                let carbonyl = backbone.residues()[i - 1].c - oxygens[i - 1];
                atoms.n + carbonyl.normalize()
            });
            let o = oxygens[i];
            Self { atoms, o, h, piece }
        };
        (0..backbone.len()).map(unit).collect()
    }

    /// The energy of the bond from this residue's amide to another's carbonyl, in kcal/mol.
    fn energy_to(&self, acceptor: &Self) -> f64 {
        let Some(h) = self.h else { return 0.0 };
        let n = self.atoms.n;
        let (o, c) = (acceptor.o, acceptor.atoms.c);
        let distances = [h - o, h - c, n - c, n - o].map(|d| d.norm());
        if distances.iter().any(|&d| d < MIN_DISTANCE) {
            return MIN_ENERGY;
        }
        let [ho, hc, nc, no] = distances.map(f64::recip);
        // Thousandths, which DSSP keeps for the sake of its first version.
        let energy = -COUPLING * (ho - hc + nc - no);
        ((energy * 1000.0).round() / 1000.0).max(MIN_ENERGY)
    }
}

/// For each amide the two carbonyls it is bonded to best.
pub(super) struct HydrogenBonds {
    acceptors: Vec<[Option<(usize, f64)>; 2]>,
}

impl HydrogenBonds {
    pub(super) fn of(units: &[PeptideUnit]) -> Self {
        let mut acceptors = vec![[None; 2]; units.len()];
        for (donor, best) in acceptors.iter_mut().enumerate() {
            for acceptor in 0..units.len() {
                // A residue's own carbonyl and the one that its amide is part of are no partners.
                if acceptor == donor || acceptor + 1 == donor {
                    continue;
                }
                let between = units[donor].atoms.ca - units[acceptor].atoms.ca;
                if between.norm_squared() > MAX_CA_DISTANCE * MAX_CA_DISTANCE {
                    continue;
                }
                let energy = units[donor].energy_to(&units[acceptor]);
                if energy < MAX_ENERGY {
                    keep_best(best, (acceptor, energy));
                }
            }
        }
        Self { acceptors }
    }

    /// Whether the amide of one residue is bonded to the carbonyl of the other.
    pub(super) fn holds(&self, donor: usize, acceptor: usize) -> bool {
        let mut bonds = self.acceptors[donor].iter().flatten();
        bonds.any(|&(partner, _)| partner == acceptor)
    }
}

/// The two of lowest energy, the lower first; of equals those that came first.
fn keep_best(best: &mut [Option<(usize, f64)>; 2], bond: (usize, f64)) {
    let is_lower = |than: Option<(usize, f64)>| than.is_none_or(|(_, energy)| bond.1 < energy);
    if is_lower(best[0]) {
        *best = [Some(bond), best[0]];
    } else if is_lower(best[1]) {
        best[1] = Some(bond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lowest_energies_are_kept() {
        let mut best = [None; 2];
        for bond in [(1, -0.6), (2, -2.0), (3, -1.0), (4, -2.0)] {
            keep_best(&mut best, bond);
        }
        assert_eq!(best, [Some((2, -2.0)), Some((4, -2.0))]);
    }

    #[test]
    fn the_energy_of_a_straight_bond_is_that_of_the_paper() {
        // Kabsch and Sander: N...O 2.9 angstrom, everything on a line: about -3.0 kcal/mol.
        let at = |x: f64| Vector3::new(x, 0.0, 0.0);
        let unit = |n: f64, c: f64, h: Option<f64>, o: f64| PeptideUnit {
            atoms: BackboneResidue {
                n: at(n),
                ca: at(0.0),
                c: at(c),
            },
            o: at(o),
            h: h.map(at),
            piece: 0,
        };
        let (donor, acceptor) = (unit(0.0, -9.0, Some(1.0), -9.0), unit(9.0, 4.13, None, 2.9));
        let energy = donor.energy_to(&acceptor);
        assert!((-3.2..-2.8).contains(&energy), "{energy}");
        assert_eq!(acceptor.energy_to(&donor), 0.0);
    }
}
