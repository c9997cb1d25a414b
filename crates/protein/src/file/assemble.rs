//! From the parser's residues, with all their conformers, to residues with one position for each atom.

use std::collections::{HashMap, HashSet};

use nalgebra::Vector3;
use pdbtbx::{Conformer, PDB};

use super::screen::{AtomValues, Screened};
use super::{FileContents, ReadNote, ReadReport};
use crate::chain::is_peptide_bond;
use crate::{AminoAcid, Atom, Chain, Residue, ResidueId, ResidueName, ResidueNumber};

/// The chains of what was parsed, and all notes.
pub(super) fn chains(parsed: &PDB, screened: &Screened) -> FileContents {
    let mut notes = screened.notes.clone();
    let mut chains = Vec::new();
    for parsed_chain in parsed.chains() {
        let groups: Vec<_> = parsed_chain
            .residues()
            .filter_map(|residue| Group::read(parsed_chain.id(), residue, screened, &mut notes))
            .collect();
        let is_protein = of_protein(&groups);
        let mut chain = Chain {
            id: parsed_chain.id().to_owned(),
            residues: Vec::new(),
        };
        for (group, is_protein) in groups.into_iter().zip(is_protein) {
            if is_protein {
                group.report_kept(&chain.id, &mut notes);
                chain.residues.push(group.residue);
            } else {
                notes.push(ReadNote::NotProtein {
                    residue: group.id(&chain.id),
                    atoms: group.residue.atoms.len(),
                });
            }
        }
        report_backbone(&chain, &mut notes);
        if !chain.residues.is_empty() {
            chains.push(chain);
        }
    }
    FileContents {
        chains,
        report: ReadReport { notes },
    }
}

/// A residue that may be one of a protein.
struct Group {
    residue: Residue,
    /// What its name says, if anything.
    name: Option<ResidueName>,
    /// Whether all its atoms are in records HETATM.
    hetero: bool,
}

impl Group {
    /// The kind of residue of the highest mean occupancy, and of each of its atoms the position of the
    /// highest; the first of equals. `None` without atoms.
    fn read(
        chain: &str,
        parsed: &pdbtbx::Residue,
        screened: &Screened,
        notes: &mut Vec<ReadNote>,
    ) -> Option<Self> {
        let number = ResidueNumber {
            sequence: i32::try_from(parsed.serial_number()).ok()?,
            insertion: parsed.insertion_code().and_then(|code| code.chars().next()),
        };
        let name = kind_of_highest_occupancy(parsed, screened)?;
        let conformers = || parsed.conformers().filter(|c| c.name() == name);
        let id = ResidueId {
            chain: chain.to_owned(),
            name: name.to_owned(),
            number,
        };

        let mut atoms: Vec<Atom> = Vec::new();
        // For each name the atom's index and the conformer it was taken from.
        let mut taken: HashMap<&str, (usize, usize)> = HashMap::new();
        let mut seen = HashSet::new();
        let (mut alternates, mut duplicates) = (0, 0);
        let mut hetero = true;
        for (index, conformer) in conformers().enumerate() {
            // An atom without alternate location is in each conformer.
            for atom in conformer.atoms().filter(|a| seen.insert(a.serial_number())) {
                hetero &= atom.hetero();
                let values = values(atom, screened);
                let new = Atom {
                    name: atom.name().to_owned(),
                    element: values.element.clone(),
                    position: Vector3::from(values.position),
                    occupancy: values.occupancy,
                    b_factor: values.b_factor,
                };
                let Some((at, from)) = taken.get_mut(atom.name()) else {
                    taken.insert(atom.name(), (atoms.len(), index));
                    atoms.push(new);
                    continue;
                };
                if *from == index {
                    duplicates += 1;
                } else {
                    alternates += 1;
                }
                if new.occupancy > atoms[*at].occupancy {
                    atoms[*at] = new;
                    *from = index;
                }
            }
        }

        let mut dropped: Vec<String> = Vec::new();
        for conformer in parsed.conformers().filter(|c| c.name() != name) {
            if !dropped.iter().any(|name| name == conformer.name()) {
                dropped.push(conformer.name().to_owned());
            }
        }
        if !dropped.is_empty() {
            notes.push(ReadNote::AlternateResidues {
                residue: id.clone(),
                dropped,
            });
        }
        if alternates > 0 {
            notes.push(ReadNote::AlternateLocations {
                residue: id.clone(),
                dropped: alternates,
            });
        }
        if duplicates > 0 {
            notes.push(ReadNote::DuplicateAtoms {
                residue: id,
                dropped: duplicates,
            });
        }
        let residue_name = AminoAcid::from_residue_name(name);
        Some(Self {
            residue: Residue {
                amino_acid: residue_name.map_or(AminoAcid::Unknown, ResidueName::amino_acid),
                name: name.to_owned(),
                number,
                atoms,
            },
            name: residue_name,
            hetero,
        })
    }

    fn id(&self, chain: &str) -> ResidueId {
        ResidueId {
            chain: chain.to_owned(),
            name: self.residue.name.clone(),
            number: self.residue.number,
        }
    }

    /// Whether it looks like an amino acid: by its name, or by a backbone whose bonds have the length
    /// of bonds, in angstrom.
    fn looks_like_an_amino_acid(&self) -> bool {
        let is_bond = |length: f64| (1.0..2.0).contains(&length);
        let has_backbone = self
            .residue
            .backbone()
            .is_some_and(|r| is_bond((r.n - r.ca).norm()) && is_bond((r.c - r.ca).norm()));
        self.name.is_some() || has_backbone
    }

    fn report_kept(&self, chain: &str, notes: &mut Vec<ReadNote>) {
        let residue = self.id(chain);
        if residue.number.insertion.is_some() {
            let residue = residue.clone();
            notes.push(ReadNote::InsertionCode { residue });
        }
        match self.name {
            Some(ResidueName::Modified(taken_for)) => {
                notes.push(ReadNote::Modified { residue, taken_for });
            }
            Some(ResidueName::Standard(AminoAcid::Unknown)) | None => {
                notes.push(ReadNote::Unknown { residue });
            }
            Some(ResidueName::Standard(_)) => {}
        }
    }
}

/// Which groups of a chain are residues of a protein: those that look like amino acids, if they are in
/// records ATOM or bonded to a neighbour that looks so too. An amino acid in records HETATM that is
/// bonded to none is a ligand.
fn of_protein(groups: &[Group]) -> Vec<bool> {
    let candidates: Vec<usize> = (0..groups.len())
        .filter(|i| groups[*i].looks_like_an_amino_acid())
        .collect();
    let mut is_protein = vec![false; groups.len()];
    for index in &candidates {
        is_protein[*index] = !groups[*index].hetero;
    }
    for pair in candidates.windows(2) {
        let (before, after) = (&groups[pair[0]].residue, &groups[pair[1]].residue);
        let ends = before.position("C").zip(after.position("N"));
        if ends.is_some_and(|(c, n)| is_peptide_bond(&c, &n)) {
            is_protein[pair[0]] = true;
            is_protein[pair[1]] = true;
        }
    }
    is_protein
}

/// The name of the conformers whose atoms have the highest mean occupancy.
fn kind_of_highest_occupancy<'a>(
    parsed: &'a pdbtbx::Residue,
    screened: &Screened,
) -> Option<&'a str> {
    let mean = |conformer: &Conformer| {
        let occupancies = conformer
            .atoms()
            .map(|atom| values(atom, screened).occupancy);
        occupancies.sum::<f64>() / conformer.atom_count() as f64
    };
    let filled = parsed.conformers().filter(|c| c.atom_count() > 0);
    let best = filled.reduce(|best, next| if mean(next) > mean(best) { next } else { best });
    best.map(Conformer::name)
}

fn values<'a>(atom: &pdbtbx::Atom, screened: &'a Screened) -> &'a AtomValues {
    &screened.atoms[atom.serial_number()]
}

fn report_backbone(chain: &Chain, notes: &mut Vec<ReadNote>) {
    let traced = chain.backbone();
    notes.extend(traced.incomplete.into_iter().map(|left_out| {
        let residue = chain.residue_id(left_out.residue);
        ReadNote::Incomplete {
            residue,
            missing: left_out.missing,
        }
    }));
    notes.extend(traced.breaks.into_iter().map(|broken| ReadNote::Break {
        before: chain.residue_id(broken.before),
        after: chain.residue_id(broken.after),
        distance: broken.distance,
    }));
}
