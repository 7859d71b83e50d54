//! Who sees for an environment: a renderer whose images become observations here, or an onlooker that keeps them.
//!
//! An onlooker is for whoever reads images where they are made. It is told the moment (episodes begin, a step was made,
//! how what ended looked last) and answers with nothing; numbers go on as ever.

use keiko_world::{BatchState, Looks, Moment};

use crate::contract::{GroupSpec, StepOutput};
use crate::images::{ImageTerm, LastPose, OwnEyes, as_it_ended, widened};
use crate::looks::Wardrobe;

/// An environment whose episode ended in the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub env: usize,
    /// Whether it broke: nobody knows how it was then, and what was seen last stays its last sight.
    pub broke: bool,
}

/// Sees the images of [`crate::TaskEnv::images`], and keeps them. What it is told comes with the moment of each environment:
/// what is seen is a function of bodies, looks and moment.
pub trait Onlooker: Send {
    /// Gives environments other looks from now on.
    ///
    /// # Errors
    /// That it was made for environments that all look alike.
    fn dress(&mut self, looks: &Looks) -> Result<(), String>;

    /// Episodes have begun outside a step where `mask[env]`: all frames of these are the first. Others stay.
    ///
    /// # Errors
    /// What the device says, in words.
    fn begin(&mut self, state: &BatchState, moments: &[Moment], mask: &[bool]) -> Result<(), String>;

    /// Comes before [`Onlooker::step`] where episodes ended in the step: the last observation of these is the frames so far and
    /// one of how it was then. `state` and `moments` are those of the end for what ended, and of now for the others.
    ///
    /// # Errors
    /// What the device says, in words.
    fn end(&mut self, state: &BatchState, moments: &[Moment], ended: &[Ended]) -> Result<(), String>;

    /// After a step: one frame further where an episode goes on, the first frame of the new one where it ended.
    ///
    /// # Errors
    /// What the device says, in words.
    fn step(&mut self, state: &BatchState, moments: &[Moment], ended: &[Ended]) -> Result<(), String>;

    /// Goes on from a state that was seen by somebody else: what moves is seen to move from there.
    fn remember(&mut self, state: &BatchState, moments: &[Moment]);

    /// The frames of an image for a snapshot, the oldest first `[num_envs, frames, channels, height, width]`: those that are seen
    /// now, then those that a slow camera has taken and that are seen later.
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
    Other(Box<OthersEyes>),
}

/// An onlooker, with what it is to see.
struct OthersEyes {
    onlooker: Box<dyn Onlooker>,
    wardrobe: Wardrobe,
}

impl OthersEyes {
    fn step(
        &mut self,
        state: &BatchState,
        moments: &[Moment],
        last: &[LastPose],
        ended: &[usize],
    ) -> Result<(), String> {
        // Both come block by block, and in a block by environment.
        let broke = |env: usize| last.binary_search_by_key(&env, |pose| pose.env).is_err();
        let ended: Vec<_> = ended.iter().map(|&env| Ended { env, broke: broke(env) }).collect();
        if !ended.is_empty() {
            let (before, then) = as_it_ended(state, moments, last);
            self.dress(&then)?;
            self.onlooker.end(&before, &then, &ended)?;
        }
        self.dress(moments)?;
        self.onlooker.step(state, moments, &ended)
    }

    fn begin(&mut self, state: &BatchState, moments: &[Moment], mask: &[bool]) -> Result<(), String> {
        self.dress(moments)?;
        self.onlooker.begin(state, moments, mask)
    }

    fn dress(&mut self, moments: &[Moment]) -> Result<(), String> {
        self.wardrobe.change(moments).map_or(Ok(()), |looks| self.onlooker.dress(looks))
    }
}

impl Eyes {
    pub fn own(eyes: OwnEyes) -> Self {
        Self { sight: Sight::Own(Box::new(eyes)), failure: None }
    }

    pub fn onlooker(onlooker: Box<dyn Onlooker>, wardrobe: Wardrobe) -> Self {
        Self { sight: Sight::Other(Box::new(OthersEyes { onlooker, wardrobe })), failure: None }
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
            Sight::Other(eyes) => eyes.step(state, moments, last, &ended),
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
            Sight::Other(eyes) => eyes.begin(state, moments, mask),
        };
        self.failure = seen.err();
    }

    /// Goes on from a state that was seen before a snapshot of it was taken.
    pub fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        match &mut self.sight {
            Sight::Own(eyes) => eyes.remember(state, moments),
            Sight::Other(eyes) => eyes.onlooker.remember(state, moments),
        }
    }

    /// The output as a snapshot holds it: with the images as rows, whoever sees them. Of an onlooker's images the
    /// final observations are those of now, which is all that anybody asks of them after the step. Then frames that are taken
    /// and not seen yet, of each image `[num_envs, latency, frame]`.
    pub fn save(
        &self,
        images: &[ImageTerm],
        groups: &[GroupSpec],
        output: &StepOutput,
    ) -> Result<(StepOutput, Vec<Vec<f32>>), String> {
        let mut output = output.clone();
        let onlooker = match &self.sight {
            Sight::Own(eyes) => return Ok((output, eyes.waiting())),
            Sight::Other(eyes) => &eyes.onlooker,
        };
        let mut all_waiting = Vec::new();
        let mut ends = widen(groups, &mut output);
        for (index, image) in images.iter().enumerate() {
            let frames = onlooker.frames(index)?;
            let (size, mut waiting) = (image.size(), Vec::new());
            for (env, frames) in frames.chunks_exact(size + image.waiting()).enumerate() {
                let (seen, later) = frames.split_at(size);
                waiting.extend_from_slice(later);
                for fields in [&mut output.observations, &mut output.final_observations] {
                    for (row, value) in seen.iter().enumerate() {
                        fields[image.group].set(ends[image.group] + row, env, *value);
                    }
                }
            }
            ends[image.group] += size;
            all_waiting.push(waiting);
        }
        Ok((output, all_waiting))
    }

    /// Takes what [`Eyes::save`] gave: the images of an onlooker leave the output.
    pub fn load(
        &mut self,
        images: &[ImageTerm],
        groups: &[GroupSpec],
        output: &mut StepOutput,
        all_waiting: Vec<Vec<f32>>,
    ) -> Result<(), String> {
        self.failure = None;
        let onlooker = match &mut self.sight {
            Sight::Own(eyes) => {
                eyes.set_waiting(all_waiting);
                return Ok(());
            }
            Sight::Other(eyes) => &mut eyes.onlooker,
        };
        let mut ends: Vec<usize> = groups.iter().map(GroupSpec::num_numbers).collect();
        let mut all = Vec::new();
        for (image, waiting) in images.iter().zip(&all_waiting) {
            let rows = ends[image.group]..ends[image.group] + image.size();
            let field = &output.observations[image.group];
            let mut frames = Vec::new();
            for env in 0..field.num_envs() {
                frames.extend(rows.clone().map(|row| field.get(row, env)));
                frames.extend_from_slice(&waiting[env * image.waiting()..(env + 1) * image.waiting()]);
            }
            all.push(frames);
            ends[image.group] = rows.end;
        }
        onlooker.set_frames(&all)?;
        for fields in [&mut output.observations, &mut output.final_observations] {
            for (field, group) in fields.iter_mut().zip(groups) {
                *field = widened(field, group.num_numbers(), group.num_numbers());
            }
        }
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
