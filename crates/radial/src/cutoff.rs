//! The radius beyond which nothing is seen.

use serde::{Deserialize, Serialize};

use crate::RadialError;

/// A cutoff radius: positive and finite, in angstrom.
///
/// Reading one from a file checks it as [`Cutoff::new`] does.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cutoff(f64);

impl Cutoff {
    /// Makes a cutoff of `radius` angstrom.
    ///
    /// # Errors
    ///
    /// [`RadialError::Cutoff`] unless `radius` is positive and finite.
    pub fn new(radius: f64) -> Result<Self, RadialError> {
        if radius.is_finite() && radius > 0.0 {
            Ok(Self(radius))
        } else {
            Err(RadialError::Cutoff { radius })
        }
    }

    /// The radius in angstrom.
    pub fn radius(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Cutoff {
    type Error = RadialError;

    fn try_from(radius: f64) -> Result<Self, RadialError> {
        Self::new(radius)
    }
}

impl From<Cutoff> for f64 {
    fn from(cutoff: Cutoff) -> f64 {
        cutoff.radius()
    }
}
