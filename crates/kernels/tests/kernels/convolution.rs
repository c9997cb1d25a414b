//! The convolution against a composition that forms every radial weight of every edge.

use std::sync::Arc;

use burn::tensor::activation::relu;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};
use steerable_harmonics::plan::{
    ConvolutionPlan, Pair, PathNormalization, PlanOptions, RadialSharing, Weighting, blocks,
};
use steerable_irreps::{Irrep, Irreps};
use steerable_kernels::{ConvolutionInputs, HiddenKind, RowGroups, convolve};

use crate::operation::{Case, Cases, Draw, Function, Rounding};

/// Edges, sorted by the row they are summed into.
#[derive(Clone)]
pub(crate) struct Edges {
    pub(crate) src: Vec<u32>,
    pub(crate) dst: Vec<u32>,
    pub(crate) num_src: usize,
    pub(crate) num_rows: usize,
}

impl Edges {
    fn random(num_edges: usize, nodes: usize, draw: &mut Draw) -> Self {
        Self {
            src: draw.indices(num_edges, nodes),
            dst: draw.sorted_indices(num_edges, nodes),
            num_src: nodes,
            num_rows: nodes,
        }
    }

    /// One output row per edge, as attention asks for.
    fn per_edge(num_edges: usize, nodes: usize, draw: &mut Draw) -> Self {
        Self {
            src: draw.indices(num_edges, nodes),
            dst: (0..num_edges as u32).collect(),
            num_src: nodes,
            num_rows: num_edges,
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Bias {
    With,
    Without,
}

/// One convolution with random numbers.
pub(crate) fn case(
    name: &str,
    plan: ConvolutionPlan,
    edges: &Edges,
    hidden_width: usize,
    bias: Bias,
    draw: &mut Draw,
) -> Case {
    let (plan, num_edges) = (Arc::new(plan), edges.src.len());
    let bias = match bias {
        Bias::With => 1,
        Bias::Without => 0,
    };
    let inputs = vec![
        draw.input("features", [edges.num_src, plan.irreps_in().dim()]),
        // Two columns more than the plan reads.
        draw.input(
            "harmonics",
            [num_edges, (plan.l_filter_max() + 1).pow(2) + 2],
        ),
        draw.input(
            "hidden",
            [num_edges, plan.num_radials().max(1) * hidden_width],
        ),
        draw.input("weight", [hidden_width + bias, plan.num_weights()]),
    ];
    Case {
        name: format!(
            "convolve {name}, {} into {}",
            plan.irreps_in(),
            plan.irreps_out()
        ),
        inputs,
        kernel: kernel(&plan, edges, HiddenKind::Any),
        oracle: composed(&plan, edges, |coefficient| coefficient),
        rounding: Rounding::OfSizes {
            sizes: composed(&plan, edges, f64::abs),
            roundings: longest_sum(&plan, edges, hidden_width),
        },
    }
}

/// One convolution the hidden features of which come out of a ReLU.
fn case_behind_a_relu(
    name: &str,
    plan: ConvolutionPlan,
    edges: &Edges,
    hidden_width: usize,
    draw: &mut Draw,
) -> Case {
    fn behind(function: Function) -> Function {
        Box::new(move |inputs| {
            let mut inputs = inputs.to_vec();
            inputs[2] = relu(inputs[2].clone());
            function(&inputs)
        })
    }
    let of_any = case(name, plan.clone(), edges, hidden_width, Bias::With, draw);
    Case {
        kernel: behind(kernel(&Arc::new(plan), edges, HiddenKind::Rectified)),
        oracle: behind(of_any.oracle),
        rounding: match of_any.rounding {
            Rounding::OfSizes { sizes, roundings } => Rounding::OfSizes {
                sizes: behind(sizes),
                roundings,
            },
            of_largest @ Rounding::OfLargest { .. } => of_largest,
        },
        ..of_any
    }
}

/// Roundings on the longest way from an input to a sum: radial layer, coupling, channels of all
/// blocks and paths, edges, with as many on the way back.
fn longest_sum(plan: &ConvolutionPlan, edges: &Edges, hidden_width: usize) -> f64 {
    let channels: usize = plan
        .pairs()
        .iter()
        .map(|p| p.paths.len() * p.input.mul)
        .sum();
    let columns = plan.num_weights();
    (hidden_width + channels + columns + edges.src.len() + 16) as f64
}

fn kernel(plan: &Arc<ConvolutionPlan>, edges: &Edges, hidden_kind: HiddenKind) -> Function {
    let (plan, edges) = (plan.clone(), edges.clone());
    Box::new(move |inputs| {
        let device = inputs[0].device();
        let [features, harmonics, hidden, weight] = [0, 1, 2, 3].map(|i| inputs[i].clone());
        let inputs = ConvolutionInputs {
            features,
            harmonics,
            hidden,
            hidden_kind,
            weight,
        };
        let src = RowGroups::new(&edges.src, edges.num_src, &device);
        let dst = RowGroups::new(&edges.dst, edges.num_rows, &device);
        convolve(inputs, &src, &dst, &plan)
    })
}

/// Edge by edge and path by path, with every radial weight stored: slow and obvious.
fn composed(plan: &Arc<ConvolutionPlan>, edges: &Edges, coefficient: fn(f64) -> f64) -> Function {
    let (plan, edges) = (plan.clone(), edges.clone());
    Box::new(move |inputs| {
        let [features, harmonics, hidden, weight] = [0, 1, 2, 3].map(|i| inputs[i].clone());
        let (device, dtype) = (features.device(), features.dtype());
        let dim_out = plan.irreps_out().dim();
        let zeros = Tensor::zeros([edges.num_rows, dim_out], (&device, dtype));
        if edges.src.is_empty() || plan.pairs().is_empty() {
            return zeros;
        }
        let index = |index: &[u32]| -> Tensor<1, Int> {
            let index: Vec<i32> = index.iter().map(|&i| i as i32).collect();
            let len = index.len();
            Tensor::from_data(TensorData::new(index, [len]), &device)
        };
        let x = features.select(0, index(&edges.src));
        let hidden_width = hidden.dims()[1] / plan.num_radials();
        let mut columns = Vec::new();
        for (output, _) in blocks(plan.irreps_out()).filter(|(block, _)| block.mul > 0) {
            let mut sum = Tensor::zeros([edges.src.len(), output.dim()], (&device, dtype));
            for pair in plan.pairs().iter().filter(|pair| pair.output == output) {
                let first = pair.radial * hidden_width;
                let hidden = hidden.clone().narrow(1, first, hidden_width);
                let own = weight
                    .clone()
                    .narrow(1, pair.weights.start, pair.weights.len());
                let mut radial = hidden.matmul(own.clone().narrow(0, 0, hidden_width));
                if own.dims()[0] > hidden_width {
                    radial = radial + own.narrow(0, hidden_width, 1);
                }
                let message = message(pair, &x, &harmonics, &radial, &plan, coefficient);
                sum = sum + message;
            }
            columns.push(sum);
        }
        let messages = Tensor::cat(columns, 1);
        zeros.select_assign(0, index(&edges.dst), messages, IndexingUpdateOp::Add)
    })
}

/// The messages of one pair, `[E, (2 l_out + 1) mul_out]`.
fn message(
    pair: &Pair,
    x: &Tensor<2>,
    harmonics: &Tensor<2>,
    radial: &Tensor<2>,
    plan: &ConvolutionPlan,
    coefficient: fn(f64) -> f64,
) -> Tensor<2> {
    let (edges, mul_in, mul_out) = (x.dims()[0], pair.input.mul, pair.output.mul);
    let components = 2 * pair.output.l + 1;
    let (device, dtype) = (x.device(), x.dtype());
    let mut out = vec![Tensor::<2>::zeros([edges, mul_out], (&device, dtype)); components];
    let per_path = radial.dims()[1] / pair.paths.len();
    for (p, path) in pair.paths.iter().enumerate() {
        let weights = radial.clone().narrow(1, p * per_path, per_path);
        for (m_out, out) in out.iter_mut().enumerate() {
            let mut coupled = Tensor::<2>::zeros([edges, mul_in], (&device, dtype));
            for term in path.terms.iter().filter(|term| term.m_out == m_out) {
                let first = pair.input.offset + term.m_in * mul_in;
                let y = harmonics.clone().narrow(1, term.harmonic, 1);
                coupled =
                    coupled + x.clone().narrow(1, first, mul_in) * y * coefficient(term.value);
            }
            let product = match plan.weighting() {
                Weighting::ChannelWise => coupled * weights.clone(),
                Weighting::Full => {
                    let weights = weights.clone().reshape([edges, mul_in, mul_out]);
                    let coupled = coupled.reshape([edges, mul_in, 1]);
                    (coupled * weights).sum_dim(1).reshape([edges, mul_out])
                }
            };
            *out = out.clone() + product;
        }
    }
    Tensor::cat(out, 1)
}

pub(crate) fn options(sharing: RadialSharing) -> PlanOptions {
    PlanOptions {
        l_filter_max: None,
        normalization: PathNormalization::FanIn,
        sharing,
    }
}

pub(crate) fn irreps(text: &str) -> Irreps {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn full_plan(from: &str, to: &str, sharing: RadialSharing) -> ConvolutionPlan {
    ConvolutionPlan::full(&irreps(from), &irreps(to), options(sharing))
}

fn channel_wise_plan(from: &str, l_max: usize, sharing: RadialSharing) -> ConvolutionPlan {
    let keep = |irrep: Irrep| irrep.l() <= l_max;
    ConvolutionPlan::channel_wise(&irreps(from), l_max, keep, options(sharing))
}

const SHARINGS: [RadialSharing; 4] = [
    RadialSharing::Shared,
    RadialSharing::PerOutputIrrep,
    RadialSharing::PerInputIrrep,
    RadialSharing::PerPair,
];

/// Full weighting.
pub(crate) fn full() -> Cases {
    let mut draw = Draw::new(7);
    let mut small = Vec::new();
    for sharing in SHARINGS {
        for bias in [Bias::With, Bias::Without] {
            // Four edges into five nodes: some nodes are isolated.
            let edges = Edges::random(4, 5, &mut draw);
            let plan = full_plan("3x0 + 2x1 + 1x2", "1x0 + 3x1 + 2x2", sharing);
            small.push(case(
                &format!("{sharing:?}"),
                plan,
                &edges,
                2,
                bias,
                &mut draw,
            ));
        }
    }
    for (name, from, to) in [
        (
            "O(3)",
            "2x0e + 1x0o + 2x1o + 1x1e",
            "1x0e + 2x1o + 1x1e + 1x2e",
        ),
        ("absent degrees", "2x1", "3x0 + 1x3"),
        ("no output channels", "2x0", "0x1"),
        (
            "several blocks of an irrep",
            "1x1 + 2x0 + 3x1",
            "2x1 + 1x0 + 1x1",
        ),
        (
            "blocks without channels",
            "2x0 + 0x1 + 1x2",
            "0x0 + 2x1 + 1x2",
        ),
        (
            "an output that nothing reaches",
            "2x0e",
            "1x0e + 2x0o + 1x1o",
        ),
    ] {
        let edges = Edges::random(3, 2, &mut draw);
        let plan = full_plan(from, to, RadialSharing::PerPair);
        small.push(case(name, plan, &edges, 2, Bias::With, &mut draw));
    }
    let plan = || full_plan("2x0 + 1x1", "1x0 + 2x1", RadialSharing::Shared);
    let edges = Edges::per_edge(4, 3, &mut draw);
    small.push(case("per edge", plan(), &edges, 3, Bias::With, &mut draw));
    for (name, edges, nodes) in [("no edges", 0, 3), ("one node", 2, 1), ("nothing", 0, 0)] {
        let edges = match edges {
            0 => Edges {
                src: vec![],
                dst: vec![],
                num_src: nodes,
                num_rows: nodes,
            },
            _ => Edges::random(edges, nodes, &mut draw),
        };
        small.push(case(name, plan(), &edges, 2, Bias::With, &mut draw));
    }
    let mut large = Vec::new();
    let per_edge = Edges::per_edge(333, 40, &mut draw);
    for (name, edges) in [
        ("many edges", Edges::random(333, 40, &mut draw)),
        ("rows", per_edge),
    ] {
        let plan = full_plan(
            "8x0 + 4x1 + 5x2",
            "3x0 + 2x1 + 3x0 + 2x1",
            RadialSharing::PerPair,
        );
        large.push(case(name, plan, &edges, 5, Bias::With, &mut draw));
    }
    // More radial weights than one slab of 4096 columns holds, in one pair and in all.
    let edges = Edges::random(70, 9, &mut draw);
    let plan = full_plan("17x0 + 33x2", "20x1 + 33x2", RadialSharing::Shared);
    large.push(case(
        "several slabs",
        plan,
        &edges,
        3,
        Bias::With,
        &mut draw,
    ));
    // As many hidden features as the order that leaves zeros out takes: it is by far the cheapest then.
    let edges = Edges::per_edge(400, 9, &mut draw);
    let plan = full_plan("16x0 + 32x1", "32x0 + 16x1", RadialSharing::PerPair);
    large.push(case_behind_a_relu("rectified", plan, &edges, 47, &mut draw));
    Cases { small, large }
}

/// Channel-wise weighting.
pub(crate) fn channel_wise() -> Cases {
    let mut draw = Draw::new(8);
    let mut small = Vec::new();
    for sharing in SHARINGS {
        for (from, bias) in [
            ("3x0 + 2x1 + 1x2", Bias::With),
            ("2x0e + 1x1o + 3x1e + 0x2e", Bias::Without),
        ] {
            let edges = Edges::random(4, 5, &mut draw);
            let plan = channel_wise_plan(from, 2, sharing);
            small.push(case(
                &format!("{sharing:?}"),
                plan,
                &edges,
                2,
                bias,
                &mut draw,
            ));
        }
    }
    let edges = Edges::random(333, 40, &mut draw);
    let plan = channel_wise_plan("32x0 + 17x1 + 8x2", 2, RadialSharing::Shared);
    let many_edges = case("many edges", plan, &edges, 5, Bias::With, &mut draw);
    // More kernel entries than the host kernel forms at once: pairs are cut between their paths.
    let edges = Edges::random(70, 9, &mut draw);
    let plan = channel_wise_plan("17x0 + 4x1 + 3x2 + 2x3", 3, RadialSharing::Shared);
    let many_paths = case("many paths", plan, &edges, 5, Bias::With, &mut draw);
    Cases {
        small,
        large: vec![many_edges, many_paths],
    }
}
