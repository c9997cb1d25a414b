//! What a wrong number costs.

use serde::{Deserialize, Serialize};

/// What a residual, prediction less truth in units of the scale, costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Its absolute value.
    #[default]
    Absolute,
    /// Its square.
    Square,
    /// Half its square up to 1, then its absolute value less a half.
    Huber,
}

impl Loss {
    /// The cost of a residual.
    pub fn value(self, residual: f64) -> f64 {
        let size = residual.abs();
        match self {
            Self::Absolute => size,
            Self::Square => residual * residual,
            Self::Huber if size <= 1.0 => 0.5 * residual * residual,
            Self::Huber => size - 0.5,
        }
    }

    /// Its derivative; that of an absolute value at zero is zero.
    pub fn slope(self, residual: f64) -> f64 {
        let sign = if residual == 0.0 {
            0.0
        } else {
            residual.signum()
        };
        match self {
            Self::Absolute => sign,
            Self::Square => 2.0 * residual,
            Self::Huber if residual.abs() <= 1.0 => residual,
            Self::Huber => sign,
        }
    }

    /// The mean cost of residuals, and its derivative to each of them.
    pub fn mean(self, residuals: &[f64]) -> (f64, Vec<f64>) {
        let count = residuals.len().max(1) as f64;
        let sum: f64 = residuals.iter().map(|&r| self.value(r)).sum();
        let slopes = residuals.iter().map(|&r| self.slope(r) / count);
        (sum / count, slopes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_derivatives_of_the_values() {
        for loss in [Loss::Absolute, Loss::Square, Loss::Huber] {
            for residual in [-3.0, -0.7, 0.2, 0.9, 1.4] {
                let h = 1e-6;
                let difference = loss.value(residual + h) - loss.value(residual - h);
                assert!((loss.slope(residual) - difference / (2.0 * h)).abs() < 1e-8);
            }
            assert_eq!((loss.value(0.0), loss.slope(0.0)), (0.0, 0.0));
        }
    }
}
