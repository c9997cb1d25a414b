//! Distances as an experiment or co-evolution would tell them: in bins, and not all of them true.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::Vector3;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::structure::one_hot;
use crate::{DistanceBins, DistogramError, KnownDistances, OrientedResidue, PairOrientation};

/// How observed distances differ from the true ones, pair by pair, independently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption {
    /// Standard deviation of a normal error of the distance before it is binned, in angstrom.
    pub shift: f64,
    /// Share of the pairs whose bin is drawn at random, all alike.
    pub replaced: f64,
    /// Share of the pairs that are not observed.
    pub missing: f64,
}

impl Default for Corruption {
    fn default() -> Self {
        Self {
            shift: 2.0,
            replaced: 0.02,
            missing: 0.5,
        }
    }
}

/// The bin of each pair of residues, or that it was not observed: `[L, L]`, symmetric.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedDistances {
    bins: DistanceBins,
    length: usize,
    observed: Vec<Option<usize>>,
}

impl ObservedDistances {
    /// The distances between CA atoms in angstrom, as the corruption leaves them.
    pub fn new(
        ca: &[Vector3<f64>],
        bins: DistanceBins,
        corruption: Corruption,
        rng: &mut impl Rng,
    ) -> Self {
        let length = ca.len();
        let mut observed = vec![None; length * length];
        for i in 0..length {
            for j in 0..i {
                let distance = (ca[i] - ca[j]).norm();
                let shift = corruption.shift * rng.sample::<f64, _>(StandardNormal);
                let [missing, replaced]: [f64; 2] = rng.random();
                let random = rng.random_range(0..bins.len());
                let bin = if missing < corruption.missing {
                    None
                } else if replaced < corruption.replaced {
                    Some(random)
                } else {
                    Some(bins.bin((distance + shift).max(0.0)))
                };
                observed[i * length + j] = bin;
                observed[j * length + i] = bin;
            }
        }
        Self {
            bins,
            length,
            observed,
        }
    }

    /// The bins.
    pub fn bins(&self) -> &DistanceBins {
        &self.bins
    }

    /// The number of residues, L.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no residues.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bin of a pair, if it was observed.
    pub fn bin(&self, i: usize, j: usize) -> Option<usize> {
        self.observed[i * self.length + j]
    }

    /// As if these pairs were not observed.
    pub(super) fn without(&self, pairs: &[(usize, usize)]) -> Self {
        let mut rest = self.clone();
        for &(i, j) in pairs {
            rest.observed[i * self.length + j] = None;
            rest.observed[j * self.length + i] = None;
        }
        rest
    }

    /// Width of [`features`](Self::features): the bins and "not observed".
    pub fn num_features(bins: &DistanceBins) -> usize {
        bins.len() + 1
    }

    /// The bins as features of pairs, one in the column of the bin: `[L, L, bins + 1]`.
    pub fn features(&self, device: &Device, dtype: DType) -> Tensor<3> {
        let classes = Self::num_features(&self.bins);
        let classified: Vec<usize> = self
            .observed
            .iter()
            .map(|bin| bin.unwrap_or(classes - 1))
            .collect();
        one_hot(&classified, classes, device, dtype).reshape([self.length, self.length, classes])
    }

    /// The distances that were observed, for [`embed`](crate::embed()): what can be done without a
    /// network. `residue_index` as for [`distances_for_mds`].
    ///
    /// # Errors
    /// As [`distances_for_mds`].
    pub fn known_distances(&self, residue_index: &[i32]) -> Result<KnownDistances, DistogramError> {
        let certain = |bin: usize| -> Vec<f64> {
            let bins = 0..self.bins.len();
            bins.map(|b| f64::from(u8::from(b == bin))).collect()
        };
        let table: Vec<Vec<f64>> = (0..self.bins.len()).map(certain).collect();
        let beyond = self.bins.len() - 1;
        distances_for_mds(&self.bins, residue_index, |i, j| {
            &table[self.bin(i, j).unwrap_or(beyond)]
        })
    }
}

/// How far CA atoms of neighbours along a chain are apart, in angstrom: with a trans peptide.
const CA_CA: f64 = 3.8;

/// How far that distance is off, in angstrom.
const CA_CA_SPREAD: f64 = 0.1;

/// A distance counts as known if it lies beyond the last edge with no more than this probability: one that is
/// told too short is a short cut for all shortest paths, and bends the whole chain. Of 0.02 to 0.5 the best on chains
/// that a trunk was trained on.
const MOST_BEYOND: f64 = 0.02;

/// Where fewer pairs than this for each residue are that certain, those that are more likely below the last edge
/// than beyond it count.
const ENOUGH_PAIRS: usize = 3;

/// The distances that a distogram tells, for [`embed`](crate::embed()): means, weighted by the reciprocals
/// of their variances, of the pairs that lie below the last edge almost for certain, or, where those are too few, more likely
/// than not.
///
/// Residues that follow each other are 3.8 angstrom apart, whatever the distogram says, and no pair is farther apart
/// than the chain between them reaches. So that a chain with breaks holds together, the two sides of a break
/// are given the last edge with little weight where the distogram does not say.
/// `residue_index` counts along the chain as [`residue_index`](crate::structure::residue_index) does;
/// `probabilities(i, j)` is asked for i < j.
///
/// # Errors
/// [`DistogramError`]: probabilities that are none.
pub fn distances_for_mds<P: AsRef<[f64]>>(
    bins: &DistanceBins,
    residue_index: &[i32],
    probabilities: impl Fn(usize, usize) -> P,
) -> Result<KnownDistances, DistogramError> {
    let length = residue_index.len();
    let last_edge = bins.edges()[bins.edges().len() - 1];
    let (mut pairs, mut told) = (Vec::new(), Vec::new());
    for j in 0..length {
        for i in 0..j {
            let is_unbroken = residue_index[j] - residue_index[i] == (j - i) as i32;
            let expected = bins.expected(probabilities(i, j).as_ref())?;
            if is_unbroken && j == i + 1 {
                pairs.push((i, j, CA_CA, CA_CA_SPREAD.powi(-2)));
            } else if expected.beyond < 0.5 {
                let reach = match is_unbroken {
                    true => CA_CA * (j - i) as f64,
                    false => f64::INFINITY,
                };
                let pair = (i, j, expected.mean.min(reach), expected.spread.powi(-2));
                // However uncertain, across a break of the chain it holds the two sides together.
                match j == i + 1 {
                    true => pairs.push(pair),
                    false => told.push((expected.beyond, pair)),
                }
            } else if j == i + 1 {
                pairs.push((i, j, last_edge, last_edge.powi(-2)));
            }
        }
    }
    let is_certain = |(beyond, _): &(f64, _)| *beyond < MOST_BEYOND;
    if told.iter().filter(|pair| is_certain(pair)).count() >= ENOUGH_PAIRS * length {
        told.retain(is_certain);
    }
    pairs.extend(told.into_iter().map(|(_, pair)| pair));
    Ok(KnownDistances::new(length, pairs)?)
}

/// Sine and cosine of [`PairOrientation`]'s three angles as features of pairs, zero where one is not
/// defined: `[L, L, 6]`.
pub fn orientation_features(
    residues: &[OrientedResidue],
    device: &Device,
    dtype: DType,
) -> Tensor<3> {
    let length = residues.len();
    let numbers: Vec<f64> = PairOrientation::of_all(residues)
        .into_iter()
        .flatten()
        .flat_map(|pair| match pair {
            None => [0.0; 6],
            Some(PairOrientation { omega, theta, phi }) => {
                let [(a, b), (c, d), (e, f)] = [omega, theta, phi].map(f64::sin_cos);
                [a, b, c, d, e, f]
            }
        })
        .collect();
    Tensor::from_data(
        TensorData::new(numbers, [length, length, 6]),
        (device, dtype),
    )
}
