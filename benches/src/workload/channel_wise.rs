//! W2 and W6: a channel-wise convolution with its radial network.

use std::hint::black_box;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::Deserialize;
use steerable::harmonics::Normalization;
use steerable::harmonics::plan::Weighting;
use steerable::irreps::Irreps;
use steerable::kernels::spherical_harmonics;
use steerable::nn::{
    Convolution, ConvolutionConfig, Edges, Features, LastLayerBias, RadialOptions,
};
use steerable::radial::{Activation, Bias, RadialNetworkConfig, RadialNorm};

use super::{Cost, Mode, Source, Work, edges, leaf, memory, note};

/// `k` random sources for each of `N` nodes, `ch` channels of every degree to `L`, a radial network
/// 8-64-64-weights with SiLU and without biases. Harmonics and radial inputs are given.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelWise {
    /// Nodes.
    #[serde(rename = "N")]
    pub nodes: usize,
    /// Incoming edges of each node.
    #[serde(rename = "k")]
    pub neighbours: usize,
    /// Channels of each degree.
    #[serde(rename = "ch")]
    pub channels: usize,
    /// Highest degree of features, harmonics and output.
    #[serde(rename = "L")]
    pub l_max: usize,
    /// What the edges may hold at once, in bytes; everything if absent.
    pub budget: Option<u64>,
}

impl Default for ChannelWise {
    fn default() -> Self {
        Self {
            nodes: 1000,
            neighbours: 32,
            channels: 32,
            l_max: 2,
            budget: None,
        }
    }
}

const BASIS: usize = 8;
const HIDDEN: usize = 64;

impl ChannelWise {
    /// The layer.
    pub fn layer(&self, device: &Device) -> Convolution {
        let irreps = Irreps::uniform_so3(self.channels, self.l_max);
        let radial = RadialOptions::new()
            .with_hidden(vec![HIDDEN, HIDDEN])
            .with_norm(RadialNorm::None)
            .with_activation(Activation::Silu)
            .with_last_bias(LastLayerBias::Without);
        let mut layer = ConvolutionConfig::new(irreps.clone(), irreps, BASIS)
            .with_weighting(Weighting::ChannelWise)
            .with_radial(radial)
            .init(device);
        layer.radial = RadialNetworkConfig::new(BASIS)
            .with_hidden(vec![HIDDEN, HIDDEN])
            .with_norm(RadialNorm::None)
            .with_activation(Activation::Silu)
            .with_bias(Bias::Without)
            .init(device);
        layer
    }

    pub(super) fn build(&self, mode: Mode, device: &Device) -> Work {
        let device = mode.on(device);
        let mut source = Source::new();
        let graph = source.regular_graph(self.nodes, self.neighbours);
        let num_edges = graph.num_edges();
        let layer = self.layer(&device);
        let plan = layer.plan();
        let radial_madds = layer.radial.num_params();

        let irreps = layer.irreps_in().clone();
        let features = leaf(source.normal([self.nodes, irreps.dim()], &device), mode);
        let vectors = source.normal([num_edges, 3], &device);
        let harmonics = spherical_harmonics(vectors, self.l_max, Normalization::Component);
        let harmonics = leaf(harmonics, mode);
        let basis = leaf(source.uniform([num_edges, BASIS], &device), mode);

        let madds = radial_madds + plan.multiply_adds_per_edge(HIDDEN);
        let flop = mode.passes() * 2.0 * (num_edges * madds) as f64;
        let given = [&features, &harmonics, &basis].map(|tensor| tensor.shape().num_elements());
        let inputs = given.iter().sum::<usize>() + layer.num_params();
        let outputs = self.nodes * plan.irreps_out().dim();
        let touched = match mode {
            Mode::Forward => inputs + outputs,
            // Forward; then inputs and the output's gradient read, the inputs' gradients written.
            _ => 3 * inputs + 2 * outputs,
        };
        let mlp_gflop = 2e-9 * (num_edges * (radial_madds + HIDDEN * plan.num_weights())) as f64;
        let note = note([
            ("E", num_edges.into()),
            ("paths", plan.num_paths().into()),
            ("out_floats_per_edge", plan.irreps_out().dim().into()),
            ("weights_per_edge", plan.num_weights().into()),
            ("mlp_gflop", mlp_gflop.into()),
        ]);

        let leaves = vec![features.clone(), harmonics.clone(), basis.clone()];
        let mut edges = edges(&graph, harmonics, basis, &device);
        edges.graph = edges.graph.with_budget(memory(self.budget));
        Work {
            step: step(layer, Features::new(irreps, features), edges, leaves, mode),
            note,
            cost: Cost {
                flop: Some(flop),
                flop_naive: Some(flop),
                bytes: Some(4.0 * touched as f64),
            },
        }
    }
}

/// One pass through a convolution, and back to `leaves` and all weights if the mode says so.
pub(super) fn step(
    layer: Convolution,
    features: Features,
    edges: Edges,
    leaves: Vec<Tensor<2>>,
    mode: Mode,
) -> Box<dyn FnMut()> {
    let num_weights = layer.radial.layers.iter().fold(1, |count, radial| {
        let optional = [&radial.bias, &radial.gamma, &radial.beta];
        count + 1 + optional.into_iter().flatten().count()
    });
    Box::new(move || {
        let out = layer.forward(&features, &edges).into_packed();
        if mode == Mode::Forward {
            black_box(out);
            return;
        }
        let grads = out.backward();
        for leaf in &leaves {
            black_box(leaf.grad(&grads).expect("every input has a gradient"));
        }
        let of_weights = GradientsParams::from_grads(grads, &layer);
        assert_eq!(of_weights.len(), num_weights, "every weight has a gradient");
        black_box(of_weights);
    })
}
