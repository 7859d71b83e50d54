//! Files that must survive a crash or a full disk: one error for all of them, and atomic writing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::checkpoint::Refused;
use crate::lock::LockHolder;

/// Result of reading or writing a run folder.
pub type Result<T> = std::result::Result<T, StorageError>;

/// Why a run folder, checkpoint or log could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process writes into the run folder.
    #[error("{} is in use by {holder}; {advice}", .path.display())]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// Who holds it.
        holder: LockHolder,
        /// What the user can do.
        advice: String,
    },
    /// A checkpoint that is not what was written.
    #[error("{refused}; {}", match .previous {
        Some(step) => format!("the newest intact checkpoint before it is step {step}"),
        None => "there is no intact checkpoint before it".to_owned(),
    })]
    Damaged {
        /// Which file, and what is wrong with it.
        refused: Refused,
        /// The newest intact step before it.
        previous: Option<u64>,
    },
    /// No such run or checkpoint.
    #[error("{message}")]
    Missing {
        /// What was looked for, where, and what there is.
        message: String,
    },
    /// A name that cannot be a file of a checkpoint or run.
    #[error("`{name}` cannot be the name of {what}; allowed are letters, digits, `.`, `_` and `-`")]
    Name {
        /// The name.
        name: String,
        /// What it was to name.
        what: &'static str,
    },
    /// A file of a run folder whose text is not understood.
    #[error("{}: {message}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what is allowed.
        message: String,
    },
}

/// The class of a [`StorageError`], for exit codes and for deciding whether a retry makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// No space, quota or file-size limit left.
    Full,
    /// The file system or the folder may not be written.
    ReadOnly,
    /// Another process holds the run.
    Locked,
    /// Contents are not what was written.
    Damaged,
    /// Nothing there.
    Missing,
    /// A name or text of the user's that is not allowed.
    Invalid,
    /// Anything else the operating system reports.
    Io,
}

impl StorageError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The class of the error.
    pub fn kind(&self) -> StorageErrorKind {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    StorageErrorKind::Full
                }
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    StorageErrorKind::ReadOnly
                }
                io::ErrorKind::NotFound => StorageErrorKind::Missing,
                _ => StorageErrorKind::Io,
            },
            Self::Locked { .. } => StorageErrorKind::Locked,
            Self::Damaged { .. } => StorageErrorKind::Damaged,
            Self::Missing { .. } => StorageErrorKind::Missing,
            Self::Name { .. } | Self::Format { .. } => StorageErrorKind::Invalid,
        }
    }

    /// The process exit code that fits: 2 when the user named something that is not there or not allowed, else
    /// 4, the code for an environment in which keiko cannot work.
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            StorageErrorKind::Missing | StorageErrorKind::Invalid => 2,
            _ => 4,
        }
    }
}

/// Writes a new file and waits until the disk has it.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(StorageError::io("create", path))?;
    file.write_all(bytes).map_err(StorageError::io("write", path))?;
    file.sync_all().map_err(StorageError::io("sync", path))
}

/// Replaces a file in one step: a reader, and a crash at any moment, see the old or the new text.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let tmp = tmp_path(path);
    remove_if_there(&tmp)?;
    let replaced = write_synced(&tmp, bytes)
        .and_then(|()| fs::rename(&tmp, path).map_err(StorageError::io("rename into", path)));
    if replaced.is_err() {
        let _ = fs::remove_file(&tmp);
    }
    replaced?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Waits until the disk has a folder's list of names.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Other systems than Unix have no such call for folders; a rename is durable there when it returns.
    if cfg!(unix) {
        let folder = File::open(path).map_err(StorageError::io("open", path))?;
        folder.sync_all().map_err(StorageError::io("sync", path))?;
    }
    Ok(())
}

/// `NAME.tmp-PID` beside `path`: what a crash leaves behind under such a name is never read.
pub(crate) fn tmp_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    path.with_file_name(name)
}

/// Removes a file or folder; it may be absent.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a name is a plain file name in every file system: letters, digits, `.`, `_`, `-`, not starting
/// with a dot.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}
