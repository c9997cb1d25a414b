//! Steerable layers, equivariant attention and the SE(3)-Transformer, on burn tensors.
//!
//! This is the last step of the way of the data: a graph and positions become [`Edges`] once per
//! forward pass, and the layers map [`Features`] to [`Features`] over them.
//!
//! ```text
//! Graph ─► GraphTensors ─┐
//! positions ─────────────┴─► EdgeGeometry ─► Edges ──┬───────────────┬──────────┐
//!                                                    ▼               ▼          ▼
//! Features ───────────────────────────────► AttentionBlock ─► .. ─► .. ─► Convolution ─► Features
//! ```
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//! use steerable_graph::Graph;
//! use steerable_nn::{Cloud, Features, GraphTensors, Pooling, SE3TransformerConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! let model = SE3TransformerConfig::new(
//!     "2x0 + 1x1".parse()?,       // of each node: two scalars and a vector
//!     "8x0 + 8x1 + 4x2".parse()?, // between the blocks
//!     "1x1".parse()?,             // a vector out
//! )
//! .with_num_layers(2)
//! .with_num_heads(2)
//! .try_init(&device)?;
//!
//! // Two graphs in one batch, 4 + 3 nodes.
//! let graph = Graph::batch(&[Graph::complete(4), Graph::complete(3)]);
//! let graph = GraphTensors::new(&graph, &device);
//! let positions = Tensor::random([7, 3], Distribution::Normal(0.0, 1.0), &device);
//! let packed = Tensor::random([7, 5], Distribution::Normal(0.0, 1.0), &device);
//! let features = Features::new("2x0 + 1x1".parse()?, packed);
//!
//! let output = model.forward(&features, &Cloud::new(graph.clone(), positions));
//! assert_eq!(output.features.packed().dims(), [7, 3]);
//! let of_graphs = Pooling::Mean.forward(&output.features, &graph);
//! assert_eq!(of_graphs.packed().dims(), [2, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! | layer | what it does |
//! | --- | --- |
//! | [`SteerableLinear`] | mixes the channels of each irrep: self-interaction |
//! | [`Convolution`] | tensor field convolution, full or channel-wise radial weights |
//! | [`AttentionBlock`] | invariant attention weights, equivariant values, a skip |
//! | [`NormNonlinearity`], [`Gate`] | non-linearities that commute with rotations |
//! | [`EquivariantLayerNorm`] | normalization that commutes with rotations |
//! | [`Pooling`] | nodes to graphs |
//! | [`TensorFieldNetwork`], [`SE3Transformer`] | the models |
//!
//! A configuration is checked when its layer is built: `try_init` returns a [`BuildError`] that
//! names the layer and the irreps, `init` panics with the same text. A `forward` called with other
//! irreps than the layer was built for panics.
//!
//! # Features
//! `import`: [`nvidia`]'s `load`, which reads NVIDIA's weights from safetensors files. Enable a
//! backend on `burn` and on `steerable-kernels`, or on the `steerable` facade, which does both.
#![cfg_attr(
    test,
    allow(missing_docs, reason = "tests are documented by their names")
)]

mod attention;
mod cloud;
mod convolution;
mod edges;
mod error;
mod features;
mod gate;
mod linear;
mod messages;
mod norm;
pub mod nvidia;
mod pooled;
mod pooling;
mod precision;
mod tfn;
mod transformer;

pub use attention::{AttentionBlock, AttentionBlockConfig, KeyValue, LogitScale, Skip};
pub use cloud::Cloud;
pub use convolution::{
    Aggregation, Convolution, ConvolutionConfig, LastLayerBias, RadialOptions, SelfInteraction,
};
pub use edges::{EdgeGeometry, Edges, GraphTensors, HarmonicsOptions};
pub use error::BuildError;
pub use features::Features;
pub use gate::{ActivationScale, Gate, GateConfig};
pub use linear::{ScalarBias, SteerableLinear, SteerableLinearConfig};
pub use norm::{
    EquivariantLayerNorm, EquivariantLayerNormConfig, NormNonlinearity, NormNonlinearityConfig,
    NormTransform,
};
pub use pooled::{PooledTransformer, PooledTransformerConfig};
pub use pooling::{Pooling, broadcast_to_nodes};
pub use precision::with_float_type;
pub use steerable_kernels::MemoryBudget;
pub use tfn::{Nonlinearity, TensorFieldNetwork, TensorFieldNetworkConfig};
pub use transformer::{
    BlockNorm, Refinement, RelativePosition, SE3Transformer, SE3TransformerConfig, SharingRule,
    TransformerOutput,
};
