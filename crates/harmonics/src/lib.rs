//! Equivariant mathematics on top of irreps: real spherical harmonics, exact 3j symbols and
//! Clebsch-Gordan coefficients, kernel bases and path plans. Plain `f64` numbers, no tensors.
//!
//! # Place in the data flow
//!
//! An edge's direction becomes [`SphericalHarmonics`], which [`KernelBasis`] joins with
//! [`Wigner3j`] symbols into the matrices that carry features of one degree to another; a path
//! plan lists these products for a whole layer, and the tensor crates above execute it.
//!
//! Components are in e3nn's order and axes everywhere: `m = -l..=l` with y as the polar axis, so a
//! degree-1 feature is `(x, y, z)`.
//!
//! # Example
//!
//! The product of two vectors that is again a vector is the cross product:
//!
//! ```
//! use steerable_harmonics::Wigner3j;
//!
//! let (a, b) = ([1.0, 2.0, 3.0], [-2.0, 0.5, 4.0]);
//! let mut cross = [0.0; 3];
//! for entry in Wigner3j::new(1, 1, 1).entries() {
//!     cross[entry.m3] += 6f64.sqrt() * entry.value * a[entry.m1] * b[entry.m2];
//! }
//! assert!((cross[0] - (2.0 * 4.0 - 3.0 * 0.5)).abs() < 1e-14);
//! ```
//!
//! # Features
//!
//! None: everything is always there.

mod clebsch_gordan;
mod coupling;
mod exact;
mod kernel_basis;
pub mod plan;
mod spherical_harmonics;
mod wigner_3j;

pub use clebsch_gordan::ClebschGordan;
pub use coupling::{Coupling, Entry};
pub use kernel_basis::KernelBasis;
pub use spherical_harmonics::{Domain, Normalization, Real, SphericalHarmonics, Threads};
pub use wigner_3j::Wigner3j;
