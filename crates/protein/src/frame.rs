//! Representation 2: rigid frames, CA and an orientation for each residue.

use nalgebra::{Matrix3, Vector3};
use thiserror::Error;

use crate::BackboneResidue;

/// A rigid motion `x -> rotation x + translation`; as the frame of a residue it takes the residue's
/// own coordinates (CA in the origin, C on the positive x axis, N in the upper half of the xy plane)
/// to those of the chain.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithm 21 (`rigidFrom3Points`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// The axes of the frame, as columns: a rotation matrix.
    pub rotation: Matrix3<f64>,
    /// The origin of the frame, in angstrom: CA.
    pub translation: Vector3<f64>,
}

/// Three atoms on one line, or two in one place: they have no frame.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("N {n:?}, CA {ca:?} and C {c:?} lie on one line and have no frame")]
pub struct DegenerateFrame {
    /// N.
    pub n: [f64; 3],
    /// CA.
    pub ca: [f64; 3],
    /// C.
    pub c: [f64; 3],
}

impl Frame {
    /// The frame that moves nothing.
    pub fn identity() -> Self {
        Self {
            rotation: Matrix3::identity(),
            translation: Vector3::zeros(),
        }
    }

    /// The frame of a residue by Gram-Schmidt on C - CA and N - CA.
    ///
    /// # Errors
    /// [`DegenerateFrame`] if the sine of the angle at CA, or a bond's length in angstrom, is below
    /// 1e-6.
    pub fn of_residue(residue: &BackboneResidue) -> Result<Self, DegenerateFrame> {
        let to_c = residue.c - residue.ca;
        let to_n = residue.n - residue.ca;
        let x = to_c / to_c.norm();
        let across = to_n - x * x.dot(&to_n);
        let smallest = 1e-6;
        let spread = across.norm() / to_n.norm();
        // Negated, so that not-a-number is refused too.
        if !(to_c.norm() > smallest && to_n.norm() > smallest && spread > smallest) {
            return Err(DegenerateFrame {
                n: residue.n.into(),
                ca: residue.ca.into(),
                c: residue.c.into(),
            });
        }
        let y = across / across.norm();
        Ok(Self {
            rotation: Matrix3::from_columns(&[x, y, x.cross(&y)]),
            translation: residue.ca,
        })
    }

    /// First `other`, then this frame.
    pub fn compose(&self, other: &Self) -> Self {
        Self {
            rotation: self.rotation * other.rotation,
            translation: self.apply(&other.translation),
        }
    }

    /// The motion back.
    pub fn inverse(&self) -> Self {
        let rotation = self.rotation.transpose();
        Self {
            rotation,
            translation: -(rotation * self.translation),
        }
    }

    /// A point of the frame's own coordinates in those of the chain, in angstrom.
    pub fn apply(&self, point: &Vector3<f64>) -> Vector3<f64> {
        self.rotation * point + self.translation
    }
}
