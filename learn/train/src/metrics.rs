//! `metrics.jsonl`: one JSON object a line, `{"step":3,"Train/mean_reward":1.5,...}`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serializer;
use serde::ser::SerializeMap;

use crate::storage::{Result, StorageError};

/// Appends metrics to a file. A full disk never stops it: lines are dropped and counted.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
    /// Length up to the end of the last whole line \[bytes\].
    len: u64,
    last_step: u64,
    dropped: u64,
    warning: Option<String>,
}

impl MetricsLog {
    /// Starts a new file, or empties an old one.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = File::create(&path).map_err(StorageError::io("create", &path))?;
        Ok(Self { path, file, len: 0, last_step: 0, dropped: 0, warning: None })
    }

    /// Goes on with a file after the checkpoint of `step`: lines of later steps and a torn last line are cut
    /// off, so that the file ends equal to that of a run which was never interrupted.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn resume(path: impl Into<PathBuf>, step: u64) -> Result<Self> {
        let path = path.into();
        let io = |action| StorageError::io(action, &path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("open"))?;
        let (len, last_step) = end_of_step(&file, step).map_err(io("read"))?;
        file.set_len(len).map_err(io("write"))?;
        file.seek(SeekFrom::Start(len)).map_err(io("write"))?;
        Ok(Self { path, file, len, last_step, dropped: 0, warning: None })
    }

    /// Appends one line. Steps never go down; a line that would break that is dropped, as is one that the disk
    /// does not take. Values that are not finite are written as `null`.
    pub fn append<N: AsRef<str>>(&mut self, step: u64, scalars: &[(N, f64)]) {
        let written = if step < self.last_step {
            Err(format!("step {step} comes after step {}", self.last_step))
        } else {
            line(step, scalars).map_err(|e| e.to_string()).and_then(|line| self.write(&line))
        };
        match written {
            Ok(()) => self.last_step = step,
            Err(why) => {
                self.dropped += 1;
                if self.dropped == 1 {
                    let text =
                        format!("metrics are dropped from step {step} on: {why}: {}", self.path.display());
                    self.warning = Some(text);
                }
            }
        }
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A text for the user, given once, when the first line was dropped.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    fn write(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        // Also after a failure: the position may stand behind half a line.
        self.file.seek(SeekFrom::Start(self.len)).map_err(|e| e.to_string())?;
        if let Err(error) = self.file.write_all(line) {
            let _ = self.file.set_len(self.len);
            return Err(error.to_string());
        }
        self.len += line.len() as u64;
        Ok(())
    }
}

fn line<N: AsRef<str>>(step: u64, scalars: &[(N, f64)]) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64 + 32 * scalars.len());
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("step", &step)?;
    for (name, value) in scalars {
        map.serialize_entry(name.as_ref(), value)?;
    }
    map.end()?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Where the lines of steps up to `step` end \[bytes\], and the step of the last of them.
fn end_of_step(file: &File, step: u64) -> std::io::Result<(u64, u64)> {
    let mut reader = BufReader::new(file);
    let (mut len, mut last_step, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok((len, last_step));
        }
        if let Some(found) = step_of(&line) {
            if found > step {
                return Ok((len, last_step));
            }
            last_step = found;
        }
        len += read as u64;
    }
}

fn step_of(line: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    value.get("step")?.as_u64()
}

/// One line of a metrics file.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsLine {
    /// Step.
    pub step: u64,
    /// Name and value, by name; a value that was not finite is NaN.
    pub scalars: BTreeMap<String, f64>,
}

/// Reads a metrics file back. A torn last line and lines that are not JSON objects with a step are left out.
///
/// # Errors
/// The file cannot be read.
pub fn read_metrics(path: &Path) -> Result<Vec<MetricsLine>> {
    let text = std::fs::read(path).map_err(StorageError::io("read", path))?;
    let lines = text.split_inclusive(|&c| c == b'\n').filter(|line| line.ends_with(b"\n"));
    Ok(lines.filter_map(parse_line).collect())
}

fn parse_line(line: &[u8]) -> Option<MetricsLine> {
    let map: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let step = map.get("step")?.as_u64()?;
    let scalars = map.into_iter().filter(|(name, _)| name != "step");
    let scalars = scalars.map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN))).collect();
    Some(MetricsLine { step, scalars })
}
