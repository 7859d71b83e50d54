//! A recorder that dies at any moment loses nothing that it had saved.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use keiko_data::{Dataset, Recorder, check};

use crate::support::{TempDir, action, length, record, record_to, spec, state};

/// Names the folder for the child.
const FOLDER: &str = "KEIKO_TEST_RECORD_INTO";

/// Not a test but what a child process runs: records for ever, and says what is saved.
#[test]
fn child_that_records() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut recorder = match folder.join("meta/info.json").is_file() {
        true => Recorder::append(folder, &spec()).unwrap(),
        false => Recorder::create(folder, &spec()).unwrap(),
    };
    for episodes in recorder.num_episodes() + 1.. {
        record_to(&mut recorder, episodes);
        // One write, straight to the pipe: the test harness would keep it.
        use std::io::Write;
        let line = format!("saved {episodes}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

/// Starts the child, lets it save some episodes, kills it some time later, and gives what it said it had saved.
fn record_and_kill(folder: &Path, episodes: usize, wait: Duration) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child_that_records", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let number = |line: String| line.strip_prefix("saved ").and_then(|number| number.parse().ok());
    let mut saved = 0;
    for _ in 0..episodes {
        saved = lines.next().and_then(number).expect("the child records");
    }
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.filter_map(number).max().unwrap_or(saved)
}

#[test]
fn nothing_that_was_saved_is_lost() {
    let dir = TempDir::new("killed");
    let mut saved = 0;
    for round in 0..25 {
        let wait = Duration::from_micros(round * 7919 % 20_000);
        saved = record_and_kill(dir.path(), (round % 3) as usize, wait).max(saved);
        if !dir.path().join("meta/info.json").is_file() {
            assert_eq!(saved, 0);
            continue;
        }
        let dataset = Dataset::open(dir.path()).unwrap();
        // The last one may be complete although the child had no time to say so.
        let found = dataset.episodes().len();
        assert!((saved..=saved + 1).contains(&found), "{saved} saved, {found} found");
        saved = found;
        for episode in dataset.episodes() {
            assert_eq!(episode.length, length(episode.index));
            let last = dataset.frame(episode.start + episode.length - 1).unwrap();
            assert_eq!(last.state, state(episode.index, episode.length - 1));
            assert_eq!(last.action, action(episode.index, episode.length - 1));
        }
    }
    assert!(saved > 10, "{saved} episodes in all rounds");
    // Going on once more, whatever the last one left is gone.
    record_to(&mut Recorder::append(dir.path(), &spec()).unwrap(), saved + 2);
    assert_eq!(Dataset::open(dir.path()).unwrap().episodes().len(), saved + 2);
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}

/// A dataset as it stands between two writes of the fourth episode.
fn between(name: &str, keep_old: &[&str]) -> TempDir {
    let dir = TempDir::new(name);
    let mut recorder = Recorder::create(dir.path(), &spec()).unwrap();
    record_to(&mut recorder, 3);
    let old: Vec<_> = keep_old.iter().map(|file| (file, fs::read(dir.path().join(file)).unwrap())).collect();
    record_to(&mut recorder, 4);
    for (file, bytes) in old {
        fs::write(dir.path().join(file), bytes).unwrap();
    }
    dir
}

const ROWS: &str = "meta/episodes/chunk-000/file-000.parquet";
const STATS: &str = "meta/stats.json";
const INFO: &str = "meta/info.json";

#[test]
fn between_any_two_writes_the_dataset_opens() {
    // Frames are there, their row is not: the episode was in flight.
    let dir = between("no-row", &[ROWS, STATS, INFO]);
    assert_eq!(Dataset::open(dir.path()).unwrap().episodes().len(), 3);
    let findings = check(dir.path()).unwrap().findings;
    assert!(findings.len() == 1 && findings[0].contains("no episode names this file"), "{findings:?}");
    assert_goes_on(&dir, 3);

    // The row is there, the statistics or totals are not: the episode is saved.
    for old in [&[STATS, INFO][..], &[INFO]] {
        let dir = between("no-totals", old);
        assert_eq!(Dataset::open(dir.path()).unwrap().episodes().len(), 4);
        assert!(!check(dir.path()).unwrap().findings.is_empty());
        assert_goes_on(&dir, 4);
    }

    // A file that was being written when the machine went down.
    let dir = TempDir::new("left");
    record(dir.path(), 2);
    let left = dir.path().join("data/chunk-000/.file-002.parquet.4242.tmp");
    fs::write(&left, b"PAR1 half of").unwrap();
    assert_eq!(Dataset::open(dir.path()).unwrap().episodes().len(), 2);
    assert_goes_on(&dir, 2);
    assert!(!left.exists());
}

#[track_caller]
fn assert_goes_on(dir: &TempDir, episodes: usize) {
    let mut recorder = Recorder::append(dir.path(), &spec()).unwrap();
    assert_eq!(recorder.num_episodes(), episodes);
    assert_eq!(Dataset::open(dir.path()).unwrap().info().total_episodes, episodes);
    record_to(&mut recorder, episodes + 2);
    drop(recorder);
    assert_eq!(Dataset::open(dir.path()).unwrap().episodes().len(), episodes + 2);
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}
