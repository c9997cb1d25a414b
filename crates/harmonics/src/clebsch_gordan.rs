//! Clebsch-Gordan coefficients in the real basis.

use std::ops::Deref;

use crate::coupling::Coupling;

/// The real Clebsch-Gordan coefficients: the isometry from degree `l3` into `l1 ⊗ l2`.
///
/// ```text
/// C[m1,m2,m3] = √(2 l3 + 1) · Wigner3j[m1,m2,m3]
/// Σ_{m1,m2} C[m1,m2,m3] C[m1,m2,n3] = δ[m3,n3]
/// Σ_{l3,m3} C[m1,m2,m3] C[n1,n2,m3] = δ[m1,n1] δ[m2,n2]
/// ```
///
/// Signs are those of [`Wigner3j`](crate::Wigner3j); each value is rounded from its own exact
/// square.
///
/// ```
/// use steerable_harmonics::ClebschGordan;
///
/// let dot = ClebschGordan::new(1, 1, 0);
/// assert_eq!(dot.get(2, 2, 0), (1.0f64 / 3.0).sqrt());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClebschGordan(Coupling);

impl ClebschGordan {
    /// Computes the coefficients; there are none where the triangle rule `|l1-l2| <= l3 <= l1+l2`
    /// fails.
    pub fn new(l1: usize, l2: usize, l3: usize) -> Self {
        Self(Coupling::compute([l1, l2, l3], 2 * l3 + 1))
    }
}

impl Deref for ClebschGordan {
    type Target = Coupling;

    fn deref(&self) -> &Coupling {
        &self.0
    }
}
