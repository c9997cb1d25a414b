//! `steerable refine`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use clap::Args;
use indicatif::ProgressBar;
use steerable_protein::file;
use steerable_protein::folding::{FoldingConfig, FoldingError, FoldingModel, MODEL_KIND};
use steerable_train::checkpoint::{Checkpoint, CheckpointError, Group};

use crate::CommandResult;

/// Arguments of `steerable refine`.
#[derive(Debug, Args)]
pub struct RefineArgs {
    /// The structure: .pdb or .cif, gzipped or not.
    pub input: PathBuf,
    /// The checkpoint of a model that refines backbones, such as the example `fold` trains.
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// Where the refined structure goes: .pdb or .cif, gzipped where .gz follows.
    #[arg(long)]
    pub out: PathBuf,
    /// How often the model runs on its own output; by default as often as it was trained for.
    #[arg(long)]
    pub passes: Option<usize>,
}

/// A checkpoint that refines no backbone.
#[derive(Debug, thiserror::Error)]
pub enum RefineError {
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(Box<CheckpointError>),
    /// It is of another kind of model.
    #[error("{} is of a model of kind \"{found}\"; refining needs one of kind \"{MODEL_KIND}\"", file.display())]
    Kind {
        /// The checkpoint.
        file: PathBuf,
        /// Its kind.
        found: String,
    },
    /// Its configuration cannot be understood.
    #[error("the configuration in {}: {reason}", file.display())]
    Config {
        /// The checkpoint.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A chain that cannot be refined.
    #[error("{}, chain {chain}: {source}", file.display())]
    Chain {
        /// The structure.
        file: PathBuf,
        /// The chain.
        chain: String,
        /// Why not.
        source: Box<FoldingError>,
    },
}

impl From<CheckpointError> for RefineError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error.into())
    }
}

/// Builds the model that a checkpoint is of.
///
/// # Errors
/// [`RefineError`]: a checkpoint that cannot be read or is of another kind.
pub fn load(path: &Path, device: &Device) -> Result<FoldingModel, RefineError> {
    let checkpoint = Checkpoint::load(path)?;
    let description = &checkpoint.header.model;
    if description.kind != MODEL_KIND {
        return Err(RefineError::Kind {
            file: path.to_path_buf(),
            found: description.kind.clone(),
        });
    }
    let broken = |reason: String| RefineError::Config {
        file: path.to_path_buf(),
        reason,
    };
    let config: FoldingConfig = serde_json::from_value(description.config.clone())
        .map_err(|error| broken(error.to_string()))?;
    let model = config
        .try_init(device)
        .map_err(|error| broken(error.to_string()))?;
    Ok(checkpoint.apply(Group::Model, model)?)
}

/// Refines every chain of a structure, with a bar that counts residues on a terminal. Residues without a frame stay where they were, and are told.
///
/// # Errors
/// A structure or a checkpoint that cannot be read, a chain that cannot be refined, or a file that cannot
/// be written.
pub fn run(args: &RefineArgs) -> CommandResult {
    let model = load(&args.checkpoint, &Device::flex())?;
    let contents = file::read(&args.input)?;
    eprint!("{}", contents.report);
    let passes = args.passes.unwrap_or(model.config().num_passes);
    let mut chains = Vec::with_capacity(contents.chains.len());
    let mut summary = String::new();
    let residues = contents.chains.iter().map(|chain| chain.residues.len());
    // It draws on terminals only.
    let bar = ProgressBar::new(residues.sum::<usize>() as u64);
    bar.enable_steady_tick(Duration::from_millis(200));
    let tell = |line: String| bar.suspend(|| eprintln!("{line}"));
    for chain in &contents.chains {
        let refined = match model.refine_chain(chain, passes) {
            Ok(refined) => refined,
            Err(FoldingError::NoResidues) => {
                tell(format!(
                    "chain {}: left as it is, no residue has N, CA and C",
                    chain.id
                ));
                bar.inc(chain.residues.len() as u64);
                chains.push(
                    chain
                        .clone()
                        .with_b_factors(&vec![0.0; chain.residues.len()]),
                );
                continue;
            }
            Err(source) => {
                return Err(RefineError::Chain {
                    file: args.input.clone(),
                    chain: chain.id.clone(),
                    source: source.into(),
                }
                .into());
            }
        };
        for &residue in &refined.left {
            tell(format!("{}: left as it is", chain.residue_id(residue)));
        }
        let sum: f64 = refined.confidence.iter().map(|(_, lddt)| lddt).sum();
        let count = refined.confidence.len();
        summary.push_str(&format!(
            "chain {}: {count} residues refined, predicted lDDT {:.1} on average\n",
            chain.id,
            100.0 * sum / count as f64
        ));
        chains.push(refined.chain);
        bar.inc(chain.residues.len() as u64);
    }
    bar.finish_and_clear();
    file::write(&args.out, &chains)?;
    // The file is what was asked for: a reader of the summary may be gone.
    match io::stdout().lock().write_all(summary.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
