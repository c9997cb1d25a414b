//! Orientations of pairs of residues as an experiment or co-evolution would tell them: in bins, and not all
//! of them true.

use std::f64::consts::{PI, TAU};

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::structure::TorsionBins;
use crate::{OrientedResidue, PairOrientation};

/// How observed orientations differ from the true ones, pair by pair, independently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrientationCorruption {
    /// Standard deviation of a normal error of each angle before it is binned, in radians.
    pub turn: f64,
    /// Share of the pairs whose bins are drawn at random, all alike.
    pub replaced: f64,
    /// Share of the pairs that are not observed.
    pub missing: f64,
    /// Pairs of CA atoms farther apart than this, in angstrom, are not observed.
    pub farthest: f64,
}

impl Default for OrientationCorruption {
    fn default() -> Self {
        Self {
            turn: 30.0_f64.to_radians(),
            replaced: 0.02,
            missing: 0.5,
            farthest: 20.0,
        }
    }
}

/// The bins of omega, theta and phi of each pair of residues, or that it was not observed: `[L, L]`, row i as
/// residue i sees j.
///
/// # Source
/// Yang et al. 2020 (trRosetta), whose networks predict such bins.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedOrientations {
    bins: TorsionBins,
    length: usize,
    observed: Vec<Option<[usize; 3]>>,
}

impl ObservedOrientations {
    /// Width of [`features`](Self::features): sine and cosine of three angles, and whether they were observed.
    pub const NUM_FEATURES: usize = 7;

    /// The orientations of residues, as the corruption leaves them. A pair is observed from both its residues
    /// or not at all.
    pub fn new(
        residues: &[OrientedResidue],
        bins: TorsionBins,
        corruption: OrientationCorruption,
        rng: &mut impl Rng,
    ) -> Self {
        let length = residues.len();
        let mut observed = vec![None; length * length];
        for i in 0..length {
            for j in 0..i {
                let apart = residues[i].backbone.ca - residues[j].backbone.ca;
                let [missing, replaced]: [f64; 2] = rng.random();
                let errors: [f64; 5] = std::array::from_fn(|_| rng.sample(StandardNormal));
                let random: [f64; 5] = rng.random();
                if apart.norm() > corruption.farthest || missing < corruption.missing {
                    continue;
                }
                let ways = [(i, j), (j, i)]
                    .map(|(from, to)| PairOrientation::between(&residues[from], &residues[to]));
                let [Some(there), Some(back)] = ways else {
                    continue;
                };
                // Omega is the same from both sides.
                let [omega, theta, phi, theta_back, phi_back] = if replaced < corruption.replaced {
                    let angle = |of: usize| TAU * random[of] - PI;
                    [angle(0), angle(1), angle(2).abs(), angle(3), angle(4).abs()]
                } else {
                    let off = errors.map(|error| error * corruption.turn);
                    // An angle between two directions: beyond 0 or pi it comes back.
                    let phi = |phi: f64| phi.sin().atan2(phi.cos()).abs();
                    [
                        there.omega + off[0],
                        there.theta + off[1],
                        phi(there.phi + off[2]),
                        back.theta + off[3],
                        phi(back.phi + off[4]),
                    ]
                };
                let bin = |angle: f64| bins.bin(angle);
                observed[i * length + j] = Some([omega, theta, phi].map(bin));
                observed[j * length + i] = Some([omega, theta_back, phi_back].map(bin));
            }
        }
        Self {
            bins,
            length,
            observed,
        }
    }

    /// The bins.
    pub fn bins(&self) -> TorsionBins {
        self.bins
    }

    /// The number of residues, L.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no residues.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bins of omega, theta and phi of j as i sees it, if they were observed.
    pub fn bins_of(&self, i: usize, j: usize) -> Option<[usize; 3]> {
        self.observed[i * self.length + j]
    }

    /// Sine and cosine of the middles of the bins of omega, theta and phi, and one; all zero where the pair was
    /// not observed: `[L, L, 7]`.
    pub fn features(&self, device: &Device, dtype: DType) -> Tensor<3> {
        let mut numbers = Vec::with_capacity(self.observed.len() * Self::NUM_FEATURES);
        for pair in &self.observed {
            let Some(bins) = pair else {
                numbers.extend([0.0; Self::NUM_FEATURES]);
                continue;
            };
            for &bin in bins {
                let (sine, cosine) = self.bins.centre(bin).sin_cos();
                numbers.extend([sine, cosine]);
            }
            numbers.push(1.0);
        }
        let shape = [self.length, self.length, Self::NUM_FEATURES];
        Tensor::from_data(TensorData::new(numbers, shape), (device, dtype))
    }
}

/// What was observed of the pairs of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Observations<'a> {
    /// Their distances.
    pub distances: &'a super::ObservedDistances,
    /// How they are turned to one another, for a model that reads it.
    pub orientations: Option<&'a ObservedOrientations>,
}

impl<'a> From<&'a super::ObservedDistances> for Observations<'a> {
    fn from(distances: &'a super::ObservedDistances) -> Self {
        Self {
            distances,
            orientations: None,
        }
    }
}
