//! Tests of keiko-train.
#![allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]

mod checkpoint;
mod chunks;
mod evaluate;
mod faults;
mod gae;
mod learn;
mod lock;
mod logs;
mod resume;
mod run_dir;
mod seen;
mod support;
mod toy;
