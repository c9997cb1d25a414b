//! Equivariant layers written by hand pass, in f64 and in f32, for many seeds.

use crate::layers::*;
use steerable_testkit::{
    EquivarianceTest, Group, InputPart, Irreps, IrrepsBounds, IrrepsSweep, Layout, Model,
    OutputKind, Precision, Property, Report, Sample, Signature,
};

/// Seeds per layer and precision: rounding errors have a tail, and false alarms hide in it.
const SEEDS: u64 = 20;

/// Runs both precisions over all seeds and prints how much of the tolerance is used up.
macro_rules! passes {
    ($test:expr, $name:literal, $layer:expr) => {
        let mut used = [0.0, 0.0];
        for seed in 0..SEEDS {
            let test = $test.name($name).seed(seed);
            used[0] = largest_share(&test.clone().run(in_precision::<f64>($layer)), used[0]);
            let test = test.precision(Precision::F32);
            used[1] = largest_share(&test.run(in_precision::<f32>($layer)), used[1]);
        }
        let [f64_share, f32_share] = used;
        println!(
            "{:<20} error / tolerance: f64 {f64_share:.3}, f32 {f32_share:.3}",
            $name
        );
    };
}

fn largest_share(report: &Report, so_far: f64) -> f64 {
    report.assert_ok();
    let checks = report.checks.iter().filter(|check| check.tolerance > 0.0);
    checks
        .map(|check| check.error / check.tolerance)
        .fold(so_far, f64::max)
}

#[test]
fn a_linear_layer_passes() {
    let types = ["4x0e + 3x1o + 1x2e", "2x1o + 5x0e + 3x2e"];
    let [irreps_in, irreps_out] = types.map(irreps);
    passes!(test(types[0], types[1]), "linear", |input| linear(
        &irreps_in,
        &irreps_out,
        input
    ));
}

#[test]
fn a_norm_nonlinearity_passes() {
    let text = "5x0e + 2x1o + 3x1e + 1x3o";
    let types = irreps(text);
    passes!(test(text, text), "norm", |input| norm_nonlinearity(
        &types, input, rescale
    ));
}

#[test]
fn a_tensor_field_layer_passes() {
    passes!(
        test("1x0e", "1x0e + 1x1o + 1x2e"),
        "tensor field",
        tensor_field
    );
}

#[test]
fn cross_products_pass_as_pseudovector_and_pseudoscalar() {
    passes!(
        test("1x1o", "1x1e + 1x0o"),
        "cross products",
        cross_products
    );
}

#[test]
fn cross_products_pass_as_vectors_where_no_parity_is_claimed() {
    let report = test("1x1", "1x1 + 1x0").run(in_precision::<f64>(cross_products));
    report.assert_ok();
    assert_eq!(report.error(Property::Inversion), None);
}

#[test]
fn moved_positions_pass() {
    let test = test("", "1x1o").output(OutputKind::Positions);
    passes!(test.clone(), "positions", move_positions);
}

#[test]
fn a_pooled_invariant_passes() {
    let test = test("", "1x0e").output(OutputKind::PerGraph);
    passes!(test.clone(), "pooled", gyration);
}

#[test]
fn edge_outputs_from_edge_features_pass() {
    let test = test("", "1x0e + 1x1o")
        .output(OutputKind::PerEdge)
        .irreps_edge(irreps("1x1o"));
    passes!(test.clone(), "edges", edge_messages);
}

#[test]
fn two_points_of_each_node_pass_in_both_layouts() {
    let signature = Signature {
        irreps_in: irreps(""),
        irreps_out: irreps("2x1o"),
    };
    for layout in [Layout::MulIr, Layout::IrMul] {
        let test = EquivarianceTest::new(signature.clone())
            .output(OutputKind::Positions)
            .layout(layout);
        let report = test.run(|sample| {
            let moved = in_precision::<f64>(move_positions)(sample);
            let rows = sample.positions.iter().zip(moved.chunks_exact(3));
            let both: Vec<f64> = rows.flat_map(|(x, y)| [x, y].concat()).collect();
            signature
                .irreps_out
                .convert_layout(Layout::MulIr, layout, &both)
        });
        report.assert_ok();
    }
}

#[test]
fn a_layer_passes_in_the_other_layout_through_a_conversion() {
    let types = irreps("3x1o + 2x2e + 4x0e");
    let signature = Signature {
        irreps_in: types.clone(),
        irreps_out: types.clone(),
    };
    let report = EquivarianceTest::new(signature)
        .layout(Layout::IrMul)
        .run(|sample| {
            let mut converted = sample.clone();
            converted.features =
                types.convert_layout(Layout::IrMul, Layout::MulIr, &sample.features);
            let output =
                in_precision::<f64>(|input| norm_nonlinearity(&types, input, rescale))(&converted);
            types.convert_layout(Layout::MulIr, Layout::IrMul, &output)
        });
    report.assert_ok();
}

#[test]
fn a_linear_layer_passes_for_random_irreps_of_both_groups() {
    for group in [Group::So3, Group::O3] {
        let bounds = IrrepsBounds {
            group,
            l_max: 4,
            max_mul: 6,
        };
        let sweep = IrrepsSweep {
            bounds,
            cases: 10,
            seed: 3,
        };
        let sweep = sweep.run(|signature, seed| {
            let Signature {
                irreps_in,
                irreps_out,
            } = signature.clone();
            let missing = irreps_out
                .iter()
                .filter(|block| irreps_in.mul_of(block.irrep) == 0);
            let test = EquivarianceTest::new(signature)
                .name("linear")
                .seed(seed)
                .trials(3);
            let test = missing.fold(test, |test, block| test.allow_zero(block.irrep));
            test.run(in_precision::<f64>(|input| {
                linear(&irreps_in, &irreps_out, input)
            }))
        });
        sweep.assert_ok();
        assert_eq!(sweep.reports.len(), 10);
    }
}

#[test]
fn a_type_can_state_its_own_irreps() {
    struct Direction;
    impl Model for Direction {
        fn signature(&self) -> Signature {
            Signature {
                irreps_in: irreps("1x0"),
                irreps_out: irreps("1x0 + 1x1 + 1x2"),
            }
        }
        fn evaluate(&self, sample: &Sample) -> Vec<f64> {
            in_precision::<f64>(tensor_field)(sample)
        }
    }
    EquivarianceTest::of(&Direction)
        .run(|sample| Direction.evaluate(sample))
        .assert_ok();
}

#[test]
fn a_model_that_ignores_positions_passes_with_a_note() {
    let double = |sample: &Sample| sample.features.iter().map(|x| 2.0 * x).collect();
    let report = test("2x0e", "2x0e").run(double);
    report.assert_ok();
    assert_eq!(report.ignored, [InputPart::Positions]);
    assert!(
        report
            .to_string()
            .contains("no output depends on positions")
    );
}

#[test]
fn a_steep_model_passes_by_its_measured_amplification_alone() {
    // |v|^40: a relative error of the input grows fortyfold.
    let power = in_precision::<f32>(|input: &Input<f32>| {
        let squares = input
            .features
            .chunks_exact(3)
            .map(|v| v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        squares
            .map(|square| (0..20).fold(1.0, |product, _| product * square))
            .collect()
    });
    // Room for the roundings of one square only; the amplification must explain the rest.
    let base = 4.0 * f64::from(f32::EPSILON);
    let mut largest = 0.0_f64;
    for seed in 0..SEEDS {
        let test = test("1x1o", "1x0e")
            .precision(Precision::F32)
            .seed(seed)
            .tolerance(base);
        let report = test.run(&power);
        report.assert_ok();
        largest = largest.max(report.error(Property::Rotation).expect("checked"));
    }
    assert!(largest > 2.0 * base, "{largest:e} needs no amplification");
}

#[test]
fn empty_irreps_in_and_zero_multiplicities_are_fine() {
    let types = irreps("0x0e + 1x1o");
    let signature = Signature {
        irreps_in: Irreps::default(),
        irreps_out: types,
    };
    let test = EquivarianceTest::new(signature).output(OutputKind::Positions);
    // 0x0e is not a point, even zero times.
    assert!(test.try_run(in_precision::<f64>(move_positions)).is_err());
    let signature = Signature {
        irreps_in: irreps("0x2e"),
        irreps_out: irreps("1x1o + 0x1o"),
    };
    let test = EquivarianceTest::new(signature).output(OutputKind::Positions);
    test.run(in_precision::<f64>(move_positions)).assert_ok();
}
