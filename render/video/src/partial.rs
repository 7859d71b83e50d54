//! A file that has its name when it is whole, and not before.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::VideoError;

/// `FILE.part` while it is written; removed if it is dropped, left behind if the process is killed.
#[derive(Debug)]
pub(crate) struct PartialFile {
    path: PathBuf,
    part: PathBuf,
}

impl PartialFile {
    /// Opens `FILE.part`, so that a folder that cannot be written is known before the first frame.
    pub(crate) fn create(path: &Path) -> Result<(Self, BufWriter<File>), VideoError> {
        let mut part = OsString::from(path);
        part.push(".part");
        let this = Self { path: path.to_owned(), part: part.into() };
        let file = File::create(&this.part).map_err(|error| this.error(error))?;
        Ok((this, BufWriter::new(file)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings what was written to the disk and gives the file its name.
    pub(crate) fn finish(self, mut writer: BufWriter<File>) -> Result<(), VideoError> {
        writer
            .flush()
            .and_then(|()| writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.part, &self.path))
            .map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: impl std::fmt::Display) -> VideoError {
        VideoError::File { path: self.path.clone(), message: error.to_string() }
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.part);
    }
}
