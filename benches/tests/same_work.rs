//! The workloads are those of the published comparison: same sizes, weights, paths and operations as the
//! other codes print with their runs.

use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Map, Value, json};
use steerable::irreps::Irreps;
use steerable_benches::workload::{ChannelWise, Full, Mode, Name, Qm9, Rotations, build};

/// The note of a workload of `mode` that has run one step.
fn note_after_a_step(name: Name, mode: Mode, params: &Value) -> Map<String, Value> {
    let mut work = build(name, mode, params, &Device::flex()).expect("such a workload exists");
    (work.step)();
    work.note
}

fn number(note: &Map<String, Value>, name: &str) -> f64 {
    note[name].as_f64().expect("a number")
}

#[test]
fn the_channel_wise_convolution_has_the_others_paths_and_weights() {
    // Degrees, channels; paths, output width, weights, as cuEquivariance's and e3nn's runs print them.
    let known = [
        (2, 32, 15, 1632, 480),
        (3, 16, 34, 2496, 544),
        (4, 16, 65, 6000, 1040),
        (1, 16, 5, 176, 80),
    ];
    for (l_max, channels, paths, width, weights) in known {
        let workload = ChannelWise {
            l_max,
            channels,
            ..ChannelWise::default()
        };
        let layer = workload.layer(&Device::flex());
        assert_eq!(layer.plan().num_paths(), paths);
        assert_eq!(layer.irreps_out().dim(), width);
        assert_eq!(layer.plan().num_weights(), weights);
        // 8-64-64-weights without a bias.
        assert_eq!(layer.num_params(), 8 * 64 + 64 * 64 + 64 * weights);
    }
}

#[test]
fn the_channel_wise_convolution_counts_the_others_operations() {
    let note = note_after_a_step(Name::W2, Mode::Forward, &json!({ "N": 1000, "k": 32 }));
    assert_eq!(number(&note, "E"), 32_000.0);
    assert!((number(&note, "mlp_gflop") - 2.261).abs() < 5e-4);
}

#[test]
fn the_full_convolution_is_nvidias() {
    let layer = Full::default().layer(&Device::flex());
    assert_eq!(layer.plan().num_weights(), 45_056);
    assert_eq!(layer.irreps_out(), &Irreps::uniform_so3(32, 3));
    // Two layers with bias and normalization, and the last without: 1-32-32-45056.
    let radial = (32 + 32 + 64) + (32 * 32 + 32 + 64);
    assert_eq!(layer.num_params(), radial + 32 * 45_056);

    let note = note_after_a_step(Name::W3, Mode::Forward, &json!({ "N": 512, "k": 16 }));
    assert_eq!(number(&note, "E"), 8192.0);
    assert!((number(&note, "gflop") - 27.836).abs() < 5e-4);
    assert!((number(&note, "gflop_radial") - 23.64).abs() < 5e-4);
}

#[test]
fn the_qm9_model_has_nvidias_parameters_and_edges() {
    assert_eq!(Qm9::model(&Device::flex()).num_params(), 9_304_321);
    let note = note_after_a_step(Name::W4, Mode::Forward, &json!({}));
    assert_eq!(number(&note, "E"), 640.0);
    assert_eq!(number(&note, "nodes"), 288.0);
    let full = json!({ "mol": 4, "graph": "full" });
    let note = note_after_a_step(Name::W4, Mode::Forward, &full);
    assert_eq!(number(&note, "E"), 1224.0);
}

#[test]
fn there_are_175_tables_of_3j_symbols() {
    assert_eq!(Rotations::default().triples().len(), 175);
}

/// The steps themselves assert that every input and every weight has a gradient.
#[test]
fn backward_steps_reach_every_input_and_weight() {
    let small = [
        (Name::W2, json!({ "N": 20, "k": 4, "ch": 3 })),
        (Name::W3, json!({ "N": 20, "k": 4, "ch": 3, "D": 3 })),
    ];
    for (name, params) in small {
        note_after_a_step(name, Mode::ForwardAndBackward, &params);
    }
}

#[test]
fn training_steps_repeat() {
    let mut work =
        build(Name::W4, Mode::Train, &json!({ "mol": 1 }), &Device::flex()).expect("W4 trains");
    (work.step)();
    (work.step)();
}

#[test]
fn unknown_parameters_and_modes_are_refused() {
    assert!(
        build(
            Name::W2,
            Mode::Forward,
            &json!({ "channels": 32 }),
            &Device::flex()
        )
        .is_err()
    );
    assert!(build(Name::W2, Mode::Train, &json!({}), &Device::flex()).is_err());
    assert!(build(Name::W1, Mode::WignerD, &json!({}), &Device::flex()).is_err());
}
