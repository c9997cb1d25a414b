//! Against e3nn: the folder named by `STEERABLE_GOLDEN`, else the crate's own copies.

mod support;

use std::path::PathBuf;

use burn::tensor::{DType, Tensor};
use serde_json::Value;
use steerable_radial::{
    Activation, Ends, RadialBasisConfig, RadialBasisKind, Range, soft_unit_step,
};
use support::{DTYPES, column, device, differentiate, oracle, relative_error, to_vec, tolerance};

fn read(file: &str) -> (PathBuf, Value) {
    let folder = std::env::var_os("STEERABLE_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    );
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (folder, value)
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list of numbers");
    list.iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// `null` is e3nn's NaN.
fn numbers_or_null(value: &Value) -> Vec<Option<f64>> {
    let list = value.as_array().expect("a list of numbers");
    list.iter().map(Value::as_f64).collect()
}

fn kind_and_ends(key: &str) -> (RadialBasisKind, Ends) {
    let (kind, ends) = key.split_once(',').expect("a basis and a cutoff");
    let kind = match kind {
        "gaussian" => RadialBasisKind::Gaussian,
        "cosine" => RadialBasisKind::Cosine,
        "smooth_finite" => RadialBasisKind::SmoothFinite,
        "fourier" => RadialBasisKind::Fourier,
        "bessel" => RadialBasisKind::Bessel,
        other => panic!("unknown basis {other}"),
    };
    let ends = match ends {
        "cutoff=True" => Ends::Vanishing,
        "cutoff=False" => Ends::Free,
        other => panic!("unknown setting {other}"),
    };
    (kind, ends)
}

#[test]
fn golden_radial_bases_equal_e3nn_in_value_and_gradient() {
    let (folder, golden) = read("radial.json");
    let x = numbers(&golden["x"]);
    let count = golden["number"].as_u64().expect("a count") as usize;
    let range = Range {
        start: golden["start"].as_f64().expect("a number"),
        end: golden["end"].as_f64().expect("a number"),
    };
    let all_values = golden["values"].as_object().expect("the bases by name");
    let (mut values_compared, mut gradients_compared, mut left_out) = (0, 0, 0);
    for (key, values) in all_values {
        let (kind, ends) = kind_and_ends(key);
        let config = RadialBasisConfig::new(kind, count, range).with_ends(ends);
        let basis = config.init(&device());
        let values: Vec<Option<f64>> = values
            .as_array()
            .expect("one row for each x")
            .iter()
            .flat_map(numbers_or_null)
            .collect();
        let gradients = numbers_or_null(&golden["gradient_of_sum"][key]);
        // Where e3nn's own rounding decides: which slope it takes on a kink, which value at the
        // start of vanishing Bessel functions (0 or nearly their limit), and every digit of the
        // slope of sin(k u) / u at small u.
        let kinks = oracle::kinks(&config);
        let bessel = kind == RadialBasisKind::Bessel;
        let from_start = |r: f64| (r - range.start).abs();
        let undecided_value = |r: f64| bessel && ends == Ends::Vanishing && from_start(r) < 1e-6;
        let undecided_slope = |r: f64| {
            kinks.iter().any(|kink| (kink - r).abs() < 1e-6) || bessel && from_start(r) < 0.01
        };
        for dtype in DTYPES {
            let ours = differentiate(|r| basis.forward(r), &x, dtype, |_| 1.0);
            let tolerance = tolerance(dtype, oracle::largest_phase(&config));

            let (got, expected): (Vec<f64>, Vec<f64>) = ours
                .values
                .iter()
                .zip(&values)
                .enumerate()
                .filter(|(entry, _)| !undecided_value(x[entry / count]))
                .filter_map(|(_, (got, expected))| Some((*got, (*expected)?)))
                .unzip();
            let error = relative_error(&got, &expected);
            assert!(
                error < tolerance,
                "{key} {dtype:?}: values off by {error:e}"
            );
            values_compared += got.len();

            let (got, expected): (Vec<f64>, Vec<f64>) = x
                .iter()
                .zip(ours.gradient.iter().zip(&gradients))
                .filter(|(r, _)| !undecided_slope(**r))
                .filter_map(|(_, (got, expected))| Some((*got, (*expected)?)))
                .unzip();
            let error = relative_error(&got, &expected);
            assert!(
                error < tolerance,
                "{key} {dtype:?}: gradients off by {error:e}"
            );
            gradients_compared += got.len();
            left_out += x.iter().filter(|r| undecided_slope(**r)).count();
        }
    }
    assert!(values_compared > 0 && gradients_compared > 0);
    println!(
        "{}: compared {values_compared} values and {gradients_compared} gradients in f32 and f64 \
         ({left_out} gradients left out, where e3nn is on a kink or has lost its digits)",
        folder.display()
    );
}

#[test]
fn golden_soft_unit_step_equals_e3nn() {
    let (folder, golden) = read("radial.json");
    let x = numbers(&golden["x"]);
    let expected = numbers(&golden["soft_unit_step"]);
    for dtype in DTYPES {
        let got = to_vec(&soft_unit_step(column(&x, dtype, &device())));
        let error = relative_error(&got, &expected);
        assert!(error < tolerance(dtype, 1.0), "{dtype:?}: off by {error:e}");
    }
    println!(
        "{}: compared {} values in f32 and f64",
        folder.display(),
        x.len()
    );
}

#[test]
fn golden_second_moment_scales_equal_the_integrals_and_e3nn_is_near() {
    let (folder, golden) = read("nonlinearities.json");
    let all = golden["normalize2mom"]
        .as_object()
        .expect("activations by name");
    for (name, constants) in all {
        let activation: Activation = match name.as_str() {
            "relu" => Activation::Relu,
            "silu" => Activation::Silu,
            "gelu" => Activation::Gelu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "softplus" => Activation::Softplus,
            "abs" => Activation::Abs,
            other => panic!("unknown activation {other}"),
        };
        let exact = constants["exact_cst"].as_f64().expect("a number");
        let e3nn = constants["e3nn_cst"].as_f64().expect("a number");
        let ours = activation.second_moment_scale();
        // The file's own integrals are good to 4e-12: it has 1.00000000000413 for abs.
        assert!(
            (ours / exact - 1.0).abs() < 1e-11,
            "{name}: {ours} for {exact}"
        );
        // e3nn's are estimates from 1e6 samples.
        assert!(
            (ours / e3nn - 1.0).abs() < 2e-3,
            "{name}: {ours} for {e3nn}"
        );
    }
    assert!(!all.is_empty());
    println!("{}: compared {} constants", folder.display(), all.len());
}

#[test]
fn a_wrong_constant_would_be_seen_by_the_golden_tolerance() {
    let x = support::scattered(0.0, 3.0, 20);
    let range = Range {
        start: 0.0,
        end: 3.0,
    };
    let config = RadialBasisConfig::new(RadialBasisKind::Gaussian, 6, range);
    let basis = config.init(&device());
    let broken = |r: Tensor<2>| basis.forward(r).mul_scalar(1.0 + 1e-4);
    let right = differentiate(|r| basis.forward(r), &x, DType::F32, |_| 1.0);
    let wrong = differentiate(broken, &x, DType::F32, |_| 1.0);
    let tolerance = tolerance(DType::F32, oracle::largest_phase(&config));
    assert!(relative_error(&wrong.values, &right.values) > tolerance);
    assert!(relative_error(&wrong.gradient, &right.gradient) > tolerance);
}
