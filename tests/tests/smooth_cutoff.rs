//! An attention block with an envelope changes smoothly when a neighbour crosses the cutoff.

use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable::graph::Graph;
use steerable::nn::{Cloud, Features, GraphTensors, SE3TransformerConfig};
use steerable::radial::{Cutoff, Envelope};
use steerable_testkit::Precision;
use steerable_tests::parameters::drawn;

/// Output of a fixed model for a third point at `distance` from the first of two others.
fn output(distance: f64) -> Vec<f64> {
    let device = Device::flex();
    let irreps = |text: &str| text.parse().expect("irreps");
    let cutoff = Cutoff::new(2.0).expect("a positive radius");
    let model = SE3TransformerConfig::new(irreps("2x0"), irreps("4x0 + 4x1"), irreps("1x0 + 1x1"))
        .with_num_layers(1)
        .with_envelope(Envelope::polynomial(cutoff))
        .init(&device);
    let model = drawn(model, Precision::F32, 3);
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
    assert!(near > 1e-4, "the neighbour is felt inside: {near:e}");
    assert!(
        nearer < near / 100.0 && nearest < nearer / 100.0,
        "{near:e} {nearer:e} {nearest:e}"
    );
}

#[test]
fn gradients_stay_finite_on_the_way_to_the_cutoff() {
    let device = Device::flex().autodiff();
    let irreps = |text: &str| text.parse().expect("irreps");
    let cutoff = Cutoff::new(2.0).expect("a positive radius");
    for envelope in [
        Envelope::polynomial(cutoff),
        Envelope::Cosine { cutoff },
        Envelope::Smooth { cutoff },
    ] {
        let model = SE3TransformerConfig::new(irreps("1x0"), irreps("4x0 + 4x1"), irreps("1x0"))
            .with_num_layers(2)
            .with_envelope(envelope)
            .init(&device);
        let graph = GraphTensors::new(&Graph::complete(2), &device);
        for gap in [
            1e-1, 3e-2, 1.5e-2, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 1e-6, 0.0, -1e-3,
        ] {
            let data = TensorData::new(vec![0.0, 0.0, 0.0, 2.0 - gap, 0.0, 0.0], [2, 3]);
            let positions = Tensor::<2>::from_data(data, (&device, DType::F32)).require_grad();
            let features =
                Features::new(irreps("1x0"), Tensor::ones([2, 1], (&device, DType::F32)));
            let cloud = Cloud::new(graph.clone(), positions.clone());
            let output = model.forward(&features, &cloud).features.into_packed();
            let grads = output.sum().backward();
            let gradient = positions.grad(&grads).expect("a gradient to the positions");
            let numbers: Vec<f64> = gradient.into_data().iter().collect();
            assert!(
                numbers.iter().all(|x| x.is_finite()),
                "{envelope:?}, {gap:e}: {numbers:?}"
            );
        }
    }
}
