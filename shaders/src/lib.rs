//! The GPU floor: opens one device, checks kernels with naga, runs them on arrays `[row * num_envs + env]`.
//!
//! Nothing here knows what a [`Kernel`] computes; [`camera`] is the text of the ray tracer, with the mirrors of its
//! structs, and [`window`] what the viewer draws besides its panels. Whoever has a device already (the learner makes one) lends it:
//! [`Gpu`] is four handles that clone for free.

mod adapter;
pub mod camera;
mod compute;
mod device;
mod kernel;
mod validate;
pub mod window;

pub use adapter::{ADAPTER, Adapter, adapters, choose, wanted};
pub use compute::{Buffer, Compute, Pass, Slot};
pub use device::Gpu;
pub use kernel::{Access, Binding, Kernel, Source};
pub use validate::validate;
pub use wgpu;

/// What can go wrong between a kernel's text and its results.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No driver offers an adapter.
    #[error("no GPU adapter; software Vulkan is one too (Debian package mesa-vulkan-drivers)")]
    NoAdapter,
    /// No adapter of that name.
    #[error(
        "no adapter is called `{found}` ({ADAPTER}); there are: {known}; a part of a name or a place on the PCI bus names \
         one, and the Debian package mesa-vulkan-drivers brings one in software"
    )]
    NoSuchAdapter {
        /// What was asked for.
        found: String,
        /// What there is.
        known: String,
    },
    /// The adapter refuses to open.
    #[error("{adapter} cannot be opened: {source}")]
    Device {
        /// Its name.
        adapter: String,
        /// The driver's reason.
        source: wgpu::RequestDeviceError,
    },
    /// The text is not WGSL, or not valid.
    #[error("the kernel is not valid WGSL: {0}")]
    Invalid(String),
    /// The text is valid, but does not fit its bindings or this device.
    #[error("the kernel does not fit its bindings or this device: {0}")]
    Misfit(String),
    /// An array of another length than its binding.
    #[error("binding `{binding}` has {expected} elements, not {found}")]
    Length {
        /// The binding.
        binding: String,
        /// Elements that it has.
        expected: usize,
        /// Elements of the array given.
        found: usize,
    },
    /// No such binding.
    #[error("no binding `{found}`; there are {known}")]
    Binding {
        /// The name given.
        found: String,
        /// The names that there are.
        known: String,
    },
    /// The device stopped answering.
    #[error("the device does not answer: {0}")]
    Lost(String),
}
