//! Tests of the vectorised environment.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bring;
mod common;
mod episodes;
mod grasp;
mod gymnasium;
mod hands;
mod images;
mod language;
mod looks;
mod randomize;
mod registry;
mod senses;
mod surfaces;
mod terms;
mod texts;
