//! The one device.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use crate::GpuError;
use crate::adapter::{choose, enumerate, wanted};

/// A device and its queue. Clones share them.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// What found it; a window needs it to put pictures on a screen with the same device.
    pub instance: wgpu::Instance,
    /// Where it comes from.
    pub adapter: wgpu::Adapter,
    /// Makes buffers and pipelines.
    pub device: wgpu::Device,
    /// Runs them.
    pub queue: wgpu::Queue,
    /// Bytes that came back to the host.
    read: Arc<AtomicU64>,
}

impl Gpu {
    /// Opens the best adapter, or the one that [`wanted`] names, with the largest limits that it has.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`]; [`GpuError::NoSuchAdapter`]; [`GpuError::Device`] if the driver refuses.
    pub fn open() -> Result<Self, GpuError> {
        let (instance, all) = enumerate();
        let (known, handles): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let chosen = choose(&known, wanted().as_deref())?;
        let chosen = known.iter().zip(handles).find(|(adapter, _)| *adapter == chosen);
        let (_, adapter) = chosen.ok_or(GpuError::NoAdapter)?;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("keiko"),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let opened = now(adapter.request_device(&descriptor)).ok_or(GpuError::NoAdapter)?;
        let (device, queue) =
            opened.map_err(|source| GpuError::Device { adapter: adapter.get_info().name, source })?;
        Ok(Self::lent(instance, adapter, device, queue))
    }

    /// A device that somebody else opened and shares: what both submit runs in the order in which it is submitted.
    pub fn lent(
        instance: wgpu::Instance,
        adapter: wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
    ) -> Self {
        Self { instance, adapter, device, queue, read: Arc::default() }
    }

    /// Bytes that this and its clones have copied back to the host so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub(crate) fn count_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The result of a future that is ready at once, as wgpu's are outside browsers.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
