//! Numbers in JSON, which has none that are not finite: those are written as text, `"NaN"`, `"inf"`, `"-inf"`.
//!
//! For `#[serde(with = "numbers")]`. A `null` where there must be a number is one that another writer could not write.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a number, or what holds numbers.
///
/// # Errors
/// Those of the writer.
pub(crate) fn serialize<T: Numbers, S: Serializer>(numbers: &T, to: S) -> Result<S::Ok, S::Error> {
    numbers.told().serialize(to)
}

/// Reads what [`serialize`] writes.
///
/// # Errors
/// Where there is something else.
pub(crate) fn deserialize<'de, T: Numbers, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(T::of(T::Told::deserialize(from)?))
}

/// A number, or what holds numbers.
pub(crate) trait Numbers: Sized {
    /// The same with each number as [`Number`].
    type Told: Serialize + DeserializeOwned;

    /// To be written.
    fn told(&self) -> Self::Told;

    /// As it was read.
    fn of(told: Self::Told) -> Self;
}

/// A number that may be none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.is_finite() {
            true => to.serialize_f64(self.0),
            false => to.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Told {
            Number(f64),
            Text(String),
            Nothing(()),
        }
        match Told::deserialize(from)? {
            Told::Number(number) => Ok(Self(number)),
            Told::Nothing(()) => Ok(Self(f64::NAN)),
            Told::Text(text) => match text.as_str() {
                "NaN" => Ok(Self(f64::NAN)),
                "inf" => Ok(Self(f64::INFINITY)),
                "-inf" => Ok(Self(f64::NEG_INFINITY)),
                _ => Err(D::Error::custom(format!("{text:?} is no number"))),
            },
        }
    }
}

impl Numbers for f64 {
    type Told = Number;

    fn told(&self) -> Number {
        Number(*self)
    }

    fn of(told: Number) -> Self {
        told.0
    }
}

impl Numbers for Option<f64> {
    type Told = Option<Number>;

    fn told(&self) -> Option<Number> {
        self.map(Number)
    }

    fn of(told: Option<Number>) -> Self {
        told.map(|number| number.0)
    }
}

impl Numbers for Vec<[f64; 2]> {
    type Told = Vec<[Number; 2]>;

    fn told(&self) -> Vec<[Number; 2]> {
        self.iter().map(|pair| pair.map(Number)).collect()
    }

    fn of(told: Vec<[Number; 2]>) -> Self {
        let pairs = told.into_iter();
        pairs.map(|pair| pair.map(|number| number.0)).collect()
    }
}

impl Numbers for BTreeMap<String, f64> {
    type Told = BTreeMap<String, Number>;

    fn told(&self) -> BTreeMap<String, Number> {
        let named = self.iter();
        named
            .map(|(name, &number)| (name.clone(), Number(number)))
            .collect()
    }

    fn of(told: BTreeMap<String, Number>) -> Self {
        let named = told.into_iter();
        named.map(|(name, number)| (name, number.0)).collect()
    }
}
