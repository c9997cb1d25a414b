//! Attention layers, whole: radial networks, convolution, softmax, projection. f32, on the CPU.
//!
//! `cargo bench -p steerable-benches --bench layers`; `RAYON_NUM_THREADS` sets the threads.

use burn::tensor::{Device, Tensor};
use divan::Bencher;
use steerable::graph::{Edge, Graph};
use steerable::harmonics::Normalization;
use steerable::irreps::Irreps;
use steerable::nn::{
    AttentionBlock, AttentionBlockConfig, EdgeGeometry, Edges, Features, GraphTensors,
    HarmonicsOptions,
};
use steerable::radial::Envelope;
use steerable_benches::{Sizes, random};

fn main() {
    println!("f32, degrees 0-3, radial networks 1-32-32");
    divan::main();
}

const CLOUD: Sizes = Sizes {
    nodes: 512,
    neighbours: 16,
};
const NBODY: Sizes = Sizes {
    nodes: 640,
    neighbours: 4,
};

/// An attention block between equal irreps, and what it reads.
struct Layer {
    block: AttentionBlock,
    features: Tensor<2>,
    edges: Edges,
}

impl Layer {
    fn new(sizes: Sizes, config: &AttentionBlockConfig, device: &Device) -> Self {
        let pairs = sizes.src().into_iter().zip(sizes.dst());
        let list: Vec<Edge> = pairs.map(|(src, dst)| Edge { src, dst }).collect();
        let graph = Graph::from_edges(sizes.nodes, &list).expect("edges between nodes");
        let options = HarmonicsOptions {
            l_max: 6,
            normalization: Normalization::Component,
            envelope: Envelope::None,
        };
        let geometry = EdgeGeometry::new(random([sizes.edges(), 3], device), options);
        Self {
            block: config.init(device),
            features: random([sizes.nodes, config.irreps_in.dim()], device),
            edges: Edges {
                graph: GraphTensors::new(&graph, device),
                invariants: geometry.distance.clone(),
                geometry,
                features: None,
            },
        }
    }

    fn output(&self, features: Tensor<2>) -> Tensor<2> {
        let features = Features::new(self.block.irreps_in().clone(), features);
        self.block.forward(&features, &self.edges).into_packed()
    }

    fn forward(sizes: Sizes, config: &AttentionBlockConfig, bencher: Bencher) {
        let layer = Self::new(sizes, config, &Device::flex());
        bencher.bench_local(|| layer.output(layer.features.clone()).into_data());
    }

    fn forward_and_backward(sizes: Sizes, config: &AttentionBlockConfig, bencher: Bencher) {
        let layer = Self::new(sizes, config, &Device::flex().autodiff());
        let features = layer.features.clone().require_grad();
        bencher.bench_local(|| {
            let grads = layer.output(features.clone()).sum().backward();
            features.grad(&grads).expect("tracked").into_data()
        });
    }
}

fn cloud(channels: usize) -> AttentionBlockConfig {
    let irreps = Irreps::uniform_so3(channels, 3);
    AttentionBlockConfig::new(irreps.clone(), irreps, 1)
}

fn nbody() -> AttentionBlockConfig {
    cloud(8).with_channels_div(4).with_num_heads(2)
}

/// 512 nodes x 16 neighbours, values and keys of half the channels.
#[divan::bench(args = [16, 32], sample_count = 5)]
fn attention_forward(bencher: Bencher, channels: usize) {
    Layer::forward(CLOUD, &cloud(channels), bencher);
}

/// As the forward pass, with gradients to features and parameters.
#[divan::bench(args = [16, 32], sample_count = 5)]
fn attention_forward_and_backward(bencher: Bencher, channels: usize) {
    Layer::forward_and_backward(CLOUD, &cloud(channels), bencher);
}

/// 640 nodes, 2560 edges, 8 channels, divisor 4, 2 heads.
#[divan::bench(sample_count = 20)]
fn nbody_attention_forward(bencher: Bencher) {
    Layer::forward(NBODY, &nbody(), bencher);
}

/// As the forward pass, with gradients to features and parameters.
#[divan::bench(sample_count = 20)]
fn nbody_attention_forward_and_backward(bencher: Bencher) {
    Layer::forward_and_backward(NBODY, &nbody(), bencher);
}
