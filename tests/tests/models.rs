//! Whole models do what their irreps claim: every preset and option of the SE(3)-Transformer, and the
//! tensor field network.

use burn::tensor::Tensor;
use steerable::harmonics::Normalization;
use steerable::harmonics::plan::{PathNormalization, RadialSharing};
use steerable::irreps::Irreps;
use steerable::nn::nvidia::FuseLevel;
use steerable::nn::{
    Aggregation, BlockNorm, KeyValue, LogitScale, Nonlinearity, Refinement, RelativePosition,
    SE3TransformerConfig, SelfInteraction, SharingRule, Skip, TensorFieldNetworkConfig,
};
use steerable::radial::{Cutoff, Envelope, RadialBasisConfig, RadialBasisKind, Range};
use steerable_testkit::{Degenerate, OutputKind, Precision, Property};
use steerable_tests::cases::Claim;
use steerable_tests::flat::to_vec;
use steerable_tests::parameters::drawn;
use steerable_tests::samples::{InputTypes, inputs};
use steerable_tests::{PRECISIONS, device, irreps};

const SEEDS: [u64; 2] = [1, 77];

/// A smallest norm above the rounding of features of size 1 in either precision.
///
/// Where symmetry makes a feature vanish, such as the cross product of a relative position with
/// itself, rounding leaves a vector of random direction; the norm non-linearity divides by its length
/// (by `smallest_norm` if that is larger) and may return it at full size.
const ABOVE_ROUNDING: f64 = 1e-2;

fn types_of(config: &SE3TransformerConfig) -> InputTypes {
    InputTypes {
        irreps_in: config.irreps_in.clone(),
        edge_scalars: config.num_edge_scalars,
        irreps_edge: config.irreps_edge.clone(),
    }
}

/// Features reach the highest degree of any irreps; harmonics twice that.
fn highest(irreps: [&Irreps; 3]) -> usize {
    let degrees = irreps.into_iter().filter_map(Irreps::lmax);
    2 * degrees.max().unwrap_or(0)
}

fn check(name: &str, config: &SE3TransformerConfig) {
    let l_max = highest([&config.irreps_in, &config.irreps_hidden, &config.irreps_out]);
    let claim =
        Claim::per_node(name, types_of(config), config.irreps_out.clone()).with_l_max(l_max);
    for precision in PRECISIONS {
        for seed in SEEDS {
            let model = drawn(config.init(&device()), precision, seed);
            claim
                .run(precision, seed, |x| {
                    model.forward(&x.features, &x.cloud).features.into_packed()
                })
                .assert_ok();
        }
    }
}

/// The positions that a refining model returns are points in space.
fn check_positions(name: &str, config: &SE3TransformerConfig, vector: &str) {
    let l_max = highest([&config.irreps_in, &config.irreps_hidden, &config.irreps_out]);
    let claim = Claim::per_node(
        format!("{name}: positions"),
        types_of(config),
        irreps(vector),
    )
    .with_output(OutputKind::Positions)
    .with_l_max(l_max);
    for precision in PRECISIONS {
        for seed in SEEDS {
            let model = drawn(config.init(&device()), precision, seed);
            claim
                .run(precision, seed, |x| {
                    model.forward(&x.features, &x.cloud).positions
                })
                .assert_ok();
        }
    }
}

fn so3() -> SE3TransformerConfig {
    SE3TransformerConfig::new(
        irreps("3x0 + 2x1"),
        irreps("4x0 + 8x1 + 4x2"),
        irreps("2x0 + 1x1 + 1x3"),
    )
    .with_num_layers(2)
    .with_num_heads(2)
}

fn o3() -> SE3TransformerConfig {
    SE3TransformerConfig::new(
        irreps("3x0e + 1x0o + 2x1o"),
        irreps("4x0e + 4x0o + 8x1o + 4x1e"),
        irreps("2x0e + 1x0o + 1x1o + 2x1e"),
    )
    .with_num_layers(2)
    .with_num_heads(2)
}

#[test]
fn the_default_transformer_is_equivariant() {
    check("default, SO(3)", &so3());
    check("default, O(3)", &o3());
}

#[test]
fn every_option_of_the_transformer_is_equivariant() {
    let range = Range {
        start: 0.0,
        end: 5.0,
    };
    let cutoff = Cutoff::new(5.0).expect("positive");
    let options = [
        ("no blocks", o3().with_num_layers(0)),
        ("separate", o3().with_key_value(KeyValue::Separate)),
        ("skip sum", o3().with_skip(Skip::Sum)),
        ("skip none", so3().with_skip(Skip::None)),
        ("per head", o3().with_logit_scale(LogitScale::PerHead)),
        ("no norm", o3().with_norm(BlockNorm::None)),
        ("norm bias", so3().with_norm(BlockNorm::Bias)),
        ("norm harmonics", o3().with_harmonics(Normalization::Norm)),
        (
            "plain paths",
            o3().with_path_normalization(PathNormalization::None),
        ),
        (
            "per pair",
            o3().with_sharing(SharingRule::Fixed(RadialSharing::PerPair)),
        ),
        (
            "Bessel with envelope",
            o3().with_radial_basis(RadialBasisConfig::new(RadialBasisKind::Bessel, 6, range))
                .with_envelope(Envelope::polynomial(cutoff)),
        ),
        (
            "sum out of the last layer",
            o3().with_output_aggregation(Aggregation::Sum)
                .with_output_self_interaction(SelfInteraction::None),
        ),
    ];
    for (name, config) in options {
        check(name, &config);
    }
}

#[test]
fn the_transformer_with_edge_features_is_equivariant() {
    let config = o3()
        .with_num_edge_scalars(2)
        .with_irreps_edge(irreps("1x1o + 1x0o"));
    check("edge scalars and vectors", &config);
    let joined = config
        .with_relative_position(RelativePosition::Joined)
        .with_smallest_norm(ABOVE_ROUNDING);
    check("and the relative position", &joined);
    let config = so3().with_relative_position(RelativePosition::Joined);
    check("relative position alone", &config);
}

/// The weak point of norm non-linearities, kept in sight: at the published 1e-12, features that are
/// rounding noise come out at full size, and the output does not follow a rotation.
#[test]
fn a_tiny_smallest_norm_amplifies_the_rounding_of_features_that_vanish_by_symmetry() {
    let config = |smallest_norm| {
        o3().with_relative_position(RelativePosition::Joined)
            .with_smallest_norm(smallest_norm)
    };
    let error = |smallest_norm: f64| {
        let config = config(smallest_norm);
        let claim = Claim::per_node("noise", types_of(&config), config.irreps_out.clone());
        let model = drawn(config.init(&device()), Precision::F32, 1);
        let report = claim
            .test(Precision::F32, 1)
            .properties([Property::Rotation])
            .degenerate([Degenerate::ZeroFeatures])
            .run(|sample| {
                claim.evaluate(sample, Precision::F32, |x| {
                    model.forward(&x.features, &x.cloud).features.into_packed()
                })
            });
        report.error(Property::Rotation).expect("checked")
    };
    assert!(error(1e-12) > 0.1, "{}", error(1e-12));
    assert!(error(ABOVE_ROUNDING) < 1e-3, "{}", error(ABOVE_ROUNDING));
}

#[test]
fn the_transformer_of_fuchs_is_equivariant() {
    let config = SE3TransformerConfig::fuchs(
        irreps("2x0 + 1x1"),
        irreps("4x0 + 4x1 + 4x2"),
        irreps("1x0 + 2x1"),
    )
    .with_num_layers(2)
    .with_relative_position(RelativePosition::Joined)
    .with_num_edge_scalars(1);
    check("fuchs", &config);
}

#[test]
fn the_transformer_of_nvidia_is_equivariant_at_every_fuse_level() {
    for level in [FuseLevel::None, FuseLevel::Partial, FuseLevel::Full] {
        let config = SE3TransformerConfig::nvidia(
            irreps("5x0"),
            irreps("4x0 + 4x1 + 4x2"),
            irreps("4x0 + 4x1"),
            level,
        )
        .with_num_layers(2)
        .with_num_heads(2)
        .with_num_edge_scalars(3);
        check(&format!("nvidia, {level:?}"), &config);
    }
}

#[test]
fn the_refining_transformer_is_equivariant_in_features_and_positions() {
    for (name, config, vector) in [
        ("refining, SO(3)", so3(), "1x1"),
        ("refining, O(3)", o3(), "1x1o"),
        (
            "refining, relative position joined",
            o3().with_relative_position(RelativePosition::Joined)
                .with_smallest_norm(ABOVE_ROUNDING),
            "1x1o",
        ),
    ] {
        let config = config.with_refinement(Refinement::EveryBlock);
        check(name, &config);
        check_positions(name, &config, vector);
    }
}

#[test]
fn only_a_refining_transformer_moves_its_points() {
    let claim = Claim::per_node("points", types_of(&o3()), irreps("1x1o"));
    let sample = claim
        .test(Precision::F64, 5)
        .sample(steerable_testkit::SampleKind::Generic(0));
    let x = inputs(&sample, &claim.types, Precision::F64, &device());
    for (refinement, moves) in [(Refinement::None, false), (Refinement::EveryBlock, true)] {
        let config = o3().with_refinement(refinement);
        let model = drawn(config.init(&device()), Precision::F64, 5);
        let positions = to_vec(&model.forward(&x.features, &x.cloud).positions);
        assert_eq!(
            positions != sample.positions.as_flattened(),
            moves,
            "{refinement:?}"
        );
    }
}

#[test]
fn the_trace_ends_with_the_output() {
    let config = o3();
    let claim = Claim::per_node("trace", types_of(&config), config.irreps_out.clone());
    let sample = claim
        .test(Precision::F64, 5)
        .sample(steerable_testkit::SampleKind::Generic(1));
    let x = inputs(&sample, &claim.types, Precision::F64, &device());
    let model = drawn(config.init(&device()), Precision::F64, 5);
    let stages = model.trace(&x.features, &x.cloud);
    assert_eq!(stages.len(), 2 * 2 + 1, "two blocks, two norms, the output");
    let last: Tensor<2> = stages[4].packed();
    let output = model.forward(&x.features, &x.cloud).features.into_packed();
    assert_eq!(to_vec(&last), to_vec(&output));
}

#[test]
fn tensor_field_networks_are_equivariant() {
    let cutoff = Cutoff::new(6.0).expect("positive");
    for (from, hidden, to) in [
        ("3x0 + 2x2", "4x0 + 3x1 + 2x2", "2x0 + 1x1 + 1x3"),
        (
            "3x0e + 1x0o + 2x1o",
            "4x0e + 2x0o + 3x1o + 2x1e",
            "2x0e + 1x0o + 1x1o + 1x1e + 1x2o",
        ),
    ] {
        for (aggregation, num_layers, edge_scalars, envelope, nonlinearity) in [
            (Aggregation::Mean, 2, 0, Envelope::None, Nonlinearity::Gate),
            (
                Aggregation::Mean,
                2,
                0,
                Envelope::None,
                Nonlinearity::NormBias,
            ),
            (
                Aggregation::Sum,
                1,
                2,
                Envelope::Cosine { cutoff },
                Nonlinearity::NormLayerNorm,
            ),
            (Aggregation::Mean, 0, 0, Envelope::None, Nonlinearity::Gate),
        ] {
            let config = TensorFieldNetworkConfig::new(irreps(from), irreps(hidden), irreps(to))
                .with_num_layers(num_layers)
                .with_num_edge_scalars(edge_scalars)
                .with_envelope(envelope)
                .with_aggregation(aggregation)
                .with_nonlinearity(nonlinearity);
            let types = InputTypes {
                irreps_in: irreps(from),
                edge_scalars,
                ..InputTypes::default()
            };
            let l_max = highest([&config.irreps_in, &config.irreps_hidden, &config.irreps_out]);
            let name = format!(
                "tensor field network {from}, {aggregation:?}, {nonlinearity:?}, {num_layers}"
            );
            let claim = Claim::per_node(name, types, irreps(to)).with_l_max(l_max);
            for precision in PRECISIONS {
                for seed in SEEDS {
                    let model = drawn(config.init(&device()), precision, seed);
                    claim
                        .run(precision, seed, |x| {
                            model.forward(&x.features, &x.cloud).into_packed()
                        })
                        .assert_ok();
                }
            }
        }
    }
}
