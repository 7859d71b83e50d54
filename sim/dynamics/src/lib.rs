//! Batched rigid-body dynamics, written once over a small numeric vocabulary.
//!
//! The same text runs in `f64` (the truth of tests), in `f32` (the reference), in vector registers of 4, 8 or 16
//! environments, and as a WGSL kernel with one thread an environment.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators take closures, which need not be compiled with the vector instructions of their caller"
)]

pub mod any;
pub mod batch;
pub mod block;
pub mod collide;
pub mod inspect;
pub mod lane;
pub mod machine;
pub mod plan;
pub mod record;
pub mod space;
pub mod step;
pub mod touch;
