//! Images as tensors: what cameras trace, on the device that learns.
//!
//! A [`Sight`] looks on while an environment steps, on the learner's own device: cameras are traced into arrays of the
//! tracer, and a kernel develops them straight into tensors. Whoever learns asks it for these; nothing is copied to the
//! host, but for snapshots.

mod paint;
mod sight;

pub use paint::painted;
pub use sight::Sight;
