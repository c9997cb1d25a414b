//! The equivariant network inside every model: a tensor field network or an SE(3)-Transformer.

use std::num::NonZeroU32;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use steerable_harmonics::plan::Weighting;
use steerable_irreps::{Group, Irrep, Irreps, MulIrrep, Parity};
use steerable_nn::{
    Aggregation, Cloud, Features, RadialOptions, SE3Transformer, SE3TransformerConfig,
    TensorFieldNetwork, TensorFieldNetworkConfig,
};
use steerable_radial::{
    Activation, Cutoff, Ends, Envelope, RadialBasisConfig, RadialBasisKind, RadialNorm, Range,
};

use super::ModelError;

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Convolutions with full radial weights and gates.
    TensorField,
    /// Convolutions with channel-wise radial weights, linear maps and gates: the cheapest for each edge.
    ChannelWise,
    /// The SE(3)-Transformer.
    Transformer,
}

/// The choices of a network, without what the task fixes: its input and output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Which network.
    pub kind: NetworkKind,
    /// Irreps between the layers.
    pub hidden: Irreps,
    /// Number of hidden layers or attention blocks.
    pub layers: usize,
    /// Attention heads of the transformer.
    pub heads: usize,
    /// The kernels fade to zero here, in angstrom. `None`: they do not fade, and the network reads the
    /// distance itself.
    pub cutoff: Option<f64>,
    /// With a cutoff: how many Bessel functions of the distance the network reads.
    pub radial_functions: usize,
    /// Widths of the hidden layers of the radial networks.
    pub radial_hidden: Vec<usize>,
    /// How many neighbours a node has, about; sums over them are divided by the root of it. Channel-wise
    /// networks.
    pub neighbours: f64,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            kind: NetworkKind::ChannelWise,
            hidden: "32x0e + 32x1o + 16x2e".parse().expect("irreps"),
            layers: 3,
            heads: 4,
            cutoff: Some(5.0),
            radial_functions: 8,
            radial_hidden: vec![32, 32],
            neighbours: 12.0,
        }
    }
}

/// What the task fixes.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    /// Irreps of a node's input.
    pub(crate) irreps_in: Irreps,
    /// Irreps of a node's output.
    pub(crate) irreps_out: Irreps,
    /// Number of scalars of an edge.
    pub(crate) num_edge_scalars: usize,
}

/// A network of either kind.
#[allow(
    clippy::large_enum_variant,
    reason = "a model has one, and its parameters are elsewhere"
)]
#[derive(Module, Debug)]
pub enum Network {
    /// Convolutions.
    TensorField(TensorFieldNetwork),
    /// Attention.
    Transformer(SE3Transformer),
}

impl NetworkConfig {
    /// The group whose irreps the hidden features have.
    pub(crate) fn group(&self) -> Group {
        self.hidden.group().unwrap_or(Group::So3)
    }

    /// `mul` invariant scalars of the network's group.
    pub(crate) fn scalars(&self, mul: usize) -> Irreps {
        let irrep = match self.group() {
            Group::So3 => Irrep::so3(0),
            Group::O3 => Irrep::o3(0, Parity::Even),
        };
        one_block(mul, irrep)
    }

    /// `mul` polar vectors of the network's group.
    pub(crate) fn vectors(&self, mul: usize) -> Irreps {
        let irrep = match self.group() {
            Group::So3 => Irrep::so3(1),
            Group::O3 => Irrep::o3(1, Parity::Odd),
        };
        one_block(mul, irrep)
    }

    /// Builds the network.
    pub(crate) fn init(
        &self,
        interface: Interface,
        device: &Device,
    ) -> Result<Network, ModelError> {
        self.check_hidden()?;
        let (radial_basis, envelope) = self.radial()?;
        let radial = RadialOptions::new()
            .with_hidden(self.radial_hidden.clone())
            .with_norm(RadialNorm::None)
            .with_activation(Activation::Silu);
        let Interface {
            irreps_in,
            irreps_out,
            num_edge_scalars,
        } = interface;
        let hidden = self.hidden.clone();
        Ok(match self.kind {
            NetworkKind::Transformer => {
                let config = SE3TransformerConfig::new(irreps_in, hidden, irreps_out)
                    .with_num_edge_scalars(num_edge_scalars)
                    .with_num_layers(self.layers)
                    .with_num_heads(self.heads)
                    .with_radial_basis(radial_basis)
                    .with_envelope(envelope)
                    .with_radial(radial);
                Network::Transformer(config.try_init(device)?)
            }
            NetworkKind::TensorField | NetworkKind::ChannelWise => {
                let weighting = match self.kind {
                    NetworkKind::ChannelWise => Weighting::ChannelWise,
                    _ => Weighting::Full,
                };
                let config = TensorFieldNetworkConfig::new(irreps_in, hidden, irreps_out)
                    .with_num_edge_scalars(num_edge_scalars)
                    .with_num_layers(self.layers)
                    .with_radial_basis(radial_basis)
                    .with_envelope(envelope)
                    .with_radial(radial)
                    .with_weighting(weighting)
                    .with_aggregation(match (self.kind, self.cutoff) {
                        // A mean would jump when a neighbour leaves.
                        (NetworkKind::ChannelWise, _) | (_, Some(_)) => Aggregation::Sum,
                        (_, None) => Aggregation::Mean,
                    })
                    .with_message_scale(1.0 / self.neighbours.sqrt());
                Network::TensorField(config.try_init(device)?)
            }
        })
    }

    /// Refuses irreps that the layers cannot carry: a gate reads each irrep once.
    fn check_hidden(&self) -> Result<(), ModelError> {
        let refused = |allowed| Err(ModelError::value("network.hidden", &self.hidden, allowed));
        if self.hidden.iter().any(|block| block.mul == 0) {
            return refused("every multiplicity to be at least 1");
        }
        let repeated = self
            .hidden
            .iter()
            .any(|block| self.hidden.mul_of(block.irrep) > block.mul);
        match self.kind {
            NetworkKind::TensorField | NetworkKind::ChannelWise if repeated => {
                refused("each irrep once, with all its channels together")
            }
            _ => Ok(()),
        }
    }

    fn radial(&self) -> Result<(RadialBasisConfig, Envelope), ModelError> {
        if !(self.neighbours > 0.0 && self.neighbours.is_finite()) {
            return Err(ModelError::value(
                "network.neighbours",
                self.neighbours,
                "a positive number",
            ));
        }
        let Some(radius) = self.cutoff else {
            return Ok((RadialBasisConfig::distance(), Envelope::None));
        };
        let cutoff = Cutoff::new(radius)
            .map_err(|_| ModelError::value("network.cutoff", radius, "a positive length"))?;
        let basis = RadialBasisConfig::new(
            RadialBasisKind::Bessel,
            self.radial_functions,
            Range::up_to(cutoff),
        )
        .with_ends(Ends::Vanishing);
        let p = NonZeroU32::new(6).expect("six");
        Ok((basis, Envelope::Polynomial { cutoff, p }))
    }
}

impl Network {
    /// Features of the output irreps.
    pub(crate) fn forward(&self, features: &Features, cloud: &Cloud) -> Features {
        match self {
            Self::TensorField(network) => network.forward(features, cloud),
            Self::Transformer(network) => network.forward(features, cloud).features,
        }
    }
}

/// Refuses a model without invariants.
///
/// # Errors
/// [`ModelError::Value`] for a width of 0.
pub fn check_width(width: usize) -> Result<(), ModelError> {
    match width {
        0 => Err(ModelError::value("width", width, "at least 1")),
        _ => Ok(()),
    }
}

fn one_block(mul: usize, irrep: Irrep) -> Irreps {
    Irreps::try_new(vec![MulIrrep { mul, irrep }]).expect("one block has one group")
}
