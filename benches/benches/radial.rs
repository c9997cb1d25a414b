//! Radial networks: the fused layer beside the same out of separate operations. f32, on the CPU.
//!
//! `cargo bench -p steerable-benches --bench radial`; `RAYON_NUM_THREADS` sets the threads.

use burn::tensor::{Device, Tensor, activation};
use divan::Bencher;
use steerable::kernels::{Activation, activate};
use steerable::radial::{Bias, RadialNetwork, RadialNetworkConfig, RadialNorm};
use steerable_benches::random;

fn main() {
    println!("f32; sizes in (edges), networks 8-64-64, silu without normalization or relu with it");
    divan::main();
}

const EDGES: [usize; 3] = [80, 2_560, 32_000];
const COLUMNS: usize = 8;

fn silu() -> RadialNetworkConfig {
    RadialNetworkConfig::new(COLUMNS)
        .with_hidden(vec![64, 64])
        .with_norm(RadialNorm::None)
        .with_activation(Activation::Silu)
        .with_bias(Bias::Without)
}

fn layer_norm() -> RadialNetworkConfig {
    RadialNetworkConfig::new(COLUMNS).with_hidden(vec![64, 64])
}

/// The network of [`silu`] out of burn operations.
fn composed(network: &RadialNetwork, x: Tensor<2>) -> Tensor<2> {
    let layers = network.layers.iter();
    layers.fold(x, |x, layer| activation::silu(x.matmul(layer.weight.val())))
}

fn forward(bencher: Bencher, edges: usize, config: &RadialNetworkConfig) {
    let device = Device::flex();
    let (network, x) = (config.init(&device), random([edges, COLUMNS], &device));
    bencher.bench_local(|| network.forward(x.clone()));
}

fn forward_and_backward(bencher: Bencher, edges: usize, config: &RadialNetworkConfig) {
    let device = Device::flex().autodiff();
    let network = config.init(&device);
    let x = random([edges, COLUMNS], &device).require_grad();
    bencher.bench_local(|| network.forward(x.clone()).sum().backward());
}

#[divan::bench(args = EDGES)]
fn silu_forward(bencher: Bencher, edges: usize) {
    forward(bencher, edges, &silu());
}

#[divan::bench(args = EDGES)]
fn silu_forward_composed(bencher: Bencher, edges: usize) {
    let device = Device::flex();
    let (network, x) = (silu().init(&device), random([edges, COLUMNS], &device));
    bencher.bench_local(|| composed(&network, x.clone()));
}

#[divan::bench(args = EDGES)]
fn silu_forward_and_backward(bencher: Bencher, edges: usize) {
    forward_and_backward(bencher, edges, &silu());
}

#[divan::bench(args = EDGES)]
fn silu_forward_and_backward_composed(bencher: Bencher, edges: usize) {
    let device = Device::flex().autodiff();
    let network = silu().init(&device);
    let x = random([edges, COLUMNS], &device).require_grad();
    bencher.bench_local(|| composed(&network, x.clone()).sum().backward());
}

#[divan::bench(args = EDGES)]
fn layer_norm_forward(bencher: Bencher, edges: usize) {
    forward(bencher, edges, &layer_norm());
}

#[divan::bench(args = EDGES)]
fn layer_norm_forward_and_backward(bencher: Bencher, edges: usize) {
    forward_and_backward(bencher, edges, &layer_norm());
}

/// Every activation on 32000 x 64 numbers.
#[divan::bench(args = [
    Activation::Relu,
    Activation::Silu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::ShiftedSoftplus,
])]
fn activation_forward(bencher: Bencher, activation: Activation) {
    let x = random([32_000, 64], &Device::flex());
    bencher.bench_local(|| activate(x.clone(), activation));
}
