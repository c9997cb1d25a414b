//! The network that knows nothing of rotations, to compare with.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};
use steerable::kernels::{gather_rows, sum_rows};

use super::data::Batch;

/// Message passing on raw coordinates: each message reads the features of both balls, the relative
/// position and the product of charges.
#[derive(Module, Debug)]
pub struct PlainNetwork {
    embed: Linear,
    layers: Vec<PlainLayer>,
    output: Perceptron,
}

#[derive(Module, Debug)]
struct PlainLayer {
    message: Perceptron,
    update: Perceptron,
}

#[derive(Module, Debug)]
struct Perceptron {
    hidden: Linear,
    output: Linear,
}

/// Sizes of a [`PlainNetwork`].
#[derive(Clone, Copy, Debug)]
pub struct PlainNetworkConfig {
    /// Features of a ball and of a message.
    pub width: usize,
    /// Rounds of messages.
    pub num_layers: usize,
}

impl PlainNetworkConfig {
    /// Builds the network.
    pub fn init(&self, device: &Device) -> PlainNetwork {
        let width = self.width;
        let perceptron = |input, output| Perceptron {
            hidden: LinearConfig::new(input, width).init(device),
            output: LinearConfig::new(width, output).init(device),
        };
        PlainNetwork {
            embed: LinearConfig::new(7, width).init(device),
            layers: (0..self.num_layers)
                .map(|_| PlainLayer {
                    message: perceptron(2 * width + 4, width),
                    update: perceptron(2 * width, width),
                })
                .collect(),
            output: perceptron(width, 6),
        }
    }
}

impl PlainNetwork {
    /// Two vectors for each ball, `[N, 6]`.
    pub fn forward(&self, batch: &Batch) -> Tensor<2> {
        let (src, dst) = (batch.graph.src(), batch.graph.dst());
        let edges = Tensor::cat(
            vec![
                batch.graph.relative_positions(batch.positions.clone()),
                batch.charge_products.clone(),
            ],
            1,
        );
        let balls = vec![
            batch.positions.clone(),
            batch.velocities.clone(),
            batch.charges.clone(),
        ];
        let mut state = self.embed.forward(Tensor::cat(balls, 1));
        for layer in &self.layers {
            let ends = vec![
                gather_rows(state.clone(), src),
                gather_rows(state.clone(), dst),
                edges.clone(),
            ];
            let messages = layer.message.forward(Tensor::cat(ends, 1));
            let heard = sum_rows(messages, dst);
            let update = layer
                .update
                .forward(Tensor::cat(vec![state.clone(), heard], 1));
            state = state + update;
        }
        self.output.forward(state)
    }
}

impl Perceptron {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.output.forward(silu(self.hidden.forward(input)))
    }
}
