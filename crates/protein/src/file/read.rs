//! From a file to chains.

use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use pdbtbx::{Format, PDB, StrictnessLevel};

use super::screen::{Refusal, Screened};
use super::{ReadError, ReadReport, assemble, screen_cif, screen_pdb};
use crate::Chain;

/// The chains of one model, and what was handled by rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileContents {
    /// The chains that have residues of a protein, in the order of the file.
    pub chains: Vec<Chain>,
    /// Everything that was not taken as it stands.
    pub report: ReadReport,
}

/// Which model of a file is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ModelChoice {
    /// The first of the file, whatever its number.
    #[default]
    First,
    /// The first that has this number.
    Number(u32),
}

/// How a file is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadOptions {
    /// The model.
    pub model: ModelChoice,
    /// The most text that is accepted, in bytes after decompression. What is held in memory while
    /// reading is a small multiple of it.
    pub max_bytes: u64,
}

impl Default for ReadOptions {
    /// The first model, of at most half a gigabyte of text: the largest entries of the Protein Data
    /// Bank are below it.
    fn default() -> Self {
        Self {
            model: ModelChoice::First,
            max_bytes: 512 << 20,
        }
    }
}

/// The chains of a file's first model.
///
/// # Errors
/// As [`ReadOptions::read`].
pub fn read(path: impl AsRef<Path>) -> Result<FileContents, ReadError> {
    ReadOptions::default().read(path)
}

impl ReadOptions {
    /// The chains of a file, whose format and compression are recognised by its content.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be opened or decompressed, is too large or of unknown format,
    /// if a line that describes an atom cannot be understood, if there is no such model, or if there
    /// is no residue of a protein.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<FileContents, ReadError> {
        let path = path.as_ref();
        let io = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        // A byte more than allowed tells a file that is too large.
        let mut limited = file.take(self.max_bytes.saturating_add(1));
        limited.read_to_end(&mut bytes).map_err(io)?;
        self.read_bytes(&bytes, path)
    }

    /// The chains of a file's content; the path serves to name it in errors.
    ///
    /// # Errors
    /// As [`ReadOptions::read`].
    pub fn read_bytes(
        &self,
        bytes: &[u8],
        path: impl AsRef<Path>,
    ) -> Result<FileContents, ReadError> {
        let path = path.as_ref();
        let unpacked;
        let text = if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut limited = MultiGzDecoder::new(bytes).take(self.max_bytes.saturating_add(1));
            let mut text = Vec::new();
            limited
                .read_to_end(&mut text)
                .map_err(|source| ReadError::Io {
                    path: path.to_owned(),
                    source,
                })?;
            unpacked = text;
            &unpacked
        } else {
            bytes
        };
        if text.len() as u64 > self.max_bytes {
            return Err(ReadError::TooLarge {
                path: path.to_owned(),
                limit: self.max_bytes,
            });
        }
        let format = recognise(text).ok_or_else(|| ReadError::UnknownFormat {
            path: path.to_owned(),
        })?;
        let screened = match format {
            Format::Mmcif => screen_cif::screen(text, self.model),
            _ => screen_pdb::screen(text, self.model),
        };
        let screened = screened.map_err(|refusal| refused(refusal, path))?;
        let no_protein = || ReadError::NoProtein {
            path: path.to_owned(),
        };
        // The parser takes a text without atoms for an error.
        if screened.atoms.is_empty() {
            return Err(no_protein());
        }
        let parsed = parse(&screened, format, path)?;
        let contents = assemble::chains(&parsed, &screened);
        let has_residues = !contents.chains.is_empty();
        has_residues.then_some(contents).ok_or_else(no_protein)
    }
}

/// The format, by the first line that only one of them can have.
fn recognise(text: &[u8]) -> Option<Format> {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let line = line.trim_ascii_start();
        if line.starts_with(b"ATOM  ") || line.starts_with(b"HETATM") {
            Some(Format::Pdb)
        } else if line.starts_with(b"data_") || line.starts_with(b"loop_") {
            Some(Format::Mmcif)
        } else {
            None
        }
    })
}

fn parse(screened: &Screened, format: Format, path: &Path) -> Result<PDB, ReadError> {
    let parsed = pdbtbx::ReadOptions::new()
        .set_format(format)
        .set_level(StrictnessLevel::Loose)
        .set_only_atomic_coords(true)
        .read_raw(BufReader::new(screened.text.as_bytes()));
    let (parsed, _) = parsed.map_err(|errors| {
        let messages = errors.iter().map(|error| {
            let (short, long) = (error.short_description(), error.long_description());
            format!("{short}: {long}")
        });
        ReadError::Parser {
            path: path.to_owned(),
            message: messages.take(3).collect::<Vec<_>>().join("; "),
        }
    })?;
    Ok(parsed)
}

fn refused(refusal: Refusal, path: &Path) -> ReadError {
    let path = path.to_owned();
    match refusal {
        Refusal::Line((line, fault)) => ReadError::Line { path, line, fault },
        Refusal::MissingColumn(column) => ReadError::MissingColumn { path, column },
        Refusal::NoSuchModel { wanted, present } => ReadError::NoSuchModel {
            path,
            wanted,
            present,
        },
    }
}
