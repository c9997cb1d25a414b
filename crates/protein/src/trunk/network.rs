//! Embedding, pair layers, distogram.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, activation};

use super::layer::{PairLayer, PairLayerConfig};
use crate::structure::{SEPARATIONS, one_hot, separation_class};

/// Configuration of a [`Trunk`].
#[derive(Config, Debug)]
pub struct TrunkConfig {
    /// Width of the residues' input features, such as the sequence.
    pub num_inputs: usize,
    /// Width of the pairs' input features, such as observed distances.
    pub num_pair_inputs: usize,
    /// Bins of the distogram.
    pub num_bins: usize,
    /// Features of a pair, c.
    #[config(default = 32)]
    pub num_pair: usize,
    /// Features that triangle multiplication multiplies.
    #[config(default = 16)]
    pub num_hidden: usize,
    /// Number of pair layers.
    #[config(default = 2)]
    pub num_layers: usize,
    /// Heads of triangle attention; 0 leaves it out. With it memory is cubic in the chain's length.
    #[config(default = 0)]
    pub num_attention_heads: usize,
}

impl TrunkConfig {
    /// Makes the trunk.
    pub fn init(&self, device: &Device) -> Trunk {
        let c = self.num_pair;
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let layer = PairLayerConfig::new(c)
            .with_num_hidden(self.num_hidden)
            .with_num_attention_heads(self.num_attention_heads);
        Trunk {
            embed_residues: [linear(self.num_inputs, c), linear(self.num_inputs, c)],
            embed_pairs: linear(self.num_pair_inputs + SEPARATIONS, c),
            layers: (0..self.num_layers).map(|_| layer.init(device)).collect(),
            norm: LayerNormConfig::new(c).init(device),
            distogram: linear(c, self.num_bins),
        }
    }
}

/// What a trunk reads of one chain of L residues.
#[derive(Clone, Debug)]
pub struct TrunkInputs {
    /// Features of the residues, `[L, num_inputs]`.
    pub residues: Tensor<2>,
    /// Features of the pairs, `[L, L, num_pair_inputs]`; they need not be symmetric.
    pub pairs: Tensor<3>,
    /// Class of the separation along the chain, `[L, L, SEPARATIONS]`.
    separations: Tensor<3>,
}

impl TrunkInputs {
    /// Features of residues and pairs, and where the residues stand along the chain, as
    /// [`residue_index`](crate::structure::residue_index) tells.
    ///
    /// # Panics
    /// When the numbers of residues differ.
    pub fn new(residues: Tensor<2>, pairs: Tensor<3>, residue_index: &[i32]) -> Self {
        let length = residue_index.len();
        assert_eq!(
            (residues.dims()[0], pairs.dims()[0], pairs.dims()[1]),
            (length, length, length),
            "TrunkInputs: features of the same residues"
        );
        let classes: Vec<usize> = residue_index
            .iter()
            .flat_map(|to| {
                residue_index
                    .iter()
                    .map(move |from| separation_class(to - from))
            })
            .collect();
        let (device, dtype): (Device, DType) = (pairs.device(), pairs.dtype());
        let separations = one_hot(&classes, SEPARATIONS, &device, dtype);
        Self {
            residues,
            pairs,
            separations: separations.reshape([length, length, SEPARATIONS]),
        }
    }
}

/// What a trunk gives.
#[derive(Clone, Debug)]
pub struct TrunkOutput {
    /// Features of the pairs, `[L, L, c]`: row i, column j is what i knows of j.
    pub pairs: Tensor<3>,
    /// Logits of the bins of the distances, `[L, L, num_bins]`, symmetric.
    pub distogram: Tensor<3>,
}

impl TrunkOutput {
    /// The probabilities of the bins, pair by pair, row by row: `L * L * num_bins` numbers.
    pub fn probabilities(&self) -> Vec<f64> {
        let probabilities = activation::softmax(self.distogram.clone().detach(), 2);
        let data = probabilities.into_data().convert::<f64>();
        data.try_into_vec().expect("they were just converted")
    }
}

/// Sequence and pairs in, features of pairs and a distogram out.
///
/// It knows residues by their features and by how far apart they are along the chain only: residues in
/// another order give the same in another order.
///
/// # Source
/// Fuchs and Dauparas, "AlphaFold 2 & Equivariance" (embedding and trunk); Jumper et al. 2021,
/// supplement, algorithms 3 to 6, without the alignment.
#[derive(Module, Debug)]
pub struct Trunk {
    /// Of the pair's first and of its second residue.
    pub embed_residues: [Linear; 2],
    /// Of what is given with the pair, and of the separation.
    pub embed_pairs: Linear,
    /// The layers.
    pub layers: Vec<PairLayer>,
    /// Behind the layers.
    pub norm: LayerNorm,
    /// From the features of a pair and its reverse to the bins.
    pub distogram: Linear,
}

impl Trunk {
    /// Applies the trunk to one chain. O(L^2) memory (O(L^3) with triangle attention), O(L^3) time.
    pub fn forward(&self, inputs: &TrunkInputs) -> TrunkOutput {
        let [first, second] = self
            .embed_residues
            .each_ref()
            .map(|map| map.forward(inputs.residues.clone()));
        let given = Tensor::cat(vec![inputs.pairs.clone(), inputs.separations.clone()], 2);
        let mut pairs = self.embed_pairs.forward(given)
            + first.unsqueeze_dim::<3>(1)
            + second.unsqueeze_dim::<3>(0);
        for layer in &self.layers {
            pairs = layer.forward(pairs);
        }
        let pairs = self.norm.forward(pairs);
        let both = pairs.clone() + pairs.clone().swap_dims(0, 1);
        TrunkOutput {
            distogram: self.distogram.forward(both * 0.5),
            pairs,
        }
    }

    /// Applies the trunk to every chain of a batch, one after the other.
    pub fn forward_batch(&self, chains: &[TrunkInputs]) -> Vec<TrunkOutput> {
        chains.iter().map(|chain| self.forward(chain)).collect()
    }
}
