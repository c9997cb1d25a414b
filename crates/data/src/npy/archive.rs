//! Archives of arrays.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::parse::{parse, unreadable};
use super::shape::{check_shape, reals, wrong_type};
use super::{Array, Dimension, Elements, Reals};
use crate::{ArrayFault, ReadError};

/// An archive of arrays, opened; arrays are read when asked for.
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl Npz {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the file cannot be opened or is no archive.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(ReadError::io(path))?;
        let archive = ZipArchive::new(BufReader::new(file));
        Ok(Self {
            path: path.to_owned(),
            archive: archive.map_err(|error| ReadError::io(path)(error.into()))?,
        })
    }

    /// The names of its arrays, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        // A name that is no text is no array's name.
        let names = self.archive.file_names().filter_map(Result::ok);
        let arrays = names.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned());
        arrays.collect()
    }

    /// Whether there is an array of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.archive
            .index_for_name(&format!("{name}.npy"))
            .is_some()
    }

    /// The array of that name.
    ///
    /// # Errors
    /// [`ReadError::Array`] if there is none, or if it cannot be read.
    pub fn array(&mut self, name: &str) -> Result<Array, ReadError> {
        let entry = format!("{name}.npy");
        let array = match self.archive.index_for_name(&entry) {
            None => Err(ArrayFault::Missing {
                present: self.names(),
            }),
            Some(index) => match self.archive.by_index(index) {
                Ok(file) => parse(file),
                Err(error) => Err(unreadable(&error)),
            },
        };
        array.map_err(|fault| self.fault(name, fault))
    }

    /// Finite real numbers of the shape wanted.
    ///
    /// # Errors
    /// As [`Npz::array`], and [`ReadError::Array`] if there is something else.
    pub fn reals(&mut self, name: &str, shape: &[Dimension]) -> Result<Reals, ReadError> {
        let array = self.array(name)?;
        let reals = reals(array, shape);
        reals.map_err(|fault| self.fault(name, fault))
    }

    /// Integers of the shape wanted.
    ///
    /// # Errors
    /// As [`Npz::array`], and [`ReadError::Array`] if there is something else.
    pub fn integers(&mut self, name: &str, shape: &[Dimension]) -> Result<Vec<i64>, ReadError> {
        let array = self.shaped(name, shape)?;
        match array.elements {
            Elements::Integer(values) => Ok(values),
            other => Err(self.fault(name, wrong_type(&other, "integers"))),
        }
    }

    /// Logical values of the shape wanted.
    ///
    /// # Errors
    /// As [`Npz::array`], and [`ReadError::Array`] if there is something else.
    pub fn logicals(&mut self, name: &str, shape: &[Dimension]) -> Result<Vec<bool>, ReadError> {
        let array = self.shaped(name, shape)?;
        match array.elements {
            Elements::Logical(values) => Ok(values),
            other => Err(self.fault(name, wrong_type(&other, "logical values"))),
        }
    }

    /// Text of the shape wanted.
    ///
    /// # Errors
    /// As [`Npz::array`], and [`ReadError::Array`] if there is something else.
    pub fn text(&mut self, name: &str, shape: &[Dimension]) -> Result<Vec<String>, ReadError> {
        let array = self.shaped(name, shape)?;
        match array.elements {
            Elements::Text(values) => Ok(values),
            other => Err(self.fault(name, wrong_type(&other, "text"))),
        }
    }

    fn shaped(&mut self, name: &str, shape: &[Dimension]) -> Result<Array, ReadError> {
        let array = self.array(name)?;
        let checked = check_shape(&array.shape, shape);
        checked.map_err(|fault| self.fault(name, fault))?;
        Ok(array)
    }

    /// An error at one of its arrays.
    pub(crate) fn fault(&self, array: &str, fault: ArrayFault) -> ReadError {
        ReadError::Array {
            path: self.path.clone(),
            array: array.to_owned(),
            fault,
        }
    }
}
