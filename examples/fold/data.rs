//! Chains from files, and the split into those to train on and those to report on.

use std::fs;
use std::path::{Path, PathBuf};

use nalgebra::Vector3;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use serde::Serialize;
use steerable_protein::structure::residue_index;
use steerable_protein::{AminoAcid, Chain, Frame, file};

use super::error::FoldError;
use crate::file_error::FileError;

/// Chains with fewer residues are left out, with a note.
const SHORTEST: usize = 20;

/// A chain as the structure module sees it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The file and the chain.
    pub name: String,
    /// The residues whose backbone is complete, as they are in the file.
    pub chain: Chain,
    /// What they are.
    pub sequence: Vec<AminoAcid>,
    /// Their frames.
    pub frames: Vec<Frame>,
    /// Their places along the chain, with jumps at breaks.
    pub residue_index: Vec<i32>,
}

impl Target {
    /// A chain, and how many of its residues are left out because N, CA or C is missing or the three
    /// are on one line.
    pub fn new(name: String, chain: &Chain) -> (Self, usize) {
        let traced = chain.backbone();
        let index = residue_index(&traced.backbone);
        let mut target = Self {
            name,
            chain: Chain {
                id: chain.id.clone(),
                residues: Vec::new(),
            },
            sequence: Vec::new(),
            frames: Vec::new(),
            residue_index: Vec::new(),
        };
        for (i, atoms) in traced.backbone.residues().iter().enumerate() {
            if let Ok(frame) = Frame::of_residue(atoms) {
                let residue = &chain.residues[traced.residues[i]];
                target.chain.residues.push(residue.clone());
                target.sequence.push(residue.amino_acid);
                target.frames.push(frame);
                target.residue_index.push(index[i]);
            }
        }
        let left_out = chain.residues.len() - target.frames.len();
        (target, left_out)
    }

    /// At most `len` residues that follow each other, from a random place on.
    pub fn piece(&self, len: usize, rng: &mut impl Rng) -> Self {
        let all = self.frames.len();
        let first = rng.random_range(0..=all.saturating_sub(len));
        let rows = first..(first + len).min(all);
        Self {
            name: self.name.clone(),
            chain: Chain {
                id: self.chain.id.clone(),
                residues: self.chain.residues[rows.clone()].to_vec(),
            },
            sequence: self.sequence[rows.clone()].to_vec(),
            frames: self.frames[rows.clone()].to_vec(),
            residue_index: self.residue_index[rows].to_vec(),
        }
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
    for path in files {
        let contents = match file::read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                eprintln!("left out: {error}");
                continue;
            }
        };
        for chain in &contents.chains {
            let (target, left_out) = Target::new(name_of(&path, chain), chain);
            if left_out > 0 {
                eprintln!(
                    "{}: {left_out} residues without a frame left out",
                    target.name
                );
            }
            if target.frames.len() < SHORTEST {
                eprintln!(
                    "left out: {} has {} residues",
                    target.name,
                    target.frames.len()
                );
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
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.ends_with(".pdb") || name.ends_with(".cif")
}

fn name_of(path: &Path, chain: &Chain) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or_default();
    format!("{stem}_{}", chain.id)
}

/// Chains to train on and chains to report on.
#[derive(Debug)]
pub struct Split {
    /// To train on.
    pub train: Vec<Target>,
    /// To report on.
    pub test: Vec<Target>,
}

/// The names of a split, as it is saved.
#[derive(Serialize)]
struct Names<'a> {
    seed: u64,
    train: Vec<&'a str>,
    test: Vec<&'a str>,
}

impl Split {
    /// A fifth of the chains, at least one, is held out. Chains of one folder should be one for each
    /// cluster of like sequences: which are alike is not looked at here.
    pub fn random(mut chains: Vec<Target>, seed: u64) -> Self {
        chains.shuffle(&mut StdRng::seed_from_u64(seed));
        let held_out = (chains.len() / 5).max(1);
        let train = chains.split_off(held_out);
        Self {
            train,
            test: chains,
        }
    }

    /// Writes the names to `split.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path, seed: u64) -> Result<(), FoldError> {
        let names = Names {
            seed,
            train: self.train.iter().map(|target| &*target.name).collect(),
            test: self.test.iter().map(|target| &*target.name).collect(),
        };
        let text = serde_json::to_string_pretty(&names).expect("names are text");
        let file: PathBuf = folder.join("split.json");
        Ok(fs::write(&file, text).map_err(FileError::on("write", &file))?)
    }
}
