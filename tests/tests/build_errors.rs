//! What cannot work is refused when it is built, or at the call, by name and with both irreps.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Tensor;
use steerable::graph::Graph;
use steerable::harmonics::plan::Weighting;
use steerable::nn::{
    AttentionBlockConfig, BuildError, Cloud, ConvolutionConfig, EquivariantLayerNormConfig,
    Features, GateConfig, GraphTensors, NormNonlinearityConfig, RadialOptions, Refinement,
    SE3TransformerConfig, SelfInteraction, Skip, SteerableLinearConfig, TensorFieldNetworkConfig,
};
use steerable::radial::{Activation, RadialBasisConfig, RadialBasisKind, Range};
use steerable_testkit::Precision;
use steerable_tests::flat::matrix_of_rows;
use steerable_tests::samples::{EdgeOptions, Inputs};
use steerable_tests::{device, irreps};

/// The message holds the layer and everything else it should.
#[track_caller]
fn assert_told<T>(built: Result<T, BuildError>, parts: &[&str]) {
    let message = match built {
        Ok(_) => panic!("this must not be built: {parts:?}"),
        Err(error) => error.to_string(),
    };
    for part in parts {
        assert!(message.contains(part), "\"{part}\" is not in: {message}");
    }
}

fn convolution(from: &str, to: &str) -> ConvolutionConfig {
    ConvolutionConfig::new(irreps(from), irreps(to), 1)
}

fn attention(from: &str, to: &str) -> AttentionBlockConfig {
    AttentionBlockConfig::new(irreps(from), irreps(to), 1)
}

#[test]
fn mixed_groups_are_refused_with_both_irreps() {
    let device = device();
    let parts = ["SO(3)", "O(3)", "\"2x0\"", "\"3x0e\""];
    let linear = SteerableLinearConfig::new(irreps("2x0"), irreps("3x0e"));
    assert_told(linear.try_init(&device), &parts);
    assert_told(convolution("2x0", "3x0e").try_init(&device), &parts);
    let with_edges = convolution("2x0", "2x0").with_irreps_edge(irreps("3x0e"));
    assert_told(with_edges.try_init(&device), &parts);
    let gate = GateConfig::new(irreps("2x0"), irreps("3x0e"));
    assert_told(gate.try_init(&device), &["Gate", "\"2x0\"", "\"3x0e\""]);
}

#[test]
fn mixed_groups_of_edges_and_output_are_refused_without_an_input() {
    let config = convolution("", "2x0").with_irreps_edge(irreps("3x0e"));
    assert_told(
        config.try_init(&device()),
        &["Convolution", "\"3x0e\"", "\"2x0\""],
    );
}

#[test]
fn mixed_groups_in_attention_and_models_are_refused() {
    let device = device();
    let block = attention("2x0", "2x0e").try_init(&device);
    assert_told(block, &["AttentionBlock", "\"2x0\"", "0e"]);
    let with_edges = attention("2x0", "2x0").with_irreps_edge(irreps("1x1o"));
    assert_told(
        with_edges.try_init(&device),
        &["AttentionBlock.Convolution", "1x1o"],
    );
    let model = SE3TransformerConfig::new(irreps("2x0"), irreps("2x0e + 2x1o"), irreps("1x0e"));
    assert_told(
        model.try_init(&device),
        &["SE3Transformer.blocks[0]", "\"2x0\""],
    );
    let model = SE3TransformerConfig::new(irreps("2x0"), irreps("2x0 + 2x1"), irreps("1x0e"));
    assert_told(
        model.try_init(&device),
        &["SE3Transformer.output", "\"1x0e\""],
    );
    let model = TensorFieldNetworkConfig::new(irreps("2x0"), irreps("2x0e"), irreps("1x0e"));
    let parts = ["TensorFieldNetwork", "\"2x0\"", "\"2x0e\""];
    assert_told(model.try_init(&device), &parts);
}

#[test]
fn unreachable_outputs_are_refused_with_the_irrep() {
    let device = device();
    let linear = SteerableLinearConfig::new(irreps("2x0 + 1x1"), irreps("1x0 + 3x2"));
    let parts = [
        "SteerableLinear",
        "irrep 2",
        "\"1x0 + 3x2\"",
        "\"2x0 + 1x1\"",
    ];
    assert_told(linear.try_init(&device), &parts.map(|part| part));
    // Even scalars and harmonics of natural parity never give an axial vector.
    let axial = convolution("4x0e", "2x0e + 1x1e");
    assert_told(
        axial.try_init(&device),
        &["Convolution", "1e", "\"4x0e\"", "1x1e"],
    );
    let channel_wise = axial.with_weighting(Weighting::ChannelWise);
    assert_told(
        channel_wise.try_init(&device),
        &["Convolution", "1e", "\"4x0e\""],
    );
    let low = convolution("4x0", "1x2").with_l_filter_max(Some(1));
    assert_told(
        low.try_init(&device),
        &["Convolution", "irrep 2", "\"4x0\"", "\"1x2\""],
    );
    let model = SE3TransformerConfig::new(irreps("2x0e"), irreps("2x0e + 2x1e"), irreps("1x0e"));
    let parts = ["SE3Transformer.blocks[0].AttentionBlock", "1e", "\"2x0e\""];
    assert_told(model.try_init(&device), &parts);
    let model = SE3TransformerConfig::new(irreps("2x0"), irreps("2x0"), irreps("1x0"))
        .with_refinement(Refinement::EveryBlock);
    let parts = ["SE3Transformer", "irrep 1", "\"1x1\"", "\"2x0\""];
    assert_told(model.try_init(&device), &parts);
}

#[test]
fn heads_and_divisors_that_do_not_divide_are_refused_with_the_multiplicity() {
    let device = device();
    let block = attention("4x0", "4x0 + 6x1").with_num_heads(2);
    let parts = [
        "AttentionBlock",
        "6",
        "irrep",
        "\"4x0 + 6x1\"",
        "4",
        "num_heads",
    ];
    assert_told(
        block.try_init(&device),
        &[parts[0], parts[1], parts[3], parts[4], parts[5]],
    );
    let block = attention("4x0", "5x0").with_channels_div(2);
    assert_told(
        block.try_init(&device),
        &["AttentionBlock", "5", "\"5x0\"", "2 (channels_div)"],
    );
    for (block, name) in [
        (attention("4x0", "4x0").with_num_heads(0), "num_heads"),
        (attention("4x0", "4x0").with_channels_div(0), "channels_div"),
    ] {
        assert_told(
            block.try_init(&device),
            &["AttentionBlock", name, "at least 1"],
        );
    }
}

#[test]
fn attention_without_a_common_irrep_is_refused() {
    let block = attention("4x0", "2x1 + 2x2");
    assert_told(
        block.try_init(&device()),
        &["AttentionBlock", "\"4x0\"", "no irrep"],
    );
}

#[test]
fn a_sum_into_too_few_channels_is_refused() {
    let block = attention("4x0 + 2x1", "2x0 + 2x1").with_skip(Skip::Sum);
    let parts = ["AttentionBlock", "\"4x0 + 2x1\"", "Skip::Sum"];
    assert_told(block.try_init(&device()), &parts);
}

#[test]
fn bad_radial_options_are_refused_in_the_layer_that_has_them() {
    let device = device();
    let empty = RadialOptions::new().with_hidden(vec![8, 0]);
    let layer = convolution("2x0", "2x0").with_radial(empty.clone());
    assert_told(layer.try_init(&device), &["Convolution", "[8, 0]"]);
    let no_input = ConvolutionConfig::new(irreps("2x0"), irreps("2x0"), 0);
    assert_told(no_input.try_init(&device), &["Convolution", "at least 1"]);
    let backwards = Range {
        start: 3.0,
        end: 1.0,
    };
    let basis = RadialBasisConfig::new(RadialBasisKind::Gaussian, 8, backwards);
    let small = || (irreps("2x0"), irreps("2x0 + 2x1"), irreps("1x0"));
    let (a, b, c) = small();
    let model = SE3TransformerConfig::new(a, b, c);
    assert_told(
        model
            .clone()
            .with_radial_basis(basis.clone())
            .try_init(&device),
        &["SE3Transformer", "3 .. 1"],
    );
    assert_told(
        model.with_radial(empty).try_init(&device),
        &[
            "SE3Transformer.blocks[0].AttentionBlock.Convolution",
            "[8, 0]",
        ],
    );
    let (a, b, c) = small();
    let model = TensorFieldNetworkConfig::new(a, b, c).with_radial_basis(basis);
    assert_told(model.try_init(&device), &["TensorFieldNetwork", "3 .. 1"]);
}

#[test]
fn gates_that_cannot_work_are_refused() {
    let device = device();
    let gate = GateConfig::new(irreps("2x0 + 1x1"), irreps("1x1"));
    assert_told(gate.try_init(&device), &["Gate", "\"2x0 + 1x1\"", "l = 0"]);
    let gate =
        GateConfig::new(irreps("2x0o"), irreps("1x1o")).with_odd_activation(Activation::Silu);
    assert_told(gate.try_init(&device), &["Gate", "\"2x0o\"", "odd"]);
}

#[test]
fn building_panics_where_try_building_fails() {
    let config = convolution("2x0", "3x0e");
    let message = panic_message(|| {
        let _ = config.init(&device());
    });
    assert!(
        message.contains("Convolution") && message.contains("3x0e"),
        "{message}"
    );
}

fn panic_message(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("this must panic");
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .expect("panics carry text")
}

#[track_caller]
fn assert_panics(parts: &[&str], f: impl FnOnce()) {
    let message = panic_message(f);
    for part in parts {
        assert!(message.contains(part), "\"{part}\" is not in: {message}");
    }
}

/// Three nodes in a complete graph.
fn three_nodes(text: &str) -> Inputs {
    let irreps = irreps(text);
    let ones = |columns| {
        matrix_of_rows(
            &vec![1.0; 3 * columns],
            [3, columns],
            Precision::F32,
            &device(),
        )
    };
    let positions = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 1.0];
    let positions = matrix_of_rows(&positions, [3, 3], Precision::F32, &device());
    let graph = GraphTensors::new(&Graph::complete(3), &device());
    Inputs {
        features: Features::new(irreps.clone(), ones(irreps.dim())),
        cloud: Cloud::new(graph, positions),
        order: (0..6).collect(),
    }
}

fn options() -> EdgeOptions {
    EdgeOptions {
        basis: RadialBasisConfig::distance().init(&device()),
        l_max: 2,
        envelope: steerable::radial::Envelope::None,
    }
}

#[test]
fn every_layer_refuses_features_of_other_irreps_and_names_both() {
    let x = three_nodes("2x1");
    let edges = x.edges(&options());
    let device = device();
    let wrong = ["built for \"1x0 + 2x1\"", "called with \"2x1\""];
    let told = |layer| [layer, wrong[0], wrong[1]];
    let irreps = irreps("1x0 + 2x1");
    let linear = SteerableLinearConfig::new(irreps.clone(), irreps.clone()).init(&device);
    assert_panics(&told("SteerableLinear"), || {
        drop(linear.forward(&x.features));
    });
    let norm = NormNonlinearityConfig::new(irreps.clone()).init(&device);
    assert_panics(&told("NormNonlinearity"), || {
        drop(norm.forward(&x.features));
    });
    let norm = EquivariantLayerNormConfig::new(irreps.clone()).init(&device);
    assert_panics(&told("EquivariantLayerNorm"), || {
        drop(norm.forward(&x.features));
    });
    let layer = ConvolutionConfig::new(irreps.clone(), irreps.clone(), 1).init(&device);
    assert_panics(&told("Convolution"), || {
        drop(layer.forward(&x.features, &edges));
    });
    let block = AttentionBlockConfig::new(irreps.clone(), irreps.clone(), 1)
        .with_channels_div(1)
        .init(&device);
    assert_panics(&told("AttentionBlock"), || {
        drop(block.forward(&x.features, &edges));
    });
    let hidden = "2x0 + 2x1".parse().expect("good irreps");
    let model = SE3TransformerConfig::new(irreps.clone(), hidden, irreps.clone()).init(&device);
    assert_panics(&told("SE3Transformer"), || {
        drop(model.forward(&x.features, &x.cloud));
    });
    let hidden = "2x0 + 2x1".parse().expect("good irreps");
    let model = TensorFieldNetworkConfig::new(irreps.clone(), hidden, irreps).init(&device);
    assert_panics(&told("TensorFieldNetwork"), || {
        drop(model.forward(&x.features, &x.cloud));
    });
    let gate = GateConfig::new("1x0".parse().expect("good"), "1x1".parse().expect("good"));
    let gate = gate.init(&device);
    assert_panics(&["Gate", "1x0 + 1x0 + 1x1", "2x1"], || {
        drop(gate.forward(&x.features));
    });
}

#[test]
fn missing_and_unexpected_edge_features_are_refused() {
    let x = three_nodes("2x0");
    let device = device();
    let layer = convolution("2x0", "2x0")
        .with_irreps_edge(irreps("1x1"))
        .with_self_interaction(SelfInteraction::PerNode)
        .init(&device);
    let edges = x.edges(&options());
    assert_panics(&["Convolution", "\"1x1\"", "called without"], || {
        drop(layer.forward(&x.features, &edges));
    });
    let small = SE3TransformerConfig::new(irreps("2x0"), irreps("2x0 + 2x1"), irreps("1x0"));
    let model = small.clone().with_irreps_edge(irreps("1x1")).init(&device);
    assert_panics(&["SE3Transformer", "\"1x1\"", "called without"], || {
        drop(model.forward(&x.features, &x.cloud));
    });
    let model = small.clone().with_num_edge_scalars(2).init(&device);
    assert_panics(&["SE3Transformer", "2 scalar", "called with 0"], || {
        drop(model.forward(&x.features, &x.cloud));
    });
    let model = small.init(&device);
    let scalars = Tensor::ones([6, 3], &device);
    let cloud = x.cloud.clone().with_edge_scalars(scalars);
    assert_panics(&["SE3Transformer", "0 scalar", "called with 3"], || {
        drop(model.forward(&x.features, &cloud));
    });
    let own = Features::new(irreps("1x1"), Tensor::ones([6, 3], &device));
    let cloud = x.cloud.clone().with_edge_features(own);
    assert_panics(&["SE3Transformer (edge features)", "\"1x1\""], || {
        drop(model.forward(&x.features, &cloud));
    });
}

#[test]
fn features_of_another_width_than_their_irreps_are_refused() {
    assert_panics(&["Features", "2x0 + 1x1", "5", "4"], || {
        drop(Features::new(
            irreps("2x0 + 1x1"),
            Tensor::ones([2, 4], &device()),
        ));
    });
}

#[test]
fn features_of_another_number_of_nodes_than_the_graph_are_refused() {
    let x = three_nodes("2x0");
    let layer = convolution("2x0", "1x1").init(&device());
    let two = Features::new(irreps("2x0"), Tensor::ones([2, 2], &device()));
    assert_panics(&["3", "2"], || {
        drop(layer.forward(&two, &x.edges(&options())));
    });
}
