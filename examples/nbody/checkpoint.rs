//! Checkpoints that survive a crash, a full disk and a flipped bit.
//!
//! Burn's own checkpointer writes in place. This one writes to a temporary file, flushes it to the
//! disk and renames it, and ends each file with its length and a checksum. An older checkpoint is only
//! deleted when enough newer ones are complete.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::tensor::Bytes;
use burn::train::Interrupter;
use burn::train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};

use super::error::NbodyError;
use super::progress::{History, LOSS};
use crate::file_error::FileError;

/// The three files of a checkpoint.
pub const PARTS: [&str; 3] = ["model", "optim", "scheduler"];

/// Writes a file so that its name only ever stands for the whole content.
///
/// # Errors
/// Whatever the file system says; the name then stands for what it stood for before.
pub fn write_atomically(path: &Path, content: &[&[u8]]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        for part in content {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // What is half written only takes room; the error to tell is the first one.
        fs::remove_file(&temporary).ok();
    }
    written
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

const TRAILER: usize = 16;

fn trailer(bytes: &[u8]) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    trailer[..8].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    trailer[8..].copy_from_slice(&checksum(bytes).to_le_bytes());
    trailer
}

/// Reads a file that ends with its length and checksum.
///
/// # Errors
/// [`NbodyError::File`] when it cannot be read, [`NbodyError::Corrupt`] when it is not as written.
pub fn read_checked(path: &Path) -> Result<Vec<u8>, NbodyError> {
    let mut bytes = fs::read(path).map_err(FileError::on("read", path))?;
    let corrupt = |reason: String| NbodyError::Corrupt {
        file: path.to_path_buf(),
        reason,
        advice: "Delete the files of this epoch to go on from an earlier one".into(),
    };
    let Some(len) = bytes.len().checked_sub(TRAILER) else {
        return Err(corrupt(format!("it has only {} bytes", bytes.len())));
    };
    let end = bytes.split_off(len);
    if end != trailer(&bytes) {
        return Err(corrupt("length or checksum do not fit its content".into()));
    }
    Ok(bytes)
}

/// The folder with a model's checkpoints.
#[derive(Clone, Debug)]
pub struct CheckpointFolder(PathBuf);

impl CheckpointFolder {
    /// The folder `checkpoint` in a model's folder.
    pub fn of_model(directory: &Path) -> Self {
        Self(directory.join("checkpoint"))
    }

    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self) -> Result<(), NbodyError> {
        Ok(fs::create_dir_all(&self.0).map_err(FileError::on("create", &self.0))?)
    }

    /// The file of one part.
    pub fn file(&self, part: &str, epoch: usize) -> PathBuf {
        self.0.join(format!("{part}-{epoch}.bpk"))
    }

    /// Epochs of which all parts are there, in order.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn epochs(&self) -> Result<Vec<usize>, NbodyError> {
        if !self.0.exists() {
            return Ok(Vec::new());
        }
        let mut epochs = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(FileError::on("list", &self.0))? {
            let entry = entry.map_err(FileError::on("list", &self.0))?;
            let name = entry.file_name();
            let epoch = name.to_str().and_then(|name| {
                name.strip_prefix("model-")?
                    .strip_suffix(".bpk")?
                    .parse::<usize>()
                    .ok()
            });
            let complete =
                |epoch: &usize| PARTS.iter().all(|part| self.file(part, *epoch).exists());
            epochs.extend(epoch.filter(complete));
        }
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Reads and checks all parts of a checkpoint.
    ///
    /// # Errors
    /// As [`read_checked`].
    pub fn verify(&self, epoch: usize) -> Result<(), NbodyError> {
        PARTS
            .iter()
            .try_for_each(|part| read_checked(&self.file(part, epoch)).map(drop))
    }

    /// Loads one part.
    ///
    /// # Errors
    /// As [`read_checked`], and when burn cannot make sense of the content.
    pub fn load<R: Checkpoint>(&self, part: &str, epoch: usize) -> Result<R, NbodyError> {
        let file = self.file(part, epoch);
        let bytes = Bytes::from_bytes_vec(read_checked(&file)?);
        R::checkpoint_from_bytes(bytes).map_err(|error| NbodyError::Corrupt {
            file,
            reason: error.to_string(),
            advice: "Delete the files of this epoch to go on from an earlier one".into(),
        })
    }

    /// The checkpointer of one part, for burn's learner.
    pub fn checkpointer(&self, part: &'static str) -> AtomicCheckpointer {
        AtomicCheckpointer {
            folder: self.clone(),
            part,
        }
    }
}

/// Saves one part of checkpoints, for burn's learner.
#[derive(Clone, Debug)]
pub struct AtomicCheckpointer {
    folder: CheckpointFolder,
    part: &'static str,
}

impl<R: Checkpoint> Checkpointer<R> for AtomicCheckpointer {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let bytes = record
            .checkpoint_into_bytes()
            .map_err(CheckpointerError::Record)?;
        let file = self.folder.file(self.part, epoch);
        write_atomically(&file, &[&bytes, &trailer(&bytes)]).map_err(|error| {
            CheckpointerError::Unknown(format!("cannot write {}: {error}", file.display()))
        })
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        match fs::remove_file(self.folder.file(self.part, epoch)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CheckpointerError::IOError(error))
            }
            _ => Ok(()),
        }
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        self.folder
            .load(self.part, epoch)
            .map_err(|error| CheckpointerError::Unknown(error.to_string()))
    }
}

/// Saves each epoch and keeps the last few and the best, and writes the history beside them.
pub struct KeepLastAndBest {
    /// Where the checkpoints are.
    pub folder: CheckpointFolder,
    /// How many of the last ones to keep.
    pub last: usize,
    /// Losses of all epochs.
    pub history: Arc<Mutex<History>>,
    /// File of the history.
    pub history_file: PathBuf,
    /// Told when something cannot be written.
    pub interrupter: Interrupter,
}

impl KeepLastAndBest {
    /// Those that are not among the last of the complete ones, nor the best.
    fn superfluous(&self) -> Result<Vec<usize>, NbodyError> {
        let complete = self.folder.epochs()?;
        let history = self.history.lock().expect("no one panics with it");
        let best = history.best(&complete);
        let old = complete.len().saturating_sub(self.last);
        Ok(complete[..old]
            .iter()
            .copied()
            .filter(|epoch| Some(*epoch) != best)
            .collect())
    }
}

impl CheckpointingStrategy for KeepLastAndBest {
    fn checkpointing(
        &mut self,
        epoch: usize,
        store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        // The store answers in order: after this, the history holds the epoch.
        store.find_metric(LOSS, epoch, Aggregate::Mean, &Split::Valid);
        let diverged = self
            .history
            .lock()
            .expect("no one panics with it")
            .diverged();
        if let Some(loss) = diverged {
            let reason = format!(
                "the loss is {loss} in epoch {epoch}, so the training has diverged (a lower --lr helps)"
            );
            self.interrupter.fail(CheckpointerError::Unknown(reason));
            return Vec::new();
        }
        let done = self.superfluous().and_then(|superfluous| {
            let history = self.history.lock().expect("no one panics with it");
            history.save(&self.history_file)?;
            Ok(superfluous)
        });
        match done {
            Ok(superfluous) => superfluous
                .into_iter()
                .map(CheckpointingAction::Delete)
                .chain([CheckpointingAction::Save])
                .collect(),
            Err(error) => {
                self.interrupter
                    .fail(CheckpointerError::Unknown(error.to_string()));
                Vec::new()
            }
        }
    }
}
