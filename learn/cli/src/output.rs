//! What the command prints: text for people, one `RESULT {...}` line for programs.

use std::io::Write;
use std::time::Instant;

use cpu_time::ProcessTime;
use serde_json::{Map, Value};

/// A line about something wrong, on stderr. A reader that went away stops no work here either.
pub fn complain(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}

/// Collects the fields of the closing line.
pub struct Output {
    json: bool,
    wall: Instant,
    cpu: ProcessTime,
    fields: Map<String, Value>,
}

impl Output {
    /// Starts the clocks.
    pub fn new(json: bool) -> Self {
        Self { json, wall: Instant::now(), cpu: ProcessTime::now(), fields: Map::new() }
    }

    /// Whether the reader is a program.
    pub fn json(&self) -> bool {
        self.json
    }

    /// A line for people; nothing under `--json`. A reader that went away (`| head`) stops no work.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
        }
    }

    /// A field of the closing line.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.fields.insert(key.to_owned(), value.into());
    }

    /// CPU time of the process since the start, all threads \[s\].
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu.elapsed().as_secs_f64()
    }

    /// Wall time since the start \[s\].
    pub fn wall_seconds(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    /// Prints `RESULT {...}` under `--json`; `cpu_seconds` and `wall_seconds` are added.
    pub fn finish(mut self) {
        if self.json {
            self.set("cpu_seconds", self.cpu_seconds());
            self.set("wall_seconds", self.wall_seconds());
            let _ = writeln!(std::io::stdout(), "RESULT {}", Value::Object(self.fields));
        }
    }
}
