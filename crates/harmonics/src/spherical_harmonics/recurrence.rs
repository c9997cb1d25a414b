//! The coefficients: everything that depends on degree, order and normalization only.
//!
//! The solid harmonics `R_l^m(x, y, z)` are built column by column (fixed `|m|`, growing `l`), with
//! y as the polar axis and `r² = x² + y² + z²`:
//!
//! ```text
//! R_0^0              = s_0
//! R_m^m  + i R_m^-m  = k_m (z + i x) (R_{m-1}^{m-1} + i R_{m-1}^{-(m-1)})
//! R_l^±m             = a_lm y R_{l-1}^±m  -  b_lm r² R_{l-2}^±m
//! ```
//!
//! These are the recursions of the modified Legendre polynomials and of `(z + i x)^m` multiplied
//! through, with the normalization folded into `k`, `a` and `b`: no trigonometry, no division by
//! `sin θ`, so no point of the sphere is special.
//!
//! A derivative lowers the degree by one, so the gradient needs no recursion of its own. For
//! `m >= 1`, writing `C_m = R_{l-1}^m` and `S_m = R_{l-1}^{-m}` (zero where `m > l - 1`; `S_0 = 0`):
//!
//! ```text
//! ∂y R_l^m = d C_m     ∂z R_l^m = p C_{m-1} - q C_{m+1}     ∂x R_l^m = -p S_{m-1} - q S_{m+1}
//! ∂y R_l^-m = d S_m    ∂z R_l^-m = p S_{m-1} - q S_{m+1}    ∂x R_l^-m = p C_{m-1} + q C_{m+1}
//! ∂y R_l^0 = d C_0     ∂z R_l^0 = -q C_1                    ∂x R_l^0 = -q S_1
//! ```
//!
//! # Source
//! Bigi, Fraux, Browning, Ceriotti, "Fast evaluation of spherical harmonics with sphericart",
//! J. Chem. Phys. 159, 064802 (2023), eqs. 8-11, for the recursions with the polar axis z.

use super::Normalization;
use super::real::sealed::Real;

/// One step up a column: `R_l^±m = polar * y * R_{l-1}^±m + radial * r² * R_{l-2}^±m`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<T> {
    pub(super) polar: T,
    pub(super) radial: T,
}

/// The weights of the degree `l - 1` harmonics in the gradient of `R_l^±m`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ladder<T> {
    /// `d`, of order m.
    pub(super) same: T,
    /// `p`, of order m - 1.
    pub(super) lower: T,
    /// `q`, of order m + 1.
    pub(super) upper: T,
}

/// The coefficients of all degrees up to `l_max`.
#[derive(Clone, Debug)]
pub struct Recurrence<T> {
    l_max: usize,
    /// `R_0^0`, then `k_m` for `m = 1..=l_max`.
    sectoral: Vec<T>,
    /// Column after column: `m = 0..=l_max`, in each `l = m + 1..=l_max`.
    steps: Vec<Step<T>>,
    /// Degree after degree: `l = 0..=l_max`, in each `m = 0..=l`.
    ladders: Vec<Ladder<T>>,
}

impl<T: Real> Recurrence<T> {
    /// Computes the coefficients in `f64` and rounds each once to `T`.
    pub(super) fn new(l_max: usize, normalization: Normalization) -> Self {
        let length = |l: usize| normalization.length(l);
        let mut sectoral = vec![T::from_f64(length(0))];
        let mut steps = Vec::with_capacity(l_max * (l_max + 1) / 2);
        let mut ladders = Vec::with_capacity((l_max + 1) * (l_max + 2) / 2);
        for m in 0..=l_max {
            if m > 0 {
                sectoral.push(T::from_f64(sectoral_factor(m) * length(m) / length(m - 1)));
            }
            for l in m + 1..=l_max {
                let span = ((l - m) * (l + m)) as f64;
                let polar = (2 * l - 1) as f64 / span.sqrt() * length(l) / length(l - 1);
                let before = ((l - m - 1) * (l + m - 1)) as f64;
                let radial = if before == 0.0 {
                    0.0
                } else {
                    (before / span).sqrt() * length(l) / length(l - 2)
                };
                steps.push(Step {
                    polar: T::from_f64(polar),
                    radial: T::from_f64(-radial),
                });
            }
        }
        for l in 0..=l_max {
            let ratio = if l == 0 {
                0.0
            } else {
                length(l) / length(l - 1)
            };
            ladders.extend((0..=l).map(|m| ladder(l, m, ratio)));
        }
        Self {
            l_max,
            sectoral,
            steps,
            ladders,
        }
    }

    pub(super) fn l_max(&self) -> usize {
        self.l_max
    }

    /// The coefficients of the degrees up to `l_max`, which must be this recurrence's. Where the
    /// caller passes a literal, loops over the result unroll and their bounds checks vanish.
    #[inline(always)]
    pub(super) fn coefficients(&self, l_max: usize) -> Coefficients<'_, T> {
        assert_eq!(
            l_max, self.l_max,
            "the columns of another l_max lie elsewhere"
        );
        Coefficients {
            l_max,
            sectoral: &self.sectoral[..l_max + 1],
            steps: &self.steps[..l_max * (l_max + 1) / 2],
            ladders: &self.ladders[..(l_max + 1) * (l_max + 2) / 2],
        }
    }
}

/// A view of a [`Recurrence`].
#[derive(Clone, Copy)]
pub(super) struct Coefficients<'a, T> {
    pub(super) l_max: usize,
    sectoral: &'a [T],
    steps: &'a [Step<T>],
    ladders: &'a [Ladder<T>],
}

impl<'a, T: Real> Coefficients<'a, T> {
    /// `R_0^0` for `m = 0`, else `k_m`.
    #[inline(always)]
    pub(super) fn sectoral(&self, m: usize) -> T {
        self.sectoral[m]
    }

    /// The steps of the columns ±m: `l = m + 1..=l_max`.
    #[inline(always)]
    pub(super) fn column(&self, m: usize) -> &'a [Step<T>] {
        let start = m * self.l_max - m * m.saturating_sub(1) / 2;
        &self.steps[start..start + self.l_max - m]
    }

    /// The gradient weights of degree l: `m = 0..=l`.
    #[inline(always)]
    pub(super) fn ladder(&self, l: usize) -> &'a [Ladder<T>] {
        let start = l * (l + 1) / 2;
        &self.ladders[start..start + l + 1]
    }
}

/// `k_m` for harmonics with `|R_l| = 1` on the sphere.
fn sectoral_factor(m: usize) -> f64 {
    match m {
        1 => 1.0,
        _ => ((2 * m - 1) as f64 / (2 * m) as f64).sqrt(),
    }
}

/// `ratio` is the length of the degree-l harmonics over that of degree l - 1. Order 0 stands for
/// one function where every other order stands for two, hence the halves missing next to it.
fn ladder<T: Real>(l: usize, m: usize, ratio: f64) -> Ladder<T> {
    let (l, order) = (l as f64, m as f64);
    let same = ((l - order) * (l + order)).sqrt();
    let lower = match m {
        0 => 0.0,
        1 => (l * (l + 1.0) / 2.0).sqrt(),
        _ => ((l + order) * (l + order - 1.0)).sqrt() / 2.0,
    };
    let upper = match m {
        0 => (l * (l - 1.0) / 2.0).max(0.0).sqrt(),
        _ => ((l - order) * (l - order - 1.0)).sqrt() / 2.0,
    };
    Ladder {
        same: T::from_f64(same * ratio),
        lower: T::from_f64(lower * ratio),
        upper: T::from_f64(upper * ratio),
    }
}
