//! SE(3)-equivariant neural networks in Rust, on the burn deep-learning framework.
//!
//! This crate re-exports the others and chooses backends; it holds no logic of its own.
//!
//! | module | crate | what it holds |
//! | --- | --- | --- |
//! | [`irreps`] | `steerable-irreps` | irreps, rotations, Wigner-D |
//! | [`harmonics`] | `steerable-harmonics` | spherical harmonics, 3j symbols, kernel bases, path plans |
//! | [`graph`] | `steerable-graph` | neighbour search, edge lists, ragged batches |
//! | [`kernels`] | `steerable-kernels` | custom burn operations |
//! | [`radial`] | `steerable-radial` | radial bases, envelopes, radial networks |
//! | [`nn`] | `steerable-nn` | layers, attention, the SE(3)-Transformer |

pub use steerable_graph as graph;
pub use steerable_harmonics as harmonics;
pub use steerable_irreps as irreps;
pub use steerable_kernels as kernels;
pub use steerable_nn as nn;
pub use steerable_radial as radial;

/// What most programs need.
pub mod prelude {
    pub use steerable_graph::{Edge, Graph};
    pub use steerable_irreps::{Irrep, Irreps, Layout, Parity, Rotation};
    pub use steerable_nn::{
        Aggregation, AttentionBlock, AttentionBlockConfig, BuildError, Cloud, Convolution,
        ConvolutionConfig, Features, GraphTensors, Pooling, SE3Transformer, SE3TransformerConfig,
        SteerableLinear, SteerableLinearConfig, TensorFieldNetwork, TensorFieldNetworkConfig,
    };
}
