//! Chains from files.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use nalgebra::Vector3;
use rand::{Rng, RngExt};
use steerable_protein::folding::ResidueSequence;
use steerable_protein::structure::residue_index;
use steerable_protein::{Backbone, Chain, Frame, InternalCoordinates, file};

use super::error::FoldError;
use crate::file_error::FileError;

/// Chains with fewer residues are left out, with a note.
const SHORTEST: usize = 20;

/// A chain as a model sees it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The file and the chain.
    pub name: String,
    /// The residues whose backbone is complete, as they are in the file.
    pub chain: Chain,
    /// What they are, and their places along the chain, with jumps at breaks.
    pub sequence: ResidueSequence,
    /// Their N, CA and C.
    pub backbone: Backbone,
    /// Their frames.
    pub frames: Vec<Frame>,
}

impl Target {
    /// A chain, and how many of its residues are left out because N, CA or C is missing or the three
    /// are on one line.
    pub fn new(name: String, chain: &Chain) -> (Self, usize) {
        let traced = chain.backbone();
        let index = residue_index(&traced.backbone);
        let mut residues = Vec::new();
        let mut sequence = ResidueSequence::default();
        let (mut atoms, mut frames, mut bonded) = (Vec::new(), Vec::new(), Vec::new());
        // The residue before the next one, in the trace.
        let mut before = None;
        for (i, traced_atoms) in traced.backbone.residues().iter().enumerate() {
            let Ok(frame) = Frame::of_residue(traced_atoms) else {
                continue;
            };
            let residue = &chain.residues[traced.residues[i]];
            residues.push(residue.clone());
            sequence.amino_acids.push(residue.amino_acid);
            sequence.residue_index.push(index[i]);
            atoms.push(*traced_atoms);
            frames.push(frame);
            bonded.push(traced.backbone.is_bonded_to_previous(i) && before == i.checked_sub(1));
            before = Some(i);
        }
        let left_out = chain.residues.len() - frames.len();
        let chain = Chain {
            id: chain.id.clone(),
            residues,
        };
        let target = Self {
            name,
            chain,
            sequence,
            backbone: Backbone::new(atoms, bonded),
            frames,
        };
        (target, left_out)
    }

    /// The number of residues, L.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there are no residues.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// At most `len` residues that follow each other, from a random place on.
    pub fn piece(&self, len: usize, rng: &mut impl Rng) -> Self {
        let first = rng.random_range(0..=self.len().saturating_sub(len));
        let rows: Vec<usize> = (first..(first + len).min(self.len())).collect();
        self.rows(&rows)
    }

    /// Two pieces of half of `len` residues each from random places, or all residues where there are not
    /// more: pairs that are far apart along the chain, and in space as far as in a long chain.
    pub fn two_pieces(&self, len: usize, rng: &mut impl Rng) -> Self {
        let half = len / 2;
        let Some(slack) = self.len().checked_sub(2 * half) else {
            return self.clone();
        };
        let mut places = [0, 1].map(|_| rng.random_range(0..=slack));
        places.sort_unstable();
        let [first, second] = [places[0], places[1] + half];
        let rows = (first..first + half).chain(second..second + half);
        self.rows(&rows.collect::<Vec<_>>())
    }

    /// These residues, in ascending order.
    fn rows(&self, rows: &[usize]) -> Self {
        let bonded = rows.iter().enumerate().map(|(k, &row)| {
            let follows = k > 0 && rows[k - 1] + 1 == row;
            follows && self.backbone.is_bonded_to_previous(row)
        });
        let bonded: Vec<bool> = bonded.collect();
        let atoms = rows.iter().map(|&row| self.backbone.residues()[row]);
        let residues = rows.iter().map(|&row| self.chain.residues[row].clone());
        let amino_acids = rows.iter().map(|&row| self.sequence.amino_acids[row]);
        let index = rows.iter().map(|&row| self.sequence.residue_index[row]);
        Self {
            name: self.name.clone(),
            chain: Chain {
                id: self.chain.id.clone(),
                residues: residues.collect(),
            },
            sequence: ResidueSequence {
                amino_acids: amino_acids.collect(),
                residue_index: index.collect(),
            },
            backbone: Backbone::new(atoms.collect(), bonded),
            frames: rows.iter().map(|&row| self.frames[row]).collect(),
        }
    }

    /// For each residue whether it is bonded to the one before it.
    pub fn bonded(&self) -> Vec<bool> {
        let residues = 0..self.len();
        residues
            .map(|i| self.backbone.is_bonded_to_previous(i))
            .collect()
    }

    /// The backbone of ideal residues in these frames, bonded as the chain is.
    pub fn ideal_backbone(&self, frames: &[Frame]) -> Backbone {
        let residues = frames.iter().map(Frame::ideal_residue);
        Backbone::new(residues.collect(), self.bonded())
    }
}

/// The CA atoms, which are the origins of the frames, in angstrom.
pub fn ca(frames: &[Frame]) -> Vec<Vector3<f64>> {
    frames.iter().map(|frame| frame.translation).collect()
}

/// Every chain of every structure in a folder, in the order of the names. A structure that cannot be
/// read, and what was left out of the others, is told on standard error.
///
/// # Errors
/// A folder that cannot be listed, or without chains.
pub fn read_folder(folder: &Path) -> Result<Vec<Target>, FoldError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(FileError::on("list", folder))? {
        let path = entry.map_err(FileError::on("list", folder))?.path();
        if is_structure(&path) {
            files.push(path);
        }
    }
    files.sort();
    let mut targets = Vec::new();
    let mut names = HashSet::new();
    for path in files {
        let contents = match file::read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                eprintln!("left out: {error}");
                continue;
            }
        };
        for chain in &contents.chains {
            let (target, left_out) = Target::new(unique(&name_of(&path, chain), &mut names), chain);
            if left_out > 0 {
                eprintln!(
                    "{}: {left_out} residues without a frame left out",
                    target.name
                );
            }
            if target.len() < SHORTEST {
                eprintln!("left out: {} has {} residues", target.name, target.len());
            } else if let Err(error) = InternalCoordinates::of(&target.backbone) {
                eprintln!("left out: {}: {error}", target.name);
            } else {
                targets.push(target);
            }
        }
    }
    if targets.is_empty() {
        return Err(FoldError::NoChains {
            folder: folder.to_path_buf(),
            least: SHORTEST,
        });
    }
    Ok(targets)
}

fn is_structure(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    stem(&name).is_some()
}

fn name_of(path: &Path, chain: &Chain) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = stem(&file).unwrap_or(&file);
    // A chain may be called anything: what is no letter and no digit has no place in a file's name.
    let id = chain.id.chars();
    let id: String = id
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    format!("{stem}_{id}")
}

/// The name of a structure's file without its ending, in whichever case that is written.
fn stem(file: &str) -> Option<&str> {
    let unpacked = without_ending(file, ".gz").unwrap_or(file);
    let endings = [".pdb", ".cif", ".ent"];
    endings.iter().find_map(|end| without_ending(unpacked, end))
}

fn without_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    end.eq_ignore_ascii_case(ending).then_some(stem)
}

/// The name, numbered where it is taken, also in another case: some file systems know no difference.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut free = name.to_owned();
    let mut number = 1;
    while !taken.insert(free.to_lowercase()) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}
