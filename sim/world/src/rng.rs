//! Random numbers from counters: a checkpoint holds counters only, and no environment depends on another.
//!
//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11). The key is
//! the run's seed; the counter is (draw, episode, environment, stream), so streams never overlap.

use glam::DVec2;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// One block of Philox4x32-10.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let wide = |k: usize| u64::from(MULTIPLIERS[k]) * u64::from(counter[2 * k]);
        let (a, b) = (wide(0), wide(1));
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

/// The random numbers of one environment in one episode for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvRng {
    key: [u32; 2],
    env: u32,
    episode: u32,
    stream: u32,
    draw: u32,
}

impl EnvRng {
    /// The stream of a key. `env_idx` counts over the whole run; episodes are counted modulo 2³².
    pub fn new(run_seed: u64, env_idx: u32, episode: u64, stream: u32) -> Self {
        let key = [run_seed as u32, (run_seed >> 32) as u32];
        Self { key, env: env_idx, episode: episode as u32, stream, draw: 0 }
    }

    /// The same stream from a given draw on: with control steps as draws, no memory is needed at all.
    pub fn at(self, draw: u32) -> Self {
        Self { draw, ..self }
    }

    /// Draws so far.
    pub fn draw(&self) -> u32 {
        self.draw
    }

    fn block(&mut self) -> [u32; 4] {
        let block = philox([self.draw, self.episode, self.env, self.stream], self.key);
        self.draw = self.draw.wrapping_add(1);
        block
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        let [a, b, ..] = self.block();
        let bits = (u64::from(a) << 32 | u64::from(b)) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let [a, b, c, d] = self.block();
        let to_unit =
            |hi: u32, lo: u32| ((u64::from(hi) << 32 | u64::from(lo)) >> 11) as f64 / (1u64 << 53) as f64;
        let radius = (-2.0 * (1.0 - to_unit(a, b)).ln()).sqrt();
        radius * DVec2::from_angle(std::f64::consts::TAU * to_unit(c, d)).x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with the authors' library (Random123, `kat_vectors`).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), answer);
    }

    #[test]
    fn draws_have_their_moments() {
        let mut rng = EnvRng::new(7, 3, 1, 0);
        let n = 20_000;
        let (mut sum, mut square, mut unit) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = rng.normal();
            sum += x;
            square += x * x;
            unit += rng.uniform(2.0, 4.0);
        }
        // Five standard errors.
        let error = 5.0 / (n as f64).sqrt();
        assert!((sum / n as f64).abs() < error, "mean {}", sum / n as f64);
        assert!((square / n as f64 - 1.0).abs() < error * 2f64.sqrt(), "variance {}", square / n as f64);
        assert!(
            (unit / n as f64 - 3.0).abs() < error * 2.0 / 12f64.sqrt(),
            "uniform mean {}",
            unit / n as f64
        );
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, env, episode, stream| EnvRng::new(seed, env, episode, stream).unit().to_bits();
        let base = first(1, 2, 3, 4);
        assert_eq!(base, first(1, 2, 3, 4));
        for other in [
            first(2, 2, 3, 4),
            first(1, 3, 3, 4),
            first(1, 2, 4, 4),
            first(1, 2, 3, 5),
            first(1 << 40, 2, 3, 4),
        ] {
            assert_ne!(base, other);
        }
        let mut rng = EnvRng::new(1, 2, 3, 4);
        rng.unit();
        assert_eq!(rng.unit().to_bits(), EnvRng::new(1, 2, 3, 4).at(1).unit().to_bits());
    }
}
