//! What the suite of all operations is too small for: several edges to a thread, several chunks of edges,
//! hidden features that do not fit into shared memory. Against the host.

use std::sync::Arc;

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::read_sync;
use burn::tensor::TensorData;
use burn_cubecl::{CubeBackend, CubeDevice};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_harmonics::plan::{ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing};

use super::backward::Backward;
use super::{Convolution, CubeTensor, HiddenKind, Wanted};
use crate::ops::convolution::{convolve_backward_on_host, convolve_on_host};

const ALL: Wanted = Wanted {
    features: true,
    harmonics: true,
    hidden: true,
    weight: true,
};

#[derive(Clone, Copy)]
struct Sizes {
    edges: usize,
    nodes: usize,
    hidden: usize,
    budget: usize,
    axis: usize,
}

/// A small graph within the budget and the axis that kernels have.
const SMALL: Sizes = Sizes {
    edges: 200,
    nodes: 20,
    hidden: 3,
    budget: super::BUDGET,
    axis: super::WORKGROUPS,
};

fn floats(draw: &mut StdRng, dims: [usize; 2]) -> CubeTensor {
    let numbers: Vec<f32> = (0..dims[0] * dims[1])
        .map(|_| draw.random_range(-1.0..1.0))
        .collect();
    CubeBackend::float_from_data(TensorData::new(numbers, dims), &CubeDevice::default())
}

fn ints(numbers: &[usize]) -> CubeTensor {
    let numbers: Vec<i32> = numbers.iter().map(|&n| n as i32).collect();
    let data = TensorData::new(numbers.clone(), [numbers.len()]);
    CubeBackend::int_from_data(data, &CubeDevice::default())
}

/// Where the runs of equal numbers of an ascending list begin, for the numbers below `count`.
fn offsets(sorted: &[usize], count: usize) -> CubeTensor {
    let offsets: Vec<usize> = (0..=count)
        .map(|n| sorted.partition_point(|&own| own < n))
        .collect();
    ints(&offsets)
}

/// The furthest from the host, relative to its largest number.
fn distance(ours: CubeTensor, host: CubeTensor) -> f32 {
    let [ours, host] = [ours, host].map(|tensor| -> Vec<f32> {
        let data = read_sync(CubeBackend::float_into_data(tensor)).expect("data");
        data.try_into_vec().expect("f32")
    });
    assert_eq!(ours.len(), host.len());
    let largest = host.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let errors = ours.iter().zip(&host).map(|(a, b)| (a - b).abs());
    assert!(largest > 0.0);
    errors.fold(0.0, f32::max) / largest
}

fn agrees_with_the_host(plan: ConvolutionPlan, sizes: Sizes) {
    let Sizes {
        edges,
        nodes,
        hidden,
        budget,
        axis,
    } = sizes;
    let plan = Arc::new(plan);
    let mut draw = StdRng::seed_from_u64(41);
    let src: Vec<usize> = (0..edges).map(|_| draw.random_range(0..nodes)).collect();
    let mut dst: Vec<usize> = (0..edges).map(|_| draw.random_range(0..nodes)).collect();
    dst.sort_unstable();
    let mut by_src: Vec<usize> = (0..edges).collect();
    by_src.sort_by_key(|&edge| src[edge]);
    let sorted: Vec<usize> = by_src.iter().map(|&edge| src[edge]).collect();
    let inputs = [
        floats(&mut draw, [nodes, plan.irreps_in().dim()]),
        floats(&mut draw, [edges, (plan.l_filter_max() + 1).pow(2)]),
        floats(&mut draw, [edges, plan.num_radials() * hidden]),
        floats(&mut draw, [hidden + 1, plan.num_weights()]),
    ];
    let grad = floats(&mut draw, [nodes, plan.irreps_out().dim()]);
    let (src, rows) = (ints(&src), offsets(&dst, nodes));
    let mut ours = Convolution::new(inputs.clone(), src.clone(), rows.clone(), plan.clone());
    ours.budget = budget;
    ours.axis = axis;
    let backward = Backward {
        grad: grad.clone(),
        src_offsets: offsets(&sorted, nodes),
        ends: ours.ends(&ints(&by_src)),
    };
    let [to_features, to_harmonics] = ours.backward_inputs(&backward, ALL);
    let host = convolve_on_host::<CubeBackend>(
        inputs.clone(),
        [src.clone(), rows.clone()],
        &plan,
        HiddenKind::Any,
    );
    let sources = backward.src_offsets.clone();
    let of_host = convolve_backward_on_host::<CubeBackend>(
        grad,
        inputs,
        [src, sources, rows],
        &plan,
        HiddenKind::Any,
        ALL,
    );
    // The longest sum, of which each term is rounded.
    let bound = (edges + hidden + plan.num_weights()) as f32 * f32::EPSILON;
    for (what, ours, host) in [
        ("output", ours.forward(), host),
        ("features", to_features, of_host.0),
        ("harmonics", to_harmonics, of_host.1),
        ("hidden", ours.backward_hidden(&backward), of_host.2),
        ("weight", ours.backward_weight(&backward), of_host.3),
    ] {
        let distance = distance(ours, host);
        assert!(distance < bound, "{what}: {distance:e} >= {bound:e}");
    }
}

fn full(irreps: &str) -> ConvolutionPlan {
    let irreps = irreps.parse().expect("irreps");
    ConvolutionPlan::full(&irreps, &irreps, options())
}

fn channel_wise(irreps: &str) -> ConvolutionPlan {
    let irreps = irreps.parse().expect("irreps");
    ConvolutionPlan::channel_wise(&irreps, 2, |irrep| irrep.l() <= 2, options())
}

fn options() -> PlanOptions {
    PlanOptions {
        l_filter_max: None,
        normalization: PathNormalization::FanIn,
        sharing: RadialSharing::PerPair,
    }
}

/// Tiles of 64, 32 and 16 edges, whose threads have eight, four and two edges each.
#[test]
fn several_edges_to_a_thread_agree_with_the_host() {
    for edges in [16400, 8200, 4100] {
        let sizes = Sizes {
            edges,
            nodes: 300,
            ..SMALL
        };
        agrees_with_the_host(full("17x0 + 2x1"), sizes);
        agrees_with_the_host(channel_wise("5x0 + 17x1"), sizes);
    }
}

/// Hidden features read four at a time, more channels than threads side by side, several rows of the
/// weight to a thread.
#[test]
fn vectors_of_hidden_features_agree_with_the_host() {
    let sizes = Sizes {
        edges: 500,
        nodes: 40,
        hidden: 64,
        ..SMALL
    };
    agrees_with_the_host(full("33x0 + 9x1"), sizes);
    agrees_with_the_host(channel_wise("33x0 + 40x1 + 3x2"), sizes);
}

#[test]
fn several_chunks_of_edges_agree_with_the_host() {
    let sizes = Sizes {
        budget: 1000,
        ..SMALL
    };
    agrees_with_the_host(full("3x0 + 2x1"), sizes);
    agrees_with_the_host(channel_wise("5x0 + 3x1"), sizes);
}

/// More tiles than an axis of a launch has workgroups, as a million edges have.
#[test]
fn tiles_beyond_an_axis_agree_with_the_host() {
    let sizes = Sizes {
        edges: 700,
        nodes: 190,
        axis: 4,
        ..SMALL
    };
    agrees_with_the_host(full("3x0 + 2x1"), sizes);
    agrees_with_the_host(channel_wise("5x0 + 3x1"), sizes);
}

/// Coupled features so wide that fewer of them share a step.
#[test]
fn degree_twelve_agrees_with_the_host() {
    let sizes = Sizes {
        edges: 40,
        nodes: 12,
        ..SMALL
    };
    agrees_with_the_host(full("2x0 + 17x12"), sizes);
}

#[test]
fn wide_hidden_features_agree_with_the_host() {
    let sizes = Sizes {
        edges: 50,
        hidden: 600,
        ..SMALL
    };
    agrees_with_the_host(full("3x0 + 2x1"), sizes);
    agrees_with_the_host(channel_wise("5x0 + 3x1"), sizes);
}
