//! Tests of keiko-data.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod film;
mod judges;
mod killed;
mod lerobot;
mod refused;
mod roundtrip;
mod support;
