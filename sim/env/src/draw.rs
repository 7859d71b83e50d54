//! Random numbers without state: every draw is a function of seed, environment, episode and purpose.

use keiko_world::EnvRng;

/// What a stream is for. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// State and parameters at the start of an episode, one stream a randomisation term.
    Reset,
    /// A command, one stream a command and a control step.
    Command,
    /// Noise of an observation group, one stream a control step.
    Noise,
    /// When and where to push, two streams a term and a control step.
    Push,
}

/// Most streams of one purpose in a control step.
pub(crate) const MAX_STREAMS: usize = 64;

/// Bits of the control step in the number of a stream; longer episodes repeat their noise after 16.7 million steps.
const STEP_BITS: u32 = 24;

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw(EnvRng);

/// Whose stream: the environment, counted over the whole run, and its episode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub seed: u64,
    pub env: u32,
    pub episode: u64,
}

impl Who {
    /// The stream for a purpose; `index` (below [`MAX_STREAMS`]) tells streams of one purpose apart, `step` is
    /// the control step in the episode.
    pub fn draw(self, purpose: Purpose, index: usize, step: u32) -> Draw {
        let index = (index % MAX_STREAMS) as u32;
        let stream = (purpose as u32) << 30 | index << STEP_BITS | (step & ((1 << STEP_BITS) - 1));
        Draw(EnvRng::new(self.seed, self.env, self.episode, stream))
    }
}

impl Who {
    /// The same environment with streams apart, for looks: they change nothing that is drawn for the physics.
    pub fn looks(self) -> Self {
        Self { seed: self.seed.rotate_left(32) ^ 0x6c6f_6f6b_735f_6f66, ..self }
    }
}

impl Draw {
    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    /// Uniform in a range.
    pub fn range(&mut self, [low, high]: [f64; 2]) -> f64 {
        self.0.uniform(low, high)
    }

    /// Normal with mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        self.0.normal()
    }

    /// Uniform whole number in a range, both ends included.
    pub fn whole(&mut self, [low, high]: [u32; 2]) -> u32 {
        let span = f64::from(high.saturating_sub(low)) + 1.0;
        low.saturating_add((self.unit() * span) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_key() {
        let first = |env, episode, purpose, index, step| {
            Who { seed: 7, env, episode }.draw(purpose, index, step).unit()
        };
        let base = first(0, 0, Purpose::Reset, 0, 0);
        for other in [
            first(1, 0, Purpose::Reset, 0, 0),
            first(0, 1, Purpose::Reset, 0, 0),
            first(0, 0, Purpose::Noise, 0, 0),
            first(0, 0, Purpose::Reset, 1, 0),
            first(0, 0, Purpose::Reset, 0, 1),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base, first(0, 0, Purpose::Reset, 0, 0));
    }

    #[test]
    fn whole_numbers_reach_both_ends() {
        let draw = |env| Who { seed: 3, env, episode: 0 }.draw(Purpose::Push, 0, 0).whole([2, 4]);
        let seen: Vec<u32> = (0..200).map(draw).collect();
        assert!((2..=4).all(|n| seen.contains(&n)) && seen.iter().all(|n| (2..=4).contains(n)));
    }
}
