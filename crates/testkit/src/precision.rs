//! Floating-point precision and the one place where tolerances come from.

use std::fmt;

/// The precision in which the model under test computes.
///
/// The kit itself always computes in f64. For [`Precision::F32`] every number handed to the model
/// is exactly representable in f32, so that a model which casts its input loses nothing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

impl Precision {
    /// The machine epsilon: the distance from 1 to the next larger number.
    #[must_use]
    pub const fn epsilon(self) -> f64 {
        match self {
            Self::F32 => f32::EPSILON as f64,
            Self::F64 => f64::EPSILON,
        }
    }

    /// The nearest number of this precision.
    #[must_use]
    pub const fn round(self, value: f64) -> f64 {
        match self {
            Self::F32 => value as f32 as f64,
            Self::F64 => value,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// Room, in units of `epsilon (l_max + 1)^2`, for the roundings of a whole model.
///
/// Independent roundings add like a random walk: `sqrt(n)` of them for `n` operations between an
/// input and an output. 64 allows for some 4000 operations in a row, a deep model with wide sums.
const ROUNDINGS: f64 = 64.0;

/// The largest relative equivariance error that rounding can explain, for a well-conditioned model
/// whose features reach degree `l_max`:
///
/// `tolerance = 64 epsilon (l_max + 1)^2`
///
/// | `l_max` | 0 | 1 | 2 | 4 | 6 |
/// | --- | --- | --- | --- | --- | --- |
/// | f32 | 7.6e-6 | 3.1e-5 | 6.9e-5 | 1.9e-4 | 3.7e-4 |
/// | f64 | 1.4e-14 | 5.7e-14 | 1.3e-13 | 3.6e-13 | 7.0e-13 |
///
/// # Derivation
/// - Rounding the input turns a direction by an angle of about `epsilon`. The generators of
///   rotation in degree `l` have norm `l`, so the features of that degree move by `l epsilon`.
/// - A polynomial of degree `l` is a chain of about `l` such steps: `l^2 epsilon` in all. The law
///   is seen in practice: the f32 harmonics of e3nn 0.6 are off by 5.7e-7 at `l = 1` and by 1.4e-5
///   at `l = 11`, that is 1.2 and 0.8 times `epsilon (l + 1)^2`.
/// - 64 covers the roundings of the model around them: they add like a random walk, and
///   `64^2 = 4096` of them in a row are a deep model with wide sums.
///
/// A model that amplifies small changes of its input also amplifies rounding. The kit measures
/// that amplification and multiplies by it; see [`EquivarianceTest`](crate::EquivarianceTest).
#[must_use]
pub fn tolerance(precision: Precision, l_max: usize) -> f64 {
    let degrees = (l_max + 1) as f64;
    ROUNDINGS * precision.epsilon() * degrees * degrees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance_is_the_documented_table() {
        let table = [
            (Precision::F32, [7.6e-6, 3.1e-5, 6.9e-5, 1.9e-4, 3.7e-4]),
            (
                Precision::F64,
                [1.4e-14, 5.7e-14, 1.3e-13, 3.6e-13, 7.0e-13],
            ),
        ];
        for (precision, row) in table {
            for (l_max, documented) in [0, 1, 2, 4, 6].into_iter().zip(row) {
                let computed = tolerance(precision, l_max);
                // The table prints two digits.
                assert!(
                    (computed / documented - 1.0).abs() < 0.05,
                    "{precision} {l_max}"
                );
            }
        }
    }

    #[test]
    fn rounding_to_f32_is_the_hardware_conversion() {
        for value in [0.1, -1.0 / 3.0, 1e-20, 16_777_217.0] {
            assert_eq!(Precision::F32.round(value), f64::from(value as f32));
            assert_eq!(Precision::F64.round(value).to_bits(), value.to_bits());
        }
    }
}
