//! Frames by their number, from a file that may be larger than memory.

use std::path::{Path, PathBuf};

use burn_dataset::{Dataset, DatasetError};
use thiserror::Error;

use super::Options;
use crate::lines::{Lines, invalid};
use crate::{PropertyError, ReadError, Sample, SampleKeys, Structure};

/// Where the frames of a file begin. The file has to stay as it is.
#[derive(Clone, Debug)]
pub struct FrameIndex {
    path: PathBuf,
    options: Options,
    starts: Vec<Start>,
}

/// The first line of a frame.
#[derive(Clone, Copy, Debug)]
struct Start {
    position: u64,
    line: usize,
}

impl FrameIndex {
    /// Goes through a plain file once, counting lines; frames are read when they are asked for.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be opened, if a frame does not begin with its number of atoms or
    /// is not whole, or if the file is compressed: there, a place is found only by reading all before it.
    pub fn new(path: impl AsRef<Path>, options: Options) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let mut lines = Lines::open(path)?;
        if lines.is_compressed() {
            return Err(ReadError::Format {
                path: path.to_owned(),
                message: "compressed, its frames cannot be had by their number".to_owned(),
            });
        }
        let mut starts = Vec::new();
        loop {
            let position = lines.position();
            let Some(line) = lines.next_line()? else {
                break;
            };
            let text = line.trim();
            if text.is_empty() {
                continue;
            }
            let Ok(atoms) = text.parse::<usize>() else {
                let fault = invalid(text, "number of atoms");
                return Err(lines.fault(fault));
            };
            let line = lines.number();
            starts.push(Start { position, line });
            lines.expect_line("the line of keys and values")?;
            for _ in 0..atoms {
                lines.expect_line("the line of an atom")?;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            options,
            starts,
        })
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`ReadError`] with the line of the file if it does not hold what its format wants.
    ///
    /// # Panics
    /// If there is no frame of that number.
    pub fn frame(&self, number: usize) -> Result<Structure, ReadError> {
        let Start { position, line } = self.starts[number];
        let lines = Lines::open_at(&self.path, position, line)?;
        match self.options.frames(lines).next() {
            Some(frame) => frame,
            None => Err(ReadError::Format {
                path: self.path.clone(),
                message: format!("it has changed: frame {number} is not there any more"),
            }),
        }
    }

    /// The data set of samples that keys make of the frames.
    #[must_use]
    pub fn samples(self, keys: SampleKeys) -> IndexedSamples {
        IndexedSamples { frames: self, keys }
    }
}

impl Dataset<Structure> for FrameIndex {
    fn get(&self, index: usize) -> Result<Structure, DatasetError> {
        self.frame(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.starts.len()
    }
}

/// Samples of the frames of a file.
#[derive(Clone, Debug)]
pub struct IndexedSamples {
    frames: FrameIndex,
    keys: SampleKeys,
}

/// A frame that becomes no sample.
#[derive(Debug, Error)]
enum SampleError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{}, line {line}: {source}", path.display())]
    Property {
        path: PathBuf,
        line: usize,
        source: PropertyError,
    },
}

impl IndexedSamples {
    fn sample(&self, index: usize) -> Result<Sample, SampleError> {
        let structure = self.frames.frame(index)?;
        let sample = self.keys.sample(&structure);
        sample.map_err(|source| SampleError::Property {
            path: self.frames.path.clone(),
            line: self.frames.starts[index].line,
            source,
        })
    }
}

impl Dataset<Sample> for IndexedSamples {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        self.sample(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.frames.len()
    }
}
