//! The hidden part of radial networks.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_kernels::{
    LayerNormAffine, RadialLayerInputs, RadialLayerOptions, RadialStack, RadialStackLayer,
    radial_layer,
};

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

/// Added to the variance, as in torch.
const EPSILON: f64 = 1e-5;

/// Configuration of a [`RadialNetwork`]. The defaults are the SE(3)-Transformers': two layers of 32,
/// layer normalization, rectifiers.
#[derive(Config, Debug, PartialEq)]
pub struct RadialNetworkConfig {
    /// The number of input features: those of the radial basis plus the scalar edge features.
    pub d_input: usize,
    /// How many networks of the same shape stand side by side. Default: 1.
    #[config(default = 1)]
    pub networks: usize,
    /// The widths of the hidden layers. Empty: every network passes its input on. Default: `[32, 32]`.
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
}

impl RadialNetworkConfig {
    /// Makes the networks, with new parameters on `device`: linear maps uniform within
    /// `1 / sqrt(fan_in)`, the default of burn and torch.
    ///
    /// # Errors
    ///
    /// [`RadialError::EmptyLayer`] if a width or the number of networks is zero.
    pub fn try_init(&self, device: &Device) -> Result<RadialNetwork, RadialError> {
        if self.d_input == 0 || self.networks == 0 || self.hidden.contains(&0) {
            return Err(RadialError::EmptyLayer {
                d_input: self.d_input,
                hidden: self.hidden.clone(),
            });
        }
        let inputs = std::iter::once(&self.d_input).chain(&self.hidden);
        let layers = inputs
            .zip(&self.hidden)
            .enumerate()
            .map(|(index, (&d_input, &d_output))| self.layer(index, d_input, d_output, device))
            .collect();
        Ok(RadialNetwork {
            layers,
            activation: self.activation,
            d_input: self.d_input,
            networks: self.networks,
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

    fn layer(&self, index: usize, d_input: usize, d_output: usize, device: &Device) -> RadialLayer {
        let bound = 1.0 / (d_input as f64).sqrt();
        let uniform = Initializer::Uniform {
            min: -bound,
            max: bound,
        };
        let columns = self.networks * d_output;
        // All networks read the same input: their first maps are one wide matrix, the later ones are
        // stacked.
        let shape = match index {
            0 => [d_input, columns],
            _ => [self.networks * d_input, d_output],
        };
        let affine = |initializer: Initializer| {
            (self.norm == RadialNorm::LayerNorm).then(|| initializer.init([columns], device))
        };
        RadialLayer {
            weight: uniform.init(shape, device),
            bias: (self.bias == Bias::With).then(|| uniform.init([columns], device)),
            gamma: affine(Initializer::Ones),
            beta: affine(Initializer::Zeros),
        }
    }
}

/// One linear map and its normalization, for all networks.
#[derive(Module, Debug)]
pub struct RadialLayer {
    /// First layer: `[d_input, networks * d_output]`; later ones: `[networks * d_input, d_output]`.
    pub weight: Param<Tensor<2>>,
    /// `[networks * d_output]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Scale of the normalization, `[networks * d_output]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// Shift of the normalization, `[networks * d_output]`.
    pub beta: Option<Param<Tensor<1>>>,
}

impl RadialLayer {
    fn affine(&self) -> Option<LayerNormAffine> {
        let affine = self.gamma.as_ref().zip(self.beta.as_ref());
        affine.map(|(gamma, beta)| LayerNormAffine {
            gamma: gamma.val(),
            beta: beta.val(),
        })
    }

    fn inputs(&self) -> RadialLayerInputs {
        RadialLayerInputs {
            weight: self.weight.val(),
            bias: self.bias.as_ref().map(Param::val),
            affine: self.affine(),
        }
    }
}

/// `hidden = act(norm(.. act(norm(x W_1 + b_1)) W_2 + b_2 ..))` for one or more networks side by side:
/// radial networks without their last linear maps, which the convolution owns and fuses with its sum
/// over edges.
///
/// Parameters are named `layers.{i}.{weight, bias, gamma, beta}`.
///
/// # Source
///
/// Fuchs et al., "SE(3)-Transformers", arXiv:2006.10503, appendix; `RadialProfile` in NVIDIA's
/// SE3Transformer.
#[derive(Module, Debug)]
pub struct RadialNetwork {
    /// The layers, from input to output.
    pub layers: Vec<RadialLayer>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    d_input: usize,
    #[module(skip)]
    networks: usize,
}

impl RadialNetwork {
    /// The number of input features.
    pub fn d_input(&self) -> usize {
        self.d_input
    }

    /// The number of networks.
    pub fn networks(&self) -> usize {
        self.networks
    }

    /// The length of one network's hidden vector.
    pub fn d_output(&self) -> usize {
        match self.layers.as_slice() {
            [] => self.d_input,
            [only] => only.weight.dims()[1] / self.networks,
            [.., last] => last.weight.dims()[1],
        }
    }

    /// The hidden vectors of each edge, those of the networks side by side.
    ///
    /// # Shapes
    ///
    /// - features: `[edges, d_input]`
    /// - output: `[edges, networks * d_output]`
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
        if self.layers.is_empty() {
            return features.repeat_dim(1, self.networks);
        }
        self.layers
            .iter()
            .enumerate()
            .fold(features, |x, (index, layer)| {
                radial_layer(x, layer.inputs(), self.options(index))
            })
    }

    /// The shapes of all layers, for operations that form the hidden vectors themselves; their parameters
    /// are [`packed`](Self::packed).
    pub fn stack(&self) -> RadialStack {
        let layers = self
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| RadialStackLayer {
                weight: layer.weight.dims(),
                has_bias: layer.bias.is_some(),
                has_norm: layer.affine().is_some(),
                options: self.options(index),
            });
        RadialStack {
            d_input: self.d_input,
            networks: self.networks,
            layers: layers.collect(),
        }
    }

    /// The parameters of all layers in the order of a [`RadialStack`], `[stack.num_parameters()]`; gradients
    /// flow back to each of them. Where there are none, an empty vector on `device` of `dtype`.
    pub fn packed(&self, device: &Device, dtype: DType) -> Tensor<1> {
        let parameters: Vec<Tensor<1>> = self
            .layers
            .iter()
            .flat_map(|layer| {
                let RadialLayerInputs {
                    weight,
                    bias,
                    affine,
                } = layer.inputs();
                let affine = affine.map(|affine| [affine.gamma, affine.beta]);
                [weight.flatten(0, 1)]
                    .into_iter()
                    .chain(bias)
                    .chain(affine.into_iter().flatten())
            })
            .collect();
        if parameters.is_empty() {
            return Tensor::zeros([0], (device, dtype));
        }
        Tensor::cat(parameters, 0)
    }

    /// What a layer computes.
    fn options(&self, index: usize) -> RadialLayerOptions {
        let groups = if index == 0 { 1 } else { self.networks };
        let [_, d_output] = self.layers[index].weight.dims();
        RadialLayerOptions {
            groups,
            norm_width: groups * d_output / self.networks,
            epsilon: EPSILON,
            activation: self.activation,
        }
    }
}
