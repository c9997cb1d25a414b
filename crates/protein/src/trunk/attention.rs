//! Pairs hear the other pairs of one of their residues, by attention.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`TriangleAttention`].
#[derive(Config, Debug)]
pub struct TriangleAttentionConfig {
    /// Features of a pair, c.
    pub num_pair: usize,
    /// Number of heads.
    #[config(default = 2)]
    pub num_heads: usize,
    /// Features of queries, keys and values of a head.
    #[config(default = 8)]
    pub num_channels: usize,
}

impl TriangleAttentionConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> TriangleAttention {
        let (c, inner) = (self.num_pair, self.num_heads * self.num_channels);
        let free = |inputs, outputs| {
            let config = LinearConfig::new(inputs, outputs).with_bias(false);
            config.init(device)
        };
        TriangleAttention {
            norm: LayerNormConfig::new(c).init(device),
            query: free(c, inner),
            key: free(c, inner),
            value: free(c, inner),
            bias: free(c, self.num_heads),
            gate: LinearConfig::new(c, inner).init(device),
            output: LinearConfig::new(inner, c).init(device),
            num_heads: self.num_heads,
        }
    }
}

/// Attention of the pair (i, j) over the pairs (i, k), with a bias from the third side (j, k).
///
/// Logits are `[L, heads, L, L]`: cubic in the length of the chain, in memory too. Applied to the
/// transposed pairs it is the attention around the ending residue.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithms 13 and 14.
#[derive(Module, Debug)]
pub struct TriangleAttention {
    /// Before everything.
    pub norm: LayerNorm,
    /// Queries of (i, j).
    pub query: Linear,
    /// Keys of (i, k).
    pub key: Linear,
    /// Values of (i, k).
    pub value: Linear,
    /// Bias of the logits, of (j, k).
    pub bias: Linear,
    /// The gate of what was heard.
    pub gate: Linear,
    /// From the heads to the features.
    pub output: Linear,
    num_heads: usize,
}

impl TriangleAttention {
    /// What is to be added to the features, around the starting residue.
    ///
    /// # Shapes
    /// - pairs: `[L, L, c]`
    /// - output: `[L, L, c]`
    pub fn forward(&self, pairs: Tensor<3>) -> Tensor<3> {
        let [length, ..] = pairs.dims();
        let heads = self.num_heads;
        let pairs = self.norm.forward(pairs);
        // [i, heads, j, channels]
        let split = |columns: Tensor<3>| -> Tensor<4> {
            let channels = columns.dims()[2] / heads;
            columns
                .reshape([length, length, heads, channels])
                .swap_dims(1, 2)
        };
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|map| split(map.forward(pairs.clone())));
        let scale = (query.dims()[3] as f64).sqrt().recip();
        // [1, heads, j, k]
        let bias = self.bias.forward(pairs.clone()).permute([2, 0, 1]);
        let logits = query.matmul(key.swap_dims(2, 3)) * scale + bias.unsqueeze_dim(0);
        let heard = softmax(logits, 3).matmul(value).swap_dims(1, 2);
        let inner = heads * heard.dims()[3];
        let heard = heard.reshape([length, length, inner]);
        let gate = sigmoid(self.gate.forward(pairs));
        self.output.forward(heard * gate)
    }
}
