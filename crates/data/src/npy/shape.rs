//! What shape an array has to have.

use super::{Array, Elements};
use crate::ArrayFault;

/// What one dimension of an array has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dimension {
    /// Any length.
    Any,
    /// This length.
    Exactly(usize),
}

/// Finite real numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Reals {
    /// Their shape.
    pub shape: Vec<usize>,
    /// The numbers, the last index fastest.
    pub values: Vec<f64>,
}

pub(super) fn reals(array: Array, wanted: &[Dimension]) -> Result<Reals, ArrayFault> {
    check_shape(&array.shape, wanted)?;
    let values = match array.elements {
        Elements::Real(values) => values,
        Elements::Integer(values) => values.iter().map(|&value| value as f64).collect(),
        other => return Err(wrong_type(&other, "numbers")),
    };
    check_finite(&values)?;
    Ok(Reals {
        shape: array.shape,
        values,
    })
}

/// Refuses what is infinite or not a number.
pub(crate) fn check_finite(values: &[f64]) -> Result<(), ArrayFault> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(ArrayFault::Invalid {
            index,
            value: values[index],
            field: "finite number",
        }),
    }
}

/// The fault of an array whose elements are not what is read.
pub(super) fn wrong_type(found: &Elements, expected: &'static str) -> ArrayFault {
    let found = match found {
        Elements::Real(_) => "floating point numbers",
        Elements::Integer(_) => "integers",
        Elements::Logical(_) => "logical values",
        Elements::Text(_) => "text",
    };
    ArrayFault::Type {
        found: found.to_owned(),
        expected,
    }
}

pub(super) fn check_shape(shape: &[usize], wanted: &[Dimension]) -> Result<(), ArrayFault> {
    let fits = |(length, wanted): (&usize, &Dimension)| match wanted {
        Dimension::Any => true,
        Dimension::Exactly(wanted) => length == wanted,
    };
    if shape.len() == wanted.len() && shape.iter().zip(wanted).all(fits) {
        return Ok(());
    }
    let words = wanted.iter().map(|dimension| match dimension {
        Dimension::Any => "any".to_owned(),
        Dimension::Exactly(length) => length.to_string(),
    });
    let words: Vec<_> = words.collect();
    Err(ArrayFault::Shape {
        found: shape.iter().map(|&length| length as u64).collect(),
        expected: format!("[{}]", words.join(", ")),
    })
}
