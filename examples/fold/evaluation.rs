//! Before and after, on chains that were not trained on.

use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use steerable_protein::structure::{StructureLayer, StructureModule, expected_lddt};
use steerable_protein::{CompareError, Frame, LddtConfig, Matched};

use super::data::{Target, ca};
use super::error::FoldError;
use super::noise::perturb;
use super::training::{inputs, residue_lddt};

/// How near a structure is to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// CA-RMSD after superposition, in angstrom.
    pub rmsd: f64,
    /// lDDT of CA.
    pub lddt: f64,
    /// TM-score.
    pub tm: f64,
}

impl Score {
    /// Scores frames against a chain.
    ///
    /// # Errors
    /// [`FoldError::Compare`].
    pub fn new(target: &Target, frames: &[Frame]) -> Result<Self, FoldError> {
        let (model, reference) = (ca(frames), ca(&target.frames));
        let matched = Matched {
            model: &model,
            reference: &reference,
        };
        let score = || -> Result<Self, CompareError> {
            Ok(Self {
                rmsd: matched.superpose()?.rmsd,
                lddt: matched.lddt(LddtConfig::default())?.global.unwrap_or(0.0),
                tm: matched.tm_score(reference.len())?.score,
            })
        };
        score().map_err(|source| FoldError::Compare {
            chain: target.name.clone(),
            source: source.into(),
        })
    }
}

/// A chain that was refined.
#[derive(Clone, Debug)]
pub struct Refined {
    /// Index among the targets.
    pub target: usize,
    /// Where the refinement started.
    pub start: Vec<Frame>,
    /// The refined frames.
    pub frames: Vec<Frame>,
    /// The predicted lDDT of each residue.
    pub confidence: Vec<f64>,
    /// The lDDT that each residue reached.
    pub reached: Vec<f64>,
    /// Before.
    pub before: Score,
    /// After.
    pub after: Score,
}

/// Refines every chain from the same noise for a seed.
///
/// # Errors
/// [`FoldError`]: positions that are not finite.
pub fn refine_all<L: StructureLayer>(
    module: &StructureModule<L>,
    targets: &[Target],
    noise: f64,
    seed: u64,
    device: &Device,
) -> Result<Vec<Refined>, FoldError> {
    let mut rng = StdRng::seed_from_u64(seed);
    targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            let start = perturb(&target.frames, noise, &mut rng);
            let output = module.forward(&inputs(target, &start, device)?);
            let frames = output.prediction().to_frames();
            let confidence = expected_lddt(output.confidence).into_data();
            Ok(Refined {
                target: index,
                before: Score::new(target, &start)?,
                after: Score::new(target, &frames)?,
                confidence: confidence.iter::<f64>().collect(),
                reached: residue_lddt(target, &frames)?,
                frames,
                start,
            })
        })
        .collect()
}

/// The line of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Which task.
    pub task: String,
    /// How many chains.
    pub chains: usize,
    /// Mean CA-RMSD before, in angstrom.
    pub rmsd_before: f64,
    /// Mean CA-RMSD after, in angstrom.
    pub rmsd_after: f64,
    /// Worst CA-RMSD after, in angstrom.
    pub rmsd_after_worst: f64,
    /// Largest share of a chain's CA-RMSD that is left.
    pub rmsd_left_worst: f64,
    /// Mean lDDT before.
    pub lddt_before: f64,
    /// Mean lDDT after.
    pub lddt_after: f64,
    /// Mean TM-score before.
    pub tm_before: f64,
    /// Mean TM-score after.
    pub tm_after: f64,
    /// Pearson correlation of predicted and reached lDDT over all residues; none when either is
    /// constant.
    pub confidence_correlation: Option<f64>,
}

impl Summary {
    /// Means and worst over chains.
    pub fn new(task: String, refined: &[Refined]) -> Self {
        let mean =
            |of: fn(&Refined) -> f64| refined.iter().map(of).sum::<f64>() / refined.len() as f64;
        let worst = |of: fn(&Refined) -> f64| refined.iter().map(of).fold(0.0, f64::max);
        Self {
            task,
            chains: refined.len(),
            rmsd_before: mean(|r| r.before.rmsd),
            rmsd_after: mean(|r| r.after.rmsd),
            rmsd_after_worst: worst(|r| r.after.rmsd),
            rmsd_left_worst: worst(|r| r.after.rmsd / r.before.rmsd),
            lddt_before: mean(|r| r.before.lddt),
            lddt_after: mean(|r| r.after.lddt),
            tm_before: mean(|r| r.before.tm),
            tm_after: mean(|r| r.after.tm),
            confidence_correlation: correlation(refined),
        }
    }
}

fn correlation(refined: &[Refined]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = refined
        .iter()
        .flat_map(|r| r.confidence.iter().copied().zip(r.reached.iter().copied()))
        .collect();
    let count = pairs.len() as f64;
    let mean_x = pairs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = pairs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in &pairs {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    let spread = (xx * yy).sqrt();
    (spread > 0.0).then(|| xy / spread)
}
