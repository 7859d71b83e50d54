//! Cameras of a batch: every view of every environment traced at once, on the CPU or in a compute shader.
//!
//! A [`Tracer`] holds a model's shapes, once for all environments; [`Tracer::pose`] takes where bodies are, as the simulator
//! has them; a [`CameraGroup`] is some cameras of one image size and what they give. The image of a view depends on its
//! environment alone: it is bit for bit the same in any batch.
//!
//! A [`Backend`] says who traces: `native`, packets of rays in the CPU's vector registers, or `device`, kernels whose text
//! stands in `keiko_gpu::camera`. The two have the same formulas, and tests hold them to the same images.
//!
//! An [`Observer`] gives an environment the images that its scene observes; a [`Developer`] makes the same where they were
//! traced, for whoever reads them there.

mod assets;
mod atlas;
mod coat;
mod develop;
mod device;
mod dress;
mod images;
mod lamps;
mod look;
mod native;
mod observer;
mod overview;
mod past;
mod pictures;
mod rig;
mod sensor;
mod shown;
mod standing;
mod tracer;
mod tree;

pub use assets::visible;
pub use develop::{Developer, Development};
pub use dress::{aimed, aimed_each};
pub use images::{Images, halved};
pub use keiko_gpu::Buffer;
pub use keiko_gpu::camera::{Look, What};
pub use keiko_model::camera::{Camera, Channel};
pub use look::daylight;
pub use observer::Observer;
pub use overview::overview;
pub use shown::{flow_colors, id_color, shown};
pub use standing::standing;
pub use tracer::{Backend, CameraGroup, Tracer, TracerOptions};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// What the device says.
    #[error(transparent)]
    Gpu(#[from] keiko_gpu::GpuError),
    /// More than one array holds.
    #[error("{what} need {bytes} bytes, and {holder} takes at most {most} at once; {advice}")]
    TooLarge {
        /// What does not fit.
        what: String,
        /// How much it is.
        bytes: u64,
        /// Who traces.
        holder: String,
        /// How much it may be.
        most: u64,
        /// What helps.
        advice: &'static str,
    },
    /// Cameras that are not a group.
    #[error("{0}")]
    Group(String),
}
