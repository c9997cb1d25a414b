//! Activations and radial layers.

use burn::tensor::{DType, Device, Tensor};
use steerable_kernels::{
    Activation, LayerNormAffine, RadialLayerInputs, RadialLayerOptions, radial_layer as layer,
};

use crate::operation::{Case, Cases, Draw, Function, Rounding, matrix, numbers};

const ACTIVATIONS: [Activation; 9] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Silu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::ShiftedSoftplus,
    Activation::Abs,
];

/// Activations by burn operations.
fn composed(activation: Activation, x: Tensor<2>) -> Tensor<2> {
    use burn::tensor::activation as burn;
    match activation {
        Activation::Identity => x,
        Activation::Relu => burn::relu(x),
        Activation::Silu => burn::silu(x),
        Activation::Gelu => {
            let error_function = (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf();
            x * (error_function + 1.0) * 0.5
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => burn::sigmoid(x),
        Activation::Softplus => burn::softplus(x, 1.0),
        Activation::ShiftedSoftplus => burn::softplus(x, 1.0) - std::f64::consts::LN_2,
        Activation::Abs => x.abs(),
        other => panic!("no oracle for {other:?}"),
    }
}

fn has_corner(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::Abs)
}

pub(crate) fn activate() -> Cases {
    let mut draw = Draw::new(20);
    let mut case = |activation: Activation, shape: [usize; 2]| {
        let mut x = draw.input("x", shape);
        for x in &mut x.values {
            *x = match *x {
                // No derivative in a corner: stay away from it.
                corner if corner.abs() < 1e-3 => 0.5,
                other => 6.0 * other,
            };
        }
        Case {
            name: format!("activate {shape:?} {activation:?}"),
            inputs: vec![x],
            kernel: Box::new(move |x| steerable_kernels::activate(x[0].clone(), activation)),
            oracle: Box::new(move |x| composed(activation, x[0].clone())),
            rounding: Rounding::OfLargest { roundings: 16.0 },
        }
    };
    let mut list = |shapes: &[[usize; 2]]| {
        let shapes = shapes
            .iter()
            .flat_map(|shape| ACTIVATIONS.map(|f| (f, *shape)));
        shapes
            .map(|(activation, shape)| case(activation, shape))
            .collect()
    };
    let small = list(&[[3, 7], [0, 4], [1, 5]]);
    let large = list(&[[1001, 33]]);
    Cases { small, large }
}

/// What a case of a radial layer has besides its activation.
#[derive(Clone, Copy, Debug)]
struct Layer {
    rows: usize,
    groups: usize,
    from: usize,
    to: usize,
    bias: bool,
    /// Runs that are normalised, none without a normalization.
    runs: usize,
}

const EPSILON: f64 = 0.1;

impl Layer {
    fn columns(&self) -> usize {
        self.groups * self.to
    }

    /// The layer by burn operations, one product for each map, without its activation.
    fn linear_and_norm(self) -> Function {
        Box::new(move |x| {
            let maps = (0..self.groups).map(|group| {
                let own = x[0].clone().narrow(1, group * self.from, self.from);
                own.matmul(x[1].clone().narrow(0, group * self.from, self.from))
            });
            let mut out = Tensor::cat(maps.collect(), 1);
            if self.bias {
                out = out + x[2].clone();
            }
            if self.runs == 0 || self.rows == 0 {
                return out;
            }
            let width = self.columns() / self.runs;
            let runs = out.reshape([self.rows * self.runs, width]);
            let centred = runs.clone() - runs.mean_dim(1);
            let variance = (centred.clone() * centred.clone()).mean_dim(1);
            let normal = centred / (variance + EPSILON).sqrt();
            normal.reshape([self.rows, self.columns()]) * x[3].clone() + x[4].clone()
        })
    }

    fn kernel(self, activation: Activation) -> Function {
        Box::new(move |x| {
            let vector = |i: usize| x[i].clone().reshape([self.columns()]);
            let inputs = RadialLayerInputs {
                weight: x[1].clone(),
                bias: self.bias.then(|| vector(2)),
                affine: (self.runs > 0).then(|| LayerNormAffine {
                    gamma: vector(3),
                    beta: vector(4),
                }),
            };
            let options = RadialLayerOptions {
                groups: self.groups,
                norm_width: self.columns() / self.runs.max(1),
                epsilon: EPSILON,
                activation,
            };
            layer(x[0].clone(), inputs, options)
        })
    }

    fn case(self, activation: Activation, draw: &mut Draw) -> Case {
        let before = self.linear_and_norm();
        loop {
            let affine = if self.runs > 0 { self.columns() } else { 0 };
            let inputs = vec![
                draw.input("x", [self.rows, self.groups * self.from]),
                draw.input("weight", [self.groups * self.from, self.to]),
                draw.input("bias", [1, if self.bias { self.columns() } else { 0 }]),
                draw.input("gamma", [1, affine]),
                draw.input("beta", [1, affine]),
            ];
            let tensors: Vec<Tensor<2>> = inputs
                .iter()
                .map(|i| matrix(&i.values, i.shape, &Device::flex(), DType::F64))
                .collect();
            let nearest = numbers(&before(&tensors))
                .iter()
                .fold(1.0_f64, |least, x| least.min(x.abs()));
            // No derivative in a corner: stay away from it, by more than finite differences step or
            // roundings reach.
            let distance = if self.rows < 10 { 1e-2 } else { 1e-5 };
            if has_corner(activation) && nearest < distance {
                continue;
            }
            return Case {
                name: format!("radial_layer {self:?} {activation:?}"),
                inputs,
                kernel: self.kernel(activation),
                oracle: Box::new(move |x| composed(activation, before(x))),
                // Products of `from` and `to` terms, sums over a run and over the rows, and a few
                // operations; a mean that cancels is amplified by at most 1 / sqrt(epsilon) < 4.
                rounding: Rounding::OfLargest {
                    roundings: 4.0 * (self.from + 3 * self.columns() + self.rows + 16) as f64,
                },
            };
        }
    }
}

pub(crate) fn radial_layer() -> Cases {
    let mut draw = Draw::new(21);
    let of = |rows, groups, [from, to]: [usize; 2], bias, runs| Layer {
        rows,
        groups,
        from,
        to,
        bias,
        runs,
    };
    let mut small = Vec::new();
    for activation in ACTIVATIONS {
        small.push(of(4, 1, [3, 5], true, 0).case(activation, &mut draw));
        small.push(of(3, 3, [2, 4], true, 3).case(activation, &mut draw));
    }
    for other in [
        of(0, 1, [3, 2], true, 1),
        of(1, 3, [2, 1], false, 3),
        of(2, 1, [1, 6], false, 2),
        of(1, 1, [1, 1], false, 0),
    ] {
        small.push(other.case(Activation::Silu, &mut draw));
    }
    let large = [
        (of(63, 1, [8, 16], true, 1), Activation::Silu),
        (of(64, 3, [7, 16], true, 3), Activation::Relu),
        (of(65, 1, [5, 18], true, 1), Activation::Gelu),
        (of(1000, 3, [16, 33], true, 3), Activation::Silu),
        (of(1000, 1, [33, 64], false, 0), Activation::Tanh),
        // As the first layer of two networks; enough work for several threads.
        (of(1300, 1, [20, 64], true, 2), Activation::ShiftedSoftplus),
    ];
    let large = large.map(|(layer, activation)| layer.case(activation, &mut draw));
    Cases {
        small,
        large: large.into(),
    }
}

#[test]
fn gradients_of_radial_layers_have_the_same_bits_on_any_number_of_threads() {
    for case in radial_layer().all() {
        for dtype in [DType::F32, DType::F64] {
            let mut runs = [1, 2, 3, 7].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.expect("a thread pool").install(|| case.run(dtype))
            });
            let (first, others) = runs.split_first_mut().expect("four runs");
            for other in others {
                assert_eq!(first, other, "{} in {dtype:?}", case.name);
            }
        }
    }
}

/// The activations in f64 without cancellation, but for `Gelu`.
fn formula(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Softplus => x.exp().ln_1p(),
        Activation::ShiftedSoftplus => (0.5 * x.exp_m1()).ln_1p(),
        Activation::Abs => x.abs(),
        other => panic!("no formula for {other:?}"),
    }
}

/// Small results too: next to zero and far down the negative side.
#[test]
fn activations_are_right_to_a_few_units_in_the_last_place() {
    let even = (-4000..=4000).map(|i| f64::from(i) / 100.0);
    let small = (0..300).map(|i| 10.0_f64.powf(-f64::from(i) / 20.0));
    let points: Vec<f64> = even
        .chain(small.flat_map(|x| [x, -x]))
        .map(|x| f64::from(x as f32))
        .collect();
    let shape = [1, points.len()];
    for activation in ACTIVATIONS {
        if activation == Activation::Gelu {
            // Its one hard part, the tail of the normal distribution, has a test of its own.
            continue;
        }
        for (dtype, epsilon) in [
            (DType::F32, f64::from(f32::EPSILON)),
            (DType::F64, f64::EPSILON),
        ] {
            let x = matrix(&points, shape, &Device::flex(), dtype);
            let got = numbers(&steerable_kernels::activate(x, activation));
            for (&got, &x) in got.iter().zip(&points) {
                let want = formula(activation, x);
                assert!(
                    (got - want).abs() <= 4.0 * epsilon * want.abs(),
                    "{activation:?} in {dtype:?} at {x}: {got:e}, expected {want:e}"
                );
            }
        }
    }
}

#[test]
fn activations_show_a_nan_and_have_limits() {
    let device = Device::flex().autodiff();
    for activation in ACTIVATIONS {
        for dtype in [DType::F32, DType::F64] {
            let values = [f64::NAN, 1e30, -1e30, 0.0];
            let x = matrix(&values, [1, 4], &device, dtype).require_grad();
            let out = steerable_kernels::activate(x.clone(), activation);
            let got = numbers(&out);
            assert!(got[0].is_nan(), "{activation:?} in {dtype:?}: {got:?}");
            assert!(
                got[1..].iter().all(|x| x.is_finite()),
                "{activation:?}: {got:?}"
            );
            let gradients = out.sum().backward();
            let slopes = numbers(&x.grad(&gradients).expect("x is tracked"));
            let finite = slopes[1..].iter().all(|x| x.is_finite());
            assert!(finite, "{activation:?} in {dtype:?}: {slopes:?}");
            let passes = matches!(activation, Activation::Identity | Activation::Relu);
            assert!(slopes[0].is_nan() || passes, "{activation:?}: {slopes:?}");
        }
    }
}

#[test]
fn radial_layers_show_a_nan_in_its_own_row_only() {
    let plain = Layer {
        rows: 3,
        groups: 1,
        from: 2,
        to: 20,
        bias: true,
        runs: 1,
    };
    for dtype in [DType::F32, DType::F64] {
        for activation in ACTIVATIONS {
            let mut case = plain.case(activation, &mut Draw::new(5));
            case.inputs[0].values[3] = f64::NAN;
            let value = case.run(dtype).value;
            for (row, value) in value.chunks(20).enumerate() {
                let as_expected = value.iter().all(|x| x.is_nan() == (row == 1));
                assert!(
                    as_expected,
                    "{activation:?} in {dtype:?}, row {row}: {value:?}"
                );
            }
        }
    }
}
