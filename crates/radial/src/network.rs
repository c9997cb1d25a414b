//! The hidden part of a radial network.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Activation, RadialError};

/// The normalization between a linear map and its activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RadialNorm {
    /// None.
    None,
    /// Layer normalization over the features of an edge, with learned scale and shift:
    /// biased variance and epsilon 1e-5, as torch's default.
    LayerNorm,
}

/// Whether the linear maps add a learned constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Bias {
    /// `x W + b`.
    With,
    /// `x W`.
    Without,
}

/// Configuration of a [`RadialNetwork`].
///
/// The defaults are the SE(3)-Transformers': two layers of 32, layer normalization, rectifiers.
#[derive(Config, Debug, PartialEq)]
pub struct RadialNetworkConfig {
    /// The number of input features: those of the radial basis plus the scalar edge features.
    pub d_input: usize,
    /// The widths of the hidden layers; without any, the network passes its input on.
    /// Default: `[32, 32]`.
    #[config(default = "vec![32, 32]")]
    pub hidden: Vec<usize>,
    /// The normalization before each activation. Default: [`RadialNorm::LayerNorm`].
    #[config(default = "RadialNorm::LayerNorm")]
    pub norm: RadialNorm,
    /// The activation after each layer. Default: [`Activation::Relu`].
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Whether the linear maps have a bias. Default: [`Bias::With`].
    #[config(default = "Bias::With")]
    pub bias: Bias,
    /// The first values of the linear maps. Default: uniform within `1 / sqrt(d_input)` of the
    /// layer, the default of burn and torch.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl RadialNetworkConfig {
    /// Makes the network, with new parameters on `device`.
    ///
    /// # Errors
    ///
    /// [`RadialError::EmptyLayer`] if a width is zero.
    pub fn try_init(&self, device: &Device) -> Result<RadialNetwork, RadialError> {
        if self.d_input == 0 || self.hidden.contains(&0) {
            return Err(RadialError::EmptyLayer {
                d_input: self.d_input,
                hidden: self.hidden.clone(),
            });
        }
        let inputs = std::iter::once(&self.d_input).chain(&self.hidden);
        let layers = inputs
            .zip(&self.hidden)
            .map(|(&d_input, &d_output)| self.layer(d_input, d_output, device))
            .collect();
        Ok(RadialNetwork {
            layers,
            activation: self.activation,
            d_input: self.d_input,
        })
    }

    /// As [`try_init`](Self::try_init).
    ///
    /// # Panics
    ///
    /// Where `try_init` returns an error.
    pub fn init(&self, device: &Device) -> RadialNetwork {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("RadialNetworkConfig: {error}"))
    }

    fn layer(&self, d_input: usize, d_output: usize, device: &Device) -> RadialLayer {
        let linear = LinearConfig::new(d_input, d_output)
            .with_bias(self.bias == Bias::With)
            .with_initializer(self.initializer.clone())
            .init(device);
        let norm = match self.norm {
            RadialNorm::None => None,
            RadialNorm::LayerNorm => Some(LayerNormConfig::new(d_output).init(device)),
        };
        RadialLayer { linear, norm }
    }
}

/// One linear map and its normalization.
#[derive(Module, Debug)]
pub struct RadialLayer {
    /// The linear map.
    pub linear: Linear,
    /// The normalization, if any.
    pub norm: Option<LayerNorm>,
}

/// `hidden = act(norm(.. act(norm(x W_1 + b_1)) W_2 + b_2 ..))`: a radial network without its last
/// linear map, which the convolution owns and fuses with its sum over edges.
///
/// Parameters are named `layers.{i}.linear.{weight, bias}` and `layers.{i}.norm.{gamma, beta}`.
///
/// # Source
///
/// Fuchs et al., "SE(3)-Transformers", arXiv:2006.10503, appendix; `RadialProfile` in NVIDIA's
/// SE3Transformer, whose `net.{3i}` and `net.{3i+1}` are layer `i`'s `linear` and `norm`.
#[derive(Module, Debug)]
pub struct RadialNetwork {
    /// The layers, from input to output.
    pub layers: Vec<RadialLayer>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    d_input: usize,
}

impl RadialNetwork {
    /// The number of input features.
    pub fn d_input(&self) -> usize {
        self.d_input
    }

    /// The length of the hidden vector.
    pub fn d_output(&self) -> usize {
        match self.layers.last() {
            Some(layer) => layer.linear.weight.dims()[1],
            None => self.d_input,
        }
    }

    /// The hidden vector of each edge.
    ///
    /// # Shapes
    ///
    /// - features: `[edges, d_input]`
    /// - output: `[edges, d_output]`
    ///
    /// # Panics
    ///
    /// If `features` does not have `d_input` columns.
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let [edges, columns] = features.dims();
        assert!(
            columns == self.d_input,
            "RadialNetwork: expected edge features of shape [edges, {}], got [{edges}, {columns}]",
            self.d_input
        );
        self.layers.iter().fold(features, |x, layer| {
            let x = layer.linear.forward(x);
            let x = match &layer.norm {
                Some(norm) => norm.forward(x),
                None => x,
            };
            self.activation.apply(x)
        })
    }
}
