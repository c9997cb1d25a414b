//! W3: a full SE(3) convolution with its radial network.

use burn::module::Module;
use burn::tensor::Device;
use serde::Deserialize;
use steerable::harmonics::Normalization;
use steerable::harmonics::plan::PathNormalization;
use steerable::irreps::Irreps;
use steerable::kernels::spherical_harmonics;
use steerable::nn::{Convolution, ConvolutionConfig, Features, LastLayerBias, RadialOptions};

use super::channel_wise::step;
use super::count::{self, Size};
use super::{Cost, Mode, Source, Work, edges, leaf, note};

/// NVIDIA's `ConvSE3`: `k` random sources for each of `N` nodes, `ch` channels of each of `D` degrees in
/// and out, one radial network distance-32-32-weights with layer normalization and rectifiers, no
/// self-interaction. Harmonics are given and get no gradient, as there.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Full {
    /// Nodes.
    #[serde(rename = "N")]
    pub nodes: usize,
    /// Incoming edges of each node.
    #[serde(rename = "k")]
    pub neighbours: usize,
    /// Channels of each degree.
    #[serde(rename = "ch")]
    pub channels: usize,
    /// Number of degrees, from 0.
    #[serde(rename = "D")]
    pub degrees: usize,
}

impl Default for Full {
    fn default() -> Self {
        Self {
            nodes: 512,
            neighbours: 16,
            channels: 32,
            degrees: 4,
        }
    }
}

const HIDDEN: usize = 32;

impl Full {
    /// The layer.
    pub fn layer(&self, device: &Device) -> Convolution {
        let irreps = Irreps::uniform_so3(self.channels, self.degrees - 1);
        ConvolutionConfig::new(irreps.clone(), irreps, 1)
            .with_radial(
                RadialOptions::new()
                    .with_hidden(vec![HIDDEN, HIDDEN])
                    .with_last_bias(LastLayerBias::Without),
            )
            .with_path_normalization(PathNormalization::None)
            .init(device)
    }

    pub(super) fn build(&self, mode: Mode, device: &Device) -> Work {
        let device = mode.on(device);
        let mut source = Source::new();
        let graph = source.regular_graph(self.nodes, self.neighbours);
        let num_edges = graph.num_edges();
        let layer = self.layer(&device);
        let plan = layer.plan();
        let irreps = layer.irreps_in().clone();
        let features = leaf(source.normal([self.nodes, irreps.dim()], &device), mode);
        let vectors = source.normal([num_edges, 3], &device);
        let distance = (vectors.clone() * vectors.clone()).sum_dim(1).sqrt();
        let distance = leaf(distance, mode);
        let harmonics = spherical_harmonics(vectors, plan.l_filter_max(), Normalization::Integral);

        let radial_madds = HIDDEN + HIDDEN * HIDDEN;
        let size = Size {
            edges: num_edges,
            rows: self.nodes,
            hidden: HIDDEN,
        };
        let flop = |count: usize| 2.0 * (num_edges * radial_madds + count) as f64;
        let naive = flop(count::naive(plan, size));
        let fewest = flop(count::fewest(plan, size));
        let radial = 2.0 * (num_edges * (radial_madds + HIDDEN * plan.num_weights())) as f64;
        let given = harmonics.shape().num_elements();
        let inputs = features.shape().num_elements() + num_edges;
        let weights = layer.num_params();
        let outputs = self.nodes * plan.irreps_out().dim();
        let touched = match mode {
            Mode::Forward => inputs + given + weights + outputs,
            _ => 3 * (inputs + weights) + 2 * (given + outputs),
        };
        let note = note([
            ("E", num_edges.into()),
            ("gflop", (naive * 1e-9).into()),
            ("gflop_radial", (radial * 1e-9).into()),
            ("radial_floats_per_edge", plan.num_weights().into()),
            ("paths", plan.num_paths().into()),
            ("params", weights.into()),
        ]);
        let leaves = vec![features.clone(), distance.clone()];
        let edges = edges(&graph, harmonics, distance, &device);
        Work {
            step: step(layer, Features::new(irreps, features), edges, leaves, mode),
            note,
            cost: Cost {
                flop: Some(mode.passes() * fewest),
                flop_naive: Some(mode.passes() * naive),
                bytes: Some(4.0 * touched as f64),
            },
        }
    }
}
