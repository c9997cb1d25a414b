//! Pairs hear the two other sides of every triangle they are in, by products.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

/// Which sides of the triangle i, j, k the pair (i, j) hears.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum TriangleEdges {
    /// (i, k) and (j, k), which leave i and j.
    Outgoing,
    /// (k, i) and (k, j), which arrive at i and j.
    Incoming,
}

/// Configuration of a [`TriangleMultiplication`].
#[derive(Config, Debug)]
pub struct TriangleMultiplicationConfig {
    /// Features of a pair, c.
    pub num_pair: usize,
    /// Features that are multiplied, h.
    pub num_hidden: usize,
    /// Which sides are heard.
    pub edges: TriangleEdges,
}

impl TriangleMultiplicationConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> TriangleMultiplication {
        let (c, h) = (self.num_pair, self.num_hidden);
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        TriangleMultiplication {
            norm: LayerNormConfig::new(c).init(device),
            sides: linear(c, 2 * h),
            side_gates: linear(c, 2 * h),
            product_norm: LayerNormConfig::new(h).init(device),
            output: linear(h, c),
            output_gate: linear(c, c),
            edges: self.edges,
        }
    }
}

/// `z_ij <- g_ij * W LayerNorm(sum over k of a_ik b_jk)` with gated linear maps a and b of the features
/// (`a_ki b_kj` for incoming edges). The sum is divided by the length, so that it does not grow with it.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithms 11 and 12.
#[derive(Module, Debug)]
pub struct TriangleMultiplication {
    /// Before everything.
    pub norm: LayerNorm,
    /// a and b, side by side.
    pub sides: Linear,
    /// Their gates.
    pub side_gates: Linear,
    /// Behind the sum.
    pub product_norm: LayerNorm,
    /// From the sum to the features.
    pub output: Linear,
    /// The gate of what comes out.
    pub output_gate: Linear,
    #[module(skip)]
    edges: TriangleEdges,
}

impl TriangleMultiplication {
    /// What is to be added to the features.
    ///
    /// # Shapes
    /// - pairs: `[L, L, c]`
    /// - output: `[L, L, c]`
    pub fn forward(&self, pairs: Tensor<3>) -> Tensor<3> {
        let length = pairs.dims()[0];
        let normed = self.norm.forward(pairs);
        let gates = sigmoid(self.side_gates.forward(normed.clone()));
        // [2 h, L, L]
        let sides = (self.sides.forward(normed.clone()) * gates).permute([2, 0, 1]);
        let hidden = sides.dims()[0] / 2;
        let a = sides.clone().slice_dim(0, 0..hidden);
        let b = sides.slice_dim(0, hidden..2 * hidden);
        let product = match self.edges {
            TriangleEdges::Outgoing => a.matmul(b.swap_dims(1, 2)),
            TriangleEdges::Incoming => a.swap_dims(1, 2).matmul(b),
        };
        let product = (product * (length as f64).recip()).permute([1, 2, 0]);
        let output = self.output.forward(self.product_norm.forward(product));
        output * sigmoid(self.output_gate.forward(normed))
    }
}
