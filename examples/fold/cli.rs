//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Trains a structure module to take noise from protein backbones, and reports on chains it has not
/// seen: CA-RMSD, lDDT and TM-score before and after.
#[derive(Parser, Clone, Debug)]
#[command(name = "fold", args_override_self = true)]
pub struct Cli {
    /// Folder of .pdb or .cif files, gzipped or not, to train on; by default the small chains that
    /// ship with the project.
    #[arg(long)]
    pub train: Option<PathBuf>,
    /// Folder of chains to report on; without, a fifth of the chains is held out.
    #[arg(long)]
    pub test: Option<PathBuf>,
    /// Folder for the split, refined structures and results.
    #[arg(long, default_value = "runs/fold")]
    pub out: PathBuf,
    /// The layer of the structure module.
    #[arg(long, value_enum, default_value_t = LayerKind::Transformer)]
    pub layer: LayerKind,
    /// Minutes of training.
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Steps of training instead of minutes: the same seed then gives the same bits, however fast the
    /// machine.
    #[arg(long, conflicts_with = "minutes")]
    pub steps: Option<usize>,
    /// Noise of the CA atoms in angstrom: root mean square of the displacement. Frames are turned by
    /// 20 degrees for each angstrom.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values_t = [1.0, 2.0, 4.0])]
    pub noise: Vec<f64>,
    /// Residues of the pieces that are trained on; chains are tested whole.
    #[arg(long, default_value_t = 128)]
    pub crop: usize,
    /// Highest learning rate of Adam.
    #[arg(long, default_value_t = 2e-3)]
    pub lr: f64,
    /// Seed of split, noise and order.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// End with one line of JSON for each task.
    #[arg(long)]
    pub json: bool,
}

/// Which layer moves the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayerKind {
    /// An SE(3)-Transformer.
    Transformer,
    /// Invariant point attention.
    PointAttention,
}
