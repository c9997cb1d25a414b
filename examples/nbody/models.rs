//! The models that are compared: all foretell how a ball strays from a straight line.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use steerable::irreps::Irreps;
use steerable::nn::{
    BlockNorm, BuildError, Cloud, Features, RadialOptions, RelativePosition, SE3Transformer,
    SE3TransformerConfig, TensorFieldNetwork, TensorFieldNetworkConfig,
};

use super::data::Batch;
use super::plain_network::{PlainNetwork, PlainNetworkConfig};
use super::settings::Settings;

/// Which model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Straight on at the same speed.
    Linear,
    /// Message passing on raw coordinates, not equivariant.
    Plain,
    /// Tensor field network.
    Tfn,
    /// SE(3)-Transformer.
    Se3Transformer,
}

impl ModelKind {
    /// Name in files and in `--json`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Plain => "plain",
            Self::Tfn => "tfn",
            Self::Se3Transformer => "se3-transformer",
        }
    }

    /// Name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Linear => "Linear extrapolation",
            Self::Plain => "Plain network",
            Self::Tfn => "TFN",
            Self::Se3Transformer => "SE(3)-Transformer",
        }
    }

    /// Mean squared errors of positions and velocities that the paper gives for this model.
    ///
    /// # Source
    /// SE(3)-Transformers (arXiv 2006.10503), table 1.
    pub fn published(self) -> Option<[f64; 2]> {
        match self {
            Self::Linear => Some([0.0691, 0.261]),
            Self::Plain => None,
            Self::Tfn => Some([0.0151, 0.125]),
            Self::Se3Transformer => Some([0.0076, 0.075]),
        }
    }
}

/// What is foretold of each ball.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Later position minus position, `[N, 3]`.
    pub displacement: Tensor<2>,
    /// Later velocity minus velocity, `[N, 3]`.
    pub velocity_change: Tensor<2>,
}

/// Straight on: `v t` and no change of velocity.
pub fn linear_extrapolation(batch: &Batch, time: f64) -> Prediction {
    Prediction {
        displacement: batch.velocities.clone() * time,
        velocity_change: batch.velocities.zeros_like(),
    }
}

/// A trained model. It adds what its network says to the straight line, so that it starts from
/// physics that needs no learning: displacement = `v t` + first vector, velocity change = second
/// vector.
#[derive(Module, Debug)]
pub struct Forecaster {
    network: Network,
    time: f64,
    velocity_weight: f64,
}

/// The part with parameters.
#[derive(Module, Debug)]
pub enum Network {
    /// Not equivariant.
    Plain(PlainNetwork),
    /// Equivariant convolutions.
    Tfn(TensorFieldNetwork),
    /// Equivariant attention.
    Se3Transformer(SE3Transformer),
}

impl Forecaster {
    /// Builds an untrained model; `None` for linear extrapolation, which has nothing to train.
    ///
    /// # Errors
    /// When the settings do not make a model, for example more heads than channels.
    pub fn new(
        kind: ModelKind,
        settings: &Settings,
        device: &Device,
    ) -> Result<Option<Self>, BuildError> {
        device.seed(settings.seed);
        let network = match kind {
            ModelKind::Linear => return Ok(None),
            ModelKind::Plain => Network::Plain(
                PlainNetworkConfig {
                    width: settings.plain_width,
                    num_layers: settings.plain_layers,
                }
                .init(device),
            ),
            ModelKind::Tfn => Network::Tfn(tfn(settings).try_init(device)?),
            ModelKind::Se3Transformer => {
                Network::Se3Transformer(transformer(settings).try_init(device)?)
            }
        };
        let model = Self {
            network,
            time: settings.time_ahead(),
            velocity_weight: settings.velocity_weight,
        };
        // Burn draws parameters when they are first looked at: now, so that the seed is theirs alone.
        drop(model.clone().into_record());
        Ok(Some(model))
    }

    /// What the errors of velocities count for in the loss, where those of positions count 1.
    pub fn velocity_weight(&self) -> f64 {
        self.velocity_weight
    }

    /// Foretells a batch.
    pub fn forward(&self, batch: &Batch) -> Prediction {
        let vectors = match &self.network {
            Network::Plain(network) => {
                let balls = batch.graph.num_nodes();
                network.forward(batch).reshape([balls, 3, 2])
            }
            Network::Tfn(network) => network
                .forward(&node_features(batch), &cloud(batch))
                .block(0),
            Network::Se3Transformer(network) => network
                .forward(&node_features(batch), &cloud(batch))
                .features
                .block(0),
        };
        let channel = |index| vectors.clone().narrow(2, index, 1).squeeze_dim::<2>(2);
        Prediction {
            displacement: batch.velocities.clone() * self.time + channel(0),
            velocity_change: channel(1),
        }
    }
}

fn irreps(text: &str) -> Irreps {
    text.parse().expect("written here")
}

fn node_features(batch: &Batch) -> Features {
    let columns = vec![batch.charges.clone(), batch.velocities.clone()];
    Features::new(irreps("1x0+1x1"), Tensor::cat(columns, 1))
}

fn cloud(batch: &Batch) -> Cloud {
    Cloud::new(batch.graph.clone(), batch.positions.clone())
        .with_edge_scalars(batch.charge_products.clone())
}

fn tfn(settings: &Settings) -> TensorFieldNetworkConfig {
    let hidden = Irreps::uniform_so3(settings.tfn_channels, settings.tfn_degrees - 1);
    TensorFieldNetworkConfig::new(irreps("1x0+1x1"), hidden, irreps("2x1"))
        .with_num_edge_scalars(1)
        .with_num_layers(settings.tfn_layers)
        .with_radial(RadialOptions::new().with_hidden(settings.radial_hidden()))
}

fn transformer(settings: &Settings) -> SE3TransformerConfig {
    let hidden = Irreps::uniform_so3(settings.channels, settings.degrees - 1);
    let (input, output) = (irreps("1x0+1x1"), irreps("2x1"));
    let config = if settings.paper {
        SE3TransformerConfig::fuchs(input, hidden, output)
    } else {
        SE3TransformerConfig::new(input, hidden, output)
    };
    let radial = config.radial.clone().with_hidden(settings.radial_hidden());
    config
        .with_radial(radial)
        .with_num_edge_scalars(1)
        .with_num_layers(settings.layers)
        .with_num_heads(settings.heads)
        .with_channels_div(settings.div)
        .with_norm(BlockNorm::Bias)
        .with_relative_position(RelativePosition::Joined)
}
