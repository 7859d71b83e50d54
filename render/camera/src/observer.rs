//! The pictures that a scene observes, made with a [`Tracer`].

use keiko_model::camera::{Channel, PixelChannel};
use keiko_model::robot::RobotModel;
use keiko_world::{BatchState, Looks, Moment, Picture, Renderer};

use crate::develop::GREY;
use crate::images::Images;
use crate::past::Past;
use crate::{Backend, CameraError, CameraGroup, Tracer, TracerOptions};
use crate::{dress, sensor};

/// Renders pictures of all environments and copies them: one wait for whoever traces a step.
#[derive(Debug)]
pub struct Observer {
    tracer: Tracer,
    pictures: Vec<(Picture, CameraGroup)>,
    /// Of each picture `[num_envs, channels, height, width]`.
    pixels: Vec<Vec<f32>>,
    /// Factors on the exposure of each picture's camera `[num_envs]`; empty where none are drawn.
    exposures: Vec<Vec<f32>>,
    /// Where some picture shows motion.
    past: Option<Past>,
}

impl Observer {
    /// Of `num_envs` environments of a model.
    ///
    /// # Errors
    /// As [`Tracer::new`] and [`Tracer::group`].
    pub fn new(
        backend: &Backend,
        model: &RobotModel,
        num_envs: usize,
        pictures: &[Picture],
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let flow = pictures.iter().any(|picture| picture.channels.contains(&PixelChannel::Flow));
        let tracer = Tracer::new(backend, model, num_envs, &TracerOptions { flow, ..options.clone() })?;
        let mut groups = Vec::new();
        for picture in pictures {
            let large = picture.camera.size.map(|n| n * picture.samples);
            let source = |channel: &PixelChannel| sensor::source(picture, *channel);
            let sources: Vec<Channel> = picture.channels.iter().map(source).collect();
            let camera = picture.camera.clone().resized(large);
            groups.push((picture.clone(), tracer.group(&[camera], &sources)?));
        }
        let pixels =
            pictures.iter().map(|picture| vec![0.0; num_envs * picture.shape().iter().product::<usize>()]);
        let past = flow.then(|| Past::new(model, num_envs));
        let exposures = vec![Vec::new(); pictures.len()];
        Ok(Self { tracer, pixels: pixels.collect(), pictures: groups, exposures, past })
    }
}

impl Renderer for Observer {
    fn dress(&mut self, looks: &Looks) -> Result<(), String> {
        let num_cameras = looks.cameras.len() / self.tracer.num_envs().max(1);
        for ((picture, _), exposures) in self.pictures.iter().zip(&mut self.exposures) {
            let own = looks.cameras.iter().skip(picture.camera_index as usize).step_by(num_cameras.max(1));
            *exposures = own.map(|look| look.exposure as f32).collect();
        }
        let dressed = self.tracer.dress(looks);
        let aimed = self.pictures.iter().map(|(picture, group)| {
            let large = picture.camera.clone().resized(picture.camera.size.map(|n| n * picture.samples));
            let index = picture.camera_index as usize;
            let cameras = dress::aimed_each(&large, index, looks, self.tracer.num_envs());
            if cameras.is_empty() { Ok(()) } else { self.tracer.aim(group, &cameras) }
        });
        let all: Result<(), CameraError> = [dressed].into_iter().chain(aimed).collect();
        all.map_err(|error| error.to_string())
    }

    fn render(&mut self, state: &BatchState, moments: &[Moment]) -> Result<(), String> {
        self.remember(state, moments);
        if let Some(past) = &self.past {
            self.tracer.pose_before(past.before()).map_err(|error| error.to_string())?;
        }
        self.tracer.pose(state);
        for (_, group) in &self.pictures {
            self.tracer.render(group);
        }
        let pictures = self.pictures.iter().zip(&self.exposures).zip(&mut self.pixels);
        for (((picture, group), exposures), pixels) in pictures {
            let images = self.tracer.read(group).map_err(|error| error.to_string())?;
            fill(picture, &images, pixels);
            sensor::sense(picture, &images, moments, exposures, pixels);
        }
        Ok(())
    }

    fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        if let Some(past) = &mut self.past {
            past.remember(state, moments);
        }
    }

    fn pixels(&self, picture: usize) -> &[f32] {
        &self.pixels[picture]
    }
}

/// Fills `[views, channels, height, width]` with means over the samples of each pixel.
fn fill(picture: &Picture, images: &Images, pixels: &mut [f32]) {
    let [channels, height, width] = picture.shape();
    let samples = picture.samples as usize;
    let plane = height * width;
    let mut first = 0;
    for channel in &picture.channels {
        // What a sensor makes of light is no mean of bytes.
        let parts = if sensor::source(picture, *channel) == channel.source() { channel.count() } else { 0 };
        for part in 0..parts {
            let source = Source::new(images, *channel, part, samples);
            for view in 0..images.num_views {
                let to = (view * channels + first + part) * plane;
                for (row, line) in pixels[to..to + plane].chunks_exact_mut(width).enumerate() {
                    for (column, pixel) in line.iter_mut().enumerate() {
                        *pixel = source.mean(view, [row * samples, column * samples], samples);
                    }
                }
            }
        }
        first += channel.count();
    }
}

/// One number of each pixel of the images as they were rendered.
struct Source<'a> {
    bytes: &'a [u8],
    floats: &'a [f32],
    /// Numbers of things, and the class whose share is meant, if that is.
    ids: &'a [i32],
    class: Option<i32>,
    /// What the mean is multiplied by: flow is counted in pixels, not in rays.
    unit: f32,
    /// What one byte of each colour weighs.
    weights: [f32; 3],
    /// Numbers of a view.
    view: usize,
    /// Numbers before the plane that is read.
    skip: usize,
    width: usize,
}

impl<'a> Source<'a> {
    fn new(images: &'a Images, channel: PixelChannel, part: usize, samples: usize) -> Self {
        let [width, height] = images.size.map(|n| n as usize);
        let plane = width * height;
        let count = channel.source().count();
        let mut weights = [0.0; 3];
        match channel {
            PixelChannel::Grey => weights = GREY.map(|weight| weight / 255.0),
            _ => weights[part] = 1.0 / 255.0,
        }
        let is_colour = matches!(channel, PixelChannel::Rgb | PixelChannel::Grey);
        let ids = images.ids(channel.source()).unwrap_or_default();
        Self {
            bytes: images.rgb().filter(|_| is_colour).unwrap_or_default(),
            floats: images.floats(channel.source()).unwrap_or_default(),
            ids,
            class: (channel == PixelChannel::Class).then_some(part as i32),
            unit: if channel == PixelChannel::Flow { 1.0 / samples as f32 } else { 1.0 },
            weights,
            view: count * plane,
            skip: if is_colour || !ids.is_empty() { 0 } else { part * plane },
            width,
        }
    }

    /// Mean of a square of rays.
    fn mean(&self, view: usize, [row, column]: [usize; 2], side: usize) -> f32 {
        let mut sum = 0.0;
        for row in row..row + side {
            for column in column..column + side {
                let at = view * self.view + self.skip + row * self.width + column;
                sum += match self.bytes.get(4 * at..4 * at + 3) {
                    Some(rgb) => rgb.iter().zip(self.weights).map(|(byte, w)| f32::from(*byte) * w).sum(),
                    None => match (self.ids.get(at), self.class) {
                        (None, _) => self.floats[at],
                        (Some(id), Some(class)) => f32::from(u8::from(*id == class)),
                        (Some(id), None) => *id as f32,
                    },
                };
            }
        }
        self.unit * (sum / (side * side) as f32)
    }
}
