//! Kernels, checked without a GPU and run on any, software ones included.

mod camera;
mod kernel;
mod record;
mod step;
mod window;

use keiko_dynamics::record::{ENTRY, Kernel as Recorded};
use keiko_gpu::{Access, Binding, Gpu, Source, adapters};

/// A recorded kernel on a device with the model's numbers.
fn upload(gpu: &Gpu, kernel: &Recorded, num_envs: usize) -> keiko_gpu::Kernel {
    let binding = |name: &str, access, len| Binding { name: name.to_owned(), access, len };
    let bindings = [
        binding("state", Access::ReadWrite, kernel.state_len * num_envs),
        binding("control", Access::Read, kernel.control_len * num_envs),
        binding("parameters", Access::Read, kernel.parameters_len * num_envs),
        binding("reals", Access::Read, kernel.reals.len()),
        binding("ints", Access::Read, kernel.ints.len()),
        binding("output", Access::ReadWrite, kernel.output_len * num_envs),
        binding("memory", Access::ReadWrite, kernel.memory_len * num_envs),
    ];
    let source = Source {
        wgsl: &kernel.wgsl,
        entry: ENTRY,
        workgroup_size: kernel.workgroup_size,
        bindings: &bindings,
    };
    let on_device = keiko_gpu::Kernel::new(gpu, &source).unwrap_or_else(|error| panic!("{error}"));
    on_device.write("reals", &kernel.reals).expect("its length");
    on_device.write_ints("ints", &kernel.ints).expect("its length");
    on_device
}

/// Runs the test named in a child process with a device. Software Vulkan of some distributions needs its vector
/// width set before the process starts.
fn with_gpu(test: &str, body: impl FnOnce(&Gpu)) {
    const CHILD: &str = "KEIKO_TEST_GPU_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return body(&Gpu::open().expect("an adapter was found"));
    }
    if adapters().is_empty() {
        assert!(std::env::var_os("CI").is_none(), "no adapter; install the package mesa-vulkan-drivers");
        println!("skipped: no adapter; install the package mesa-vulkan-drivers");
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("LP_NATIVE_VECTOR_WIDTH", "128")
        .output()
        .expect("this test runs again");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}
