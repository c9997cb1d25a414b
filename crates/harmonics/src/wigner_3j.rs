//! 3j symbols in the real basis.

use std::ops::Deref;

use crate::coupling::Coupling;

/// The real 3j symbol of three degrees: the tensor `C[m1,m2,m3]` that rotations leave alone.
///
/// ```text
/// Σ_{n1,n2,n3} D_l1(R)[m1,n1] D_l2(R)[m2,n2] D_l3(R)[m3,n3] C[n1,n2,n3] = C[m1,m2,m3]
/// Σ_{m1,m2}    C[m1,m2,m3] C[m1,m2,n3] = δ[m3,n3] / (2 l3 + 1)
/// Σ_{m1,m2,m3} C[m1,m2,m3]² = 1
/// ```
///
/// The sign is e3nn's: exchanging two degrees transposes the tensor and multiplies it by
/// `(-1)^(l1+l2+l3)`; degrees (1, 1, 1) give the cross product, `C = ε/√6`, and (1, 1, 0) the dot
/// product, `C = δ/√3`. The rule for all degrees is
///
/// ```text
/// C[μ1,μ2,μ3] = i^(l1+l2+l3) Σ_m U[m1,μ1] U[m2,μ2] U[m3,μ3] (l1 l2 l3; m1 m2 m3)
/// ```
///
/// with the complex 3j symbol and the unitary `U` that makes the real harmonics from the complex
/// ones: `U[0,0] = 1`; for the cosine `μ = k > 0`, `U[±k,k] = (-1)^k/√2, 1/√2`; for the sine
/// `μ = -k < 0`, `U[±k,-k] = i(-1)^k/√2, -i/√2`. Each entry is the square root of a rational number,
/// which is computed exactly: the value lies within one unit in the last place of the true one.
///
/// Computing it takes microseconds and nothing is cached: keep what you use.
///
/// ```
/// use steerable_harmonics::Wigner3j;
///
/// let cross = Wigner3j::new(1, 1, 1);
/// assert_eq!(cross.get(0, 1, 2), (1.0f64 / 6.0).sqrt());
/// assert_eq!(cross.entries().len(), 6);
/// assert!(Wigner3j::new(1, 1, 3).is_zero());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Wigner3j(Coupling);

impl Wigner3j {
    /// Computes the symbol; it has no entries where the triangle rule `|l1-l2| <= l3 <= l1+l2`
    /// fails.
    pub fn new(l1: usize, l2: usize, l3: usize) -> Self {
        Self(Coupling::compute([l1, l2, l3], 1))
    }
}

impl Deref for Wigner3j {
    type Target = Coupling;

    fn deref(&self) -> &Coupling {
        &self.0
    }
}
