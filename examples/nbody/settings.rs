//! Every choice of a run, as flags.

use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::data::FRAMES_AHEAD;
use super::error::NbodyError;
use super::models::ModelKind;
use super::simulation::{Physics, Walls};

/// The choices that make the numbers; a resumed run must repeat them.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The paper's settings: 4 layers, degrees 0-3, 8 channels, div 4, 2 heads, batch 128, 5000 and
    /// 1000 systems, 500 epochs at 1e-3. Takes hours. Other flags still count.
    #[arg(long)]
    pub paper: bool,
    /// Which models, in this order.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1..,
        default_values_t = [ModelKind::Linear, ModelKind::Plain, ModelKind::Tfn, ModelKind::Se3Transformer])]
    pub models: Vec<ModelKind>,
    /// Seed of data, parameters and order; the same seed and number of threads give the same bits.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Walls at plus and minus this coordinate; 0 for none.
    #[arg(long, default_value_t = 5.0, value_parser = not_negative)]
    pub box_size: f64,
    /// Systems to train on.
    #[arg(long, default_value_t = 20_000, default_value_if("paper", "true", "5000"), value_parser = positive)]
    pub train_size: usize,
    /// Systems to choose the best epoch by.
    #[arg(long, default_value_t = 500, value_parser = positive)]
    pub valid_size: usize,
    /// Systems to report on.
    #[arg(long, default_value_t = 1000, value_parser = positive)]
    pub test_size: usize,

    /// Systems in a batch.
    #[arg(long, default_value_t = 64, default_value_if("paper", "true", "128"), value_parser = positive)]
    pub batch_size: usize,
    /// Epochs of the SE(3)-Transformer.
    #[arg(long, default_value_t = 12, default_value_if("paper", "true", "500"), value_parser = positive)]
    pub epochs: usize,
    /// Epochs of the TFN.
    #[arg(long, default_value_t = 6, default_value_if("paper", "true", "500"), value_parser = positive)]
    pub tfn_epochs: usize,
    /// Epochs of the plain network.
    #[arg(long, default_value_t = 8, default_value_if("paper", "true", "500"), value_parser = positive)]
    pub plain_epochs: usize,
    /// Highest learning rate of Adam.
    #[arg(long, default_value_t = 5e-3, default_value_if("paper", "true", "1e-3"), value_parser = rate)]
    pub lr: f64,
    /// Learning rate at the end of the cosine.
    #[arg(long, default_value_t = 1e-5, default_value_if("paper", "true", "1e-4"), value_parser = rate)]
    pub final_lr: f64,
    /// Steps over which the learning rate rises to its highest.
    #[arg(long, default_value_t = 100)]
    pub warm_up: usize,
    /// What the squared error of velocities counts for in the loss, where that of positions counts 1.
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    pub velocity_weight: f64,

    /// Attention blocks of the SE(3)-Transformer.
    #[arg(long, default_value_t = 3, default_value_if("paper", "true", "4"), value_parser = positive)]
    pub layers: usize,
    /// Channels of each degree.
    #[arg(long, default_value_t = 8, default_value_if("paper", "true", "8"), value_parser = positive)]
    pub channels: usize,
    /// Number of degrees: 0 to this minus 1. At least 2, since the output is vectors.
    #[arg(long, default_value_t = 3, default_value_if("paper", "true", "4"), value_parser = degrees)]
    pub degrees: usize,
    /// Keys and values have the channels divided by this.
    #[arg(long, default_value_t = 2, default_value_if("paper", "true", "4"), value_parser = positive)]
    pub div: usize,
    /// Attention heads.
    #[arg(long, default_value_t = 2, default_value_if("paper", "true", "2"), value_parser = positive)]
    pub heads: usize,
    /// Width of the two hidden layers of each radial network.
    #[arg(long, default_value_t = 32, value_parser = positive)]
    pub radial_width: usize,

    /// Hidden layers of the TFN.
    #[arg(long, default_value_t = 3, default_value_if("paper", "true", "4"), value_parser = positive)]
    pub tfn_layers: usize,
    /// Channels of each degree in the TFN.
    #[arg(long, default_value_t = 8, default_value_if("paper", "true", "8"), value_parser = positive)]
    pub tfn_channels: usize,
    /// Number of degrees in the TFN.
    #[arg(long, default_value_t = 3, default_value_if("paper", "true", "4"), value_parser = degrees)]
    pub tfn_degrees: usize,

    /// Width of the plain network.
    #[arg(long, default_value_t = 64, value_parser = positive)]
    pub plain_width: usize,
    /// Rounds of messages in the plain network.
    #[arg(long, default_value_t = 4, value_parser = positive)]
    pub plain_layers: usize,
}

impl Settings {
    /// The laws of motion.
    pub fn physics(&self) -> Physics {
        Physics::new(if self.box_size == 0.0 {
            Walls::None
        } else {
            Walls::At(self.box_size)
        })
    }

    /// Time from the input frame to the target.
    pub fn time_ahead(&self) -> f64 {
        FRAMES_AHEAD as f64 * self.physics().frame_time()
    }

    /// Widths of the hidden layers of each radial network.
    pub fn radial_hidden(&self) -> Vec<usize> {
        vec![self.radial_width; 2]
    }

    /// Epochs of a model.
    pub fn epochs_of(&self, kind: ModelKind) -> usize {
        match kind {
            ModelKind::Linear => 0,
            ModelKind::Plain => self.plain_epochs,
            ModelKind::Tfn => self.tfn_epochs,
            ModelKind::Se3Transformer => self.epochs,
        }
    }

    /// Checks that a run made with `self` can go on with `other`.
    ///
    /// # Errors
    /// When a setting differs; the error names all that do.
    pub fn expect_same(&self, other: &Self, file: &Path) -> Result<(), NbodyError> {
        let as_map = |settings: &Self| match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(map)) => map,
            _ => unreachable!("settings are plain data"),
        };
        let (ours, theirs) = (as_map(self), as_map(other));
        let differing: Vec<String> = ours
            .iter()
            .filter(|(key, value)| theirs.get(*key) != Some(value))
            .map(|(key, value)| {
                let flag = key.replace('_', "-");
                format!("--{flag} was {value}, now {}", theirs[key])
            })
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        Err(NbodyError::SettingsDiffer {
            file: file.to_path_buf(),
            differing: differing.join("; "),
        })
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("{error}")),
    }
}

fn degrees(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(value @ 2..=9) => Ok(value),
        Ok(_) => Err("must be from 2 to 9".into()),
        Err(error) => Err(format!("{error}")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        Ok(_) => Err("must be above 0 and at most 1".into()),
        Err(error) => Err(format!("{error}")),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        Ok(_) => Err("must be a number, not below 0".into()),
        Err(error) => Err(format!("{error}")),
    }
}
