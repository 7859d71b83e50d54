//! Checkpoints that are whole or not there: written aside, hashed, renamed into place, verified.
//!
//! ```text
//! checkpoints/
//!   000000000120/            one folder a checkpoint, named by its step
//!     manifest.json          format, keiko version, step, size and SHA-256 of each file
//!     manifest.sha256        SHA-256 of manifest.json, in the format of `sha256sum -c`
//!     policy.safetensors ... the files
//!   000000000140.tmp-4711/   being written, or left by a crash: never read, removed by the next writer
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::storage::{
    Result, StorageError, is_plain_name, remove_if_there, sha256_hex, sync_folder, tmp_path, write_synced,
};

/// Version of the folder layout described in this module.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const MANIFEST_HASH: &str = "manifest.sha256";
/// A manifest names some ten files; more than this is not one of ours.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A verified checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step it was saved at.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
    /// Contents by file name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What [`CheckpointStore::load_latest`] found.
#[derive(Debug, Default)]
pub struct Latest {
    /// The newest intact checkpoint, if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// Newer ones that are damaged, newest first. Who goes on without them must say so.
    pub refused: Vec<Refused>,
}

/// A checkpoint that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The step in its folder's name.
    pub step: u64,
    /// The file that is wrong.
    pub file: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What is wrong with a file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It cannot be read; the operating system's words.
    Unreadable(String),
    /// Its length \[bytes\] differs from the manifest's.
    Size {
        /// In the manifest.
        expected: u64,
        /// On disk.
        actual: u64,
    },
    /// Its SHA-256 differs from the recorded one.
    Hash {
        /// As recorded when it was written.
        expected: String,
        /// On disk.
        actual: String,
    },
    /// It is intact but not understood.
    Format(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint of step {} is damaged: ", self.step)?;
        match &self.damage {
            Damage::Unreadable(why) => write!(f, "cannot be read ({why})")?,
            Damage::Size { expected, actual } => {
                write!(f, "expected {expected} bytes, found {actual} bytes")?;
            }
            Damage::Hash { expected, actual } => write!(f, "expected sha256 {expected}, found {actual}")?,
            Damage::Format(why) => write!(f, "{why}")?,
        }
        write!(f, " in {}", self.file.display())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    keiko: String,
    step: u64,
    files: BTreeMap<String, FileRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRecord {
    bytes: u64,
    sha256: String,
}

/// The checkpoints of one run.
#[derive(Debug)]
pub struct CheckpointStore {
    dir: PathBuf,
    keep: usize,
    /// Steps whose files this process has hashed and found right.
    verified: BTreeSet<u64>,
}

impl CheckpointStore {
    /// Opens for writing, and creates the folder. The caller holds the run's lock: what earlier writers left
    /// half done is removed. `keep` newest intact checkpoints are kept, at least 2.
    ///
    /// # Errors
    /// The folder cannot be written, found here before any time is spent on training.
    pub fn open(dir: impl Into<PathBuf>, keep: usize) -> Result<Self> {
        let store = Self { dir: dir.into(), keep: keep.max(2), verified: BTreeSet::new() };
        fs::create_dir_all(&store.dir).map_err(StorageError::io("create", &store.dir))?;
        store.clean_up()?;
        let probe = tmp_path(&store.dir.join("probe"));
        write_synced(&probe, b"keiko")?;
        remove_if_there(&probe)?;
        Ok(store)
    }

    /// Opens for reading beside a possible writer: changes nothing.
    pub fn read_only(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), keep: usize::MAX, verified: BTreeSet::new() }
    }

    /// Steps of all checkpoints, damaged ones too, ascending.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn steps(&self) -> Result<Vec<u64>> {
        let mut steps: Vec<u64> = self.names()?.iter().filter_map(|name| step_of(name)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// Saves a checkpoint and returns its folder. When this returns, the disk has it and reading it back gave
    /// the same hashes; older ones beyond the newest `keep` intact ones are gone. A checkpoint of the same
    /// step is replaced. On an error nothing that was there before has changed.
    ///
    /// # Errors
    /// A file name that is not plain, or the disk refuses.
    pub fn save(&mut self, step: u64, files: &BTreeMap<String, Vec<u8>>) -> Result<PathBuf> {
        if let Some(name) =
            files.keys().find(|n| !is_plain_name(n) || [MANIFEST, MANIFEST_HASH].contains(&n.as_str()))
        {
            return Err(StorageError::Name { name: name.clone(), what: "a file of a checkpoint" });
        }
        let path = self.path_of(step);
        let tmp = tmp_path(&path);
        remove_if_there(&tmp)?;
        let saved = write_folder(&tmp, step, files).and_then(|()| self.move_into_place(&tmp, &path));
        if saved.is_err() {
            let _ = remove_if_there(&tmp);
        }
        saved?;
        self.verified.remove(&step);
        self.verify(step)?;
        self.prune()?;
        Ok(path)
    }

    /// Loads the checkpoint of a step.
    ///
    /// # Errors
    /// There is none (the steps that exist are named), or it is damaged (file, expected and found, and the
    /// newest intact step before it are named).
    pub fn load(&self, step: u64) -> Result<Checkpoint> {
        let path = self.path_of(step);
        if !path.is_dir() {
            let steps = self.steps()?;
            let there =
                if steps.is_empty() { "there are none".to_owned() } else { format!("there are {steps:?}") };
            let message = format!("no checkpoint of step {step} in {}; {there}", self.dir.display());
            return Err(StorageError::Missing { message });
        }
        read_folder(&path, step).map_err(|refused| {
            let previous = self.newest_intact_before(step);
            StorageError::Damaged { refused, previous }
        })
    }

    /// Loads the newest intact checkpoint, and names the newer ones that are damaged.
    ///
    /// # Errors
    /// The folder cannot be listed. A folder that does not exist holds no checkpoint.
    pub fn load_latest(&self) -> Result<Latest> {
        let mut latest = Latest::default();
        for step in self.steps()?.into_iter().rev() {
            let path = self.path_of(step);
            match read_folder(&path, step) {
                Ok(checkpoint) => {
                    latest.checkpoint = Some(checkpoint);
                    break;
                }
                // A writer beside us may have removed an old one since the folder was listed.
                Err(_) if !path.exists() => {}
                Err(refused) => latest.refused.push(refused),
            }
        }
        Ok(latest)
    }

    /// Removes checkpoints newer than a step: what follows when a run goes on from `step`.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn discard_after(&mut self, step: u64) -> Result<()> {
        for newer in self.steps()?.into_iter().filter(|&s| s > step) {
            self.remove(newer)?;
        }
        sync_folder(&self.dir)
    }

    fn path_of(&self, step: u64) -> PathBuf {
        self.dir.join(format!("{step:012}"))
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StorageError::io("list", &self.dir)(error)),
        };
        Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    /// Undoes what a killed writer left: half-written folders go, a folder put aside for its successor comes
    /// back if the successor did not arrive.
    fn clean_up(&self) -> Result<()> {
        for name in self.names()? {
            let path = self.dir.join(&name);
            if name.contains(".tmp-") {
                remove_if_there(&path)?;
            } else if let Some((step, _)) = name.split_once(".old-") {
                let successor = self.dir.join(step);
                if successor.exists() {
                    remove_if_there(&path)?;
                } else {
                    fs::rename(&path, &successor).map_err(StorageError::io("rename", &path))?;
                }
            }
        }
        Ok(())
    }

    fn move_into_place(&self, tmp: &Path, path: &Path) -> Result<()> {
        let aside = path.with_extension(format!("old-{}", std::process::id()));
        let replaces = path.exists();
        if replaces {
            fs::rename(path, &aside).map_err(StorageError::io("rename", path))?;
        }
        if let Err(error) = fs::rename(tmp, path) {
            if replaces {
                let _ = fs::rename(&aside, path);
            }
            return Err(StorageError::io("rename into", path)(error));
        }
        sync_folder(&self.dir)?;
        if replaces { remove_if_there(&aside) } else { Ok(()) }
    }

    /// Reads a checkpoint back unless this process has done so.
    fn verify(&mut self, step: u64) -> Result<()> {
        if !self.verified.contains(&step) {
            self.load(step)?;
            self.verified.insert(step);
        }
        Ok(())
    }

    /// Removes all that is older than the newest `keep` intact checkpoints.
    fn prune(&mut self) -> Result<()> {
        let mut intact = 0;
        for step in self.steps()?.into_iter().rev() {
            if intact >= self.keep {
                self.remove(step)?;
            } else if self.verify(step).is_ok() {
                intact += 1;
            }
        }
        Ok(())
    }

    /// Removes a checkpoint by way of a temporary name, so that a crash leaves no half of it under its own.
    fn remove(&mut self, step: u64) -> Result<()> {
        let path = self.path_of(step);
        let tmp = tmp_path(&path);
        remove_if_there(&tmp)?;
        fs::rename(&path, &tmp).map_err(StorageError::io("remove", &path))?;
        self.verified.remove(&step);
        remove_if_there(&tmp)
    }

    fn newest_intact_before(&self, step: u64) -> Option<u64> {
        let steps = self.steps().ok()?;
        steps.into_iter().rev().filter(|&s| s < step).find(|&s| read_folder(&self.path_of(s), s).is_ok())
    }
}

/// The step of a folder name: digits alone, as [`CheckpointStore::path_of`] writes them.
fn step_of(name: &str) -> Option<u64> {
    let step = name.parse().ok()?;
    (format!("{step:012}") == name).then_some(step)
}

fn write_folder(dir: &Path, step: u64, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    fs::create_dir(dir).map_err(StorageError::io("create", dir))?;
    let mut records = BTreeMap::new();
    for (name, bytes) in files {
        write_synced(&dir.join(name), bytes)?;
        records.insert(name.clone(), FileRecord { bytes: bytes.len() as u64, sha256: sha256_hex(bytes) });
    }
    let manifest =
        Manifest { format: FORMAT, keiko: env!("CARGO_PKG_VERSION").to_owned(), step, files: records };
    let path = dir.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| StorageError::Format { path: path.clone(), message: error.to_string() })?;
    write_synced(&path, text.as_bytes())?;
    write_synced(&dir.join(MANIFEST_HASH), manifest_hash_line(text.as_bytes()).as_bytes())?;
    sync_folder(dir)
}

fn manifest_hash_line(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", sha256_hex(manifest))
}

fn read_folder(dir: &Path, step: u64) -> std::result::Result<Checkpoint, Refused> {
    let refuse = |name: &str, damage| Refused { step, file: dir.join(name), damage };
    let manifest = read_manifest(dir, step).map_err(|(name, damage)| refuse(name, damage))?;
    let mut files = BTreeMap::new();
    for (name, record) in manifest.files {
        let bytes = read_verified(&dir.join(&name), &record).map_err(|damage| refuse(&name, damage))?;
        files.insert(name, bytes);
    }
    Ok(Checkpoint { step, path: dir.to_owned(), files })
}

fn read_manifest(dir: &Path, step: u64) -> std::result::Result<Manifest, (&'static str, Damage)> {
    let text = read_at_most(&dir.join(MANIFEST), MAX_MANIFEST_BYTES).map_err(|damage| (MANIFEST, damage))?;
    let recorded = read_at_most(&dir.join(MANIFEST_HASH), 128).map_err(|damage| (MANIFEST_HASH, damage))?;
    if recorded != manifest_hash_line(&text).as_bytes() {
        let expected =
            String::from_utf8_lossy(&recorded).split_whitespace().next().unwrap_or("none").to_owned();
        let actual = sha256_hex(&text);
        // Equal hashes mean that the line around the hash was changed.
        return Err(if expected == actual {
            let why = format!("expected one line `HASH  {MANIFEST}`, found other text after the hash");
            (MANIFEST_HASH, Damage::Format(why))
        } else {
            (MANIFEST, Damage::Hash { expected: printable(&expected), actual })
        });
    }
    let format = |why| (MANIFEST, Damage::Format(why));
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(format(format!(
            "format {} is unknown, this keiko reads format {FORMAT}",
            manifest.format
        )));
    }
    if manifest.step != step {
        return Err(format(format!("the manifest is of step {}", manifest.step)));
    }
    match manifest.files.keys().find(|name| !is_plain_name(name)) {
        Some(name) => Err(format(format!("`{}` is not a plain file name", printable(name)))),
        None => Ok(manifest),
    }
}

fn read_verified(path: &Path, record: &FileRecord) -> std::result::Result<Vec<u8>, Damage> {
    // The size is checked first, so that a file that grew is not read into memory.
    let actual = fs::metadata(path).map_err(unreadable)?.len();
    if actual != record.bytes {
        return Err(Damage::Size { expected: record.bytes, actual });
    }
    let bytes = read_at_most(path, record.bytes)?;
    let actual = sha256_hex(&bytes);
    if actual != record.sha256 {
        return Err(Damage::Hash { expected: record.sha256.clone(), actual });
    }
    Ok(bytes)
}

fn read_at_most(path: &Path, limit: u64) -> std::result::Result<Vec<u8>, Damage> {
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Damage::Format("not a regular file".to_owned()));
    }
    if metadata.len() > limit {
        return Err(Damage::Size { expected: limit, actual: metadata.len() });
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}

fn unreadable(error: std::io::Error) -> Damage {
    Damage::Unreadable(error.to_string())
}

fn printable(text: &str) -> String {
    keiko_model::error::printable(text)
}
