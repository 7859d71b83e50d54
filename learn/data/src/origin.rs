//! Where episodes come from, as the programs say that recorded them: keiko's own file, which other readers pass over.

use std::path::Path;

use keiko_model::error::{ErrorKind, Result};
use serde_json::Value;

use crate::store::{read_json, refuse, replace};

/// A list, one entry for each process that recorded.
pub const PATH: &str = "meta/keiko_origin.json";

/// What the recorders of a dataset said of themselves, in order; empty where none did.
///
/// # Errors
/// If the file cannot be read or holds no list.
pub fn read(folder: &Path) -> Result<Vec<Value>> {
    let path = folder.join(PATH);
    match path.exists() {
        true => read_json(&path),
        false => Ok(Vec::new()),
    }
}

/// Adds an entry.
pub fn add(folder: &Path, entry: Value) -> Result<()> {
    let path = folder.join(PATH);
    let mut entries = read(folder)?;
    entries.push(entry);
    let text = serde_json::to_string_pretty(&entries)
        .map_err(|error| refuse(ErrorKind::Value, &path, error.to_string()))?;
    replace(&path, (text + "\n").as_bytes())
}
