//! Tests of keiko-policy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod encoder;
mod files;
mod gaussian;
mod host;
mod normalizer;
mod vla;
