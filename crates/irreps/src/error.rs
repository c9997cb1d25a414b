//! What can be wrong with text, irreps and rotations that come from outside.

use std::fmt;

use thiserror::Error;

use crate::{Group, Irrep};

/// Why a list of irreps could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IrrepsError {
    /// The text is not a list of irreps.
    #[error(transparent)]
    Parse(#[from] ParseIrrepsError),
    /// One list holds irreps of SO(3) and of O(3).
    #[error("{first} is an irrep of {}, {second} of {}: one list holds one group", first.group(), second.group())]
    MixedGroups {
        /// The first irrep of the list.
        first: Irrep,
        /// The first irrep of the other group.
        second: Irrep,
    },
    /// The total dimension is beyond `isize::MAX`.
    #[error(
        "the total dimension of the irreps does not fit in memory (more than {} components)",
        isize::MAX
    )]
    TooLarge,
}

/// Text that is not an irrep or a list of irreps; printed with a caret under the place.
///
/// ```
/// use steerable_irreps::Irreps;
///
/// let error = "8x0e + 4x1f".parse::<Irreps>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "expected 'e', 'o', '+' or the end at byte 10\n  8x0e + 4x1f\n            ^"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseIrrepsError {
    /// The whole text.
    pub text: String,
    /// Byte offset into `text` where it stops making sense.
    pub at: usize,
    /// What is wrong there.
    pub problem: ParseProblem,
}

/// What is wrong at one place of a text of irreps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseProblem {
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A multiplicity that does not fit in `usize`.
    #[error("multiplicity too large")]
    MultiplicityTooLarge,
    /// A degree beyond [`Irrep::MAX_L`].
    #[error("degree above {}", Irrep::MAX_L)]
    DegreeTooLarge,
    /// The irreps read so far have more than `isize::MAX` components.
    #[error("total dimension too large")]
    TotalTooLarge,
    /// An irrep of the other group than the first one's.
    #[error("irrep of {found} in a list of irreps of {list}")]
    MixedGroups {
        /// The group of the first irrep.
        list: Group,
        /// The group of the irrep at this place.
        found: Group,
    },
}

/// Characters of text shown on each side of the place of an error.
const SHOWN: usize = 40;

impl fmt::Display for ParseIrrepsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.text.split_at(self.at);
        let skipped = before.chars().count().saturating_sub(SHOWN);
        // Control characters are shown escaped, so that the caret stays under its place.
        let mut head: String = before
            .chars()
            .skip(skipped)
            .flat_map(char::escape_debug)
            .collect();
        if skipped > 0 {
            head.insert(0, '…');
        }
        let mut tail: String = after
            .chars()
            .take(SHOWN)
            .flat_map(char::escape_debug)
            .collect();
        if after.chars().nth(SHOWN).is_some() {
            tail.push('…');
        }
        let indent = head.chars().count();
        write!(
            f,
            "{} at byte {}\n  {head}{tail}\n  {:indent$}^",
            self.problem, self.at, ""
        )
    }
}

impl std::error::Error for ParseIrrepsError {}

/// Why numbers do not describe a rotation (or, where said so, an element of O(3)).
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum RotationError {
    /// A number is infinite or not a number.
    #[error("a rotation needs finite numbers, got {0}")]
    NotFinite(f64),
    /// All four components of the quaternion are zero.
    #[error("the zero quaternion is no rotation")]
    ZeroQuaternion,
    /// The rotation axis is the zero vector.
    #[error("the zero vector is no rotation axis")]
    ZeroAxis,
    /// The matrix is not orthogonal.
    #[error(
        "not an orthogonal matrix: an entry of RᵀR - 1 is {deviation:e} (at most {tolerance:e})"
    )]
    NotOrthogonal {
        /// Largest absolute entry of RᵀR - 1.
        deviation: f64,
        /// Largest one that is accepted.
        tolerance: f64,
    },
    /// The matrix is orthogonal with determinant -1.
    #[error("a reflection (determinant -1) is no rotation; O3Element::from_matrix takes it")]
    Reflection,
}
