//! Custom operations of the steerable layers on burn's backends, each with a hand-written backward
//! pass.
//!
//! They sit between the path plans of `steerable-harmonics` and the layers of `steerable-nn`: what
//! is hot, and what must not store a tensor of size edges x c_in x c_out x paths, lives here.
//!
//! | operation | what it does |
//! | --- | --- |
//! | [`edge_geometry`], [`vector_geometry`] | positions or edge vectors to distances and harmonics, analytic gradient |
//! | [`convolve`] | gather, couple, weigh by radial weights formed tile by tile, sum per destination |
//! | [`gather_rows`], [`sum_rows`] | each other's transposes, in a fixed order |
//! | [`attend`] | logits, softmax over the incoming edges of each node, sum of their values |
//! | [`pass_messages`] | radial layers, `convolve` and `attend` slab by slab, within a memory budget |
//! | [`steerable_linear`] | the channels of each irrep mixed, on packed rows |
//! | [`norm_nonlinearity`], [`gate`] | non-linearities that commute with rotations |
//! | [`equivariant_layer_norm`] | normalization that commutes with rotations |
//! | [`activate`] | activations, vectorised |
//! | [`adam_step`] | a step of the optimizer, in one pass |
//! | [`radial_layer`] | linear map, normalization and activation of radial networks side by side |
//!
//! # Backends
//! With the feature `flex` (default) tensors of burn's CPU backend are read in place; those of
//! `ndarray` run the same host kernels through a copy. On `cubecl` (wgpu, CUDA, ...) every operation has
//! kernels of its own in f32; in f64 tensors are copied to the host and back.
//!
//! # Determinism
//! Every sum has one owner and a fixed order; the same inputs on the same number of threads give the
//! same bits.

mod activation;
mod composed;
#[cfg(feature = "cubecl")]
mod cube;
mod edges;
mod host;
mod message_plan;
mod ops;
mod slabs;

pub use activation::Activation;
pub use composed::radial_stack::{RadialStack, RadialStackLayer};
pub use edges::RowGroups;
pub use host::attention::AttentionPlan;
pub use host::convolution::{HiddenKind, Wanted};
pub use host::gate::{GatePlan, ScaledActivation};
pub use host::norm_nonlinearity::NormNonlinearityOptions;
pub use host::norm_plan::{NormBlock, NormPlan};
pub use host::radial::RadialWanted;
pub use host::steerable_linear::{LinearMap, LinearPlan, LinearWanted};
pub use message_plan::{MessageConvolution, MessagePlan, Reduction};
pub use ops::activation::{ActivationOps, activate};
pub use ops::adam::{AdamOps, AdamStep, adam_step};
pub use ops::attention::{AttentionForm, AttentionInputs, AttentionOps, attend};
pub use ops::convolution::{ConvolutionInputs, ConvolutionOps, convolve};
pub use ops::gate::{GateOps, gate};
pub use ops::geometry::{
    EdgeEnds, EdgeVectors, GeometryOps, edge_geometry, spherical_harmonics, vector_geometry,
};
pub use ops::linear::{LinearInputs, LinearOps, steerable_linear};
pub use ops::messages::{
    MessageAttention, MessageInputs, MessageJob, MessageOps, MessageParameters, pass_messages,
};
pub use ops::norm::{NormAffine, NormOps, equivariant_layer_norm, norm_nonlinearity};
pub use ops::radial::{
    LayerNormAffine, RadialLayerInputs, RadialLayerOptions, RadialOps, radial_layer,
};
pub use ops::rows::{RowOps, gather_rows, sum_rows};
pub use slabs::{BudgetTooSmall, EdgeList, MemoryBudget};
