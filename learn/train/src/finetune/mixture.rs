//! Several sets of demonstrations as one: what is new together with some of what was there, so that it is not forgotten.

use std::ops::Range;
use std::sync::Arc;

use keiko_data::ActionChunk;
use keiko_policy::vla::normalize::Statistics;

use super::data::{DemoFrame, Demonstrations, Robot, Surroundings};
use super::start::check_robot;
use crate::TrainError;

/// Sets of demonstrations, one after the other. Each frame counts alike, so a set counts by its size.
pub struct Mixture {
    parts: Vec<Part>,
    /// Cameras that all have.
    cameras: Vec<(String, [usize; 3])>,
}

struct Part {
    data: Arc<dyn Demonstrations>,
    /// First frame, counted over all.
    start: usize,
    /// Frames.
    frames: usize,
    /// Where the common cameras are among its own.
    cameras: Vec<usize>,
}

impl Mixture {
    /// Of sets of one robot that share a camera.
    ///
    /// # Errors
    /// No set; sets of different robots, or without a camera of the same name and size.
    pub fn new(sets: Vec<Arc<dyn Demonstrations>>) -> Result<Self, TrainError> {
        let refuse = |message: String| TrainError::FineTune { what: "datasets".into(), message };
        let Some(first) = sets.first().cloned() else {
            return Err(refuse("none is named".into()));
        };
        for (other, number) in sets.iter().zip(1..).skip(1) {
            check_robot(&first.robot(), &other.robot())?;
            if other.dims() != first.dims() {
                let ([a, b], [c, d]) = (first.dims(), other.dims());
                return Err(refuse(format!(
                    "the first has states of {a} and actions of {b} numbers, number {number} has {c} and {d}"
                )));
            }
        }
        let all: Vec<_> = sets.iter().map(|set| set.cameras()).collect();
        let is_common = |camera: &(String, [usize; 3])| all.iter().all(|cameras| cameras.contains(camera));
        let cameras: Vec<_> = all[0].iter().filter(|camera| is_common(camera)).cloned().collect();
        if cameras.is_empty() && !all[0].is_empty() {
            return Err(refuse("they have no camera of the same name and size in common".into()));
        }
        let mut start = 0;
        let mut parts = Vec::new();
        for (data, own) in sets.into_iter().zip(&all) {
            let frames = data.episodes().last().map_or(0, |episode| episode.end);
            let places = cameras.iter().filter_map(|camera| own.iter().position(|known| known == camera));
            parts.push(Part { data, start, frames, cameras: places.collect() });
            start += frames;
        }
        Ok(Self { parts, cameras })
    }

    /// The set of a frame and its number there.
    fn part(&self, index: usize) -> (&Part, usize) {
        let at = self.parts.partition_point(|part| part.start <= index).saturating_sub(1);
        (&self.parts[at], index - self.parts[at].start)
    }

    /// Each set's share of the frames.
    fn shares(&self) -> impl Iterator<Item = (f64, &Part)> {
        let all: usize = self.parts.iter().map(|part| part.frames).sum();
        self.parts.iter().map(move |part| (part.frames as f64 / all.max(1) as f64, part))
    }
}

impl Demonstrations for Mixture {
    fn cameras(&self) -> Vec<(String, [usize; 3])> {
        self.cameras.clone()
    }

    fn robot(&self) -> Robot {
        self.parts[0].data.robot()
    }

    fn dims(&self) -> [usize; 2] {
        self.parts[0].data.dims()
    }

    fn instructions(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for text in self.parts.iter().flat_map(|part| part.data.instructions()) {
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    fn episodes(&self) -> Vec<Range<usize>> {
        let moved = |part: &Part| {
            let start = part.start;
            part.data.episodes().into_iter().map(move |of| of.start + start..of.end + start)
        };
        self.parts.iter().flat_map(moved).collect()
    }

    fn statistics(&self) -> Statistics {
        let all: Vec<(f64, Statistics)> =
            self.shares().map(|(share, part)| (share, part.data.statistics())).collect();
        let mut merged = Statistics::default();
        for key in all[0].1.0.keys() {
            let Some((feature, kind)) = key.rsplit_once('.') else { continue };
            let of = |kind: &str| {
                let get = |(share, set): &(f64, Statistics)| {
                    Some((*share, set.0.get(&format!("{feature}.{kind}"))?.clone()))
                };
                all.iter().map(get).collect::<Option<Vec<_>>>()
            };
            let values = match kind {
                "mean" => of("mean").map(|means| mean(&means)),
                "std" => of("mean").zip(of("std")).map(|(means, stds)| deviation(&means, &stds)),
                "min" => of("min").map(|sets| extreme(&sets, f32::min)),
                _ => of("max").map(|sets| extreme(&sets, f32::max)),
            };
            merged.0.extend(values.map(|values| (key.clone(), values)));
        }
        merged
    }

    fn surroundings(&self) -> Option<Surroundings> {
        let all: Vec<(f64, Surroundings)> = self
            .shares()
            .map(|(share, part)| Some((share, part.data.surroundings()?)))
            .collect::<Option<_>>()?;
        let names = all[0].1.names.clone();
        // Other things are other numbers: nothing can be told of all of them.
        if all.iter().any(|(_, of)| of.names != names) {
            return None;
        }
        let means: Vec<_> = all.iter().map(|(share, of)| (*share, of.mean.clone())).collect();
        let stds: Vec<_> = all.iter().map(|(share, of)| (*share, of.std.clone())).collect();
        Some(Surroundings { names, mean: mean(&means), std: deviation(&means, &stds) })
    }

    fn frame(&self, index: usize, cameras: &[usize]) -> Result<DemoFrame, TrainError> {
        let (part, own) = self.part(index);
        let cameras: Vec<usize> = cameras.iter().map(|camera| part.cameras[*camera]).collect();
        part.data.frame(own, &cameras)
    }

    fn chunk(&self, index: usize, len: usize) -> ActionChunk {
        let (part, own) = self.part(index);
        part.data.chunk(own, len)
    }
}

/// Mean of means by share.
fn mean(sets: &[(f64, Vec<f32>)]) -> Vec<f32> {
    let of = |k: usize| sets.iter().map(|(share, values)| share * f64::from(values[k])).sum::<f64>() as f32;
    (0..sets[0].1.len()).map(of).collect()
}

/// Deviation over all: of the sets, and of their means from the common one.
fn deviation(means: &[(f64, Vec<f32>)], stds: &[(f64, Vec<f32>)]) -> Vec<f32> {
    let common = mean(means);
    let of = |k: usize| {
        let variances = means.iter().zip(stds).map(|((share, mean), (_, std))| {
            share * (f64::from(std[k]).powi(2) + f64::from(mean[k] - common[k]).powi(2))
        });
        variances.sum::<f64>().sqrt() as f32
    };
    (0..common.len()).map(of).collect()
}

fn extreme(sets: &[(f64, Vec<f32>)], choose: fn(f32, f32) -> f32) -> Vec<f32> {
    let first = sets[0].1.clone();
    sets[1..].iter().fold(first, |so_far, (_, values)| {
        so_far.into_iter().zip(values).map(|(a, b)| choose(a, *b)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_data::Image;
    use keiko_policy::vla::config::ACTION;

    /// Frames whose only state and action is a number, seen by cameras that show it.
    struct Numbers {
        values: Vec<f32>,
        cameras: Vec<&'static str>,
        robot: &'static str,
    }

    impl Numbers {
        fn moments(&self) -> [f32; 2] {
            let count = self.values.len() as f32;
            let mean = self.values.iter().sum::<f32>() / count;
            [mean, (self.values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count).sqrt()]
        }
    }

    impl Demonstrations for Numbers {
        fn cameras(&self) -> Vec<(String, [usize; 3])> {
            self.cameras.iter().map(|name| ((*name).to_owned(), [3, 1, 1])).collect()
        }

        fn robot(&self) -> Robot {
            Robot { robot_type: Some(self.robot.into()), fps: 10.0, state: Vec::new(), action: Vec::new() }
        }

        fn dims(&self) -> [usize; 2] {
            [1, 1]
        }

        fn instructions(&self) -> Vec<String> {
            vec!["count".into(), self.robot.into()]
        }

        fn episodes(&self) -> Vec<Range<usize>> {
            vec![0..1, 1..self.values.len()]
        }

        fn statistics(&self) -> Statistics {
            let [mean, std] = self.moments();
            let min = self.values.iter().copied().fold(f32::INFINITY, f32::min);
            let pairs = [("mean", mean), ("std", std), ("min", min)];
            Statistics(pairs.map(|(kind, value)| (format!("{ACTION}.{kind}"), vec![value])).into())
        }

        fn surroundings(&self) -> Option<Surroundings> {
            let [mean, std] = self.moments();
            Some(Surroundings { names: vec!["n".into()], mean: vec![mean], std: vec![std] })
        }

        fn frame(&self, index: usize, cameras: &[usize]) -> Result<DemoFrame, TrainError> {
            let state = vec![self.values[index]];
            let image = |camera: &usize| Image {
                height: 1,
                width: 1,
                pixels: vec![self.cameras[*camera].len() as u8; 3],
            };
            let images = cameras.iter().map(image).collect();
            Ok(DemoFrame { task: self.robot.into(), state, surroundings: Vec::new(), images })
        }

        fn chunk(&self, index: usize, len: usize) -> ActionChunk {
            ActionChunk { actions: vec![self.values[index]; len], is_pad: vec![false; len] }
        }
    }

    fn numbers(values: &[f32], cameras: &[&'static str], robot: &'static str) -> Arc<dyn Demonstrations> {
        Arc::new(Numbers { values: values.to_vec(), cameras: cameras.to_vec(), robot })
    }

    #[test]
    fn two_sets_are_one_after_the_other() {
        let (a, b) = ([1.0, 2.0, 6.0], [-4.0, 0.5]);
        let sets = vec![numbers(&a, &["top", "front"], "arm"), numbers(&b, &["front"], "arm")];
        let mixture = Mixture::new(sets).expect("they fit");
        assert_eq!(mixture.cameras(), [("front".to_owned(), [3, 1, 1])]);
        assert_eq!(mixture.episodes(), [0..1, 1..3, 3..4, 4..5]);
        assert_eq!(mixture.instructions(), ["count", "arm"]);
        let whole: Vec<f32> = a.into_iter().chain(b).collect();
        for (index, value) in whole.iter().enumerate() {
            let frame = mixture.frame(index, &[0]).expect("there");
            assert_eq!((frame.state, frame.images[0].pixels[0]), (vec![*value], 5));
            assert_eq!(mixture.chunk(index, 1).actions, [*value]);
        }
        // As if it had been one set from the beginning.
        let one = Numbers { values: whole, cameras: vec!["front"], robot: "arm" };
        for (key, expected) in one.statistics().0 {
            let found = mixture.statistics().0[&key][0];
            assert!((found - expected[0]).abs() < 1e-6, "{key}: {found}, expected {}", expected[0]);
        }
        let (found, expected) = (mixture.surroundings().expect("known"), one.surroundings().expect("known"));
        assert!((found.std[0] - expected.std[0]).abs() < 1e-6);
    }

    #[test]
    fn sets_that_do_not_fit_are_refused() {
        let refused = |sets| Mixture::new(sets).map(|_| ()).expect_err("refused").to_string();
        let one = || numbers(&[1.0, 2.0], &["front"], "arm");
        assert!(refused(Vec::new()).contains("none"));
        assert!(refused(vec![one(), numbers(&[1.0, 2.0], &["front"], "panda")]).contains("`panda`"));
        assert!(refused(vec![one(), numbers(&[1.0, 2.0], &["top"], "arm")]).contains("no camera"));
    }
}
