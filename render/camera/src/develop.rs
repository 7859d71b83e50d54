//! The images that a scene observes, made where they were traced: no number of them comes to the host.
//!
//! What an [`Observer`](crate::Observer) and the environment do with numbers on the host, a kernel does with the tracer's own
//! arrays: means over the samples of a pixel, shift, limit and scale, and frames in a row. The frames of a stack lie in a
//! ring, one array an image; the output is whatever array is given.

use keiko_gpu::camera::{self as layout, Film, Moment, Plane, SOURCES, Show, What};
use keiko_gpu::{Access, Buffer, Compute, Gpu, Slot};
use keiko_model::camera::{Channel, PixelChannel};
use keiko_model::light::Lamp;
use keiko_model::robot::RobotModel;
use keiko_world::{BatchState, Picture};

use crate::device::{DeviceGroup, DeviceTracer};
use crate::lamps;
use crate::rig::Rigs;
use crate::tracer::{assets, check_size};
use crate::{CameraError, TracerOptions};

/// How a picture becomes an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Development {
    /// One frame as it is traced.
    pub picture: Picture,
    /// Frames, at least 1.
    pub stack: usize,
    /// Taken away from each number.
    pub offset: f32,
    /// Most of what is left, either way.
    pub clip: Option<f32>,
    /// Times what is left.
    pub scale: f32,
    /// Numbers of a row of the output.
    pub row: usize,
    /// Numbers of the row before the frames.
    pub start: usize,
}

impl Development {
    /// Numbers of one frame.
    pub fn frame(&self) -> usize {
        self.picture.shape().iter().product()
    }
}

/// Traces and develops the images of a batch on a device.
#[derive(Debug)]
pub struct Developer {
    gpu: Gpu,
    tracer: DeviceTracer,
    rigs: Rigs,
    lamps: Vec<Lamp>,
    num_envs: usize,
    compute: Compute,
    /// Rows of the output of a dispatch.
    shows: Buffer,
    images: Vec<Image>,
}

/// One image with its frames.
#[derive(Debug)]
struct Image {
    development: Development,
    group: DeviceGroup,
    film: Buffer,
    planes: Buffer,
    moment: Buffer,
    /// `[stack, num_envs, frame]`.
    kept: Buffer,
    /// Place of the oldest frame.
    head: usize,
}

impl Developer {
    /// Of `num_envs` environments of a model, which look alike.
    ///
    /// # Errors
    /// [`CameraError::TooLarge`]; [`CameraError::Gpu`].
    pub fn new(
        gpu: &Gpu,
        model: &RobotModel,
        num_envs: usize,
        developments: &[Development],
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let rigs = Rigs::new(model);
        let sizes = [num_envs, rigs.num_all(), model.lamps.len()];
        let options = &TracerOptions { look: lamps::light(options.look, model), ..options.clone() };
        let tracer = DeviceTracer::new(gpu, &assets(model, options), sizes, options)?;
        let lamps = model.lamps.clone();
        let compute = Compute::new(gpu, &layout::develop_kernel(), "develop", &slots(), &[])?;
        let shows = gpu.empty("shows", (num_envs * size_of::<Show>()) as u64);
        let images: Result<_, CameraError> = developments
            .iter()
            .map(|development| Image::new(gpu, &tracer, &rigs, num_envs, development))
            .collect();
        Ok(Self { gpu: gpu.clone(), num_envs, tracer, rigs, lamps, compute, shows, images: images? })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Traces all images of the first `num_envs` environments of a state. Returns at once; the device works on.
    ///
    /// # Panics
    /// If the state is of another model or another number of environments.
    pub fn trace(&self, state: &BatchState, num_envs: usize) {
        self.tracer.pose(&self.rigs.place(state), &lamps::placed(&self.lamps, &[], state));
        for image in &self.images {
            self.tracer.render_first(&image.group, num_envs);
        }
    }

    /// Writes rows of an image `[shows.len(), row]` into `output`: each the environment whose frames it goes on with, and
    /// the place of its new frame among those that were traced last. Returns at once; the device works on. With `keep` the
    /// new frames are kept; where they are of a step, [`Developer::advance`] comes after the last image.
    ///
    /// # Errors
    /// [`CameraError::Gpu`] if the output is too small.
    ///
    /// # Panics
    /// For more rows than environments, or an environment that is not there.
    pub fn develop(
        &self,
        image: usize,
        shows: &[(usize, usize, What)],
        keep: bool,
        output: &Buffer,
    ) -> Result<(), CameraError> {
        let image = &self.images[image];
        let inside = |(env, view, _): &(usize, usize, What)| *env.max(view) < self.num_envs;
        assert!(shows.len() <= self.num_envs && shows.iter().all(inside), "rows of other environments");
        let rows: Vec<Show> = shows
            .iter()
            .map(|(env, view, what)| Show {
                environment: *env as u32,
                view: *view as u32,
                what: *what as u32,
                pad: 0,
            })
            .collect();
        let moment =
            Moment { rows: rows.len() as u32, head: image.head as u32, keep: u32::from(keep), pad: 0 };
        self.gpu.write(&self.shows, &rows);
        self.gpu.write(&image.moment, &[moment]);
        let nothing = &self.shows;
        let sources = SOURCES.map(|source| {
            let channel = Channel::ALL.into_iter().find(|channel| channel.name() == source);
            channel.and_then(|channel| image.group.output(channel)).unwrap_or(nothing)
        });
        let own = [&image.film, &image.planes, &image.moment, &self.shows, &image.kept];
        let pass = self.compute.bind(&[&own, &sources, &[output]])?;
        let groups = image.development.frame().div_ceil(layout::DEVELOP_THREADS as usize).max(1);
        let (rows, across) = (rows.len() as u32, layout::VIEWS_ACROSS);
        self.gpu.run(&[(&pass, [(groups as u32).min(across), rows.min(across), rows.div_ceil(across)])]);
        Ok(())
    }

    /// The new frames that were kept are the newest from now on, and the oldest are gone.
    pub fn advance(&mut self) {
        for image in &mut self.images {
            image.head = (image.head + 1) % image.development.stack;
        }
    }

    /// Copies the kept frames of an image `[num_envs, stack, frame]` to the host, the newest last.
    ///
    /// # Errors
    /// [`CameraError::Gpu`] if the device is lost.
    pub fn frames(&self, image: usize) -> Result<Vec<f32>, CameraError> {
        let image = &self.images[image];
        let mut read = self.gpu.read(&[&image.kept])?;
        let kept: Vec<f32> = read.pop().unwrap_or_default().into_iter().map(f32::from_bits).collect();
        let (stack, frame) = (image.development.stack, image.development.frame());
        let mut frames = Vec::with_capacity(kept.len());
        for env in 0..self.num_envs {
            for k in 0..stack {
                let place = (image.head + k) % stack * self.num_envs + env;
                frames.extend_from_slice(&kept[place * frame..(place + 1) * frame]);
            }
        }
        Ok(frames)
    }

    /// Keeps these frames of an image `[num_envs, stack, frame]` instead of those that were seen.
    ///
    /// # Panics
    /// For another number of numbers.
    pub fn set_frames(&mut self, image: usize, frames: &[f32]) {
        let image = &mut self.images[image];
        let (stack, frame) = (image.development.stack, image.development.frame());
        assert_eq!(frames.len(), self.num_envs * stack * frame, "frames");
        let mut kept = Vec::with_capacity(frames.len());
        for k in 0..stack {
            for env in 0..self.num_envs {
                let place = env * stack + k;
                kept.extend_from_slice(&frames[place * frame..(place + 1) * frame]);
            }
        }
        self.gpu.write(&image.kept, &kept);
        image.head = 0;
    }
}

impl Image {
    fn new(
        gpu: &Gpu,
        tracer: &DeviceTracer,
        rigs: &Rigs,
        num_envs: usize,
        development: &Development,
    ) -> Result<Self, CameraError> {
        let picture = &development.picture;
        let [num_planes, height, width] = picture.shape();
        let camera = picture.camera.clone().resized(picture.camera.size.map(|n| n * picture.samples));
        let mut channels: Vec<Channel> = picture.channels.iter().map(|channel| channel.source()).collect();
        channels.sort_unstable();
        channels.dedup();
        let group = tracer.group(&[rigs.mirror(&camera)], camera.size, &channels)?;
        let bytes = (4 * num_envs * development.row.max(development.stack * development.frame())) as u64;
        let (holder, most) = (gpu.adapter.get_info().name, gpu.largest_binding());
        let advice = "take fewer environments, fewer frames or smaller images";
        check_size(&holder, most, "the frames of an image", bytes, advice)?;
        let film = Film {
            environments: num_envs as u32,
            planes: num_planes as u32,
            width: width as u32,
            height: height as u32,
            samples: picture.samples,
            stack: development.stack as u32,
            row: development.row as u32,
            start: development.start as u32,
            offset: development.offset,
            clip: development.clip.unwrap_or(f32::MAX),
            scale: development.scale,
            pad: 0.0,
        };
        let planes: Vec<Plane> = picture
            .channels
            .iter()
            .flat_map(|channel| (0..channel.count()).map(|part| plane(*channel, part)))
            .collect();
        Ok(Self {
            group,
            film: gpu.uniform("film", &film),
            planes: gpu.buffer("planes", &planes),
            moment: gpu.uniform("moment", &Moment::default()),
            kept: gpu.empty("frames", (4 * num_envs * development.stack * development.frame()) as u64),
            head: 0,
            development: development.clone(),
        })
    }
}

/// Where one number of a pixel comes from.
fn plane(channel: PixelChannel, part: usize) -> Plane {
    let source = channel.source();
    let mut plane = Plane {
        source: SOURCES.iter().position(|name| *name == source.name()).unwrap_or(0) as u32,
        planes: source.count() as u32,
        ..Plane::default()
    };
    match channel {
        PixelChannel::Grey => plane.weights = GREY.map(|weight| weight / 255.0),
        PixelChannel::Rgb => plane.weights[part] = 1.0 / 255.0,
        PixelChannel::Segmentation | PixelChannel::Link => {}
        PixelChannel::Depth | PixelChannel::Distance | PixelChannel::Normals | PixelChannel::Flow => {
            plane.plane = part as u32;
        }
        PixelChannel::Class => plane.class_id = part as i32,
    }
    plane
}

/// Shares of red, green and blue in brightness (ITU-R BT.601).
pub(crate) const GREY: [f32; 3] = [0.299, 0.587, 0.114];

fn slots() -> [&'static [Slot]; 3] {
    const READ: Slot = Slot::Storage(Access::Read);
    const WRITE: Slot = Slot::Storage(Access::ReadWrite);
    [&[Slot::Uniform, READ, Slot::Uniform, READ, WRITE], &[READ; SOURCES.len()], &[WRITE]]
}
