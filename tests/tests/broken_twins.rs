//! The checks that the layers pass reject twins of them that are broken on purpose.

use std::cell::Cell;

use burn::tensor::{Tensor, TensorData};
use steerable::harmonics::plan::Weighting;
use steerable::nn::{
    Aggregation, Convolution, ConvolutionConfig, Edges, Features, SE3Transformer,
    SE3TransformerConfig,
};
use steerable::radial::{Envelope, RadialBasisConfig};
use steerable_testkit::{Precision, Property, Report};
use steerable_tests::cases::Claim;
use steerable_tests::parameters::drawn;
use steerable_tests::samples::{EdgeOptions, InputTypes, Inputs};
use steerable_tests::{PRECISIONS, device, irreps};

/// A twin is caught by the named property, and by a wide margin.
#[track_caller]
fn assert_caught(report: &Report, property: Property) {
    let worst = report
        .failures()
        .filter(|check| check.property == property)
        .map(|check| check.error)
        .fold(0.0, f64::max);
    assert!(!report.passed() && worst > 1e-3, "not caught:\n{report}");
}

fn types(irreps_in: &str, irreps_edge: &str) -> InputTypes {
    InputTypes {
        irreps_in: irreps(irreps_in),
        edge_scalars: 0,
        irreps_edge: irreps(irreps_edge),
    }
}

fn options() -> EdgeOptions {
    EdgeOptions {
        basis: RadialBasisConfig::distance().init(&device()),
        l_max: 3,
        envelope: Envelope::None,
    }
}

fn convolution(config: &ConvolutionConfig, precision: Precision) -> Convolution {
    drawn(config.init(&device()), precision, 9)
}

fn plain() -> ConvolutionConfig {
    ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("1x0 + 2x1"), 1)
}

#[test]
fn components_in_another_order_are_caught() {
    let claim = Claim::per_node("shuffled", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    for precision in PRECISIONS {
        let layer = convolution(&plain(), precision);
        let report = claim.run(precision, 1, |x| {
            let out = layer.forward(&x.features, &x.edges(&options()));
            let vectors = out.block(1);
            let rolled = Tensor::cat(
                vec![vectors.clone().narrow(1, 1, 2), vectors.narrow(1, 0, 1)],
                1,
            );
            Features::from_blocks(out.irreps().clone(), vec![out.block(0), rolled]).into_packed()
        });
        assert_caught(&report, Property::Rotation);
    }
}

#[test]
fn the_other_memory_layout_is_caught() {
    let claim = Claim::per_node("mul_ir", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    let layer = convolution(&plain(), Precision::F64);
    let report = claim.run(Precision::F64, 1, |x| {
        layer.forward(&x.features, &x.edges(&options())).to_mul_ir()
    });
    assert_caught(&report, Property::Rotation);
}

#[test]
fn absolute_coordinates_are_caught() {
    let claim = Claim::per_node("absolute", types("2x0 + 1x1", ""), irreps("1x1"));
    let config = ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("1x1"), 1);
    for precision in PRECISIONS {
        let layer = convolution(&config, precision);
        let report = claim.run(precision, 1, |x| {
            let out = layer
                .forward(&x.features, &x.edges(&options()))
                .into_packed();
            out + x.cloud.positions.clone() * 0.1
        });
        assert_caught(&report, Property::Translation);
        assert!(report.error(Property::Rotation).expect("checked") < 1e-4);
    }
}

/// The edges with harmonics whose degree 1 is in the standard order (y, z, x).
fn with_standard_harmonics(mut edges: Edges) -> Edges {
    let harmonics = edges.geometry.harmonics;
    let column = |c: usize| harmonics.clone().narrow(1, c, 1);
    let rest = harmonics.dims()[1] - 4;
    let reordered = vec![
        column(0),
        column(2),
        column(3),
        column(1),
        harmonics.clone().narrow(1, 4, rest),
    ];
    edges.geometry.harmonics = Tensor::cat(reordered, 1);
    edges
}

#[test]
fn harmonics_in_another_order_are_caught() {
    let claim = Claim::per_node("m order", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    for precision in PRECISIONS {
        let layer = convolution(&plain(), precision);
        let report = claim.run(precision, 1, |x| {
            let edges = with_standard_harmonics(x.edges(&options()));
            layer.forward(&x.features, &edges).into_packed()
        });
        assert_caught(&report, Property::Rotation);
    }
}

/// A cross product is an axial vector; called a polar one, it has the wrong sign under inversion.
#[test]
fn a_wrong_parity_is_caught() {
    let config = ConvolutionConfig::new(irreps("2x0e + 2x1o"), irreps("1x0e + 2x1e"), 1);
    let layer = convolution(&config, Precision::F64);
    let model = |x: &Inputs| {
        layer
            .forward(&x.features, &x.edges(&options()))
            .into_packed()
    };
    let honest = Claim::per_node("axial", types("2x0e + 2x1o", ""), irreps("1x0e + 2x1e"));
    honest.run(Precision::F64, 2, model).assert_ok();
    let broken = Claim::per_node("polar", types("2x0e + 2x1o", ""), irreps("1x0e + 2x1o"));
    let report = broken.run(Precision::F64, 2, model);
    assert_caught(&report, Property::Inversion);
    assert!(report.error(Property::Rotation).expect("checked") < 1e-12);
}

#[test]
fn edge_features_in_the_order_of_the_input_are_caught() {
    let claim = Claim::per_node("unsorted", types("2x0 + 1x1", "1x1"), irreps("1x0 + 2x1"));
    let config = plain().with_irreps_edge(irreps("1x1"));
    let layer = convolution(&config, Precision::F64);
    let report = claim.run(Precision::F64, 3, |x| {
        let mut edges = x.edges(&options());
        edges.features = edges
            .features
            .map(|own| Features::new(own.irreps().clone(), x.in_sample_order(own.packed())));
        layer.forward(&x.features, &edges).into_packed()
    });
    assert_caught(&report, Property::Permutation);
}

#[test]
fn statistics_over_the_whole_batch_are_caught() {
    let claim = Claim::per_node("batch mean", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    let layer = convolution(&plain(), Precision::F64);
    let report = claim.run(Precision::F64, 4, |x| {
        let out = layer
            .forward(&x.features, &x.edges(&options()))
            .into_packed();
        match out.dims()[0] {
            0 => out,
            _ => out.clone() - out.mean_dim(0),
        }
    });
    assert_caught(&report, Property::Batch);
}

#[test]
fn a_sum_whose_order_changes_is_caught() {
    let claim = Claim::per_node("jitter", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    let layer = convolution(&plain(), Precision::F64);
    let calls = Cell::new(0_u32);
    let report = claim.run(Precision::F64, 5, |x| {
        calls.set(calls.get() + 1);
        let jitter = 1.0 + f64::EPSILON * f64::from(calls.get() % 2) * 2.0;
        layer
            .forward(&x.features, &x.edges(&options()))
            .into_packed()
            * jitter
    });
    let failed = report
        .failures()
        .any(|c| c.property == Property::Determinism);
    assert!(failed, "not caught:\n{report}");
}

#[test]
fn a_bias_on_vectors_is_caught() {
    let claim = Claim::per_node("bias", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    let layer = convolution(&plain(), Precision::F64);
    let report = claim.run(Precision::F64, 6, |x| {
        layer
            .forward(&x.features, &x.edges(&options()))
            .into_packed()
            + 0.05
    });
    assert_caught(&report, Property::Rotation);
}

#[test]
fn a_non_linearity_on_components_is_caught() {
    let claim = Claim::per_node("tanh", types("2x0 + 1x1", ""), irreps("1x0 + 2x1"));
    let config = plain().with_aggregation(Aggregation::Mean);
    let layer = convolution(&config, Precision::F64);
    let report = claim.run(Precision::F64, 7, |x| {
        layer
            .forward(&x.features, &x.edges(&options()))
            .into_packed()
            .tanh()
    });
    assert_caught(&report, Property::Rotation);
}

#[test]
fn channel_wise_outputs_with_swapped_blocks_are_caught() {
    let config = ConvolutionConfig::new(irreps("1x0 + 1x1"), irreps("1x0 + 1x1"), 1)
        .with_weighting(Weighting::ChannelWise);
    let layer = convolution(&config, Precision::F64);
    let irreps_out = layer.irreps_out().clone();
    let width = irreps_out.dim();
    let claim = Claim::per_node("swapped", types("1x0 + 1x1", ""), irreps_out);
    let report = claim.run(Precision::F64, 8, |x| {
        let out = layer
            .forward(&x.features, &x.edges(&options()))
            .into_packed();
        let columns: Vec<i32> = (0..width as i32).rev().collect();
        let columns = Tensor::from_data(TensorData::new(columns, [width]), &device());
        out.select(1, columns)
    });
    assert_caught(&report, Property::Rotation);
}

/// One weight of a whole model that breaks its symmetry is enough.
#[test]
fn a_transformer_with_one_leaking_component_is_caught() {
    let config = SE3TransformerConfig::new(
        irreps("2x0e + 1x1o"),
        irreps("4x0e + 4x1o"),
        irreps("1x0e + 1x1o"),
    )
    .with_num_layers(1);
    for precision in PRECISIONS {
        let model: SE3Transformer = drawn(config.init(&device()), precision, 2);
        let claim = Claim::per_node("leaking", types("2x0e + 1x1o", ""), irreps("1x0e + 1x1o"))
            .with_l_max(2);
        let report = claim.run(precision, 2, |x| {
            let out = model.forward(&x.features, &x.cloud).features.into_packed();
            let leak = out.clone().narrow(1, 1, 1) * 0.02;
            Tensor::cat(
                vec![out.clone().narrow(1, 0, 1) + leak, out.narrow(1, 1, 3)],
                1,
            )
        });
        assert_caught(&report, Property::Rotation);
    }
}
