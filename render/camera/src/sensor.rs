//! What sensors make of perfect pictures: shot and read noise, steps, gaps. The model is in `keiko_model::imager`.

use keiko_model::camera::{Channel, PixelChannel};
use keiko_model::imager::{ColorSensor, DepthSensor};
use keiko_world::Picture;
use keiko_world::moment::{Moment, PixelPurpose, PixelRng, normal_pair, unit};
use rayon::prelude::*;

use crate::images::Images;

/// What is rendered for a channel of a picture: light, where a sensor is to count it.
pub fn source(picture: &Picture, channel: PixelChannel) -> Channel {
    match channel {
        PixelChannel::Rgb | PixelChannel::Grey if picture.camera.imager.color.is_some() => Channel::Radiance,
        _ => channel.source(),
    }
}

/// Fills in what a colour sensor makes of light, and makes of depths and distances what a depth sensor reads: `pixels`
/// `[views, channels, height, width]`, one view and moment for each environment, and factors on its exposure where they are drawn.
pub fn sense(picture: &Picture, images: &Images, moments: &[Moment], exposures: &[f32], pixels: &mut [f32]) {
    let imager = &picture.camera.imager;
    let [channels, height, width] = picture.shape();
    let plane = height * width;
    if (imager.color.is_none() && imager.depth.is_none()) || channels * plane == 0 {
        return;
    }
    let colored = picture.channels.iter().any(|channel| source(picture, *channel) == Channel::Radiance);
    pixels.par_chunks_mut(channels * plane).zip(moments).enumerate().for_each(|(view, (pixels, moment))| {
        let noise = |purpose| moment.pixels(picture.camera_index, purpose);
        if let Some(sensor) = imager.color.as_ref().filter(|_| colored) {
            let (light, exposed) = (Light::new(picture, images, view), exposures.get(view).unwrap_or(&1.0));
            let noise = noise(PixelPurpose::Color);
            for at in 0..plane {
                let color = count(sensor, light.mean(at).map(|part| exposed * part), &noise, at);
                put(picture, pixels, at, color);
            }
        }
        let Some(sensor) = &imager.depth else { return };
        let mut first = 0;
        for channel in &picture.channels {
            let purpose = match channel {
                PixelChannel::Depth => Some(PixelPurpose::Depth),
                PixelChannel::Distance => Some(PixelPurpose::Distance),
                _ => None,
            };
            if let Some(noise) = purpose.map(noise) {
                let far = picture.camera.far as f32;
                for (at, z) in pixels[first * plane..(first + 1) * plane].iter_mut().enumerate() {
                    *z = measure(sensor, *z, far, noise.at(at as u32));
                }
            }
            first += channel.count();
        }
    });
}

/// A colour, coded as sRGB in [0, 1], of the light of a pixel.
fn count(sensor: &ColorSensor, light: [f32; 3], noise: &PixelRng, pixel: usize) -> [f32; 3] {
    let full_well = sensor.full_well as f32;
    let read = (sensor.read_noise * sensor.read_noise) as f32;
    let levels = ((1u32 << sensor.bits) - 1) as f32;
    let noise = noise.normals(pixel as u32);
    [0, 1, 2].map(|k| {
        let expected = (light[k] * sensor.exposure as f32).max(0.0) * full_well;
        let counted = (expected + (expected + read).sqrt() * noise[k]).clamp(0.0, full_well);
        let coded = encode(counted * sensor.gain as f32 / full_well);
        (coded * levels).round() / levels
    })
}

/// What is read of a depth or distance.
fn measure(sensor: &DepthSensor, z: f32, far: f32, [a, b, c, _]: [u32; 4]) -> f32 {
    let missing = sensor.missing as f32;
    if z >= far || unit(c) <= sensor.dropout as f32 {
        return missing;
    }
    let [still, linear, square] = sensor.noise.map(|part| part as f32);
    let spread = still + z.abs() * (linear + z.abs() * square);
    let mut read = z + spread * normal_pair(a, b)[0];
    if sensor.step > 0.0 {
        let step = sensor.step as f32;
        read = (read / step).round() * step;
    }
    match sensor.range {
        Some([low, high]) if !(read >= low as f32 && read <= high as f32) => missing,
        _ => read,
    }
}

/// Writes a colour into the channels that show it.
fn put(picture: &Picture, pixels: &mut [f32], at: usize, color: [f32; 3]) {
    let [_, height, width] = picture.shape();
    let mut plane = 0;
    for channel in &picture.channels {
        let place = plane * height * width + at;
        match channel {
            PixelChannel::Rgb => {
                for (k, part) in color.into_iter().enumerate() {
                    pixels[place + k * height * width] = part;
                }
            }
            PixelChannel::Grey => pixels[place] = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2],
            _ => {}
        }
        plane += channel.count();
    }
}

/// Light of a view as it was rendered.
struct Light<'a> {
    planes: &'a [f32],
    /// Pixels of a row of the picture, and rays along each side of one.
    width: usize,
    samples: usize,
}

impl<'a> Light<'a> {
    fn new(picture: &Picture, images: &'a Images, view: usize) -> Self {
        let all = images.floats(Channel::Radiance).unwrap_or_default();
        let size = all.len() / images.num_views.max(1);
        let [_, _, width] = picture.shape();
        Self { planes: &all[view * size..(view + 1) * size], width, samples: picture.samples as usize }
    }

    /// Mean over the rays of a pixel.
    fn mean(&self, pixel: usize) -> [f32; 3] {
        let (row, column) = (pixel / self.width * self.samples, pixel % self.width * self.samples);
        let across = self.width * self.samples;
        let area = self.planes.len() / 3;
        [0, 1, 2].map(|k| {
            let mut sum = 0.0;
            for y in row..row + self.samples {
                let from = k * area + y * across + column;
                sum += self.planes[from..from + self.samples].iter().sum::<f32>();
            }
            sum / (self.samples * self.samples) as f32
        })
    }
}

/// sRGB's transfer function.
fn encode(linear: f32) -> f32 {
    let c = linear.clamp(0.0, 1.0);
    if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 }
}
