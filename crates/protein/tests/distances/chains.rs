//! Chains to test with: made up, from the fixture, and real ones where the data are at hand.

use std::collections::BTreeMap;
use std::path::Path;

use nalgebra::{Quaternion, UnitQuaternion, Vector3};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rayon::prelude::*;
use serde::Deserialize;
use steerable_protein::{BackboneResidue, Chain, Frame, Matched, file};

pub(crate) fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) fn normal(rng: &mut StdRng) -> Vector3<f64> {
    Vector3::from_fn(|_, _| rng.sample(StandardNormal))
}

/// A Haar-random rotation and a shift of about 30 angstrom.
pub(crate) fn random_motion(rng: &mut StdRng) -> Frame {
    let [w, x, y, z] = std::array::from_fn(|_| rng.sample::<f64, _>(StandardNormal));
    let rotation = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
    Frame {
        rotation: rotation.to_rotation_matrix().into_inner(),
        translation: normal(rng) * 30.0,
    }
}

/// A chain of steps of 3.8 angstrom in directions that change little by little.
pub(crate) fn wandering(len: usize, rng: &mut StdRng) -> Vec<Vector3<f64>> {
    let mut direction = normal(rng).normalize();
    let mut at = Vector3::zeros();
    (0..len)
        .map(|_| {
            direction = (direction + normal(rng) * 0.6).normalize();
            at += direction * 3.8;
            at
        })
        .collect()
}

pub(crate) fn moved(points: &[Vector3<f64>], motion: &Frame) -> Vec<Vector3<f64>> {
    points.iter().map(|x| motion.apply(x)).collect()
}

pub(crate) fn noisy(points: &[Vector3<f64>], sigma: f64, rng: &mut StdRng) -> Vec<Vector3<f64>> {
    points.iter().map(|x| x + normal(rng) * sigma).collect()
}

/// After superposition.
pub(crate) fn rmsd(model: &[Vector3<f64>], reference: &[Vector3<f64>]) -> f64 {
    Matched { model, reference }.superpose().unwrap().rmsd
}

/// What `fixtures/tm_score.py` wrote.
#[derive(Deserialize)]
pub(crate) struct Fixture {
    chains: BTreeMap<String, Vec<[f64; 3]>>,
    pub(crate) pairs: Vec<FixturePair>,
}

#[derive(Deserialize)]
pub(crate) struct FixturePair {
    pub(crate) reference: String,
    pub(crate) kind: String,
    pub(crate) model: Vec<[f64; 3]>,
    pub(crate) tm_score: f64,
    pub(crate) rmsd: f64,
}

impl Fixture {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("../fixtures/tm_score.json")).unwrap()
    }

    pub(crate) fn ca(&self, name: &str) -> Vec<Vector3<f64>> {
        self.chains[name].iter().map(|&x| x.into()).collect()
    }

    /// A real chain of 147 residues, rich in helices.
    pub(crate) fn globin(&self) -> Vec<Vector3<f64>> {
        self.ca("tmtools_2gtl_A")
    }
}

/// The 193 chains in `../shared/data/proteins`, by name; none, and a word about it, where the data are
/// absent.
pub(crate) fn real_chains() -> Vec<(String, Chain)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/proteins/chains");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!(
            "SKIPPED: no {}, so real chains were NOT checked",
            folder.display()
        );
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let chains = paths.par_iter().map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let [chain] = file::read(path).unwrap().chains.try_into().unwrap();
        (name, chain)
    });
    chains.collect()
}

/// The pieces of [`real_chains`] that have no breaks, with the chain's name.
pub(crate) fn real_pieces() -> Vec<(String, Vec<BackboneResidue>)> {
    let mut pieces: Vec<(String, Vec<BackboneResidue>)> = Vec::new();
    for (name, chain) in real_chains() {
        let backbone = chain.backbone().backbone;
        for (i, residue) in backbone.residues().iter().enumerate() {
            if !backbone.is_bonded_to_previous(i) {
                pieces.push((name.clone(), Vec::new()));
            }
            pieces.last_mut().unwrap().1.push(*residue);
        }
    }
    pieces
}
