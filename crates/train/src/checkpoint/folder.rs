//! Numbered checkpoints in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::CheckpointError;
use super::file::{Checkpoint, PART};
use super::header::Header;

/// Ends the names of checkpoints that were set aside.
const ASIDE: &str = "aside";

/// A folder with checkpoints `step-STEP.safetensors`, of which the last few and the best are kept.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    directory: PathBuf,
    keep_last: usize,
}

/// The last checkpoint of a folder that is whole.
#[derive(Clone, Debug)]
pub struct LastComplete {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What is wrong with later ones, worth telling.
    pub skipped: Vec<String>,
}

impl CheckpointFolder {
    /// Makes the folder if it is missing; `keep_last` checkpoints are kept beside the best, at least 1.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(
        directory: impl Into<PathBuf>,
        keep_last: usize,
    ) -> Result<Self, CheckpointError> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(CheckpointError::io("create", &directory))?;
        Ok(Self {
            directory,
            keep_last: keep_last.max(1),
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The file of a step.
    pub fn file(&self, step: u64) -> PathBuf {
        self.directory.join(format!("step-{step:010}.safetensors"))
    }

    /// The steps that have a file, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>, CheckpointError> {
        let cannot = || CheckpointError::io("list", &self.directory);
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(cannot())? {
            let name = entry.map_err(cannot())?.file_name();
            steps.extend(name.to_str().and_then(|name| {
                name.strip_prefix("step-")?
                    .strip_suffix(".safetensors")?
                    .parse::<u64>()
                    .ok()
            }));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Saves under the step of the header, then removes what is neither among the last nor the best.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        let path = self.file(checkpoint.header.step);
        checkpoint.save(&path)?;
        self.tidy()?;
        Ok(path)
    }

    /// The checkpoint with the lowest score among those that are whole, if any has a score.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn best(&self) -> Result<Option<PathBuf>, CheckpointError> {
        let scored = self.steps()?.into_iter().filter_map(|step| {
            let path = self.file(step);
            let score = Header::read(&path).ok()?.score?;
            score.is_finite().then_some((score, path))
        });
        let mut scored: Vec<_> = scored.collect();
        scored.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut paths = scored.into_iter().map(|(_, path)| path);
        Ok(paths.find(|path| Checkpoint::load(path).is_ok()))
    }

    /// The last checkpoint that is whole; later ones that are not are told.
    ///
    /// # Errors
    /// When the folder cannot be read, or there are checkpoints and none is usable: the error of the last.
    pub fn last_complete(&self) -> Result<Option<LastComplete>, CheckpointError> {
        let mut first_error = None;
        let mut skipped = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match Checkpoint::load(&self.file(step)) {
                Ok(checkpoint) => {
                    return Ok(Some(LastComplete {
                        checkpoint,
                        skipped,
                    }));
                }
                Err(error) => {
                    skipped.push(error.to_string());
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    /// Renames the checkpoints of later steps, so that they are neither counted among the last nor taken for the best:
    /// `step-STEP.safetensors.aside`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_aside_after(&self, step: u64) -> Result<(), CheckpointError> {
        for later in self.steps()?.into_iter().filter(|&later| later > step) {
            let path = self.file(later);
            fs::rename(&path, path.with_added_extension(ASIDE))
                .map_err(CheckpointError::io("rename", &path))?;
        }
        Ok(())
    }

    fn tidy(&self) -> Result<(), CheckpointError> {
        let steps = self.steps()?;
        let old = steps.len().saturating_sub(self.keep_last);
        let best = if old > 0 { self.best()? } else { None };
        for step in &steps[..old] {
            let path = self.file(*step);
            if Some(&path) != best.as_ref() {
                remove(&path)?;
            }
        }
        self.remove_parts()
    }

    /// Removes what processes left that were killed while they wrote. (Nothing is being written now.)
    fn remove_parts(&self) -> Result<(), CheckpointError> {
        let cannot = || CheckpointError::io("list", &self.directory);
        for entry in fs::read_dir(&self.directory).map_err(cannot())? {
            let name = entry.map_err(cannot())?.file_name();
            if let Some(name) = name.to_str()
                && name.starts_with("step-")
                && name.ends_with(PART)
            {
                remove(&self.directory.join(name))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CheckpointError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
