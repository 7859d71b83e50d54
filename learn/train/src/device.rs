//! Where learning computes: the CPU through burn-flex, or a GPU through burn-wgpu.

use crate::TrainError;
use burn::tensor::DeviceKind;
use burn::tensor::wgpu::wgpu;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::str::FromStr;
use std::task::{Context, Poll, Waker};

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU if there is a real one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// Any Vulkan, Metal or DirectX 12 adapter, software ones included.
    Gpu,
}

impl FromStr for DeviceChoice {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            _ => Err(TrainError::Device(format!("device `{text}`; allowed: auto, cpu, gpu"))),
        }
    }
}

/// An adapter that the machine's drivers offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// As the driver names it.
    pub name: String,
    /// What kind of device it is.
    pub device_type: wgpu::DeviceType,
    /// Graphics interface, e.g. `Vulkan`.
    pub backend: String,
}

impl Adapter {
    /// Whether it is a GPU that is there in silicon.
    pub fn is_real_gpu(&self) -> bool {
        matches!(self.device_type, wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::IntegratedGpu)
    }

    /// Lower is preferred.
    fn rank(&self) -> u8 {
        match self.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        }
    }

    fn kind(&self) -> DeviceKind {
        match self.device_type {
            wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(0),
            wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(0),
            wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu(0),
            wgpu::DeviceType::Cpu => DeviceKind::Cpu,
            wgpu::DeviceType::Other => DeviceKind::DefaultDevice,
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {})", self.name, self.device_type, self.backend)
    }
}

/// The adapters that wgpu can use, best first.
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let found = now(instance.enumerate_adapters(wgpu::Backends::PRIMARY)).unwrap_or_default();
    let mut adapters: Vec<Adapter> = found
        .iter()
        .map(wgpu::Adapter::get_info)
        .map(|info| Adapter {
            name: info.name,
            device_type: info.device_type,
            backend: format!("{:?}", info.backend),
        })
        .collect();
    adapters.sort_by_key(Adapter::rank);
    adapters
}

/// Whether the kernel shows a GPU at all: Linux has a device node for each; other systems are asked in full.
fn may_have_gpu() -> bool {
    !cfg!(target_os = "linux")
        || ["/dev/dri", "/dev/nvidia0", "/dev/dxg"].iter().any(|node| Path::new(node).exists())
}

/// The result of a future that is ready at once, as adapter enumeration is outside browsers.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Where tensors live, and why there.
#[derive(Clone, Debug)]
pub struct Device {
    tensors: burn::tensor::Device,
    gpu: Option<Adapter>,
    reason: String,
}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self { tensors: burn::tensor::Device::flex(), gpu: None, reason: "cpu: as asked for".into() }
    }

    /// What the choice gives on this machine.
    pub fn open(choice: DeviceChoice) -> Result<Self, TrainError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            // Loading every driver only to find a software one costs time, and drivers print.
            DeviceChoice::Auto if !may_have_gpu() => {
                Ok(Self { reason: "cpu: this machine shows no GPU".into(), ..Self::cpu() })
            }
            DeviceChoice::Auto => Ok(Self::auto(&adapters())),
            DeviceChoice::Gpu => Self::gpu(&adapters()),
        }
    }

    fn auto(adapters: &[Adapter]) -> Self {
        match adapters.first() {
            Some(adapter) if adapter.is_real_gpu() => {
                Self::on(adapter, format!("gpu: {adapter} is the best adapter of this machine"))
            }
            Some(adapter) => {
                let reason = format!("cpu: no real GPU, only {adapter}");
                Self { reason, ..Self::cpu() }
            }
            None => Self { reason: "cpu: no graphics adapter".into(), ..Self::cpu() },
        }
    }

    fn gpu(adapters: &[Adapter]) -> Result<Self, TrainError> {
        match adapters.first() {
            Some(adapter) => Ok(Self::on(adapter, format!("gpu: {adapter}, as asked for"))),
            None => Err(TrainError::Device(
                "no graphics adapter found; install the driver of the GPU, or on Debian the package \
                 mesa-vulkan-drivers for one in software, or use `--device cpu`"
                    .into(),
            )),
        }
    }

    fn on(adapter: &Adapter, reason: String) -> Self {
        Self { tensors: burn::tensor::Device::wgpu(adapter.kind()), gpu: Some(adapter.clone()), reason }
    }

    /// burn's device, without gradients.
    pub fn tensors(&self) -> &burn::tensor::Device {
        &self.tensors
    }

    /// Whether tensors live behind wgpu.
    pub fn is_gpu(&self) -> bool {
        self.gpu.is_some()
    }

    /// The adapter; none on the CPU.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.gpu.as_ref()
    }

    /// `cpu` or `gpu`.
    pub fn name(&self) -> &'static str {
        if self.is_gpu() { "gpu" } else { "cpu" }
    }

    /// One line: which device and why.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(device_type: wgpu::DeviceType) -> Adapter {
        Adapter { name: "thing".into(), device_type, backend: "Vulkan".into() }
    }

    #[test]
    fn auto_takes_only_a_real_gpu_and_says_why() {
        let auto = Device::auto(&[]);
        assert!(!auto.is_gpu() && auto.reason().contains("no graphics adapter"));
        let auto = Device::auto(&[adapter(wgpu::DeviceType::Cpu)]);
        assert!(!auto.is_gpu() && auto.reason().contains("thing"));
        let auto = Device::auto(&[adapter(wgpu::DeviceType::IntegratedGpu)]);
        assert!(auto.is_gpu() && auto.reason().contains("thing"));
    }

    #[test]
    fn gpu_takes_software_but_not_nothing() {
        assert!(Device::gpu(&[adapter(wgpu::DeviceType::Cpu)]).expect("software adapter").is_gpu());
        let error = Device::gpu(&[]).expect_err("no adapter").to_string();
        assert!(error.contains("mesa-vulkan-drivers") && error.contains("--device cpu"), "{error}");
        assert!("tpu".parse::<DeviceChoice>().expect_err("unknown").to_string().contains("auto, cpu, gpu"));
    }
}
