//! What sensors read, against the formulas of their models, over many frames of one view.

use keiko_camera::{Backend, Camera, Channel, Observer, TracerOptions};
use keiko_model::camera::PixelChannel;
use keiko_model::imager::{ColorSensor, DepthSensor, Imager};
use keiko_model::robot::RobotModel;
use keiko_world::looks::CameraLook;
use keiko_world::{BatchState, Looks, Moment, Picture, Renderer};

use crate::support::{Random, camera_around, clutter, render, strewn, with_each};

const SIZE: [u32; 2] = [20, 14];
const AREA: usize = 20 * 14;
const SAMPLES: u32 = 2;
const FRAMES: u32 = 300;

/// A view of clutter.
struct View {
    model: RobotModel,
    state: BatchState,
    camera: Camera,
}

impl View {
    fn new(seed: u64, imager: Imager) -> Self {
        let mut random = Random(seed);
        let model = clutter(&mut random, false);
        let state = strewn(&model, &mut random, 1);
        let camera = Camera { imager, ..camera_around(&mut random, SIZE) };
        Self { model, state, camera }
    }

    /// Means over the rays of each pixel, as they are before the sensor `[channels, height, width]`.
    fn perfect(&self, backend: &Backend, channel: Channel) -> Vec<f64> {
        let large = self.camera.clone().resized(SIZE.map(|n| n * SAMPLES));
        let images = render(backend, &self.model, &self.state, &[large], &[channel]);
        let rays = images.floats(channel).expect("asked for");
        let (width, samples) = (SIZE[0] as usize, SAMPLES as usize);
        let mean = |at: usize| {
            let (plane, row, column) = (at / AREA, at % AREA / width, at % width);
            let ray = |k: usize| {
                let (y, x) = (row * samples + k / samples, column * samples + k % samples);
                f64::from(rays[plane * AREA * 4 + y * width * samples + x])
            };
            (0..4).map(ray).sum::<f64>() / 4.0
        };
        (0..rays.len() / 4).map(mean).collect()
    }

    /// What is read of each frame `[channels, height, width]`.
    fn frames(&self, backend: &Backend, channels: &[PixelChannel]) -> Vec<Vec<f64>> {
        self.exposed(backend, channels, None)
    }

    /// The same with an exposure that was drawn.
    fn exposed(&self, backend: &Backend, channels: &[PixelChannel], drawn: Option<f64>) -> Vec<Vec<f64>> {
        let picture = Picture {
            camera: self.camera.clone(),
            channels: channels.to_vec(),
            samples: SAMPLES,
            camera_index: 0,
        };
        let options = TracerOptions { varied: drawn.is_some(), ..TracerOptions::default() };
        let mut observer = Observer::new(backend, &self.model, 1, &[picture], &options)
            .unwrap_or_else(|error| panic!("{error}"));
        if let Some(exposure) = drawn {
            let cameras = vec![CameraLook { exposure, ..CameraLook::default() }];
            observer.dress(&Looks { cameras, ..Looks::default() }).unwrap_or_else(|error| panic!("{error}"));
        }
        let mut frame = |step: u32| {
            let moment = Moment { seed: 3, env: 0, episode: 1, step };
            observer.render(&self.state, &[moment]).unwrap_or_else(|error| panic!("{error}"));
            observer.pixels(0).iter().map(|x| f64::from(*x)).collect()
        };
        (0..FRAMES).map(&mut frame).collect()
    }
}

/// The inverse of sRGB's transfer function.
fn linear(coded: f64) -> f64 {
    if coded <= 0.04045 { coded / 12.92 } else { ((coded + 0.055) / 1.055).powf(2.4) }
}

/// Compares means and variances over all frames of pixels with what is expected of each, within five standard errors of
/// the sums over all pixels.
#[track_caller]
fn assert_moments(frames: &[Vec<f64>], expected: &[(usize, f64, f64)]) {
    assert!(expected.len() > AREA / 2, "only {} pixels are compared", expected.len());
    let (n, count) = (frames.len() as f64, expected.len() as f64);
    let (mut bias, mut off, mut ratio) = (0.0, 0.0, 0.0);
    for (at, mean, variance) in expected {
        let found = frames.iter().map(|frame| frame[*at]).sum::<f64>() / n;
        let spread = frames.iter().map(|frame| (frame[*at] - mean).powi(2)).sum::<f64>() / n;
        let z = (found - mean) / (variance / n).sqrt();
        bias += z / count;
        off += z * z / count;
        ratio += spread / variance / count;
    }
    println!(
        "{count} pixels: bias {bias:.3}, squared error of means {off:.3}, variance {ratio:.4} of the formula's"
    );
    assert!(bias.abs() < 5.0 / count.sqrt(), "means are off by {bias} standard errors");
    assert!((off - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "means scatter by {off}");
    assert!((ratio - 1.0).abs() < 5.0 * (2.0 / (n * count)).sqrt(), "variances are {ratio} of the formula's");
}

#[test]
fn colours_have_the_noise_of_photons_and_of_reading() {
    with_each("sensors::colours_have_the_noise_of_photons_and_of_reading", |backend| {
        // Bright and clean, dark and amplified.
        for (exposure, gain) in [(0.9, 1.0), (0.4, 2.0)] {
            let sensor = ColorSensor { exposure, gain, full_well: 2000.0, read_noise: 6.0, bits: 16 };
            let view = View::new(21, Imager { color: Some(sensor), ..Imager::default() });
            let light = view.perfect(backend, Channel::Radiance);
            let frames = view.frames(backend, &[PixelChannel::Rgb]);
            let decoded: Vec<Vec<f64>> =
                frames.iter().map(|frame| frame.iter().map(|c| linear(*c)).collect()).collect();
            let expected: Vec<_> = (0..3 * AREA)
                .map(|at| {
                    let mean = light[at] * exposure * gain;
                    let electrons = light[at] * exposure * 2000.0;
                    (at, mean, (gain / 2000.0).powi(2) * (electrons + 36.0))
                })
                // Six deviations from black and white, where values are cut.
                .filter(|(_, mean, variance)| {
                    (6.0 * variance.sqrt()..1.0 - 6.0 * variance.sqrt()).contains(mean)
                })
                .collect();
            assert_moments(&decoded, &expected);
            // The three colours of a pixel, and neighbours, have noise of their own.
            for shift in [1, AREA] {
                let pairs: Vec<_> = expected
                    .iter()
                    .filter(|(at, ..)| expected.iter().any(|(b, ..)| *b == at + shift))
                    .collect();
                let product = |(at, mean, variance): &&(usize, f64, f64)| {
                    let other = expected.iter().find(|(b, ..)| *b == at + shift).expect("just found");
                    let scale = (variance * other.2).sqrt();
                    decoded.iter().map(|f| (f[*at] - mean) * (f[at + shift] - other.1) / scale).sum::<f64>()
                };
                let count = pairs.len() as f64 * f64::from(FRAMES);
                let together = pairs.iter().map(product).sum::<f64>() / count;
                assert!(together.abs() < 5.0 / count.sqrt(), "{together} over {count}");
            }
        }
    });
}

#[test]
fn a_sensor_without_noise_shows_light_in_steps() {
    with_each("sensors::a_sensor_without_noise_shows_light_in_steps", |backend| {
        let sensor = ColorSensor { exposure: 6.0, full_well: 1e12, read_noise: 0.0, bits: 4, gain: 1.0 };
        let view = View::new(22, Imager { color: Some(sensor), ..Imager::default() });
        let light = view.perfect(backend, Channel::Radiance);
        let frame = &view.frames(backend, &[PixelChannel::Grey, PixelChannel::Rgb])[7];
        let mut white = 0;
        for at in 0..3 * AREA {
            let coded = match (6.0 * light[at]).clamp(0.0, 1.0) {
                c if c <= 0.0031308 => 12.92 * c,
                c => 1.055 * c.powf(1.0 / 2.4) - 0.055,
            };
            let found = frame[AREA + at];
            assert!((15.0 * found - (15.0 * found).round()).abs() < 1e-5, "{found} is between two steps");
            assert!((found - coded).abs() < 0.5 / 15.0 + 1e-4, "{found} instead of {coded}");
            white += usize::from(found == 1.0);
        }
        assert!(white > AREA / 4, "an exposure of 6 makes bright things white: {white}");
        for at in 0..AREA {
            let [r, g, b] = [1, 2, 3].map(|k| frame[k * AREA + at]);
            assert!((frame[at] - (0.299 * r + 0.587 * g + 0.114 * b)).abs() < 1e-6);
        }
    });
}

#[test]
fn depths_have_noise_that_grows_steps_gaps_and_an_end() {
    with_each("sensors::depths_have_noise_that_grows_steps_gaps_and_an_end", |backend| {
        let channels = [PixelChannel::Depth, PixelChannel::Distance];
        let sees = |depth| View::new(23, Imager { depth: Some(depth), ..Imager::default() });
        let noise = [0.002, 0.001, 0.003];
        let view = sees(DepthSensor { noise, ..DepthSensor::default() });
        let perfect: Vec<f64> =
            [Channel::Depth, Channel::Distance].iter().flat_map(|c| view.perfect(backend, *c)).collect();
        let frames = view.frames(backend, &channels);
        // A mean of rays of which one meets nothing is no place.
        let there = |at: &usize| perfect[*at] < 20.0;
        let expected: Vec<_> = (0..2 * AREA)
            .filter(there)
            .map(|at| {
                let z = perfect[at];
                (at, z, (noise[0] + noise[1] * z + noise[2] * z * z).powi(2))
            })
            .collect();
        assert_moments(&frames, &expected);

        let (step, dropout, range) = (0.05, 0.2, [2.0, 3.0]);
        let view =
            sees(DepthSensor { step, dropout, range: Some(range), missing: -1.0, ..DepthSensor::default() });
        let frames = view.frames(backend, &channels);
        let (mut asked, mut gaps, mut beyond) = (0.0, 0.0, 0);
        for at in 0..2 * AREA {
            let nearest = (perfect[at] / step).round() * step;
            let rounds_either_way = ((perfect[at] / step).fract() - 0.5).abs() < 1e-3;
            for frame in &frames {
                let found = frame[at];
                if nearest < range[0] - 1e-6 || nearest > range[1] + 1e-6 {
                    beyond += 1;
                    assert_eq!(found, -1.0, "{} is out of range", perfect[at]);
                } else {
                    asked += 1.0;
                    gaps += f64::from(u8::from(found == -1.0));
                    let off = (found - nearest).abs();
                    assert!(found == -1.0 || off < 1e-5 || rounds_either_way, "{found} for {}", perfect[at]);
                }
            }
        }
        assert!(beyond > 0 && asked > 10_000.0, "{beyond} {asked}");
        let share = gaps / asked;
        let error = 5.0 * (dropout * (1.0 - dropout) / asked).sqrt();
        // Both ends of the range are steps, so that which side they fall on is a matter of rounding.
        assert!((share - dropout).abs() < error + 0.002, "{share} of the answers are missing");
    });
}

#[test]
fn an_exposure_that_is_drawn_is_a_factor_on_the_sensors_own() {
    with_each("sensors::an_exposure_that_is_drawn_is_a_factor_on_the_sensors_own", |backend| {
        let with = |exposure| Imager {
            color: Some(ColorSensor { exposure, ..ColorSensor::default() }),
            ..Imager::default()
        };
        let drawn = View::new(26, with(1.2)).exposed(backend, &[PixelChannel::Rgb], Some(0.5));
        let written = View::new(26, with(0.6)).frames(backend, &[PixelChannel::Rgb]);
        assert_eq!(drawn, written);
        assert_ne!(drawn, View::new(26, with(1.2)).frames(backend, &[PixelChannel::Rgb]));
    });
}

#[test]
fn a_frame_is_a_function_of_its_moment() {
    with_each("sensors::a_frame_is_a_function_of_its_moment", |backend| {
        let imager = Imager {
            color: Some(ColorSensor::default()),
            depth: Some(DepthSensor { noise: [0.01, 0.0, 0.0], ..DepthSensor::default() }),
            ..Imager::default()
        };
        let view = View::new(24, imager);
        let channels = [PixelChannel::Rgb, PixelChannel::Depth, PixelChannel::Normals];
        let frames = view.frames(backend, &channels);
        assert_eq!(frames, view.frames(backend, &channels));
        assert!((1..FRAMES as usize).all(|k| frames[k] != frames[k - 1]));
        // Normals have no sensor.
        assert!(frames.iter().all(|frame| frame[4 * AREA..] == frames[0][4 * AREA..]));
    });
}
