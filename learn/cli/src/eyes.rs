//! Eyes for environments whose scenes observe images.

use std::sync::OnceLock;

use keiko_camera::{Observer, TracerOptions};
use keiko_env::{Picture, TaskEnv, VecEnv};
use keiko_gpu::Gpu;
use keiko_model::compose::Scene;

use crate::exit::{Code, CommandResult, OrExit};

/// Opened once: a second device would compile every kernel again.
static GPU: OnceLock<Gpu> = OnceLock::new();

/// The device that renders.
///
/// # Errors
/// The machine has none, or its driver refuses.
pub fn gpu() -> anyhow::Result<Gpu> {
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

/// Lets an environment see what its scene observes, if that is anything; says with what.
pub fn open(env: &mut TaskEnv) -> CommandResult<Option<String>> {
    if env.images().is_empty() {
        return Ok(None);
    }
    let gpu = gpu().or_exit(Code::Machine)?;
    see_with(env, &gpu).or_exit(Code::Machine)?;
    Ok(Some(gpu.adapter.get_info().name))
}

/// The same with a device.
///
/// # Errors
/// What does not fit into the device, and what would.
pub fn see_with(env: &mut TaskEnv, gpu: &Gpu) -> anyhow::Result<()> {
    let pictures: Vec<Picture> = env.images().iter().map(|image| image.picture.clone()).collect();
    let scene = env.scene();
    let observer = Observer::new(gpu, &scene.model, env.spec().num_envs, &pictures, &options(scene))?;
    env.see_with(Box::new(observer));
    match env.failure() {
        Some(failure) => Err(anyhow::anyhow!("{failure}")),
        None => Ok(()),
    }
}
