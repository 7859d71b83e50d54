//! Folders that vanish, random numbers with a seed, and child processes that are this test binary again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new folder under cargo's target folder, removed when dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{count}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

pub type Files = BTreeMap<String, Vec<u8>>;

/// Files that a step determines: two small ones and one of `bytes`.
pub fn files_of(step: u64, bytes: usize) -> Files {
    let mut random = Random(step);
    let policy = (0..bytes).map(|_| random.next() as u8).collect();
    BTreeMap::from([
        ("policy.safetensors".to_owned(), policy),
        ("env.bin".to_owned(), step.to_le_bytes().repeat(9)),
        ("trainer.json".to_owned(), format!("{{\"step\":{step}}}").into_bytes()),
    ])
}

/// A shell command that becomes this test binary, running only the test `role` with `KEIKO_TEST_DIR` set.
/// `before` are shell commands to run first, in the child alone.
pub fn child(role: &str, dir: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} exec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap());
    command.args([role, "--exact", "--nocapture", "--test-threads=1"]);
    command.env("KEIKO_TEST_DIR", dir).stdin(Stdio::null());
    command
}

/// The folder handed to a child's role; `None` in an ordinary test run, where roles have nothing to do.
pub fn role_dir() -> Option<PathBuf> {
    std::env::var_os("KEIKO_TEST_DIR").map(PathBuf::from)
}

/// Runs a role to its end and shows what it said if it failed.
pub fn run_role(role: &str, dir: &Path, before: &str) {
    let output = child(role, dir, before).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("1 passed"), "{role} did not run:\n{stdout}");
}

/// Whether a mount namespace of our own can be had: as root, or where users may make one.
pub fn can_mount() -> bool {
    let tried = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}
