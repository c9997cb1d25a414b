//! The SE(3)-Transformer with a pooled, invariant output: one row per graph.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::error::{BuildError, expect_built};
use crate::{Cloud, Features, Pooling, SE3Transformer, SE3TransformerConfig};

/// Configuration of a [`PooledTransformer`].
#[derive(Config, Debug)]
pub struct PooledTransformerConfig {
    /// The transformer; its output must be scalars.
    pub transformer: SE3TransformerConfig,
    /// Number of values for each graph.
    pub num_outputs: usize,
    /// How the nodes of a graph become one row.
    #[config(default = "Pooling::Max")]
    pub pooling: Pooling,
}

/// An [`SE3Transformer`] with scalar output, pooled over each graph, then a two-layer perceptron as
/// wide as the scalars with a rectifier: molecular properties, classes of shapes.
///
/// # Source
/// The QM9 model of SE(3)-Transformers (arXiv 2006.10503); NVIDIA's `SE3TransformerPooled`.
#[derive(Module, Debug)]
pub struct PooledTransformer {
    /// Gives the scalars of each node.
    pub transformer: SE3Transformer,
    /// First layer of the perceptron.
    pub hidden: Linear,
    /// Second layer of the perceptron.
    pub output: Linear,
    #[module(skip)]
    pooling: Pooling,
}

impl PooledTransformerConfig {
    /// Builds the model.
    ///
    /// # Errors
    /// When the transformer cannot be built or its output is not scalars.
    pub fn try_init(&self, device: &Device) -> Result<PooledTransformer, BuildError> {
        const LAYER: &str = "PooledTransformer";
        let irreps_out = &self.transformer.irreps_out;
        if irreps_out.is_empty() || irreps_out.iter().any(|block| !block.irrep.is_scalar()) {
            return Err(BuildError::Unsupported {
                layer: LAYER.into(),
                irreps: irreps_out.clone(),
                reason: "must be invariant scalars, one or more",
            });
        }
        let width = irreps_out.dim();
        Ok(PooledTransformer {
            transformer: self
                .transformer
                .try_init(device)
                .map_err(|e| e.within(LAYER))?,
            hidden: LinearConfig::new(width, width).init(device),
            output: LinearConfig::new(width, self.num_outputs).init(device),
            pooling: self.pooling,
        })
    }

    /// Builds the model.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> PooledTransformer {
        expect_built(self.try_init(device))
    }
}

impl PooledTransformer {
    /// One row for each graph of the batch.
    ///
    /// # Shapes
    /// - output: `[num_graphs, num_outputs]`
    ///
    /// # Panics
    /// Where [`SE3Transformer::forward`] does.
    #[track_caller]
    pub fn forward(&self, features: &Features, cloud: &Cloud) -> Tensor<2> {
        let nodes = self.transformer.forward(features, cloud).features;
        let graphs = self.pooling.forward(&nodes, &cloud.graph).into_packed();
        self.output
            .forward(burn::tensor::activation::relu(self.hidden.forward(graphs)))
    }
}
