//! What can be wrong with a file, with the place where it is.

use std::path::{Path, PathBuf};

use steerable_graph::GraphError;
use thiserror::Error;

/// A file that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened, decompressed or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// More text than allowed, after decompression.
    #[error("{}: more than {limit} bytes of text", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is allowed, in bytes.
        limit: u64,
    },
    /// A line that does not hold what its format wants.
    #[error("{}, line {line}: {fault}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// A file of a format that another crate reads, or of none that is known.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        message: String,
    },
    /// An array that is not what it should be.
    #[error("{}, array {array}: {fault}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array's name.
        array: String,
        /// What is wrong with it.
        fault: ArrayFault,
    },
}

/// A data set that can be had neither from its cache nor from its source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The cache, or the source where there is no cache, cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cache cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The cache.
        path: PathBuf,
        /// Why not.
        source: WriteError,
    },
    /// The cache was made of another source.
    #[error("{}: made of a file with the SHA-256 sum {found}, not {expected}", path.display())]
    OtherSource {
        /// The cache.
        path: PathBuf,
        /// The sum that the cache tells.
        found: String,
        /// The sum of the source that is there.
        expected: String,
    },
}

impl ReadError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// What is wrong with a line of text.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum LineFault {
    /// Bytes that are not UTF-8.
    #[error("bytes that are not UTF-8 text")]
    NotText,
    /// More bytes than any sensible line has.
    #[error("more than {limit} bytes in one line")]
    TooLong {
        /// The most that is allowed.
        limit: usize,
    },
    /// More text than allowed in one frame.
    #[error("more than {limit} bytes in one frame")]
    FrameTooLong {
        /// The most that is allowed.
        limit: u64,
    },
    /// The file ends in the middle of a record.
    #[error("the file ends where {expected} should follow")]
    Ends {
        /// What should follow.
        expected: &'static str,
    },
    /// Too few or too many values.
    #[error("{found} values where there should be {expected}")]
    ValueCount {
        /// The values that there are.
        found: usize,
        /// The values that there should be.
        expected: usize,
    },
    /// Text where a number belongs, or a number out of range.
    #[error("{text:?} is no {field}")]
    Invalid {
        /// What belongs there.
        field: &'static str,
        /// What is there.
        text: String,
    },
    /// A key that is there twice.
    #[error("{key:?} is given twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// A column that every file has to have.
    #[error("no column {column:?}")]
    MissingColumn {
        /// The column.
        column: &'static str,
    },
    /// A quotation that does not end.
    #[error("a quotation that does not end")]
    OpenQuote,
    /// Periodic directions without lattice vectors.
    #[error("periodic directions without a Lattice")]
    PeriodicWithoutLattice,
    /// Lattice vectors that are no cell.
    #[error("{0}")]
    Cell(Box<GraphError>),
}

/// What is wrong with an array.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ArrayFault {
    /// There is none of that name.
    #[error("not there, only {present:?}")]
    Missing {
        /// The names that there are.
        present: Vec<String>,
    },
    /// Its header or its data cannot be read.
    #[error("{message}")]
    Unreadable {
        /// The reader's message.
        message: String,
    },
    /// Its elements are of another type.
    #[error("elements of type {found}, expected {expected}")]
    Type {
        /// The type, as NumPy writes it.
        found: String,
        /// What is read.
        expected: &'static str,
    },
    /// It is in Fortran's order.
    #[error("stored column by column, which is not read")]
    ColumnMajor,
    /// It is of another shape.
    #[error("shape {found:?}, expected {expected}")]
    Shape {
        /// Its shape.
        found: Vec<u64>,
        /// What it should be.
        expected: String,
    },
    /// It is larger than allowed.
    #[error("{elements} elements, at most {limit} are read")]
    TooLarge {
        /// The elements that the header tells of.
        elements: u128,
        /// The most that is allowed.
        limit: u64,
    },
    /// It tells of a layout of the archive that this version does not read.
    #[error("layout {found}, this version reads {expected}: make the file anew")]
    Outdated {
        /// The layout that it tells.
        found: i64,
        /// The one that is read.
        expected: i64,
    },
    /// A value that cannot be.
    #[error("element {index} is {value}, which is no {field}")]
    Invalid {
        /// Which element, in the order of storage.
        index: usize,
        /// Its value.
        value: f64,
        /// What it should be.
        field: &'static str,
    },
}

/// Structures that cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system refuses.
    #[error("cannot write: {0}")]
    Io(#[from] std::io::Error),
    /// A name that the format could not tell from its own syntax.
    #[error("{name:?} cannot be the name of a property in the file")]
    Name {
        /// The name.
        name: String,
    },
    /// A value that would not be read back as it is.
    #[error("property {name:?} holds {value:?}, which would not be read back")]
    Value {
        /// The property.
        name: String,
        /// The value.
        value: String,
    },
    /// A property that readers would take to be of another kind or unit, since its name tells these.
    #[error("property {name:?} is not of the kind and unit that its name tells")]
    Unit {
        /// The property.
        name: String,
    },
    /// Lists of different lengths.
    #[error("{found} values of {name:?} for {expected}")]
    Count {
        /// What is listed.
        name: String,
        /// The values that there are.
        found: usize,
        /// The values that there should be.
        expected: usize,
    },
    /// An atomic number that is no element's.
    #[error("no element has the atomic number {0}")]
    Species(u8),
}
