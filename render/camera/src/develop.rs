//! The images that a scene observes, made where they were traced: no number of them comes to the host.
//!
//! What an [`Observer`](crate::Observer) and the environment do with numbers on the host, a kernel does with the tracer's own
//! arrays: means over the samples of a pixel, what sensors make of them, shift, limit and scale, and frames in a row. The
//! frames of an environment lie in a ring, one array an image; the output is whatever array is given.

use keiko_gpu::camera::{self as layout, Film, Plane, SOURCES, Sensor, Sheet, Show, What};
use keiko_gpu::{Access, Buffer, Compute, Gpu, Slot};
use keiko_model::camera::{Channel, PixelChannel};
use keiko_model::robot::RobotModel;
use keiko_world::{BatchState, Looks, Moment, Picture};

use crate::pictures::Pictures;
use crate::sensor;
use crate::tracer::check_size;
use crate::{Backend, CameraError, TracerOptions};

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

    /// Frames that are kept: those that are seen, and those that were taken and are seen later.
    pub fn ring(&self) -> usize {
        self.stack + self.picture.camera.imager.timing.latency as usize
    }
}

/// Traces and develops the images of a batch on a device.
#[derive(Debug)]
pub struct Developer {
    gpu: Gpu,
    pictures: Pictures,
    num_envs: usize,
    compute: Compute,
    /// Rows of the output of a dispatch.
    shows: Buffer,
    /// One for each picture.
    images: Vec<Image>,
}

/// The frames of one image.
#[derive(Debug)]
struct Image {
    development: Development,
    film: Buffer,
    planes: Buffer,
    sensor: Buffer,
    sheet: Buffer,
    /// `[ring, num_envs, frame]`.
    kept: Buffer,
    /// Place of each environment's oldest frame.
    heads: Vec<usize>,
}

impl Developer {
    /// Of `num_envs` environments of a model.
    ///
    /// # Errors
    /// [`CameraError::TooLarge`]; [`CameraError::Gpu`]; a camera that cannot be traced.
    pub fn new(
        gpu: &Gpu,
        model: &RobotModel,
        num_envs: usize,
        developments: &[Development],
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let backend = Backend::Gpu(gpu.clone());
        let pictures: Vec<Picture> =
            developments.iter().map(|development| development.picture.clone()).collect();
        let pictures = Pictures::new(&backend, model, num_envs, &pictures, options)?;
        let compute = Compute::new(gpu, &layout::develop_kernel(), "develop", &slots(), &[])?;
        let shows = gpu.empty("shows", (num_envs * size_of::<Show>()) as u64);
        let images: Result<_, CameraError> =
            developments.iter().map(|development| Image::new(gpu, num_envs, development)).collect();
        Ok(Self { gpu: gpu.clone(), pictures, num_envs, compute, shows, images: images? })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Gives environments other looks from now on.
    ///
    /// # Errors
    /// [`CameraError::Group`] if they are made for environments that look alike ([`TracerOptions::varied`]).
    pub fn dress(&mut self, looks: &Looks) -> Result<(), CameraError> {
        self.pictures.dress(looks)
    }

    /// Takes where bodies are. Returns at once; the device works on.
    ///
    /// # Errors
    /// As [`Tracer::pose_before`](crate::Tracer::pose_before), which an image that shows motion has planned for.
    ///
    /// # Panics
    /// If the state is of another model or another number of environments.
    pub fn pose(&mut self, state: &BatchState, moments: &[Moment]) -> Result<(), CameraError> {
        self.pictures.pose(state, moments)
    }

    /// Takes a state that somebody else has shown: what moves is seen to move from there.
    pub fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        self.pictures.remember(state, moments);
    }

    /// Traces an image of the environments whose `rows` show a new frame, as they were posed last at their `moments`, and writes
    /// the rows `[rows.len(), row]` into `output`. A camera that takes no frame at a moment goes on with those that it has. With
    /// `keep` the new frames are kept. Returns at once; the device works on.
    ///
    /// # Errors
    /// [`CameraError::Gpu`] if the output is too small.
    ///
    /// # Panics
    /// For more rows than environments, or an environment that is not there.
    pub fn develop(
        &mut self,
        index: usize,
        rows: &[(usize, What)],
        moments: &[Moment],
        keep: bool,
        output: &Buffer,
    ) -> Result<(), CameraError> {
        assert!(rows.len() <= self.num_envs, "{} rows of {} environments", rows.len(), self.num_envs);
        let (picture, group) = &self.pictures.all[index];
        let (image, exposures) = (&mut self.images[index], &self.pictures.exposures[index]);
        let timing = picture.camera.imager.timing;
        let show = |&(env, what): &(usize, What)| {
            let Moment { env: run_environment, episode, step, .. } = moments[env];
            let rests = what == What::GoesOn && !timing.is_due(step);
            Show {
                environment: env as u32,
                what: if rests { What::Stays } else { what } as u32,
                head: image.heads[env] as u32,
                exposure: exposures.get(env).copied().unwrap_or(1.0),
                run_environment,
                episode: episode as u32,
                step,
                pad: 0,
            }
        };
        let shows: Vec<Show> = rows.iter().map(show).collect();
        let new = shows.iter().filter(|show| show.what != What::Stays as u32);
        let new: Vec<u32> = new.map(|show| show.environment).collect();
        if !new.is_empty() {
            self.pictures.tracer.render_some(group, &new);
        }

        let key = moments.first().map_or([0; 2], |moment| moment.pixel_key(picture.camera_index));
        self.gpu.write(&self.shows, &shows);
        self.gpu.write(&image.sheet, &[Sheet { rows: rows.len() as u32, keep: u32::from(keep), key }]);
        let nothing = &self.shows;
        let sources = SOURCES.map(|source| {
            let channel = Channel::ALL.into_iter().find(|channel| channel.name() == source);
            channel.and_then(|channel| group.output(channel)).unwrap_or(nothing)
        });
        let own = [&image.film, &image.planes, &image.sensor, &image.sheet, &self.shows, &image.kept];
        let pass = self.compute.bind(&[&own, &sources, &[output]])?;
        let groups = image.development.frame().div_ceil(layout::DEVELOP_THREADS as usize).max(1);
        let (rows, across) = (rows.len() as u32, layout::VIEWS_ACROSS);
        self.gpu.run(&[(&pass, [(groups as u32).min(across), rows.min(across), rows.div_ceil(across)])]);

        let ring = image.development.ring();
        let went_on = shows.iter().filter(|show| keep && show.what == What::GoesOn as u32);
        for show in went_on {
            let head = &mut image.heads[show.environment as usize];
            *head = (*head + 1) % ring;
        }
        Ok(())
    }

    /// Copies the kept frames of an image `[num_envs, ring, frame]` to the host, the newest last.
    ///
    /// # Errors
    /// [`CameraError::Gpu`] if the device is lost.
    pub fn frames(&self, image: usize) -> Result<Vec<f32>, CameraError> {
        let image = &self.images[image];
        let mut read = self.gpu.read(&[&image.kept])?;
        let kept: Vec<f32> = read.pop().unwrap_or_default().into_iter().map(f32::from_bits).collect();
        let (ring, frame) = (image.development.ring(), image.development.frame());
        let mut frames = Vec::with_capacity(kept.len());
        for (env, head) in image.heads.iter().enumerate() {
            for k in 0..ring {
                let place = (head + k) % ring * self.num_envs + env;
                frames.extend_from_slice(&kept[place * frame..(place + 1) * frame]);
            }
        }
        Ok(frames)
    }

    /// Keeps these frames of an image `[num_envs, ring, frame]` instead of those that it has.
    ///
    /// # Panics
    /// For another number of numbers.
    pub fn set_frames(&mut self, image: usize, frames: &[f32]) {
        let image = &mut self.images[image];
        let (ring, frame) = (image.development.ring(), image.development.frame());
        assert_eq!(frames.len(), self.num_envs * ring * frame, "frames");
        let mut kept = Vec::with_capacity(frames.len());
        for k in 0..ring {
            for env in 0..self.num_envs {
                let place = env * ring + k;
                kept.extend_from_slice(&frames[place * frame..(place + 1) * frame]);
            }
        }
        self.gpu.write(&image.kept, &kept);
        image.heads.fill(0);
    }
}

impl Image {
    fn new(gpu: &Gpu, num_envs: usize, development: &Development) -> Result<Self, CameraError> {
        let picture = &development.picture;
        let [num_planes, height, width] = picture.shape();
        let ring = development.ring();
        let bytes = (4 * num_envs * development.row.max(ring * development.frame())) as u64;
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
            ring: ring as u32,
            row: development.row as u32,
            start: development.start as u32,
            offset: development.offset,
            clip: development.clip.unwrap_or(f32::MAX),
            scale: development.scale,
        };
        let planes: Vec<Plane> = picture
            .channels
            .iter()
            .flat_map(|channel| (0..channel.count()).map(|part| plane(picture, *channel, part)))
            .collect();
        Ok(Self {
            film: gpu.uniform("film", &film),
            planes: gpu.buffer("planes", &planes),
            sensor: gpu.uniform("sensor", &sensor_of(picture)),
            sheet: gpu.uniform("sheet", &Sheet::default()),
            kept: gpu.empty("frames", (4 * num_envs * ring * development.frame()) as u64),
            heads: vec![0; num_envs],
            development: development.clone(),
        })
    }
}

/// Where one number of a pixel comes from.
fn plane(picture: &Picture, channel: PixelChannel, part: usize) -> Plane {
    let source = sensor::source(picture, channel);
    let mut plane = Plane {
        source: SOURCES.iter().position(|name| *name == source.name()).unwrap_or(0) as u32,
        planes: source.count() as u32,
        unit: 1.0,
        ..Plane::default()
    };
    // Bytes of a colour, or what a sensor makes of light, which is coded already.
    let whole = if source == Channel::Rgb { 255.0 } else { 1.0 };
    match channel {
        PixelChannel::Grey => plane.weights = GREY.map(|weight| weight / whole),
        PixelChannel::Rgb => plane.weights[part] = 1.0 / whole,
        PixelChannel::Segmentation | PixelChannel::Link => {}
        PixelChannel::Depth | PixelChannel::Distance | PixelChannel::Normals => plane.plane = part as u32,
        PixelChannel::Flow => {
            plane.plane = part as u32;
            // It is counted in pixels, not in rays.
            plane.unit = 1.0 / picture.samples as f32;
        }
        PixelChannel::Class => plane.class_id = part as i32,
    }
    plane
}

/// The sensors of a picture's camera.
fn sensor_of(picture: &Picture) -> Sensor {
    let imager = &picture.camera.imager;
    let (color, depth) = (imager.color.unwrap_or_default(), imager.depth.unwrap_or_default());
    let [still, linear, square] = depth.noise.map(|part| part as f32);
    let [nearest, farthest] = depth.range.map_or([-f32::MAX, f32::MAX], |range| range.map(|x| x as f32));
    Sensor {
        measures: u32::from(imager.depth.is_some()),
        exposure: color.exposure as f32,
        full_well: color.full_well as f32,
        read: (color.read_noise * color.read_noise) as f32,
        levels: ((1u32 << color.bits) - 1) as f32,
        gain: color.gain as f32,
        still,
        linear,
        square,
        missing: depth.missing as f32,
        dropout: depth.dropout as f32,
        step: depth.step as f32,
        nearest,
        farthest,
        far: picture.camera.far as f32,
    }
}

/// Shares of red, green and blue in brightness (ITU-R BT.601).
pub(crate) const GREY: [f32; 3] = [0.299, 0.587, 0.114];

fn slots() -> [&'static [Slot]; 3] {
    const READ: Slot = Slot::Storage(Access::Read);
    const WRITE: Slot = Slot::Storage(Access::ReadWrite);
    [&[Slot::Uniform, READ, Slot::Uniform, Slot::Uniform, READ, WRITE], &[READ; SOURCES.len()], &[WRITE]]
}
