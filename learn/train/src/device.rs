//! Where learning computes: the CPU through burn-flex, or a GPU through burn-wgpu.

use crate::TrainError;
use burn::tensor::DeviceKind;
use burn::tensor::wgpu::WgpuBackend;
use keiko_gpu::wgpu::{Backend, DeviceType};
use keiko_gpu::{Adapter, Gpu, GpuError, adapters, choose, wanted};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

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

/// Whether the kernel shows a GPU at all: Linux has a device node for each; other systems are asked in full.
fn may_have_gpu() -> bool {
    !cfg!(target_os = "linux")
        || ["/dev/dri", "/dev/nvidia0", "/dev/dxg"].iter().any(|node| Path::new(node).exists())
}

/// Where networks would run, and why there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The adapter; none on the CPU.
    pub adapter: Option<Adapter>,
    /// One line: which device and why.
    pub reason: String,
}

impl Place {
    /// What a choice gives on this machine; opens nothing.
    ///
    /// # Errors
    /// [`TrainError::Device`] without the adapter that was asked for.
    pub fn find(choice: DeviceChoice) -> Result<Self, TrainError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu("cpu: as asked for")),
            // Loading every driver only to find a software one costs time, and drivers print.
            DeviceChoice::Auto if !may_have_gpu() && wanted().is_none() => {
                Ok(Self::cpu("cpu: this machine shows no GPU"))
            }
            DeviceChoice::Auto => Self::auto(&adapters(), wanted().as_deref()),
            DeviceChoice::Gpu => Self::gpu(&adapters(), wanted().as_deref()),
        }
    }

    fn cpu(reason: impl Into<String>) -> Self {
        Self { adapter: None, reason: reason.into() }
    }

    fn auto(adapters: &[Adapter], name: Option<&str>) -> Result<Self, TrainError> {
        if adapters.is_empty() && name.is_none() {
            return Ok(Self::cpu("cpu: no graphics adapter"));
        }
        let adapter = chosen(adapters, name)?;
        if !adapter.is_real_gpu() {
            return Ok(Self::cpu(format!("cpu: no real GPU, only {adapter}")));
        }
        let reason = format!("gpu: {adapter} is the best adapter of this machine");
        Ok(Self { adapter: Some(adapter.clone()), reason })
    }

    fn gpu(adapters: &[Adapter], name: Option<&str>) -> Result<Self, TrainError> {
        let adapter = chosen(adapters, name)?;
        let reason = format!("gpu: {adapter}, as asked for");
        Ok(Self { adapter: Some(adapter.clone()), reason })
    }
}

/// The adapter of a name, or the best one.
fn chosen<'a>(adapters: &'a [Adapter], name: Option<&str>) -> Result<&'a Adapter, TrainError> {
    choose(adapters, name).map_err(|error| {
        TrainError::Device(match error {
            GpuError::NoAdapter => {
                "no graphics adapter found; install the driver of the GPU, or on Debian the package \
                                    mesa-vulkan-drivers for one in software, or use `--device cpu`"
                    .into()
            }
            other => other.to_string(),
        })
    })
}

/// Where tensors live, and why there.
#[derive(Clone, Debug)]
pub struct Device {
    tensors: burn::tensor::Device,
    gpu: Option<(Adapter, Gpu)>,
    reason: String,
}

/// burn opens an adapter once a process.
static OPEN: Mutex<Vec<(Adapter, burn::tensor::Device, Gpu)>> = Mutex::new(Vec::new());

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self { tensors: burn::tensor::Device::flex(), gpu: None, reason: "cpu: as asked for".into() }
    }

    /// What the choice gives on this machine. A GPU is opened once a process, and shared from then on.
    ///
    /// # Errors
    /// [`TrainError::Device`] without the adapter that was asked for, or if its driver refuses.
    pub fn open(choice: DeviceChoice) -> Result<Self, TrainError> {
        let Place { adapter, reason } = Place::find(choice)?;
        let Some(adapter) = adapter else { return Ok(Self { reason, ..Self::cpu() }) };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tensors, gpu)) = open.iter().find(|(known, ..)| *known == adapter) {
            return Ok(Self { tensors: tensors.clone(), gpu: Some((adapter, gpu.clone())), reason });
        }
        let refuse =
            |why: &dyn fmt::Display| TrainError::Device(format!("{adapter} cannot be opened: {why}"));
        let (kind, api) = selector(&adapter).ok_or_else(|| refuse(&"burn cannot name it"))?;
        let options = burn::tensor::Device::wgpu_options().device_kind(kind).graphics_api(api);
        let (tensors, setup) = options.init_with_setup().map_err(|error| refuse(&error))?;
        let info = setup.adapter.get_info();
        if (&info.name, &info.device_pci_bus_id) != (&adapter.name, &adapter.pci) {
            return Err(refuse(&format!("burn opened {} instead", info.name)));
        }
        let gpu = Gpu::lent(setup.instance, setup.adapter, setup.device, setup.queue);
        open.push((adapter.clone(), tensors.clone(), gpu.clone()));
        Ok(Self { tensors, gpu: Some((adapter, gpu)), reason })
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
        self.gpu.as_ref().map(|(adapter, _)| adapter)
    }

    /// burn's own device and queue, for kernels of others beside its; none on the CPU.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref().map(|(_, gpu)| gpu)
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

/// How burn calls an adapter: it counts those of a kind on one graphics interface, and of software ones knows the first.
fn selector(adapter: &Adapter) -> Option<(DeviceKind, WgpuBackend)> {
    let kind = match adapter.device_type {
        DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(adapter.index),
        DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(adapter.index),
        DeviceType::VirtualGpu => DeviceKind::VirtualGpu(adapter.index),
        DeviceType::Cpu if adapter.index == 0 => DeviceKind::Cpu,
        DeviceType::Cpu => return None,
        // burn has no word for the rest but its own best guess, which is looked at afterwards.
        DeviceType::Other => DeviceKind::DefaultDevice,
    };
    let api = match adapter.backend {
        Backend::Vulkan => WgpuBackend::Vulkan,
        Backend::Metal => WgpuBackend::Metal,
        Backend::Dx12 => WgpuBackend::Dx12,
        Backend::Gl | Backend::BrowserWebGpu | Backend::Noop => return None,
    };
    Some((kind, api))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(device_type: DeviceType) -> Adapter {
        let pci = "0000:01:00.0".into();
        Adapter { name: "thing".into(), pci, device_type, backend: Backend::Vulkan, index: 0 }
    }

    #[test]
    fn auto_takes_only_a_real_gpu_and_says_why() {
        let auto = |adapters: &[Adapter]| Place::auto(adapters, None).expect("something");
        assert!(auto(&[]).adapter.is_none() && auto(&[]).reason.contains("no graphics adapter"));
        let software = auto(&[adapter(DeviceType::Cpu)]);
        assert!(software.adapter.is_none() && software.reason.contains("thing"));
        let real = auto(&[adapter(DeviceType::IntegratedGpu)]);
        assert!(real.adapter.is_some() && real.reason.contains("thing"));
    }

    #[test]
    fn gpu_takes_software_but_not_nothing() {
        let software = [adapter(DeviceType::Cpu)];
        assert!(Place::gpu(&software, None).expect("software adapter").adapter.is_some());
        let error = Place::gpu(&[], None).expect_err("no adapter").to_string();
        assert!(error.contains("mesa-vulkan-drivers") && error.contains("--device cpu"), "{error}");
        assert!("tpu".parse::<DeviceChoice>().expect_err("unknown").to_string().contains("auto, cpu, gpu"));
    }

    #[test]
    fn who_names_an_adapter_gets_that_one_or_none() {
        let all = [
            adapter(DeviceType::DiscreteGpu),
            Adapter { name: "other".into(), index: 1, ..adapter(DeviceType::DiscreteGpu) },
        ];
        for place in [Place::auto(&all, Some("other")), Place::gpu(&all, Some("other"))] {
            let adapter = place.expect("it is there").adapter.expect("a real one");
            assert_eq!(adapter.name, "other");
            let (kind, _) = selector(&adapter).expect("burn can name it");
            assert!(matches!(kind, DeviceKind::DiscreteGpu(1)), "{kind:?}");
        }
        for place in [Place::auto(&all, Some("third")), Place::gpu(&all, Some("third"))] {
            let error = place.expect_err("it is not there").to_string();
            assert!(error.contains("third") && error.contains("thing") && error.contains("other"), "{error}");
        }
    }
}
