//! The convolution alone, beside one big matrix product in the same process. An item is one
//! floating-point operation, so "Gitem/s" reads GFLOP/s; operations are counted in the direct order
//! (last radial layer, coupling, channels), forward and backward together as three times that.
//!
//! `cargo bench -p steerable-benches --bench convolution`; `RAYON_NUM_THREADS` sets the threads.
//! With glibc, `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` saves page faults of fresh tensors.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use divan::Bencher;
use divan::counter::ItemsCount;
use steerable::harmonics::plan::{
    ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing, Weighting,
};
use steerable::irreps::Irreps;
use steerable::kernels::{ConvolutionInputs, HiddenKind, RowGroups, convolve};
use steerable_benches::{Sizes, random};

fn main() {
    for workload in [W3, NBODY, QM9, CHANNELS] {
        let plan = workload.plan();
        println!(
            "{workload:?}: {} paths, {} radial weights and {} multiply-adds per edge, {} threads",
            plan.num_paths(),
            plan.num_weights(),
            plan.multiply_adds_per_edge(workload.hidden),
            rayon_threads(),
        );
    }
    divan::main();
}

fn rayon_threads() -> String {
    std::env::var("RAYON_NUM_THREADS").unwrap_or_else(|_| "all".into())
}

#[derive(Clone, Copy, Debug)]
struct Workload {
    sizes: Sizes,
    irreps_in: &'static str,
    irreps_out: &'static str,
    hidden: usize,
    weighting: Weighting,
}

/// A full SE(3) convolution of one width throughout.
const W3: Workload = Workload {
    sizes: Sizes {
        nodes: 512,
        neighbours: 16,
    },
    irreps_in: "32x0 + 32x1 + 32x2 + 32x3",
    irreps_out: "32x0 + 32x1 + 32x2 + 32x3",
    hidden: 32,
    weighting: Weighting::Full,
};

/// Values and keys of one n-body attention layer: 128 systems of 5 bodies, 8 channels, divisor 4.
const NBODY: Workload = Workload {
    sizes: Sizes {
        nodes: 640,
        neighbours: 4,
    },
    irreps_in: "8x0 + 8x1 + 8x2 + 8x3",
    irreps_out: "2x0 + 2x1 + 2x2 + 2x3 + 2x0 + 2x1 + 2x2 + 2x3",
    hidden: 32,
    weighting: Weighting::Full,
};

/// Values and keys of one layer of NVIDIA's QM9 model: 640 bonds, one output row each.
const QM9: Workload = Workload {
    sizes: Sizes {
        nodes: 640,
        neighbours: 1,
    },
    irreps_in: "32x0 + 32x1 + 32x2 + 32x3",
    irreps_out: "16x0 + 16x1 + 16x2 + 16x3 + 16x0 + 16x1 + 16x2 + 16x3",
    hidden: 32,
    weighting: Weighting::Full,
};

/// Channel-wise, every path into degrees 0-2.
const CHANNELS: Workload = Workload {
    sizes: Sizes {
        nodes: 1000,
        neighbours: 32,
    },
    irreps_in: "32x0 + 32x1 + 32x2",
    irreps_out: "0 + 1 + 2",
    hidden: 64,
    weighting: Weighting::ChannelWise,
};

impl Workload {
    fn plan(&self) -> Arc<ConvolutionPlan> {
        let parse = |text: &str| -> Irreps { text.parse().expect("irreps") };
        let options = PlanOptions {
            l_filter_max: None,
            normalization: PathNormalization::FanIn,
            sharing: RadialSharing::Shared,
        };
        let (irreps_in, irreps_out) = (parse(self.irreps_in), parse(self.irreps_out));
        Arc::new(match self.weighting {
            Weighting::Full => ConvolutionPlan::full(&irreps_in, &irreps_out, options),
            Weighting::ChannelWise => {
                let keep = |irrep| irreps_out.mul_of(irrep) > 0;
                ConvolutionPlan::channel_wise(&irreps_in, 2, keep, options)
            }
        })
    }

    fn inputs(&self, plan: &ConvolutionPlan, device: &Device) -> ConvolutionInputs {
        let edges = self.sizes.edges();
        ConvolutionInputs {
            features: random([self.sizes.nodes, plan.irreps_in().dim()], device),
            harmonics: random([edges, (plan.l_filter_max() + 1).pow(2)], device),
            hidden: random([edges, self.hidden], device),
            hidden_kind: HiddenKind::Any,
            weight: random([self.hidden, plan.num_weights()], device),
        }
    }

    /// Floating-point operations of a forward pass.
    fn operations(&self, plan: &ConvolutionPlan) -> usize {
        2 * self.sizes.edges() * plan.multiply_adds_per_edge(self.hidden)
    }

    fn forward(&self, bencher: Bencher) {
        let (plan, device) = (self.plan(), Device::flex());
        let inputs = self.inputs(&plan, &device);
        let [src, dst] = self.sizes.groups(&device);
        bencher
            .counter(ItemsCount::new(self.operations(&plan)))
            .bench_local(|| convolve(inputs.clone(), &src, &dst, &plan).into_data());
    }

    fn forward_and_backward(&self, bencher: Bencher) {
        let (plan, device) = (self.plan(), Device::flex().autodiff());
        let ConvolutionInputs {
            features,
            harmonics,
            hidden,
            hidden_kind,
            weight,
        } = self.inputs(&plan, &device);
        let inputs = ConvolutionInputs {
            features: features.require_grad(),
            harmonics: harmonics.require_grad(),
            hidden: hidden.require_grad(),
            hidden_kind,
            weight: weight.require_grad(),
        };
        let [src, dst]: [RowGroups; 2] = self.sizes.groups(&device);
        bencher
            .counter(ItemsCount::new(3 * self.operations(&plan)))
            .bench_local(|| {
                let grads = convolve(inputs.clone(), &src, &dst, &plan).sum().backward();
                inputs.weight.grad(&grads).expect("tracked").into_data()
            });
    }
}

#[divan::bench(sample_count = 10)]
fn w3_forward(bencher: Bencher) {
    W3.forward(bencher);
}

#[divan::bench(sample_count = 10)]
fn w3_forward_and_backward(bencher: Bencher) {
    W3.forward_and_backward(bencher);
}

#[divan::bench(sample_count = 30)]
fn qm9_forward(bencher: Bencher) {
    QM9.forward(bencher);
}

#[divan::bench(sample_count = 30)]
fn qm9_forward_and_backward(bencher: Bencher) {
    QM9.forward_and_backward(bencher);
}

#[divan::bench(sample_count = 30)]
fn channels_forward(bencher: Bencher) {
    CHANNELS.forward(bencher);
}

#[divan::bench(sample_count = 30)]
fn channels_forward_and_backward(bencher: Bencher) {
    CHANNELS.forward_and_backward(bencher);
}

#[divan::bench(sample_count = 30)]
fn nbody_forward(bencher: Bencher) {
    NBODY.forward(bencher);
}

#[divan::bench(sample_count = 30)]
fn nbody_forward_and_backward(bencher: Bencher) {
    NBODY.forward_and_backward(bencher);
}

/// The yardstick: what the machine does on one big product.
#[divan::bench(args = [1024], sample_count = 10)]
fn matrix_product(bencher: Bencher, size: usize) {
    let device = Device::flex();
    let [a, b]: [Tensor<2>; 2] = [0, 1].map(|_| random([size, size], &device));
    bencher
        .counter(ItemsCount::new(2 * size * size * size))
        .bench_local(|| a.clone().matmul(b.clone()).into_data());
}
