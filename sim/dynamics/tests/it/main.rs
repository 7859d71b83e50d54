//! Tests of the batched dynamics against outside oracles.

mod collide;
mod convex;
mod smooth;
mod terrain;
mod ties;
