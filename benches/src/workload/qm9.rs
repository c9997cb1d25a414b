//! W4: NVIDIA's model of molecular properties, as it trains on QM9.

use std::collections::BTreeSet;
use std::hint::black_box;

use burn::module::{Module, list_param_ids};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use serde::Deserialize;
use steerable::graph::{Edge, Graph};
use steerable::harmonics::plan::ConvolutionPlan;
use steerable::irreps::Irreps;
use steerable::nn::nvidia::FuseLevel;
use steerable::nn::{
    Cloud, Convolution, Features, GraphTensors, PooledTransformer, PooledTransformerConfig,
    SE3TransformerConfig, SteerableLinear,
};
use steerable_train::AdamConfig;

use super::count::{self, Size};
use super::{Cost, Mode, Source, Work, memory, note};

/// Which atoms hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// A random tree and three rings, every bond both ways.
    Bond,
    /// All pairs.
    Full,
}

/// `mol` molecules of `atoms` atoms through NVIDIA's pooled SE(3)-Transformer at its QM9 settings:
/// 6 scalars for each atom, 4 for each edge, 7 layers, 8 heads, 4 degrees of 32 channels, divisor 2.
/// The partially fused level, its default. `train` is the mean absolute error of one target, its
/// gradients to all weights, and a step of Adam.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qm9 {
    /// Molecules in the batch.
    #[serde(rename = "mol")]
    pub molecules: usize,
    /// Atoms of each molecule.
    pub atoms: usize,
    /// Which atoms hear each other.
    pub graph: Topology,
    /// What the edges may hold at once in each layer, in bytes; everything if absent.
    pub budget: Option<u64>,
}

impl Default for Qm9 {
    fn default() -> Self {
        Self {
            molecules: 16,
            atoms: 18,
            graph: Topology::Bond,
            budget: None,
        }
    }
}

const ATOM_SCALARS: usize = 6;
const EDGE_SCALARS: usize = 4;
const CHANNELS: usize = 32;
const L_MAX: usize = 3;
const RINGS: usize = 3;
const LEARNING_RATE: f64 = 1e-4;

impl Qm9 {
    /// The model.
    pub fn model(device: &Device) -> PooledTransformer {
        let scalars = |mul| Irreps::uniform_so3(mul, 0);
        let hidden = Irreps::uniform_so3(CHANNELS, L_MAX);
        let transformer = SE3TransformerConfig::nvidia(
            scalars(ATOM_SCALARS),
            hidden,
            scalars((L_MAX + 1) * CHANNELS),
            FuseLevel::Partial,
        )
        .with_num_edge_scalars(EDGE_SCALARS)
        .with_num_layers(7)
        .with_num_heads(8);
        PooledTransformerConfig::new(transformer, 1).init(device)
    }

    fn molecule(&self, source: &mut Source) -> Graph {
        let atoms = self.atoms as u32;
        if self.graph == Topology::Full {
            return Graph::complete(self.atoms);
        }
        let mut bonds: BTreeSet<(u32, u32)> = (1..atoms)
            .map(|i| (source.0.random_range(i.saturating_sub(3)..i), i))
            .collect();
        while bonds.len() < self.atoms - 1 + RINGS {
            let [i, j] = [0; 2].map(|_| source.0.random_range(0..atoms));
            if i != j {
                bonds.insert((i.min(j), i.max(j)));
            }
        }
        let edges: Vec<Edge> = bonds
            .into_iter()
            .flat_map(|(a, b)| [Edge { src: a, dst: b }, Edge { src: b, dst: a }])
            .collect();
        Graph::from_edges(self.atoms, &edges).expect("bonds between atoms")
    }

    pub(super) fn build(self, mode: Mode, device: &Device) -> Work {
        let device = mode.on(device);
        let mut source = Source::new();
        let molecules: Vec<Graph> = (0..self.molecules)
            .map(|_| self.molecule(&mut source))
            .collect();
        let graph = Graph::batch(&molecules);
        let (nodes, num_edges) = (graph.num_nodes(), graph.num_edges());
        let model = Self::model(&device);
        let positions = source.normal([nodes, 3], &device) * 2.0;
        let scalars = source.normal([num_edges, EDGE_SCALARS], &device);
        let graph = GraphTensors::new(&graph, &device).with_budget(memory(self.budget));
        let cloud = Cloud::new(graph, positions).with_edge_scalars(scalars);
        let features = source.normal([nodes, ATOM_SCALARS], &device);
        let features = Features::new(Irreps::uniform_so3(ATOM_SCALARS, 0), features);
        let target = source.normal([self.molecules, 1], &device);

        let weights = model.num_params();
        let size = (nodes, num_edges);
        let count = |of: Count| mode.passes() * 2.0 * multiply_adds(&model, size, of);
        let (flop, flop_naive) = (count(count::fewest), count(count::naive));
        let touched = match mode {
            Mode::Train => {
                // Weights read twice; gradients written and read; Adam reads and writes the weights
                // and both moments.
                (2 + 2 + 6) * weights
            }
            _ => weights,
        };
        let note = note([
            ("E", num_edges.into()),
            ("nodes", nodes.into()),
            ("params", weights.into()),
        ]);
        Work {
            step: match mode {
                Mode::Train => train(model, features, cloud, target),
                _ => Box::new(move || {
                    black_box(model.forward(&features, &cloud));
                }),
            },
            note,
            cost: Cost {
                flop: Some(flop),
                flop_naive: Some(flop_naive),
                bytes: Some(4.0 * touched as f64),
            },
        }
    }
}

fn train(
    model: PooledTransformer,
    features: Features,
    cloud: Cloud,
    target: Tensor<2>,
) -> Box<dyn FnMut()> {
    let mut optimizer = AdamConfig::new().init();
    let mut kept = Some(model);
    Box::new(move || {
        let model = kept.take().expect("put back after every step");
        let loss = (model.forward(&features, &cloud) - target.clone())
            .abs()
            .mean();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        assert_eq!(
            grads.len(),
            list_param_ids(&model).len(),
            "every parameter has a gradient"
        );
        kept = Some(optimizer.step(LEARNING_RATE, model, grads));
    })
}

/// Multiply-adds of a convolution.
type Count = fn(&ConvolutionPlan, Size) -> usize;

/// Multiply-adds of a forward pass: convolutions on the edges, linear maps on the nodes.
fn multiply_adds(model: &PooledTransformer, (nodes, edges): (usize, usize), count: Count) -> f64 {
    let convolution = |layer: &Convolution, rows: usize| {
        let hidden = layer.radial.d_output();
        let maps = layer.radial.layers.iter().map(|radial| radial.weight.val());
        let radial: usize = maps.map(|weight| weight.shape().num_elements()).sum();
        let own = layer.own.as_ref().map_or(0, linear);
        let size = Size {
            edges,
            rows,
            hidden,
        };
        edges * radial + count(layer.plan(), size) + nodes * own
    };
    let transformer = &model.transformer;
    // Values and keys stay on the edges.
    let blocks = transformer.blocks.iter().map(|block| {
        convolution(&block.value, edges) + nodes * (linear(&block.query) + linear(&block.project))
    });
    (blocks.sum::<usize>() + convolution(&transformer.output, nodes)) as f64
}

/// Multiply-adds of one row of a map between irreps.
fn linear(layer: &SteerableLinear) -> usize {
    let (from, to) = (layer.irreps_in(), layer.irreps_out());
    to.iter()
        .map(|block| from.mul_of(block.irrep) * block.mul * block.irrep.dim())
        .sum()
}
