//! Every layer, in every configuration, does what its irreps claim: in both precisions, for several
//! seeds, on random and degenerate samples.

use std::num::NonZeroU32;

use steerable::graph::Graph;
use steerable::harmonics::plan::{PathNormalization, RadialSharing, Weighting};
use steerable::irreps::{Irrep, Irreps};
use steerable::nn::{
    ActivationScale, Aggregation, AttentionBlockConfig, ConvolutionConfig,
    EquivariantLayerNormConfig, Features, GateConfig, GraphTensors, KeyValue, LastLayerBias,
    LogitScale, NormNonlinearityConfig, NormTransform, Pooling, RadialOptions, ScalarBias,
    SelfInteraction, Skip, SteerableLinearConfig, broadcast_to_nodes,
};
use steerable::radial::{
    Activation, Cutoff, Ends, Envelope, RadialBasisConfig, RadialBasisKind, RadialNorm, Range,
};
use steerable_testkit::{Degenerate, Group, IrrepsBounds, IrrepsSweep, OutputKind, Precision};
use steerable_tests::cases::Claim;
use steerable_tests::flat::{matrix_of_rows, to_vec};
use steerable_tests::parameters::drawn;
use steerable_tests::samples::{EdgeOptions, InputTypes};
use steerable_tests::{PRECISIONS, device, irreps};

const SEEDS: [u64; 2] = [3, 20_240];

/// Unequal multiplicities, a degree missing in the middle, an irrep in two blocks.
const SO3: [&str; 2] = ["3x0 + 2x2 + 1x3 + 1x0", "4x0 + 3x1 + 1x2"];
const O3: [&str; 2] = [
    "3x0e + 1x0o + 2x1o + 1x2e + 1x1o",
    "4x0e + 1x1e + 2x1o + 3x0o + 1x2o",
];

fn node_types(irreps_in: &str) -> InputTypes {
    InputTypes {
        irreps_in: irreps(irreps_in),
        ..InputTypes::default()
    }
}

fn assert_all(claim: &Claim, check: impl Fn(Precision, u64)) {
    assert!(claim.irreps_out.dim() > 0);
    for precision in PRECISIONS {
        for seed in SEEDS {
            check(precision, seed);
        }
    }
}

#[test]
fn a_steerable_linear_map_is_equivariant() {
    for (from, to, bias) in [
        ("3x0 + 2x2 + 1x0", "5x0 + 1x2", ScalarBias::None),
        (
            "3x0 + 2x2 + 1x0",
            "1x2 + 2x0 + 3x2 + 1x0",
            ScalarBias::Scalars,
        ),
        (
            "2x0e + 3x0o + 2x1o",
            "1x0o + 4x0e + 1x1o",
            ScalarBias::Scalars,
        ),
        ("1x4", "3x4", ScalarBias::Scalars),
    ] {
        let claim = Claim::per_node(format!("linear {from}"), node_types(from), irreps(to));
        let config = SteerableLinearConfig::new(irreps(from), irreps(to)).with_bias(bias);
        assert_all(&claim, |precision, seed| {
            let layer = drawn(config.init(&device()), precision, seed);
            claim
                .run(precision, seed, |x| {
                    layer.forward(&x.features).into_packed()
                })
                .assert_ok();
        });
    }
}

#[test]
fn norm_nonlinearities_are_equivariant() {
    for text in ["3x0 + 4x1 + 5x2", "4x0e + 3x0o + 5x1o + 3x1e", "3x3"] {
        for transform in [NormTransform::LayerNorm, NormTransform::Bias] {
            for activation in [Activation::Relu, Activation::Softplus] {
                let name = format!("norm {transform:?} {activation:?} {text}");
                let claim = Claim::per_node(name, node_types(text), irreps(text));
                let config = NormNonlinearityConfig::new(irreps(text))
                    .with_transform(transform)
                    .with_activation(activation);
                assert_all(&claim, |precision, seed| {
                    let layer = drawn(config.init(&device()), precision, seed);
                    claim
                        .run(precision, seed, |x| {
                            layer.forward(&x.features).into_packed()
                        })
                        .assert_ok();
                });
            }
        }
    }
}

#[test]
fn equivariant_layer_norm_is_equivariant() {
    for text in ["3x0 + 4x1 + 1x2", "4x0e + 3x0o + 1x1o + 3x1e", "2x3"] {
        let claim = Claim::per_node("layer norm", node_types(text), irreps(text));
        let config = EquivariantLayerNormConfig::new(irreps(text));
        assert_all(&claim, |precision, seed| {
            let layer = drawn(config.init(&device()), precision, seed);
            claim
                .run(precision, seed, |x| {
                    layer.forward(&x.features).into_packed()
                })
                .assert_ok();
        });
    }
}

#[test]
fn gates_are_equivariant() {
    for (scalars, gated) in [
        ("3x0", "2x1 + 1x2"),
        ("3x0e + 2x0o", "2x1o + 1x2e + 3x1e"),
        ("2x0e", "3x0o + 1x3o"),
        ("", "2x1"),
        ("3x0", ""),
    ] {
        for scale in [ActivationScale::None, ActivationScale::SecondMoment] {
            let gate = GateConfig::new(irreps(scalars), irreps(gated))
                .with_scale(scale)
                .init(&device());
            let types = InputTypes {
                irreps_in: gate.irreps_in().clone(),
                ..InputTypes::default()
            };
            let claim = Claim::per_node(
                format!("gate {scalars} | {gated}"),
                types,
                gate.irreps_out().clone(),
            );
            assert_all(&claim, |precision, seed| {
                claim
                    .run(precision, seed, |x| gate.forward(&x.features).into_packed())
                    .assert_ok();
            });
        }
    }
}

/// A convolution with everything around it.
#[derive(Clone)]
struct Case {
    name: String,
    types: InputTypes,
    config: ConvolutionConfig,
    basis: RadialBasisConfig,
    envelope: Envelope,
}

impl Case {
    fn new(name: impl Into<String>, from: &str, to: &str) -> Self {
        Self {
            name: name.into(),
            types: node_types(from),
            config: ConvolutionConfig::new(irreps(from), irreps(to), 1),
            basis: RadialBasisConfig::distance(),
            envelope: Envelope::None,
        }
    }

    fn with(self, change: impl FnOnce(ConvolutionConfig) -> ConvolutionConfig) -> Self {
        Self {
            config: change(self.config),
            ..self
        }
    }

    fn with_basis(self, basis: RadialBasisConfig) -> Self {
        let count = basis.init(&device()).num_features();
        Self { basis, ..self }.with(|c| ConvolutionConfig {
            num_invariants: count,
            ..c
        })
    }

    fn check(&self) {
        let plan = self.config.plan().expect("a good config");
        let output = match self.config.aggregation {
            Aggregation::PerEdge => OutputKind::PerEdge,
            Aggregation::Sum | Aggregation::Mean => OutputKind::PerNode,
        };
        let claim = Claim::per_node(
            format!("convolution: {}", self.name),
            self.types.clone(),
            plan.irreps_out().clone(),
        )
        .with_output(output)
        .with_l_max(plan.l_filter_max());
        let options = EdgeOptions {
            basis: self.basis.init(&device()),
            l_max: plan.l_filter_max(),
            envelope: self.envelope,
        };
        assert_all(&claim, |precision, seed| {
            let layer = drawn(self.config.init(&device()), precision, seed);
            claim
                .run(precision, seed, |x| {
                    layer.forward(&x.features, &x.edges(&options)).into_packed()
                })
                .assert_ok();
        });
    }
}

#[test]
fn convolutions_are_equivariant_for_every_aggregation_and_self_interaction() {
    for [from, to] in [SO3, O3] {
        for aggregation in [Aggregation::Sum, Aggregation::Mean, Aggregation::PerEdge] {
            for own in [
                SelfInteraction::None,
                SelfInteraction::PerNode,
                SelfInteraction::PerEdge,
            ] {
                Case::new(format!("{from}: {aggregation:?}, {own:?}"), from, to)
                    .with(|c| c.with_aggregation(aggregation).with_self_interaction(own))
                    .check();
            }
        }
    }
}

#[test]
fn convolutions_are_equivariant_for_every_weighting_and_sharing() {
    for [from, to] in [SO3, O3] {
        for weighting in [Weighting::Full, Weighting::ChannelWise] {
            for sharing in [
                RadialSharing::Shared,
                RadialSharing::PerOutputIrrep,
                RadialSharing::PerInputIrrep,
                RadialSharing::PerPair,
            ] {
                for path_normalization in [PathNormalization::None, PathNormalization::FanIn] {
                    let radial = RadialOptions::new()
                        .with_hidden(vec![7, 5])
                        .with_sharing(sharing);
                    let name =
                        format!("{from}: {weighting:?}, {sharing:?}, {path_normalization:?}");
                    Case::new(name, from, to)
                        .with(|c| {
                            c.with_weighting(weighting)
                                .with_radial(radial)
                                .with_path_normalization(path_normalization)
                        })
                        .check();
                }
            }
        }
    }
}

#[test]
fn convolutions_are_equivariant_for_every_radial_network() {
    for hidden in [vec![], vec![6], vec![4, 5, 3]] {
        for norm in [RadialNorm::None, RadialNorm::LayerNorm] {
            for last_bias in [LastLayerBias::With, LastLayerBias::Without] {
                for activation in [Activation::Relu, Activation::Silu] {
                    let radial = RadialOptions::new()
                        .with_hidden(hidden.clone())
                        .with_norm(norm)
                        .with_last_bias(last_bias)
                        .with_activation(activation);
                    let name = format!("{hidden:?}, {norm:?}, {last_bias:?}, {activation:?}");
                    Case::new(name, O3[0], O3[1])
                        .with(|c| c.with_radial(radial))
                        .check();
                }
            }
        }
    }
}

#[test]
fn convolutions_are_equivariant_for_every_radial_basis_and_envelope() {
    let range = Range {
        start: 0.0,
        end: 4.0,
    };
    for kind in [
        RadialBasisKind::Gaussian,
        RadialBasisKind::Cosine,
        RadialBasisKind::SmoothFinite,
        RadialBasisKind::BSpline,
        RadialBasisKind::Fourier,
        RadialBasisKind::Bessel,
        RadialBasisKind::Chebyshev,
    ] {
        for ends in [Ends::Free, Ends::Vanishing] {
            Case::new(format!("{kind:?}, {ends:?}"), SO3[0], SO3[1])
                .with_basis(RadialBasisConfig::new(kind, 5, range).with_ends(ends))
                .check();
        }
    }
    let cutoff = Cutoff::new(4.0).expect("positive");
    for envelope in [
        Envelope::polynomial(cutoff),
        Envelope::Polynomial {
            cutoff,
            p: NonZeroU32::MIN,
        },
        Envelope::Cosine { cutoff },
        Envelope::Smooth { cutoff },
    ] {
        let case = Case::new(format!("{envelope:?}"), SO3[0], SO3[1]);
        Case { envelope, ..case }.check();
    }
}

#[test]
fn convolutions_with_edge_features_are_equivariant() {
    for (from, edge, to) in [
        ("3x0 + 1x2", "2x1 + 1x0", "2x0 + 4x1 + 1x2"),
        ("3x0e + 1x1o", "1x1e + 2x0o", "2x0e + 1x1o + 2x1e + 1x2e"),
    ] {
        for weighting in [Weighting::Full, Weighting::ChannelWise] {
            for aggregation in [Aggregation::Mean, Aggregation::PerEdge] {
                let name = format!("{from} with {edge} on edges, {weighting:?}, {aggregation:?}");
                let case = Case::new(name, from, to).with(|c| ConvolutionConfig {
                    num_invariants: 3,
                    ..c.with_irreps_edge(irreps(edge))
                        .with_weighting(weighting)
                        .with_aggregation(aggregation)
                });
                let types = InputTypes {
                    edge_scalars: 2,
                    irreps_edge: irreps(edge),
                    ..case.types.clone()
                };
                Case { types, ..case }.check();
            }
        }
    }
}

#[test]
fn convolutions_between_random_irreps_are_equivariant() {
    for (group, seed) in [(Group::So3, 5), (Group::O3, 6)] {
        let bounds = IrrepsBounds {
            group,
            l_max: 3,
            max_mul: 4,
        };
        let sweep = IrrepsSweep {
            bounds,
            cases: 8,
            seed,
        };
        sweep
            .run(|drawn_signature, seed| {
                let irreps_in = drawn_signature.irreps_in;
                let reachable = |irrep: Irrep| {
                    let one = Irreps::from(irrep);
                    ConvolutionConfig::new(irreps_in.clone(), one, 1)
                        .plan()
                        .is_ok()
                };
                let wanted = drawn_signature.irreps_out.filter(reachable);
                let irreps_out = if wanted.is_empty() {
                    irreps_in.clone()
                } else {
                    wanted
                };
                let config = ConvolutionConfig::new(irreps_in.clone(), irreps_out.clone(), 1);
                let types = InputTypes {
                    irreps_in: irreps_in.clone(),
                    ..InputTypes::default()
                };
                let l_max = config.plan().expect("reachable").l_filter_max();
                let options = EdgeOptions {
                    basis: RadialBasisConfig::distance().init(&device()),
                    l_max,
                    envelope: Envelope::None,
                };
                let layer = drawn(config.init(&device()), Precision::F64, seed);
                Claim::per_node("random convolution", types, irreps_out)
                    .with_l_max(l_max)
                    .run(Precision::F64, seed, |x| {
                        layer.forward(&x.features, &x.edges(&options)).into_packed()
                    })
            })
            .assert_ok();
    }
}

fn check_attention(name: String, types: InputTypes, config: &AttentionBlockConfig) {
    let block = config.init(&device());
    let convolutions = [Some(&block.value), block.key.as_ref()];
    let l_max = convolutions
        .into_iter()
        .flatten()
        .map(|c| c.plan().l_filter_max())
        .max()
        .expect("there is a value convolution");
    let options = EdgeOptions {
        basis: RadialBasisConfig::distance().init(&device()),
        l_max,
        envelope: Envelope::None,
    };
    let claim = Claim::per_node(name, types, config.irreps_out.clone()).with_l_max(l_max);
    assert_all(&claim, |precision, seed| {
        let block = drawn(config.init(&device()), precision, seed);
        claim
            .run(precision, seed, |x| {
                block.forward(&x.features, &x.edges(&options)).into_packed()
            })
            .assert_ok();
    });
}

#[test]
fn attention_blocks_are_equivariant_for_every_choice() {
    for (from, to) in [
        ("4x0 + 2x2", "8x0 + 4x1 + 4x2"),
        ("4x0e + 2x0o + 2x1o", "8x0e + 4x0o + 4x1o + 4x2e"),
    ] {
        for key_value in [KeyValue::Joint, KeyValue::Separate] {
            for skip in [Skip::Concatenate, Skip::Sum, Skip::None] {
                for (logit_scale, num_heads, channels_div) in [
                    (LogitScale::AllHeads, 1, 2),
                    (LogitScale::PerHead, 2, 1),
                    (LogitScale::AllHeads, 2, 2),
                ] {
                    let config = AttentionBlockConfig::new(irreps(from), irreps(to), 1)
                        .with_key_value(key_value)
                        .with_skip(skip)
                        .with_logit_scale(logit_scale)
                        .with_num_heads(num_heads)
                        .with_channels_div(channels_div);
                    let name = format!("attention {from}: {key_value:?}, {skip:?}, {num_heads}");
                    check_attention(name, node_types(from), &config);
                }
            }
        }
    }
}

#[test]
fn attention_blocks_with_edge_features_are_equivariant() {
    for key_value in [KeyValue::Joint, KeyValue::Separate] {
        let config =
            AttentionBlockConfig::new(irreps("4x0e + 2x1o"), irreps("4x0e + 2x1o + 2x1e"), 3)
                .with_irreps_edge(irreps("1x1o + 1x1e"))
                .with_key_value(key_value);
        let types = InputTypes {
            irreps_in: irreps("4x0e + 2x1o"),
            edge_scalars: 2,
            irreps_edge: irreps("1x1o + 1x1e"),
        };
        check_attention(
            format!("attention with edges, {key_value:?}"),
            types,
            &config,
        );
    }
}

#[test]
fn pooling_is_equivariant() {
    for (text, pooling) in [
        ("2x0e + 1x0o + 3x1o", Pooling::Sum),
        ("2x0e + 1x0o + 3x1o", Pooling::Mean),
        ("3x2", Pooling::Mean),
        ("3x0e", Pooling::Max),
        ("2x0", Pooling::Max),
    ] {
        let claim = Claim::per_node(
            format!("{pooling:?} of {text}"),
            node_types(text),
            irreps(text),
        )
        .with_output(OutputKind::PerGraph);
        assert_all(&claim, |precision, seed| {
            claim
                .run(precision, seed, |x| {
                    pooling.forward(&x.features, &x.cloud.graph).into_packed()
                })
                .assert_ok();
        });
        let spread = Claim::per_node(
            format!("spread {pooling:?}"),
            node_types(text),
            irreps(text),
        );
        assert_all(&spread, |precision, seed| {
            spread
                .run(precision, seed, |x| {
                    let pooled = pooling.forward(&x.features, &x.cloud.graph);
                    broadcast_to_nodes(&pooled, &x.cloud.graph).into_packed()
                })
                .assert_ok();
        });
    }
}

#[test]
fn pooling_equals_a_loop_over_the_nodes() {
    let graph = Graph::batch(&[
        Graph::complete(3),
        Graph::complete(0),
        Graph::complete(1),
        Graph::complete(2),
    ]);
    let tensors = GraphTensors::new(&graph, &device());
    let values: Vec<f64> = (0..12).map(|i| (f64::from(i) * 1.3).sin()).collect();
    let rows = matrix_of_rows(&values, [6, 2], Precision::F64, &device());
    let features = Features::new(irreps("2x0"), rows);
    for pooling in [Pooling::Sum, Pooling::Mean, Pooling::Max] {
        let expected: Vec<f64> = [0..3, 3..3, 3..4, 4..6]
            .into_iter()
            .flat_map(|nodes: std::ops::Range<usize>| {
                let values = &values;
                (0..2).map(move |column| {
                    let column = nodes.clone().map(|node| values[2 * node + column]);
                    let count = nodes.len();
                    match pooling {
                        _ if count == 0 => 0.0,
                        Pooling::Sum => column.sum(),
                        Pooling::Mean => column.sum::<f64>() / count as f64,
                        Pooling::Max => column.fold(f64::NEG_INFINITY, f64::max),
                    }
                })
            })
            .collect();
        let got = to_vec(&pooling.forward(&features, &tensors).into_packed());
        let pairs = got.iter().zip(&expected);
        assert!(
            pairs
                .clone()
                .all(|(g, e)| (g - e).abs() <= 4.0 * f64::EPSILON),
            "{pooling:?}: {got:?}, expected {expected:?}"
        );
    }
}

/// The maximum of numbers that change sign under inversion is not minus their minimum.
#[test]
#[should_panic(expected = "Max takes scalars only")]
fn the_maximum_of_odd_scalars_is_refused() {
    let graph = GraphTensors::new(&Graph::complete(2), &device());
    let rows = matrix_of_rows(&[1.0, -2.0], [2, 1], Precision::F64, &device());
    let _ = Pooling::Max.forward(&Features::new(irreps("1x0o"), rows), &graph);
}

/// Without edges only a node's own features are left.
#[test]
fn isolated_nodes_keep_what_self_interaction_per_node_gives_them() {
    let config = ConvolutionConfig::new(irreps("2x0 + 1x1"), irreps("3x0 + 2x1"), 1);
    let options = EdgeOptions {
        basis: RadialBasisConfig::distance().init(&device()),
        l_max: 2,
        envelope: Envelope::None,
    };
    let claim = Claim::per_node("isolated", node_types("2x0 + 1x1"), irreps("3x0 + 2x1"));
    let sample = claim
        .test(Precision::F64, 1)
        .sample(steerable_testkit::SampleKind::Degenerate(
            Degenerate::IsolatedNode,
        ));
    let isolated = sample.num_nodes() - 1;
    let last_row = |own: SelfInteraction| {
        let config = config.clone().with_self_interaction(own);
        let layer = drawn(config.init(&device()), Precision::F64, 4);
        let out = claim.evaluate(&sample, Precision::F64, |x| {
            layer.forward(&x.features, &x.edges(&options)).into_packed()
        });
        out[isolated * 9..].to_vec()
    };
    assert!(last_row(SelfInteraction::PerNode).iter().all(|x| *x != 0.0));
    assert_eq!(last_row(SelfInteraction::PerEdge), [0.0; 9]);
    assert_eq!(last_row(SelfInteraction::None), [0.0; 9]);
}
