//! Tests of the batched dynamics against outside oracles.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "a failed assumption is a failed test")]

mod collide;
mod convex;
mod smooth;
mod terrain;
mod ties;
