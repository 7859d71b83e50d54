//! The project keeps its own rules.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

#[test]
fn the_project_is_tidy() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidy").output();
    let output = output.unwrap_or_else(|error| panic!("xtask does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("tidy: 0 problems"), "{said}");
}

#[test]
fn an_unknown_task_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tydi").output();
    let output = output.unwrap_or_else(|error| panic!("xtask does not start: {error}"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo xtask <task>"));
}
