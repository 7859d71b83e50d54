//! One writer a run folder.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::storage::{Result, StorageError};

const LOCK: &str = "lock";

/// The process that writes into a run folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Process id; 0 when unknown.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// When it took the lock, UTC.
    pub started: String,
}

impl LockHolder {
    fn this_process() -> Self {
        Self { pid: std::process::id(), host: host_name(), started: clock::utc_now() }
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return write!(f, "another process");
        }
        write!(f, "process {} on {} since {}", self.pid, self.host, self.started)
    }
}

/// Holds a run folder until dropped. The operating system frees it when the process dies, however it dies.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock of a run folder. What a dead process of this host left is taken over. A lock left by
    /// another host is not: on some network file systems two hosts do not see each other's locks.
    ///
    /// # Errors
    /// [`StorageError::Locked`] with the holder; or the folder cannot be written.
    pub fn acquire(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StorageError::io("open", &path))?;
        let locked = |holder, advice| StorageError::Locked { path: run_dir.to_owned(), holder, advice };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file).unwrap_or_default();
                return Err(locked(holder, "wait for it or stop it".to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(StorageError::io("lock", &path)(error)),
        }
        if let Some(holder) = read_holder(&mut file).filter(|holder| holder.host != host_name()) {
            return Err(locked(holder, format!("if that process is gone, delete {}", path.display())));
        }
        let text = serde_json::json!(LockHolder::this_process()).to_string();
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(StorageError::io("write", &path))?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // An empty file means a clean end. A child process that was just started has a copy of the handle until it runs its own
        // program, and would hold the lock.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// The record in a lock file; `None` when it is empty or not understood.
fn read_holder(file: &mut File) -> Option<LockHolder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Name of this host, or `unknown`.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or("unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_handle_holds_nothing() {
        let folder = std::env::temp_dir().join(format!("keiko-run-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let lock = RunLock::acquire(&folder).expect("free");
        assert!(RunLock::acquire(&folder).is_err(), "taken");
        let copy = lock.file.try_clone().expect("a handle");
        drop(lock);
        RunLock::acquire(&folder).expect("free again");
        drop(copy);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
