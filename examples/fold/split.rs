//! The split into chains to train on and chains to report on.

use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Serialize;

use super::clusters::clusters;
use super::data::Target;
use super::error::FoldError;
use crate::file_error::FileError;

/// Chains to train on and chains to report on.
#[derive(Debug)]
pub struct Split {
    /// To train on.
    pub train: Vec<Target>,
    /// To report on.
    pub test: Vec<Target>,
    /// The cluster of like sequences of each chain, first those to train on.
    clusters: Vec<usize>,
}

/// A chain of a split, as it is saved.
#[derive(Serialize)]
struct Member<'a> {
    name: &'a str,
    residues: usize,
    cluster: usize,
}

/// A split as it is saved.
#[derive(Serialize)]
struct Saved<'a> {
    seed: u64,
    train: Vec<Member<'a>>,
    test: Vec<Member<'a>>,
}

fn cluster_of(chains: &[&Target]) -> Vec<usize> {
    let sequences = chains.iter();
    let sequences: Vec<_> = sequences
        .map(|target| &*target.sequence.amino_acids)
        .collect();
    clusters(&sequences)
}

impl Split {
    /// Whole clusters of like sequences are held out, drawn at random, as long as they make no more than a
    /// fifth of the chains; where all are larger, the smallest one.
    ///
    /// # Errors
    /// [`FoldError::OneCluster`].
    pub fn by_cluster(chains: Vec<Target>, seed: u64) -> Result<Self, FoldError> {
        let of = cluster_of(&chains.iter().collect::<Vec<_>>());
        let count = of.iter().max().map_or(0, |last| last + 1);
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let wanted = (chains.len() / 5).max(1);
        let mut held_out = vec![false; count];
        let mut size = 0;
        let chains_of = |cluster: usize| of.iter().filter(|&&other| other == cluster).count();
        for &cluster in &order {
            if size + chains_of(cluster) <= wanted {
                held_out[cluster] = true;
                size += chains_of(cluster);
            }
        }
        if count < 2 {
            let chains = chains.len();
            return Err(FoldError::OneCluster { chains });
        }
        if size == 0 {
            let smallest = order.iter().min_by_key(|&&cluster| chains_of(cluster));
            held_out[*smallest.expect("there are two clusters")] = true;
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        let (mut clusters, mut of_test) = (Vec::new(), Vec::new());
        for (target, cluster) in chains.into_iter().zip(of) {
            if held_out[cluster] {
                test.push(target);
                of_test.push(cluster);
            } else {
                train.push(target);
                clusters.push(cluster);
            }
        }
        clusters.extend(of_test);
        Ok(Self {
            train,
            test,
            clusters,
        })
    }

    /// A split that somebody else made. Test chains that are like a chain to train on are told on
    /// standard error.
    pub fn given(train: Vec<Target>, test: Vec<Target>) -> Self {
        let clusters = cluster_of(&train.iter().chain(&test).collect::<Vec<_>>());
        let split = Self {
            train,
            test,
            clusters,
        };
        let (of_train, of_test) = split.clusters.split_at(split.train.len());
        for (target, cluster) in split.test.iter().zip(of_test) {
            if let Some(at) = of_train.iter().position(|other| other == cluster) {
                let like = &split.train[at].name;
                eprintln!("{} is like {like}, which is trained on", target.name);
            }
        }
        split
    }

    /// Writes names and clusters to `split.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path, seed: u64) -> Result<(), FoldError> {
        let (of_train, of_test) = self.clusters.split_at(self.train.len());
        let saved = Saved {
            seed,
            train: members(&self.train, of_train),
            test: members(&self.test, of_test),
        };
        let text = serde_json::to_string_pretty(&saved).expect("names and numbers");
        let file: PathBuf = folder.join("split.json");
        Ok(fs::write(&file, text).map_err(FileError::on("write", &file))?)
    }
}

fn members<'a>(targets: &'a [Target], clusters: &[usize]) -> Vec<Member<'a>> {
    let both = targets.iter().zip(clusters);
    both.map(|(target, &cluster)| Member {
        name: &target.name,
        residues: target.len(),
        cluster,
    })
    .collect()
}
