//! Files that outlive a crash, and files that are read without trust.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use keiko_model::error::{Error, ErrorKind, Location, Result};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Largest JSON file \[byte\].
const MAX_JSON: u64 = 64 << 20;

/// An error about a file as a whole.
pub fn refuse(kind: ErrorKind, path: &Path, message: impl AsRef<str>) -> Error {
    Error::new(kind, Location::file(path), message)
}

/// What the operating system says about a file.
pub fn io(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let message = format!("cannot {action}");
    let path = path.to_owned();
    move |error| refuse(ErrorKind::Io, &path, format!("{message}: {error}"))
}

/// Reads a JSON file of a known form.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let mut text = String::new();
    let file = File::open(path).map_err(io("open", path))?;
    file.take(MAX_JSON + 1).read_to_string(&mut text).map_err(io("read", path))?;
    if text.len() as u64 > MAX_JSON {
        let error = refuse(ErrorKind::Limit, path, "the file is too large");
        return Err(error.allowed(format!("at most {MAX_JSON} bytes")));
    }
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let location = Location { file: path.to_owned(), line: line as u32, column: column as u32 };
        // Python writes numbers that JSON does not have.
        let rest = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let found = ["NaN", "Infinity"].into_iter().find(|word| rest.contains(word));
        match (error.classify(), found) {
            (serde_json::error::Category::Syntax, Some(word)) => {
                Error::new(ErrorKind::Value, location, format!("`{word}` where a number is expected"))
                    .allowed("finite numbers")
            }
            (serde_json::error::Category::Data, _) => {
                Error::new(ErrorKind::Structure, location, error.to_string())
            }
            _ => Error::new(ErrorKind::Syntax, location, error.to_string()),
        }
    })
}

/// Replaces a file in one step and waits until the disk has it: a reader, and a crash at any moment, see the old file or
/// the new one. Folders above it are created.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let tmp = tmp_path(path);
    let written =
        File::create(&tmp).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    if let Err(error) = written.and_then(|()| fs::rename(&tmp, path)) {
        let _ = fs::remove_file(&tmp);
        return Err(io("write", path)(error));
    }
    sync_folder(folder)
}

/// Creates a folder and those above it, durably.
pub fn create_folder(folder: &Path) -> Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new("."));
    create_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io("create", folder)(error)),
        _ => sync_folder(above),
    }
}

/// Waits until the disk has a folder's list of names.
fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Other systems than Unix have no such call for folders; a rename is durable there when it returns.
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(io("sync", folder))?;
    }
    Ok(())
}

/// What a file is called until it is complete: a name that no reader takes for one of the dataset.
fn tmp_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}{TMP}", std::process::id()))
}

const TMP: &str = ".tmp";

/// Whether a killed process left this file.
pub fn is_left_over(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with('.') && name.ends_with(TMP)
    })
}

/// Every file below a folder, sorted. Links are not followed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(io("list", &folder))? {
            let entry = entry.map_err(io("list", &folder))?;
            let kind = entry.file_type().map_err(io("list", &folder))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Size and lower-case hexadecimal SHA-256 of a file.
pub fn sha256(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).map_err(io("read", path))?;
        if count == 0 {
            return Ok((size, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
}
