//! What can be wrong with a file, with the place where it is.

use std::path::PathBuf;

use thiserror::Error;

use crate::ResidueId;

/// A file that cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or decompressed.
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
    /// Neither the records of a PDB file nor an mmCIF data block.
    #[error("{}: neither a PDB file nor an mmCIF file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
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
    /// The mmCIF file's table of atoms lacks a column.
    #[error("{}: the table of atoms has no column _atom_site.{column}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// The file has no model of that number.
    #[error("{}: no model {wanted}, only {present:?}", path.display())]
    NoSuchModel {
        /// The file.
        path: PathBuf,
        /// The number asked for.
        wanted: u32,
        /// The numbers that there are.
        present: Vec<u32>,
    },
    /// Nothing in the file is a residue of a protein.
    #[error("{}: no residue of a protein", path.display())]
    NoProtein {
        /// The file.
        path: PathBuf,
    },
    /// The parser refused what the screening had let through.
    #[error("{}: {message}", path.display())]
    Parser {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        message: String,
    },
}

/// What is wrong with a line that describes an atom.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LineFault {
    /// Characters other than printable ASCII.
    #[error("characters that are not printable ASCII")]
    NotAscii,
    /// A PDB line that ends before its coordinates do.
    #[error("{columns} columns, but coordinates end at column 54")]
    TooShort {
        /// The columns that there are.
        columns: usize,
    },
    /// An mmCIF row with too few or too many values.
    #[error("{found} values for {expected} columns")]
    ValueCount {
        /// The values of the row.
        found: usize,
        /// The columns of the table.
        expected: usize,
    },
    /// A name or a number that is not there.
    #[error("no {field}")]
    Missing {
        /// What is missing.
        field: &'static str,
    },
    /// Text where a number belongs, or a number out of range.
    #[error("{text:?} is no {field}")]
    Invalid {
        /// What belongs there.
        field: &'static str,
        /// What is there.
        text: String,
    },
}

/// Chains that cannot be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file's name says no format.
    #[error("{}: the name ends neither in .pdb nor in .cif, nor in either with .gz", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Something the format has no room for.
    #[error("{residue}: {field} {value:?} does not fit into the file's format")]
    DoesNotFit {
        /// Where.
        residue: ResidueId,
        /// What.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// There is no atom to write.
    #[error("{}: no atom to write", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}
