//! `cargo xtask ci`: every check in order, timings slowest first, and one line of counts at the end.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{cargo, watched};
use crate::{setup, tidy};

/// Tests counted by their outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// Counts a line of `cargo test -- --show-output`: `test result: ok. 12 passed; 0 failed; 1 ignored; ...`
    /// or a test's own `skipped: reason`. A test that skips itself is among those that passed.
    fn read(&mut self, line: &str) {
        if line.starts_with("skipped: ") {
            self.skipped += 1;
            return;
        }
        let Some(results) = line.strip_prefix("test result: ") else { return };
        let results = results.split_once(". ").map_or("", |(_, counts)| counts);
        for result in results.split(';') {
            let mut words = result.split_whitespace();
            let count = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += count,
                Some("failed") => self.failed += count,
                Some("ignored") => self.skipped += count,
                _ => {}
            }
        }
    }

    /// The closing line. A failed step that counted no failed test is one failure.
    fn closing(mut self, skipped_by_themselves: u64, failed_steps: u64) -> String {
        self.passed = self.passed.saturating_sub(skipped_by_themselves);
        self.failed += failed_steps;
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

struct Step {
    name: String,
    time: Duration,
    succeeded: bool,
}

#[derive(Default)]
struct Steps {
    done: Vec<Step>,
    counts: Counts,
    skipped_by_themselves: u64,
    /// Failed steps in which no test failed.
    failed_otherwise: u64,
    /// Names of the tests that failed, to be told again at the end of a long log.
    failed_tests: Vec<String>,
}

impl Steps {
    fn run(&mut self, name: &str, step: impl FnOnce(&mut Counts) -> bool) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let before = self.counts;
        let mut counts = before;
        let succeeded = step(&mut counts);
        self.counts = counts;
        if !succeeded && counts.failed == before.failed {
            self.failed_otherwise += 1;
        }
        self.done.push(Step { name: name.to_owned(), time: start.elapsed(), succeeded });
        succeeded
    }

    fn command(&mut self, name: &str, command: &mut Command) -> bool {
        self.run(name, |_| watched(command, |_| {}))
    }

    fn tests(&mut self, name: &str, command: &mut Command) -> bool {
        let (mut skips, mut failed) = (0, Vec::new());
        let succeeded = self.run(name, |counts| {
            watched(command, |line| {
                counts.read(line);
                skips += u64::from(line.starts_with("skipped: "));
                failed.extend(failed_test(line).map(str::to_owned));
            })
        });
        self.skipped_by_themselves += skips;
        self.failed_tests.extend(failed);
        succeeded
    }

    /// Prints timings and counts; whether all steps succeeded.
    fn close(mut self) -> bool {
        let succeeded = self.done.iter().all(|step| step.succeeded);
        self.done.sort_by_key(|step| std::cmp::Reverse(step.time));
        let total: Duration = self.done.iter().map(|step| step.time).sum();
        println!("\n== timings, slowest first");
        for step in &self.done {
            let verdict = if step.succeeded { "" } else { "  FAILED" };
            println!("{:9.1} s  {}{verdict}", step.time.as_secs_f64(), step.name);
        }
        println!("{:9.1} s  in all\n", total.as_secs_f64());
        for test in &self.failed_tests {
            println!("failed: {test}");
        }
        println!("{}", self.counts.closing(self.skipped_by_themselves, self.failed_otherwise));
        succeeded
    }
}

/// The test that a line of libtest says has failed.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// Runs everything; whether all of it succeeded. All in the release profile and one target folder: what the
/// build compiles, tests and examples use again; lints and documentation share a second, cheaper set of
/// dependencies (metadata only).
pub fn run(root: &Path) -> bool {
    let mut steps = Steps::default();
    steps.run("set-up", |_| setup::run());
    steps.run("tidy", |_| tidy::run(root));
    steps.command("format", &mut cargo(root, &["fmt", "--all", "--check"]));
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    steps.command("lints", &mut cargo(root, &lints));
    if steps.command("build", &mut cargo(root, &["build", "--release", "--locked"])) {
        let build = ["test", "--release", "--workspace", "--locked", "--no-run"];
        steps.command("build tests", &mut cargo(root, &build));
        let tests = ["test", "--release", "--workspace", "--locked", "--no-fail-fast", "--", "--show-output"];
        steps.tests("tests", &mut cargo(root, &tests));
        steps.command("smoke", &mut keiko(root, &["smoke", "scenes", "--junit", "target/smoke.xml"]));
        // The scenes that have cameras, whose kernels run in software where there is no GPU.
        let seen =
            ["scenes/arm-reach", "scenes/cartpole-pixels", "scenes/cartpole-webcam", "scenes/reach-to"];
        let args = [&["smoke", "--device", "gpu", "--steps", "20"][..], &seen].concat();
        steps.command("smoke of the kernels", &mut keiko(root, &args));
        for example in examples(root) {
            let run = ["run", "--release", "--locked", "--example", &example];
            steps.command(&format!("example {example}"), &mut cargo(root, &run));
        }
    }
    let mut docs = cargo(root, &["doc", "--release", "--workspace", "--no-deps", "--locked"]);
    steps.command("documentation", docs.env("RUSTDOCFLAGS", "-D warnings"));
    steps.close()
}

/// The command `keiko` as a user runs it: of the default members, so that nothing is built again.
fn keiko(root: &Path, args: &[&str]) -> Command {
    let mut command = cargo(root, &["run", "--release", "--locked", "--quiet", "--"]);
    command.args(args);
    command
}

/// Names of the files `examples/*.rs`.
fn examples(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("examples")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_summed() {
        let mut counts = Counts::default();
        let lines = [
            "running 13 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "skipped: no network",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.0s",
            "not a test result: ok. 100 passed",
        ];
        lines.iter().for_each(|line| counts.read(line));
        assert_eq!(counts, Counts { passed: 15, failed: 2, skipped: 2 });
        assert_eq!(counts.closing(1, 0), "14 passed, 2 failed, 2 skipped");
        assert_eq!(counts.closing(0, 3), "15 passed, 5 failed, 2 skipped");
    }

    #[test]
    fn a_failed_test_is_named() {
        assert_eq!(failed_test("test robots::panda_stands ... FAILED"), Some("robots::panda_stands"));
        assert_eq!(failed_test("test robots::panda_stands ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 3 passed; 2 failed"), None);
    }

    #[test]
    fn a_failed_step_is_a_failure_once() {
        let mut steps = Steps::default();
        assert!(steps.run("good", |_| true));
        assert!(!steps.run("bad", |_| false));
        assert!(!steps.run("tests", |counts| {
            counts.failed += 2;
            false
        }));
        assert_eq!((steps.failed_otherwise, steps.counts.failed), (1, 2));
        assert!(!steps.close());
    }
}
