//! Irreps of SO(3) and O(3), feature layouts, rotations and real Wigner-D matrices, in `f64`.
//!
//! This crate is the first step of the data flow: it says *what a feature is* (an [`Irreps`], such
//! as `"8x0 + 4x1"`, with a memory [`Layout`]) and *how the group acts on it* ([`Rotation`],
//! [`O3Element`], [`WignerD`]). The harmonics, the layers and the test kit are built on these
//! types. It knows no tensors and no backend.
//!
//! ```
//! use rand::{SeedableRng, rngs::StdRng};
//! use steerable_irreps::{Irreps, Layout, O3Element, Rotation, WignerD};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let irreps: Irreps = "2x0e + 1x1o".parse()?;
//! assert_eq!(irreps.dim(), 5);
//!
//! // A degree-1 feature is a vector (x, y, z), and its Wigner-D matrix is the rotation itself.
//! let rotation = Rotation::random(&mut StdRng::seed_from_u64(1));
//! assert_eq!(WignerD::new(1).matrix(1, &rotation).as_slice(), rotation.matrix().as_slice());
//!
//! // Point inversion leaves even scalars alone and flips odd vectors.
//! let flipped = irreps.act(&O3Element::INVERSION, Layout::IrMul, &[1.0, 2.0, 3.0, 4.0, 5.0]);
//! assert_eq!(flipped, [1.0, 2.0, -3.0, -4.0, -5.0]);
//! # Ok(())
//! # }
//! ```
//!
//! # Conventions
//!
//! Components of degree `l` are ordered m = -l..=l with **y** as the polar axis and without the
//! Condon-Shortley sign, as in e3nn: `Y_l(R v) = D_l(R) Y_l(v)` and `D_1(R) = R`.
//! Rotations are active and act on column vectors.
//!
//! # Features
//!
//! None. SIMD width is chosen at run time from what the processor has.

mod action;
mod error;
mod irrep;
mod irreps;
mod layout;
mod o3;
mod rotation;
mod wigner_d;

pub use error::{IrrepsError, ParseIrrepsError, ParseProblem, RotationError};
pub use irrep::{Group, Irrep, Parity};
pub use irreps::{Irreps, MulIrrep, Sorted};
pub use layout::Layout;
pub use o3::{Inversion, O3Element};
pub use rotation::{EulerAngles, Quaternion, Rotation};
pub use wigner_d::{WignerD, wigner_d};
