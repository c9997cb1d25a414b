//! Representation 2: rigid frames, CA and an orientation for each residue.

use nalgebra::{Matrix3, Quaternion, Rotation3, UnitQuaternion, Vector3};
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

    /// The frame of a rotation given as a quaternion (w, x, y, z) of any length but 0.
    pub fn from_quaternion([w, x, y, z]: [f64; 4], translation: Vector3<f64>) -> Self {
        let unit = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
        Self {
            rotation: *unit.to_rotation_matrix().matrix(),
            translation,
        }
    }

    /// The rotation as a unit quaternion (w, x, y, z) with w >= 0.
    pub fn quaternion(&self) -> [f64; 4] {
        let rotation = Rotation3::from_matrix_unchecked(self.rotation);
        let unit = UnitQuaternion::from_rotation_matrix(&rotation);
        let [w, x, y, z] = [unit.w, unit.i, unit.j, unit.k];
        if w < 0.0 {
            [-w, -x, -y, -z]
        } else {
            [w, x, y, z]
        }
    }

    /// The frame moved by what a network predicts in the frame's own coordinates: a turn by the
    /// quaternion (1, b, c, d), made unit, and a shift in angstrom. Nothing is moved by zeros.
    ///
    /// # Source
    /// Jumper et al. 2021, supplement, algorithm 23.
    pub fn updated(&self, turn: Vector3<f64>, shift: Vector3<f64>) -> Self {
        self.compose(&Self::from_quaternion([1.0, turn.x, turn.y, turn.z], shift))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn some_frame() -> Frame {
        Frame::from_quaternion([0.3, -0.9, 0.2, 1.4], Vector3::new(1.0, -7.0, 3.0))
    }

    #[test]
    fn a_quaternion_leads_to_its_rotation_and_back() {
        let frame = some_frame();
        let back = Frame::from_quaternion(frame.quaternion(), frame.translation);
        assert!((frame.rotation - back.rotation).norm() < 1e-14);
        assert!((frame.rotation.determinant() - 1.0).abs() < 1e-14);
        // A quarter turn about z takes x to y.
        let turn = Frame::from_quaternion([1.0, 0.0, 0.0, 1.0], Vector3::zeros());
        assert!((turn.apply(&Vector3::x()) - Vector3::y()).norm() < 1e-15);
    }

    #[test]
    fn an_update_is_seen_from_the_frame() {
        let frame = some_frame();
        assert_eq!(frame.updated(Vector3::zeros(), Vector3::zeros()), frame);
        let shift = Vector3::new(0.5, 1.0, -2.0);
        let moved = frame.updated(Vector3::new(0.1, 0.2, -0.3), shift);
        assert!((moved.translation - frame.apply(&shift)).norm() < 1e-14);
        let update = frame.inverse().compose(&moved);
        let expected = Frame::identity().updated(Vector3::new(0.1, 0.2, -0.3), shift);
        assert!((update.rotation - expected.rotation).norm() < 1e-14);
    }
}
