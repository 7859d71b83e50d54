//! The tracer of a batch, on the CPU or on a GPU.

use keiko_gpu::Gpu;
use keiko_gpu::camera as layout;
use keiko_gpu::camera::Look;
use keiko_model::camera::{Camera, Channel};
use keiko_model::robot::{Geom, RobotModel, Shape};
use keiko_world::BatchState;

use crate::assets::Assets;
use crate::device::{DeviceGroup, DeviceTracer};
use crate::images::Images;
use crate::native::{self, NativeGroup, NativeTracer};
use crate::{CameraError, daylight};

/// Where rays are traced. Both places give the same images, up to the last digits of `f32`.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The processor's vector registers and threads; needs nothing.
    Cpu,
    /// A GPU, or a driver that plays one.
    Gpu(Gpu),
}

impl Backend {
    /// What to call it in a message.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => native::NAME.to_owned(),
            Self::Gpu(gpu) => gpu.adapter.get_info().name,
        }
    }
}

/// How a scene is looked at.
#[derive(Clone, Debug)]
pub struct TracerOptions {
    /// Light and sky.
    pub look: Look,
    /// Whether the sun casts shadows.
    pub shadows: bool,
    /// The robot's bodies are `1..num_robot_bodies`; bodies after them are things. All are the robot's by default.
    pub num_robot_bodies: usize,
}

impl Default for TracerOptions {
    fn default() -> Self {
        Self { look: daylight(), shadows: true, num_robot_bodies: usize::MAX }
    }
}

/// A model's shapes, and where they are in each environment.
#[derive(Debug)]
pub struct Tracer {
    num_envs: usize,
    num_bodies: usize,
    side: Side,
}

/// One of the two.
#[derive(Debug)]
enum Side {
    Native(NativeTracer),
    Device(DeviceTracer),
}

impl Tracer {
    /// Takes what a model shows, for `num_envs` environments.
    ///
    /// # Errors
    /// [`CameraError::TooLarge`]; [`CameraError::Gpu`].
    pub fn new(
        backend: &Backend,
        model: &RobotModel,
        num_envs: usize,
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let assets = assets(model, options);
        let num_bodies = model.bodies.len();
        let side = match backend {
            Backend::Cpu => Side::Native(NativeTracer::new(assets, num_envs, options)?),
            Backend::Gpu(gpu) => {
                Side::Device(DeviceTracer::new(gpu, &assets, [num_envs, num_bodies], options)?)
            }
        };
        Ok(Self { num_envs, num_bodies, side })
    }

    /// Environments.
    pub fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// Puts every geom where its body is in `state`; images rendered from now on show that.
    ///
    /// # Panics
    /// If the state is of another model or another number of environments.
    pub fn pose(&self, state: &BatchState) {
        assert_eq!(state.body_position.as_slice().len(), 3 * self.num_bodies * self.num_envs, "positions");
        assert_eq!(state.body_rotation.as_slice().len(), 4 * self.num_bodies * self.num_envs, "rotations");
        match &self.side {
            Side::Native(tracer) => tracer.pose(state),
            Side::Device(tracer) => tracer.pose(state),
        }
    }

    /// Cameras that render together: one size for all, in every environment, view `env * cameras + camera`.
    ///
    /// # Errors
    /// [`CameraError::Group`] without cameras or channels, for sizes that differ or are 0, or a camera on a body that
    /// is not there; [`CameraError::TooLarge`]; [`CameraError::Gpu`].
    pub fn group(&self, cameras: &[Camera], channels: &[Channel]) -> Result<CameraGroup, CameraError> {
        let (Some(first), false) = (cameras.first(), channels.is_empty()) else {
            return Err(CameraError::Group("a group needs a camera and a channel".to_owned()));
        };
        let size = first.size;
        let mirrors = self.mirrors(cameras, size)?;
        let mut channels = channels.to_vec();
        channels.sort_unstable();
        channels.dedup();
        let side = match &self.side {
            Side::Native(tracer) => GroupSide::Native(tracer.group(mirrors, size, &channels)?),
            Side::Device(tracer) => GroupSide::Device(tracer.group(&mirrors, size, &channels)?),
        };
        Ok(CameraGroup { num_views: self.num_envs * cameras.len(), size, side })
    }

    /// Gives a group other cameras, as many and of the same size: cheaper than a new group, on a GPU by far.
    ///
    /// # Errors
    /// [`CameraError::Group`], as [`Tracer::group`], and for another number of cameras.
    ///
    /// # Panics
    /// If the group is another tracer's.
    pub fn aim(&self, group: &mut CameraGroup, cameras: &[Camera]) -> Result<(), CameraError> {
        let mirrors = self.mirrors(cameras, group.size)?;
        let (found, expected) = (cameras.len(), group.num_views / self.num_envs.max(1));
        if found != expected {
            return Err(CameraError::Group(format!("{found} cameras for a group of {expected}")));
        }
        match (&self.side, &mut group.side) {
            (Side::Native(_), GroupSide::Native(group)) => group.aim(mirrors),
            (Side::Device(tracer), GroupSide::Device(group)) => tracer.aim(group, &mirrors),
            _ => panic!("{OTHERS_GROUP}"),
        }
        Ok(())
    }

    /// The cameras of a group as tracers have them, after a look at sizes and bodies.
    fn mirrors(&self, cameras: &[Camera], size: [u32; 2]) -> Result<Vec<layout::Camera>, CameraError> {
        for Camera { name, size: found, body, .. } in cameras {
            if *found != size || found.contains(&0) {
                return Err(CameraError::Group(format!(
                    "camera `{name}` has images of {found:?} pixels, not {size:?}"
                )));
            }
            if *body >= self.num_bodies {
                return Err(CameraError::Group(format!("camera `{name}` is on body {body}")));
            }
        }
        Ok(cameras.iter().map(mirror).collect())
    }

    /// Renders all views of a group, of the poses given last. A GPU works on after the return.
    ///
    /// # Panics
    /// If the group is another tracer's.
    pub fn render(&self, group: &CameraGroup) {
        match (&self.side, &group.side) {
            (Side::Native(tracer), GroupSide::Native(group)) => tracer.render(group),
            (Side::Device(tracer), GroupSide::Device(group)) => tracer.render(group),
            _ => panic!("{OTHERS_GROUP}"),
        }
    }

    /// Waits for the last images of a group and copies them.
    ///
    /// # Errors
    /// [`CameraError::Gpu`] if the device is lost.
    ///
    /// # Panics
    /// If the group is another tracer's.
    pub fn read(&self, group: &CameraGroup) -> Result<Images, CameraError> {
        match (&self.side, &group.side) {
            (Side::Native(_), GroupSide::Native(group)) => Ok(group.read()),
            (Side::Device(tracer), GroupSide::Device(group)) => tracer.read(group),
            _ => panic!("{OTHERS_GROUP}"),
        }
    }
}

/// What a model shows.
pub(crate) fn assets(model: &RobotModel, options: &TracerOptions) -> Assets {
    Assets::new(model, |geom| class_of(geom, options.num_robot_bodies))
}

/// Said to whoever mixes tracers up.
const OTHERS_GROUP: &str = "the cameras are of another tracer";

/// Cameras of one size with their images.
#[derive(Debug)]
pub struct CameraGroup {
    /// Environments times cameras.
    pub num_views: usize,
    /// Width and height \[pixel\].
    pub size: [u32; 2],
    side: GroupSide,
}

/// On the side of its tracer.
#[derive(Debug)]
enum GroupSide {
    Native(NativeGroup),
    Device(DeviceGroup),
}

/// A camera as tracers have it.
pub(crate) fn mirror(camera: &Camera) -> layout::Camera {
    let pair = |x: [f64; 2]| x.map(|x| x as f32);
    layout::Camera {
        rotation: camera.pose.rotation.as_quat().to_array(),
        position: camera.pose.position.as_vec3().to_array(),
        body: camera.body as u32,
        focal: pair(camera.focal),
        center: pair(camera.center),
        near: camera.near as f32,
        far: camera.far as f32,
        ..layout::Camera::default()
    }
}

/// [`Channel::Class`].
fn class_of(geom: &Geom, num_robot_bodies: usize) -> u32 {
    let is_ground = matches!(geom.shape, Shape::Plane { .. } | Shape::HeightField { .. });
    if geom.body == 0 || is_ground {
        0
    } else if geom.body < num_robot_bodies {
        1
    } else {
        2
    }
}

/// Refuses an array of more bytes than `most`.
pub(crate) fn check_size(
    holder: &str,
    most: u64,
    what: &str,
    bytes: u64,
    advice: &'static str,
) -> Result<(), CameraError> {
    if bytes <= most {
        return Ok(());
    }
    Err(CameraError::TooLarge { what: what.to_owned(), bytes, holder: holder.to_owned(), most, advice })
}
