//! A chain as a file has it: residues with all their atoms, and the backbone among them.

use std::fmt;

use nalgebra::Vector3;

use crate::{AminoAcid, Backbone, BackboneResidue};

/// The longest distance from C to the next N, in angstrom, that counts as a peptide bond. The bond
/// is 1.33 long; poorly refined and modelled structures stretch it, and a missing residue leaves 3
/// or more.
pub const MAX_PEPTIDE_BOND: f64 = 2.0;

/// Whether two residues that follow each other are bonded: C and N at most [`MAX_PEPTIDE_BOND`] apart.
pub fn is_peptide_bond(c: &Vector3<f64>, next_n: &Vector3<f64>) -> bool {
    (c - next_n).norm() <= MAX_PEPTIDE_BOND
}

/// An atom other than hydrogen.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    /// Its name in the residue, such as `CA`.
    pub name: String,
    /// The symbol of its element, in upper case.
    pub element: String,
    /// Its position, in angstrom.
    pub position: Vector3<f64>,
    /// The share of the molecules that have it there, 0 to 1.
    pub occupancy: f64,
    /// The B factor, in square angstrom, or what a program writes in its place.
    pub b_factor: f64,
}

/// The number of a residue: neither consecutive nor unique without its insertion code.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ResidueNumber {
    /// The number in the sequence; negative ones occur.
    pub sequence: i32,
    /// The letter that tells apart residues of one number.
    pub insertion: Option<char>,
}

impl fmt::Display for ResidueNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence)?;
        self.insertion
            .iter()
            .try_for_each(|code| write!(f, "{code}"))
    }
}

/// A residue, as messages name it: `A MSE 151`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ResidueId {
    /// The chain.
    pub chain: String,
    /// The residue's name in the file.
    pub name: String,
    /// Its number.
    pub number: ResidueNumber,
}

impl fmt::Display for ResidueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.chain, self.name, self.number)
    }
}

/// A residue with the atoms that were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Residue {
    /// What it counts as.
    pub amino_acid: AminoAcid,
    /// Its name in the file: `MSE` for a methionine with selenium.
    pub name: String,
    /// Its number.
    pub number: ResidueNumber,
    /// Its atoms, in the order of the file; no two of one name.
    pub atoms: Vec<Atom>,
}

impl Residue {
    /// The atom of that name.
    pub fn atom(&self, name: &str) -> Option<&Atom> {
        self.atoms.iter().find(|atom| atom.name == name)
    }

    /// The position of the atom of that name, in angstrom.
    pub fn position(&self, name: &str) -> Option<Vector3<f64>> {
        self.atom(name).map(|atom| atom.position)
    }

    /// N, CA and C, if all three are there.
    pub fn backbone(&self) -> Option<BackboneResidue> {
        Some(BackboneResidue {
            n: self.position("N")?,
            ca: self.position("CA")?,
            c: self.position("C")?,
        })
    }
}

/// The residues of one chain, along the sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// The chain's name; longer than a letter in mmCIF only.
    pub id: String,
    /// Its residues.
    pub residues: Vec<Residue>,
}

/// The backbone of a chain, and what of the chain it leaves out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChainBackbone {
    /// The coordinates, with their breaks.
    pub backbone: Backbone,
    /// For each residue of the backbone its index in the chain.
    pub residues: Vec<usize>,
    /// The residues left out, by their index in the chain.
    pub incomplete: Vec<IncompleteResidue>,
    /// Where the backbone is broken.
    pub breaks: Vec<ChainBreak>,
}

/// A residue that lacks an atom of the backbone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IncompleteResidue {
    /// Its index in the chain.
    pub residue: usize,
    /// Those of N, CA and C that are missing.
    pub missing: Vec<&'static str>,
}

/// Two residues that follow each other in the backbone and are not bonded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainBreak {
    /// The index in the chain of the residue before the break.
    pub before: usize,
    /// The index in the chain of the residue after the break.
    pub after: usize,
    /// From C to N, in angstrom.
    pub distance: f64,
}

impl Chain {
    /// The amino acids of its residues, in order.
    pub fn sequence(&self) -> Vec<AminoAcid> {
        self.residues.iter().map(|r| r.amino_acid).collect()
    }

    /// How messages name residue `index`.
    pub fn residue_id(&self, index: usize) -> ResidueId {
        let residue = &self.residues[index];
        ResidueId {
            chain: self.id.clone(),
            name: residue.name.clone(),
            number: residue.number,
        }
    }

    /// The backbone: residues that have N, CA and C, bonded where [`is_peptide_bond`] says so. The
    /// others are left out and listed; a residue left out inside the chain makes a break.
    pub fn backbone(&self) -> ChainBackbone {
        let mut traced = ChainBackbone::default();
        let mut found: Vec<BackboneResidue> = Vec::with_capacity(self.residues.len());
        let mut bonded = Vec::with_capacity(self.residues.len());
        for (index, residue) in self.residues.iter().enumerate() {
            let Some(atoms) = residue.backbone() else {
                let names = ["N", "CA", "C"].into_iter();
                let missing = names.filter(|name| residue.atom(name).is_none()).collect();
                traced.incomplete.push(IncompleteResidue {
                    residue: index,
                    missing,
                });
                continue;
            };
            let is_bonded = found.last().is_some_and(|before| {
                let is_bonded = is_peptide_bond(&before.c, &atoms.n);
                if !is_bonded {
                    traced.breaks.push(ChainBreak {
                        before: traced.residues[traced.residues.len() - 1],
                        after: index,
                        distance: (before.c - atoms.n).norm(),
                    });
                }
                is_bonded
            });
            bonded.push(is_bonded);
            found.push(atoms);
            traced.residues.push(index);
        }
        traced.backbone = Backbone::new(found, bonded);
        traced
    }

    /// The chain with a number for each residue, such as a confidence, as the B factor of its atoms.
    ///
    /// # Panics
    /// If there is not one number for each residue.
    pub fn with_b_factors(mut self, values: &[f64]) -> Self {
        assert_eq!(
            values.len(),
            self.residues.len(),
            "Chain::with_b_factors: a number for each residue"
        );
        for (residue, value) in self.residues.iter_mut().zip(values) {
            for atom in &mut residue.atoms {
                atom.b_factor = *value;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A residue with atoms of these names on a line, the first at `start`, 1.4 angstrom apart.
    fn residue(number: i32, start: f64, names: &[&str]) -> Residue {
        let atom = |(i, name): (usize, &&str)| Atom {
            name: (*name).into(),
            element: name[..1].into(),
            position: Vector3::new(start + 1.4 * i as f64, 0.0, 0.0),
            occupancy: 1.0,
            b_factor: 0.0,
        };
        Residue {
            amino_acid: AminoAcid::Glycine,
            name: "GLY".into(),
            number: ResidueNumber {
                sequence: number,
                insertion: None,
            },
            atoms: names.iter().enumerate().map(atom).collect(),
        }
    }

    fn chain(residues: Vec<Residue>) -> Chain {
        Chain {
            id: "A".into(),
            residues,
        }
    }

    #[test]
    fn residues_are_bonded_by_distance_and_breaks_are_listed() {
        let full = ["N", "CA", "C"];
        // C of the first is at 2.8: the second N is 1.4 away, the third 5 from the second C.
        let residues = vec![
            residue(1, 0.0, &full),
            residue(2, 4.2, &full),
            residue(9, 12.0, &full),
        ];
        let traced = chain(residues).backbone();
        let bonded: Vec<_> = (0..3)
            .map(|i| traced.backbone.is_bonded_to_previous(i))
            .collect();
        assert_eq!(bonded, [false, true, false]);
        assert_eq!(traced.breaks.len(), 1);
        assert_eq!((traced.breaks[0].before, traced.breaks[0].after), (1, 2));
        assert!((traced.breaks[0].distance - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_residue_without_all_three_atoms_is_left_out_and_breaks_the_chain() {
        let full = ["N", "CA", "C"];
        let residues = vec![
            residue(1, 0.0, &full),
            residue(2, 4.2, &["N", "CA"]),
            residue(3, 8.4, &full),
        ];
        let traced = chain(residues).backbone();
        assert_eq!(traced.residues, [0, 2]);
        let expected = IncompleteResidue {
            residue: 1,
            missing: vec!["C"],
        };
        assert_eq!(traced.incomplete, [expected]);
        assert!(!traced.backbone.is_bonded_to_previous(1));
    }

    #[test]
    fn an_empty_chain_has_an_empty_backbone() {
        assert_eq!(chain(Vec::new()).backbone(), ChainBackbone::default());
    }
}
