//! An attention block with an envelope changes smoothly when a neighbour crosses the cutoff.

use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable::graph::Graph;
use steerable::nn::{Cloud, Features, GraphTensors, SE3TransformerConfig};
use steerable::radial::{Cutoff, Envelope};

/// Output of a fixed model for a third point at `distance` from the first of two others.
fn output(distance: f64) -> Vec<f64> {
    let device = Device::flex();
    device.seed(3);
    let irreps = |text: &str| text.parse().expect("irreps");
    let cutoff = Cutoff::new(2.0).expect("a positive radius");
    let model = SE3TransformerConfig::new(irreps("2x0"), irreps("4x0 + 4x1"), irreps("1x0 + 1x1"))
        .with_num_layers(1)
        .with_envelope(Envelope::polynomial(cutoff))
        .init(&device);
    let positions = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.3], [distance, 0.0, 0.0]];
    let graph = Graph::complete(3);
    let data = TensorData::new(positions.as_flattened().to_vec(), [3, 3]);
    let cloud = Cloud::new(
        GraphTensors::new(&graph, &device),
        Tensor::from_data(data, (&device, DType::F32)),
    );
    let features = Tensor::from_data(
        TensorData::new(vec![1.0, 0.5, -0.3, 0.8, 0.4, -1.2], [3, 2]),
        (&device, DType::F32),
    );
    let features = Features::new(irreps("2x0"), features);
    model
        .forward(&features, &cloud)
        .features
        .into_packed()
        .into_data()
        .iter()
        .collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn a_neighbour_beyond_the_cutoff_is_not_felt_and_comes_in_without_a_jump() {
    let [outside, far] = [2.0, 3.7].map(output);
    // Beyond the cutoff only the mean over edges and the radial network still see the edge, both
    // through harmonics that are zero.
    assert_eq!(largest_difference(&outside, &far), 0.0);
    // The polynomial envelope has a triple root at the cutoff: ten times nearer, a thousand times less.
    let [near, nearer, nearest] =
        [1.9, 1.99, 1.999].map(|distance| largest_difference(&output(distance), &outside));
    assert!(near > 1e-2, "the neighbour is felt inside: {near:e}");
    assert!(
        nearer < near / 100.0 && nearest < nearer / 100.0,
        "{near:e} {nearer:e} {nearest:e}"
    );
}
