//! Steerable layers, equivariant attention and the SE(3)-Transformer, on burn tensors.
#![cfg_attr(
    test,
    allow(missing_docs, reason = "tests are documented by their names")
)]

mod attention;
mod convolution;
mod edges;
mod error;
mod features;
mod gate;
mod linear;
mod norm;
pub mod nvidia;
mod pooling;
mod tfn;
mod transformer;

pub use attention::{AttentionBlock, AttentionBlockConfig, KeyValue, LogitScale, Skip};
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
pub use pooling::{Pooling, broadcast_to_nodes};
pub use tfn::{TensorFieldNetwork, TensorFieldNetworkConfig};
pub use transformer::{
    BlockNorm, Cloud, Refinement, RelativePosition, SE3Transformer, SE3TransformerConfig,
    SharingRule, TransformerOutput,
};
