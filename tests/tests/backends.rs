//! A model gives the same numbers and gradients on every backend that is enabled.
//! Flex is always there; `--features ndarray` and `--features wgpu` add the others.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable::graph::Graph;
use steerable::nn::{Cloud, Features, GraphTensors, SE3Transformer, SE3TransformerConfig};

const NODES: usize = 6;

/// Puts the same numbers into a model on any device.
struct Numbered(usize);

impl ModuleMapper for Numbered {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.shape();
        let values: Vec<f32> = (0..shape.num_elements())
            .map(|i| ((i + 31 * self.0) as f32 * 0.7).sin() * 0.4)
            .collect();
        self.0 += 1;
        let data = TensorData::new(values, shape);
        let tensor = Tensor::from_data(data, (&tensor.device(), DType::F32)).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}

struct Run {
    output: Vec<f64>,
    to_positions: Vec<f64>,
    to_weight: Vec<f64>,
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .into_data()
        .convert::<f64>()
        .try_into_vec()
        .expect("numbers")
}

fn run(device: &Device) -> Run {
    let irreps = |text: &str| text.parse().expect("irreps");
    let config = SE3TransformerConfig::fuchs(
        irreps("2x0 + 1x1"),
        irreps("8x0 + 4x1 + 4x2"),
        irreps("1x0 + 2x1"),
    );
    let model: SE3Transformer = config
        .with_num_layers(2)
        .with_num_heads(2)
        .init(device)
        .map(&mut Numbered(0));
    let values = |count: usize, step: f32| -> Vec<f32> {
        (0..count).map(|i| (i as f32 * step).cos()).collect()
    };
    let float = |values: Vec<f32>, columns: usize| {
        let data = TensorData::new(values, [NODES, columns]);
        Tensor::<2>::from_data(data, (device, DType::F32))
    };
    let positions = float(values(3 * NODES, 1.3), 3).require_grad();
    let graph = GraphTensors::new(&Graph::complete(NODES), device);
    let features = Features::new(irreps("2x0 + 1x1"), float(values(5 * NODES, 0.9), 5));
    let output = model
        .forward(&features, &Cloud::new(graph, positions.clone()))
        .features
        .packed();
    let grads = (output.clone() * output.clone()).sum().backward();
    let weight = &model.blocks[0].value.weight;
    Run {
        output: numbers(output),
        to_positions: numbers(positions.grad(&grads).expect("a gradient to the positions")),
        to_weight: numbers(weight.val().grad(&grads).expect("a gradient to a weight")),
    }
}

fn assert_same(device: &Device) {
    let (ours, reference) = (run(device), run(&Device::flex().autodiff()));
    for (what, ours, reference) in [
        ("output", ours.output, reference.output),
        (
            "gradient to positions",
            ours.to_positions,
            reference.to_positions,
        ),
        ("gradient to a weight", ours.to_weight, reference.to_weight),
    ] {
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let scale = norm(&mut reference.iter().copied());
        let error = norm(&mut ours.iter().zip(&reference).map(|(a, b)| a - b)) / scale;
        assert!(
            scale > 0.0 && error < 1e-5,
            "{what}: relative difference {error:e}"
        );
    }
}

#[test]
fn flex_repeats_itself() {
    assert_same(&Device::flex().autodiff());
}

#[cfg(feature = "ndarray")]
#[test]
#[expect(
    deprecated,
    reason = "burn 0.22 deprecates ndarray; we still promise that it works"
)]
fn ndarray_gives_what_flex_gives() {
    assert_same(&Device::ndarray().autodiff());
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_gives_what_flex_gives() {
    assert_same(&Device::wgpu(burn::tensor::DeviceKind::Cpu).autodiff());
}
