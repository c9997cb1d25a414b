//! Complex 3j symbols as exact signed square roots of rationals.
//!
//! Racah's formula, written with binomials so that its alternating sum is a sum of integers: with
//! `J = l1+l2+l3` and the excesses `a = J-2 l3`, `b = J-2 l2`, `c = J-2 l1`,
//!
//! ```text
//! (l1 l2 l3; m1 m2 m3) = (-1)^(l1-l2-m3) S √( P / (C(2l1, l1-m1) C(2l2, l2-m2) C(2l3, l3-m3)) )
//! S = Σ_k (-1)^k C(a, k) C(b, l1-m1-k) C(c, l2+m2-k)
//! P = (2l1)! (2l2)! (2l3)! / (a! b! c! (J+1)!)
//! ```
//!
//! `P` depends on the degrees alone. Nothing is rounded until the caller asks for an `f64`: the
//! cancellation in `S`, which costs a floating-point evaluation all its digits at high degree,
//! happens between integers.
//!
//! # Source
//! G. Racah, Phys. Rev. 62, 438 (1942); the binomial form is that of L. Wei, Comput. Phys.
//! Commun. 120, 222 (1999).

use std::cmp::Ordering;

use num_bigint::BigUint;

/// What all 3j symbols of three degrees share.
pub(crate) struct Racah {
    degrees: [usize; 3],
    /// `C(a, k)`, `C(b, k)`, `C(c, k)` for all k.
    series: [Vec<BigUint>; 3],
    /// `C(2l, k)` for all k, one row for each degree.
    norms: [Vec<BigUint>; 3],
    /// `P` in lowest terms.
    prefactor: Ratio,
}

/// A non-negative rational number.
#[derive(Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) numerator: BigUint,
    pub(crate) denominator: BigUint,
}

/// `±√square`; the sign is `Equal` for zero.
#[derive(Debug, PartialEq)]
pub(crate) struct SignedRoot {
    pub(crate) sign: Ordering,
    pub(crate) square: Ratio,
}

impl Racah {
    /// Prepares the degrees; they must satisfy the triangle rule.
    pub(crate) fn new(degrees @ [l1, l2, l3]: [usize; 3]) -> Self {
        let [a, b, c] = [l1 + l2 - l3, l1 + l3 - l2, l2 + l3 - l1];
        let factorials = factorials(l1 + l2 + l3 + 1);
        let prefactor = Ratio {
            numerator: &factorials[2 * l1] * &factorials[2 * l2] * &factorials[2 * l3],
            denominator: &factorials[a]
                * &factorials[b]
                * &factorials[c]
                * &factorials[l1 + l2 + l3 + 1],
        };
        Self {
            degrees,
            series: [a, b, c].map(binomials),
            norms: degrees.map(|l| binomials(2 * l)),
            prefactor: prefactor.reduced(),
        }
    }

    /// The degrees `[l1, l2, l3]`.
    pub(crate) fn degrees(&self) -> [usize; 3] {
        self.degrees
    }

    /// The 3j symbol of the given orders, which must lie in `-l..=l` and sum to zero.
    pub(crate) fn symbol(&self, [m1, m2, m3]: [isize; 3]) -> SignedRoot {
        let [l1, l2, l3] = self.degrees;
        let below = |l: usize, m: isize| l.strict_sub_signed(m);
        let (top_b, top_c) = (below(l1, m1), below(l2, -m2));

        let [a, b, c] = &self.series;
        let first = (top_b + 1)
            .saturating_sub(b.len())
            .max((top_c + 1).saturating_sub(c.len()));
        let last = (a.len() - 1).min(top_b).min(top_c);
        let mut sums = [BigUint::ZERO, BigUint::ZERO];
        for k in first..=last {
            sums[k % 2] += &a[k] * &b[top_b - k] * &c[top_c - k];
        }

        let [even, odd] = sums;
        let sign = even.cmp(&odd);
        let sum = if sign.is_lt() { odd - even } else { even - odd };
        let phase_is_odd = (l1 + l2 + m3.unsigned_abs()) % 2 == 1;
        SignedRoot {
            sign: if phase_is_odd { sign.reverse() } else { sign },
            square: Ratio {
                numerator: &self.prefactor.numerator * &sum * &sum,
                denominator: &self.prefactor.denominator
                    * &self.norms[0][below(l1, m1)]
                    * &self.norms[1][below(l2, m2)]
                    * &self.norms[2][below(l3, m3)],
            },
        }
    }
}

impl Ratio {
    /// `self · numerator / denominator`.
    pub(crate) fn scaled(self, numerator: usize, denominator: usize) -> Self {
        Self {
            numerator: self.numerator * numerator,
            denominator: self.denominator * denominator,
        }
    }

    fn reduced(self) -> Self {
        let (mut a, mut b) = (self.numerator.clone(), self.denominator.clone());
        while b != BigUint::ZERO {
            (a, b) = (b.clone(), a % b);
        }
        Self {
            numerator: self.numerator / &a,
            denominator: self.denominator / &a,
        }
    }

    /// The nearest `f64` (ties to even).
    pub(crate) fn to_f64(&self) -> f64 {
        // Scaled by a power of two, the quotient has 65 or 66 bits; whatever lies below them only
        // matters as "there was something", which the last bit carries through the rounding.
        const BITS: i64 = 65;
        let bits = |n: &BigUint| i64::try_from(n.bits()).expect("bit lengths fit an i64");
        let shift = BITS - (bits(&self.numerator) - bits(&self.denominator));
        let numerator = &self.numerator << shift.max(0);
        let denominator = &self.denominator << (-shift).max(0);
        let quotient = &numerator / &denominator;
        let inexact = &quotient * &denominator != numerator;
        let quotient = u128::try_from(quotient).expect("66 bits at most") | u128::from(inexact);
        quotient as f64 * 2f64.powi(i32::try_from(-shift).expect("an exponent fits an i32"))
    }
}

/// `0!, 1!, .. n!`.
fn factorials(n: usize) -> Vec<BigUint> {
    let mut values = vec![BigUint::from(1u32)];
    for k in 1..=n {
        values.push(&values[k - 1] * k);
    }
    values
}

/// Row `n` of Pascal's triangle.
fn binomials(n: usize) -> Vec<BigUint> {
    let mut row = vec![BigUint::from(1u32)];
    for k in 0..n {
        row.push(&row[k] * (n - k) / (k + 1));
    }
    row
}

#[cfg(test)]
mod tests;
