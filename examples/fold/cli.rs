//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;
use steerable_protein::trunk::{Corruption, OrientationCorruption};

use super::start::Observation;

/// Trains models that refine and fold protein backbones, and reports on chains they have not seen:
/// CA-RMSD, lDDT and TM-score before and after, beside the trivial baseline.
#[derive(Parser, Clone, Debug)]
#[command(name = "fold", args_override_self = true)]
pub struct Cli {
    /// Folder of .pdb or .cif files, gzipped or not, to train on; by default the small chains that
    /// ship with the project.
    #[arg(long)]
    pub train: Option<PathBuf>,
    /// Folder of chains to report on; without, a fifth of the chains is held out, cluster by cluster.
    #[arg(long)]
    pub test: Option<PathBuf>,
    /// Folder for the split, checkpoints, structures, pictures and results.
    #[arg(long, default_value = "runs/fold")]
    pub out: PathBuf,
    /// What is trained: one model for each.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1..,
          default_values_t = [ModelKind::Denoise, ModelKind::Distogram])]
    pub models: Vec<ModelKind>,
    /// The layer of the structure module.
    #[arg(long, value_enum, default_value_t = LayerKind::Transformer)]
    pub layer: LayerKind,
    /// Whether the iterations of the structure module share their parameters.
    #[arg(long, value_enum, default_value_t = Weights::Shared)]
    pub weights: Weights,
    /// Minutes of training, shared evenly by the models.
    #[arg(long, default_value_t = 7.0, value_parser = above_zero)]
    pub minutes: f64,
    /// Steps of training of each model instead of minutes: the same seed then gives the same bits,
    /// however fast the machine.
    #[arg(long, conflicts_with = "minutes")]
    pub steps: Option<usize>,
    /// Noise of the CA atoms in angstrom: root mean square of the displacement. Frames are turned by
    /// 20 degrees for each angstrom.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [1.0, 2.0, 4.0],
          value_parser = not_negative)]
    pub noise: Vec<f64>,
    /// Noise of the torsions in degrees: standard deviation of phi, psi and omega.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [2.0],
          value_parser = not_negative)]
    pub torsion_noise: Vec<f64>,
    /// Error of the observed distances in angstrom: standard deviation.
    #[arg(long, default_value_t = Corruption::default().shift, value_parser = not_negative)]
    pub shift: f64,
    /// Share of the distances that are not observed.
    #[arg(long, default_value_t = Corruption::default().missing, value_parser = share)]
    pub missing: f64,
    /// Per cent of the observed distances that are wrong: their bins are drawn at random. Trained on is
    /// any share up to the largest.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values_t = [0.0, 2.0],
          value_parser = per_cent)]
    pub wrong: Vec<f64>,
    /// Read orientations of pairs (omega, theta and phi of trRosetta, up to 20 angstrom) beside their distances:
    /// as often missing and as often wrong.
    #[arg(long)]
    pub orientations: bool,
    /// Error of the observed orientations in degrees: standard deviation of each angle.
    #[arg(long, default_value_t = 30.0, value_parser = not_negative)]
    pub turn: f64,
    /// Pieces of chains in a step, each on a thread of its own.
    #[arg(long, default_value_t = 2, value_parser = at_least::<1>)]
    pub batch: usize,
    /// Residues of the pieces that are trained on; chains are tested whole.
    #[arg(long, default_value_t = 96, value_parser = at_least::<8>)]
    pub crop: usize,
    /// Residues of the pieces that a trunk is trained on, whose cost is quadratic in them: half of the
    /// time two pieces of half this length.
    #[arg(long, default_value_t = 64, value_parser = at_least::<8>)]
    pub pair_crop: usize,
    /// How often a model runs on its own output; in training a random number up to this.
    #[arg(long, default_value_t = 1, value_parser = at_least::<1>)]
    pub passes: usize,
    /// Highest learning rate of Adam.
    #[arg(long, default_value_t = 2e-3, value_parser = above_zero)]
    pub lr: f64,
    /// Seed of split, noise and order.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Go on from the checkpoints in the folder.
    #[arg(long)]
    pub resume: bool,
    /// End with one line of JSON for each task.
    #[arg(long)]
    pub json: bool,
}

fn at_least<const LEAST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number >= LEAST);
    number.ok_or_else(|| format!("a whole number of at least {LEAST} is wanted"))
}

/// Numbers are no larger than this, so that what is computed from them is finite.
const LARGEST: f64 = 1e6;

fn number_to(text: &str, largest: f64) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (0.0..=largest).contains(number));
    number.ok_or_else(|| format!("a number from 0 to {largest} is wanted"))
}

fn not_negative(text: &str) -> Result<f64, String> {
    number_to(text, LARGEST)
}

fn share(text: &str) -> Result<f64, String> {
    number_to(text, 1.0)
}

fn per_cent(text: &str) -> Result<f64, String> {
    number_to(text, 100.0)
}

fn above_zero(text: &str) -> Result<f64, String> {
    match number_to(text, LARGEST)? {
        number if number > 0.0 => Ok(number),
        _ => Err("a number above 0 is wanted".into()),
    }
}

impl Cli {
    /// How what is observed differs from the truth, when this per cent of it is wrong.
    pub fn observation(&self, wrong: f64) -> Observation {
        let distances = self.corruption(wrong);
        let orientations = OrientationCorruption {
            turn: self.turn.to_radians(),
            replaced: distances.replaced,
            missing: distances.missing,
            ..OrientationCorruption::default()
        };
        Observation {
            distances,
            orientations: self.orientations.then_some(orientations),
        }
    }

    /// How observed distances differ from the true ones, when this per cent of them is wrong.
    fn corruption(&self, wrong: f64) -> Corruption {
        Corruption {
            shift: self.shift,
            replaced: wrong / 100.0,
            missing: self.missing,
        }
    }
}

/// Which layer moves the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayerKind {
    /// An SE(3)-Transformer.
    Transformer,
    /// Invariant point attention.
    PointAttention,
}

/// Whether iterations share their parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// One layer, applied again and again.
    Shared,
    /// A layer for each iteration.
    Own,
}

/// What a model is trained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Taking noise from coordinates and from torsions.
    Denoise,
    /// Coordinates from binned and corrupted distances.
    Distogram,
}

impl ModelKind {
    /// The name of its checkpoint.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denoise => "denoise",
            Self::Distogram => "distogram",
        }
    }
}
