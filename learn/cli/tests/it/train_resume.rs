//! A run that is killed, damaged, or started twice ends as if nothing had happened, or says why not.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::support::{
    Random, Running, TempDir, assert_same_state, checkpoints, flip_bit, keiko, metrics, newest_iteration,
    only_run, text, tiny, train,
};

/// Iterations of the runs that are killed.
const ITERATIONS: &str = "24";

/// Starts a run, or goes on with the one that is there.
fn start_or_resume(dir: &TempDir, runs: &str) -> Running {
    match only_run(Path::new(runs)) {
        Some(run) => Running::start(&["train", "--device", "cpu", "--resume", &text(&run)], dir),
        None => {
            // What a process left that died before its run could be found: the next start leaves it alone.
            let _ = fs::remove_dir_all(runs);
            Running::start(&tiny(runs, ITERATIONS, &[]), dir)
        }
    }
}

#[test]
fn runs_killed_at_any_moment_end_with_the_same_parameters() {
    let dir = TempDir::new("kill");
    let started = Instant::now();
    let whole = train(&dir.file("whole"), ITERATIONS, &[]);
    let duration = started.elapsed();

    let mut random = Random(20_261_121);
    for name in ["a", "b", "c"] {
        let runs = dir.file(name);
        let (mut hits, mut attempts) = (0, 0);
        while hits < 4 && attempts < 12 {
            let mut process = start_or_resume(&dir, &runs);
            if attempts % 2 == 0 {
                // Somewhere in the middle of training, wherever this machine's speed puts it.
                let newest = || only_run(Path::new(&runs)).and_then(|run| newest_iteration(&run));
                let target = newest().unwrap_or(0) + 2 + random.next() % 4;
                process.wait_for(|| newest().is_some_and(|iteration| iteration >= target));
                std::thread::sleep(random.within(duration / 12));
            } else {
                // Anywhere, start-up included.
                std::thread::sleep(random.within(duration / 2));
            }
            hits += usize::from(process.kill());
            attempts += 1;
        }
        assert!(hits >= 2, "{name}: of {attempts} kills {hits} came before the end of the run");
        let outcome = start_or_resume(&dir, &runs).finish().expect(0);
        assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
        let killed = only_run(Path::new(&runs)).unwrap();
        assert_same_state(&whole, &killed);
        assert_eq!(metrics(&whole, ""), metrics(&killed, ""), "{name}");
        for file in ["policy.safetensors", "config.json", "score.json"] {
            let read = |run: &Path| fs::read(run.join("policy").join(file)).unwrap();
            assert!(read(&whole) == read(&killed), "{name}: the kept {file} differs");
        }
    }
}

#[test]
fn a_run_that_is_made_longer_equals_a_long_one() {
    let dir = TempDir::new("longer");
    let whole = train(&dir.file("whole"), "12", &[]);
    let half = train(&dir.file("half"), "6", &[]);
    keiko(&["train", "--device", "cpu", "--iterations", "12", "--resume", &text(&half)]).expect(0);
    assert_same_state(&whole, &half);
    // The short run was evaluated at its end, the long one was not there.
    assert_eq!(metrics(&whole, "Eval/"), metrics(&half, "Eval/"));
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(half.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["resumes"][0]["step"], 6);
}

#[test]
fn other_seeds_and_other_threads() {
    let dir = TempDir::new("seeds");
    let [one, again, other] = [("one", "--threads=1"), ("again", "--threads=2"), ("other", "--seed=2")]
        .map(|(name, option)| train(&dir.file(name), "4", &[option]));
    assert_same_state(&one, &again);
    assert_ne!(
        fs::read(checkpoints(&one).last().unwrap().join("policy.safetensors")).unwrap(),
        fs::read(checkpoints(&other).last().unwrap().join("policy.safetensors")).unwrap(),
    );
}

#[test]
fn a_flipped_bit_is_named_and_the_checkpoint_before_it_is_used() {
    let dir = TempDir::new("flip");
    let whole = train(&dir.file("whole"), "10", &[]);
    for name in ["policy.safetensors", "env.bin", "manifest.json"] {
        let run = train(&dir.file(name), "6", &[]);
        let damaged = checkpoints(&run).pop().unwrap().join(name);
        flip_bit(&damaged);
        let outcome =
            keiko(&["train", "--device", "cpu", "--iterations", "10", "--resume", &text(&run)]).expect(0);
        outcome.stderr_has(&[
            "checkpoint of step 6 is damaged",
            &text(&damaged),
            "intact checkpoint, iteration 4",
        ]);
        assert_same_state(&whole, &run);
        assert_eq!(metrics(&whole, "Eval/"), metrics(&run, "Eval/"));
    }
}

#[test]
fn without_an_intact_checkpoint_all_damaged_files_are_named() {
    let dir = TempDir::new("all-damaged");
    let run = train(&dir.file("runs"), "6", &[]);
    let damaged: Vec<_> = checkpoints(&run).iter().map(|folder| folder.join("trainer.bin")).collect();
    assert!(damaged.len() >= 2);
    damaged.iter().for_each(|file| flip_bit(file));
    let outcome = keiko(&["train", "--device", "cpu", "--resume", &text(&run)]).expect(4);
    for file in &damaged {
        outcome.stderr_has(&[&text(file)]);
    }
    outcome.stderr_has(&["no intact checkpoint"]);
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_from_its_beginning() {
    let dir = TempDir::new("first");
    let whole = train(&dir.file("whole"), "4", &[]);
    let run = train(&dir.file("runs"), "4", &[]);
    for folder in checkpoints(&run) {
        fs::remove_dir_all(folder).unwrap();
    }
    for file in ["policy.safetensors", "config.json", "score.json"] {
        fs::remove_file(run.join("policy").join(file)).unwrap();
    }
    keiko(&["train", "--device", "cpu", "--resume", &text(&run)]).expect(0);
    assert_same_state(&whole, &run);
    assert_eq!(metrics(&whole, ""), metrics(&run, ""));
}

#[test]
fn a_kill_while_the_policy_is_written_loses_nothing() {
    let dir = TempDir::new("torn");
    let whole = train(&dir.file("whole"), "12", &["--set", "train.eval_every=4"]);
    let run = train(&dir.file("runs"), "8", &["--set", "train.eval_every=4"]);
    // As if the process had died inside the write: half a file, and no mark that it is whole.
    let policy = run.join("policy");
    let bytes = fs::read(policy.join("policy.safetensors")).unwrap();
    fs::write(policy.join("policy.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(policy.join("score.json")).unwrap();
    keiko(&["eval", &text(&run), "--episodes", "2"]).expect(0);
    keiko(&["train", "--device", "cpu", "--iterations", "12", "--resume", &text(&run)]).expect(0);
    assert_same_state(&whole, &run);
    keiko(&["eval", &text(&run), "--episodes", "2"]).expect(0);
}

#[test]
fn a_second_process_on_a_run_is_told_who_the_first_is() {
    let dir = TempDir::new("twice");
    let runs = dir.file("runs");
    train(&runs, "2", &[]);
    let run = text(&only_run(Path::new(&runs)).unwrap());
    let mut first =
        Running::start(&["train", "--device", "cpu", "--iterations", "1000000", "--resume", &run], &dir);
    first.wait_for(|| newest_iteration(Path::new(&run)).is_some_and(|iteration| iteration >= 4));
    let second = keiko(&["train", "--device", "cpu", "--resume", &run]).expect(4);
    second.stderr_has(&["in use", &first.pid().to_string()]);
    // The refused one left the first alone.
    let before = newest_iteration(Path::new(&run)).unwrap();
    first.wait_for(|| newest_iteration(Path::new(&run)).is_some_and(|iteration| iteration >= before + 4));
    assert!(first.kill(), "the first process ended");
}
