//! The folder of one training run, `runs/<task>/<date>_<time>_seed<k>`:
//!
//! ```text
//! config.toml      task and training, resolved: what `--resume` reads
//! run.json         how it was started and resumed: command line, versions, seed, device, host
//! metrics.jsonl    one line an iteration
//! events.out.*     the same for TensorBoard
//! checkpoints/     see `checkpoint.rs`
//! policy/          the newest policy, for play and export
//! lock             who writes here
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use keiko_model::error::nearest_name;
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointStore;
use crate::clock;
use crate::lock::{RunLock, host_name};
use crate::metrics::MetricsLog;
use crate::storage::{Result, StorageError, replace_file, sync_folder, write_synced};
use crate::tfevents::EventLog;

const RUN: &str = "run.json";
const CONFIG: &str = "config.toml";

/// How a process works on a run: everything that tells two machines or two builds apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The command line, program name first.
    pub command_line: Vec<String>,
    /// Version of keiko.
    pub keiko_version: String,
    /// Git revision of the source tree the program was built from, `-dirty` when it held other changes; `None`
    /// when it was not built from a git tree.
    pub git_revision: Option<String>,
    /// The compiler that built the program.
    pub rustc_version: Option<String>,
    /// Seed of the run.
    pub seed: u64,
    /// `cpu` or `gpu`.
    pub device: String,
    /// Name of the GPU adapter, where one is used.
    pub adapter: Option<String>,
    /// Operating system and architecture, e.g. `linux x86_64`.
    pub os: String,
    /// Host name.
    pub host: String,
    /// Logical CPUs that the process may use.
    pub cpus: usize,
    /// Process id.
    pub pid: u32,
    /// When the process began with the run, UTC; a label, not a clock.
    pub started: String,
}

impl RunInfo {
    /// Facts of this process and host. Which build this is, the program knows: its revision and compiler are
    /// handed in.
    pub fn of_this_process(
        seed: u64,
        device: &str,
        adapter: Option<String>,
        git_revision: Option<&str>,
        rustc_version: Option<&str>,
    ) -> Self {
        Self {
            command_line: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            keiko_version: env!("CARGO_PKG_VERSION").to_owned(),
            git_revision: git_revision.map(str::to_owned),
            rustc_version: rustc_version.map(str::to_owned),
            seed,
            device: device.to_owned(),
            adapter,
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            host: host_name(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            pid: std::process::id(),
            started: clock::utc_now(),
        }
    }
}

/// What `run.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the task.
    pub task: String,
    /// The process that started the run.
    pub start: RunInfo,
    /// The processes that resumed it.
    pub resumes: Vec<Resume>,
}

/// A resumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The step of the checkpoint it went on from.
    pub step: u64,
    /// The process.
    pub info: RunInfo,
}

/// A run folder that this process alone may write, until dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    record: RunRecord,
    _lock: RunLock,
}

impl RunDir {
    /// Creates `root/<task>/<date>_<time>_seed<k>` (UTC; a second run in the same second gets a suffix).
    ///
    /// # Errors
    /// The folder cannot be created or written.
    pub fn create(root: &Path, task: &str, config_toml: &str, info: RunInfo) -> Result<Self> {
        let parent = root.join(folder_name(task));
        fs::create_dir_all(&parent).map_err(StorageError::io("create", &parent))?;
        let path = create_unique(&parent, &format!("{}_seed{}", clock::utc_label(), info.seed))?;
        let lock = RunLock::acquire(&path)?;
        write_synced(&path.join(CONFIG), config_toml.as_bytes())?;
        for folder in ["checkpoints", "policy"] {
            let folder = path.join(folder);
            fs::create_dir(&folder).map_err(StorageError::io("create", &folder))?;
        }
        let record = RunRecord { task: task.to_owned(), start: info, resumes: Vec::new() };
        let run = Self { path, record, _lock: lock };
        run.write_record()?;
        sync_folder(&parent)?;
        Ok(run)
    }

    /// Opens an existing run to go on with it.
    ///
    /// # Errors
    /// It is no run folder, another process writes into it, or it cannot be written.
    pub fn resume(path: &Path) -> Result<Self> {
        let record = read_record(path)?;
        let lock = RunLock::acquire(path)?;
        Ok(Self { path: path.to_owned(), record, _lock: lock })
    }

    /// Notes in `run.json` that this process goes on from a checkpoint.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn record_resume(&mut self, step: u64, info: RunInfo) -> Result<()> {
        self.record.resumes.push(Resume { step, info });
        self.write_record()
    }

    /// The run folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `run.json`.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// The resolved task and training, as written at the start.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn config_toml(&self) -> Result<String> {
        read_config(&self.path)
    }

    /// Folder of the newest policy.
    pub fn policy_dir(&self) -> PathBuf {
        self.path.join("policy")
    }

    /// The run's checkpoints, for writing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn checkpoints(&self, keep: usize) -> Result<CheckpointStore> {
        CheckpointStore::open(self.path.join("checkpoints"), keep)
    }

    /// `metrics.jsonl` and TensorBoard events; of a resumed run, cut back to the checkpoint's step.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn logs(&self, resumed_step: Option<u64>) -> Result<(MetricsLog, EventLog)> {
        let metrics = self.path.join("metrics.jsonl");
        Ok(match resumed_step {
            None => (MetricsLog::create(metrics)?, EventLog::create(&self.path)?),
            Some(step) => (MetricsLog::resume(metrics, step)?, EventLog::resume(&self.path, step)?),
        })
    }

    fn write_record(&self) -> Result<()> {
        let path = self.path.join(RUN);
        let text = serde_json::to_string_pretty(&self.record)
            .map_err(|error| StorageError::Format { path: path.clone(), message: error.to_string() })?;
        replace_file(&path, format!("{text}\n").as_bytes())
    }
}

/// Reads the `run.json` of a run, beside a possible writer.
///
/// # Errors
/// It is no run folder, or the text is not understood.
pub fn read_record(run: &Path) -> Result<RunRecord> {
    let path = run.join(RUN);
    if !path.is_file() {
        let message = format!("{} is not a run folder: it has no {RUN}", run.display());
        return Err(StorageError::Missing { message });
    }
    let text = fs::read_to_string(&path).map_err(StorageError::io("read", &path))?;
    serde_json::from_str(&text).map_err(|error| StorageError::Format { path, message: error.to_string() })
}

/// Reads the resolved config of a run, beside a possible writer.
///
/// # Errors
/// The file cannot be read.
pub fn read_config(run: &Path) -> Result<String> {
    let path = run.join(CONFIG);
    fs::read_to_string(&path).map_err(StorageError::io("read", &path))
}

/// The checkpoints of a run for reading, beside a possible writer.
pub fn read_checkpoints(run: &Path) -> CheckpointStore {
    CheckpointStore::read_only(run.join("checkpoints"))
}

/// Finds a run: the path of its folder, the name of a task (its newest run), or `last` (the newest of all).
///
/// # Errors
/// There is none; the message names what there is.
pub fn find_run(root: &Path, which: &str) -> Result<PathBuf> {
    let path = Path::new(which);
    if path.join(RUN).is_file() {
        return Ok(path.to_owned());
    }
    let missing = |message| Err(StorageError::Missing { message });
    let tasks = tasks_with_runs(root);
    if tasks.is_empty() {
        return missing(format!("no run `{which}`: there are no runs in {}", root.display()));
    }
    let runs = tasks.iter().filter(|(task, _)| which == "last" || which == task);
    if let Some(newest) = runs.flat_map(|(_, runs)| runs).max_by_key(|run| age_key(run)) {
        return Ok(newest.clone());
    }
    if path.is_dir() {
        return missing(format!("{} is not a run folder: it has no {RUN}", path.display()));
    }
    let names: Vec<&str> = tasks.iter().map(|(task, _)| task.as_str()).collect();
    let hint = nearest_name(which, names.iter().copied().chain(["last"]));
    let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    let names = names.join("`, `");
    missing(format!(
        "no run `{which}`; allowed are the path of a run folder, `last`, or a task with runs in {}: `{names}`{hint}",
        root.display()
    ))
}

/// Tasks that have runs, by name, with the folders of their runs.
fn tasks_with_runs(root: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let mut tasks: Vec<_> = folders(root)
        .into_iter()
        .filter_map(|task| {
            let name = task.file_name()?.to_str()?.to_owned();
            let runs: Vec<_> = folders(&task).into_iter().filter(|run| run.join(RUN).is_file()).collect();
            (!runs.is_empty()).then_some((name, runs))
        })
        .collect();
    tasks.sort();
    tasks
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Sorts runs by when they were started: by the date and time in the name, then by when `config.toml`, which
/// is written once, was written.
fn age_key(run: &Path) -> (String, SystemTime) {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let label = name.split("_seed").next().unwrap_or_default().to_owned();
    let written = fs::metadata(run.join(CONFIG)).and_then(|metadata| metadata.modified());
    (label, written.unwrap_or(SystemTime::UNIX_EPOCH))
}

/// A task's name as a folder name: other characters than letters, digits, `_` and `-` become `-`.
fn folder_name(task: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
    let name: String = task.chars().map(plain).take(64).collect();
    if name.is_empty() { "task".to_owned() } else { name }
}

/// Creates `parent/name`, or `name_2`, `name_3` and so on: also two processes at once get two folders.
fn create_unique(parent: &Path, name: &str) -> Result<PathBuf> {
    let mut path = parent.join(name);
    let mut count = 1;
    loop {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                count += 1;
                path = parent.join(format!("{name}_{count}"));
            }
            created => return created.map(|()| path.clone()).map_err(StorageError::io("create", &path)),
        }
    }
}
