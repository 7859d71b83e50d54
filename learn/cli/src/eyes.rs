//! Eyes for environments whose scenes observe images.

use std::sync::OnceLock;

use keiko_camera::{Backend, Observer, TracerOptions};
use keiko_env::{Picture, TaskEnv, VecEnv};
use keiko_gpu::Gpu;
use keiko_model::compose::Scene;
use keiko_train::Device;

use crate::args::DeviceArg;
use crate::exit::{Code, CommandResult, OrExit};

/// Opened once: a second device would compile every kernel again.
static GPU: OnceLock<Gpu> = OnceLock::new();

/// Where cameras are traced: where the networks of the same `--device` run.
///
/// # Errors
/// A GPU was asked for, and the machine has none, or its driver refuses.
pub fn backend(device: DeviceArg) -> anyhow::Result<Backend> {
    match Device::open(device.into())?.is_gpu() {
        true => Ok(Backend::Gpu(gpu()?)),
        false => Ok(Backend::Cpu),
    }
}

/// The GPU that renders.
fn gpu() -> anyhow::Result<Gpu> {
    if let Some(gpu) = GPU.get() {
        return Ok(gpu.clone());
    }
    let gpu = Gpu::open()?;
    Ok(GPU.get_or_init(|| gpu).clone())
}

/// How a scene is traced: segmentation tells its robot from its things.
pub fn options(scene: &Scene) -> TracerOptions {
    TracerOptions { num_robot_bodies: scene.num_robot_bodies, ..TracerOptions::default() }
}

/// Lets an environment see what its scene observes, if that is anything.
pub fn open(env: &mut TaskEnv, device: DeviceArg) -> CommandResult<()> {
    if env.images().is_empty() {
        return Ok(());
    }
    let backend = backend(device).or_exit(Code::Machine)?;
    see_with(env, &backend).or_exit(Code::Machine)
}

/// The same with what was opened before.
///
/// # Errors
/// What does not fit, and what would.
pub fn see_with(env: &mut TaskEnv, backend: &Backend) -> anyhow::Result<()> {
    let pictures: Vec<Picture> = env.images().iter().map(|image| image.picture.clone()).collect();
    let scene = env.scene();
    let observer = Observer::new(backend, &scene.model, env.spec().num_envs, &pictures, &options(scene))?;
    env.see_with(Box::new(observer));
    match env.failure() {
        Some(failure) => Err(anyhow::anyhow!("{failure}")),
        None => Ok(()),
    }
}
