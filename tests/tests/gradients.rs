//! Gradients to positions, features and parameters equal finite differences, in f64, and stay finite
//! where the geometry degenerates.

use burn::module::Module;
use burn::tensor::Tensor;
use steerable::harmonics::plan::Weighting;
use steerable::nn::{
    Aggregation, AttentionBlockConfig, BlockNorm, ConvolutionConfig, KeyValue, RadialOptions,
    Refinement, RelativePosition, SE3TransformerConfig, SelfInteraction,
};
use steerable::radial::{Activation, Cutoff, Envelope, RadialBasisConfig, RadialBasisKind, Range};
use steerable_testkit::{
    Degenerate, GradientCheck, GradientClaim, Precision, Sample, SampleKind, Stencil,
};
use steerable_tests::cases::Claim;
use steerable_tests::flat::{contracted, to_vec};
use steerable_tests::parameters::{drawn, gradients, read, written};
use steerable_tests::samples::{EdgeOptions, InputTypes, Inputs, inputs};
use steerable_tests::{PRECISIONS, device, irreps};

const SEED: u64 = 12;

/// At most this many parameters are moved one by one, spread over all of them.
const PARAMETERS: usize = 60;

/// What a gradient is with respect to.
struct Gradients {
    positions: Vec<f64>,
    features: Vec<f64>,
    parameters: Vec<f64>,
}

/// The contracted output's gradients by backpropagation.
fn backpropagated<M: Module>(
    module: &M,
    model: &impl Fn(&M, &Inputs) -> Tensor<2>,
    sample: &Sample,
    types: &InputTypes,
    precision: Precision,
) -> Gradients {
    let mut x = inputs(sample, types, precision, &device().autodiff());
    let positions = x.cloud.positions.clone().require_grad();
    let features = x.features.packed().require_grad();
    x.cloud.positions = positions.clone();
    x.features = steerable::nn::Features::new(types.irreps_in.clone(), features.clone());
    let found = contracted(model(module, &x)).backward();
    let of = |leaf: &Tensor<2>| match leaf.grad(&found) {
        Some(gradient) => to_vec(&gradient),
        None => vec![0.0; to_vec(leaf).len()],
    };
    Gradients {
        positions: of(&positions),
        features: of(&features),
        parameters: gradients(module, &found),
    }
}

/// Every kind of gradient equals finite differences, on a random sample in f64.
///
/// The step of the second-order stencil is so small that rectifiers hardly ever change side.
#[track_caller]
fn assert_exact<M: Module>(
    name: &str,
    types: &InputTypes,
    module: M,
    model: impl Fn(&M, &Inputs) -> Tensor<2>,
) {
    let precision = Precision::F64;
    let claim = Claim::per_node(name, types.clone(), irreps("1x0"));
    let claim = Claim {
        irreps_out: if types.irreps_in.group() == irreps("1x0e").group() {
            irreps("1x0e")
        } else {
            claim.irreps_out
        },
        ..claim
    };
    let sample = claim
        .test(precision, SEED)
        .nodes(3..=4)
        .sample(SampleKind::Generic(0));
    let module = drawn(module, precision, SEED);
    let claimed = backpropagated(&module, &model, &sample, types, precision);
    let value = |module: &M, sample: &Sample| {
        let x = inputs(sample, types, precision, &device().autodiff());
        to_vec(&contracted(model(module, &x)).detach())[0]
    };
    let check = GradientCheck::with_stencil(Stencil::Second);

    let report = check.run(
        GradientClaim {
            at: sample.positions.as_flattened(),
            gradient: &claimed.positions,
        },
        |moved| {
            let positions = moved.as_chunks::<3>().0.to_vec();
            value(
                &module,
                &Sample {
                    positions,
                    ..sample.clone()
                },
            )
        },
    );
    println!("{name}: positions, error {:.1e}", report.error);
    assert!(report.passed(), "{name}: positions (seed {SEED})\n{report}");

    let report = check.run(
        GradientClaim {
            at: &sample.features,
            gradient: &claimed.features,
        },
        |moved| {
            let features = moved.to_vec();
            value(
                &module,
                &Sample {
                    features,
                    ..sample.clone()
                },
            )
        },
    );
    println!("{name}: features, error {:.1e}", report.error);
    assert!(report.passed(), "{name}: features (seed {SEED})\n{report}");

    let all = read(&module);
    assert_eq!(all.len(), claimed.parameters.len());
    let stride = all.len().div_ceil(PARAMETERS).max(1);
    let chosen: Vec<usize> = (0..all.len()).step_by(stride).collect();
    let pick = |values: &[f64]| chosen.iter().map(|&i| values[i]).collect::<Vec<f64>>();
    // Errors are relative to the largest gradient of all parameters, not of the chosen ones.
    let largest = claimed
        .parameters
        .iter()
        .fold(0.0_f64, |max, g| g.abs().max(max));
    let report = check.floor(largest).run(
        GradientClaim {
            at: &pick(&all),
            gradient: &pick(&claimed.parameters),
        },
        |moved| {
            let mut values = all.clone();
            for (&index, &value) in chosen.iter().zip(moved) {
                values[index] = value;
            }
            value(&written(module.clone(), &values), &sample)
        },
    );
    println!(
        "{name}: {} of {} parameters, error {:.1e}",
        chosen.len(),
        all.len(),
        report.error
    );
    assert!(
        report.passed(),
        "{name}: parameters (seed {SEED})\n{report}"
    );
}

fn types(irreps_in: &str) -> InputTypes {
    InputTypes {
        irreps_in: irreps(irreps_in),
        ..InputTypes::default()
    }
}

fn options(basis: &RadialBasisConfig, envelope: Envelope) -> EdgeOptions {
    EdgeOptions {
        basis: basis.init(&device()),
        l_max: 3,
        envelope,
    }
}

fn distance() -> EdgeOptions {
    options(&RadialBasisConfig::distance(), Envelope::None)
}

#[test]
fn gradients_of_convolutions_are_exact() {
    let device = device().autodiff();
    for (from, to) in [
        ("2x0 + 1x1 + 1x2", "1x0 + 3x1"),
        ("2x0e + 1x1o + 1x0o", "1x0e + 2x1e + 1x1o"),
    ] {
        for (weighting, aggregation, own) in [
            (Weighting::Full, Aggregation::Mean, SelfInteraction::PerNode),
            (Weighting::Full, Aggregation::Sum, SelfInteraction::PerEdge),
            (
                Weighting::ChannelWise,
                Aggregation::PerEdge,
                SelfInteraction::None,
            ),
        ] {
            let config = ConvolutionConfig::new(irreps(from), irreps(to), 1)
                .with_weighting(weighting)
                .with_aggregation(aggregation)
                .with_self_interaction(own);
            let name = format!("convolution {from}, {weighting:?}, {aggregation:?}, {own:?}");
            assert_exact(&name, &types(from), config.init(&device), |layer, x| {
                layer
                    .forward(&x.features, &x.edges(&distance()))
                    .into_packed()
            });
        }
    }
}

#[test]
fn gradients_through_bases_and_envelopes_are_exact() {
    let device = device().autodiff();
    let range = Range {
        start: 0.0,
        end: 5.0,
    };
    let cutoff = Cutoff::new(5.0).expect("positive");
    for (kind, envelope) in [
        (RadialBasisKind::Bessel, Envelope::polynomial(cutoff)),
        (RadialBasisKind::Gaussian, Envelope::Cosine { cutoff }),
        (RadialBasisKind::BSpline, Envelope::Smooth { cutoff }),
    ] {
        let edges = options(&RadialBasisConfig::new(kind, 5, range), envelope);
        let config = ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("1x0 + 2x1"), 5);
        let name = format!("convolution with {kind:?}");
        assert_exact(
            &name,
            &types("2x0 + 1x1"),
            config.init(&device),
            |layer, x| layer.forward(&x.features, &x.edges(&edges)).into_packed(),
        );
    }
}

#[test]
fn gradients_of_convolutions_with_edge_features_are_exact() {
    let types = InputTypes {
        edge_scalars: 2,
        irreps_edge: irreps("1x1"),
        ..types("2x0 + 1x1")
    };
    let config = ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("1x0 + 2x1"), 3)
        .with_irreps_edge(irreps("1x1"));
    let layer = config.init(&device().autodiff());
    assert_exact(
        "convolution with edge features",
        &types,
        layer,
        |layer, x| {
            layer
                .forward(&x.features, &x.edges(&distance()))
                .into_packed()
        },
    );
}

#[test]
fn gradients_of_attention_blocks_are_exact() {
    for key_value in [KeyValue::Joint, KeyValue::Separate] {
        let config = AttentionBlockConfig::new(irreps("2x0 + 2x1"), irreps("4x0 + 4x1 + 4x2"), 1)
            .with_num_heads(2)
            .with_key_value(key_value);
        let name = format!("attention, {key_value:?}");
        let block = config.init(&device().autodiff());
        assert_exact(&name, &types("2x0 + 2x1"), block, |block, x| {
            block
                .forward(&x.features, &x.edges(&distance()))
                .into_packed()
        });
    }
}

fn transformer() -> SE3TransformerConfig {
    SE3TransformerConfig::new(
        irreps("2x0e + 1x1o"),
        irreps("4x0e + 4x1o + 2x1e"),
        irreps("2x0e + 1x1o"),
    )
    .with_num_layers(2)
}

#[test]
fn gradients_of_the_transformer_are_exact() {
    let smooth = RadialOptions::new().with_activation(Activation::Silu);
    for (name, config) in [
        ("transformer", transformer()),
        (
            "transformer, bias norms",
            transformer().with_norm(BlockNorm::Bias),
        ),
        (
            "transformer, smooth radial",
            transformer().with_radial(smooth),
        ),
        (
            "transformer, relative position joined",
            transformer().with_relative_position(RelativePosition::Joined),
        ),
    ] {
        let model = config.init(&device().autodiff());
        assert_exact(name, &types("2x0e + 1x1o"), model, |model, x| {
            model.forward(&x.features, &x.cloud).features.into_packed()
        });
    }
}

#[test]
fn gradients_of_the_refining_transformer_are_exact_in_features_and_positions() {
    let config = transformer().with_refinement(Refinement::EveryBlock);
    let model = config.init(&device().autodiff());
    assert_exact("refining", &types("2x0e + 1x1o"), model, |model, x| {
        let out = model.forward(&x.features, &x.cloud);
        Tensor::cat(vec![out.features.into_packed(), out.positions], 1)
    });
}

/// A gradient that misses the part through the distance is found.
#[test]
#[should_panic(expected = "positions")]
fn a_gradient_without_its_radial_part_is_caught() {
    let config = ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("1x0 + 2x1"), 1);
    let layer = config.init(&device().autodiff());
    assert_exact("detached", &types("2x0 + 1x1"), layer, |layer, x| {
        let mut edges = x.edges(&distance());
        edges.invariants = edges.invariants.detach();
        layer.forward(&x.features, &edges).into_packed()
    });
}

#[test]
fn gradients_are_finite_where_the_geometry_degenerates() {
    let types = types("2x0e + 1x1o");
    for config in [
        transformer(),
        transformer().with_refinement(Refinement::EveryBlock),
        transformer().with_relative_position(RelativePosition::Joined),
    ] {
        for precision in PRECISIONS {
            let claim = Claim::per_node("degenerate", types.clone(), irreps("1x0e"));
            let model = drawn(config.init(&device().autodiff()), precision, SEED);
            for kind in Degenerate::ALL {
                let sample = claim
                    .test(precision, SEED)
                    .sample(SampleKind::Degenerate(kind));
                let forward = |model: &steerable::nn::SE3Transformer, x: &Inputs| {
                    model.forward(&x.features, &x.cloud).features.into_packed()
                };
                let found = backpropagated(&model, &forward, &sample, &types, precision);
                let all = [found.positions, found.features, found.parameters];
                assert!(
                    all.iter().flatten().all(|g| g.is_finite()),
                    "{kind:?} in {precision}: {config:?}"
                );
            }
        }
    }
}

/// A zero edge has no direction, so moving its ends apart a little changes nothing to first order in
/// the harmonics; what is left of the gradient is what the other edges give.
#[test]
fn a_zero_edge_gives_zero_gradient_to_positions() {
    let sample = Sample {
        positions: vec![[0.5, -0.25, 1.0]; 2],
        features: vec![1.0, -2.0, 0.3, 0.4, 0.5, 2.0, 1.0, -0.1, 0.2, 0.7],
        graph_sizes: vec![2],
        edges: vec![
            steerable_testkit::Edge { src: 0, dst: 1 },
            steerable_testkit::Edge { src: 1, dst: 0 },
        ],
        edge_features: vec![],
    };
    let types = types("2x0 + 1x1");
    let config = ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("1x0 + 2x1"), 1);
    let layer = drawn(config.init(&device().autodiff()), Precision::F64, SEED);
    let forward = |layer: &steerable::nn::Convolution, x: &Inputs| {
        layer
            .forward(&x.features, &x.edges(&distance()))
            .into_packed()
    };
    let found = backpropagated(&layer, &forward, &sample, &types, Precision::F64);
    assert_eq!(found.positions, [0.0; 6]);
    assert!(found.features.iter().any(|g| *g != 0.0));
}
