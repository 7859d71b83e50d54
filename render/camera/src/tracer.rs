//! The tracer of a batch, on the CPU or on a GPU.

use std::sync::{Mutex, PoisonError};

use keiko_gpu::camera as layout;
use keiko_gpu::camera::Look;
use keiko_gpu::{Buffer, Gpu};
use keiko_model::camera::{Camera, Channel, Follow};
use keiko_model::light::Lamp;
use keiko_model::robot::{Geom, RobotModel, Shape};
use keiko_world::looks::LampLook;
use keiko_world::{BatchState, Looks};

use crate::assets::Assets;
use crate::device::{DeviceGroup, DeviceTracer};
use crate::dress::Dresser;
use crate::images::Images;
use crate::native::{self, NativeGroup, NativeTracer};
use crate::rig::Rigs;
use crate::{CameraError, daylight, lamps};

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
    /// Whether environments may differ in light, colours and cameras ([`Tracer::dress`]).
    pub varied: bool,
    /// Whether somebody asks for [`Channel::Flow`] ([`Tracer::pose_before`]).
    pub flow: bool,
}

impl Default for TracerOptions {
    fn default() -> Self {
        Self { look: daylight(), shadows: true, num_robot_bodies: usize::MAX, varied: false, flow: false }
    }
}

/// A model's shapes, and where they are in each environment.
#[derive(Debug)]
pub struct Tracer {
    num_envs: usize,
    rigs: Rigs,
    lamps: Vec<Lamp>,
    /// How they were dressed last.
    lamp_looks: Mutex<Vec<LampLook>>,
    flow: bool,
    /// What is dressed, where looks vary.
    dresser: Option<Dresser>,
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
        let rigs = Rigs::new(model);
        let options = &TracerOptions { look: lamps::light(options.look, model), ..options.clone() };
        let dresser = options.varied.then(|| Dresser::new(model, &assets, options.look));
        let side = match backend {
            Backend::Cpu => Side::Native(NativeTracer::new(assets, num_envs, options)?),
            Backend::Gpu(gpu) => Side::Device(DeviceTracer::new(
                gpu,
                &assets,
                [num_envs, rigs.num_all(), model.lamps.len()],
                options,
            )?),
        };
        let (lamps, lamp_looks) = (model.lamps.clone(), Mutex::default());
        Ok(Self { num_envs, rigs, lamps, lamp_looks, flow: options.flow, dresser, side })
    }

    /// Environments.
    pub fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// Puts every geom and lamp where its body is in `state`; images rendered from now on show that.
    ///
    /// # Panics
    /// If the state is of another model or another number of environments.
    pub fn pose(&self, state: &BatchState) {
        self.expect(state);
        let looks = self.lamp_looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (bodies, lamps) = (self.rigs.place(state), lamps::placed(&self.lamps, &looks, state));
        match &self.side {
            Side::Native(tracer) => tracer.pose(bodies, lamps),
            Side::Device(tracer) => tracer.pose(&bodies, &lamps),
        }
    }

    /// Measures [`Channel::Flow`] from the poses of a state from now on; where it was never called all is at rest.
    ///
    /// # Errors
    /// [`CameraError::Group`] if the tracer was made without ([`TracerOptions::flow`]).
    ///
    /// # Panics
    /// As [`Tracer::pose`].
    pub fn pose_before(&self, state: &BatchState) -> Result<(), CameraError> {
        if !self.flow {
            return Err(CameraError::Group(NO_FLOW.to_owned()));
        }
        self.expect(state);
        let bodies = self.rigs.place(state);
        match &self.side {
            Side::Native(tracer) => tracer.pose_before(bodies),
            Side::Device(tracer) => tracer.pose_before(&bodies),
        }
        Ok(())
    }

    /// Whether a state is one of this model's.
    fn expect(&self, state: &BatchState) {
        let bodies = self.rigs.num_bodies() * self.num_envs;
        assert_eq!(state.body_position.as_slice().len(), 3 * bodies, "positions");
        assert_eq!(state.body_rotation.as_slice().len(), 4 * bodies, "rotations");
    }

    /// Gives environments light, materials and colours of their own from now on, and lamps at the next [`Tracer::pose`]; cameras are
    /// aimed by [`Tracer::aim`].
    ///
    /// # Errors
    /// [`CameraError::Group`] if the tracer was made for environments that look alike ([`TracerOptions::varied`]).
    ///
    /// # Panics
    /// If the looks are of another model or another number of environments.
    pub fn dress(&self, looks: &Looks) -> Result<(), CameraError> {
        let Some(dresser) = &self.dresser else { return Err(CameraError::Group(ALIKE.to_owned())) };
        let lamps = self.num_envs * self.lamps.len();
        assert!(looks.lamps.is_empty() || looks.lamps.len() == lamps, "lamps");
        looks.lamps.clone_into(&mut self.lamp_looks.lock().unwrap_or_else(PoisonError::into_inner));
        let (lights, materials) =
            (dresser.lights(looks, self.num_envs), dresser.materials(looks, self.num_envs));
        match &self.side {
            Side::Native(tracer) => tracer.dress(lights, materials),
            Side::Device(tracer) => tracer.dress(&lights, &materials),
        }
        Ok(())
    }

    /// Gives a group other cameras from now on, of the same size: cheaper than a new group, on a GPU by far. They are as many as
    /// it was made of, the same in every environment; or, where looks vary, `[num_envs, cameras]`, each environment's own.
    ///
    /// # Errors
    /// [`CameraError::Group`] for cameras that [`Tracer::group`] refuses, that are too few or too many, or that have a lens where all were
    /// pinholes.
    ///
    /// # Panics
    /// If the group is another tracer's.
    pub fn aim(&self, group: &CameraGroup, cameras: &[Camera]) -> Result<(), CameraError> {
        let expected = match self.dresser {
            Some(_) => group.num_views,
            None => group.num_views / self.num_envs.max(1),
        };
        if cameras.len() != expected {
            return Err(CameraError::Group(format!("{} cameras for a group of {expected}", cameras.len())));
        }
        self.check(cameras, group.size)?;
        if let Some(camera) = cameras.iter().find(|camera| !group.lenses && !camera.lens.is_pinhole()) {
            let message = format!("camera `{}` has a lens, in a group of pinholes", camera.name);
            return Err(CameraError::Group(message));
        }
        let mirrors: Vec<layout::Camera> = cameras.iter().map(|camera| self.rigs.mirror(camera)).collect();
        match (&self.side, &group.side) {
            (Side::Native(tracer), GroupSide::Native(group)) => tracer.aim(group, mirrors),
            (Side::Device(tracer), GroupSide::Device(group)) => tracer.aim(group, &mirrors),
            _ => panic!("{OTHERS_GROUP}"),
        }
        Ok(())
    }

    /// Cameras that render together: one size for all, in every environment, view `env * cameras + camera`.
    ///
    /// # Errors
    /// [`CameraError::Group`] without cameras or channels, for sizes that differ or are 0, a camera on a body that is not
    /// there, one that follows and is not of the model, a lens without rays for all of its image, or optical flow of a tracer
    /// without; [`CameraError::TooLarge`]; [`CameraError::Gpu`].
    pub fn group(&self, cameras: &[Camera], channels: &[Channel]) -> Result<CameraGroup, CameraError> {
        let (Some(first), false) = (cameras.first(), channels.is_empty()) else {
            return Err(CameraError::Group("a group needs a camera and a channel".to_owned()));
        };
        self.check(cameras, first.size)?;
        if channels.contains(&Channel::Flow) && !self.flow {
            return Err(CameraError::Group(NO_FLOW.to_owned()));
        }
        let mut channels = channels.to_vec();
        channels.sort_unstable();
        channels.dedup();
        let size = first.size;
        let mut mirrors: Vec<layout::Camera> =
            cameras.iter().map(|camera| self.rigs.mirror(camera)).collect();
        if self.dresser.is_some() {
            mirrors = mirrors.repeat(self.num_envs);
        }
        let side = match &self.side {
            Side::Native(tracer) => GroupSide::Native(tracer.group(mirrors, size, &channels)?),
            Side::Device(tracer) => GroupSide::Device(tracer.group(&mirrors, size, &channels)?),
        };
        let lenses = !cameras.iter().all(|camera| camera.lens.is_pinhole());
        Ok(CameraGroup { num_views: self.num_envs * cameras.len(), size, lenses, side })
    }

    /// Whether cameras can be rendered, with images of a size.
    fn check(&self, cameras: &[Camera], size: [u32; 2]) -> Result<(), CameraError> {
        let group_error = |message: String| Err(CameraError::Group(message));
        // Of cameras that differ in their focal lengths alone, who sees more says enough of the lens.
        let mut widest: Option<&Camera> = None;
        let says_enough = |widest: &Camera, camera: &Camera| {
            (widest.lens, widest.center) == (camera.lens, camera.center)
                && (0..2).all(|k| widest.focal[k] <= camera.focal[k])
        };
        for camera in cameras {
            if camera.size != size || camera.size.contains(&0) {
                let (a, b) = (camera.size, size);
                return group_error(format!(
                    "camera `{}` has images of {a:?} pixels, not {b:?}",
                    camera.name
                ));
            }
            if self.rigs.find(camera).is_none() {
                let name = &camera.name;
                return group_error(match camera.follow {
                    Follow::Fixed => format!("camera `{name}` is on body {}", camera.body),
                    _ => format!("camera `{name}` follows a body, and no camera of the model does so alike"),
                });
            }
            if widest.is_some_and(|widest| says_enough(widest, camera)) {
                continue;
            }
            widest = Some(camera);
            if let Some([x, y]) = camera.blind_spot() {
                let name = &camera.name;
                return group_error(format!(
                    "the lens of camera `{name}` has no ray for the point ({x:.1}, {y:.1}) of its image"
                ));
            }
        }
        Ok(())
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

    /// The same of the views of some environments on a device; images of the others stay as they were.
    ///
    /// # Panics
    /// If the group is another tracer's, or not on a device.
    pub(crate) fn render_some(&self, group: &CameraGroup, views: &[u32]) {
        match (&self.side, &group.side) {
            (Side::Device(tracer), GroupSide::Device(group)) => tracer.render_some(group, views),
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
fn assets(model: &RobotModel, options: &TracerOptions) -> Assets {
    Assets::new(model, options.varied, |geom| class_of(geom, options.num_robot_bodies))
}

/// Said to whoever mixes tracers up.
const OTHERS_GROUP: &str = "the cameras are of another tracer";
/// Said to whoever asks for optical flow that was not planned.
const NO_FLOW: &str = "the tracer was made without optical flow";
/// Said to whoever asks for looks that were not planned.
const ALIKE: &str = "the tracer was made for environments that look alike";

/// Cameras of one size with their images.
#[derive(Debug)]
pub struct CameraGroup {
    /// Environments times cameras.
    pub num_views: usize,
    /// Width and height \[pixel\].
    pub size: [u32; 2],
    /// Whether some camera has a lens: kernels for pinholes alone are shorter.
    pub lenses: bool,
    side: GroupSide,
}

impl CameraGroup {
    /// The images of a channel where they were traced, if that is on a device and it was asked for.
    pub(crate) fn output(&self, channel: Channel) -> Option<&Buffer> {
        match &self.side {
            GroupSide::Device(group) => group.output(channel),
            GroupSide::Native(_) => None,
        }
    }
}

/// On the side of its tracer.
#[derive(Debug)]
enum GroupSide {
    Native(NativeGroup),
    Device(DeviceGroup),
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
