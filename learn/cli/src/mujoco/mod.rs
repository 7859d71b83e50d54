//! MuJoCo as a child process: a Python interpreter that has the package `mujoco`, asked over its pipes.
//!
//! Nothing is installed or downloaded here: the interpreter is the user's.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::numpy::Array;

/// What the child runs.
const PEER: &str = include_str!("peer.py");
/// The version that figures are comparable with.
pub const VERSION: &str = "4.0.0";

/// Where the peer is.
#[derive(Args, Clone, Debug)]
pub struct PeerArgs {
    /// Python interpreter that imports `mujoco` and `numpy`.
    #[arg(long, value_name = "PATH", env = "KEIKO_PYTHON", default_value = "python3")]
    pub python: PathBuf,

    /// Folder that holds the packages with robot files, each in a folder of its own or side by side as pip leaves them.
    #[arg(long, value_name = "DIR", env = "KEIKO_ASSETS")]
    pub assets: Option<PathBuf>,
}

/// A question or an answer: fields, and arrays of numbers beside them.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Anything but arrays.
    pub fields: Map<String, Value>,
    /// Arrays by name.
    pub arrays: BTreeMap<String, Array>,
}

impl Message {
    /// A request to do something, with the fields of a JSON object.
    pub fn request(what: &str, fields: Value) -> Self {
        let mut map = match fields {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        map.insert("do".to_owned(), json!(what));
        Self { fields: map, arrays: BTreeMap::new() }
    }

    /// The same with an array.
    pub fn with(mut self, name: &str, array: &Array) -> Self {
        self.arrays.insert(name.to_owned(), array.clone());
        self
    }

    /// A field that the peer promised.
    pub fn number(&self, name: &str) -> anyhow::Result<f64> {
        self.fields
            .get(name)
            .and_then(Value::as_f64)
            .with_context(|| format!("the peer gave no number `{name}`"))
    }

    /// A field that the peer promised.
    pub fn text(&self, name: &str) -> anyhow::Result<&str> {
        self.fields
            .get(name)
            .and_then(Value::as_str)
            .with_context(|| format!("the peer gave no text `{name}`"))
    }

    /// A list of truths that the peer promised.
    pub fn flags(&self, name: &str) -> anyhow::Result<Vec<bool>> {
        let list = self.fields.get(name).and_then(Value::as_array);
        let list = list.with_context(|| format!("the peer gave no list `{name}`"))?;
        Ok(list.iter().map(|flag| flag.as_bool() == Some(true)).collect())
    }

    /// An array that the peer promised.
    pub fn array(&mut self, name: &str) -> anyhow::Result<Array> {
        self.arrays.remove(name).with_context(|| format!("the peer gave no array `{name}`"))
    }
}

/// The child.
pub struct Peer {
    child: Child,
    stdin: Option<BufWriter<ChildStdin>>,
    stdout: BufReader<ChildStdout>,
    /// Version of MuJoCo.
    pub version: String,
}

impl Peer {
    /// Starts the interpreter and waits until MuJoCo is loaded.
    ///
    /// # Errors
    /// Says which interpreter was tried, what it lacks and how another one is named.
    pub fn start(python: &Path) -> anyhow::Result<Self> {
        let hint = || {
            format!(
                "{}: a Python with `mujoco` {VERSION} and `numpy` is needed (`pip install mujoco=={VERSION}`); \
                 name it with --python PATH or the variable KEIKO_PYTHON",
                python.display()
            )
        };
        let mut child = Command::new(python)
            .args(["-c", PEER])
            // One thread, also in numpy.
            .envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(hint)?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("a child without pipes")?;
        let mut peer = Self {
            child,
            stdin: Some(BufWriter::new(stdin)),
            stdout: BufReader::new(stdout),
            version: String::new(),
        };
        peer.version =
            peer.receive().and_then(|hello| Ok(hello.text("mujoco")?.to_owned())).with_context(hint)?;
        Ok(peer)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the peer said, or that it is gone.
    pub fn ask(&mut self, request: &Message) -> anyhow::Result<Message> {
        self.send(request).context("the MuJoCo process takes no more requests")?;
        self.receive()
    }

    /// Loads a model; the answer holds its sizes and settings.
    ///
    /// # Errors
    /// Why MuJoCo refuses it.
    pub fn load(&mut self, file: &Path) -> anyhow::Result<Message> {
        // MuJoCo joins relative paths of a file with the folder twice.
        let path = std::path::absolute(file)?;
        self.ask(&Message::request("load", json!({ "path": path })))
            .with_context(|| format!("MuJoCo does not load {}", file.display()))
    }

    fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("closed")?;
        let mut head = message.fields.clone();
        let shapes: Vec<Value> = message.arrays.iter().map(|(name, a)| json!([name, a.shape])).collect();
        head.insert("arrays".to_owned(), Value::Array(shapes));
        writeln!(stdin, "{}", Value::Object(head))?;
        for array in message.arrays.values() {
            let bytes: Vec<u8> = array.data.iter().flat_map(|value| value.to_le_bytes()).collect();
            stdin.write_all(&bytes)?;
        }
        Ok(stdin.flush()?)
    }

    fn receive(&mut self) -> anyhow::Result<Message> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            let end = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            bail!("the Python process ended ({end})");
        }
        let head: Value =
            serde_json::from_str(&line).with_context(|| format!("not an answer: {}", line.trim()))?;
        let Value::Object(mut fields) = head else { bail!("not an answer: {}", line.trim()) };
        if let Some(error) = fields.get("error") {
            return Err(anyhow!("{}", error.as_str().unwrap_or("an error without words")));
        }
        let shapes: Vec<(String, Vec<usize>)> =
            serde_json::from_value(fields.remove("arrays").unwrap_or(Value::Array(Vec::new())))?;
        let mut arrays = BTreeMap::new();
        for (name, shape) in shapes {
            let mut bytes = vec![0; 8 * shape.iter().product::<usize>()];
            self.stdout.read_exact(&mut bytes)?;
            let data = bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
            arrays.insert(name, Array { shape, data });
        }
        Ok(Message { fields, arrays })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A closed pipe is its sign to end; one that hangs in MuJoCo is not waited for.
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
