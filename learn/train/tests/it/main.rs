//! Tests of keiko-train.

mod checkpoint;
mod evaluate;
mod faults;
mod gae;
mod learn;
mod lock;
mod logs;
mod resume;
mod run_dir;
mod support;
mod toy;
