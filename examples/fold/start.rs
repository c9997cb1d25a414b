//! Where a model starts: frames shifted and turned at random, torsions turned at random, or distances
//! and orientations observed badly.

use nalgebra::Vector3;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use steerable::irreps::Rotation;
use steerable_protein::folding::{FoldingError, FoldingModel};
use steerable_protein::structure::TorsionBins;
use steerable_protein::trunk::{
    Corruption, Observations, ObservedDistances, ObservedOrientations, OrientationCorruption,
};
use steerable_protein::{
    Frame, InternalCoordinates, OrientedResidue, SmacofConfig, backbone_of_ca, embed,
};

use super::data::{Target, ca};
use super::error::ChainError;

/// What is reported on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// Frames displaced by this root mean square, in angstrom, and turned.
    Noise(f64),
    /// Torsions turned by this standard deviation, in degrees.
    Torsions(f64),
    /// Distances in bins, and orientations where they are observed, corrupted.
    Distogram(Observation),
}

/// How what is observed of pairs differs from the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Their distances.
    pub distances: Corruption,
    /// Their orientations, where they are observed.
    pub orientations: Option<OrientationCorruption>,
}

/// What was observed of the pairs of a chain.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Their distances.
    pub distances: ObservedDistances,
    /// Their orientations, where they are observed.
    pub orientations: Option<ObservedOrientations>,
}

impl Observed {
    /// As a model reads it.
    pub fn to_model(&self) -> Observations<'_> {
        Observations {
            distances: &self.distances,
            orientations: self.orientations.as_ref(),
        }
    }
}

impl Task {
    /// Its name in results and of its folder.
    pub fn name(&self) -> String {
        match self {
            Self::Noise(angstrom) => format!("denoise-{angstrom}A"),
            Self::Torsions(degrees) => format!("denoise-torsions-{degrees}deg"),
            Self::Distogram(observation) => {
                // To a millionth of a per cent, which takes off the error of the division by 100.
                let wrong = (1e8 * observation.distances.replaced).round() / 1e6;
                format!("fold-from-distogram-{wrong}pc-wrong")
            }
        }
    }
}

/// How far a frame turns for each angstrom of noise.
const DEGREES_PER_ANGSTROM: f64 = 20.0;

/// Every frame by itself: its origin moves by a normal displacement of root mean square `angstrom`, and
/// it turns about a random axis by a normal angle of 20 degrees for each angstrom.
pub fn perturb(frames: &[Frame], angstrom: f64, rng: &mut impl Rng) -> Vec<Frame> {
    let spread = angstrom / 3.0_f64.sqrt();
    let angle = (DEGREES_PER_ANGSTROM * angstrom).to_radians();
    frames
        .iter()
        .map(|frame| {
            let turn = loop {
                // An axis of length zero is drawn never, or once more.
                let axis = normal(rng).into();
                let by = angle * rng.sample::<f64, _>(StandardNormal);
                if let Ok(turn) = Rotation::from_axis_angle(axis, by) {
                    break turn;
                }
            };
            Frame {
                rotation: frame.rotation * turn.matrix(),
                translation: frame.translation + normal(rng) * spread,
            }
        })
        .collect()
}

fn normal(rng: &mut impl Rng) -> Vector3<f64> {
    Vector3::from_fn(|_, _| rng.sample(StandardNormal))
}

/// The frames after normal noise of this standard deviation on phi, psi and omega: small errors add up
/// along the chain.
///
/// # Errors
/// [`ChainError`]: atoms on a line.
pub fn perturb_torsions(
    target: &Target,
    degrees: f64,
    rng: &mut impl Rng,
) -> Result<Vec<Frame>, ChainError> {
    let internal = InternalCoordinates::of(&target.backbone)?;
    let noisy = internal
        .with_torsion_noise(degrees.to_radians(), rng)
        .to_backbone();
    let frames = noisy.residues().iter().map(Frame::of_residue);
    let frames = frames.collect::<Result<_, _>>();
    Ok(frames.map_err(FoldingError::from)?)
}

/// Observes the pairs of a chain: first the distances, so that they are the same with orientations and without.
///
/// # Errors
/// [`ChainError`]: bins that are none, a residue without a frame.
pub fn observe(
    model: &FoldingModel,
    target: &Target,
    observation: Observation,
    rng: &mut impl Rng,
) -> Result<Observed, ChainError> {
    let config = model.config();
    let ca = ca(&target.frames);
    let distances = ObservedDistances::new(&ca, config.bins.bins()?, observation.distances, rng);
    let orientations = match (config.orientation_bins, observation.orientations) {
        (Some(bins), Some(corruption)) => {
            let residues = target.backbone.residues().iter();
            let oriented = residues.map(|&residue| OrientedResidue::with_ideal_cb(residue));
            let oriented: Vec<_> = oriented
                .collect::<Result<_, _>>()
                .map_err(FoldingError::from)?;
            let bins = TorsionBins::new(bins);
            Some(ObservedOrientations::new(&oriented, bins, corruption, rng))
        }
        _ => None,
    };
    Ok(Observed {
        distances,
        orientations,
    })
}

/// The baseline without a network: the frames that MDS alone makes of observed distances, refined
/// against them (SMACOF) and with the hand of proteins.
///
/// # Errors
/// [`ChainError`]: distances that give no coordinates.
pub fn mds_alone(target: &Target, observed: &ObservedDistances) -> Result<Vec<Frame>, ChainError> {
    let known = observed.known_distances(&target.sequence.residue_index)?;
    let trace = embed(&known, SmacofConfig::default())?.points;
    let backbone = backbone_of_ca(&trace).map_err(FoldingError::from)?;
    let frames = backbone.residues().iter().map(Frame::of_residue);
    let frames = frames.collect::<Result<_, _>>();
    Ok(frames.map_err(FoldingError::from)?)
}
