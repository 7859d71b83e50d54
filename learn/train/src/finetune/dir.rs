//! The folder of one fine-tuning run:
//!
//! ```text
//! finetune.json    what `--resume` needs: datasets, hyperparameters, seed
//! provenance.json  what the model is made from
//! start/           the policy it began with
//! checkpoints/     see `checkpoint.rs`
//! metrics.jsonl    one line for each report
//! policy/          the newest policy, a folder that lerobot reads; of low-rank factors also the delta
//! lock             who writes here
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use keiko_policy::vla::{Checkpoint, Delta};
use serde::{Deserialize, Serialize};

use super::data::Robot;
use super::provenance::{PROVENANCE_FILE, Provenance};
use super::spec::FineTuneSpec;
use super::start::ROBOT_FILE;
use crate::TrainError;
use crate::checkpoint::CheckpointStore;
use crate::lock::RunLock;
use crate::metrics::MetricsLog;
use crate::storage::{StorageError, remove_if_there, replace_file, sync_folder, tmp_path};

const RUN: &str = "finetune.json";
/// Folder of the newest policy.
pub const POLICY: &str = "policy";
const START: &str = "start";

/// What `finetune.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FineTuneRun {
    /// Folders of the demonstrations.
    pub datasets: Vec<PathBuf>,
    /// Seed of everything random.
    pub seed: u64,
    /// Hyperparameters.
    pub spec: FineTuneSpec,
    /// Where the policy is tried while it learns.
    pub trial: Option<Trial>,
}

/// A scene that the policy is tried in while it learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Name of the scene, folder, or `scene.toml`.
    pub scene: String,
    /// Steps between two trials; 0 for one at the end.
    pub every: u64,
    /// Episodes of a trial.
    pub episodes: usize,
}

/// A run folder that this process alone may write, until dropped.
#[derive(Debug)]
pub struct FineTuneDir {
    path: PathBuf,
    run: FineTuneRun,
    provenance: Provenance,
    robot: Robot,
    _lock: RunLock,
}

impl FineTuneDir {
    /// Starts a run in a folder that holds none.
    ///
    /// # Errors
    /// The folder holds a run, or cannot be written.
    pub fn create(
        path: &Path,
        run: FineTuneRun,
        provenance: Provenance,
        robot: Robot,
        start: &Checkpoint,
    ) -> Result<Self, TrainError> {
        if path.join(RUN).exists() {
            let message =
                format!("{} holds a run; go on with it by --resume, or name another folder", path.display());
            return Err(StorageError::Missing { message }.into());
        }
        fs::create_dir_all(path).map_err(StorageError::io("create", path))?;
        let lock = RunLock::acquire(path)?;
        let dir = Self { path: path.to_owned(), run, provenance, robot, _lock: lock };
        dir.write_policy(START, start, None)?;
        let folder = path.join("checkpoints");
        remove_if_there(&folder)?;
        fs::create_dir(&folder).map_err(StorageError::io("create", &folder))?;
        replace_file(&path.join(PROVENANCE_FILE), &dir.provenance.to_bytes()?)?;
        // Last: a folder without it is none that can be resumed.
        let text = serde_json::to_string_pretty(&dir.run).map_err(|error| TrainError::state(RUN, error))?;
        replace_file(&path.join(RUN), format!("{text}\n").as_bytes())?;
        Ok(dir)
    }

    /// Opens a run to go on with it.
    ///
    /// # Errors
    /// It is no run folder, another process writes into it, or a file of it is not understood.
    pub fn resume(path: &Path) -> Result<Self, TrainError> {
        let run = read_run(path)?;
        let lock = RunLock::acquire(path)?;
        let file = path.join(PROVENANCE_FILE);
        let provenance = Provenance::from_bytes(&fs::read(&file).map_err(StorageError::io("read", &file))?)?;
        let robot = super::start::read_robot(&path.join(START))?.unwrap_or_default();
        Ok(Self { path: path.to_owned(), run, provenance, robot, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `finetune.json`.
    pub fn run(&self) -> &FineTuneRun {
        &self.run
    }

    /// Whose states and actions these are.
    pub fn robot(&self) -> &Robot {
        &self.robot
    }

    /// What the model is made from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The policy the run began with.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn start(&self, device: &crate::Device) -> Result<Checkpoint, TrainError> {
        Ok(Checkpoint::load(&self.path.join(START), device.tensors())?)
    }

    /// The run's checkpoints, for writing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn checkpoints(&self, keep: usize) -> Result<CheckpointStore, TrainError> {
        Ok(CheckpointStore::open(self.path.join("checkpoints"), keep)?)
    }

    /// `metrics.jsonl`; of a resumed run, cut back to the checkpoint's step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn metrics(&self, resumed_step: Option<u64>) -> Result<MetricsLog, TrainError> {
        let file = self.path.join("metrics.jsonl");
        Ok(match resumed_step {
            None => MetricsLog::create(file)?,
            Some(step) => MetricsLog::resume(file, step)?,
        })
    }

    /// Files of a checkpoint besides the state: the provenance at this step.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn provenance_at(&self, steps: u64) -> Result<Vec<u8>, TrainError> {
        Provenance { steps, ..self.provenance.clone() }.to_bytes()
    }

    /// Replaces the newest policy: a reader sees the old or the new folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn export(
        &mut self,
        policy: &Checkpoint,
        delta: Option<&Delta>,
        steps: u64,
    ) -> Result<PathBuf, TrainError> {
        self.provenance.steps = steps;
        self.write_policy(POLICY, policy, delta)?;
        replace_file(&self.path.join(PROVENANCE_FILE), &self.provenance.to_bytes()?)?;
        Ok(self.path.join(POLICY))
    }

    fn write_policy(&self, name: &str, policy: &Checkpoint, delta: Option<&Delta>) -> Result<(), TrainError> {
        let folder = self.path.join(name);
        let tmp = tmp_path(&folder);
        remove_if_there(&tmp)?;
        policy.save(&tmp)?;
        if let Some(delta) = delta {
            delta.save(&tmp)?;
        }
        let robot = serde_json::to_string_pretty(&self.robot)
            .map_err(|error| TrainError::state(ROBOT_FILE, error))?;
        for (file, bytes) in
            [(ROBOT_FILE, format!("{robot}\n").into_bytes()), (PROVENANCE_FILE, self.provenance.to_bytes()?)]
        {
            let path = tmp.join(file);
            fs::write(&path, bytes).map_err(StorageError::io("write", &path))?;
        }
        // Folders cannot be swapped in one step: a crash in between leaves the new one under its temporary name, and the
        // next export makes it again from the checkpoint.
        remove_if_there(&folder)?;
        fs::rename(&tmp, &folder).map_err(StorageError::io("rename into", &folder))?;
        sync_folder(&self.path)?;
        Ok(())
    }
}

/// Reads the `finetune.json` of a run, beside a possible writer.
///
/// # Errors
/// It is no run folder, or the text is not understood.
pub fn read_run(path: &Path) -> Result<FineTuneRun, StorageError> {
    let file = path.join(RUN);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message =
                format!("{} is not the folder of a fine-tuning run: it has no {RUN}", path.display());
            return Err(StorageError::Missing { message });
        }
        Err(error) => return Err(StorageError::io("read", &file)(error)),
    };
    serde_json::from_str(&text)
        .map_err(|error| StorageError::Format { path: file, message: error.to_string() })
}

/// The policy's folder inside what a user names: itself, or a run's.
pub fn policy_folder(path: &Path) -> PathBuf {
    if path.join("config.json").is_file() { path.to_owned() } else { path.join(POLICY) }
}
