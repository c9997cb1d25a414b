//! From the length of an edge to the hidden vector that weighs its kernel.
//!
//! A steerable convolution splits its kernel into an angular part, which is fixed by symmetry, and
//! a radial part, which is learned. This crate is the radial part. Everything in it sees only
//! invariants (a distance and scalar edge features), so nothing here can break equivariance.
//!
//! ```text
//! distance [E, 1] ──► RadialBasis ──► [E, count] ─┬─► RadialNetwork ──► hidden [E, h]
//!        │                edge scalars [E, s] ────┘                        │
//!        │                                                                 ▼
//!        └──────────► Envelope ──► [E, 1] ─────────────────────► kernel weights (convolution)
//! ```
//!
//! - [`RadialBasis`] spreads a distance over smooth features.
//! - [`Envelope`] takes a message to zero at the [`Cutoff`]. Multiply it onto the *kernel weights*:
//!   a network with biases does not map zero to zero, so an envelope on its input alone leaves a
//!   jump when an edge enters the neighbourhood.
//! - [`RadialNetwork`] is the multilayer perceptron up to its last hidden vector. The last linear
//!   map, from hidden vector to kernel weights, belongs to the convolution, which never stores its
//!   result for all edges at once.
//!
//! Values **and** gradients are finite at every finite distance: at zero, at the ends of a range,
//! at the cutoff and beyond it. Constants are computed in `f64` and take the dtype of the input.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use steerable_radial::{
//!     Cutoff, Envelope, RadialBasisConfig, RadialBasisKind, RadialNetworkConfig, Range,
//! };
//!
//! # fn main() -> Result<(), steerable_radial::RadialError> {
//! let device = Device::flex();
//! let cutoff = Cutoff::new(5.0)?; // angstrom
//! let basis = RadialBasisConfig::new(RadialBasisKind::Bessel, 8, Range::up_to(cutoff))
//!     .try_init(&device)?;
//! let network = RadialNetworkConfig::new(basis.num_features()).init(&device);
//!
//! let distance = Tensor::<2>::from_data([[0.0], [1.5], [5.0]], &device);
//! let hidden = network.forward(basis.forward(distance.clone()));
//! let envelope = Envelope::polynomial(cutoff).forward(distance);
//!
//! assert_eq!(hidden.dims(), [3, 32]);
//! assert_eq!(envelope.to_data().iter::<f32>().last(), Some(0.0));
//! # Ok(())
//! # }
//! ```
//!
//! The crate has no features of its own: enable a backend on `burn`, or on the `steerable` facade.

mod basis;
mod cutoff;
mod envelope;
mod error;
mod network;
mod soft_step;

pub use basis::{Ends, RadialBasis, RadialBasisConfig, RadialBasisKind, Range};
pub use cutoff::Cutoff;
pub use envelope::Envelope;
pub use error::RadialError;
pub use network::{Bias, RadialLayer, RadialNetwork, RadialNetworkConfig, RadialNorm};
pub use soft_step::soft_unit_step;
pub use steerable_kernels::Activation;
