//! A sparse rank-3 tensor over the orders of three degrees: the storage of 3j symbols and
//! Clebsch-Gordan coefficients in the real basis, and the one loop that computes both.
//!
//! # From complex to real
//!
//! The real harmonics (polar axis y, no Condon-Shortley sign) are made from the complex ones by
//!
//! ```text
//! U[-k, +k] =  1/√2    U[+k, +k] =   (-1)^k/√2     (cosines: μ = +k > 0)
//! U[-k, -k] = -i/√2    U[+k, -k] = i (-1)^k/√2     (sines:   μ = -k < 0)
//! U[ 0,  0] =  1
//! ```
//!
//! with the complex order m first and the real order μ second, and the real 3j symbol is
//!
//! ```text
//! C[μ1,μ2,μ3] = i^(l1+l2+l3) Σ_m U[m1,μ1] U[m2,μ2] U[m3,μ3] (l1 l2 l3; m1 m2 m3)
//! ```
//!
//! This is the only rule for signs: no degree is special, and the tensor inherits the
//! `(-1)^(l1+l2+l3)` of the complex symbol under odd permutations.
//!
//! The sum has one term when all orders are zero and otherwise two, `m` and `-m`, that are complex
//! conjugates times `(-1)^(l1+l2+l3)`: they are equal up to sign. So an entry is either zero
//! (when the number of sines and `l1+l2+l3` differ in parity) or twice one term, hence the signed
//! square root of a rational number, which is computed exactly and rounded.

use crate::exact::Racah;

/// A nonzero entry. Orders are given as indices `0..=2l`, so `m1 = l1` is order zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Index of the first order, `0..=2 l1`.
    pub m1: usize,
    /// Index of the second order, `0..=2 l2`.
    pub m2: usize,
    /// Index of the third order, `0..=2 l3`.
    pub m3: usize,
    /// The coefficient.
    pub value: f64,
}

/// A sparse real tensor with one axis of length `2l+1` for each of three degrees.
///
/// [`Wigner3j`](crate::Wigner3j) and [`ClebschGordan`](crate::ClebschGordan) dereference to it; it
/// cannot be made by itself, since numbers without their normalization mean nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Coupling {
    degrees: [usize; 3],
    entries: Vec<Entry>,
}

impl Coupling {
    /// Computes `√scale · C[m1,m2,m3]`, each entry rounded from an exact square.
    pub(crate) fn compute(degrees: [usize; 3], scale: usize) -> Self {
        let mut entries = Vec::new();
        if satisfies_triangle_rule(degrees) {
            let racah = Racah::new(degrees);
            let [s1, s2, s3] = degrees.map(usize::cast_signed);
            // One of each pair m, -m.
            for m1 in 0..=s1 {
                let lowest_m2 = if m1 == 0 { 0 } else { -s2 };
                for m2 in lowest_m2.max(-s3 - m1)..=s2.min(s3 - m1) {
                    push_entries(&mut entries, &racah, scale, [m1, m2, -m1 - m2]);
                }
            }
            entries.sort_unstable_by_key(|entry| (entry.m1, entry.m2, entry.m3));
        }
        Self { degrees, entries }
    }

    /// The degrees `[l1, l2, l3]`.
    pub fn degrees(&self) -> [usize; 3] {
        self.degrees
    }

    /// The length of each axis, `[2 l1 + 1, 2 l2 + 1, 2 l3 + 1]`.
    pub fn shape(&self) -> [usize; 3] {
        self.degrees.map(|l| 2 * l + 1)
    }

    /// The nonzero entries, sorted by `(m1, m2, m3)`.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the degrees break the triangle rule, so that every entry is zero.
    pub fn is_zero(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at the given indices; zero where none is stored.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn get(&self, m1: usize, m2: usize, m3: usize) -> f64 {
        let [n1, n2, n3] = self.shape();
        assert!(
            m1 < n1 && m2 < n2 && m3 < n3,
            "Coupling::get: index ({m1}, {m2}, {m3}) is outside the shape ({n1}, {n2}, {n3})",
        );
        let position = self
            .entries
            .binary_search_by_key(&(m1, m2, m3), |entry| (entry.m1, entry.m2, entry.m3));
        position.map_or(0.0, |index| self.entries[index].value)
    }

    /// All entries, zeros included.
    ///
    /// # Shapes
    /// Row-major `[2 l1 + 1, 2 l2 + 1, 2 l3 + 1]`.
    pub fn dense(&self) -> Vec<f64> {
        let [n1, n2, n3] = self.shape();
        let mut values = vec![0.0; n1 * n2 * n3];
        for entry in &self.entries {
            values[(entry.m1 * n2 + entry.m2) * n3 + entry.m3] = entry.value;
        }
        values
    }
}

/// `|l1 - l2| <= l3 <= l1 + l2`.
fn satisfies_triangle_rule([l1, l2, l3]: [usize; 3]) -> bool {
    (l1.abs_diff(l2)..=l1 + l2).contains(&l3)
}

/// Pushes every real entry whose two complex terms are `orders` and `-orders`.
fn push_entries(entries: &mut Vec<Entry>, racah: &Racah, scale: usize, orders: [isize; 3]) {
    let symbol = racah.symbol(orders);
    if symbol.sign.is_eq() {
        return;
    }
    // Two equal terms, each with a factor 1/√2 for every nonzero order; squared: 4 / 2^nonzero.
    // Nonzero orders number two or three, or none, and then there is a single term.
    let halves = u32::from(orders.iter().all(|&m| m != 0));
    let value = symbol.square.scaled(scale, 1 << halves).to_f64().sqrt();
    let value = if symbol.sign.is_lt() { -value } else { value };

    let [l1, l2, l3] = racah.degrees();
    for kinds in KINDS {
        let sines = kinds.iter().filter(|&&kind| kind == Kind::Sine).count();
        let exists = (0..3).all(|axis| orders[axis] != 0 || kinds[axis] == Kind::Cosine);
        if !exists || (l1 + l2 + l3 + sines) % 2 == 1 {
            continue;
        }
        // i^(l1+l2+l3) times the i of every sine, and the signs of U.
        let negative = (0..3).fold((l1 + l2 + l3 + sines) % 4 == 2, |negative, axis| {
            negative ^ kinds[axis].is_negative(orders[axis])
        });
        entries.push(Entry {
            m1: kinds[0].index(l1, orders[0]),
            m2: kinds[1].index(l2, orders[1]),
            m3: kinds[2].index(l3, orders[2]),
            value: if negative { -value } else { value },
        });
    }
}

/// The two real harmonics made from the complex orders `m` and `-m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cosine,
    Sine,
}

/// All choices of a kind for three axes.
const KINDS: [[Kind; 3]; 8] = {
    use Kind::{Cosine as C, Sine as S};
    [
        [C, C, C],
        [C, C, S],
        [C, S, C],
        [C, S, S],
        [S, C, C],
        [S, C, S],
        [S, S, C],
        [S, S, S],
    ]
};

impl Kind {
    /// Index of the real component.
    fn index(self, l: usize, m: isize) -> usize {
        match self {
            Self::Cosine => l + m.unsigned_abs(),
            Self::Sine => l - m.unsigned_abs(),
        }
    }

    /// Whether `U[m, μ]`, without the i of a sine, is negative.
    fn is_negative(self, m: isize) -> bool {
        match self {
            Self::Cosine => m > 0 && m % 2 != 0,
            Self::Sine => m < 0 || m % 2 != 0,
        }
    }
}
