//! The command as a child process, folders that vanish, and what a run folder holds.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest that any one command of these tests may take before it counts as hung, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A new folder under cargo's target folder, removed when dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{count}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in the folder, as an argument.
    pub fn file(&self, name: &str) -> String {
        text(&self.0.join(name))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time in `[0, most)`.
    pub fn within(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A file of the source tree, by its path from the root of the workspace.
pub fn workspace_file(path: &str) -> String {
    text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path))
}

/// What a finished command left.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The closing line, after a check that all before it is JSON, line by line.
    pub fn result(&self) -> Value {
        let mut lines: Vec<&str> = self.stdout.lines().collect();
        let last = lines.pop().unwrap_or_else(|| panic!("nothing on stdout; stderr: {}", self.stderr));
        for line in lines {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error} in `{line}`"));
        }
        let object = last.strip_prefix("RESULT ").unwrap_or_else(|| panic!("no RESULT in `{last}`"));
        let value: Value = serde_json::from_str(object).unwrap();
        assert!(value.is_object(), "{value}");
        value
    }

    /// Itself, if the command ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Fails unless stderr holds all the pieces.
    #[track_caller]
    pub fn stderr_has(&self, pieces: &[&str]) {
        for piece in pieces {
            assert!(self.stderr.contains(piece), "no `{piece}` in: {}", self.stderr);
        }
    }
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keiko"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs the command to its end.
#[track_caller]
pub fn keiko(args: &[&str]) -> Outcome {
    let output = command(args).output().unwrap();
    Outcome {
        code: code_of(output.status),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The exit code; that of a shell for a process that died of a signal: 128 and its number.
fn code_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// A command that runs beside the test, ended when dropped. What it says goes to files.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    pub fn start(args: &[&str], dir: &TempDir) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["out", "err"].map(|kind| dir.path().join(format!("said-{count}.{kind}")));
        let child = command(args)
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Self { child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends the process at once, as a crash of the machine would; whether it was still running.
    pub fn kill(mut self) -> bool {
        let was_running = self.is_running();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        was_running
    }

    /// Sends `INT` or `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until a condition holds, or the process ends.
    pub fn wait_for(&mut self, mut condition: impl FnMut() -> bool) {
        let started = Instant::now();
        while !condition() && self.is_running() {
            assert!(started.elapsed() < PATIENCE, "nothing happened; stderr: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the process left, once it ended by itself.
    pub fn finish(mut self) -> Outcome {
        let started = Instant::now();
        while self.is_running() {
            assert!(started.elapsed() < PATIENCE, "it does not end; stderr: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().unwrap();
        Outcome {
            code: code_of(status),
            stdout: fs::read_to_string(&self.stdout).unwrap(),
            stderr: self.stderr(),
        }
    }

    fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Small settings: an iteration takes milliseconds, an evaluation two short episodes.
const TINY: [&str; 18] = [
    "train",
    "cartpole",
    "--device",
    "cpu",
    "--envs",
    "4",
    "--set",
    "train.horizon=16",
    "--set",
    "train.epochs=2",
    "--set",
    "train.minibatches=2",
    "--set",
    "train.eval_every=0",
    "--set",
    "train.eval_episodes=3",
    "--set",
    "train.checkpoint_every=2",
];

/// Arguments of a tiny training of `iterations` whose run folder lies under `runs`.
pub fn tiny<'a>(runs: &'a str, iterations: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = TINY.to_vec();
    args.extend(["--runs", runs, "--iterations", iterations]);
    args.extend(more);
    args
}

/// Trains to the end and returns the run folder.
#[track_caller]
pub fn train(runs: &str, iterations: &str, more: &[&str]) -> PathBuf {
    keiko(&tiny(runs, iterations, more)).expect(0);
    only_run(Path::new(runs)).expect("a run folder")
}

/// The one run folder under `runs`, if there is one that `--resume` can find.
pub fn only_run(runs: &Path) -> Option<PathBuf> {
    only_run_of(runs, "cartpole")
}

/// The same of another task.
pub fn only_run_of(runs: &Path, task: &str) -> Option<PathBuf> {
    let mut found = fs::read_dir(runs.join(task)).ok()?.map(|entry| entry.unwrap().path());
    let run = found.next()?;
    assert!(found.next().is_none(), "more than one run in {}", runs.display());
    run.join("run.json").is_file().then_some(run)
}

/// Folders of the checkpoints of a run, oldest first.
pub fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let is_whole = |path: &PathBuf| path.extension().is_none();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_whole).collect();
    folders.sort();
    folders
}

/// The iteration of the newest checkpoint of a run.
pub fn newest_iteration(run: &Path) -> Option<u64> {
    checkpoints(run).last()?.file_name()?.to_str()?.parse().ok()
}

/// All files of the newest checkpoint: parameters, optimiser, environment, counters and normalisers.
pub fn final_state(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = checkpoints(run).pop().expect("a checkpoint");
    let mut files: BTreeMap<String, Vec<u8>> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    for name in ["policy.safetensors", "optimizer.safetensors", "env.bin", "trainer.bin"] {
        assert!(files.contains_key(name), "{} lacks {name}", folder.display());
    }
    files.insert("the iteration".to_owned(), text(Path::new(folder.file_name().unwrap())).into_bytes());
    files
}

/// Fails, naming the file, unless two runs ended in the same state to the bit.
#[track_caller]
pub fn assert_same_state(a: &Path, b: &Path) {
    let (a, b) = (final_state(a), final_state(b));
    assert!(a.keys().eq(b.keys()));
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

/// The lines of `metrics.jsonl` without what depends on the clock, and without names that start with `except`.
pub fn metrics(run: &Path, except: &str) -> Vec<Value> {
    let kept = |name: &str| {
        let timed = name.starts_with("Perf/") && name != "Perf/faults";
        !timed && (except.is_empty() || !name.starts_with(except))
    };
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| {
            let mut line: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
            line.retain(|name, _| kept(name));
            Value::Object(line)
        })
        .collect()
}

/// Flips one bit in the middle of a file.
pub fn flip_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}
