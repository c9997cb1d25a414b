//! Rotations of three-dimensional space and the ways to write them.

use std::ops::Mul;

use nalgebra::Matrix3;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::RotationError;

/// A quaternion w + xi + yj + zk; flat order (w, x, y, z).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quaternion {
    /// Real part.
    pub w: f64,
    /// Coefficient of i.
    pub x: f64,
    /// Coefficient of j.
    pub y: f64,
    /// Coefficient of k.
    pub z: f64,
}

impl From<[f64; 4]> for Quaternion {
    fn from([w, x, y, z]: [f64; 4]) -> Self {
        Self { w, x, y, z }
    }
}

impl From<Quaternion> for [f64; 4] {
    fn from(q: Quaternion) -> Self {
        [q.w, q.x, q.y, q.z]
    }
}

/// Euler angles in radians: R = Ry(alpha) Rx(beta) Ry(gamma), active, on column vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EulerAngles {
    /// Last rotation, about y.
    pub alpha: f64,
    /// Middle rotation, about x.
    pub beta: f64,
    /// First rotation, about y.
    pub gamma: f64,
}

/// A rotation of three-dimensional space: active, acting on column vectors.
///
/// Kept as a unit quaternion of which the first nonzero number of (w, x, y, z) is positive, so that
/// q and -q, the same rotation, are one value. Every value is a rotation: constructors check or
/// normalize, and products are normalized again.
///
/// ```
/// use steerable_irreps::{EulerAngles, Rotation};
///
/// let a = Rotation::from_euler(EulerAngles { alpha: 0.3, beta: 1.1, gamma: -2.0 });
/// let b = Rotation::from_axis_angle([1.0, 2.0, 3.0], 0.7)?;
/// let difference = (a * b).matrix() - a.matrix() * b.matrix();
/// assert!(difference.amax() < 1e-15);
/// # Ok::<(), steerable_irreps::RotationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation(Quaternion);

impl Rotation {
    /// v -> v.
    pub const IDENTITY: Self = Self(Quaternion {
        w: 1.0,
        x: 0.0,
        y: 0.0,
        z: 0.0,
    });

    /// Largest absolute entry of RᵀR - 1 in a matrix taken for a rotation. A matrix rounded to
    /// `f32` passes.
    pub const ORTHOGONALITY_TOLERANCE: f64 = 1e-6;

    /// v -> v.
    pub const fn identity() -> Self {
        Self::IDENTITY
    }

    /// The rotation of a quaternion of any length but zero.
    ///
    /// # Errors
    /// If a number is not finite or all are zero.
    pub fn from_quaternion(quaternion: Quaternion) -> Result<Self, RotationError> {
        let q: [f64; 4] = quaternion.into();
        check_finite(&q)?;
        // Divided by the largest entry first: squares of huge or tiny numbers leave the range.
        let largest = largest(&q);
        if largest == 0.0 {
            return Err(RotationError::ZeroQuaternion);
        }
        Ok(Self::normalized(q.map(|x| x / largest)))
    }

    /// The rotation of a matrix.
    ///
    /// Entries may be off by rounding ([`Rotation::ORTHOGONALITY_TOLERANCE`]); the result is an
    /// exact rotation close by.
    ///
    /// # Errors
    /// If an entry is not finite, the matrix is not orthogonal, or it is a reflection.
    ///
    /// # Source
    /// Shepperd, Quaternion from rotation matrix, J. Guidance and Control 1 (1978) 223.
    pub fn from_matrix(matrix: &Matrix3<f64>) -> Result<Self, RotationError> {
        check_finite(matrix.as_slice())?;
        let deviation = (matrix.transpose() * matrix - Matrix3::identity()).amax();
        let tolerance = Self::ORTHOGONALITY_TOLERANCE;
        // Huge entries overflow to a deviation that is not a number, which is no rotation either.
        if deviation.is_nan() || deviation > tolerance {
            return Err(RotationError::NotOrthogonal {
                deviation,
                tolerance,
            });
        }
        if matrix.determinant() < 0.0 {
            return Err(RotationError::Reflection);
        }
        let r = |i: usize, j: usize| matrix[(i, j)];
        // Row i is 4 q_i (w, x, y, z). The row of the largest q_i loses no digits.
        let (sum_x, sum_y, sum_z) = (r(2, 1) + r(1, 2), r(0, 2) + r(2, 0), r(1, 0) + r(0, 1));
        let (dif_x, dif_y, dif_z) = (r(2, 1) - r(1, 2), r(0, 2) - r(2, 0), r(1, 0) - r(0, 1));
        let (xx, yy, zz) = (r(0, 0), r(1, 1), r(2, 2));
        let rows = [
            [1.0 + xx + yy + zz, dif_x, dif_y, dif_z],
            [dif_x, 1.0 + xx - yy - zz, sum_z, sum_y],
            [dif_y, sum_z, 1.0 - xx + yy - zz, sum_x],
            [dif_z, sum_y, sum_x, 1.0 - xx - yy + zz],
        ];
        let best = (0..4).fold(0, |best, i| {
            if rows[i][i] > rows[best][best] {
                i
            } else {
                best
            }
        });
        Ok(Self::normalized(rows[best]))
    }

    /// The rotation Ry(alpha) Rx(beta) Ry(gamma).
    ///
    /// # Panics
    /// If an angle is not finite.
    pub fn from_euler(angles: EulerAngles) -> Self {
        let EulerAngles { alpha, beta, gamma } = angles;
        check_finite(&[alpha, beta, gamma])
            .unwrap_or_else(|error| panic!("Rotation::from_euler: {error}"));
        let (sin_beta, cos_beta) = (0.5 * beta).sin_cos();
        let (sin_sum, cos_sum) = (0.5 * alpha + 0.5 * gamma).sin_cos();
        let (sin_dif, cos_dif) = (0.5 * alpha - 0.5 * gamma).sin_cos();
        Self::normalized([
            cos_beta * cos_sum,
            sin_beta * cos_dif,
            cos_beta * sin_sum,
            -sin_beta * sin_dif,
        ])
    }

    /// The rotation by `angle` radians about `axis`, counter-clockwise when the axis points at the
    /// viewer. The axis may have any length but zero; the angle 0 does without an axis too, as e3nn
    /// writes the identity.
    ///
    /// # Errors
    /// If a number is not finite, or the axis is zero and the angle is not.
    pub fn from_axis_angle(axis: [f64; 3], angle: f64) -> Result<Self, RotationError> {
        check_finite(&axis)?;
        check_finite(&[angle])?;
        let largest = largest(&axis);
        if angle == 0.0 {
            return Ok(Self::IDENTITY);
        }
        if largest == 0.0 {
            return Err(RotationError::ZeroAxis);
        }
        let axis = axis.map(|x| x / largest);
        let length = norm(&axis);
        let (sin, cos) = (0.5 * angle).sin_cos();
        let [x, y, z] = axis.map(|x| sin * x / length);
        Ok(Self::normalized([cos, x, y, z]))
    }

    /// A Haar-random rotation: four normal numbers, normalized.
    ///
    /// # Source
    /// Muller, A note on a method for generating points uniformly on N-dimensional spheres,
    /// Comm. ACM 2 (1959) 19.
    pub fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        loop {
            let q: [f64; 4] = std::array::from_fn(|_| StandardNormal.sample(rng));
            if let Ok(rotation) = Self::from_quaternion(q.into()) {
                return rotation;
            }
        }
    }

    /// The unit quaternion; the first of its numbers that is not zero is positive.
    pub const fn quaternion(&self) -> Quaternion {
        self.0
    }

    /// The matrix R, with R v the rotated column vector.
    pub fn matrix(&self) -> Matrix3<f64> {
        Matrix3::from_row_slice(&self.rows())
    }

    /// The matrix, row after row.
    pub(crate) fn rows(&self) -> [f64; 9] {
        let Quaternion { w, x, y, z } = self.0;
        [
            1.0 - 2.0 * (y * y + z * z),
            2.0 * (x * y - w * z),
            2.0 * (x * z + w * y),
            2.0 * (x * y + w * z),
            1.0 - 2.0 * (x * x + z * z),
            2.0 * (y * z - w * x),
            2.0 * (x * z - w * y),
            2.0 * (y * z + w * x),
            1.0 - 2.0 * (x * x + y * y),
        ]
    }

    /// The Euler angles, with alpha and gamma in [-π, π] and beta in [0, π].
    ///
    /// At beta = 0 only alpha + gamma is defined, at beta = π only alpha - gamma: there gamma is 0.
    /// Close to these, the angles lose no accuracy as a triple: they always give the rotation back.
    pub fn euler(&self) -> EulerAngles {
        let Quaternion { w, x, y, z } = self.0;
        let (cos_beta, sin_beta) = (w.hypot(y), x.hypot(z));
        let half_sum = y.atan2(w);
        let half_dif = (-z).atan2(x);
        let (alpha, gamma) = if sin_beta == 0.0 {
            (2.0 * half_sum, 0.0)
        } else if cos_beta == 0.0 {
            (2.0 * half_dif, 0.0)
        } else {
            (half_sum + half_dif, half_sum - half_dif)
        };
        EulerAngles {
            alpha: wrap(alpha),
            beta: 2.0 * sin_beta.atan2(cos_beta),
            gamma: wrap(gamma),
        }
    }

    /// The unit axis and the angle in [0, π] (radians). The identity has the axis (0, 1, 0).
    pub fn axis_angle(&self) -> ([f64; 3], f64) {
        let Quaternion { w, x, y, z } = self.0;
        let largest = largest(&[x, y, z]);
        if largest == 0.0 {
            return ([0.0, 1.0, 0.0], 0.0);
        }
        // Scaled first: the squares of a tiny rotation vanish.
        let axis = [x, y, z].map(|x| x / largest);
        let length = norm(&axis);
        (axis.map(|x| x / length), 2.0 * (length * largest).atan2(w))
    }

    /// The inverse rotation.
    pub fn inverse(&self) -> Self {
        let Quaternion { w, x, y, z } = self.0;
        Self::canonical([w, -x, -y, -z])
    }

    /// R v.
    pub fn apply(&self, v: [f64; 3]) -> [f64; 3] {
        let r = self.rows();
        std::array::from_fn(|i| r[3 * i] * v[0] + r[3 * i + 1] * v[1] + r[3 * i + 2] * v[2])
    }

    /// The quaternion `q`, neither zero nor far from length 1 by orders of magnitude, normalized.
    fn normalized(q: [f64; 4]) -> Self {
        let length = norm(&q);
        Self::canonical(q.map(|x| x / length))
    }

    /// Of q and -q, the one whose first nonzero number is positive.
    fn canonical(q: [f64; 4]) -> Self {
        let negative = q.iter().find(|x| **x != 0.0).is_some_and(|x| *x < 0.0);
        // Adding 0 turns -0 into 0: equal rotations are equal to the bit.
        Self(q.map(|x| if negative { -x } else { x } + 0.0).into())
    }
}

impl Mul for Rotation {
    type Output = Self;

    /// Composition: `(a * b).matrix() == a.matrix() * b.matrix()` up to rounding.
    fn mul(self, rhs: Self) -> Self {
        let (a, b) = (self.0, rhs.0);
        Self::normalized([
            a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z,
            a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
            a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
            a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w,
        ])
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self::IDENTITY
    }
}

fn check_finite(numbers: &[f64]) -> Result<(), RotationError> {
    numbers
        .iter()
        .find(|x| !x.is_finite())
        .map_or(Ok(()), |&x| Err(RotationError::NotFinite(x)))
}

fn largest(numbers: &[f64]) -> f64 {
    numbers
        .iter()
        .fold(0.0, |largest: f64, x| largest.max(x.abs()))
}

fn norm(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// An angle in [-2π, 2π] brought to [-π, π].
fn wrap(angle: f64) -> f64 {
    use std::f64::consts::{PI, TAU};
    if angle > PI {
        angle - TAU
    } else if angle < -PI {
        angle + TAU
    } else {
        angle
    }
}
