//! The conventions that give numbers in a file their meaning.

use std::fmt;

use serde::{Deserialize, Serialize};
use steerable_harmonics::Wigner3j;

/// What the numbers of a checkpoint mean; see `docs/CONVENTIONS.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conventions {
    /// Order and axes of the components of an irrep.
    pub axes: String,
    /// Normalization of the harmonics where a model's configuration does not choose another.
    pub harmonics: String,
    /// Normalization of the 3j symbols.
    pub wigner_3j: String,
    /// Signs of the real 3j symbols of all degrees up to 4, as a checksum.
    pub signs: String,
    /// Order of the inputs of radial networks.
    pub radial_input: String,
    /// How a block of channels lies in a feature row: `ir_mul` (`[2l+1, mul]`) or `mul_ir`.
    pub layout: String,
}

/// A difference of conventions that loading removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Tensors that hold feature rows are turned from `mul_ir` into `ir_mul`.
    Layout,
}

impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout => f.write_str("feature rows turned from mul_ir into ir_mul"),
        }
    }
}

/// A difference of conventions that loading cannot remove.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {convention} is \"{found}\", this library's is \"{expected}\"; {why}")]
pub struct Refusal {
    /// Which convention.
    pub convention: &'static str,
    /// The file's.
    pub found: String,
    /// This library's.
    pub expected: String,
    /// Why it is not converted.
    pub why: &'static str,
}

/// Degrees whose 3j symbols are in the sign table.
const SIGNED_DEGREES: usize = 4;

impl Conventions {
    /// Those of this library.
    pub fn ours() -> Self {
        Self {
            axes: "y polar, m = -l..=l".into(),
            harmonics: "component".into(),
            wigner_3j: "sum of squares 1".into(),
            signs: sign_table(),
            radial_input: "edge scalars, distance".into(),
            layout: "ir_mul".into(),
        }
    }

    /// What must be done to numbers under these conventions to use them under [`Self::ours`].
    ///
    /// # Errors
    /// When there is a difference that no conversion is known for.
    pub fn conversions(&self) -> Result<Vec<Conversion>, Refusal> {
        let ours = Self::ours();
        let basis =
            "weights learned in another basis of the irreps cannot be told apart from wrong ones";
        let fixed = [
            ("order of components", &self.axes, &ours.axes, basis),
            (
                "normalization of harmonics",
                &self.harmonics,
                &ours.harmonics,
                "radial networks have learned with the other scale",
            ),
            (
                "normalization of 3j symbols",
                &self.wigner_3j,
                &ours.wigner_3j,
                "radial networks have learned with the other scale",
            ),
            ("sign table of 3j symbols", &self.signs, &ours.signs, basis),
            (
                "order of radial inputs",
                &self.radial_input,
                &ours.radial_input,
                "it does not say which rows of the first radial layer belong to what",
            ),
        ];
        for (convention, found, expected, why) in fixed {
            if found != expected {
                return Err(Refusal {
                    convention,
                    found: found.clone(),
                    expected: expected.clone(),
                    why,
                });
            }
        }
        match self.layout.as_str() {
            "ir_mul" => Ok(Vec::new()),
            "mul_ir" => Ok(vec![Conversion::Layout]),
            _ => Err(Refusal {
                convention: "layout of features",
                found: self.layout.clone(),
                expected: ours.layout,
                why: "known are ir_mul and mul_ir",
            }),
        }
    }
}

/// CRC-32 of the signs of all entries of all real 3j symbols up to a degree, in the order of degrees and
/// indices, one byte each: 0, 1 or 255 (= -1).
fn sign_table() -> String {
    let degrees = 0..=SIGNED_DEGREES;
    let mut hash = crc32fast::Hasher::new();
    for l1 in degrees.clone() {
        for l2 in degrees.clone() {
            for l3 in degrees.clone() {
                let signs = Wigner3j::new(l1, l2, l3).dense().into_iter();
                let signs: Vec<u8> = signs
                    .map(|value| match value {
                        v if v > 0.0 => 1,
                        v if v < 0.0 => 255,
                        _ => 0,
                    })
                    .collect();
                hash.update(&signs);
            }
        }
    }
    format!("crc32:{:08x}", hash.finalize())
}
