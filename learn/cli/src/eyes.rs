//! Eyes for environments whose scenes observe images.

use std::sync::OnceLock;

use keiko_camera::{Backend, Camera, CameraError, CameraGroup, Observer, Tracer, TracerOptions, aimed_each};
use keiko_env::{Picture, TaskEnv, VecEnv};
use keiko_gpu::Gpu;
use keiko_model::compose::Scene;
use keiko_sight::Sight;
use keiko_train::{Device, Place};

use crate::args::DeviceArg;
use crate::exit::{Code, CommandResult, OrExit};

/// Opened once: a second device would compile every kernel again. Where networks run on a GPU it is theirs.
static GPU: OnceLock<Gpu> = OnceLock::new();

/// Where cameras are traced: where the networks of the same `--device` run.
///
/// # Errors
/// A GPU was asked for, and the machine has none, or its driver refuses.
pub fn backend(device: DeviceArg) -> anyhow::Result<Backend> {
    match Place::find(device.into())?.adapter {
        Some(_) => Ok(Backend::Gpu(gpu()?)),
        None => Ok(Backend::Cpu),
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

/// Opens the device that networks run on; cameras are traced on it from then on, if it is a GPU.
///
/// # Errors
/// A GPU was asked for, and the machine has none, or its driver refuses.
pub fn device(choice: DeviceArg) -> anyhow::Result<Device> {
    let device = Device::open(choice.into())?;
    if let Some(gpu) = device.gpu() {
        GPU.get_or_init(|| gpu.clone());
    }
    Ok(device)
}

/// How a scene is traced: segmentation tells its robot from its things.
pub fn options(scene: &Scene) -> TracerOptions {
    TracerOptions { num_robot_bodies: scene.num_robot_bodies, ..TracerOptions::default() }
}

/// How an environment is traced: as its scene, and with looks that may differ where its task draws them.
pub fn options_of(env: &TaskEnv) -> TracerOptions {
    TracerOptions { varied: env.looks_vary(), ..options(env.scene()) }
}

/// Gives a tracer of [`options_of`] the looks of the episodes that environments are in, and a group of one camera its places; comes
/// before the tracer is posed, for the lamps.
///
/// # Errors
/// The looks do not fit the camera's lens.
pub fn dress(
    tracer: &Tracer,
    group: &CameraGroup,
    camera: &Camera,
    env: &TaskEnv,
) -> Result<(), CameraError> {
    if !env.looks_vary() {
        return Ok(());
    }
    let looks = env.looks();
    tracer.dress(&looks)?;
    let index = env.scene().model.cameras.iter().position(|known| known.name == camera.name);
    let cameras = index.map_or_else(Vec::new, |index| aimed_each(camera, index, &looks, tracer.num_envs()));
    if cameras.is_empty() { Ok(()) } else { tracer.aim(group, &cameras) }
}

/// Lets an environment see what its scene observes, if that is anything.
pub fn open(env: &mut TaskEnv, device: DeviceArg) -> CommandResult<()> {
    if env.images().is_empty() {
        return Ok(());
    }
    let backend = backend(device).or_exit(Code::Machine)?;
    see_with(env, &backend).or_exit(Code::Machine)
}

/// The same for networks on a device: where that is a GPU, images stay there, and what is given back shows them.
///
/// # Errors
/// As [`open`].
pub fn open_for(env: &mut TaskEnv, device: &Device) -> CommandResult<Option<Sight>> {
    let Some(sight) = Sight::new(device, env, &options_of(env)).or_exit(Code::Machine)? else {
        open(env, device.into())?;
        return Ok(None);
    };
    env.see_through(Box::new(sight.clone()));
    match env.failure() {
        Some(failure) => Err(anyhow::anyhow!("{failure}")).or_exit(Code::Machine),
        None => Ok(Some(sight)),
    }
}

/// The same with what was opened before.
///
/// # Errors
/// What does not fit, and what would.
pub fn see_with(env: &mut TaskEnv, backend: &Backend) -> anyhow::Result<()> {
    let pictures: Vec<Picture> = env.images().iter().map(|image| image.picture.clone()).collect();
    let scene = env.scene();
    let observer = Observer::new(backend, &scene.model, env.spec().num_envs, &pictures, &options_of(env))?;
    env.see_with(Box::new(observer));
    match env.failure() {
        Some(failure) => Err(anyhow::anyhow!("{failure}")),
        None => Ok(()),
    }
}
