//! What a model was made from: base weights, every data file, the program, seeds and configuration.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::FineTuneSpec;
use crate::TrainError;
use crate::run_dir::RunInfo;
use crate::storage::{StorageError, sha256_hex};

/// In every checkpoint and beside every policy.
pub const PROVENANCE_FILE: &str = "provenance.json";
/// Version of the file.
const FORMAT: u32 = 2;

/// A file and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Inside the folder it belongs to, with `/`.
    pub path: String,
    /// Size \[byte\].
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Demonstrations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Their folder, as it was named.
    pub folder: String,
    /// Every file, by path.
    pub files: Vec<FileRecord>,
    /// What its recorders said of themselves; empty where none did.
    #[serde(default)]
    pub origins: Vec<Value>,
    /// Numbers of its episodes that were held out.
    pub held_out_episodes: Vec<usize>,
}

/// The weights that learning began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseRecord {
    /// Its folder, as it was named.
    pub folder: String,
    /// SHA-256 of its `model.safetensors`.
    pub sha256: String,
    /// What it was itself made from, where it says.
    pub provenance: Option<Value>,
}

/// What a model was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the file.
    pub format: u32,
    /// The base; none where weights were drawn.
    pub base: Option<BaseRecord>,
    /// What was learned from.
    pub data: Vec<DataRecord>,
    /// Size of the model, where it has a name.
    pub size: Option<String>,
    /// Hyperparameters.
    pub configuration: FineTuneSpec,
    /// The process that started: program, revision, seed, device.
    pub started: RunInfo,
    /// Gradient steps that were done.
    pub steps: u64,
}

impl Provenance {
    /// Of a run before its first step.
    pub fn new(
        base: Option<BaseRecord>,
        data: Vec<DataRecord>,
        size: Option<String>,
        configuration: FineTuneSpec,
        started: RunInfo,
    ) -> Self {
        Self { format: FORMAT, base, data, size, configuration, started, steps: 0 }
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrainError> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| (text + "\n").into_bytes()).map_err(|error| TrainError::state(PROVENANCE_FILE, error))
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// If it is not understood.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrainError> {
        serde_json::from_slice(bytes).map_err(|error| TrainError::state(PROVENANCE_FILE, error))
    }

    /// Refuses demonstrations whose files are no longer those recorded; `files` are those of each dataset.
    ///
    /// # Errors
    /// Another number of datasets; the first file that was added, removed or changed.
    pub fn check_data(&self, files: &[Vec<FileRecord>]) -> Result<(), TrainError> {
        if files.len() != self.data.len() {
            let message = format!("{}; the run began with {}", files.len(), self.data.len());
            return Err(TrainError::FineTune { what: "datasets".into(), message });
        }
        for (data, files) in self.data.iter().zip(files) {
            data.check(files)?;
        }
        Ok(())
    }
}

impl DataRecord {
    fn check(&self, files: &[FileRecord]) -> Result<(), TrainError> {
        let recorded = &self.files;
        let changed = recorded
            .iter()
            .find(|record| files.iter().all(|file| file != *record))
            .or_else(|| files.iter().find(|file| recorded.iter().all(|record| record.path != file.path)));
        match changed {
            None => Ok(()),
            Some(file) => Err(TrainError::FineTune {
                what: self.folder.clone(),
                message: format!(
                    "`{}` is not what the run began with; its other files may not change either",
                    file.path
                ),
            }),
        }
    }
}

/// SHA-256 of a file.
///
/// # Errors
/// It cannot be read.
pub fn hash_file(path: &Path) -> Result<String, StorageError> {
    std::fs::read(path).map(|bytes| sha256_hex(&bytes)).map_err(StorageError::io("read", path))
}
