//! `steerable export`: a model's weights and nothing else, for other programs.

use std::path::PathBuf;

use burn::tensor::DType;
use clap::{Args, ValueEnum};
use steerable_train::checkpoint::{Checkpoint, Group};

use crate::CommandResult;
use crate::load::checkpoint_of;

/// Which weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// Moving averages if there are any, else the parameters themselves.
    Best,
    /// The parameters as trained.
    Trained,
    /// Their moving averages.
    Averaged,
}

/// The type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NumberType {
    /// As they are.
    Same,
    /// 16 bits.
    F16,
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// Arguments of `steerable export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A checkpoint, or the folder of a run.
    pub checkpoint: PathBuf,
    /// The file to write; Python's safetensors reads it.
    #[arg(long)]
    pub out: PathBuf,
    /// Which weights.
    #[arg(long, value_enum, default_value_t = Weights::Best)]
    pub weights: Weights,
    /// The type of numbers.
    #[arg(long, value_enum, default_value_t = NumberType::Same)]
    pub dtype: NumberType,
}

/// Writes the weights with the header, without optimizer and training state.
///
/// # Errors
/// When the checkpoint cannot be read, has no moving averages though they are asked for, or the file
/// cannot be written.
pub fn run(args: &ExportArgs) -> CommandResult {
    let from = Checkpoint::load(&checkpoint_of(&args.checkpoint))?;
    let group = match (args.weights, from.has(Group::Ema)) {
        (Weights::Best | Weights::Averaged, true) => Group::Ema,
        (Weights::Best, false) | (Weights::Trained, _) => Group::Model,
        (Weights::Averaged, false) => {
            return Err(format!("{} has no moving averages", from.file().display()).into());
        }
    };
    let dtype = match args.dtype {
        NumberType::Same => None,
        NumberType::F16 => Some(DType::F16),
        NumberType::F32 => Some(DType::F32),
        NumberType::F64 => Some(DType::F64),
    };
    let mut header = from.header.clone();
    header.training = serde_json::Value::Null;
    header.feature_rows.clear();
    let mut exported = Checkpoint::new(header);
    let mut count = 0;
    for (name, data) in from.group(group) {
        let data = match dtype {
            Some(dtype) => data.clone().convert_dtype(dtype),
            None => data.clone(),
        };
        exported.insert(Group::Model, name, data);
        count += 1;
    }
    exported.save(&args.out)?;
    println!("{}: {count} tensors", args.out.display());
    Ok(())
}
