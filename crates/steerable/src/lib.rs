//! SE(3)-equivariant neural networks in Rust, on the burn deep-learning framework.
//!
//! This crate re-exports the others and chooses backends; it holds no logic of its own. Positions
//! become a [`Graph`](graph::Graph), features are typed by their [`Irreps`](irreps::Irreps), and a
//! model maps [`Features`](nn::Features) on a [`Cloud`](nn::Cloud) to features:
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use steerable::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! // A water molecule in angstrom: O, H, H. In: the atomic number; out: an energy-like scalar and
//! // a force-like vector for each atom. 0e: even scalar, 1o: polar vector.
//! let water = [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]];
//! let [irreps_in, hidden, irreps_out]: [Irreps; 3] =
//!     ["1x0e".parse()?, "8x0e + 4x1o".parse()?, "1x0e + 1x1o".parse()?];
//! let model = SE3TransformerConfig::new(irreps_in.clone(), hidden, irreps_out)
//!     .with_num_layers(2)
//!     .try_init(&device)?;
//!
//! let graph = GraphTensors::new(&Graph::complete(3), &device);
//! let cloud = Cloud::new(graph, Tensor::from_data(water, &device));
//! let features = Features::new(irreps_in, Tensor::from_data([[8.0], [1.0], [1.0]], &device));
//! let output = model.forward(&features, &cloud).features;
//! assert_eq!(output.packed().dims(), [3, 4]);
//! # Ok(())
//! # }
//! ```
//!
//! | module | crate | what it holds |
//! | --- | --- | --- |
//! | [`irreps`] | `steerable-irreps` | irreps, rotations, Wigner-D |
//! | [`harmonics`] | `steerable-harmonics` | spherical harmonics, 3j symbols, kernel bases, path plans |
//! | [`graph`] | `steerable-graph` | neighbour search, edge lists, ragged batches |
//! | [`kernels`] | `steerable-kernels` | custom burn operations |
//! | [`radial`] | `steerable-radial` | radial bases, envelopes, radial networks |
//! | [`nn`] | `steerable-nn` | layers, attention, the SE(3)-Transformer |
//!
//! The equivariance test kit, `steerable-testkit`, stands apart: it knows no tensors and belongs
//! among the development dependencies.
//!
//! # Features
//!
//! | feature | what it enables |
//! | --- | --- |
//! | `flex` (default) | burn's CPU backend; the custom operations read its tensors in place |
//! | `ndarray` | burn's older CPU backend, deprecated there |
//! | `wgpu`, `vulkan`, `webgpu`, `metal`, `cuda`, `rocm` | burn's GPU backends: kernels in f32, run so far on software Vulkan only |
//! | `import` | loading NVIDIA's weights from safetensors files, [`nn::nvidia`] |
//!
//! A program names its device (`Device::flex()`), since the default depends on what else is enabled.

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

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeDoctests;
