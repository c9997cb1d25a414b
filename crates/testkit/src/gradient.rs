//! Claimed gradients against finite differences.

use std::fmt;

/// The share of the largest component of the gradient that finite differences must resolve.
const RESOLUTION: f64 = 1e-4;

/// The roundings, in units of epsilon, allowed for in one evaluation; as in
/// [`tolerance`](crate::tolerance).
const ROUNDINGS: f64 = 64.0;

/// A point and the gradient that a program claims to have there.
#[derive(Clone, Copy, Debug)]
pub struct GradientClaim<'a> {
    /// Where.
    pub at: &'a [f64],
    /// The claimed `df/dx`, of the same length.
    pub gradient: &'a [f64],
}

/// A central difference formula, from differences `d(s) = (f(x + s) - f(x - s)) / 2s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stencil {
    /// `d(h)`, error `O(h^2)`; 4 evaluations per coordinate. For functions smooth over 2e-5 only.
    Second,
    /// `(4 d(h) - d(2h)) / 3`, error `O(h^4)`; 6 evaluations per coordinate.
    Fourth,
}

impl Stencil {
    /// Near `epsilon^(1/3)` or `epsilon^(1/5)`, where truncation and rounding balance for a function
    /// that varies over lengths of 1; a power of two, so that a small step is exact.
    const fn default_step(self) -> f64 {
        match self {
            Self::Second => 1.0 / 131_072.0,
            Self::Fourth => 1.0 / 1024.0,
        }
    }
}

/// Compares a claimed gradient with central differences, coordinate by coordinate, in f64.
///
/// The check knows its own precision. Each derivative is estimated with steps `h` and `2h`; their
/// difference exceeds the truncation error of the first by a factor of 3 (second order) or 15
/// (fourth order). With rounding added, the uncertainty is
///
/// `u = |D(h) - D(2h)| + 64 epsilon (|f| + |x D|) / h`
///
/// and a claim is refused if it is further than `4 u` from `D(h)`. Errors are reported relative to
/// the largest component, claimed or numeric. If `4 u` exceeds 1e-4 of that, finite differences cannot tell (a kink, or noise as from a function computed
/// in f32): such a coordinate counts as failed, never as passed.
///
/// For an output with more than one value, contract it with a fixed random cotangent.
///
/// # Examples
/// ```
/// use steerable_testkit::{GradientCheck, GradientClaim};
///
/// // f = sum_i sin(x_i), df/dx_i = cos(x_i)
/// let at = [0.3, -1.2, 4.0];
/// let gradient = at.map(f64::cos);
/// let claim = GradientClaim { at: &at, gradient: &gradient };
/// let report = GradientCheck::new().run(claim, |x| x.iter().map(|x| x.sin()).sum());
/// report.assert_ok();
/// assert!(report.error < 1e-11);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GradientCheck {
    stencil: Stencil,
    step: f64,
    floor: f64,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl GradientCheck {
    /// Fourth order, for functions that vary over lengths of about 1.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_stencil(Stencil::Fourth)
    }

    /// Another order, with its own step.
    #[must_use]
    pub const fn with_stencil(stencil: Stencil) -> Self {
        Self {
            stencil,
            step: stencil.default_step(),
            floor: 0.0,
        }
    }

    /// Another step `h`, in the unit of the coordinates.
    #[must_use]
    pub const fn step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }

    /// The least size that errors are relative to: what a gradient of this function usually is, for
    /// stationary points, where the gradient itself is rounding noise.
    #[must_use]
    pub const fn floor(mut self, floor: f64) -> Self {
        self.floor = floor;
        self
    }

    /// Compares the claim with finite differences of `f`.
    ///
    /// # Panics
    /// If point and gradient have different lengths or there are no coordinates.
    #[must_use = "a check asserts nothing until assert_ok is called on its report"]
    pub fn run(
        &self,
        claim: GradientClaim<'_>,
        mut f: impl FnMut(&[f64]) -> f64,
    ) -> GradientReport {
        let GradientClaim { at, gradient } = claim;
        assert_eq!(
            at.len(),
            gradient.len(),
            "gradient check: the point has another length than the gradient"
        );
        assert!(!at.is_empty(), "gradient check: no coordinates");
        let value = f(at);
        let estimates: Vec<Estimate> = (0..at.len())
            .map(|i| self.estimate(at, i, value, &mut f))
            .collect();
        let claimed_and_numeric = || {
            let numeric = estimates.iter().map(|estimate| estimate.derivative);
            numeric.chain(gradient.iter().copied())
        };
        let still = claimed_and_numeric().all(|x| x == 0.0);
        let scale = claimed_and_numeric().fold(self.floor, |largest, x| largest.max(x.abs()));
        let relative = |x: f64| if still { 0.0 } else { x / scale };
        let coordinates: Vec<Coordinate> = estimates
            .iter()
            .zip(gradient)
            .enumerate()
            .map(|(index, (estimate, &claimed))| Coordinate {
                index,
                claimed,
                numeric: estimate.derivative,
                error: relative((estimate.derivative - claimed).abs()),
                tolerance: relative(4.0 * estimate.uncertainty),
            })
            .collect();
        let error = coordinates.iter().map(|c| c.error).fold(0.0, nan_max);
        GradientReport {
            error,
            failures: coordinates
                .iter()
                .copied()
                .filter(|c| !c.passed())
                .collect(),
            coordinates,
            value,
        }
    }

    fn estimate(
        &self,
        at: &[f64],
        index: usize,
        value: f64,
        f: &mut impl FnMut(&[f64]) -> f64,
    ) -> Estimate {
        let mut moved = at.to_vec();
        let mut difference = |steps: f64| {
            moved[index] = at[index] + steps * self.step;
            let (right, up) = (moved[index], f(&moved));
            moved[index] = at[index] - steps * self.step;
            let (left, down) = (moved[index], f(&moved));
            (up - down) / (right - left)
        };
        let (near, middle) = (difference(1.0), difference(2.0));
        let (derivative, coarse) = match self.stencil {
            Stencil::Second => (near, middle),
            Stencil::Fourth => (
                (4.0 * near - middle) / 3.0,
                (4.0 * middle - difference(4.0)) / 3.0,
            ),
        };
        let size = value.abs() + (at[index] * derivative).abs();
        let rounding = ROUNDINGS * f64::EPSILON * size / self.step;
        Estimate {
            derivative,
            uncertainty: (derivative - coarse).abs() + rounding,
        }
    }
}

struct Estimate {
    derivative: f64,
    uncertainty: f64,
}

/// The larger of two numbers; NaN if one of them is.
fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// One coordinate of a [`GradientReport`]; errors are relative to the largest component of the
/// claimed or numeric gradient, or to the floor if that is larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    /// Which coordinate.
    pub index: usize,
    /// The claimed derivative.
    pub claimed: f64,
    /// The finite difference.
    pub numeric: f64,
    /// `|claimed - numeric|`, relative.
    pub error: f64,
    /// Four times the uncertainty of `numeric`, relative.
    pub tolerance: f64,
}

impl Coordinate {
    /// Whether finite differences are precise enough here to tell right from wrong.
    #[must_use]
    pub fn resolved(&self) -> bool {
        self.tolerance <= RESOLUTION
    }

    /// Whether it is resolved and the claim is within tolerance.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.resolved() && self.error <= self.tolerance
    }
}

/// What a [`GradientCheck`] found.
#[derive(Clone, Debug)]
pub struct GradientReport {
    /// The function at the point.
    pub value: f64,
    /// The largest relative error; NaN if a derivative is.
    pub error: f64,
    /// All coordinates.
    pub coordinates: Vec<Coordinate>,
    /// The coordinates that did not pass.
    pub failures: Vec<Coordinate>,
}

impl GradientReport {
    /// Whether every coordinate passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Does nothing if the check passed.
    ///
    /// # Panics
    /// With the report if it did not.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.passed(), "\n{self}");
    }
}

impl fmt::Display for GradientReport {
    /// A headline and the first failures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        let (failed, all) = (self.failures.len(), self.coordinates.len());
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        writeln!(
            f,
            "gradient: {verdict}, largest relative error {:.1e}",
            self.error
        )?;
        if self
            .coordinates
            .iter()
            .all(|c| c.claimed == 0.0 && c.numeric == 0.0)
        {
            writeln!(f, "  note: the function does not change at all here")?;
        }
        if self.passed() {
            return Ok(());
        }
        writeln!(
            f,
            "  {failed} of {all} coordinates failed, f = {:e}",
            self.value
        )?;
        writeln!(
            f,
            "  {:<7}{:<15}{:<15}{:<10}tolerance",
            "index", "claimed", "numeric", "error"
        )?;
        for c in self.failures.iter().take(SHOWN) {
            let Coordinate {
                index,
                claimed,
                numeric,
                error,
                tolerance,
            } = c;
            write!(
                f,
                "  {index:<7}{claimed:<15.6e}{numeric:<15.6e}{error:<10.1e}{tolerance:.1e}"
            )?;
            let unresolved = "  (finite differences cannot tell: a kink, or noise)";
            writeln!(f, "{}", if c.resolved() { "" } else { unresolved })?;
        }
        if failed > SHOWN {
            writeln!(f, "  ... {} more", failed - SHOWN)?;
        }
        Ok(())
    }
}
