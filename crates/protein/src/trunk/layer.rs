//! One layer of the trunk.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

use super::attention::{TriangleAttention, TriangleAttentionConfig};
use super::multiplication::{TriangleEdges, TriangleMultiplication, TriangleMultiplicationConfig};

/// Configuration of a [`PairLayer`].
#[derive(Config, Debug)]
pub struct PairLayerConfig {
    /// Features of a pair, c.
    pub num_pair: usize,
    /// Features that triangle multiplication multiplies.
    #[config(default = 16)]
    pub num_hidden: usize,
    /// Heads of triangle attention; 0 leaves it out. With it memory is cubic in the chain's length.
    #[config(default = 0)]
    pub num_attention_heads: usize,
}

impl PairLayerConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> PairLayer {
        let c = self.num_pair;
        let multiplication =
            |edges| TriangleMultiplicationConfig::new(c, self.num_hidden, edges).init(device);
        let attention = || {
            TriangleAttentionConfig::new(c)
                .with_num_heads(self.num_attention_heads)
                .init(device)
        };
        let with_attention = self.num_attention_heads > 0;
        PairLayer {
            outgoing: multiplication(TriangleEdges::Outgoing),
            incoming: multiplication(TriangleEdges::Incoming),
            starting: with_attention.then(attention),
            ending: with_attention.then(attention),
            transition_norm: LayerNormConfig::new(c).init(device),
            transition: [
                LinearConfig::new(c, 2 * c).init(device),
                LinearConfig::new(2 * c, c).init(device),
            ],
        }
    }
}

/// Triangle multiplication over outgoing and incoming edges, attention around starting and ending
/// residues where it is asked for, and two maps on each pair; each is added to what was there.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithm 6 (lines 6 to 10), without the alignment.
#[derive(Module, Debug)]
pub struct PairLayer {
    /// Over the edges that leave.
    pub outgoing: TriangleMultiplication,
    /// Over the edges that arrive.
    pub incoming: TriangleMultiplication,
    /// Around the starting residue.
    pub starting: Option<TriangleAttention>,
    /// Around the ending residue.
    pub ending: Option<TriangleAttention>,
    /// Before the transition.
    pub transition_norm: LayerNorm,
    /// Two maps on each pair.
    pub transition: [Linear; 2],
}

impl PairLayer {
    /// Applies the layer.
    ///
    /// # Shapes
    /// - pairs: `[L, L, c]`
    /// - output: `[L, L, c]`
    pub fn forward(&self, pairs: Tensor<3>) -> Tensor<3> {
        let mut pairs = pairs.clone() + self.outgoing.forward(pairs);
        pairs = pairs.clone() + self.incoming.forward(pairs);
        if let Some(attention) = &self.starting {
            pairs = pairs.clone() + attention.forward(pairs);
        }
        if let Some(attention) = &self.ending {
            let heard = attention.forward(pairs.clone().swap_dims(0, 1));
            pairs = pairs + heard.swap_dims(0, 1);
        }
        let [first, second] = &self.transition;
        let normed = self.transition_norm.forward(pairs.clone());
        pairs + second.forward(silu(first.forward(normed)))
    }
}
