//! The learning rate over a training.

use serde::{Deserialize, Serialize};

/// A linear rise over some steps, then half a cosine down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The highest rate.
    pub learning_rate: f64,
    /// What it ends at, as a fraction of the highest.
    pub final_fraction: f64,
    /// Steps of the rise.
    pub warm_up_steps: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            learning_rate: 2e-3,
            final_fraction: 0.01,
            warm_up_steps: 100,
        }
    }
}

impl Schedule {
    /// The rate of a step, counted from 0, when `progress` of the training, 0 to 1, is behind it.
    pub fn rate(&self, step: u64, progress: f64) -> f64 {
        let rise = if self.warm_up_steps == 0 {
            1.0
        } else {
            ((step + 1) as f64 / self.warm_up_steps as f64).min(1.0)
        };
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos());
        let fall = self.final_fraction + (1.0 - self.final_fraction) * cosine;
        self.learning_rate * rise * fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_linearly_and_falls_to_its_final_fraction() {
        let schedule = Schedule {
            learning_rate: 1e-2,
            final_fraction: 0.1,
            warm_up_steps: 10,
        };
        assert!((schedule.rate(0, 0.0) - 1e-3).abs() < 1e-15);
        assert!((schedule.rate(4, 0.0) - 5e-3).abs() < 1e-15);
        assert!((schedule.rate(9, 0.0) - 1e-2).abs() < 1e-15);
        assert!((schedule.rate(100, 0.5) - 1e-2 * 0.55).abs() < 1e-15);
        assert!((schedule.rate(100, 1.0) - 1e-3).abs() < 1e-15);
        assert!((schedule.rate(100, 1.7) - 1e-3).abs() < 1e-15);
    }
}
