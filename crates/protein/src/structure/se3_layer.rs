//! The structure layer of the seed: an SE(3)-Transformer on the frames.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use steerable_irreps::{Irrep, Irreps, MulIrrep};
use steerable_nn::{
    BuildError, Cloud, Features, RelativePosition, SE3Transformer, SE3TransformerConfig,
};

use super::frames::FrameUpdate;
use super::layer::{ResidueUpdate, Residues, StructureLayer, Surroundings};

/// Configuration of a [`TransformerLayer`].
#[derive(Config, Debug)]
pub struct TransformerLayerConfig {
    /// Irreps between the attention blocks.
    #[config(default = "\"32x0 + 16x1 + 8x2\".parse().expect(\"these are irreps\")")]
    pub irreps_hidden: Irreps,
    /// Number of attention blocks.
    #[config(default = 1)]
    pub num_blocks: usize,
    /// Number of attention heads; it divides the channels of the values.
    #[config(default = 4)]
    pub num_heads: usize,
}

impl TransformerLayerConfig {
    /// Makes the layer for `num_scalars` features of the residues and `num_edge_scalars` of the edges.
    ///
    /// # Errors
    /// As [`SE3TransformerConfig::try_init`].
    pub fn try_init(
        &self,
        num_scalars: usize,
        num_edge_scalars: usize,
        device: &Device,
    ) -> Result<TransformerLayer, BuildError> {
        // In: the three axes of the frame; out: a shift and a turn.
        let [irreps_in, irreps_out] =
            [3, 2].map(|vectors| scalars_and_vectors(num_scalars, vectors));
        let transformer =
            SE3TransformerConfig::new(irreps_in, self.irreps_hidden.clone(), irreps_out)
                .with_num_layers(self.num_blocks)
                .with_num_heads(self.num_heads)
                .with_num_edge_scalars(num_edge_scalars)
                .with_relative_position(RelativePosition::Joined)
                .try_init(device)?;
        let small = Initializer::Constant { value: 0.1 };
        Ok(TransformerLayer {
            transformer,
            shift_scale: small.init([1], device),
            turn_scale: small.init([1], device),
        })
    }
}

fn scalars_and_vectors(scalars: usize, vectors: usize) -> Irreps {
    let blocks = [(scalars, 0), (vectors, 1)].map(|(mul, l)| MulIrrep {
        mul,
        irrep: Irrep::so3(l),
    });
    Irreps::try_new(blocks.to_vec()).expect("both are of SO(3)")
}

/// Attention between residues by kernels that commute with rotations.
///
/// A residue's features are its scalars and, as three vectors, the axes of its frame; what comes out
/// is a shift and a turn as vectors, which turn with the whole and are then told in the frame. The
/// irreps are of SO(3), without parity, so the layer tells a structure from its mirror image.
///
/// # Source
/// Fuchs and Dauparas, "AlphaFold 2 & Equivariance"; SE(3)-Transformers (arXiv 2006.10503).
#[derive(Module, Debug)]
pub struct TransformerLayer {
    /// The SE(3)-Transformer.
    pub transformer: SE3Transformer,
    /// What the shifts are multiplied by, `[1]`, in angstrom: small at first.
    pub shift_scale: Param<Tensor<1>>,
    /// What the turns are multiplied by, `[1]`: small at first.
    pub turn_scale: Param<Tensor<1>>,
}

impl StructureLayer for TransformerLayer {
    fn forward(&self, residues: &Residues, surroundings: &Surroundings) -> ResidueUpdate {
        let rotation = residues.frames.rotation();
        let features = Features::from_blocks(
            self.transformer.irreps_in().clone(),
            vec![residues.scalars.clone().unsqueeze_dim(1), rotation.clone()],
        );
        let cloud = Cloud::new(surroundings.graph.clone(), residues.frames.translation())
            .with_edge_scalars(surroundings.scalars.clone());
        let output = self.transformer.forward(&features, &cloud).features;
        let vectors = rotation.swap_dims(1, 2).matmul(output.block(1));
        let [shift, turn] = [0, 1].map(|column| {
            vectors
                .clone()
                .slice_dim(2, column..column + 1)
                .squeeze_dim(2)
        });
        ResidueUpdate {
            scalars: output.block(0).squeeze_dim(1),
            frame: FrameUpdate {
                turn: turn * self.turn_scale.val().unsqueeze::<2>(),
                shift: shift * self.shift_scale.val().unsqueeze::<2>(),
            },
        }
    }
}
