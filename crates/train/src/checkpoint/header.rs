//! The header of a checkpoint.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use steerable_irreps::Irreps;

use super::conventions::Conventions;
use super::error::CheckpointError;

/// The format that is written.
pub const FORMAT: u32 = 1;

/// Key of the header in the metadata of the file.
pub(super) const HEADER: &str = "steerable";
/// Key of the checksum.
pub(super) const CHECKSUM: &str = "checksum";

/// The JSON header of a checkpoint.
///
/// JSON keeps numbers to about a unit in the last place: what must come back to the bit belongs into a
/// tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format, [`FORMAT`] when written now.
    pub format: u32,
    /// Version of the library that wrote it.
    pub version: String,
    /// What the numbers mean.
    pub conventions: Conventions,
    /// What model it is.
    pub model: ModelDescription,
    /// How far the training is, in the trainer's steps; numbers files in a [`super::CheckpointFolder`].
    pub step: u64,
    /// How good it is, lower is better.
    pub score: Option<f64>,
    /// The trainer's state, of its own form.
    pub training: Value,
    /// How many numbers the parameters have.
    pub parameters: usize,
    /// How many bytes the parameters take.
    pub parameter_bytes: usize,
    /// Tensors whose last axis is a row of features, and their irreps; these depend on the layout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_rows: BTreeMap<String, Irreps>,
}

/// What model a checkpoint is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelDescription {
    /// Its kind: what code builds it.
    pub kind: String,
    /// Its configuration.
    pub config: Value,
    /// Irreps worth knowing without the code: `in`, `hidden`, `out`.
    pub irreps: BTreeMap<String, Irreps>,
}

impl ModelDescription {
    /// Of a kind, with no configuration and no irreps.
    pub fn of_kind(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// With a configuration.
    #[must_use]
    pub fn with_config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// With irreps that have a name.
    #[must_use]
    pub fn with_irreps(mut self, name: impl Into<String>, irreps: &Irreps) -> Self {
        self.irreps.insert(name.into(), irreps.clone());
        self
    }
}

impl Header {
    /// Of an untrained model under the library's conventions; sizes are counted when it is saved.
    pub fn new(model: ModelDescription) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            conventions: Conventions::ours(),
            model,
            step: 0,
            score: None,
            training: Value::Null,
            parameters: 0,
            parameter_bytes: 0,
            feature_rows: BTreeMap::new(),
        }
    }

    /// Reads the header of a file and none of its tensors; their checksum is not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, is no checkpoint or is of a later format.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let metadata = read_metadata(path)?;
        let text = metadata.get(HEADER).ok_or_else(|| no_header(path))?;
        Self::parse(path, text)
    }

    /// From the text in the metadata.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, CheckpointError> {
        let foreign = |reason: String| CheckpointError::Foreign {
            file: path.to_path_buf(),
            reason,
        };
        let value: Value = serde_json::from_str(text)
            .map_err(|error| foreign(format!("its header is not JSON: {error}")))?;
        let format = value["format"]
            .as_u64()
            .and_then(|format| u32::try_from(format).ok())
            .ok_or_else(|| foreign("its header has no format".into()))?;
        if format > FORMAT {
            return Err(CheckpointError::Newer {
                file: path.to_path_buf(),
                found: format,
                version: value["version"].as_str().unwrap_or("unknown").into(),
                known: FORMAT,
            });
        }
        serde_json::from_value(value).map_err(|error| foreign(format!("its header: {error}")))
    }
}

pub(super) fn no_header(path: &Path) -> CheckpointError {
    CheckpointError::Foreign {
        file: path.to_path_buf(),
        reason: format!("its metadata has no \"{HEADER}\""),
    }
}

/// The strings in the head of a safetensors file: 8 bytes of length, then JSON with `__metadata__`.
fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>, CheckpointError> {
    const LONGEST: u64 = 100_000_000;
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "__metadata__", default)]
        metadata: BTreeMap<String, String>,
    }
    let not = |reason: String| CheckpointError::NotSafetensors {
        file: path.to_path_buf(),
        reason,
    };
    let mut file = File::open(path).map_err(CheckpointError::io("open", path))?;
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|error| not(format!("its first 8 bytes: {error}")))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(not(format!("its head would have {length} bytes")));
    }
    let mut head = Vec::new();
    file.take(length)
        .read_to_end(&mut head)
        .map_err(CheckpointError::io("read", path))?;
    if (head.len() as u64) < length {
        return Err(not(format!(
            "its head ends after {} of {length} bytes",
            head.len()
        )));
    }
    let head: Head = serde_json::from_slice(&head).map_err(|error| not(error.to_string()))?;
    Ok(head.metadata)
}
