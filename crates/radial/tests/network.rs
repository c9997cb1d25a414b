//! The radial network against a slow one on the host, and the activations.

mod support;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor, TensorData};
use steerable_kernels::HiddenKind;
use steerable_radial::{
    Activation, Bias, RadialError, RadialNetwork, RadialNetworkConfig, RadialNorm,
};
use support::{
    DTYPES, column, device, differentiate, five_point_derivative, largest, relative_error,
    scattered, to_vec, tolerance,
};

const ACTIVATIONS: [Activation; 9] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Silu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::ShiftedSoftplus,
    Activation::Abs,
];

/// Puts parameters into a dtype, and fixed values into them if asked to.
struct Recast {
    dtype: DType,
    values: Values,
    seen: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Values {
    /// All 1.
    Ones,
    /// Scattered in -0.5 .. 0.5 (scales about 1), the same in every run.
    Scattered,
}

impl ModuleMapper for Recast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.seen += 1;
        let (id, tensor, mapper) = param.consume();
        let mut tensor = tensor.cast(self.dtype);
        if self.values == Values::Ones {
            tensor = tensor.ones_like();
        } else {
            let centre = if to_vec(&tensor).iter().all(|v| *v == 1.0) {
                1.0
            } else {
                0.0
            };
            let shape = tensor.shape();
            let mut values = scattered(centre - 0.5, centre + 0.5, shape.num_elements());
            values.rotate_left(self.seen % shape.num_elements());
            let data = TensorData::new(values, shape);
            tensor = Tensor::from_data(data, (&tensor.device(), self.dtype));
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}

fn recast(network: RadialNetwork, dtype: DType, values: Values) -> RadialNetwork {
    network.map(&mut Recast {
        dtype,
        values,
        seen: 0,
    })
}

fn with_each_activation(networks: usize) -> impl Iterator<Item = (usize, Activation)> {
    ACTIVATIONS
        .into_iter()
        .map(move |activation| (networks, activation))
}

fn all_configs() -> Vec<RadialNetworkConfig> {
    let mut configs = Vec::new();
    for hidden in [vec![32, 32], vec![7], vec![5, 9, 3], vec![]] {
        for norm in [RadialNorm::None, RadialNorm::LayerNorm] {
            for bias in [Bias::With, Bias::Without] {
                for (networks, activation) in [1, 3].into_iter().flat_map(with_each_activation) {
                    configs.push(
                        RadialNetworkConfig::new(4)
                            .with_networks(networks)
                            .with_hidden(hidden.clone())
                            .with_norm(norm)
                            .with_bias(bias)
                            .with_activation(activation),
                    );
                }
            }
        }
    }
    configs
}

fn scalar(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => x * normal_cdf(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Softplus => (1.0 + x.exp()).ln(),
        Activation::ShiftedSoftplus => (0.5 + 0.5 * x.exp()).ln(),
        Activation::Abs => x.abs(),
        other => panic!("no oracle for {other:?}"),
    }
}

/// `1/2 + phi(x) (x + x^3/3 + x^5/15 + ..)`: the series of A. Glaisher, exact for moderate `x`.
fn normal_cdf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = 0.0;
    for n in 0..200 {
        sum += term;
        term *= x * x / f64::from(2 * n + 3);
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The networks, one after the other, one edge and one neuron at a time.
fn host_forward(network: &RadialNetwork, config: &RadialNetworkConfig, edge: &[f64]) -> Vec<f64> {
    (0..config.networks)
        .flat_map(|group| host_network(network, config, group, edge))
        .collect()
}

/// Network number `group`: its columns of the first map, its rows of the later ones.
fn host_network(
    network: &RadialNetwork,
    config: &RadialNetworkConfig,
    group: usize,
    edge: &[f64],
) -> Vec<f64> {
    let layers = network.layers.iter().zip(&config.hidden).enumerate();
    layers.fold(edge.to_vec(), |x, (index, (layer, &width))| {
        let weight = to_vec(&layer.weight.val());
        let weight = |i: usize, o: usize| match index {
            0 => weight[i * config.networks * width + group * width + o],
            _ => weight[(group * x.len() + i) * width + o],
        };
        let of_group = |param: &Option<Param<Tensor<1>>>| {
            let param = param.as_ref();
            param.map(|p| to_vec(&p.val())[group * width..][..width].to_vec())
        };
        let bias = of_group(&layer.bias);
        let mut y: Vec<f64> = (0..width)
            .map(|o| {
                let sum: f64 = (0..x.len()).map(|i| x[i] * weight(i, o)).sum();
                sum + bias.as_ref().map_or(0.0, |b| b[o])
            })
            .collect();
        if let (Some(gamma), Some(beta)) = (of_group(&layer.gamma), of_group(&layer.beta)) {
            let mean = y.iter().sum::<f64>() / width as f64;
            let variance = y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
            for (o, v) in y.iter_mut().enumerate() {
                *v = (*v - mean) / (variance + 1e-5).sqrt() * gamma[o] + beta[o];
            }
        }
        y.into_iter()
            .map(|v| scalar(config.activation, v))
            .collect()
    })
}

fn edges(count: usize) -> Vec<f64> {
    scattered(-1.0, 2.0, 4 * count)
}

#[test]
fn the_network_equals_a_slow_one_for_every_config() {
    const EDGES: usize = 11;
    for config in all_configs() {
        for dtype in DTYPES {
            let network = recast(config.init(&device()), dtype, Values::Scattered);
            let data = TensorData::new(edges(EDGES), [EDGES, 4]);
            let hidden = network.forward(Tensor::from_data(data, (&device(), dtype)));
            let width = config.hidden.last().copied().unwrap_or(4);
            assert_eq!(hidden.dims(), [EDGES, config.networks * width]);
            assert_eq!(network.networks(), config.networks);
            assert_eq!(
                network.layers.iter().all(|layer| layer.gamma.is_some()),
                config.norm == RadialNorm::LayerNorm || config.hidden.is_empty()
            );
            assert_eq!((network.d_input(), network.d_output()), (4, width));
            let expected: Vec<f64> = edges(EDGES)
                .chunks(4)
                .flat_map(|edge| host_forward(&network, &config, edge))
                .collect();
            let error = relative_error(&to_vec(&hidden), &expected);
            // Sums of up to 32 terms, a normalization that can magnify by a factor 10 a layer.
            assert!(
                error < tolerance(dtype, 1000.0),
                "{config} {dtype:?}: {error:e}"
            );
        }
    }
}

#[test]
fn network_gradients_equal_finite_differences() {
    let r = scattered(0.1, 5.0, 20);
    for norm in [RadialNorm::None, RadialNorm::LayerNorm] {
        for activation in [Activation::Silu, Activation::Gelu, Activation::Softplus] {
            let config = RadialNetworkConfig::new(1)
                .with_hidden(vec![6, 5])
                .with_norm(norm)
                .with_activation(activation);
            let network = recast(config.init(&device()), DType::F64, Values::Scattered);
            let weighted = |r: f64| -> f64 {
                let hidden = host_forward(&network, &config, &[r]);
                hidden
                    .iter()
                    .enumerate()
                    .map(|(i, h)| support::uneven(i) * h)
                    .sum()
            };
            let expected: Vec<f64> = r
                .iter()
                .map(|&r| five_point_derivative(weighted, r, 1e-4))
                .collect();
            let ours = differentiate(|x| network.forward(x), &r, DType::F64, support::uneven);
            let error = relative_error(&ours.gradient, &expected);
            // Measured 1e-12 to 1e-10: rounding over the step, and a fifth derivative that layer
            // normalization magnifies where the features of an edge are nearly equal.
            assert!(error < 1e-8, "{config}: {error:e}");
        }
    }
}

#[test]
fn layer_norm_survives_equal_features() {
    // Without spread the variance is zero; epsilon keeps value and gradient finite.
    let config = RadialNetworkConfig::new(1);
    for dtype in DTYPES {
        let network = recast(config.init(&device()), dtype, Values::Ones);
        let ours = differentiate(
            |x| network.forward(x),
            &[0.0, 1.0, 1e4],
            dtype,
            support::uneven,
        );
        assert!(
            ours.values
                .iter()
                .chain(&ours.gradient)
                .all(|v| v.is_finite())
        );
    }
}

#[test]
fn all_parameters_of_the_network_get_gradients() {
    let device = device().autodiff();
    let network = RadialNetworkConfig::new(3)
        .with_activation(Activation::Silu)
        .init(&device);
    let features = Tensor::<2>::ones([5, 3], &device);
    let hidden = network.forward(features);
    let gradients = (hidden.clone() * hidden).sum().backward();
    for layer in &network.layers {
        assert!(layer.weight.grad(&gradients).is_some());
        for param in [&layer.bias, &layer.gamma, &layer.beta] {
            let param = param.as_ref().expect("the default");
            assert!(param.grad(&gradients).is_some());
        }
    }
}

#[test]
fn the_defaults_are_the_papers() {
    let config = RadialNetworkConfig::new(5);
    assert_eq!(config.hidden, [32, 32]);
    assert_eq!(config.norm, RadialNorm::LayerNorm);
    assert_eq!(config.activation, Activation::Relu);
    let network = config.init(&device());
    // 5*32 + 32 + 2*32, then 32*32 + 32 + 2*32.
    assert_eq!(network.num_params(), 256 + 1120);
    let bound = 5.0_f64.sqrt().recip();
    assert!(largest(&to_vec(&network.layers[0].weight.val())) <= bound);
}

#[test]
fn network_configs_survive_serialization() {
    for config in all_configs() {
        let text = serde_json::to_string(&config).expect("serializes");
        let back: RadialNetworkConfig = serde_json::from_str(&text).expect("deserializes");
        assert_eq!(back, config);
    }
}

#[test]
fn no_edges_give_no_hidden_vectors() {
    let network = RadialNetworkConfig::new(4).init(&device());
    let none = Tensor::<2>::zeros([0, 4], &device());
    assert_eq!(network.forward(none).dims(), [0, 32]);
}

#[test]
fn empty_layers_are_refused() {
    let no_input = RadialNetworkConfig::new(0);
    let no_neuron = RadialNetworkConfig::new(2).with_hidden(vec![8, 0]);
    let no_network = RadialNetworkConfig::new(2).with_networks(0);
    for config in [no_input, no_neuron, no_network] {
        let error = config
            .try_init(&device())
            .map(drop)
            .expect_err("a width of zero");
        let RadialError::EmptyLayer { d_input, hidden } = error else {
            panic!("{error}");
        };
        assert_eq!((d_input, hidden), (config.d_input, config.hidden));
    }
}

#[test]
#[should_panic(expected = "RadialNetwork: expected edge features of shape [edges, 4], got [2, 3]")]
fn a_wrong_shape_panics_with_the_layer_and_both_shapes() {
    let network = RadialNetworkConfig::new(4).init(&device());
    network.forward(Tensor::zeros([2, 3], &device()));
}

#[test]
fn activations_equal_their_formulas_in_value_and_gradient() {
    let x = scattered(-5.0, 5.0, 60);
    for activation in ACTIVATIONS {
        let value = |x: f64| scalar(activation, x);
        let expected: Vec<f64> = x.iter().map(|&x| value(x)).collect();
        let slopes: Vec<f64> = x
            .iter()
            .map(|&x| five_point_derivative(value, x, 1e-3))
            .collect();
        for dtype in DTYPES {
            let ours = differentiate(|x| activation.apply(x), &x, dtype, |_| 1.0);
            let error = relative_error(&ours.values, &expected);
            assert!(
                error < tolerance(dtype, 5.0),
                "{activation:?} {dtype:?}: {error:e}"
            );
            let error = relative_error(&ours.gradient, &slopes);
            // The stencil itself is good to about 1e-11.
            let allowed = tolerance(dtype, 5.0).max(1e-10);
            assert!(error < allowed, "{activation:?} {dtype:?}: {error:e}");
        }
    }
}

#[test]
fn activations_are_finite_for_large_arguments() {
    let x = [-1e4, -100.0, 0.0, 100.0, 1e4];
    for activation in ACTIVATIONS {
        for dtype in DTYPES {
            let ours = differentiate(|x| activation.apply(x), &x, dtype, |_| 1.0);
            let all = ours.values.iter().chain(&ours.gradient);
            assert!(
                all.into_iter().all(|v| v.is_finite()),
                "{activation:?} {dtype:?}"
            );
        }
    }
}

#[test]
fn scaled_activations_have_second_moment_one() {
    // Gauss-Hermite would be circular for the smooth ones; the plain Riemann sum of the tensors'
    // own values is not: step 1e-3 on [-10, 10], kinks cost its square.
    let step = 1e-3;
    let z: Vec<f64> = (-10_000..=10_000).map(|i| f64::from(i) * step).collect();
    for activation in ACTIVATIONS {
        let values = to_vec(&activation.apply(column(&z, DType::F64, &device())));
        let moment: f64 = z
            .iter()
            .zip(&values)
            .map(|(z, f)| f * f * (-0.5 * z * z).exp() * step)
            .sum::<f64>()
            / (2.0 * std::f64::consts::PI).sqrt();
        let scale = activation.second_moment_scale();
        assert!(
            (scale * scale * moment - 1.0).abs() < 1e-9,
            "{activation:?}: {scale}"
        );
    }
}

#[test]
fn only_behind_a_relu_are_the_hidden_features_rectified() {
    let kind = |hidden: Vec<usize>, activation| {
        let config = RadialNetworkConfig::new(3)
            .with_hidden(hidden)
            .with_activation(activation);
        let network = config.init(&device());
        network.stack().hidden_kind()
    };
    for activation in ACTIVATIONS {
        let expected = match activation {
            Activation::Relu => HiddenKind::Rectified,
            _ => HiddenKind::Any,
        };
        assert_eq!(kind(vec![4, 5], activation), expected, "{activation:?}");
        // Without layers the input passes as it is.
        assert_eq!(kind(vec![], activation), HiddenKind::Any);
    }
}
