//! One irreducible representation of SO(3) or O(3).

use std::fmt;
use std::ops::Mul;
use std::str::FromStr;

use crate::IrrepsError;
use crate::irreps::{parse, serde_as_text};

/// How an irrep of O(3) answers to point inversion; printed `e` or `o`.
///
/// `Odd < Even`, which is e3nn's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parity {
    /// Changes sign under inversion (a vector).
    Odd,
    /// Does not change under inversion (a scalar, a pseudovector).
    Even,
}

impl Parity {
    /// +1 for even, -1 for odd.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Odd => -1.0,
        }
    }

    /// The parity of the spherical harmonics of degree `l`: (-1)^l.
    pub const fn of_harmonic(l: usize) -> Self {
        if l.is_multiple_of(2) {
            Self::Even
        } else {
            Self::Odd
        }
    }
}

impl Mul for Parity {
    type Output = Self;

    fn mul(self, rhs: Self) -> Self {
        if self == rhs { Self::Even } else { Self::Odd }
    }
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Even => "e",
            Self::Odd => "o",
        })
    }
}

/// The group an irrep belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Rotations.
    So3,
    /// Rotations and inversion.
    O3,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::So3 => "SO(3)",
            Self::O3 => "O(3)",
        })
    }
}

/// An irreducible representation: a degree `l`, and a parity if the group is O(3).
///
/// Written `1` in SO(3) and `1e` or `1o` in O(3). Its dimension is 2l + 1.
/// The order is that of e3nn: by degree, then odd before even.
///
/// ```
/// use steerable_irreps::{Irrep, Parity};
///
/// let vector = Irrep::o3(1, Parity::Odd);
/// assert_eq!(vector.to_string(), "1o");
/// let products: Vec<String> = vector.product(vector).map(|irrep| irrep.to_string()).collect();
/// assert_eq!(products, ["0e", "1e", "2e"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Irrep {
    l: usize,
    parity: Option<Parity>,
}

impl Irrep {
    /// The largest degree: one D matrix above it would have four thousand million entries.
    pub const MAX_L: usize = 32_767;

    /// The irrep of SO(3) of degree `l`.
    ///
    /// # Panics
    /// If `l` is above [`Irrep::MAX_L`].
    pub const fn so3(l: usize) -> Self {
        assert!(
            l <= Self::MAX_L,
            "Irrep::so3: the degree is above Irrep::MAX_L"
        );
        Self { l, parity: None }
    }

    /// The irrep of O(3) of degree `l` and the given parity.
    ///
    /// # Panics
    /// If `l` is above [`Irrep::MAX_L`].
    pub const fn o3(l: usize, parity: Parity) -> Self {
        assert!(
            l <= Self::MAX_L,
            "Irrep::o3: the degree is above Irrep::MAX_L"
        );
        Self {
            l,
            parity: Some(parity),
        }
    }

    /// The degree.
    pub const fn l(self) -> usize {
        self.l
    }

    /// The parity; `None` for an irrep of SO(3).
    pub const fn parity(self) -> Option<Parity> {
        self.parity
    }

    /// The group.
    pub const fn group(self) -> Group {
        match self.parity {
            None => Group::So3,
            Some(_) => Group::O3,
        }
    }

    /// The number of components, 2l + 1.
    pub const fn dim(self) -> usize {
        2 * self.l + 1
    }

    /// Whether this is the trivial representation, `0` or `0e`: it never changes.
    pub fn is_scalar(self) -> bool {
        self.l == 0 && self.parity != Some(Parity::Odd)
    }

    /// The irreps in the product of two irreps, each once: degrees |l1 - l2|..=l1 + l2 in rising
    /// order; parities multiply.
    ///
    /// # Panics
    /// If one is an irrep of SO(3) and the other of O(3), or if l1 + l2 is above [`Irrep::MAX_L`].
    pub fn product(self, rhs: Self) -> impl DoubleEndedIterator<Item = Self> + Clone {
        let parity = match (self.parity, rhs.parity) {
            (None, None) => None,
            (Some(a), Some(b)) => Some(a * b),
            _ => panic!("Irrep::product: expected irreps of one group, got {self} and {rhs}"),
        };
        assert!(
            self.l + rhs.l <= Self::MAX_L,
            "Irrep::product: expected degrees up to {}, got {self} times {rhs}",
            Self::MAX_L
        );
        (self.l.abs_diff(rhs.l)..=self.l + rhs.l).map(move |l| Self { l, parity })
    }
}

impl fmt::Display for Irrep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.l)?;
        self.parity.map_or(Ok(()), |parity| parity.fmt(f))
    }
}

impl FromStr for Irrep {
    type Err = IrrepsError;

    /// Reads `1`, `1e` or `1o`.
    fn from_str(text: &str) -> Result<Self, IrrepsError> {
        Ok(parse::irrep(text)?)
    }
}

serde_as_text!(Irrep);
