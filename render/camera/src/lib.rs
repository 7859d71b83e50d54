//! Cameras of a batch: every view of every environment in one dispatch, traced in a compute shader.
//!
//! A [`Tracer`] holds a model's shapes on the device, once for all environments; [`Tracer::pose`] uploads where bodies
//! are, as the simulator has them; a [`CameraGroup`] is some cameras of one image size and what they give. The image of
//! a view depends on its environment alone: it is bit for bit the same in any batch.
//!
//! An [`Observer`] gives an environment the images that its scene observes.
//!
//! The text of the kernels stands in `keiko_gpu::camera`.

mod assets;
mod images;
mod look;
mod observer;
mod overview;
mod standing;
mod tracer;
mod tree;

pub use assets::visible;
pub use images::Images;
pub use keiko_gpu::camera::Look;
pub use keiko_model::camera::{Camera, Channel};
pub use look::daylight;
pub use observer::Observer;
pub use overview::overview;
pub use standing::standing;
pub use tracer::{CameraGroup, Tracer, TracerOptions};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// What the device says.
    #[error(transparent)]
    Gpu(#[from] keiko_gpu::GpuError),
    /// More than one buffer of the device holds.
    #[error("{what} need {bytes} bytes, and {adapter} binds at most {most} at once; {advice}")]
    TooLarge {
        /// What does not fit.
        what: String,
        /// How much it is.
        bytes: u64,
        /// The device.
        adapter: String,
        /// How much it may be.
        most: u64,
        /// What helps.
        advice: &'static str,
    },
    /// Cameras that are not a group.
    #[error("{0}")]
    Group(String),
}
