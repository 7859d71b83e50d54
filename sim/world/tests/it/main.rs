//! The world against closed forms, itself, and hostile state.

mod actuation;
mod bench;
mod contact;
mod determinism;
mod ecs;
mod motion;
mod robots;
mod truth;
mod wheels;
