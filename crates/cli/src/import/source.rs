//! A state dict as a file.

use std::path::{Path, PathBuf};

use burn::store::{ModuleStore, PytorchStore, SafetensorsStore};
use burn::tensor::TensorData;

use super::Files;

/// A state dict, of PyTorch or as safetensors.
pub enum Source {
    /// `.pth`, `.pt`, `.ckpt`.
    Pytorch(PathBuf, Box<PytorchStore>),
    /// `.safetensors`.
    Safetensors(PathBuf, Box<SafetensorsStore>),
}

/// A state dict that cannot be read as asked.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("{} cannot be read as a state dict: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A tensor is not there.
    #[error("{} has no tensor \"{key}\"; it has {}", file.display(), listed(present))]
    Missing {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The keys that there are.
        present: Vec<String>,
    },
}

/// The first of many keys, for an error.
pub(super) fn listed(keys: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = keys[..keys.len().min(SHOWN)].join(", ");
    if keys.len() > SHOWN {
        text.push_str(&format!(" and {} more", keys.len() - SHOWN));
    }
    text
}

impl Source {
    /// The state dict of a file; its kind is told by its name.
    pub fn open(files: &Files) -> Self {
        let path = files.file.clone();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("safetensors") => {
                let store = SafetensorsStore::from_file(&path);
                Self::Safetensors(path, Box::new(store))
            }
            _ => {
                // Else it would number the layers of a sequence anew, leaving out those without weights.
                let mut store = PytorchStore::from_file(&path).map_indices_contiguous(false);
                if let Some(key) = &files.key {
                    store = store.with_top_level_key(key);
                }
                Self::Pytorch(path, Box::new(store))
            }
        }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        match self {
            Self::Pytorch(path, _) | Self::Safetensors(path, _) => path,
        }
    }

    /// The names of its tensors.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&mut self) -> Result<Vec<String>, SourceError> {
        let file = self.file().to_path_buf();
        let unreadable = |reason: String| SourceError::Unreadable { file, reason };
        match self {
            Self::Pytorch(_, store) => store.keys().map_err(|e| unreadable(e.to_string())),
            Self::Safetensors(_, store) => store.keys().map_err(|e| unreadable(e.to_string())),
        }
    }

    /// The numbers of a tensor and its shape.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn tensor(&mut self, key: &str) -> Result<(Vec<usize>, Vec<f64>), SourceError> {
        let present = self.names()?;
        let file = self.file().to_path_buf();
        let unreadable = |reason: String| SourceError::Unreadable {
            file: file.clone(),
            reason,
        };
        let found = match self {
            Self::Pytorch(_, store) => store.get_tensor(key).map_err(|e| e.to_string()),
            Self::Safetensors(_, store) => store.get_tensor(key).map_err(|e| e.to_string()),
        };
        let tensor = found.map_err(unreadable)?.cloned();
        let tensor = tensor.ok_or_else(|| SourceError::Missing {
            file: file.clone(),
            key: key.into(),
            present,
        })?;
        let (_, dtype, shape, _, bytes) =
            tensor.into_parts().map_err(|e| unreadable(e.to_string()))?;
        let data = TensorData::from_bytes(bytes, shape.clone(), dtype).convert::<f64>();
        let values = data
            .try_into_vec::<f64>()
            .map_err(|e| unreadable(format!("{e:?}")))?;
        Ok((shape.to_vec(), values))
    }
}
