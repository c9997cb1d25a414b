//! Tensor products, linear maps and non-linearities against e3nn's numbers.

use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use serde_json::Value;
use steerable::harmonics::Wigner3j;
use steerable::harmonics::plan::{ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing};
use steerable::irreps::{Irrep, Irreps, Layout, MulIrrep, Parity};
use steerable::kernels::{ConvolutionInputs, HiddenKind, RowGroups, convolve};
use steerable::nn::{
    ActivationScale, Features, GateConfig, NormNonlinearityConfig, NormTransform, ScalarBias,
    SteerableLinearConfig,
};
use steerable::radial::Activation;
use steerable_testkit::Precision;
use steerable_tests::flat::{matrix, to_vec};
use steerable_tests::golden::{Comparison, json, numbers};
use steerable_tests::{device, irreps};

/// The files hold 15 decimal digits of sums of at most some hundred products.
const TOLERANCE: f64 = 1e-12;

const PRECISION: Precision = Precision::F64;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("\"{key}\" is no text"))
}

fn index(value: &Value, key: &str) -> usize {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("\"{key}\" is no index")) as usize
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("\"{key}\" is no number"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("\"{key}\" is no list"))
}

/// e3nn writes SO(3) as even irreps throughout; our harmonics have their natural parity in O(3).
fn without_parity(irreps: &Irreps) -> Irreps {
    let blocks = irreps.iter().map(|block| MulIrrep {
        mul: block.mul,
        irrep: Irrep::so3(block.irrep.l()),
    });
    Irreps::try_new(blocks.collect()).expect("one group")
}

struct Instruction {
    i1: usize,
    i2: usize,
    out: usize,
    path_weight: f64,
    first_weight: usize,
}

fn instructions(
    case: &Value,
    weights_of: impl Fn(usize, usize, usize) -> usize,
) -> Vec<Instruction> {
    let mut first_weight = 0;
    list(case, "instructions")
        .iter()
        .map(|value| {
            let (i1, i2, out) = (index(value, "i1"), index(value, "i2"), index(value, "o"));
            let instruction = Instruction {
                i1,
                i2,
                out,
                path_weight: number(value, "path_weight"),
                first_weight,
            };
            first_weight += weights_of(i1, i2, out);
            instruction
        })
        .collect()
}

/// Where the weights of e3nn's instructions stand in our matrix, and what they are multiplied by.
///
/// Our coefficients are `3j(l_filter, l_in, l_out)`, e3nn's `3j(l_in, l_filter, l_out)`: exchanging two
/// degrees whose sum with the third is odd changes the sign.
fn weight_map(
    plan: &ConvolutionPlan,
    [in2, theirs]: [&Irreps; 2],
    instructions: &[Instruction],
) -> Vec<(usize, f64)> {
    let mut map = vec![(usize::MAX, 0.0); plan.num_weights()];
    let slots: Vec<MulIrrep> = plan.irreps_out().iter().collect();
    for pair in plan.pairs() {
        let out = steerable::harmonics::plan::blocks(plan.irreps_out())
            .position(|(block, _)| block == pair.output)
            .expect("an output block");
        let i1 = steerable::harmonics::plan::blocks(plan.irreps_in())
            .position(|(block, _)| block == pair.input)
            .expect("an input block");
        let [path] = pair.paths.as_slice() else {
            panic!("a channel-wise pair has one path");
        };
        let l_out = slots[out].irrep.l();
        let instruction = instructions
            .iter()
            .find(|one| {
                let l_filter = in2.blocks()[one.i2].irrep.l();
                let degree = theirs.blocks()[one.out].irrep.l();
                (one.i1, l_filter, degree) == (i1, path.l_filter, l_out)
            })
            .expect("an instruction for each path");
        let sign = match (pair.input.l + path.l_filter + l_out) % 2 {
            0 => 1.0,
            _ => -1.0,
        };
        for (channel, column) in pair.weights.clone().enumerate() {
            map[column] = (
                instruction.first_weight + channel,
                sign * instruction.path_weight,
            );
        }
    }
    map
}

/// The blocks of rows in e3nn's `mul_ir`, in the order of our output blocks.
fn reordered(rows: &[f64], theirs: &Irreps, place_of_ours: &[usize]) -> Vec<f64> {
    let slices = theirs.slices();
    rows.chunks_exact(theirs.dim())
        .flat_map(|row| {
            place_of_ours
                .iter()
                .flat_map(|&place| &row[slices[place].clone()])
                .copied()
                .collect::<Vec<f64>>()
        })
        .collect()
}

#[test]
fn golden_channel_wise_convolutions_equal_e3nn_in_value_and_gradient() {
    let golden = json("tensor_products.json");
    let mut compared = Comparison::default();
    let cases = golden["cases"].as_object().expect("the cases by name");
    for (name, case) in cases.iter().filter(|(name, _)| name.starts_with("uvu")) {
        let [in1, in2, theirs] =
            ["irreps_in1", "irreps_in2", "irreps_out"].map(|key| irreps(text(case, key)));
        let natural = in2
            .iter()
            .all(|b| b.irrep.parity() == Some(Parity::of_harmonic(b.irrep.l())));
        let ours_in = if natural {
            in1.clone()
        } else {
            without_parity(&in1)
        };
        let l_max = in2.lmax().expect("harmonics");
        let options = PlanOptions {
            l_filter_max: Some(l_max),
            normalization: PathNormalization::None,
            sharing: RadialSharing::Shared,
        };
        let kept = if natural {
            theirs.clone()
        } else {
            without_parity(&theirs)
        };
        let plan =
            ConvolutionPlan::channel_wise(&ours_in, l_max, |irrep| kept.mul_of(irrep) > 0, options);
        let plan = Arc::new(plan);
        let steps = instructions(case, |i1, _, _| in1.blocks()[i1].mul);
        let map = weight_map(&plan, [&in2, &theirs], &steps);
        let columns: usize = steps.iter().map(|step| in1.blocks()[step.i1].mul).sum();
        assert_eq!(map.len(), columns, "{name}");
        let degrees: Vec<usize> = in2.iter().map(|b| b.irrep.l()).collect();
        let harmonics_once = in2.num_irreps() == in2.len() && degrees == Vec::from_iter(0..=l_max);
        assert!(harmonics_once, "{name}: \"{in2}\" are no harmonics");
        // Our output blocks, as places in e3nn's output.
        let places: Vec<usize> = plan
            .pairs()
            .iter()
            .map(|pair| {
                let weight = map[pair.weights.start].0;
                let step = steps.iter().find(|step| step.first_weight == weight);
                step.expect("a mapped path").out
            })
            .collect();

        let autodiff = device().autodiff();
        let [x1, x2] = ["x1", "x2"].map(|key| numbers(&case[key]));
        let batch = x2.len() / in2.dim();
        let x1 = in1.convert_layout(Layout::MulIr, Layout::IrMul, &x1);
        let features = matrix(&x1, in1.dim(), PRECISION, &autodiff).require_grad();
        let harmonics = matrix(&x2, in2.dim(), PRECISION, &autodiff).require_grad();
        // Row b of the weights belongs to edge b: its hidden features select that row.
        let their_weights = numbers(&case["weight"]);
        let own_rows = their_weights.len() / columns;
        let row_of = |edge: usize| if own_rows == 1 { 0 } else { edge };
        let weight: Vec<f64> = (0..own_rows)
            .flat_map(|row| {
                let their_weights = &their_weights;
                map.iter()
                    .map(move |&(place, scale)| their_weights[row * columns + place] * scale)
            })
            .collect();
        let weight = matrix(&weight, plan.num_weights(), PRECISION, &autodiff).require_grad();
        let hidden: Vec<f64> = (0..batch)
            .flat_map(|edge| (0..own_rows).map(move |row| f64::from(row == row_of(edge))))
            .collect();
        let hidden = matrix(&hidden, own_rows, PRECISION, &autodiff);
        let edges = RowGroups::identity(batch, &autodiff);
        let inputs = ConvolutionInputs {
            features: features.clone(),
            harmonics: harmonics.clone(),
            hidden,
            hidden_kind: HiddenKind::Any,
            weight: weight.clone(),
        };
        let out = convolve(inputs, &edges, &edges, &plan);

        let ours_out = plan.irreps_out();
        let expected = reordered(&numbers(&case["out"]), &theirs, &places);
        let got = ours_out.convert_layout(Layout::IrMul, Layout::MulIr, &to_vec(&out));
        compared.expect(&format!("{name}: out"), &got, &expected, TOLERANCE);

        let cotangent = reordered(&numbers(&case["cotangent"]), &theirs, &places);
        let cotangent = ours_out.convert_layout(Layout::MulIr, Layout::IrMul, &cotangent);
        let cotangent = matrix(&cotangent, ours_out.dim(), PRECISION, &autodiff);
        let gradients = (out * cotangent).sum().backward();
        let gradient = |tensor: &Tensor<2>| to_vec(&tensor.grad(&gradients).expect("a leaf"));
        let got = in1.convert_layout(Layout::IrMul, Layout::MulIr, &gradient(&features));
        let expected = numbers(&case["grad_x1"]);
        compared.expect(&format!("{name}: grad_x1"), &got, &expected, TOLERANCE);
        let expected = numbers(&case["grad_x2"]);
        compared.expect(
            &format!("{name}: grad_x2"),
            &gradient(&harmonics),
            &expected,
            TOLERANCE,
        );
        let mut got = vec![0.0; their_weights.len()];
        for (row, values) in gradient(&weight).chunks_exact(map.len()).enumerate() {
            for (&(place, scale), value) in map.iter().zip(values) {
                got[row * columns + place] = value * scale;
            }
        }
        let expected = numbers(&case["grad_weight"]);
        compared.expect(&format!("{name}: grad_weight"), &got, &expected, TOLERANCE);
    }
    compared.finish("channel-wise convolutions");
}

/// The path normalization of our convolutions is e3nn's default one.
#[test]
fn golden_path_weights_equal_fan_in_normalization() {
    let golden = json("tensor_products.json");
    let mut compared = Comparison::default();
    let cases = golden["cases"].as_object().expect("the cases by name");
    for (name, case) in cases.iter().filter(|(name, _)| name.ends_with("default")) {
        if !name.starts_with("uvu") {
            continue;
        }
        let theirs = irreps(text(case, "irreps_out"));
        for step in list(case, "instructions") {
            let l = theirs.blocks()[index(step, "o")].irrep.l();
            let one = Irreps::from(Irrep::so3(l));
            let options = PlanOptions {
                l_filter_max: Some(0),
                normalization: PathNormalization::FanIn,
                sharing: RadialSharing::Shared,
            };
            let plan = ConvolutionPlan::channel_wise(&one, 0, |_| true, options);
            let ours =
                plan.pairs()[0].paths[0].terms[0].value / Wigner3j::new(0, l, l).get(0, 0, 0);
            compared.expect(name, &[ours], &[number(step, "path_weight")], TOLERANCE);
        }
    }
    compared.finish("path weights");
}

/// `x1[i1, u, i] x2[i2, v, j] C[i, j, k]` with the contributions of a whole product, slowly.
struct Product {
    out: Vec<f64>,
    grad_x1: Vec<f64>,
    grad_x2: Vec<f64>,
    grad_weight: Vec<f64>,
}

fn fully_connected(case: &Value, steps: &[Instruction], irreps_of: [&Irreps; 3]) -> Product {
    let [in1, in2, out] = irreps_of;
    let [x1, x2, weight] = ["x1", "x2", "weight"].map(|key| numbers(&case[key]));
    let cotangent = numbers(&case["cotangent"]);
    let rows = x1.len() / in1.dim();
    let mut product = Product {
        out: vec![0.0; rows * out.dim()],
        grad_x1: vec![0.0; x1.len()],
        grad_x2: vec![0.0; x2.len()],
        grad_weight: vec![0.0; weight.len()],
    };
    let starts = irreps_of.map(|irreps| {
        let slices = irreps.slices();
        slices.iter().map(|slice| slice.start).collect::<Vec<_>>()
    });
    for step in steps {
        let [a, b, c] = [
            in1.blocks()[step.i1],
            in2.blocks()[step.i2],
            out.blocks()[step.out],
        ];
        let symbol = Wigner3j::new(a.irrep.l(), b.irrep.l(), c.irrep.l());
        for row in 0..rows {
            for u in 0..a.mul {
                for v in 0..b.mul {
                    for w in 0..c.mul {
                        let at_weight = step.first_weight + (u * b.mul + v) * c.mul + w;
                        for entry in symbol.entries() {
                            let at1 =
                                row * in1.dim() + starts[0][step.i1] + u * a.irrep.dim() + entry.m1;
                            let at2 =
                                row * in2.dim() + starts[1][step.i2] + v * b.irrep.dim() + entry.m2;
                            let at3 = row * out.dim()
                                + starts[2][step.out]
                                + w * c.irrep.dim()
                                + entry.m3;
                            let value = step.path_weight * entry.value;
                            let (p, q, r) = (x1[at1], x2[at2], weight[at_weight]);
                            let g = cotangent[at3];
                            product.out[at3] += value * r * p * q;
                            product.grad_x1[at1] += value * r * q * g;
                            product.grad_x2[at2] += value * r * p * g;
                            product.grad_weight[at_weight] += value * p * q * g;
                        }
                    }
                }
            }
        }
    }
    product
}

#[test]
fn golden_fully_connected_products_equal_e3nn_in_value_and_gradient() {
    let golden = json("tensor_products.json");
    let mut compared = Comparison::default();
    let cases = golden["cases"].as_object().expect("the cases by name");
    for (name, case) in cases
        .iter()
        .filter(|(name, _)| name.starts_with("fully_connected"))
    {
        let [in1, in2, out] =
            ["irreps_in1", "irreps_in2", "irreps_out"].map(|key| irreps(text(case, key)));
        let mul = |irreps: &Irreps, block: usize| irreps.blocks()[block].mul;
        let steps = instructions(case, |a, b, c| mul(&in1, a) * mul(&in2, b) * mul(&out, c));
        let product = fully_connected(case, &steps, [&in1, &in2, &out]);
        for (key, got) in [
            ("out", &product.out),
            ("grad_x1", &product.grad_x1),
            ("grad_x2", &product.grad_x2),
            ("grad_weight", &product.grad_weight),
        ] {
            let expected = numbers(&case[key]);
            compared.expect(&format!("{name}: {key}"), got, &expected, TOLERANCE);
        }
    }
    compared.finish("fully connected products");
}

#[test]
fn golden_full_products_equal_e3nn() {
    let golden = json("tensor_products.json");
    let case = &golden["cases"]["full"];
    let [in1, in2, theirs] =
        ["irreps_in1", "irreps_in2", "irreps_out"].map(|key| irreps(text(case, key)));
    let [x1, x2] = ["x1", "x2"].map(|key| numbers(&case[key]));
    let rows = x1.len() / in1.dim();
    let mut slots: Vec<(Irrep, usize, usize)> = Vec::new();
    for (i1, a) in in1.iter().enumerate() {
        for (i2, b) in in2.iter().enumerate() {
            slots.extend(a.irrep.product(b.irrep).map(|irrep| (irrep, i1, i2)));
        }
    }
    // e3nn's order: by degree, odd before even.
    slots.sort_by_key(|(irrep, ..)| (irrep.l(), irrep.parity() == Some(Parity::Even)));
    let ours = Irreps::try_new(
        slots
            .iter()
            .map(|&(irrep, i1, i2)| MulIrrep {
                mul: in1.blocks()[i1].mul * in2.blocks()[i2].mul,
                irrep,
            })
            .collect(),
    )
    .expect("one group");
    assert_eq!(ours, theirs, "the selection rules");
    let mut got = Vec::with_capacity(rows * ours.dim());
    for row in 0..rows {
        for &(irrep, i1, i2) in &slots {
            let [a, b] = [in1.blocks()[i1], in2.blocks()[i2]];
            let symbol = Wigner3j::new(a.irrep.l(), b.irrep.l(), irrep.l());
            let norm = (irrep.dim() as f64).sqrt();
            for u in 0..a.mul {
                for v in 0..b.mul {
                    let mut out = vec![0.0; irrep.dim()];
                    for entry in symbol.entries() {
                        let p = x1[row * in1.dim()
                            + in1.slices()[i1].start
                            + u * a.irrep.dim()
                            + entry.m1];
                        let q = x2[row * in2.dim()
                            + in2.slices()[i2].start
                            + v * b.irrep.dim()
                            + entry.m2];
                        out[entry.m3] += norm * entry.value * p * q;
                    }
                    got.extend(out);
                }
            }
        }
    }
    let mut compared = Comparison::default();
    compared.expect("full: out", &got, &numbers(&case["out"]), TOLERANCE);
    compared.finish("full products");
}

#[test]
fn golden_linear_maps_equal_e3nn() {
    let golden = json("tensor_products.json");
    let case = &golden["cases"]["linear"];
    let [irreps_in, irreps_out] = ["irreps_in", "irreps_out"].map(|key| irreps(text(case, key)));
    let config = SteerableLinearConfig::new(irreps_in.clone(), irreps_out.clone())
        .with_bias(ScalarBias::Scalars);
    let mut layer = config.init(&device());
    // e3nn has a matrix for each pair of blocks; ours has the rows of all inputs of an output.
    let weights = numbers(&case["weight"]);
    let mut matrices: Vec<Vec<f64>> = vec![Vec::new(); irreps_out.len()];
    let mut first = 0;
    for step in list(case, "instructions") {
        if step["i"].as_i64() == Some(-1) {
            continue;
        }
        let (i, o) = (index(step, "i"), index(step, "o"));
        let count = irreps_in.blocks()[i].mul * irreps_out.blocks()[o].mul;
        let scaled = weights[first..first + count]
            .iter()
            .map(|weight| weight * number(step, "path_weight"));
        matrices[o].extend(scaled);
        first += count;
    }
    assert_eq!(first, weights.len(), "all weights are used");
    for ((weight, values), block) in layer.weights.iter_mut().zip(&matrices).zip(&irreps_out) {
        assert_eq!(values.len(), weight.shape().num_elements());
        *weight = Param::from_tensor(matrix(values, block.mul, PRECISION, &device()));
    }
    let bias = numbers(&case["bias"]);
    let shape = [bias.len()];
    let bias = Tensor::from_data(
        TensorData::new(bias, shape),
        (&device(), steerable_tests::dtype(PRECISION)),
    );
    layer.bias = Some(Param::from_tensor(bias));

    let x = matrix(&numbers(&case["x"]), irreps_in.dim(), PRECISION, &device());
    let out = layer
        .forward(&Features::from_mul_ir(irreps_in, x))
        .to_mul_ir();
    let mut compared = Comparison::default();
    compared.expect(
        "linear: out",
        &to_vec(&out),
        &numbers(&case["out"]),
        TOLERANCE,
    );
    compared.finish("linear maps");
}

fn activation(name: &str) -> Activation {
    match name {
        "silu" => Activation::Silu,
        "tanh" => Activation::Tanh,
        "sigmoid" => Activation::Sigmoid,
        "relu" => Activation::Relu,
        "gelu" => Activation::Gelu,
        "abs" => Activation::Abs,
        "softplus" => Activation::Softplus,
        other => panic!("unknown activation {other}"),
    }
}

#[test]
fn golden_second_moments_equal_their_integrals() {
    let golden = json("nonlinearities.json");
    let mut compared = Comparison::default();
    for (name, constants) in golden["normalize2mom"].as_object().expect("by name") {
        let ours = activation(name).second_moment_scale();
        // The file's quadrature has an absolute error of about 1e-11.
        compared.expect(name, &[ours], &[number(constants, "exact_cst")], 1e-10);
        let sampled = number(constants, "e3nn_cst");
        assert!(
            (ours / sampled - 1.0).abs() < 5e-3,
            "{name}: e3nn samples it"
        );
    }
    compared.finish("second moments");
}

/// The numbers that e3nn multiplies activations by.
fn e3nn_scale(golden: &Value) -> ActivationScale {
    let constant = |name: &str| number(&golden["normalize2mom"][name], "e3nn_cst");
    ActivationScale::Given {
        even: constant("silu"),
        odd: constant("tanh"),
        gates: constant("sigmoid"),
    }
}

/// `"4x0e: silu, 2x0o: tanh"` without the activations.
fn irreps_of_list(text: &str) -> Irreps {
    let blocks = text.split(',').map(|part| {
        let block = part.split(':').next().expect("split gives a part");
        block.trim()
    });
    irreps(&blocks.collect::<Vec<_>>().join(" + "))
}

#[test]
fn golden_gates_equal_e3nn_in_value_and_gradient() {
    let golden = json("nonlinearities.json");
    let case = &golden["gate"];
    let scalars = irreps_of_list(text(case, "scalars"));
    let gates = irreps_of_list(text(case, "gates"));
    let gated = irreps(text(case, "gated"));
    let gate = GateConfig::new(scalars.clone(), gated)
        .with_scale(e3nn_scale(&golden))
        .init(&device());
    assert_eq!(*gate.irreps_out(), irreps(text(case, "irreps_out")));

    // e3nn sorts the blocks of the input: by degree, odd before even, merged where they are equal.
    let ours = gate.irreps_in();
    let mut order: Vec<usize> = (0..ours.len()).collect();
    order.sort_by_key(|&block| {
        let irrep = ours.blocks()[block].irrep;
        (irrep.l(), irrep.parity() == Some(Parity::Even))
    });
    let sorted: Vec<MulIrrep> = order.iter().map(|&block| ours.blocks()[block]).collect();
    let sorted = Irreps::try_new(sorted).expect("one group");
    let theirs = irreps(text(case, "irreps_in"));
    assert_eq!(sorted.simplify(), theirs, "{gates} gates among the scalars");
    let mut place_of_ours = vec![0; ours.len()];
    for (place, &block) in order.iter().enumerate() {
        place_of_ours[block] = place;
    }

    let autodiff = device().autodiff();
    let to_ours = |rows: &[f64]| {
        let rows = reordered(rows, &sorted, &place_of_ours);
        ours.convert_layout(Layout::MulIr, Layout::IrMul, &rows)
    };
    let x = matrix(
        &to_ours(&numbers(&case["x"])),
        ours.dim(),
        PRECISION,
        &autodiff,
    )
    .require_grad();
    let out = gate
        .forward(&Features::new(ours.clone(), x.clone()))
        .to_mul_ir();
    let mut compared = Comparison::default();
    compared.expect(
        "gate: out",
        &to_vec(&out),
        &numbers(&case["out"]),
        TOLERANCE,
    );

    let columns = gate.irreps_out().dim();
    let cotangent = matrix(&numbers(&case["cotangent"]), columns, PRECISION, &autodiff);
    let gradients = (out * cotangent).sum().backward();
    let got = to_vec(&x.grad(&gradients).expect("a leaf"));
    let expected = to_ours(&numbers(&case["grad_x"]));
    compared.expect("gate: grad_x", &got, &expected, TOLERANCE);
    compared.finish("gates");
}

#[test]
fn golden_activations_equal_e3nn() {
    let golden = json("nonlinearities.json");
    let case = &golden["activation"];
    let scalars = text(case, "irreps")
        .replace(" silu", "")
        .replace(" tanh", "");
    let scalars = irreps(&scalars);
    // A gate without anything to gate.
    let layer = GateConfig::new(scalars.clone(), Irreps::default())
        .with_scale(e3nn_scale(&golden))
        .init(&device());
    let x = matrix(&numbers(&case["x"]), scalars.dim(), PRECISION, &device());
    let out = layer
        .forward(&Features::new(layer.irreps_in().clone(), x))
        .to_mul_ir();
    let mut compared = Comparison::default();
    compared.expect(
        "activation: out",
        &to_vec(&out),
        &numbers(&case["out"]),
        TOLERANCE,
    );
    compared.finish("activations");
}

#[test]
fn golden_norm_activations_equal_e3nn() {
    let golden = json("nonlinearities.json");
    let case = &golden["norm_activation"];
    let irreps = irreps(text(case, "irreps"));
    let mut layer = NormNonlinearityConfig::new(irreps.clone())
        .with_transform(NormTransform::Bias)
        .with_activation(Activation::Sigmoid)
        .init(&device());
    for (beta, block) in layer.beta.iter_mut().zip(&irreps) {
        let zeros = Tensor::zeros([block.mul], (&device(), steerable_tests::dtype(PRECISION)));
        *beta = Param::from_tensor(zeros);
    }
    let x = matrix(&numbers(&case["x"]), irreps.dim(), PRECISION, &device());
    let out = layer.forward(&Features::from_mul_ir(irreps, x)).to_mul_ir();
    let mut compared = Comparison::default();
    compared.expect(
        "norm activation: out",
        &to_vec(&out),
        &numbers(&case["out"]),
        TOLERANCE,
    );
    compared.finish("norm activations");
}

#[test]
fn golden_facts_hold() {
    let facts = json("facts.json");
    let mut compared = Comparison::default();
    let cross = Wigner3j::new(1, 1, 1).get(0, 1, 2);
    let expected = number(&facts, "w3j(1,1,1)[0,1,2]");
    compared.expect("w3j(1,1,1)[0,1,2]", &[cross], &[expected], TOLERANCE);
    let dot = Wigner3j::new(1, 1, 0).get(0, 0, 0);
    let expected = number(&facts, "w3j(1,1,0)[0,0,0]");
    compared.expect("w3j(1,1,0)[0,0,0]", &[dot], &[expected], TOLERANCE);
    let zero = matrix(&[0.0; 3], 3, PRECISION, &device());
    let normalization = steerable::harmonics::Normalization::Component;
    let harmonics = steerable::kernels::spherical_harmonics(zero, 1, normalization);
    let expected = numbers(&facts["sh_zero_vector"]["values_l0_l1"]);
    compared.expect(
        "harmonics of zero",
        &to_vec(&harmonics),
        &expected,
        TOLERANCE,
    );
    compared.finish("facts");
}
