//! What a model learns from: frames, drawn in an order that is a function of the seed and the step.

use std::sync::Arc;

use keiko_data::{ActionChunk, Dataset, Image, SURROUNDINGS};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::Images;
use keiko_policy::vla::config::{ACTION, STATE};
use keiko_policy::vla::normalize::Statistics;
use serde::{Deserialize, Serialize};

use super::augment::Augment;
use super::spec::FineTuneSpec;
use crate::TrainError;

/// Least deviation of a number: one that never changes in the demonstrations is not blown up to noise.
const LEAST_STD: f64 = 1e-4;

/// Whose states and actions these are. It travels with every policy: one of another robot is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robot {
    /// Which robot, where known.
    pub robot_type: Option<String>,
    /// Control steps a second.
    pub fps: f64,
    /// Names of the numbers of the state, in order; empty where not known.
    pub state: Vec<String>,
    /// Names of the numbers of an action, in order; empty where not known.
    pub action: Vec<String>,
}

/// A frame to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoFrame {
    /// What is to be done, in words.
    pub task: Arc<str>,
    /// Measurements.
    pub state: Vec<f32>,
    /// State of the surroundings; empty where it is not known.
    pub surroundings: Vec<f32>,
    /// By camera, in the order that was asked for.
    pub images: Vec<Image>,
}

/// What is recorded of the surroundings of a robot, number by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// What each is.
    pub names: Vec<String>,
    /// Means.
    pub mean: Vec<f32>,
    /// Deviations, all more than 0.
    pub std: Vec<f32>,
}

impl Surroundings {
    /// Brings numbers to mean 0 and deviation 1, row after row.
    pub fn apply(&self, values: &mut [f32]) {
        for row in values.chunks_mut(self.mean.len().max(1)) {
            for ((x, mean), std) in row.iter_mut().zip(&self.mean).zip(&self.std) {
                *x = (*x - mean) / std;
            }
        }
    }
}

/// Demonstrations: episodes of frames.
pub trait Demonstrations: Send + Sync {
    /// Names and `[channels, height, width]` of the cameras.
    fn cameras(&self) -> Vec<(String, [usize; 3])>;

    /// The robot.
    fn robot(&self) -> Robot;

    /// Numbers in a state and in an action.
    fn dims(&self) -> [usize; 2];

    /// All instructions.
    fn instructions(&self) -> Vec<String>;

    /// Frames of each episode.
    fn episodes(&self) -> Vec<std::ops::Range<usize>>;

    /// Statistics of states and actions.
    fn statistics(&self) -> Statistics;

    /// The state of the surroundings; `None` where it is not known.
    fn surroundings(&self) -> Option<Surroundings>;

    /// A frame, with the cameras at these places of [`Demonstrations::cameras`].
    fn frame(&self, index: usize, cameras: &[usize]) -> Result<DemoFrame, TrainError>;

    /// The actions of `len` frames from `index` on, within its episode.
    fn chunk(&self, index: usize, len: usize) -> ActionChunk;
}

impl Demonstrations for Dataset {
    fn cameras(&self) -> Vec<(String, [usize; 3])> {
        let shape = |shape: &[usize]| match shape {
            [height, width, channels] => [*channels, *height, *width],
            _ => [0; 3],
        };
        self.info().cameras().map(|camera| (camera.name.clone(), shape(&camera.shape))).collect()
    }

    fn robot(&self) -> Robot {
        let names = |name| self.info().feature(name).map(|feature| feature.names.clone()).unwrap_or_default();
        let info = self.info();
        Robot {
            robot_type: info.robot_type.clone(),
            fps: info.fps,
            state: names(STATE),
            action: names(ACTION),
        }
    }

    fn dims(&self) -> [usize; 2] {
        [STATE, ACTION].map(|name| self.info().feature(name).map_or(0, keiko_data::Feature::size))
    }

    fn instructions(&self) -> Vec<String> {
        self.info().tasks.clone()
    }

    fn episodes(&self) -> Vec<std::ops::Range<usize>> {
        Dataset::episodes(self).iter().map(|episode| episode.start..episode.start + episode.length).collect()
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::default();
        for name in [STATE, ACTION] {
            let Some(of) = self.stats().get(name) else { continue };
            let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<_>>();
            let std: Vec<f64> = of.std.iter().map(|x| x.max(LEAST_STD)).collect();
            for (key, values) in [("mean", &of.mean), ("std", &std), ("min", &of.min), ("max", &of.max)] {
                statistics.0.insert(format!("{name}.{key}"), single(values));
            }
        }
        statistics
    }

    fn surroundings(&self) -> Option<Surroundings> {
        let (feature, of) = (self.info().feature(SURROUNDINGS)?, self.stats().get(SURROUNDINGS)?);
        let names = match feature.names.len() == of.mean.len() {
            true => feature.names.clone(),
            false => (0..of.mean.len()).map(|k| k.to_string()).collect(),
        };
        let mean = of.mean.iter().map(|&x| x as f32).collect();
        Some(Surroundings { names, mean, std: of.std.iter().map(|x| x.max(LEAST_STD) as f32).collect() })
    }

    fn frame(&self, index: usize, cameras: &[usize]) -> Result<DemoFrame, TrainError> {
        let frame = self.frame_with(index, cameras)?;
        let (state, surroundings) = (frame.state, frame.surroundings);
        Ok(DemoFrame { task: frame.task, state, surroundings, images: frame.images })
    }

    fn chunk(&self, index: usize, len: usize) -> ActionChunk {
        Dataset::chunk(self, index, len)
    }
}

/// Frames to learn from and frames that are held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Learned from.
    pub training: Vec<usize>,
    /// Held out; empty where nothing is.
    pub validation: Vec<usize>,
    /// Numbers of the episodes held out, ascending.
    pub held_out: Vec<usize>,
}

impl Split {
    /// Holds out a share of the episodes, at least one where the share is not zero, drawn by the seed.
    ///
    /// # Errors
    /// If nothing is left to learn from.
    pub fn new(episodes: &[std::ops::Range<usize>], share: f64, seed: u64) -> Result<Self, TrainError> {
        let count = (episodes.len() as f64 * share).round() as usize;
        let count = if share > 0.0 { count.max(1) } else { 0 };
        let order = Stream::new(seed, Purpose::Shuffle).permutation(u64::MAX, 0, episodes.len());
        let mut held_out: Vec<usize> = order.into_iter().take(count).collect();
        held_out.sort_unstable();
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for (index, frames) in episodes.iter().enumerate() {
            let into = if held_out.binary_search(&index).is_ok() { &mut validation } else { &mut training };
            into.extend(frames.clone());
        }
        if training.is_empty() {
            let message =
                format!("{} episodes, {count} held out: nothing is left to learn from", episodes.len());
            return Err(TrainError::FineTune { what: "dataset".into(), message });
        }
        Ok(Self { training, validation, held_out })
    }
}

/// Some frames with what is learned from them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// By camera: name, width, height, pixels `[batch, height, width, 3]`.
    pub images: Vec<(String, usize, usize, Vec<u8>)>,
    /// One for each frame.
    pub instructions: Vec<Arc<str>>,
    /// In the robot's units `[batch, state]`.
    pub states: Vec<f32>,
    /// As recorded `[batch, surroundings]`.
    pub surroundings: Vec<f32>,
    /// In the robot's units `[batch, chunk, action]`.
    pub actions: Vec<f32>,
    /// Actions past the end of an episode, by frame.
    pub padded: Vec<Vec<bool>>,
}

/// How the images of a part of a step are changed.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// How much.
    pub augment: Augment,
    /// Where the random numbers come from.
    pub stream: &'a Stream,
    /// Counter of the step.
    pub step: u64,
    /// Number of the part's first frame in the step.
    pub first: usize,
}

impl Batch {
    /// Reads frames, and changes their images where asked to.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn read(
        data: &dyn Demonstrations,
        cameras: &[usize],
        frames: &[usize],
        chunk: usize,
        change: Option<Change<'_>>,
    ) -> Result<Self, TrainError> {
        let all = data.cameras();
        let read = |(place, &index): (usize, &usize)| {
            let mut frame = data.frame(index, cameras)?;
            if let Some(Change { augment, stream, step, first }) = change {
                for (camera, image) in frame.images.iter_mut().enumerate() {
                    let size = [image.height, image.width];
                    let counter = ((first + place) * cameras.len() + camera) as u64;
                    augment.apply(&mut image.pixels, size, stream, step, counter);
                }
            }
            Ok((frame, data.chunk(index, chunk)))
        };
        let frames: Vec<(DemoFrame, ActionChunk)> =
            frames.iter().enumerate().map(read).collect::<Result<_, TrainError>>()?;
        let mut batch = Self::default();
        for (place, &camera) in cameras.iter().enumerate() {
            let (name, [_, height, width]) = &all[camera];
            let pixels = frames.iter().flat_map(|(frame, _)| &frame.images[place].pixels).copied().collect();
            batch.images.push((name.clone(), *width, *height, pixels));
        }
        for (frame, chunk) in frames {
            batch.instructions.push(frame.task);
            batch.states.extend(frame.state);
            batch.surroundings.extend(frame.surroundings);
            batch.actions.extend(chunk.actions);
            batch.padded.push(chunk.is_pad);
        }
        Ok(batch)
    }

    /// Frames.
    pub fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    /// Actions within their episodes.
    pub fn num_actions(&self) -> usize {
        self.padded.iter().flatten().filter(|&&padded| !padded).count()
    }

    /// The images as a policy reads them.
    pub fn views(&self) -> Vec<(&str, Images<'_>)> {
        self.images
            .iter()
            .map(|(name, width, height, pixels)| {
                (name.as_str(), Images { width: *width, height: *height, pixels })
            })
            .collect()
    }
}

/// The frames of a step: all training frames in a new order, then in the next.
pub fn frames_of_step(split: &Split, spec: &FineTuneSpec, seed: u64, step: u64) -> Vec<usize> {
    let count = split.training.len() as u64;
    let stream = Stream::new(seed, Purpose::Shuffle);
    let start = step * spec.batch as u64;
    let mut frames = Vec::with_capacity(spec.batch);
    let mut order: Option<(u64, Vec<usize>)> = None;
    for position in start..start + spec.batch as u64 {
        let (pass, place) = (position / count, (position % count) as usize);
        if order.as_ref().is_none_or(|(of, _)| *of != pass) {
            order = Some((pass, stream.permutation(pass, 1, count as usize)));
        }
        frames.extend(order.as_ref().map(|(_, order)| split.training[order[place]]));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_comes_once_in_each_pass_and_none_that_is_held_out() {
        let episodes = [0..7, 7..9, 9..20, 20..25];
        let split = Split::new(&episodes, 0.25, 3).expect("enough");
        assert_eq!(split.held_out.len(), 1);
        assert_eq!(split.training.len() + split.validation.len(), 25);
        let spec = FineTuneSpec { batch: 4, ..FineTuneSpec::from_scratch() };
        let count = split.training.len();
        let drawn: Vec<usize> =
            (0..count as u64).flat_map(|step| frames_of_step(&split, &spec, 9, step)).collect();
        for pass in drawn.chunks_exact(count) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, split.training);
        }
        assert_ne!(drawn[..count], drawn[count..2 * count], "each pass has its own order");
        assert!(
            Split::new(std::slice::from_ref(&(0..3)), 0.5, 1)
                .expect_err("nothing left")
                .to_string()
                .contains("nothing is left")
        );
    }
}
