//! Tests of keiko-policy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod encoder;
mod files;
mod gaussian;
mod host;
mod normalizer;
mod vla;

/// Numbers in [-1, 1) without a pattern.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / 2f32.powi(31) - 1.0
    };
    (0..len).map(|_| next()).collect()
}
