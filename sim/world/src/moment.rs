//! Random numbers of images: a pixel's noise is a function of run, environment, episode, step and camera.

use crate::rng::philox;

/// Which image of an environment it is: what its noise is keyed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Of the run.
    pub seed: u64,
    /// The environment, counted over the whole run.
    pub env: u32,
    /// Its episode.
    pub episode: u64,
    /// Control steps since the episode's beginning; noise repeats after 16.7 million.
    pub step: u32,
}

/// What the random numbers of a pixel are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelPurpose {
    /// Noise of colours.
    Color,
    /// Noise of depths.
    Depth,
    /// Noise of distances.
    Distance,
}

/// The random numbers of an image's pixels.
#[derive(Clone, Copy, Debug)]
pub struct PixelRng {
    key: [u32; 2],
    counter: [u32; 3],
}

/// Bits of the step in the number of a stream.
const STEP_BITS: u32 = 24;

impl Moment {
    /// The random numbers of one camera's image. The key of the run's other numbers is another one.
    pub fn pixels(&self, camera: u32, purpose: PixelPurpose) -> PixelRng {
        let stream = (purpose as u32) << STEP_BITS | self.step & ((1 << STEP_BITS) - 1);
        PixelRng { key: self.pixel_key(camera), counter: [self.episode as u32, self.env, stream] }
    }

    /// The key of one camera's random numbers, the same for the whole run.
    pub fn pixel_key(&self, camera: u32) -> [u32; 2] {
        let [a, b, ..] = philox([camera, 0x0063_616d, 0, 0], [self.seed as u32, (self.seed >> 32) as u32]);
        [a, b]
    }
}

impl PixelRng {
    /// Four random numbers of 32 bits of a pixel.
    pub fn at(&self, pixel: u32) -> [u32; 4] {
        let [episode, env, stream] = self.counter;
        philox([pixel, episode, env, stream], self.key)
    }

    /// Four normal numbers of a pixel with mean 0 and standard deviation 1 (Box and Muller).
    pub fn normals(&self, pixel: u32) -> [f32; 4] {
        let [a, b, c, d] = self.at(pixel);
        let [w, x] = normal_pair(a, b);
        let [y, z] = normal_pair(c, d);
        [w, x, y, z]
    }
}

/// Uniform in (0, 1], 24 bits.
pub fn unit(bits: u32) -> f32 {
    ((bits >> 8) as f32 + 0.5) / (1 << 24) as f32
}

/// Two normal numbers.
pub fn normal_pair(a: u32, b: u32) -> [f32; 2] {
    let radius = (-2.0 * unit(a).ln()).sqrt();
    let (sine, cosine) = (std::f32::consts::TAU * unit(b)).sin_cos();
    [radius * cosine, radius * sine]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_differ_by_every_part_of_their_key() {
        let base = Moment { seed: 7, env: 1, episode: 2, step: 3 };
        let first = |moment: Moment| moment.pixels(0, PixelPurpose::Color).at(5);
        for other in [
            first(Moment { seed: 8, ..base }),
            first(Moment { env: 2, ..base }),
            first(Moment { episode: 3, ..base }),
            first(Moment { step: 4, ..base }),
            base.pixels(1, PixelPurpose::Color).at(5),
            base.pixels(0, PixelPurpose::Depth).at(5),
            base.pixels(0, PixelPurpose::Color).at(6),
        ] {
            assert_ne!(first(base), other);
        }
        assert_eq!(first(base), first(base));
    }

    #[test]
    fn normal_numbers_have_their_moments_and_do_not_go_together() {
        let pixels = Moment { seed: 1, ..Moment::default() }.pixels(0, PixelPurpose::Color);
        let n = 40_000;
        let draws: Vec<[f64; 4]> = (0..n).map(|pixel| pixels.normals(pixel).map(f64::from)).collect();
        let mean = |of: &dyn Fn(&[f64; 4]) -> f64| draws.iter().map(of).sum::<f64>() / f64::from(n);
        // Five standard errors.
        let error = 5.0 / f64::from(n).sqrt();
        for i in 0..4 {
            assert!(mean(&|x| x[i]).abs() < error);
            assert!((mean(&|x| x[i] * x[i]) - 1.0).abs() < error * 2f64.sqrt());
            assert!((mean(&|x| x[i].powi(4)) - 3.0).abs() < error * 96f64.sqrt());
            for j in 0..i {
                assert!(mean(&|x| x[i] * x[j]).abs() < error, "{i} and {j}");
            }
        }
    }
}
