//! Functions that reach over the whole range.

use std::f64::consts::PI;

use burn::tensor::{Bool, Tensor};

use super::{Ends, Range, constant};

/// `cos(pi k x) / N` from `k = 0`, or `sin(pi k x) / N` from `k = 1` inside the open range.
pub(super) fn fourier(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    let waves = match ends {
        Ends::Free => harmonics(angle(r, range), 0, count).cos(),
        Ends::Vanishing => {
            let outside = outside(&r, range);
            zero_where(harmonics(angle(r, range), 1, count).sin(), outside)
        }
    };
    waves.mul_scalar((0.25 + 0.5 * count as f64).sqrt().recip())
}

/// `sqrt(2/L) sin(k theta) / (r - a)` with `theta = pi (r - a) / L`.
///
/// `sin(k theta) / sin(theta)` is a sum of cosines (the Dirichlet kernel), so the only quotient is
/// `sinc(theta)`, once per edge: nothing is singular at `r = a`, and no digit is lost near it.
pub(super) fn bessel(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    let length = range.length();
    let theta = angle(r.clone(), range);
    let cosines = harmonics(theta.clone(), 0, count).cos();
    let dirichlet = cosines.matmul(constant(dirichlet_kernel(count), [count, count], &r));
    let waves = dirichlet.mul(sinc(theta).mul_scalar((2.0 / length).sqrt() * PI / length));
    match ends {
        Ends::Free => waves,
        // The start itself keeps its value, the limit.
        Ends::Vanishing => {
            let outside = r
                .clone()
                .lower_elem(range.start)
                .bool_or(r.greater_equal_elem(range.end));
            zero_where(waves, outside)
        }
    }
}

/// `T_k(t)` by its recurrence on `t = 2x - 1`, held at the ends outside the range.
pub(super) fn chebyshev(r: Tensor<2>, count: usize, range: Range, ends: Ends) -> Tensor<2> {
    match ends {
        Ends::Free => {
            let mut polynomials = chebyshev_polynomials(r, count, range);
            polynomials.truncate(count);
            Tensor::cat(polynomials, 1)
        }
        Ends::Vanishing => {
            let outside = outside(&r, range);
            let polynomials = chebyshev_polynomials(r, count + 2, range);
            let differences = (0..count)
                .map(|k| polynomials[k + 2].clone().sub(polynomials[k % 2].clone()))
                .collect();
            zero_where(Tensor::cat(differences, 1), outside)
        }
    }
}

/// `T_0 .. T_(count-1)`, each `[edges, 1]`; at least two of them.
fn chebyshev_polynomials(r: Tensor<2>, count: usize, range: Range) -> Vec<Tensor<2>> {
    let t = r
        .sub_scalar(range.start)
        .mul_scalar(2.0 / range.length())
        .sub_scalar(1.0)
        .clamp(-1.0, 1.0);
    let twice = t.clone().mul_scalar(2.0);
    let mut polynomials = vec![t.ones_like(), t];
    for k in 2..count {
        let next = twice.clone().mul(polynomials[k - 1].clone());
        polynomials.push(next.sub(polynomials[k - 2].clone()));
    }
    polynomials
}

/// `pi (r - a) / L`.
fn angle(r: Tensor<2>, range: Range) -> Tensor<2> {
    r.sub_scalar(range.start).mul_scalar(PI / range.length())
}

/// `k theta` for `count` whole numbers `k` from `first`: `[edges, 1]` to `[edges, count]`.
fn harmonics(theta: Tensor<2>, first: usize, count: usize) -> Tensor<2> {
    let orders = (first..first + count).map(|k| k as f64).collect();
    let orders = constant(orders, [1, count], &theta);
    theta.mul(orders)
}

/// Row-major `A` with `sum_m cos(m theta) A[m, k-1] = sin(k theta) / sin(theta)`, `k = 1 ..= n`.
fn dirichlet_kernel(n: usize) -> Vec<f64> {
    let entry = |m: usize, highest: usize| {
        if m > highest || (highest - m) % 2 == 1 {
            0.0
        } else if m == 0 {
            1.0
        } else {
            2.0
        }
    };
    (0..n)
        .flat_map(|m| (0..n).map(move |highest| entry(m, highest)))
        .collect()
}

/// `sin(z) / z`, by its series where `abs(z) < 1` so that the gradient keeps all its digits.
fn sinc(z: Tensor<2>) -> Tensor<2> {
    /// `(-1)^j / (2j + 1)!` for `j = 0 ..= 8`: the next term is below 1e-17.
    const SERIES: [f64; 9] = [
        1.0,
        -1.0 / 6.0,
        1.0 / 120.0,
        -1.0 / 5_040.0,
        1.0 / 362_880.0,
        -1.0 / 39_916_800.0,
        1.0 / 6_227_020_800.0,
        -1.0 / 1_307_674_368_000.0,
        1.0 / 355_687_428_096_000.0,
    ];
    let near = z.clone().abs().lower_elem(1.0);
    let small = z.clone().mask_fill(near.clone().bool_not(), 0.0);
    let squared = small.clone().mul(small);
    let [lower @ .., highest] = SERIES;
    let series = lower
        .iter()
        .rev()
        .fold(squared.full_like(highest), |sum, &coefficient| {
            sum.mul(squared.clone()).add_scalar(coefficient)
        });
    let large = z.mask_fill(near.clone(), 1.0);
    large.clone().sin().div(large).mask_where(near, series)
}

/// Where `r` is not strictly inside the range: `[edges, 1]`.
fn outside(r: &Tensor<2>, range: Range) -> Tensor<2, Bool> {
    let below = r.clone().lower_equal_elem(range.start);
    below.bool_or(r.clone().greater_equal_elem(range.end))
}

/// Zeroes whole rows, value and gradient.
fn zero_where(features: Tensor<2>, rows: Tensor<2, Bool>) -> Tensor<2> {
    let shape = features.shape();
    features.mask_fill(rows.expand(shape), 0.0)
}
