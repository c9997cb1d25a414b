//! The convolution stores nothing of size edges x c_in x c_out x paths. A test binary of its own:
//! the peak memory of a process belongs to all its tests.

use std::sync::Arc;

use burn::tensor::{DType, Device, Distribution, Tensor};
use steerable_harmonics::plan::{ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing};
use steerable_irreps::Irreps;
use steerable_kernels::{ConvolutionInputs, HiddenKind, RowGroups, convolve};

const EDGES: usize = 20_000;
const NODES: usize = 1_000;
const HIDDEN: usize = 32;

/// Highest resident set of this process so far, in bytes.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[test]
fn convolution_peaks_far_below_the_radial_weights_of_all_edges() {
    if peak().is_none() {
        eprintln!("SKIPPED: no VmHWM in /proc/self/status here, so peak memory was NOT checked");
        return;
    }
    let irreps: Irreps = "16x0 + 16x1 + 16x2".parse().expect("irreps");
    let options = PlanOptions {
        l_filter_max: None,
        normalization: PathNormalization::FanIn,
        sharing: RadialSharing::Shared,
    };
    let plan = Arc::new(ConvolutionPlan::full(&irreps, &irreps, options));
    let device = Device::flex().autodiff();
    let random = |shape: [usize; 2]| {
        let range = Distribution::Uniform(-1.0, 1.0);
        Tensor::<2>::random(shape, range, (&device, DType::F32)).require_grad()
    };
    let src: Vec<u32> = (0..EDGES).map(|e| (e * 7919 % NODES) as u32).collect();
    let dst: Vec<u32> = (0..EDGES).map(|e| (e * NODES / EDGES) as u32).collect();
    let src = RowGroups::new(&src, NODES, &device);
    let dst = RowGroups::new(&dst, NODES, &device);
    let inputs = ConvolutionInputs {
        features: random([NODES, irreps.dim()]),
        harmonics: random([EDGES, (plan.l_filter_max() + 1).pow(2)]),
        hidden: random([EDGES, HIDDEN]),
        hidden_kind: HiddenKind::Any,
        weight: random([HIDDEN, plan.num_weights()]),
    };

    let before = peak().expect("read once already");
    let grads = convolve(inputs.clone(), &src, &dst, &plan).sum().backward();
    assert!(inputs.weight.grad(&grads).is_some() && inputs.harmonics.grad(&grads).is_some());
    let grown = peak().expect("read once already") - before;

    let stored = EDGES * plan.num_weights() * size_of::<f32>();
    let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
    println!(
        "{EDGES} edges, 16 channels, degrees 0-2: peak grew by {:.1} MiB; all radial weights: {:.0} MiB",
        mib(grown),
        mib(stored)
    );
    // Gradients per edge to features, harmonics and hidden are about an eighth of it.
    assert!(
        grown * 6 < stored,
        "peak grew by {grown} bytes, all weights are {stored}"
    );
}
