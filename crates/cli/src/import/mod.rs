//! `steerable import`: weights of other codes.
//!
//! NVIDIA's SE3Transformer: its state dict, `.pth` or safetensors, into the model of the same sizes. e3nn:
//! `o3.Linear`, and the last radial layers of full and of channel-wise (`uvu`) tensor products. Imported weights are for
//! the library: [`Checkpoint::apply`] puts them into the layer or the model that they are of. The other subcommands, but
//! `info` and `export`, know the models that `steerable train` makes and no others. Weights mix channels and do
//! not depend on the order of components within a feature row (`mul_ir` or `ir_mul`); what they do depend on, path
//! normalization and the order of degrees in the 3j symbols, is converted.
//!
//! Fuchs' checkpoints are recognized and refused. Their modules have counterparts in the model that
//! `SE3TransformerConfig::fuchs` builds (`GMAB.{v, k}.kernel_unary.(i,o).rp.net` are the radial networks of pairs, `GMAB.q`,
//! `project` and `kernel_self` linear maps, `GNormSE3` the norm non-linearity without layers), but the kernels `Q_J` that
//! the last radial layers multiply are null vectors of a singular value decomposition: each is known but for its sign, which
//! the linear algebra library of the training machine chose, and which lies in a cache there and not in the checkpoint.
//! `GAttentiveSelfInt` has no counterpart.

mod e3nn;
mod nvidia;
mod source;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use steerable_train::checkpoint::{Checkpoint, Group};

pub use e3nn::{E3nnError, Product, linear_matrices, tensor_product_columns};
pub use nvidia::NvidiaError;
pub use source::{Source, SourceError};

use crate::CommandResult;
use crate::table::grouped;

/// Arguments of `steerable import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose weights.
    #[command(subcommand)]
    pub what: Import,
}

/// Whose weights.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// NVIDIA's SE3Transformer; the defaults are its QM9 model.
    Nvidia(nvidia::NvidiaArgs),
    /// A linear map of e3nn (`o3.Linear`).
    E3nnLinear(e3nn::LinearArgs),
    /// The last radial layer of a tensor product of e3nn.
    E3nnTensorProduct(e3nn::TensorProductArgs),
}

/// The file to read and the file to write.
#[derive(Debug, Args)]
pub struct Files {
    /// A state dict: .pth, .pt, .ckpt or .safetensors.
    pub file: PathBuf,
    /// The checkpoint to write.
    #[arg(long)]
    pub out: PathBuf,
    /// In a .pth: the key that the state dict stands under.
    #[arg(long)]
    pub key: Option<String>,
}

/// Reads the weights and writes a checkpoint, which is for the library.
///
/// # Errors
/// When the file cannot be read, a tensor is missing or has another shape, or the checkpoint cannot be
/// written.
pub fn run(args: &ImportArgs) -> CommandResult {
    let (files, checkpoint) = match &args.what {
        Import::Nvidia(args) => (&args.files, nvidia::import(args)?),
        Import::E3nnLinear(args) => (&args.files, e3nn::import_linear(args)?),
        Import::E3nnTensorProduct(args) => (&args.files, e3nn::import_tensor_product(args)?),
    };
    checkpoint.save(&files.out)?;
    let numbers: usize = checkpoint
        .group(Group::Model)
        .map(|(_, data)| data.num_elements())
        .sum();
    println!(
        "{}: {} numbers of {}",
        files.out.display(),
        grouped(numbers),
        files.file.display()
    );
    println!("for the library: Checkpoint::apply puts them into the module that they are of");
    Ok(())
}

/// A checkpoint without tensors, of an imported model.
fn imported(description: steerable_train::checkpoint::ModelDescription) -> Checkpoint {
    Checkpoint::new(steerable_train::checkpoint::Header::new(description))
}
