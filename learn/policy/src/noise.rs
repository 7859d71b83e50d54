//! Random numbers as functions of counters: nothing to save, nothing that depends on order or threads.

use std::f64::consts::TAU;

/// What a stream is for; streams of different purposes are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights, counted by tensor and element.
    Weights = 1,
    /// Exploration, counted by iteration, step and environment.
    Actions = 2,
    /// Order of minibatches, counted by iteration and epoch.
    Shuffle = 3,
    /// Entropy of squashed actions, counted by iteration, gradient step and sample.
    Entropy = 4,
    /// Noise and times of flow matching, counted by step, sample and number.
    Flow = 5,
    /// Changes of images, counted by step, sample and number.
    Images = 6,
}

/// A family of random numbers named by three counters.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of a seed and a purpose.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self { key: mix(mix(seed).wrapping_add(purpose as u64)) }
    }

    /// 64 uniform bits.
    pub fn bits(&self, a: u64, b: u64, c: u64) -> u64 {
        mix(mix(mix(self.key ^ a).wrapping_add(b)).wrapping_add(c))
    }

    /// Uniform in (0, 1].
    pub fn uniform(&self, a: u64, b: u64, c: u64) -> f64 {
        unit(self.bits(a, b, c))
    }

    /// Standard normal, by the method of Box and Muller.
    pub fn normal(&self, a: u64, b: u64, c: u64) -> f64 {
        let bits = self.bits(a, b, c);
        (-2.0 * unit(bits).ln()).sqrt() * (TAU * unit(mix(bits))).cos()
    }

    /// A permutation of `0..len`, by the method of Fisher and Yates.
    pub fn permutation(&self, a: u64, b: u64, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            let below = u128::from(self.bits(a, b, last as u64)) * (last as u128 + 1);
            order.swap(last, (below >> 64) as usize);
        }
        order
    }
}

/// Uniform in (0, 1] from 53 of the bits.
fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// A bijection whose output bits each depend on all input bits: the step and finaliser of SplitMix64
/// (Steele, Lea, Flood 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_the_moments_of_the_normal_distribution() {
        let stream = Stream::new(7, Purpose::Actions);
        let n = 400_000;
        let draws: Vec<f64> = (0..n).map(|i| stream.normal(i / 1000, (i / 10) % 100, i % 10)).collect();
        let moment = |k: i32| draws.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
        // Five standard errors of each estimate: sqrt(var(x^k) / n).
        let bound = |variance: f64| 5.0 * (variance / n as f64).sqrt();
        assert!(moment(1).abs() < bound(1.0));
        assert!((moment(2) - 1.0).abs() < bound(2.0));
        assert!(moment(3).abs() < bound(15.0));
        assert!((moment(4) - 3.0).abs() < bound(96.0));
    }

    #[test]
    fn a_permutation_holds_every_index_and_depends_on_its_counters() {
        let stream = Stream::new(7, Purpose::Shuffle);
        let order = stream.permutation(1, 2, 1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(order, stream.permutation(1, 3, 1000));
        assert_ne!(order, Stream::new(8, Purpose::Shuffle).permutation(1, 2, 1000));
        assert_eq!(order, Stream::new(7, Purpose::Shuffle).permutation(1, 2, 1000));
    }
}
