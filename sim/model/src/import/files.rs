//! Which files an import may open, and how.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::ImportOptions;
use crate::error::{Error, ErrorKind, Location, Result};

/// The folder that a file and everything it names must lie in, symbolic links followed.
#[derive(Clone, Debug)]
pub struct AssetRoot {
    root: PathBuf,
    folder: PathBuf,
}

impl AssetRoot {
    /// The root of an import: the option's folder, or the one that holds `file`.
    ///
    /// # Errors
    /// If a folder does not exist or `file` lies outside the option's root.
    pub fn new(file: &Path, options: &ImportOptions) -> Result<Self> {
        let place = || Location::file(file);
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let canonical_folder = fs::canonicalize(&folder)
            .map_err(|e| Error::new(ErrorKind::Io, place(), format!("cannot open its folder: {e}")))?;
        let root = match &options.root {
            Some(root) => fs::canonicalize(root).map_err(|e| {
                Error::new(ErrorKind::Io, Location::file(root), format!("cannot open the root folder: {e}"))
            })?,
            None => canonical_folder,
        };
        Ok(Self { root, folder })
    }

    /// The folder of the main file; relative names start there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder, symbolic links resolved, that all files lie in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a regular file inside the root and reads at most `max_bytes` of it.
    ///
    /// # Errors
    /// If it does not exist, is not a regular file, lies outside the root or is larger.
    pub fn read(&self, path: &Path, max_bytes: u64, at: &Location) -> Result<Vec<u8>> {
        let shown = path.display();
        let io =
            |e: std::io::Error| Error::new(ErrorKind::Io, at.clone(), format!("cannot read `{shown}`: {e}"));
        self.confine(path, at)?;
        // The kind is checked before opening: opening a pipe would wait for a writer.
        let metadata = fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Io, at.clone(), format!("`{shown}` is not a regular file")));
        }
        let too_large = |size: u64| {
            Error::new(ErrorKind::Limit, at.clone(), format!("`{shown}` has {size} bytes"))
                .allowed(format!("at most {max_bytes} bytes are read"))
        };
        if metadata.len() > max_bytes {
            return Err(too_large(metadata.len()));
        }
        let file = fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > max_bytes {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(bytes)
    }

    /// Whether a regular file of that name exists; it may still lie outside the root.
    pub fn exists(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|m| m.is_file())
    }

    /// Refuses a path outside the root, symbolic links followed.
    ///
    /// # Errors
    /// If it does not exist or lies outside.
    pub fn confine(&self, path: &Path, at: &Location) -> Result<()> {
        let canonical = match fs::canonicalize(path) {
            Ok(canonical) => canonical,
            // A name that does not exist is still told apart from one that tries to leave.
            Err(_) if !lexical(&self.folder_absolute(), path).starts_with(&self.root) => {
                return Err(self.escape(path, &lexical(&self.folder_absolute(), path), at));
            }
            Err(e) => {
                let message = format!("cannot open `{}`: {e}", path.display());
                return Err(Error::new(ErrorKind::Io, at.clone(), message));
            }
        };
        if canonical.starts_with(&self.root) { Ok(()) } else { Err(self.escape(path, &canonical, at)) }
    }

    fn folder_absolute(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_default()
    }

    fn escape(&self, path: &Path, canonical: &Path, at: &Location) -> Error {
        let needed = common_ancestor(&self.root, canonical);
        Error::new(
            ErrorKind::Confinement,
            at.clone(),
            format!("`{}` lies outside the root folder `{}`", path.display(), self.root.display()),
        )
        .allowed(format!("files must lie inside it; to allow this one, pass `--root {}`", needed.display()))
    }
}

/// An absolute path with `.` and `..` taken out by text alone.
fn lexical(current: &Path, path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in current.join(path).components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn common_ancestor(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(x, y)| x == y).map(|(x, _)| x).collect()
}
