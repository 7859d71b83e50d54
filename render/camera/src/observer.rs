//! The pictures that a scene observes, made with a [`Tracer`](crate::Tracer).

use keiko_model::camera::PixelChannel;
use keiko_model::robot::RobotModel;
use keiko_world::{BatchState, Looks, Moment, Picture, Renderer};

use crate::develop::GREY;
use crate::images::Images;
use crate::pictures::Pictures;
use crate::sensor;
use crate::{Backend, CameraError, TracerOptions};

/// Renders pictures of all environments and copies them: one wait for whoever traces a step.
#[derive(Debug)]
pub struct Observer {
    pictures: Pictures,
    /// Of each picture `[num_envs, channels, height, width]`.
    pixels: Vec<Vec<f32>>,
}

impl Observer {
    /// Of `num_envs` environments of a model.
    ///
    /// # Errors
    /// As [`Tracer::new`](crate::Tracer::new) and [`Tracer::group`](crate::Tracer::group).
    pub fn new(
        backend: &Backend,
        model: &RobotModel,
        num_envs: usize,
        pictures: &[Picture],
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let zeros = |picture: &Picture| vec![0.0; num_envs * picture.shape().iter().product::<usize>()];
        let pixels = pictures.iter().map(zeros).collect();
        Ok(Self { pictures: Pictures::new(backend, model, num_envs, pictures, options)?, pixels })
    }

    fn look(&mut self, state: &BatchState, moments: &[Moment]) -> Result<(), CameraError> {
        self.pictures.pose(state, moments)?;
        let Pictures { tracer, all, exposures, .. } = &self.pictures;
        all.iter().for_each(|(_, group)| tracer.render(group));
        for (((picture, group), exposures), pixels) in all.iter().zip(exposures).zip(&mut self.pixels) {
            let images = tracer.read(group)?;
            fill(picture, &images, pixels);
            sensor::sense(picture, &images, moments, exposures, pixels);
        }
        Ok(())
    }
}

impl Renderer for Observer {
    fn dress(&mut self, looks: &Looks) -> Result<(), String> {
        self.pictures.dress(looks).map_err(|error| error.to_string())
    }

    fn render(&mut self, state: &BatchState, moments: &[Moment]) -> Result<(), String> {
        self.look(state, moments).map_err(|error| error.to_string())
    }

    fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        self.pictures.remember(state, moments);
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
