//! Bumps on a regular grid of centres.

use std::f64::consts::{E, FRAC_PI_2};

use burn::tensor::{Tensor, activation::relu};

use super::{Ends, Range, constant};
use crate::soft_unit_step;

/// Centres `first + i * spacing`.
struct Grid {
    first: f64,
    spacing: f64,
}

impl Grid {
    fn new(count: usize, range: Range, ends: Ends, bump: Bump) -> Self {
        let margin = match ends {
            Ends::Free => -bump.overhang,
            Ends::Vanishing => bump.reach,
        };
        let spacing = range.length() / (count as f64 - 1.0 + 2.0 * margin);
        Self {
            first: range.start + margin * spacing,
            spacing,
        }
    }

    /// `(r - centre_i) / spacing`: `[edges, 1]` to `[edges, count]`.
    fn offsets(&self, distance: Tensor<2>, count: usize) -> Tensor<2> {
        let centres = (0..count)
            .map(|i| self.first / self.spacing + i as f64)
            .collect();
        let centres = constant(centres, [1, count], &distance);
        distance.mul_scalar(self.spacing.recip()).sub(centres)
    }
}

/// How a bump sits on its grid, in units of the spacing.
#[derive(Clone, Copy)]
struct Bump {
    /// From the centre to the end of the range, when the ends are to vanish.
    reach: f64,
    /// From the end of the range out to the last centre, when they are free.
    overhang: f64,
}

const UNIT_BUMP: Bump = Bump {
    reach: 1.0,
    overhang: 0.0,
};

const CUBIC_BUMP: Bump = Bump {
    reach: 2.0,
    overhang: 1.0,
};

fn unit_offsets(distance: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    Grid::new(count, range, ends, UNIT_BUMP).offsets(distance, count)
}

/// `exp(-d^2) / 1.12`.
pub(super) fn gaussian(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    let d = unit_offsets(r, count, range, ends);
    d.clone().mul(d).neg().exp().mul_scalar(1.0 / 1.12)
}

/// `cos(pi d / 2)` inside `abs(d) < 1`, as `sin(pi/2 max(0, 1 - abs(d)))`: zero outside by itself.
pub(super) fn cosine(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    let d = unit_offsets(r, count, range, ends);
    relu(d.abs().neg().add_scalar(1.0))
        .mul_scalar(FRAC_PI_2)
        .sin()
}

/// `1.14136 e^2 u(1 + d) u(1 - d)` with the soft unit step `u`; both steps are one, since
/// `1/(1 + d) + 1/(1 - d) = 2/(1 - d^2)`.
pub(super) fn smooth_finite(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    let d = unit_offsets(r, count, range, ends);
    let half_room = d.clone().mul(d).mul_scalar(-0.5).add_scalar(0.5);
    soft_unit_step(half_room).mul_scalar(1.14136 * E * E)
}

/// The cubic B-spline in truncated powers: `(max(0, 2 - u)^3 - 4 max(0, 1 - u)^3) / 6`,
/// `u = abs(d)`.
pub(super) fn b_spline(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    let u = Grid::new(count, range, ends, CUBIC_BUMP)
        .offsets(r, count)
        .abs();
    let cubed_beyond = |knot: f64| {
        let y = relu(u.clone().neg().add_scalar(knot));
        y.clone().mul(y.clone()).mul(y)
    };
    cubed_beyond(2.0)
        .sub(cubed_beyond(1.0).mul_scalar(4.0))
        .mul_scalar(1.0 / 6.0)
}
