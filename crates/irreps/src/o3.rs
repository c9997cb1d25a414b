//! Elements of O(3): a rotation, with or without point inversion.

use std::ops::Mul;

use nalgebra::Matrix3;
use rand::{Rng, RngExt};

use crate::{Rotation, RotationError};

/// Whether an element of O(3) keeps handedness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inversion {
    /// A rotation, determinant +1.
    Proper,
    /// A rotation times the point inversion v -> -v, determinant -1.
    Improper,
}

impl Inversion {
    /// The determinant, +1 or -1.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Proper => 1.0,
            Self::Improper => -1.0,
        }
    }
}

impl Mul for Inversion {
    type Output = Self;

    fn mul(self, rhs: Self) -> Self {
        if self == rhs {
            Self::Proper
        } else {
            Self::Improper
        }
    }
}

/// An element of O(3): the matrix R if proper, -R if improper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct O3Element {
    /// R.
    pub rotation: Rotation,
    /// Whether the point inversion is applied too; it commutes with every rotation.
    pub inversion: Inversion,
}

impl O3Element {
    /// v -> v.
    pub const IDENTITY: Self = Self {
        rotation: Rotation::IDENTITY,
        inversion: Inversion::Proper,
    };

    /// v -> -v.
    pub const INVERSION: Self = Self {
        rotation: Rotation::IDENTITY,
        inversion: Inversion::Improper,
    };

    /// Reads an orthogonal matrix of either determinant.
    ///
    /// # Errors
    /// If an entry is not finite or the matrix is not orthogonal (as in
    /// [`Rotation::from_matrix`]).
    pub fn from_matrix(matrix: &Matrix3<f64>) -> Result<Self, RotationError> {
        match Rotation::from_matrix(matrix) {
            Ok(rotation) => Ok(rotation.into()),
            Err(RotationError::Reflection) => Ok(Self {
                rotation: Rotation::from_matrix(&-matrix)?,
                inversion: Inversion::Improper,
            }),
            Err(error) => Err(error),
        }
    }

    /// A Haar-random element: a random rotation, inverted with probability 1/2.
    pub fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        let rotation = Rotation::random(rng);
        let inversion = if rng.random() {
            Inversion::Improper
        } else {
            Inversion::Proper
        };
        Self {
            rotation,
            inversion,
        }
    }

    /// The orthogonal matrix, R or -R.
    pub fn matrix(&self) -> Matrix3<f64> {
        self.rotation.matrix() * self.inversion.sign()
    }

    /// The inverse element.
    pub fn inverse(&self) -> Self {
        Self {
            rotation: self.rotation.inverse(),
            ..*self
        }
    }

    /// R v or -R v.
    pub fn apply(&self, v: [f64; 3]) -> [f64; 3] {
        self.rotation.apply(v).map(|x| self.inversion.sign() * x)
    }
}

impl From<Rotation> for O3Element {
    fn from(rotation: Rotation) -> Self {
        Self {
            rotation,
            inversion: Inversion::Proper,
        }
    }
}

impl Mul for O3Element {
    type Output = Self;

    /// Composition: `(a * b).apply(v) == a.apply(b.apply(v))`.
    fn mul(self, rhs: Self) -> Self {
        Self {
            rotation: self.rotation * rhs.rotation,
            inversion: self.inversion * rhs.inversion,
        }
    }
}
