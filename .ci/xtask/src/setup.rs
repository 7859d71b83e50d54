//! What tests need beside cargo: Python with virtual environments, and a Vulkan driver, in software if need be.

use std::path::Path;

use crate::command::{output, succeeds};

/// Whether all is there, after installing what was missing where that is allowed.
pub fn run() -> bool {
    let packages = missing_packages();
    if packages.is_empty() {
        println!("set-up: Python and Vulkan are there");
        return true;
    }
    println!("set-up: missing packages: {}", packages.join(" "));
    if !install(&packages) {
        println!("set-up: cannot install; as root: apt-get install {}", packages.join(" "));
        return false;
    }
    let missing = missing_packages();
    if !missing.is_empty() {
        println!("set-up: installed, but still not found: {}", missing.join(" "));
    }
    missing.is_empty()
}

/// Debian packages whose contents are not found.
fn missing_packages() -> Vec<&'static str> {
    let checks = [
        ("python3", succeeds("python3", &["--version"])),
        ("python3-venv", succeeds("python3", &["-c", "import venv, ensurepip"])),
        ("python3-pip", succeeds("python3", &["-m", "pip", "--version"])),
        ("libvulkan1", has_vulkan_loader()),
        ("mesa-vulkan-drivers", has_vulkan_driver()),
    ];
    checks.into_iter().filter(|(_, found)| !found).map(|(package, _)| package).collect()
}

fn has_vulkan_loader() -> bool {
    let cache = ["ldconfig", "/sbin/ldconfig"]
        .iter()
        .find_map(|program| output(std::process::Command::new(program).arg("-p")).ok());
    cache.is_some_and(|cache| cache.contains("libvulkan.so.1"))
}

/// The software driver, a driver that the user names, or NVIDIA's with its device.
fn has_vulkan_driver() -> bool {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    if named.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return true;
    }
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let drivers: Vec<String> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let has = |prefix: &str| drivers.iter().any(|driver| driver.starts_with(prefix));
    has("lvp_icd") || has("nvidia_icd") && Path::new("/dev/nvidiactl").exists()
}

/// Installs Debian packages as root or by a `sudo` that asks nothing.
fn install(packages: &[&str]) -> bool {
    if !succeeds("apt-get", &["--version"]) {
        return false;
    }
    let is_root = output(std::process::Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let (program, before): (&str, &[&str]) = if is_root {
        ("env", &[])
    } else if succeeds("sudo", &["-n", "true"]) {
        ("sudo", &["-n", "env"])
    } else {
        return false;
    };
    let apt_get = |args: &[&str]| {
        let apt_get = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"];
        let all = [before, &apt_get, args].concat();
        crate::command::watched(std::process::Command::new(program).args(all), |_| {})
    };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    apt_get(&["update"]) && apt_get(&install)
}
