//! Before and after, on chains that were not trained on.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use serde::Serialize;
use steerable_protein::folding::FoldingModel;
use steerable_protein::structure::ExpectedTorsion;
use steerable_protein::{CompareError, Frame, LddtConfig, Matched};

use super::data::{Target, ca};
use super::error::{ChainError, FoldError};
use super::side_chains::{CommonChi1, chi1_right};
use super::start::{Task, mds_alone, observe, perturb, perturb_torsions};

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
    /// [`CompareError`]: positions that are not finite.
    pub fn new(target: &Target, frames: &[Frame]) -> Result<Self, CompareError> {
        let (model, reference) = (ca(frames), ca(&target.frames));
        let matched = Matched {
            model: &model,
            reference: &reference,
        };
        Ok(Self {
            rmsd: matched.superpose()?.rmsd,
            lddt: matched.lddt(LddtConfig::default())?.global.unwrap_or(0.0),
            tm: matched.tm_score(reference.len())?.score,
        })
    }
}

/// lDDT of each residue's CA; a residue without neighbours counts as zero.
///
/// # Errors
/// [`ChainError::Compare`] for positions that are not finite.
pub fn residue_lddt(target: &Target, frames: &[Frame]) -> Result<Vec<f64>, ChainError> {
    let matched = Matched {
        model: &ca(frames),
        reference: &ca(&target.frames),
    };
    let lddt = matched.lddt(LddtConfig::default())?;
    let each = lddt.per_residue.iter();
    Ok(each.map(|lddt| lddt.unwrap_or(0.0)).collect())
}

/// A chain that was refined.
#[derive(Clone, Debug)]
pub struct Refined {
    /// Index among the targets.
    pub target: usize,
    /// The baseline: the noisy frames, or those of MDS alone.
    pub start: Vec<Frame>,
    /// The refined frames.
    pub frames: Vec<Frame>,
    /// The predicted lDDT of each residue.
    pub confidence: Vec<f64>,
    /// The lDDT that each residue reached.
    pub reached: Vec<f64>,
    /// The predicted side-chain torsions of each residue.
    pub chi: Vec<Vec<ExpectedTorsion>>,
    /// Before: the baseline.
    pub before: Score,
    /// MDS from the trunk's distances, where the structure module starts from it.
    pub from_trunk: Option<Score>,
    /// After.
    pub after: Score,
}

/// Refines every chain, each from the noise of the seed and its place among the chains.
///
/// # Errors
/// [`FoldError::Chain`].
pub fn refine_all(
    model: &FoldingModel,
    targets: &[Target],
    task: Task,
    seed: u64,
) -> Result<Vec<Refined>, FoldError> {
    targets
        .par_iter()
        .enumerate()
        .map(|(index, target)| {
            let refined = refine(model, index, target, task, seed);
            refined.map_err(|error| error.of(&target.name))
        })
        .collect()
}

fn refine(
    model: &FoldingModel,
    index: usize,
    target: &Target,
    task: Task,
    seed: u64,
) -> Result<Refined, ChainError> {
    let mut rng = StdRng::seed_from_u64(seed ^ ((index as u64) << 32));
    let passes = model.config().num_passes;
    let (baseline, refined) = match task {
        Task::Noise(_) | Task::Torsions(_) => {
            let start = match task {
                Task::Torsions(degrees) => perturb_torsions(target, degrees, &mut rng)?,
                Task::Noise(angstrom) => perturb(&target.frames, angstrom, &mut rng),
                Task::Distogram(_) => unreachable!("it is not one of the outer arm"),
            };
            let refined = model.refine(&target.sequence, start.clone(), None, passes)?;
            (start, refined)
        }
        Task::Distogram(observation) => {
            let observed = observe(model, target, observation, &mut rng)?;
            (
                mds_alone(target, &observed.distances)?,
                model.fold(&target.sequence, observed.to_model())?,
            )
        }
    };
    let from_trunk = match task {
        Task::Distogram(_) => Some(Score::new(target, &refined.start)?),
        _ => None,
    };
    Ok(Refined {
        target: index,
        before: Score::new(target, &baseline)?,
        from_trunk,
        after: Score::new(target, &refined.frames)?,
        reached: residue_lddt(target, &refined.frames)?,
        start: baseline,
        frames: refined.frames,
        confidence: refined.confidence,
        chi: refined.chi,
    })
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
    /// Worst lDDT after.
    pub lddt_after_worst: f64,
    /// Mean TM-score before.
    pub tm_before: f64,
    /// Mean TM-score after.
    pub tm_after: f64,
    /// Worst TM-score after.
    pub tm_after_worst: f64,
    /// Mean CA-RMSD of MDS from the trunk's distances, in angstrom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmsd_from_trunk: Option<f64>,
    /// Pearson correlation of predicted and reached lDDT over all residues; none when either is
    /// constant.
    pub confidence_correlation: Option<f64>,
    /// Share of the residues whose chi1 is predicted within 40 degrees; none without side chains.
    pub chi1_within_40_degrees: Option<f64>,
    /// The same for the most common chi1 of each amino acid in the chains trained on.
    pub chi1_baseline: Option<f64>,
}

impl Summary {
    /// Means and worst over chains.
    pub fn new(task: &Task, refined: &[Refined], targets: &[Target], common: &CommonChi1) -> Self {
        let mean = |of: &dyn Fn(&Refined) -> f64| {
            refined.iter().map(of).sum::<f64>() / refined.len() as f64
        };
        let largest = |of: fn(&Refined) -> f64| refined.iter().map(of).fold(0.0, f64::max);
        let least = |of: fn(&Refined) -> f64| refined.iter().map(of).fold(1.0, f64::min);
        let from_trunk = refined.iter().all(|r| r.from_trunk.is_some());
        let chi1 = chi1_right(refined, targets, common);
        Self {
            task: task.name(),
            chains: refined.len(),
            rmsd_before: mean(&|r| r.before.rmsd),
            rmsd_after: mean(&|r| r.after.rmsd),
            rmsd_after_worst: largest(|r| r.after.rmsd),
            rmsd_left_worst: largest(|r| r.after.rmsd / r.before.rmsd),
            lddt_before: mean(&|r| r.before.lddt),
            lddt_after: mean(&|r| r.after.lddt),
            lddt_after_worst: least(|r| r.after.lddt),
            tm_before: mean(&|r| r.before.tm),
            tm_after: mean(&|r| r.after.tm),
            tm_after_worst: least(|r| r.after.tm),
            rmsd_from_trunk: from_trunk
                .then(|| mean(&|r| r.from_trunk.map_or(f64::NAN, |score| score.rmsd))),
            confidence_correlation: correlation(refined),
            chi1_within_40_degrees: chi1.map(|(predicted, _)| predicted),
            chi1_baseline: chi1.map(|(_, guessed)| guessed),
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
