//! Activations on scalars, with the factor that keeps their second moment.

use std::f64::consts::{LN_2, PI, SQRT_2};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::activate;

/// A function applied to every scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(0, x)`. Its gradient jumps at 0: choose a smooth one where forces are wanted.
    Relu,
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `x Phi(x)` with the cumulative normal distribution `Phi`, not its tanh approximation.
    Gelu,
    /// `tanh(x)`.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `ln((1 + exp(x)) / 2)`: softplus moved through the origin, as in SchNet.
    ShiftedSoftplus,
    /// `|x|`: an even function, so it maps odd scalars to even ones.
    Abs,
}

impl Activation {
    /// Applies the function to every element.
    ///
    /// # Shapes
    ///
    /// - input: any
    /// - output: as the input
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            _ => activate(x, self),
        }
    }

    /// The factor `a` for which `a f(z)` has second moment 1 when `z` is standard normal:
    /// `a = E[f(z)^2]^(-1/2)`.
    ///
    /// Exact to rounding: in closed form where there is one, else by the trapezoidal rule on the
    /// line, which converges geometrically for analytic functions. e3nn's `normalize2mom` estimates
    /// the same number from random samples and is up to 0.16 % off (1.67918 for SiLU, which is
    /// 1.67653): to reproduce an e3nn model, use e3nn's number.
    pub fn second_moment_scale(self) -> f64 {
        let second_moment = match self {
            Self::Identity | Self::Abs => 1.0,
            Self::Relu => 0.5,
            // Stein's lemma twice: E[z^2 Phi^2] = E[Phi^2] + E[phi^2].
            Self::Gelu => 1.0 / 3.0 + 1.0 / (2.0 * PI * 3.0_f64.sqrt()),
            Self::Silu => normal_second_moment(|z| z * sigmoid(z)),
            Self::Tanh => normal_second_moment(f64::tanh),
            Self::Sigmoid => normal_second_moment(sigmoid),
            Self::Softplus => normal_second_moment(softplus),
            Self::ShiftedSoftplus => normal_second_moment(|z| softplus(z) - LN_2),
        };
        second_moment.sqrt().recip()
    }
}

fn sigmoid(z: f64) -> f64 {
    (1.0 + (-z).exp()).recip()
}

fn softplus(z: f64) -> f64 {
    z.exp().ln_1p()
}

/// `E[f(z)^2]` for standard normal `z`, by the trapezoidal rule with step 1/8 on [-16, 16].
///
/// The integrands are analytic for `|Im z| < pi/2` (tanh is the nearest to the line), so the error
/// of the rule is about `exp(-2 pi (pi/2) 8) = 1e-34`, and the tails are below `exp(-128)`:
/// rounding is all that is left.
fn normal_second_moment(f: impl Fn(f64) -> f64) -> f64 {
    const STEPS_PER_UNIT: i32 = 8;
    const REACH: i32 = 16;
    let step = f64::from(STEPS_PER_UNIT).recip();
    let sum: f64 = (-REACH * STEPS_PER_UNIT..=REACH * STEPS_PER_UNIT)
        .map(|i| {
            let z = f64::from(i) * step;
            f(z).powi(2) * (-0.5 * z * z).exp()
        })
        .sum();
    sum * step / (PI.sqrt() * SQRT_2)
}
