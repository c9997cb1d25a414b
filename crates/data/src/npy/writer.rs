//! Archives of arrays, written.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Array, Elements};
use crate::WriteError;

/// Writes an archive of arrays that NumPy and [`super::Npz`] read.
///
/// Real numbers are written in 64 bits, integers in the smallest of 8 unsigned, 32 and 64 signed bits that
/// holds all of the array, text in Unicode. Text is compressed, numbers are not. The same arrays give the
/// same bytes.
pub struct NpzWriter<W: Write + Seek> {
    archive: ZipWriter<W>,
}

impl<W: Write + Seek> NpzWriter<W> {
    /// Writes to a target, best a buffered one.
    pub fn new(target: W) -> Self {
        Self {
            archive: ZipWriter::new(target),
        }
    }

    /// Appends an array.
    ///
    /// # Errors
    /// [`WriteError::Count`] if its shape does not tell its number of elements, [`WriteError::Io`] if the
    /// target refuses or has an array of that name.
    pub fn write(&mut self, name: &str, array: &Array) -> Result<(), WriteError> {
        let found = array.elements.len();
        let expected = array.shape.iter().product();
        if found != expected {
            return Err(WriteError::Count {
                name: name.to_owned(),
                found,
                expected,
            });
        }
        let method = match array.elements {
            Elements::Text(_) => CompressionMethod::Deflated,
            _ => CompressionMethod::Stored,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(true);
        let started = self.archive.start_file(format!("{name}.npy"), options);
        started.map_err(|error| WriteError::Io(error.into()))?;
        self.archive.write_all(&bytes(array))?;
        Ok(())
    }

    /// The target, flushed.
    ///
    /// # Errors
    /// [`WriteError::Io`] if it refuses.
    pub fn finish(self) -> Result<W, WriteError> {
        let target = self.archive.finish();
        let mut target = target.map_err(|error| WriteError::Io(error.into()))?;
        target.flush()?;
        Ok(target)
    }
}

/// Writes an archive to a file: whole under that name, or not at all.
///
/// # Errors
/// As [`NpzWriter::write`].
pub fn write_archive(path: impl AsRef<Path>, arrays: &[(&str, Array)]) -> Result<(), WriteError> {
    let path = path.as_ref();
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let written =
        write_file(Path::new(&part), arrays).and_then(|()| Ok(std::fs::rename(&part, path)?));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn write_file(path: &Path, arrays: &[(&str, Array)]) -> Result<(), WriteError> {
    let mut writer = NpzWriter::new(BufWriter::new(File::create(path)?));
    for (name, array) in arrays {
        writer.write(name, array)?;
    }
    let file = writer.finish()?.into_inner();
    file.map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?;
    Ok(())
}

/// The bytes of a `.npy` file, version 1.
fn bytes(array: &Array) -> Vec<u8> {
    let (descr, data) = data(&array.elements);
    let lengths: Vec<_> = array.shape.iter().map(|n| format!("{n},")).collect();
    let shape = lengths.join(" ");
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // The format wants the data at a multiple of 64 bytes and a newline before them.
    let length = (header.len() + 11).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).as_bytes());
    bytes.extend(data);
    bytes
}

/// The type of the elements as NumPy writes it, and their bytes.
fn data(elements: &Elements) -> (String, Vec<u8>) {
    match elements {
        Elements::Real(values) => (
            "<f8".to_owned(),
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
        Elements::Integer(values) => integers(values),
        Elements::Logical(values) => (
            "|b1".to_owned(),
            values.iter().map(|&value| u8::from(value)).collect(),
        ),
        Elements::Text(values) => {
            let lengths = values.iter().map(|text| text.chars().count());
            let length = lengths.max().unwrap_or_default().max(1);
            let mut data = Vec::with_capacity(4 * length * values.len());
            for text in values {
                let characters = text.chars().chain(std::iter::repeat('\0')).take(length);
                data.extend(characters.flat_map(|c| u32::from(c).to_le_bytes()));
            }
            (format!("<U{length}"), data)
        }
    }
}

fn integers(values: &[i64]) -> (String, Vec<u8>) {
    let small: Result<Vec<u8>, _> = values.iter().map(|&value| u8::try_from(value)).collect();
    if let Ok(data) = small {
        return ("|u1".to_owned(), data);
    }
    let medium: Result<Vec<i32>, _> = values.iter().map(|&value| i32::try_from(value)).collect();
    match medium {
        Ok(medium) => (
            "<i4".to_owned(),
            medium
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
        Err(_) => (
            "<i8".to_owned(),
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
    }
}
