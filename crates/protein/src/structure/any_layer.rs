//! A layer chosen when the program runs.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;
use steerable_nn::BuildError;

use super::layer::{ResidueUpdate, Residues, StructureLayer, Surroundings};
use super::module::{StructureModule, StructureModuleConfig};
use super::point_attention::{PointAttentionConfig, PointAttentionLayer};
use super::se3_layer::{TransformerLayer, TransformerLayerConfig};

/// Which layer moves the frames, and how it is built.
#[derive(Config, Debug)]
pub enum LayerConfig {
    /// An SE(3)-Transformer.
    Transformer(TransformerLayerConfig),
    /// Invariant point attention.
    PointAttention(PointAttentionConfig),
}

/// Either kind of layer.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a model has a handful of layers, and burn's modules cannot be boxed"
)]
pub enum AnyLayer {
    /// An SE(3)-Transformer.
    Transformer(TransformerLayer),
    /// Invariant point attention.
    PointAttention(PointAttentionLayer),
}

impl StructureLayer for AnyLayer {
    fn forward(&self, residues: &Residues, surroundings: &Surroundings) -> ResidueUpdate {
        match self {
            Self::Transformer(layer) => layer.forward(residues, surroundings),
            Self::PointAttention(layer) => layer.forward(residues, surroundings),
        }
    }
}

impl StructureModuleConfig {
    /// The module with layers of the kind that is asked for.
    ///
    /// # Errors
    /// As [`TransformerLayerConfig::try_init`].
    pub fn try_init_any(
        &self,
        layer: &LayerConfig,
        device: &Device,
    ) -> Result<StructureModule<AnyLayer>, BuildError> {
        let (scalars, edge_scalars) = (self.num_scalars, self.num_edge_scalars);
        let layers = (0..self.num_layers())
            .map(|_| {
                Ok(match layer {
                    LayerConfig::Transformer(config) => {
                        AnyLayer::Transformer(config.try_init(scalars, edge_scalars, device)?)
                    }
                    LayerConfig::PointAttention(config) => {
                        AnyLayer::PointAttention(config.init(scalars, edge_scalars, device))
                    }
                })
            })
            .collect::<Result<_, BuildError>>()?;
        Ok(self.init_with(layers, device))
    }
}
