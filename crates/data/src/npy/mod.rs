//! Arrays of NumPy: single ones (`.npy`) and archives of them (`.npz`).
//!
//! Read are arrays in C's order, little or big endian, of floating point numbers of 32 and 64 bits,
//! integers, logical values and text of fixed width. Pickled objects and records are refused.
//!
//! The header is parsed here, not by the crate `npyz` (0.9.1): that one allocates what a header tells before
//! it has read it, multiplies shapes without a check, and its parser of Python literals descends as
//! deep as a file nests brackets. The archive is the crate `zip`'s. [`NpzWriter`] writes archives that NumPy reads.
//!
//! # Source
//! The format as `numpy.lib.format` documents it, versions 1 to 3.

mod archive;
mod parse;
mod shape;
mod writer;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

pub use archive::Npz;
pub use shape::{Dimension, Reals};
pub use writer::{NpzWriter, write_archive};

use crate::ReadError;
#[cfg(feature = "hdf5")]
pub(crate) use parse::MAX_ELEMENTS;
use parse::parse;
#[cfg(feature = "hdf5")]
pub(crate) use shape::check_finite;

/// An array, its elements widened to 64 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// Its elements, the last index fastest.
    pub elements: Elements,
}

/// The elements of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Floating point numbers, as they are: also infinite and not a number.
    Real(Vec<f64>),
    /// Integers.
    Integer(Vec<i64>),
    /// Yes or no.
    Logical(Vec<bool>),
    /// Text, without the zeros that fill it up.
    Text(Vec<String>),
}

impl Elements {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Logical(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The array of a `.npy` file.
///
/// # Errors
/// [`ReadError`] if the file cannot be opened or is not such an array.
pub fn read(path: impl AsRef<Path>) -> Result<Array, ReadError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(ReadError::io(path))?;
    read_source(BufReader::new(file), path)
}

/// The array of any source of a `.npy` file's bytes; the path serves to name it in errors.
///
/// # Errors
/// [`ReadError::Array`] if it is not such an array, or if more follows it.
pub fn read_source(source: impl Read, path: impl AsRef<Path>) -> Result<Array, ReadError> {
    parse(source).map_err(|fault| ReadError::Array {
        path: path.as_ref().to_owned(),
        array: "of the file".to_owned(),
        fault,
    })
}

/// The finite real numbers of a `.npy` file.
///
/// # Errors
/// As [`read`], and [`ReadError::Array`] if there is something else.
pub fn read_reals(path: impl AsRef<Path>) -> Result<Reals, ReadError> {
    let path = path.as_ref();
    let array = read(path)?;
    let any = vec![Dimension::Any; array.shape.len()];
    shape::reals(array, &any).map_err(|fault| ReadError::Array {
        path: path.to_owned(),
        array: "of the file".to_owned(),
        fault,
    })
}
