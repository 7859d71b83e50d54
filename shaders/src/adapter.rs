//! Which adapters there are, and which of them is taken.

use std::fmt;

use crate::GpuError;
use crate::device::now;

/// Names the adapter to take: a part of its name, or the id of its place on the PCI bus.
pub const ADAPTER: &str = "KEIKO_ADAPTER";

/// An adapter that the machine's drivers offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// As the driver names it.
    pub name: String,
    /// Place on the PCI bus, e.g. `0000:01:00.0`; empty where it has none.
    pub pci: String,
    /// What kind of device it is.
    pub device_type: wgpu::DeviceType,
    /// Graphics interface.
    pub backend: wgpu::Backend,
    /// How many of its kind the same graphics interface lists before it.
    pub index: usize,
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

    /// Whether a text names it.
    fn is_called(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let pci = self.pci.to_lowercase();
        let short = pci.strip_prefix("0000:").unwrap_or(&pci);
        (!pci.is_empty() && (text == pci || text == short)) || self.name.to_lowercase().contains(&text)
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {:?}", self.name, self.device_type, self.backend)?;
        if !self.pci.is_empty() {
            write!(f, ", {}", self.pci)?;
        }
        f.write_str(")")
    }
}

/// The adapters that the machine's drivers offer, best first.
pub fn adapters() -> Vec<Adapter> {
    enumerate().1.into_iter().map(|(adapter, _)| adapter).collect()
}

/// What the variable [`ADAPTER`] asks for.
pub fn wanted() -> Option<String> {
    std::env::var(ADAPTER).ok().filter(|text| !text.is_empty())
}

/// The adapter that a text names, the best where it names several or there is no text.
///
/// # Errors
/// [`GpuError::NoAdapter`]; [`GpuError::NoSuchAdapter`].
pub fn choose<'a>(adapters: &'a [Adapter], text: Option<&str>) -> Result<&'a Adapter, GpuError> {
    let first = adapters.first().ok_or(GpuError::NoAdapter)?;
    let Some(text) = text else { return Ok(first) };
    adapters.iter().find(|adapter| adapter.is_called(text)).ok_or_else(|| GpuError::NoSuchAdapter {
        found: text.to_owned(),
        known: adapters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    })
}

/// What finds adapters, and all of them with their handles, best first.
pub(crate) fn enumerate() -> (wgpu::Instance, Vec<(Adapter, wgpu::Adapter)>) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let found = now(instance.enumerate_adapters(wgpu::Backends::PRIMARY)).unwrap_or_default();
    let mut all: Vec<(Adapter, wgpu::Adapter)> = Vec::new();
    for handle in found {
        let info = handle.get_info();
        let alike = |(other, _): &&(Adapter, wgpu::Adapter)| {
            (other.device_type, other.backend) == (info.device_type, info.backend)
        };
        let index = all.iter().filter(alike).count();
        let adapter = Adapter {
            name: info.name,
            pci: info.device_pci_bus_id,
            device_type: info.device_type,
            backend: info.backend,
            index,
        };
        all.push((adapter, handle));
    }
    all.sort_by_key(|(adapter, _)| adapter.rank());
    (instance, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, pci: &str, device_type: wgpu::DeviceType) -> Adapter {
        let backend = wgpu::Backend::Vulkan;
        Adapter { name: name.to_owned(), pci: pci.to_owned(), device_type, backend, index: 0 }
    }

    #[test]
    fn a_name_or_a_place_on_the_bus_names_an_adapter() {
        let all = [
            adapter("NVIDIA H100", "0000:01:00.0", wgpu::DeviceType::DiscreteGpu),
            adapter("NVIDIA H100", "0000:41:00.0", wgpu::DeviceType::DiscreteGpu),
            adapter("llvmpipe (LLVM 19)", "", wgpu::DeviceType::Cpu),
        ];
        let index = |text| choose(&all, text).map(|found| all.iter().position(|a| a == found));
        for (text, expected) in [
            (None, 0),
            (Some("h100"), 0),
            (Some("0000:41:00.0"), 1),
            (Some("41:00.0"), 1),
            (Some("LLVMpipe"), 2),
        ] {
            assert_eq!(index(text).expect("it is there"), Some(expected), "{text:?}");
        }
        let error = index(Some("A100")).expect_err("it is not there").to_string();
        for part in ["A100", "41:00.0", "llvmpipe", ADAPTER, "mesa-vulkan-drivers"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(matches!(choose(&[], Some("h100")), Err(GpuError::NoAdapter)));
    }
}
