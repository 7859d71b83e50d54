//! Ctrl-C and SIGTERM: the run is saved, and the shell learns why it ended.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{
    Running, TempDir, assert_same_state, keiko, newest_iteration, only_run, text, tiny, train,
};

/// From the signal to the end of the process, on a busy machine.
const PROMPT: Duration = Duration::from_secs(10);

/// Stops a training without end by a signal; checks code and checkpoint; goes on for three iterations and
/// compares with a run that nobody stopped.
fn stop_and_go_on(signal: &str, code: i32) {
    let dir = TempDir::new(signal);
    let runs = dir.file("runs");
    let mut process = Running::start(&tiny(&runs, "1000000", &["--json"]), &dir);
    let newest = || only_run(Path::new(&runs)).and_then(|run| newest_iteration(&run));
    process.wait_for(|| newest().is_some_and(|iteration| iteration >= 2));
    let sent = Instant::now();
    process.signal(signal);
    let outcome = process.finish().expect(code);
    assert!(sent.elapsed() < PROMPT, "it took {:?}", sent.elapsed());

    let run = only_run(Path::new(&runs)).unwrap();
    let result = outcome.result();
    let iteration = result["iterations"].as_u64().unwrap();
    assert_eq!(newest_iteration(&run), Some(iteration), "the last iteration was not saved");
    assert_eq!(result["run_dir"], text(&run));
    assert_eq!(result["env_steps"], iteration * 4 * 16);

    let longer = (iteration + 3).to_string();
    keiko(&["train", "--device", "cpu", "--iterations", &longer, "--resume", &text(&run)]).expect(0);
    let whole = train(&dir.file("whole"), &longer, &[]);
    assert_same_state(&whole, &run);
}

#[test]
fn ctrl_c_saves_and_exits_with_130() {
    stop_and_go_on("INT", 130);
}

#[test]
fn sigterm_saves_and_exits_with_143() {
    stop_and_go_on("TERM", 143);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = TempDir::new("second");
    let runs = dir.file("runs");
    // One iteration of this takes minutes.
    let long = ["--set", "train.horizon=500", "--set", "train.epochs=100000"];
    let mut process = Running::start(&tiny(&runs, "2", &long), &dir);
    process.wait_for(|| only_run(Path::new(&runs)).is_some_and(|run| newest_iteration(&run).is_some()));
    process.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    assert!(process.is_running(), "the first signal did not wait for the iteration");
    process.signal("INT");
    let sent = Instant::now();
    process.finish().expect(130);
    assert!(sent.elapsed() < PROMPT, "it took {:?}", sent.elapsed());
    // What was there before is still there.
    assert_eq!(only_run(Path::new(&runs)).and_then(|run| newest_iteration(&run)), Some(0));
}

#[test]
fn a_stopped_run_tells_how_to_go_on_and_can_be_evaluated() {
    let dir = TempDir::new("hint");
    let runs = dir.file("runs");
    let mut process = Running::start(&tiny(&runs, "1000000", &[]), &dir);
    let newest = || only_run(Path::new(&runs)).and_then(|run| newest_iteration(&run));
    process.wait_for(|| newest().is_some_and(|iteration| iteration >= 2));
    process.signal("INT");
    let outcome = process.finish().expect(130);
    let run = text(&only_run(Path::new(&runs)).unwrap());
    let hint = format!("keiko train --resume {run}");
    assert!(outcome.stdout.contains(&hint), "{}", outcome.stdout);
    // No evaluation has picked a policy yet: the newest checkpoint's is taken.
    let result = keiko(&["eval", &run, "--episodes", "2", "--json"]).expect(0).result();
    assert_eq!(result["episodes"], 2);
}
