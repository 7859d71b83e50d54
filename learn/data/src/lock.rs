//! One recorder a dataset.

use std::fs::{File, TryLockError};
use std::path::Path;

use keiko_model::error::{ErrorKind, Result};

use crate::store::{io, refuse};

/// Locked while a recorder is at work.
pub const LOCK_PATH: &str = ".keiko-lock";

/// Holds a dataset until dropped. The system lets it go if the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a dataset.
    ///
    /// # Errors
    /// Another recorder has it; or the folder cannot be written.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let path = &folder.join(LOCK_PATH);
        let open = File::options().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(io("write", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => {
                Err(refuse(ErrorKind::Io, folder, "another process records into this dataset"))
            }
            Err(TryLockError::Error(error)) => Err(io("lock", path)(error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child process that was just started has a copy of the handle until it runs its own program, and would hold the lock.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_handle_holds_nothing() {
        let folder = std::env::temp_dir().join(format!("keiko-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let lock = Lock::acquire(&folder).expect("free");
        assert!(Lock::acquire(&folder).is_err(), "taken");
        let copy = lock.file.try_clone().expect("a handle");
        drop(lock);
        Lock::acquire(&folder).expect("free again");
        drop(copy);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
