//! The world against closed forms, itself, and hostile state.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod actuation;
mod bench;
mod contact;
mod determinism;
mod ecs;
mod lanes;
mod motion;
mod robots;
mod touch;
mod truth;
mod wheels;
