//! NVIDIA's SE3Transformer.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use steerable::irreps::Irreps;
use steerable::nn::nvidia::{self, FuseLevel};
use steerable::nn::{PooledTransformerConfig, Pooling, SE3TransformerConfig};
use steerable_train::checkpoint::{Checkpoint, Group, ModelDescription};

use super::source::listed;
use super::{Files, Source, imported};
use crate::models;

/// How far the convolutions were fused when the weights were trained.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Fuse {
    /// `low_memory = True`: pairs of degrees.
    None,
    /// Neither flag: all inputs of one output, or all outputs of one input.
    Partial,
    /// `tensor_cores = True`: the whole convolution.
    Full,
}

/// Whether the state dict is of `SE3TransformerPooled` or of `SE3Transformer`, and how nodes are pooled.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Pool {
    /// Pooled by the largest value, as NVIDIA's QM9 model is.
    Max,
    /// Pooled by the mean.
    Mean,
    /// Not pooled: `SE3Transformer`.
    None,
}

/// Arguments of `steerable import nvidia`.
#[derive(Debug, Args)]
pub struct NvidiaArgs {
    /// Files.
    #[command(flatten)]
    pub files: Files,
    /// What stands before every key: "module." of data-parallel training, "model." of others.
    #[arg(long, default_value = "")]
    pub prefix: String,
    /// Irreps of the node features (`fiber_in`).
    #[arg(long, default_value = "6x0")]
    pub irreps_in: Irreps,
    /// Irreps between the blocks (`fiber_hidden`).
    #[arg(long, default_value = "32x0 + 32x1 + 32x2 + 32x3")]
    pub irreps_hidden: Irreps,
    /// Irreps of the output (`fiber_out`).
    #[arg(long, default_value = "128x0")]
    pub irreps_out: Irreps,
    /// Scalar features of each edge besides the distance (`fiber_edge`).
    #[arg(long, default_value_t = 4)]
    pub edge_scalars: usize,
    /// Attention blocks (`num_layers`).
    #[arg(long, default_value_t = 7)]
    pub layers: usize,
    /// Attention heads (`num_heads`).
    #[arg(long, default_value_t = 8)]
    pub heads: usize,
    /// Divides the channels of keys and values (`channels_div`).
    #[arg(long, default_value_t = 2)]
    pub channels_div: usize,
    /// How far the convolutions were fused.
    #[arg(long, value_enum, default_value_t = Fuse::Full)]
    pub fuse: Fuse,
    /// How nodes are pooled.
    #[arg(long, value_enum, default_value_t = Pool::Max)]
    pub pooling: Pool,
    /// Values for each graph (`output_dim`).
    #[arg(long, default_value_t = 1)]
    pub outputs: usize,
}

/// A state dict that is not of NVIDIA's SE3Transformer as asked for.
#[derive(Debug, thiserror::Error)]
pub enum NvidiaError {
    /// It is of Fuchs' code.
    #[error(
        "{} is of Fuchs' se3-transformer-public, which is not read: the signs of that code's kernels come from a \
         singular value decomposition on the machine that trained and are not in the file, so the weights alone do not \
         tell the function",
        file.display()
    )]
    Fuchs {
        /// The file.
        file: PathBuf,
    },
    /// No key begins as those of the model do.
    #[error("{}: no key begins with \"{expected}\"; {hint}", file.display())]
    Keys {
        /// The file.
        file: PathBuf,
        /// How keys should begin.
        expected: String,
        /// What may help.
        hint: String,
    },
}

/// Refuses what is no state dict of the model, and says what may help.
fn recognize(keys: &[String], prefix: &str, pooled: bool, file: &Path) -> Result<(), NvidiaError> {
    const MODULES: &str = "graph_modules.";
    const POOLED: &str = "transformer.";
    let file = file.to_path_buf();
    if keys.iter().any(|key| key.contains("kernel_unary.(")) {
        return Err(NvidiaError::Fuchs { file });
    }
    let expected = format!("{prefix}{}{MODULES}", if pooled { POOLED } else { "" });
    if keys.iter().any(|key| key.starts_with(&expected)) {
        return Ok(());
    }
    let before = keys.iter().find_map(|key| key.split_once(MODULES));
    let hint = match before.map(|(before, _)| before) {
        None => format!("it has {}", listed(keys)),
        Some(before) => {
            let nested = before.split_once("state_dict.");
            let key = nested.map(|(outer, _)| format!("--key {outer}state_dict"));
            let before = nested.map_or(before, |(_, inner)| inner);
            let (prefix, pooling) = match before.strip_suffix(POOLED) {
                Some(prefix) => (prefix, None),
                None => (before, Some("--pooling none".to_owned())),
            };
            let prefix = (!prefix.is_empty()).then(|| format!("--prefix {prefix}"));
            let flags = [key, prefix, pooling].into_iter().flatten();
            format!("its keys go with {}", flags.collect::<Vec<_>>().join(" "))
        }
    };
    Err(NvidiaError::Keys {
        file,
        expected,
        hint,
    })
}

/// The checkpoint of a state dict.
///
/// # Errors
/// When the model cannot be built, the file cannot be read, or a tensor is missing or of another shape.
pub(super) fn import(args: &NvidiaArgs) -> Result<Checkpoint, Box<dyn Error>> {
    let level = match args.fuse {
        Fuse::None => FuseLevel::None,
        Fuse::Partial => FuseLevel::Partial,
        Fuse::Full => FuseLevel::Full,
    };
    let transformer = SE3TransformerConfig::nvidia(
        args.irreps_in.clone(),
        args.irreps_hidden.clone(),
        args.irreps_out.clone(),
        level,
    )
    .with_num_edge_scalars(args.edge_scalars)
    .with_num_layers(args.layers)
    .with_num_heads(args.heads)
    .with_channels_div(args.channels_div);
    let device = Device::flex();
    let mut source = Source::open(&args.files);
    let pooled = !matches!(args.pooling, Pool::None);
    recognize(&source.names()?, &args.prefix, pooled, source.file())?;
    let described = |kind: &str, config| {
        ModelDescription::of_kind(kind)
            .with_config(config)
            .with_irreps("in", &args.irreps_in)
            .with_irreps("hidden", &args.irreps_hidden)
            .with_irreps("out", &args.irreps_out)
    };
    let pooling = match args.pooling {
        Pool::Max => Some(Pooling::Max),
        Pool::Mean => Some(Pooling::Mean),
        Pool::None => None,
    };
    let prefix = args.prefix.as_str();
    let Some(pooling) = pooling else {
        let model = transformer.try_init(&device)?;
        let model = match &mut source {
            Source::Pytorch(_, store) => nvidia::load(&model, store.as_mut(), prefix)?,
            Source::Safetensors(_, store) => nvidia::load(&model, store.as_mut(), prefix)?,
        };
        let config = serde_json::to_value(&transformer)?;
        let mut checkpoint = imported(described(models::TRANSFORMER, config));
        checkpoint.insert_module(Group::Model, &model);
        return Ok(checkpoint);
    };
    let config = PooledTransformerConfig::new(transformer, args.outputs).with_pooling(pooling);
    let model = config.try_init(&device)?;
    let model = match &mut source {
        Source::Pytorch(_, store) => nvidia::load_pooled(&model, store.as_mut(), prefix)?,
        Source::Safetensors(_, store) => nvidia::load_pooled(&model, store.as_mut(), prefix)?,
    };
    let mut checkpoint = imported(described(
        models::POOLED_TRANSFORMER,
        serde_json::to_value(&config)?,
    ));
    checkpoint.insert_module(Group::Model, &model);
    Ok(checkpoint)
}
