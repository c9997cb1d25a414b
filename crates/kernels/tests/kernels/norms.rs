//! Non-linearities and normalization that commute with rotations.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, activation};
use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;
use steerable_kernels::{
    Activation, GatePlan, NormAffine, NormNonlinearityOptions, NormPlan, ScaledActivation,
};

use crate::operation::{Case, Cases, Draw, Function, Input, Rounding, matrix, numbers};

fn parse(text: &str) -> Irreps {
    text.parse().expect("irreps")
}

/// `[rows, mul]` for each component of a block.
fn components(x: &Tensor<2>, block: Block) -> Vec<Tensor<2>> {
    (0..2 * block.l + 1)
        .map(|m| x.clone().narrow(1, block.offset + m * block.mul, block.mul))
        .collect()
}

fn squares(components: &[Tensor<2>]) -> Tensor<2> {
    let squares = components.iter().map(|x| x.clone() * x.clone());
    squares.reduce(|sum, x| sum + x).expect("a component")
}

/// Applies a function to the components of each block with channels, which also gets the block's first
/// channel, counted through all blocks.
fn by_blocks(
    x: &Tensor<2>,
    irreps: &Irreps,
    mut function: impl FnMut(Vec<Tensor<2>>, usize, bool) -> Vec<Tensor<2>>,
) -> Tensor<2> {
    let (mut columns, mut first) = (Vec::new(), 0);
    for (block, (mul, irrep)) in blocks(irreps).filter(|(block, _)| block.mul > 0) {
        columns.extend(function(components(x, block), first, irrep.is_scalar()));
        first += mul;
    }
    match columns.len() {
        0 => x.clone(),
        _ if x.dims()[0] == 0 => x.clone(),
        _ => Tensor::cat(columns, 1),
    }
}

/// Layer normalization of all columns, the textbook formula.
fn normalise(x: &Tensor<2>, epsilon: f64) -> Tensor<2> {
    let centred = x.clone() - x.clone().mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    centred / (variance + epsilon).sqrt()
}

fn activate(function: Activation, x: Tensor<2>) -> Tensor<2> {
    match function {
        Activation::Identity => x,
        Activation::Relu => activation::relu(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => activation::sigmoid(x),
        other => panic!("no oracle for {other:?}"),
    }
}

#[derive(Clone, Copy, Debug)]
struct Nonlinearity {
    irreps: &'static str,
    is_normalised: bool,
    activation: Activation,
}

const SMALLEST_NORM: f64 = 0.4;
/// Large enough to keep the condition of runs that hardly vary small.
const EPSILON: f64 = 0.1;

/// Norms before the activation, and what comes out.
fn nonlinearity(case: Nonlinearity, x: &[Tensor<2>]) -> (Vec<Tensor<2>>, Tensor<2>) {
    let mut inner = Vec::new();
    let out = by_blocks(&x[0], &parse(case.irreps), |components, first, _| {
        let squares = squares(&components);
        let is_zero = squares.clone().equal_elem(0.0);
        let norms = squares.clone().clamp_min(SMALLEST_NORM.powi(2)).sqrt();
        let mul = norms.dims()[1];
        let beta = x[2].clone().narrow(1, first, mul);
        let transformed = if case.is_normalised {
            normalise(&norms, EPSILON) * x[1].clone().narrow(1, first, mul) + beta
        } else {
            norms.clone() + beta
        };
        inner.extend([transformed.clone(), squares.sqrt() - SMALLEST_NORM]);
        let factor = (activate(case.activation, transformed) / norms).mask_fill(is_zero, 0.0);
        let scaled = components.into_iter().map(|x| x * factor.clone());
        scaled.collect()
    });
    (inner, out)
}

/// Whether a corner is near: of the rectifier, or where norms begin to count.
fn has_corner_near(case: Nonlinearity, inputs: &[Input]) -> bool {
    let tensors: Vec<Tensor<2>> = inputs
        .iter()
        .map(|input| matrix(&input.values, input.shape, &Device::flex(), DType::F64))
        .collect();
    let (inner, _) = nonlinearity(case, &tensors);
    inner.iter().flat_map(numbers).any(|x| x.abs() < 5e-3)
}

/// The non-linearity on norms: the formula block by block.
pub(crate) fn norm_nonlinearity() -> Cases {
    let mut draw = Draw::new(34);
    let mut build = |rows, irreps, is_normalised, activation, with_zeros| loop {
        let plan = Arc::new(NormPlan::new(&parse(irreps)));
        let case = Nonlinearity {
            irreps,
            is_normalised,
            activation,
        };
        let channels = plan.num_channels();
        let mut inputs = vec![
            draw.input("x", [rows, plan.dim()]),
            draw.input("gamma", [1, if is_normalised { channels } else { 0 }]),
            draw.input("beta", [1, channels]),
        ];
        if with_zeros {
            // Every fifth row is zero: there the gradient is defined, and not a limit of differences.
            for row in inputs[0].values.chunks_exact_mut(plan.dim()).step_by(5) {
                row.fill(0.0);
            }
        } else if has_corner_near(case, &inputs) {
            continue;
        }
        return Case {
            name: format!("norm_nonlinearity of {rows}, {case:?}"),
            inputs,
            kernel: Box::new(move |x| {
                let affine = NormAffine {
                    gamma: is_normalised.then(|| x[1].clone().flatten(0, 1)),
                    beta: x[2].clone().flatten(0, 1),
                };
                let options = NormNonlinearityOptions {
                    activation,
                    smallest_norm: SMALLEST_NORM,
                    epsilon: EPSILON,
                };
                steerable_kernels::norm_nonlinearity(x[0].clone(), affine, &plan, options)
            }),
            oracle: Box::new(move |x| nonlinearity(case, x).1),
            // Sums over components, over channels there and back, over rows for gamma and beta; norms
            // are amplified by at most 1 / sqrt(epsilon).
            rounding: Rounding::OfLargest {
                roundings: 4.0 * (channels + rows + 32) as f64,
            },
        };
    };
    use Activation::{Identity, Relu, Silu, Tanh};
    let small = vec![
        build(4, "2x0 + 3x1", true, Relu, false),
        build(3, "3x0 + 0x1 + 1x2", true, Silu, false),
        build(3, "1x1 + 4x0", false, Relu, false),
        build(2, "2x2 + 2x1", false, Tanh, false),
        build(5, "2x1o + 3x0e", true, Identity, false),
        build(0, "2x0 + 1x1", true, Relu, false),
    ];
    let large = vec![
        build(700, "24x0 + 16x1 + 7x2", true, Silu, true),
        build(600, "8x0 + 5x1", false, Silu, true),
        build(90, "33x0 + 2x3", true, Identity, true),
    ];
    Cases { small, large }
}

fn layer_norm(irreps: &'static str, epsilon: f64) -> Function {
    Box::new(move |x| {
        let mut first_scalar = 0;
        by_blocks(&x[0], &parse(irreps), |components, first, is_scalar| {
            let mul = components[0].dims()[1];
            let gamma = x[1].clone().narrow(1, first, mul);
            if is_scalar {
                let beta = x[2].clone().narrow(1, first_scalar, mul);
                first_scalar += mul;
                return vec![normalise(&components[0], epsilon) * gamma + beta];
            }
            // Not divided: burn's gradient of a quotient by a number has the precision of f32.
            let share = 1.0 / components.len() as f64;
            let mean_square = squares(&components).mean_dim(1) * share;
            let size = (mean_square + epsilon).sqrt();
            let scaled = components.into_iter();
            scaled.map(|x| x / size.clone() * gamma.clone()).collect()
        })
    })
}

/// Normalization that commutes with rotations: the formula block by block.
pub(crate) fn equivariant_layer_norm() -> Cases {
    let mut draw = Draw::new(35);
    let mut build = |rows, irreps| {
        let plan = Arc::new(NormPlan::new(&parse(irreps)));
        let (channels, scalars) = (plan.num_channels(), plan.num_scalars());
        let columns = plan.dim();
        Case {
            name: format!("equivariant_layer_norm {rows} x {irreps}"),
            inputs: vec![
                draw.input("x", [rows, columns]),
                draw.input("gamma", [1, channels]),
                draw.input("beta", [1, scalars]),
            ],
            kernel: Box::new(move |x| {
                let [gamma, beta] = [1, 2].map(|i| x[i].clone().flatten(0, 1));
                let x = x[0].clone();
                steerable_kernels::equivariant_layer_norm(x, gamma, beta, &plan, EPSILON)
            }),
            oracle: layer_norm(irreps, EPSILON),
            // As for the norms.
            rounding: Rounding::OfLargest {
                roundings: 4.0 * (columns + rows + 32) as f64,
            },
        }
    };
    let small = vec![
        build(4, "2x0 + 3x1"),
        build(3, "1x2 + 0x0 + 3x0 + 1x0"),
        build(3, "2x0o + 3x0e + 2x1o"),
        build(0, "2x0 + 1x1"),
    ];
    let large = vec![build(700, "24x0 + 16x1 + 7x2"), build(900, "3x1 + 40x0")];
    Cases { small, large }
}

/// Scalars, gates, gated, cut apart and put together again.
fn gated(
    scalars: Irreps,
    gated: Irreps,
    activations: Vec<ScaledActivation>,
    gate: ScaledActivation,
) -> Function {
    Box::new(move |x| {
        let x = &x[0];
        let apply =
            |function: ScaledActivation, x| activate(function.activation, x) * function.scale;
        let mut columns = Vec::new();
        for ((block, _), &function) in blocks(&scalars).zip(&activations) {
            columns.push(apply(function, components(x, block).remove(0)));
        }
        let mut first = scalars.dim();
        let offset = first + gated.num_irreps();
        for (block, (mul, _)) in blocks(&gated).filter(|(block, _)| block.mul > 0) {
            let own = apply(gate, x.clone().narrow(1, first, mul));
            first += mul;
            let block = Block {
                offset: block.offset + offset,
                ..block
            };
            columns.extend(components(x, block).into_iter().map(|x| x * own.clone()));
        }
        match x.dims()[0] {
            0 => Tensor::zeros([0, scalars.dim() + gated.dim()], (&x.device(), x.dtype())),
            _ => Tensor::cat(columns, 1),
        }
    })
}

/// The gated non-linearity.
pub(crate) fn gate() -> Cases {
    let mut draw = Draw::new(36);
    let scaled = |activation, scale| ScaledActivation { activation, scale };
    let even = scaled(Activation::Silu, 1.6);
    let odd = scaled(Activation::Tanh, 1.0);
    let sigmoid = scaled(Activation::Sigmoid, 1.8);
    let mut build = |rows, [scalars, gated_irreps]: [&str; 2], activations: &[_]| {
        let [from, to] = [parse(scalars), parse(gated_irreps)];
        let plan = Arc::new(GatePlan::new(&from, &to, activations, sigmoid));
        assert_eq!(plan.dim_out(), from.dim() + to.dim());
        Case {
            name: format!("gate {rows} x {scalars}, {gated_irreps}"),
            inputs: vec![draw.input("x", [rows, plan.dim_in()])],
            kernel: Box::new(move |x| steerable_kernels::gate(x[0].clone(), &plan)),
            oracle: gated(from, to, activations.to_vec(), sigmoid),
            rounding: Rounding::OfLargest { roundings: 64.0 },
        }
    };
    let small = vec![
        build(4, ["3x0", "2x1 + 1x2"], &[even]),
        build(3, ["2x0e + 3x0o", "2x1o + 0x2e + 4x1e"], &[even, odd]),
        build(3, ["2x0", ""], &[even]),
        build(3, ["", "3x1"], &[]),
        build(0, ["2x0", "1x1"], &[even]),
    ];
    let large = vec![build(700, ["24x0", "16x1 + 7x2"], &[even])];
    Cases { small, large }
}
