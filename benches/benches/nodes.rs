//! Attention and the layers that treat each node by itself, beside the same out of burn's operations.
//! f32, on the CPU.
//!
//! `cargo bench -p steerable-benches --bench nodes`; `RAYON_NUM_THREADS` sets the threads.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData, activation};
use divan::Bencher;
use steerable::harmonics::plan::{Block, blocks};
use steerable::irreps::Irreps;
use steerable::kernels::{
    AttentionInputs, AttentionPlan, RowGroups, attend, gather_rows, sum_rows,
};
use steerable::nn::{
    EquivariantLayerNorm, EquivariantLayerNormConfig, Features, Gate, GateConfig, NormNonlinearity,
    NormNonlinearityConfig, SteerableLinear, SteerableLinearConfig,
};
use steerable_benches::random;

fn main() {
    println!(
        "f32, degrees 0-3, 32 channels; arguments are nodes: 1 and 16 molecules, a large cloud"
    );
    divan::main();
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: [usize; 3] = [18, 288, 4096];
const HEADS: usize = 8;
const SCALE: f64 = 0.0625;

fn hidden() -> Irreps {
    Irreps::uniform_so3(32, 3)
}

/// Values and keys.
fn half() -> Irreps {
    Irreps::uniform_so3(16, 3)
}

type Layer = Box<dyn Fn(Tensor<2>) -> Tensor<2>>;

fn forward(bencher: Bencher, nodes: usize, layer: impl FnOnce(&Device) -> (usize, Layer)) {
    let device = Device::flex();
    let (columns, layer) = layer(&device);
    let x = random([nodes, columns], &device);
    bencher.bench_local(|| layer(x.clone()));
}

fn both(bencher: Bencher, nodes: usize, layer: impl FnOnce(&Device) -> (usize, Layer)) {
    let device = Device::flex().autodiff();
    let (columns, layer) = layer(&device);
    let x = random([nodes, columns], &device).require_grad();
    bencher.bench_local(|| layer(x.clone()).sum().backward());
}

/// From attention output and input to output, as in an attention block.
fn linear_layer(device: &Device) -> SteerableLinear {
    let from = half().concat(&hidden()).expect("one group");
    SteerableLinearConfig::new(from, hidden()).init(device)
}

fn linear(device: &Device) -> (usize, Layer) {
    let layer = linear_layer(device);
    let irreps = layer.irreps_in().clone();
    let layer: Layer = Box::new(move |x| {
        layer
            .forward(&Features::new(irreps.clone(), x))
            .into_packed()
    });
    (linear_layer(device).irreps_in().dim(), layer)
}

fn linear_composed(device: &Device) -> (usize, Layer) {
    let layer = linear_layer(device);
    let irreps = layer.irreps_in().clone();
    let columns = irreps.dim();
    let layer: Layer = Box::new(move |x| {
        let rows = x.dims()[0];
        let x = Features::new(irreps.clone(), x);
        let outputs = layer.irreps_out().iter().zip(&layer.weights);
        let outputs = outputs.map(|(block, weight)| {
            let x = x.of_irrep(block.irrep).expect("an input");
            let [_, components, fan_in] = x.dims();
            let product = x.reshape([rows * components, fan_in]).matmul(weight.val());
            product.reshape([rows, components * block.mul])
        });
        Tensor::cat(outputs.collect(), 1)
    });
    (columns, layer)
}

fn norm(device: &Device) -> (usize, Layer) {
    let layer: NormNonlinearity = NormNonlinearityConfig::new(hidden()).init(device);
    let layer: Layer = Box::new(move |x| layer.forward(&Features::new(hidden(), x)).into_packed());
    (hidden().dim(), layer)
}

fn norm_composed(device: &Device) -> (usize, Layer) {
    let layer: NormNonlinearity = NormNonlinearityConfig::new(hidden()).init(device);
    let layer: Layer = Box::new(move |x| {
        let rows = x.dims()[0];
        let x = Features::new(hidden(), x);
        let irreps = hidden();
        let out = blocks(&irreps).enumerate().map(|(index, (block, _))| {
            let x = x.block(index);
            let squared = (x.clone() * x.clone()).sum_dim(1);
            let is_zero = squared.clone().equal_elem(0.0);
            let norm = squared.clamp_min(1e-4).sqrt();
            let flat = norm.clone().reshape([rows, block.mul]);
            let centred = flat.clone() - flat.mean_dim(1);
            let variance = (centred.clone() * centred.clone()).mean_dim(1);
            let normal = centred / (variance + 1e-5).sqrt();
            let gamma = layer.gamma[index].val().unsqueeze::<2>();
            let transformed = normal * gamma + layer.beta[index].val().unsqueeze::<2>();
            let activated = activation::relu(transformed).reshape([rows, 1, block.mul]);
            x * (activated / norm).mask_fill(is_zero, 0.0)
        });
        let out = out.collect();
        Features::from_blocks(irreps, out).into_packed()
    });
    (hidden().dim(), layer)
}

fn layer_norm(device: &Device) -> (usize, Layer) {
    let layer: EquivariantLayerNorm = EquivariantLayerNormConfig::new(hidden()).init(device);
    let layer: Layer = Box::new(move |x| layer.forward(&Features::new(hidden(), x)).into_packed());
    (hidden().dim(), layer)
}

fn gate(device: &Device) -> (usize, Layer) {
    let scalars = Irreps::uniform_so3(32, 0);
    let gated: Irreps = "32x1 + 32x2 + 32x3".parse().expect("irreps");
    let layer: Gate = GateConfig::new(scalars, gated).init(device);
    let columns = layer.irreps_in().dim();
    let layer: Layer = Box::new(move |x| {
        let features = Features::new(layer.irreps_in().clone(), x);
        layer.forward(&features).into_packed()
    });
    (columns, layer)
}

/// Queries, and eight edges into each node with values and keys side by side.
struct Attention {
    query: Tensor<2>,
    key_value: Tensor<2>,
    dst: RowGroups,
}

impl Attention {
    fn new(nodes: usize, device: &Device) -> Self {
        let dst: Vec<u32> = (0..8 * nodes).map(|e| (e / 8) as u32).collect();
        let dim = half().dim();
        let mut drawn = Self {
            query: random([nodes, dim], device),
            key_value: random([8 * nodes, 2 * dim], device),
            dst: RowGroups::new(&dst, nodes, device),
        };
        if device.is_autodiff() {
            drawn.query = drawn.query.require_grad();
            drawn.key_value = drawn.key_value.require_grad();
        }
        drawn
    }

    fn fused(&self, plan: &Arc<AttentionPlan>) -> Tensor<2> {
        let inputs = AttentionInputs {
            query: self.query.clone(),
            value: self.key_value.clone(),
            key: None,
            envelope: None,
        };
        attend(inputs, &self.dst, plan)
    }

    fn composed(&self, heads: &Tensor<2>) -> Tensor<2> {
        let dim = half().dim();
        let value = self.key_value.clone().narrow(1, 0, dim);
        let key = self.key_value.clone().narrow(1, dim, dim);
        let query = gather_rows(self.query.clone(), &self.dst);
        // Logits are small here; the published softmax takes the largest off first.
        let weights = ((query * key).matmul(heads.clone()) * SCALE).exp();
        let total = gather_rows(sum_rows(weights.clone(), &self.dst), &self.dst);
        let weights = (weights / total).matmul(heads.clone().transpose());
        sum_rows(value * weights, &self.dst)
    }
}

fn attention_plan() -> Arc<AttentionPlan> {
    Arc::new(AttentionPlan::new(&half(), &half(), HEADS, SCALE))
}

/// `[dim, heads]`: 1 where a column belongs to a head.
fn heads_of_columns(device: &Device) -> Tensor<2> {
    let irreps = half();
    let mut data = vec![0.0_f32; irreps.dim() * HEADS];
    let head = |block: Block, column| (column - block.offset) % block.mul * HEADS / block.mul;
    for (block, _) in blocks(&irreps) {
        for column in block.columns() {
            data[column * HEADS + head(block, column)] = 1.0;
        }
    }
    Tensor::from_data(TensorData::new(data, [irreps.dim(), HEADS]), device)
}

#[divan::bench(args = NODES)]
fn attend_forward(bencher: Bencher, nodes: usize) {
    let (attention, plan) = (Attention::new(nodes, &Device::flex()), attention_plan());
    bencher.bench_local(|| attention.fused(&plan));
}

#[divan::bench(args = NODES)]
fn attend_forward_composed(bencher: Bencher, nodes: usize) {
    let device = Device::flex();
    let (attention, heads) = (Attention::new(nodes, &device), heads_of_columns(&device));
    bencher.bench_local(|| attention.composed(&heads));
}

#[divan::bench(args = NODES)]
fn attend_forward_and_backward(bencher: Bencher, nodes: usize) {
    let device = Device::flex().autodiff();
    let (attention, plan) = (Attention::new(nodes, &device), attention_plan());
    bencher.bench_local(|| attention.fused(&plan).sum().backward());
}

#[divan::bench(args = NODES)]
fn attend_forward_and_backward_composed(bencher: Bencher, nodes: usize) {
    let device = Device::flex().autodiff();
    let (attention, heads) = (Attention::new(nodes, &device), heads_of_columns(&device));
    bencher.bench_local(|| attention.composed(&heads).sum().backward());
}

/// Benches of a layer: alone forward, then with its backward pass.
macro_rules! layers {
    ($($layer:ident: $forward:ident, $both:ident;)*) => {$(
        #[divan::bench(args = NODES)]
        fn $forward(bencher: Bencher, nodes: usize) {
            forward(bencher, nodes, $layer);
        }

        #[divan::bench(args = NODES)]
        fn $both(bencher: Bencher, nodes: usize) {
            both(bencher, nodes, $layer);
        }
    )*};
}

layers! {
    linear: linear_forward, linear_forward_and_backward;
    linear_composed: linear_forward_composed, linear_forward_and_backward_composed;
    norm: norm_forward, norm_forward_and_backward;
    norm_composed: norm_forward_composed, norm_forward_and_backward_composed;
    layer_norm: layer_norm_forward, layer_norm_forward_and_backward;
    gate: gate_forward, gate_forward_and_backward;
}
