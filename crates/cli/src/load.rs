//! A trained model from its checkpoint.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use steerable_train::checkpoint::{Checkpoint, Group};

use crate::recipe::Recipe;

/// A checkpoint and what it trains.
pub struct Trained {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What it trains.
    pub recipe: Recipe,
}

/// The checkpoint that is meant: of the folder of a run its best model.
pub fn checkpoint_of(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join("model.safetensors"),
        false => path.to_path_buf(),
    }
}

impl Trained {
    /// Of a checkpoint, or of the folder of a run: its `model.safetensors`.
    ///
    /// # Errors
    /// When it cannot be read, or is of a model that this program does not train.
    pub fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        let checkpoint = Checkpoint::load(&checkpoint_of(path))?;
        let recipe = Recipe::of(&checkpoint)?;
        Ok(Self { checkpoint, recipe })
    }

    /// The model with the checkpoint's parameters: the moving averages if there are any.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn fill<M: Module>(&self, model: M) -> Result<M, Box<dyn Error>> {
        let group = match self.checkpoint.has(Group::Ema) {
            true => Group::Ema,
            false => Group::Model,
        };
        Ok(self.checkpoint.apply(group, model)?)
    }

    /// The configuration that a run keeps beside its models, if there is one.
    pub fn config(&self) -> Option<PathBuf> {
        let folders = self.checkpoint.file().ancestors().skip(1).take(2);
        folders
            .map(|folder| folder.join("config.toml"))
            .find(|file| file.exists())
    }

    /// Where models are computed.
    pub fn device() -> Device {
        Device::flex()
    }
}
