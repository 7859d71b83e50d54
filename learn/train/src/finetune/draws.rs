//! The noises and times at which a frame is learned from.

use keiko_policy::noise::{Purpose, Stream};

/// Draws of noise and time for the frames of a step.
///
/// The mean over a frame's draws has the same expectation as that over independent ones, and scatters less: two draws in
/// a row are a pair with opposite noise, so that what is linear in the noise cancels, and each pair has its time from a
/// part of the distribution of its own. One draw is an independent one.
pub(super) struct Draws {
    stream: Stream,
    /// Draws of a frame.
    count: usize,
    step: u64,
}

impl Draws {
    /// `count` draws for each frame of a step.
    pub(super) fn new(seed: u64, count: usize, step: u64) -> Self {
        Self { stream: Stream::new(seed, Purpose::Flow), count, step }
    }

    /// `len` normal numbers.
    pub(super) fn noise(&self, frame: usize, draw: usize, len: usize) -> impl Iterator<Item = f32> {
        let (pair, sign) = (self.pair(frame, draw), if draw.is_multiple_of(2) { 1.0 } else { -1.0 });
        (0..len as u64).map(move |n| sign * self.stream.normal(self.step, pair, n) as f32)
    }

    /// Between 0, where actions are, and 1, where noise is.
    pub(super) fn time(&self, frame: usize, draw: usize) -> f32 {
        let uniform = self.stream.uniform(self.step, self.pair(frame, draw), u64::MAX);
        // A pair has the part of two draws; the last of an odd number is alone in the part of one.
        let start = draw - draw % 2;
        let part = (self.count - start).min(2);
        flow_time((start as f64 + part as f64 * uniform) / self.count as f64)
    }

    /// Counter of a draw's pair.
    fn pair(&self, frame: usize, draw: usize) -> u64 {
        (frame * self.count + draw / 2) as u64
    }
}

/// The time of a uniform number: Beta(1.5, 1), more often near noise, and never quite zero.
fn flow_time(uniform: f64) -> f32 {
    (0.001 + 0.999 * uniform.powf(1.0 / 1.5)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance over frames of the mean over a frame's draws of `f(noise, time)`.
    fn of_means(count: usize, f: impl Fn(f64, f64) -> f64) -> (f64, f64) {
        let draws = Draws::new(3, count, 7);
        let frames = 4000;
        let mean_of = |frame: usize| {
            let values = (0..count).map(|draw| {
                let noise = draws.noise(frame, draw, 1).map(f64::from).sum();
                f(noise, f64::from(draws.time(frame, draw)))
            });
            values.sum::<f64>() / count as f64
        };
        let means: Vec<f64> = (0..frames).map(mean_of).collect();
        let mean = means.iter().sum::<f64>() / frames as f64;
        let variance = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / frames as f64;
        (mean, variance)
    }

    #[test]
    fn times_are_distributed_as_published() {
        // Mean of Beta(1.5, 1) is 0.6, its square's 3/7.
        let n = 10_000;
        let times: Vec<f64> = (0..n).map(|i| f64::from(flow_time((i as f64 + 0.5) / n as f64))).collect();
        let mean = times.iter().sum::<f64>() / n as f64;
        assert!((mean - (0.001 + 0.999 * 0.6)).abs() < 1e-4, "{mean}");
        let square = times.iter().map(|t| ((t - 0.001) / 0.999).powi(2)).sum::<f64>() / n as f64;
        assert!((square - 3.0 / 7.0).abs() < 1e-4, "{square}");
    }

    #[test]
    fn any_number_of_draws_has_the_expectation_of_one() {
        // Of Beta(1.5, 1), scaled to 0.001 to 1: mean 0.6, variance 0.0686; of noise: mean 0, square 1.
        for count in [1, 2, 3, 8] {
            let (time, _) = of_means(count, |_, time| time);
            let (square, _) = of_means(count, |noise, time| noise * noise * time);
            assert!((time - 0.6004).abs() < 0.013, "{count} draws: mean time {time}");
            assert!(
                (square - 0.6004).abs() < 0.05,
                "{count} draws: mean of noise squared times time {square}"
            );
        }
    }

    #[test]
    fn means_over_draws_scatter_less_than_those_of_independent_ones() {
        let (_, one) = of_means(1, |_, time| time);
        assert!((one - 0.0686).abs() < 0.006, "variance of a time: {one}");
        for count in [2, 3, 8] {
            let (_, times) = of_means(count, |_, time| time);
            assert!(times <= 1.02 * one / (count / 2) as f64, "{count} draws: {times} of {one}");
        }
        let (_, linear) = of_means(4, |noise, time| noise * time);
        assert!(linear < 1e-12, "what is linear in the noise cancels: {linear}");
        let (_, eight) = of_means(8, |_, time| time);
        assert!(eight < one / 32.0, "eight draws in four parts: {eight} of {one}");
    }
}
