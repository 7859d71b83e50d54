//! A device to learn on, and environments whose images are tensors or numbers of the output.

use std::path::Path;

use burn::tensor::Tensor;
use keiko_camera::{Backend, Observer, TracerOptions};
use keiko_env::{EnvOptions, Field, Picture, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_sight::Sight;
use keiko_train::{Device, DeviceChoice};

/// Runs the test named in a child process with a device. Software Vulkan of some distributions needs its vector
/// width set before the process starts; and what a process has read is counted as a whole.
pub fn with_device(test: &str, body: impl FnOnce(&Device)) {
    const CHILD: &str = "KEIKO_TEST_GPU_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return body(&Device::open(DeviceChoice::Gpu).expect("an adapter was found"));
    }
    if keiko_gpu::adapters().is_empty() {
        let missing = "no adapter; install the package mesa-vulkan-drivers";
        return keiko_testkit::skip_or_fail(keiko_testkit::Skip(missing.to_owned()));
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

/// A scene with changes.
pub fn task(scene: &str, overrides: &[&str]) -> TaskSpec {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../scenes/{scene}/scene.toml"));
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    TaskSpec::load(&file, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

fn blind(task: &TaskSpec, num_envs: usize) -> TaskEnv {
    let options = EnvOptions { num_envs, seed: 4, ..EnvOptions::default() };
    TaskEnv::new(task, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn options(env: &TaskEnv) -> TracerOptions {
    TracerOptions { varied: env.looks_vary(), ..TracerOptions::default() }
}

/// Images are tensors.
pub fn sighted(device: &Device, task: &TaskSpec, num_envs: usize) -> (TaskEnv, Sight) {
    let mut env = blind(task, num_envs);
    let sight = Sight::new(device, &env, &options(&env)).expect("it fits").expect("a GPU");
    env.see_through(Box::new(sight.clone()));
    assert_eq!(env.failure(), None);
    (env, sight)
}

/// Images are rows of the output.
pub fn told(backend: &Backend, task: &TaskSpec, num_envs: usize) -> TaskEnv {
    let mut env = blind(task, num_envs);
    let pictures: Vec<Picture> = env.images().iter().map(|image| image.picture.clone()).collect();
    let options = options(&env);
    let observer =
        Observer::new(backend, &env.scene().model, num_envs, &pictures, &options).expect("it fits");
    env.see_with(Box::new(observer));
    env
}

/// The learner's device as a tracer for the host.
pub fn backend(device: &Device) -> Backend {
    Backend::Gpu(device.gpu().expect("a GPU").clone())
}

/// Pushes that differ by step and environment.
pub fn push(step: usize, num_envs: usize) -> Field {
    let mut actions = Field::zeros(1, num_envs);
    for env in 0..num_envs {
        actions.set(0, env, ((7 * step + 5 * env) % 13) as f32 / 6.0 - 1.0);
    }
    actions
}

/// All numbers, row by row.
pub fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    keiko_train::agent::read(tensor)
}
