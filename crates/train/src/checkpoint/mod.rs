//! Checkpoints: one safetensors file with a JSON header, written whole or not at all.
//!
//! ```text
//! NAME.safetensors
//!   metadata "steerable"   JSON: versions, conventions, model, training state, sizes     Header
//!   metadata "checksum"    CRC-32 of the header's text and of all tensors
//!   tensors                blocks.0.query.weights.0      a parameter, by its path in the module
//!                          ema/blocks.0.query.weights.0  its moving average
//!                          optimizer/blocks.0...         what the optimizer keeps of it
//!                          state/...                     whatever else must come back to the bit
//! ```
//!
//! Every program that reads safetensors reads the tensors. [`Checkpoint::apply`] puts them back into a module
//! and names what does not fit. A file written under other [`Conventions`] is converted where that is
//! known to be possible and refused with the reason where it is not.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::Device;
//! use steerable_train::checkpoint::{Checkpoint, Group, Header, ModelDescription};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("steerable-checkpoint-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let file = directory.join("model.safetensors");
//! let device = Device::flex();
//! let module = LinearConfig::new(3, 2).init(&device);
//!
//! let mut checkpoint = Checkpoint::new(Header::new(ModelDescription::of_kind("linear")));
//! checkpoint.insert_module(Group::Model, &module);
//! checkpoint.save(&file)?;
//!
//! let other = LinearConfig::new(3, 2).init(&device);
//! let other = Checkpoint::load(&file)?.apply(Group::Model, other)?;
//! assert_eq!(other.weight.val().into_data(), module.weight.val().into_data());
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! ```

mod conventions;
mod error;
mod file;
mod folder;
mod header;
mod optimizer;
mod parameters;

pub use conventions::{Conventions, Conversion, Refusal};
pub use error::CheckpointError;
pub use file::Checkpoint;
pub use folder::{CheckpointFolder, LastComplete};
pub use header::{FORMAT, Header, ModelDescription};
pub use parameters::Group;
