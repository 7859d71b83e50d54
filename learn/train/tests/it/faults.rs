//! Processes killed while saving, disks that are full or may not be written.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use keiko_train::metrics::{MetricsLog, read_metrics};
use keiko_train::tfevents::EventLog;
use keiko_train::{CheckpointStore, StorageErrorKind};

use crate::support::{Random, TempDir, can_mount, child, files_of, role_dir, run_role};

const KILLS: usize = 200;
const SAVED_BYTES: usize = 100_000;

/// Saves for ever, from the newest step on, and says so after each.
#[test]
fn role_saves_for_ever() {
    let Some(dir) = role_dir() else { return };
    let mut store = CheckpointStore::open(dir, 2).unwrap();
    let start = store.load_latest().unwrap().checkpoint.map_or(1, |checkpoint| checkpoint.step + 1);
    println!("started {start}");
    for step in start.. {
        store.save(step, &files_of(step, SAVED_BYTES)).unwrap();
        println!("saved {step}");
    }
}

/// Starts the saver, kills it at a random moment after its start, and returns the last step that it called
/// saved.
fn save_and_kill(dir: &Path, after: Duration) -> Option<u64> {
    let role = "faults::role_saves_for_ever";
    let mut child = child(role, dir, "").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let started = lines.any(|line| line.contains("started"));
    assert!(started, "the saver did not start: {:?}", child.wait_with_output());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.filter_map(|line| line.strip_prefix("saved ")?.parse().ok()).last()
}

/// How long the disk takes for one checkpoint; the steps saved for it stay.
fn time_of_a_save(dir: &Path) -> Duration {
    let mut store = CheckpointStore::open(dir, 2).unwrap();
    let start = Instant::now();
    for step in 1..=5 {
        store.save(step, &files_of(step, SAVED_BYTES)).unwrap();
    }
    start.elapsed() / 5
}

#[test]
fn after_sigkill_the_last_saved_step_is_there_and_whole() {
    let dir = TempDir::new("kill");
    let mut random = Random(2);
    let longest_wait = 2 * time_of_a_save(dir.path());
    let (mut said, mut in_the_middle) = (0, 0);
    for kill in 0..KILLS {
        let after = longest_wait.mul_f64(random.below(1000) as f64 / 1000.0);
        said = save_and_kill(dir.path(), after).unwrap_or(said);
        let leftovers = fs::read_dir(dir.path()).unwrap().flatten();
        in_the_middle +=
            leftovers.filter(|e| e.file_name().to_string_lossy().contains(".tmp-")).count().min(1);
        let latest = CheckpointStore::read_only(dir.path()).load_latest().unwrap();
        assert_eq!(latest.refused, [], "kill {kill}");
        let checkpoint = latest.checkpoint.unwrap_or_else(|| panic!("kill {kill}: nothing is left"));
        assert!(checkpoint.step >= said, "kill {kill}: {said} was saved, {} is there", checkpoint.step);
        assert!(checkpoint.files == files_of(checkpoint.step, SAVED_BYTES), "kill {kill}");
    }
    assert!(said > 20, "the saver came only to step {said}");
    // How many depends on the disk; none would mean that nothing was tested.
    assert!(in_the_middle > 0, "none of {KILLS} kills fell into a save");
}

fn assert_full_disk_leaves_the_old_checkpoint(dir: &Path, too_big: usize) {
    let mut store = CheckpointStore::open(dir, 2).unwrap();
    store.save(1, &files_of(1, 1000)).unwrap();
    let error = store.save(2, &files_of(2, too_big)).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (StorageErrorKind::Full, 4), "{error}");
    assert!(error.to_string().contains("policy.safetensors"), "{error}");
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["000000000001"], "the half one is gone at once");
    assert_eq!(store.load_latest().unwrap().checkpoint.unwrap().files, files_of(1, 1000));
    store.save(3, &files_of(3, 1000)).unwrap();
    assert_eq!(store.steps().unwrap(), [1, 3]);
}

#[test]
fn role_saves_over_the_file_size_limit() {
    let Some(dir) = role_dir() else { return };
    assert_full_disk_leaves_the_old_checkpoint(&dir, 1 << 20);
}

#[test]
fn a_file_size_limit_is_a_full_disk() {
    let dir = TempDir::new("fsize");
    // 128 blocks of 512 bytes; without its signal the limit shows as an error of `write`.
    run_role("faults::role_saves_over_the_file_size_limit", dir.path(), "trap '' XFSZ; ulimit -f 128;");
}

/// Enters a mount namespace in which the role's folder is a disk of one megabyte.
fn run_role_on_small_disk(role: &str, dir: &Path) {
    let script = "mount -t tmpfs -o size=1m none \"$KEIKO_TEST_DIR\" || exit 9;";
    let mut command = child(role, dir, script);
    let inner: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = std::process::Command::new("unshare");
    command.args(["-rm", "sh"]).args(inner).env("KEIKO_TEST_DIR", dir).stdin(Stdio::null());
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("1 passed"), "{stdout}");
}

#[test]
fn role_fills_a_small_disk() {
    let Some(dir) = role_dir() else { return };
    assert_full_disk_leaves_the_old_checkpoint(&dir.join("checkpoints"), 2 << 20);
    logs_go_on_over_a_full_disk(&dir);
    a_read_only_disk_is_refused_at_once(&dir);
}

fn logs_go_on_over_a_full_disk(dir: &Path) {
    let path = dir.join("metrics.jsonl");
    let mut metrics = MetricsLog::create(&path).unwrap();
    let mut events = EventLog::create(dir).unwrap();
    metrics.append(1, &[("reward", 1.0)]);
    let ballast = dir.join("ballast");
    let _ = fs::write(&ballast, vec![1; 2 << 20]);
    let long: Vec<(String, f64)> = (0..1000).map(|i| (format!("term {i}"), 0.5)).collect();
    for step in 2..5 {
        metrics.append(step, &long);
        events.append(step, &long);
    }
    assert_eq!((metrics.dropped(), events.dropped()), (3, 3));
    let warning = metrics.take_warning().unwrap();
    assert!(warning.contains("from step 2 on") && warning.contains("metrics.jsonl"), "{warning}");
    assert_eq!(metrics.take_warning(), None, "said once");
    fs::remove_file(ballast).unwrap();
    metrics.append(5, &[("reward", 2.0)]);
    let read = read_metrics(&path).unwrap();
    let read: Vec<(u64, f64)> = read.iter().map(|line| (line.step, line.scalars["reward"])).collect();
    assert_eq!(read, [(1, 1.0), (5, 2.0)]);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2, "no half line is left");
}

fn a_read_only_disk_is_refused_at_once(dir: &Path) {
    let mount = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(dir).status();
    assert!(mount.unwrap().success());
    let start = Instant::now();
    let error = CheckpointStore::open(dir.join("checkpoints"), 2).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (StorageErrorKind::ReadOnly, 4), "{error}");
    assert!(error.to_string().contains("checkpoints"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
    let reader = CheckpointStore::read_only(dir.join("checkpoints"));
    assert_eq!(reader.load_latest().unwrap().checkpoint.unwrap().step, 3, "reading needs no writing");
}

#[test]
fn a_full_or_read_only_disk_is_survived() {
    if !can_mount() {
        println!("skipped: no mount namespace for a small disk; the file size limit is tested");
        return;
    }
    let dir = TempDir::new("small-disk");
    run_role_on_small_disk("faults::role_fills_a_small_disk", dir.path());
}

/// `/dev/full` takes nothing at any time.
#[test]
fn metrics_into_dev_full_are_dropped_and_counted() {
    let dir = TempDir::new("dev-full");
    let path = dir.path().join("metrics.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut metrics = MetricsLog::create(&path).unwrap();
    for step in 0..100 {
        metrics.append(step, &[("reward", 1.0)]);
    }
    assert_eq!(metrics.dropped(), 100);
    assert!(metrics.take_warning().unwrap().contains("No space left on device"));
    assert_eq!(metrics.take_warning(), None);
}
