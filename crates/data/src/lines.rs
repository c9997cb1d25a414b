//! The lines of a text file, one at a time, also of a compressed one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::{LineFault, ReadError};

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 1 << 22;

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads text line by line and knows where it is.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    is_compressed: bool,
    number: usize,
    /// Bytes read, after decompression.
    position: u64,
    buffer: Vec<u8>,
    /// Whether the next line is the one last read.
    again: bool,
}

impl Lines {
    /// Opens a file; whether it is compressed is told by its first bytes.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(ReadError::io(path))?;
        Self::new(file, path)
    }

    /// The same of any source; the path serves to name it in errors.
    pub(crate) fn new(source: impl Read + Send + 'static, path: &Path) -> Result<Self, ReadError> {
        let mut plain = BufReader::with_capacity(1 << 16, source);
        let first = plain.fill_buf().map_err(ReadError::io(path))?;
        let is_compressed = first.starts_with(&GZIP);
        let reader: Box<dyn BufRead + Send> = if is_compressed {
            Box::new(BufReader::with_capacity(
                1 << 16,
                MultiGzDecoder::new(plain),
            ))
        } else {
            Box::new(plain)
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            is_compressed,
            number: 0,
            position: 0,
            buffer: Vec::new(),
            again: false,
        })
    }

    /// Opens a plain file at the start of a line, of which the place in the file and the number are known.
    pub(crate) fn open_at(path: &Path, position: u64, number: usize) -> Result<Self, ReadError> {
        let mut file = File::open(path).map_err(ReadError::io(path))?;
        let sought = file.seek(SeekFrom::Start(position));
        sought.map_err(ReadError::io(path))?;
        let mut lines = Self::new(file, path)?;
        lines.number = number - 1;
        Ok(lines)
    }

    /// Whether the text was compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Where the line behind the one last read begins, in bytes of the text.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The number of the line last read, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The next line without its end; `None` after the last.
    pub(crate) fn next_line(&mut self) -> Result<Option<&str>, ReadError> {
        if std::mem::take(&mut self.again) {
            return Ok(Some(self.line()));
        }
        self.buffer.clear();
        let mut limited = (&mut self.reader).take(LONGEST_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(ReadError::io(&self.path))?;
        if read == 0 {
            return Ok(None);
        }
        self.position += read as u64;
        self.number += 1;
        if self.buffer.len() > LONGEST_LINE {
            let limit = LONGEST_LINE;
            return Err(self.fault(LineFault::TooLong { limit }));
        }
        for end in *b"\n\r" {
            if self.buffer.last() == Some(&end) {
                self.buffer.pop();
            }
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(self.fault(LineFault::NotText)),
        }
    }

    /// The next line, where the file must not end.
    pub(crate) fn expect_line(&mut self, expected: &'static str) -> Result<&str, ReadError> {
        // Asked for in two steps, since a line handed out would borrow the error's path.
        if self.next_line()?.is_none() {
            self.number += 1;
            return Err(self.fault(LineFault::Ends { expected }));
        }
        Ok(self.line())
    }

    /// Whether nothing but blank lines follows. They are passed over; the first other one is next.
    pub(crate) fn at_end(&mut self) -> Result<bool, ReadError> {
        while let Some(line) = self.next_line()? {
            if !line.trim().is_empty() {
                self.again = true;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The line last read.
    pub(crate) fn line(&self) -> &str {
        std::str::from_utf8(&self.buffer).unwrap_or_default()
    }

    /// An error at the line last read.
    pub(crate) fn fault(&self, fault: LineFault) -> ReadError {
        ReadError::Line {
            path: self.path.clone(),
            line: self.number,
            fault,
        }
    }
}

/// A finite number.
pub(crate) fn finite(text: &str, field: &'static str) -> Result<f64, LineFault> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(invalid(text, field)),
    }
}

/// The fault of text that is not what belongs there.
pub(crate) fn invalid(text: &str, field: &'static str) -> LineFault {
    /// As much as a message can usefully show.
    const SHOWN: usize = 60;
    LineFault::Invalid {
        field,
        text: text.chars().take(SHOWN).collect(),
    }
}
