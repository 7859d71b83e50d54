//! The one device.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::GpuError;

/// A device and its queue. Clones share them.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// Where it comes from.
    pub adapter: wgpu::Adapter,
    /// Makes buffers and pipelines.
    pub device: wgpu::Device,
    /// Runs them.
    pub queue: wgpu::Queue,
}

impl Gpu {
    /// Opens the best adapter with the largest limits that it has.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`]; [`GpuError::Device`] if the driver refuses.
    pub fn open() -> Result<Self, GpuError> {
        let adapter = enumerate().into_iter().next().ok_or(GpuError::NoAdapter)?;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("keiko"),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let opened = now(adapter.request_device(&descriptor)).ok_or(GpuError::NoAdapter)?;
        let (device, queue) =
            opened.map_err(|source| GpuError::Device { adapter: adapter.get_info().name, source })?;
        Ok(Self { adapter, device, queue })
    }
}

/// The adapters that the machine's drivers offer, best first.
pub fn adapters() -> Vec<wgpu::AdapterInfo> {
    enumerate().iter().map(wgpu::Adapter::get_info).collect()
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut found = now(instance.enumerate_adapters(wgpu::Backends::PRIMARY)).unwrap_or_default();
    found.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    found
}

fn rank(device_type: wgpu::DeviceType) -> u8 {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The result of a future that is ready at once, as wgpu's are outside browsers.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
