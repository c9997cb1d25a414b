//! The rigid motion that brings a model nearest to its reference.

use nalgebra::{Matrix3, Matrix4, Quaternion, SymmetricEigen, UnitQuaternion, Vector3};

use crate::{CompareError, Frame, Matched};

/// The motion of least root mean square deviation, and that deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Superposition {
    /// Takes points of the model to the reference's place. Its rotation is proper: a mirror image
    /// is not superposed on its original.
    pub motion: Frame,
    /// Root mean square deviation after the motion, in angstrom.
    pub rmsd: f64,
}

impl Matched<'_> {
    /// Superposes the model on the reference (the problem of Kabsch, in Horn's form).
    ///
    /// Where several motions are equally good (fewer than three points, points on a line, symmetric
    /// mirror images) it is one of them, and the same one each time. O(L).
    ///
    /// # Errors
    /// [`CompareError`]: unequal lengths, no residues, coordinates that are not finite.
    ///
    /// # Source
    /// Horn 1987, "Closed-form solution of absolute orientation using unit quaternions".
    pub fn superpose(&self) -> Result<Superposition, CompareError> {
        let len = self.check()?;
        // Centred on points of their own, so that a structure far from the origin loses no digits.
        let (at_model, at_reference) = (self.model[0], self.reference[0]);
        let mut moments = Moments::default();
        for (x, y) in self.model.iter().zip(self.reference) {
            moments.add(&(x - at_model), &(y - at_reference), 1.0);
        }
        let near = moments.best_motion();
        let motion = Frame {
            rotation: near.rotation,
            translation: near.translation + at_reference - near.rotation * at_model,
        };
        let pairs = self.model.iter().zip(self.reference);
        let sum: f64 = pairs
            .map(|(x, y)| (near.apply(&(x - at_model)) - (y - at_reference)).norm_squared())
            .sum();
        let rmsd = (sum / len as f64).sqrt();
        Ok(Superposition { motion, rmsd })
    }
}

/// The weighted sums over pairs of points that the best motion depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) weight: f64,
    pub(super) model: Vector3<f64>,
    pub(super) reference: Vector3<f64>,
    /// Sum of `x y^T`, x of the model, y of the reference.
    pub(super) product: Matrix3<f64>,
}

impl Moments {
    pub(super) fn add(&mut self, x: &Vector3<f64>, y: &Vector3<f64>, weight: f64) {
        let weighted = x * weight;
        self.weight += weight;
        self.model += weighted;
        self.reference += y * weight;
        self.product += weighted * y.transpose();
    }

    /// The motion of the model onto the reference with the least weighted sum of squares.
    ///
    /// The quaternion of the best rotation is the eigenvector of the largest eigenvalue of a
    /// symmetric 4 x 4 matrix: every quaternion is a proper rotation, and every vector of a
    /// degenerate eigenspace is equally good, so there is no special case.
    pub(super) fn best_motion(&self) -> Frame {
        let model = self.model / self.weight;
        let reference = self.reference / self.weight;
        let s = self.product - self.model * reference.transpose();
        let antisymmetric = Vector3::new(s.m23 - s.m32, s.m31 - s.m13, s.m12 - s.m21);
        let trace = s.trace();
        let mut horn = Matrix4::zeros();
        horn[(0, 0)] = trace;
        for a in 0..3 {
            horn[(0, a + 1)] = antisymmetric[a];
            horn[(a + 1, 0)] = antisymmetric[a];
            for b in 0..3 {
                horn[(a + 1, b + 1)] = s[(a, b)] + s[(b, a)];
            }
            horn[(a + 1, a + 1)] -= trace;
        }
        let eigen = SymmetricEigen::new(horn);
        let quaternion = eigen
            .eigenvectors
            .column(eigen.eigenvalues.imax())
            .into_owned();
        let [w, x, y, z] = quaternion.into();
        let rotation = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z))
            .to_rotation_matrix()
            .into_inner();
        Frame {
            rotation,
            translation: reference - rotation * model,
        }
    }
}
