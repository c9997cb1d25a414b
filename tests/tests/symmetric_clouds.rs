//! Clouds whose symmetry makes features vanish, and nodes without neighbours, stay harmless.

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{SeedableRng as _, rngs::StdRng};
use steerable::graph::Graph;
use steerable::irreps::{Irreps, Rotation};
use steerable::nn::{BlockNorm, Cloud, Features, GraphTensors, SE3TransformerConfig};
use steerable_testkit::Precision;
use steerable_tests::parameters::drawn;

fn irreps(text: &str) -> Irreps {
    text.parse().expect("irreps")
}

fn positions(points: &[[f64; 3]], device: &Device) -> Tensor<2> {
    let data = TensorData::new(points.as_flattened().to_vec(), [points.len(), 3]);
    Tensor::from_data(data, (device, DType::F32))
}

fn ones(nodes: usize, device: &Device) -> Features {
    Features::new(
        irreps("1x0"),
        Tensor::ones([nodes, 1], (device, DType::F32)),
    )
}

const OCTAHEDRON: [[f64; 3]; 7] = [
    [0.0, 0.0, 0.0],
    [1.0, 0.0, 0.0],
    [-1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, -1.0, 0.0],
    [0.0, 0.0, 1.0],
    [0.0, 0.0, -1.0],
];

#[test]
fn scalars_of_an_octahedron_do_not_turn_with_it() {
    let device = Device::flex();
    let config = SE3TransformerConfig::new(irreps("1x0"), irreps("8x0 + 8x1 + 4x2"), irreps("4x0"));
    let model = drawn(config.with_num_layers(3).init(&device), Precision::F32, 1);
    let graph = GraphTensors::new(&Graph::complete(7), &device);
    let run = |points: &[[f64; 3]]| -> Vec<f64> {
        let cloud = Cloud::new(graph.clone(), positions(points, &device));
        model
            .forward(&ones(7, &device), &cloud)
            .features
            .into_packed()
            .into_data()
            .iter()
            .collect()
    };
    let reference = run(&OCTAHEDRON);
    let scale = reference.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut rng = StdRng::seed_from_u64(5);
    for _ in 0..8 {
        let rotation = Rotation::random(&mut rng);
        let turned = run(&OCTAHEDRON.map(|point| rotation.apply(point)));
        let difference = turned
            .iter()
            .zip(&reference)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!(
            difference < 1e-4 * scale,
            "{:e} under {rotation:?}",
            difference / scale
        );
    }
}

#[test]
fn training_with_an_isolated_node_stays_finite_in_every_preset() {
    let device = Device::flex().autodiff();
    let graph = Graph::batch(&[Graph::complete(3), Graph::complete(1)]);
    let graph = GraphTensors::new(&graph, &device);
    let points = [
        [0.0, 0.0, 0.0],
        [1.0, 0.2, 0.0],
        [0.3, -0.7, 0.5],
        [2.0, 2.0, 2.0],
    ];
    let (from, hidden, to) = (irreps("1x0"), irreps("4x0 + 4x1"), irreps("1x0 + 1x1"));
    let new = SE3TransformerConfig::new(from.clone(), hidden.clone(), to.clone());
    let fuchs = SE3TransformerConfig::fuchs(from, hidden, to);
    for config in [
        new.clone(),
        fuchs.clone(),
        new.with_norm(BlockNorm::Bias),
        fuchs.with_norm(BlockNorm::Bias),
    ] {
        let mut model = drawn(config.with_num_layers(7).init(&device), Precision::F32, 1);
        let mut optimizer = AdamConfig::new().init();
        for step in 0..5 {
            let cloud = Cloud::new(graph.clone(), positions(&points, &device));
            let output = model
                .forward(&ones(4, &device), &cloud)
                .features
                .into_packed();
            let loss = (output.clone() * output).sum();
            let value: f64 = loss.clone().into_scalar();
            assert!(value.is_finite(), "loss {value} at step {step}");
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-3, model, gradients);
        }
    }
}
