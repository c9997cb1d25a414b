//! Irreps as text: printing, reading, serde.

use std::fmt;
use std::str::FromStr;

use super::{Irreps, MulIrrep, parse};
use crate::IrrepsError;

/// Serializes a type as the text it prints, and reads it back by parsing.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

impl fmt::Display for MulIrrep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.mul, self.irrep)
    }
}

impl fmt::Display for Irreps {
    /// `32x0e + 16x1o`; the empty list prints nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, block) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(" + ")?;
            }
            block.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for Irreps {
    type Err = IrrepsError;

    /// Reads `8x0 + 4x1` (SO(3)) or `8x0e + 4x1o` (O(3)). `1o` means `1x1o`; white space is free;
    /// the empty text is the empty list.
    fn from_str(text: &str) -> Result<Self, IrrepsError> {
        Self::try_new(parse::blocks(text)?)
    }
}

serde_as_text!(Irreps);
