//! Who sees for an environment: a renderer whose images become observations here, or an onlooker that keeps them.
//!
//! An onlooker is for whoever reads images where they are made. It is told the moment (episodes begin, a step was made,
//! how what ended looked last) and answers with nothing; numbers go on as ever.

use keiko_world::{BatchState, Moment};

use crate::contract::{GroupSpec, StepOutput};
use crate::images::{ImageTerm, LastPose, OwnEyes, widened};

/// An environment whose episode ended in the last step.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Which.
    pub env: usize,
    /// Where its bodies were then; none where it broke, and what was seen last stays its last sight.
    pub last: Option<&'a LastPose>,
}

/// Sees the images of [`crate::TaskEnv::images`], and keeps them.
pub trait Onlooker: Send {
    /// Episodes have begun outside a step where `mask[env]`: all frames of these are the first. Others stay.
    ///
    /// # Errors
    /// What the device says, in words.
    fn begin(&mut self, state: &BatchState, mask: &[bool]) -> Result<(), String>;

    /// After a step: one frame further where an episode goes on, the first frame of the new one where it ended. The last
    /// observation of what ended is the frames so far and one of how it was then.
    ///
    /// # Errors
    /// What the device says, in words.
    fn step(&mut self, state: &BatchState, ended: &[Ended<'_>]) -> Result<(), String>;

    /// What is seen of an image now, for a snapshot `[num_envs, frames, channels, height, width]`.
    ///
    /// # Errors
    /// What the device says, in words.
    fn frames(&self, image: usize) -> Result<Vec<f32>, String>;

    /// Goes on from what [`Onlooker::frames`] gave, image by image.
    ///
    /// # Errors
    /// What the device says, in words.
    fn set_frames(&mut self, images: &[Vec<f32>]) -> Result<(), String>;
}

/// One of the two at work.
pub(crate) struct Eyes {
    sight: Sight,
    /// Why it stopped.
    pub failure: Option<String>,
}

enum Sight {
    /// Images are rows of the observations.
    Own(Box<OwnEyes>),
    /// Observations are numbers alone.
    Onlooker(Box<dyn Onlooker>),
}

impl Eyes {
    pub fn own(eyes: OwnEyes) -> Self {
        Self { sight: Sight::Own(Box::new(eyes)), failure: None }
    }

    pub fn onlooker(onlooker: Box<dyn Onlooker>) -> Self {
        Self { sight: Sight::Onlooker(onlooker), failure: None }
    }

    /// After a step.
    pub fn step(
        &mut self,
        state: &BatchState,
        moments: &[Moment],
        last: &[LastPose],
        output: &mut StepOutput,
    ) {
        if self.failure.is_some() {
            return;
        }
        let ended: Vec<usize> =
            (0..output.reward.len()).filter(|&env| output.terminated[env] || output.truncated[env]).collect();
        let seen = match &mut self.sight {
            Sight::Own(eyes) => eyes.step(state, moments, last, &ended, output),
            Sight::Onlooker(onlooker) => {
                // Both come block by block, and in a block by environment.
                let last_of =
                    |env: usize| Some(&last[last.binary_search_by_key(&env, |pose| pose.env).ok()?]);
                let ended: Vec<_> = ended.iter().map(|&env| Ended { env, last: last_of(env) }).collect();
                onlooker.step(state, &ended)
            }
        };
        self.failure = seen.err();
    }

    /// Where episodes have begun outside a step.
    pub fn begin(&mut self, state: &BatchState, moments: &[Moment], mask: &[bool], output: &mut StepOutput) {
        if self.failure.is_some() {
            return;
        }
        let seen = match &mut self.sight {
            Sight::Own(eyes) => eyes.begin(state, moments, mask, output),
            Sight::Onlooker(onlooker) => onlooker.begin(state, mask),
        };
        self.failure = seen.err();
    }

    /// Goes on from a state that was seen before a snapshot of it was taken; an onlooker sees what is there alone.
    pub fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        if let Sight::Own(eyes) = &mut self.sight {
            eyes.remember(state, moments);
        }
    }

    /// Frames that are taken and not seen yet, of each image; an onlooker has none.
    pub fn waiting(&self, num_images: usize) -> Vec<Vec<f32>> {
        match &self.sight {
            Sight::Own(eyes) => eyes.waiting(),
            Sight::Onlooker(_) => vec![Vec::new(); num_images],
        }
    }

    /// Takes what [`Eyes::waiting`] gave, of the same images.
    pub fn set_waiting(&mut self, waiting: Vec<Vec<f32>>) {
        if let Sight::Own(eyes) = &mut self.sight {
            eyes.set_waiting(waiting);
        }
    }

    /// The output as a snapshot holds it: with the images as rows, whoever sees them. Of an onlooker's images the
    /// final observations are those of now, which is all that anybody asks of them after the step.
    pub fn save(
        &self,
        images: &[ImageTerm],
        groups: &[GroupSpec],
        output: &StepOutput,
    ) -> Result<StepOutput, String> {
        let mut output = output.clone();
        let Sight::Onlooker(onlooker) = &self.sight else { return Ok(output) };
        let mut ends = widen(groups, &mut output);
        for (index, image) in images.iter().enumerate() {
            let frames = onlooker.frames(index)?;
            let size = image.size();
            for fields in [&mut output.observations, &mut output.final_observations] {
                let field = &mut fields[image.group];
                for (env, frames) in frames.chunks_exact(size).enumerate() {
                    for (row, value) in frames.iter().enumerate() {
                        field.set(ends[image.group] + row, env, *value);
                    }
                }
            }
            ends[image.group] += size;
        }
        Ok(output)
    }

    /// Takes the images of a snapshot out of its output, where an onlooker sees them.
    pub fn load(
        &mut self,
        images: &[ImageTerm],
        groups: &[GroupSpec],
        output: &mut StepOutput,
    ) -> Result<(), String> {
        let Sight::Onlooker(onlooker) = &mut self.sight else { return Ok(()) };
        let mut ends: Vec<usize> = groups.iter().map(GroupSpec::num_numbers).collect();
        let mut all = Vec::new();
        for image in images {
            let rows = ends[image.group]..ends[image.group] + image.size();
            let field = &output.observations[image.group];
            let envs = 0..field.num_envs();
            all.push(envs.flat_map(|env| rows.clone().map(move |row| field.get(row, env))).collect());
            ends[image.group] = rows.end;
        }
        onlooker.set_frames(&all)?;
        for fields in [&mut output.observations, &mut output.final_observations] {
            for (field, group) in fields.iter_mut().zip(groups) {
                *field = widened(field, group.num_numbers(), group.num_numbers());
            }
        }
        self.failure = None;
        Ok(())
    }
}

/// Makes room for the images of all groups; gives the rows before them.
pub(crate) fn widen(groups: &[GroupSpec], output: &mut StepOutput) -> Vec<usize> {
    for fields in [&mut output.observations, &mut output.final_observations] {
        for (field, group) in fields.iter_mut().zip(groups) {
            *field = widened(field, group.num_numbers(), group.size());
        }
    }
    groups.iter().map(GroupSpec::num_numbers).collect()
}
