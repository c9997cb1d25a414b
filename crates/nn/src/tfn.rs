//! Tensor field networks: convolutions and non-linearities, without attention.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;
use steerable_harmonics::Normalization;
use steerable_harmonics::plan::{PathNormalization, Weighting};
use steerable_irreps::Irreps;
use steerable_radial::{Envelope, RadialBasis, RadialBasisConfig};

use crate::convolution::{
    Aggregation, Convolution, ConvolutionConfig, RadialOptions, SelfInteraction,
};
use crate::edges::HarmonicsOptions;
use crate::error::{BuildError, expect_built, same_group};
use crate::gate::{Gate, GateConfig};
use crate::linear::{SteerableLinear, SteerableLinearConfig, expect_irreps};
use crate::norm::{NormNonlinearity, NormNonlinearityConfig, NormTransform};
use crate::{Cloud, Edges, Features};

/// What stands between two convolutions.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// The norm non-linearity with a learned shift, as in the paper. On scalars it keeps the sign.
    NormBias,
    /// The norm non-linearity with layer normalization.
    NormLayerNorm,
    /// A gate: hidden scalars are activated, the rest is scaled by gates of its own.
    Gate,
}

/// Configuration of a [`TensorFieldNetwork`].
#[derive(Config, Debug)]
pub struct TensorFieldNetworkConfig {
    /// Irreps of the input features.
    pub irreps_in: Irreps,
    /// Irreps between the layers.
    pub irreps_hidden: Irreps,
    /// Irreps of the output features.
    pub irreps_out: Irreps,
    /// Number of scalar features of each edge.
    #[config(default = 0)]
    pub num_edge_scalars: usize,
    /// Number of hidden layers, before the last convolution.
    #[config(default = 3)]
    pub num_layers: usize,
    /// Expansion of the distance.
    #[config(default = "RadialBasisConfig::distance()")]
    pub radial_basis: RadialBasisConfig,
    /// Smooth cutoff of the kernels.
    #[config(default = "Envelope::None")]
    pub envelope: Envelope,
    /// The radial networks.
    #[config(default = "RadialOptions::new()")]
    pub radial: RadialOptions,
    /// Full radial weights, or channel-wise ones with a linear map behind them that mixes channels and paths
    /// (NequIP, MACE): fewer weights for each edge.
    #[config(default = "Weighting::Full")]
    pub weighting: Weighting,
    /// Normalization of the harmonics.
    #[config(default = "Normalization::Component")]
    pub harmonics: Normalization,
    /// Scaling of the paths.
    #[config(default = "PathNormalization::FanIn")]
    pub path_normalization: PathNormalization,
    /// How a layer gathers its messages.
    #[config(default = "Aggregation::Mean")]
    pub aggregation: Aggregation,
    /// With channel-wise weights: what the gathered messages are multiplied with. For sums, one over the root of
    /// the usual number of neighbours keeps features of order one.
    #[config(default = 1.0)]
    pub message_scale: f64,
    /// What stands between two convolutions.
    #[config(default = "Nonlinearity::Gate")]
    pub nonlinearity: Nonlinearity,
}

/// Convolutions with self-interaction, non-linearities between them.
///
/// # Source
/// Tensor field networks (arXiv 1802.08219).
#[derive(Module, Debug)]
pub struct TensorFieldNetwork {
    /// The convolutions; the last one gives the output.
    pub convolutions: Vec<Convolution>,
    /// Behind channel-wise convolutions, one each: mixes the channels of all paths and a node's own features.
    pub mixes: Vec<SteerableLinear>,
    /// One behind each convolution but the last, or none.
    pub norms: Vec<NormNonlinearity>,
    /// One behind each convolution but the last, or none.
    pub gates: Vec<Gate>,
    #[module(skip)]
    radial_basis: RadialBasis,
    #[module(skip)]
    irreps_in: Irreps,
    num_edge_scalars: usize,
    message_scale: f64,
    #[module(skip)]
    harmonics: HarmonicsOptions,
}

impl TensorFieldNetworkConfig {
    /// Builds the model.
    ///
    /// # Errors
    /// Whatever the layers find wrong, with the layer's name.
    pub fn try_init(&self, device: &Device) -> Result<TensorFieldNetwork, BuildError> {
        const LAYER: &str = "TensorFieldNetwork";
        let radial_basis =
            self.radial_basis
                .try_init(device)
                .map_err(|source| BuildError::Radial {
                    layer: LAYER.into(),
                    source,
                })?;
        let num_invariants = self.num_edge_scalars + radial_basis.num_features();
        let mut convolutions = Vec::with_capacity(self.num_layers + 1);
        same_group(LAYER, &self.irreps_in, &self.irreps_hidden)?;
        same_group(LAYER, &self.irreps_hidden, &self.irreps_out)?;
        let gate = self.gate(device).map_err(|error| error.within(LAYER))?;
        let before = gate.as_ref().map_or(&self.irreps_hidden, Gate::irreps_in);
        let after = gate.as_ref().map_or(&self.irreps_hidden, Gate::irreps_out);
        let mut mixes = Vec::new();
        let mut irreps_in = &self.irreps_in;
        for index in 0..=self.num_layers {
            let last = index == self.num_layers;
            let irreps_out = if last { &self.irreps_out } else { before };
            let place = format!("{LAYER}.convolutions[{index}]");
            let told = |error: BuildError| error.within(&place);
            let config =
                ConvolutionConfig::new(irreps_in.clone(), irreps_out.clone(), num_invariants)
                    .with_weighting(self.weighting)
                    .with_radial(self.radial.clone())
                    .with_path_normalization(self.path_normalization)
                    .with_aggregation(self.aggregation)
                    .with_self_interaction(match self.weighting {
                        Weighting::Full => SelfInteraction::PerNode,
                        Weighting::ChannelWise => SelfInteraction::None,
                    });
            let convolution = config.try_init(device).map_err(told)?;
            if self.weighting == Weighting::ChannelWise {
                let joined = convolution.irreps_out().concat(irreps_in);
                let joined = joined.expect("the groups are the same");
                let mix = SteerableLinearConfig::new(joined, irreps_out.clone());
                mixes.push(mix.try_init(device).map_err(told)?);
            }
            convolutions.push(convolution);
            irreps_in = after;
        }
        let l_max = convolutions
            .iter()
            .map(|c| c.plan().l_filter_max())
            .max()
            .unwrap_or(0);
        Ok(TensorFieldNetwork {
            convolutions,
            mixes,
            norms: (0..self.num_layers)
                .filter_map(|_| self.norm(device))
                .collect(),
            gates: (0..self.num_layers).filter_map(|_| gate.clone()).collect(),
            radial_basis,
            irreps_in: self.irreps_in.clone(),
            num_edge_scalars: self.num_edge_scalars,
            message_scale: self.message_scale,
            harmonics: HarmonicsOptions {
                l_max,
                normalization: self.harmonics,
                envelope: self.envelope,
            },
        })
    }

    /// Builds the model.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> TensorFieldNetwork {
        expect_built(self.try_init(device))
    }

    fn norm(&self, device: &Device) -> Option<NormNonlinearity> {
        let transform = match self.nonlinearity {
            Nonlinearity::NormBias => NormTransform::Bias,
            Nonlinearity::NormLayerNorm => NormTransform::LayerNorm,
            Nonlinearity::Gate => return None,
        };
        let config = NormNonlinearityConfig::new(self.irreps_hidden.clone());
        Some(config.with_transform(transform).init(device))
    }

    fn gate(&self, device: &Device) -> Result<Option<Gate>, BuildError> {
        match self.nonlinearity {
            Nonlinearity::NormBias | Nonlinearity::NormLayerNorm => Ok(None),
            Nonlinearity::Gate => {
                let scalars = self.irreps_hidden.filter(|irrep| irrep.l() == 0);
                let gated = self.irreps_hidden.filter(|irrep| irrep.l() > 0);
                GateConfig::new(scalars, gated).try_init(device).map(Some)
            }
        }
    }
}

impl TensorFieldNetwork {
    /// Irreps of the input features.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Irreps of the output features.
    pub fn irreps_out(&self) -> &Irreps {
        match (self.mixes.last(), self.convolutions.last()) {
            (Some(mix), _) => mix.irreps_out(),
            (None, Some(convolution)) => convolution.irreps_out(),
            (None, None) => unreachable!("there is always an output convolution"),
        }
    }

    /// Applies the model.
    ///
    /// # Panics
    /// When features or edge scalars are not what the model was built for, or the cloud brings
    /// steerable edge features, which this model does not read.
    #[track_caller]
    pub fn forward(&self, features: &Features, cloud: &Cloud) -> Features {
        expect_irreps("TensorFieldNetwork", &self.irreps_in, features);
        cloud.expect_rows("TensorFieldNetwork", features);
        assert!(
            cloud.edge_features.is_none(),
            "TensorFieldNetwork: steerable edge features are not read"
        );
        let edges = cloud.edges(
            "TensorFieldNetwork",
            cloud.positions.clone(),
            self.num_edge_scalars,
            (&self.radial_basis, self.harmonics),
        );
        let mut features = features.clone();
        for (index, convolution) in self.convolutions.iter().enumerate() {
            features = self.layer(index, convolution, &features, &edges);
            if let Some(norm) = self.norms.get(index) {
                features = norm.forward(&features);
            }
            if let Some(gate) = self.gates.get(index) {
                features = gate.forward(&features);
            }
        }
        features
    }

    fn layer(
        &self,
        index: usize,
        convolution: &Convolution,
        features: &Features,
        edges: &Edges,
    ) -> Features {
        let messages = convolution.forward(features, edges);
        match self.mixes.get(index) {
            Some(mix) => {
                let scaled = messages.packed() * self.message_scale;
                let messages = Features::new(messages.irreps().clone(), scaled);
                mix.forward_joined(&messages, features)
            }
            None => messages,
        }
    }
}
