//! Envelopes: how a message fades out on the way to the cutoff.

use std::f64::consts::{E, FRAC_PI_2};
use std::num::NonZeroU32;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Cutoff, soft_unit_step};

/// A factor that is 1 at distance zero and falls to 0 at the cutoff `c`. With `x = r / c`:
///
/// | envelope | `0 <= x < 1` | continuous derivatives at the cutoff | flat at zero to order |
/// | --- | --- | --- | --- |
/// | `None` | 1, and 1 beyond | no cutoff | all |
/// | `Polynomial` | `(1 - x)^3 (1 + 3x + 6x^2 + .. + p(p+1)/2 x^(p-1))` | 2 | p - 1 |
/// | `Cosine` | `(1 + cos(pi x)) / 2` | 1 | 1 |
/// | `Smooth` | `exp(-x^2 / (1 - x^2))` | all | 1 |
///
/// From the cutoff on, value and gradient are exactly zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Envelope {
    /// No envelope: the factor 1 at every distance.
    None,
    /// The polynomial of lowest degree that is `1 + O(x^p)` and has a triple root at the cutoff:
    /// `1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2)`, evaluated in its factored form,
    /// which has no cancellation.
    ///
    /// # Source
    ///
    /// Gasteiger et al., "Directional message passing for molecular graphs", arXiv:2003.03123,
    /// equation 8.
    Polynomial {
        /// Where it reaches zero.
        cutoff: Cutoff,
        /// How long it stays near 1: the first power of `x` in it.
        p: NonZeroU32,
    },
    /// Half a period of a cosine.
    ///
    /// # Source
    ///
    /// Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
    Cosine {
        /// Where it reaches zero.
        cutoff: Cutoff,
    },
    /// Infinitely smooth: the bump function.
    ///
    /// # Source
    ///
    /// Unke et al., "SpookyNet", arXiv:2105.00304; `smooth_cutoff` in e3x.
    Smooth {
        /// Where it reaches zero.
        cutoff: Cutoff,
    },
}

impl Envelope {
    /// The polynomial envelope with the customary `p = 6`.
    pub fn polynomial(cutoff: Cutoff) -> Self {
        const P: NonZeroU32 = NonZeroU32::new(6).unwrap();
        Self::Polynomial { cutoff, p: P }
    }

    /// Where the envelope reaches zero, if it does.
    pub fn cutoff(&self) -> Option<Cutoff> {
        match *self {
            Self::None => None,
            Self::Polynomial { cutoff, .. } | Self::Cosine { cutoff } | Self::Smooth { cutoff } => {
                Some(cutoff)
            }
        }
    }

    /// The factor at each distance.
    ///
    /// # Shapes
    ///
    /// - distance: `[edges, 1]`, in angstrom, not negative
    /// - output: `[edges, 1]`
    ///
    /// # Panics
    ///
    /// If `distance` is not one column.
    pub fn forward(&self, distance: Tensor<2>) -> Tensor<2> {
        let [edges, columns] = distance.dims();
        assert!(
            columns == 1,
            "Envelope: expected distances of shape [edges, 1], got [{edges}, {columns}]"
        );
        match *self {
            Self::None => distance.ones_like(),
            Self::Polynomial { cutoff, p } => polynomial(margin(distance, cutoff), p),
            Self::Cosine { cutoff } => cosine(margin(distance, cutoff)),
            Self::Smooth { cutoff } => smooth(margin(distance, cutoff)),
        }
    }
}

/// `y = max(0, (c - r) / c) = 1 - x`: what is left of the way to the cutoff.
///
/// All envelopes are written in `y`. The subtraction is exact near the cutoff, so they reach an
/// exact zero there, and the rectifier makes value and gradient zero beyond.
///
/// Here and in the bases, factors are multiplied on: the backward pass of burn's `div_scalar`
/// rounds its divisor to `f32`, also for `f64` tensors.
fn margin(distance: Tensor<2>, cutoff: Cutoff) -> Tensor<2> {
    let remaining = distance.neg().add_scalar(cutoff.radius());
    burn::tensor::activation::relu(remaining).mul_scalar(cutoff.radius().recip())
}

/// `y^3 sum_k (k+1)(k+2)/2 x^k` for `k < p`: the sum is the series of `(1 - x)^-3` cut at `x^p`.
fn polynomial(y: Tensor<2>, p: NonZeroU32) -> Tensor<2> {
    let x = y.clone().neg().add_scalar(1.0);
    let coefficient = |k: u32| 0.5 * f64::from(k + 1) * f64::from(k + 2);
    let highest = p.get() - 1;
    let series = (0..highest)
        .rev()
        .fold(x.full_like(coefficient(highest)), |sum, k| {
            sum.mul(x.clone()).add_scalar(coefficient(k))
        });
    y.clone().mul(y.clone()).mul(y).mul(series)
}

/// `(1 + cos(pi x)) / 2 = sin(pi y / 2)^2`.
fn cosine(y: Tensor<2>) -> Tensor<2> {
    let root = y.mul_scalar(FRAC_PI_2).sin();
    root.clone().mul(root)
}

/// `exp(-x^2 / (1 - x^2)) = e exp(-1 / (1 - x^2))`, with `1 - x^2 = y (2 - y)`.
fn smooth(y: Tensor<2>) -> Tensor<2> {
    let room = y.clone().neg().add_scalar(2.0).mul(y);
    soft_unit_step(room).mul_scalar(E)
}
