//! Images among the observations: which a scene wants, how frames are stacked, and how they come into the output.
//!
//! The pictures themselves are made by a [`Renderer`] from above. A stack needs no memory of its own: it is the
//! observation of the step before, one frame further. So what is saved with the output continues bit for bit.

use std::ops::Range;

use keiko_model::Result;
use keiko_model::camera::PixelChannel;
use keiko_model::error::ErrorKind;
use keiko_model::task::Observation;
use keiko_world::{BatchState, Field, Moment, Picture, Renderer};

use crate::bind::Binder;
use crate::contract::{ImageShape, StepOutput};
use crate::looks::{self, Wardrobe};
use crate::slow_camera::SlowCamera;

/// An image that a scene observes.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageTerm {
    /// Index of the group.
    pub group: usize,
    /// Name of the term.
    pub name: String,
    /// One frame as it is rendered.
    pub picture: Picture,
    /// Frames.
    pub stack: usize,
    /// Taken away from each pixel.
    pub offset: f32,
    /// Most of what is left, either way.
    pub clip: Option<f32>,
    /// Times what is left.
    pub scale: f32,
}

impl ImageTerm {
    /// As it is observed, with all frames.
    pub fn shape(&self) -> ImageShape {
        let [channels, height, width] = self.picture.shape();
        [self.stack, channels, height, width]
    }

    /// Whether it depends on the step before.
    fn shows_motion(&self) -> bool {
        self.picture.channels.contains(&PixelChannel::Flow)
    }

    /// Numbers of all frames.
    pub fn size(&self) -> usize {
        self.stack * self.frame()
    }

    /// Numbers of one frame.
    pub(crate) fn frame(&self) -> usize {
        self.picture.shape().iter().product()
    }

    /// Numbers of the frames that are taken and not seen yet, of an environment.
    pub(crate) fn waiting(&self) -> usize {
        self.picture.camera.imager.timing.latency as usize * self.frame()
    }

    /// What the camera gave where an observation holds `value`: the inverse of offset and scale. Where the scene clips, it is
    /// the end of the range. A scale of 0 leaves nothing to tell, and gives the offset.
    pub fn pixel(&self, value: f32) -> f32 {
        if self.scale == 0.0 { self.offset } else { value / self.scale + self.offset }
    }

    fn value(&self, pixel: f32) -> f32 {
        let value = pixel - self.offset;
        self.scale * self.clip.map_or(value, |clip| value.clamp(-clip, clip))
    }
}

/// The images of all groups, in file order.
pub(crate) fn bind(binder: &Binder<'_>) -> Result<Vec<ImageTerm>> {
    let mut images = Vec::new();
    for (group, (group_name, terms)) in binder.spec.observe.iter().enumerate() {
        for (name, entry) in terms.iter() {
            let Observation::Camera { camera, channels, size, samples, stack, offset } = &entry.term else {
                continue;
            };
            let path = format!("observe.{group_name}.{name}");
            if entry.noise > 0.0 {
                let message = "images have no noise";
                return Err(binder.error(ErrorKind::Unsupported, &format!("{path}.noise"), message));
            }
            if channels.is_empty() {
                let message = "an image without channels";
                return Err(binder.error(ErrorKind::Structure, &format!("{path}.channels"), message));
            }
            let numbered =
                |channel: &PixelChannel| matches!(channel, PixelChannel::Segmentation | PixelChannel::Link);
            if *samples > 1 && channels.iter().any(numbered) {
                let message = "numbers of geoms and bodies have no mean: `samples` must be 1";
                return Err(binder.error(ErrorKind::Structure, &format!("{path}.samples"), message));
            }
            let cameras = &binder.scene.model.cameras;
            let index = cameras.iter().position(|known| known.name == *camera).ok_or_else(|| {
                let names = cameras.iter().map(|camera| camera.name.as_str());
                binder.spec.source.unknown(&format!("{path}.camera"), "camera", camera, names)
            })?;
            let camera = match size {
                Some(size) => cameras[index].clone().resized(*size),
                None => cameras[index].clone(),
            };
            if let Some([x, y]) = camera.clone().zoomed(looks::least_zoom(binder, &camera.name)).blind_spot()
            {
                let name = &camera.name;
                let message =
                    format!("the lens of camera `{name}` has no ray for the point ({x:.1}, {y:.1})");
                return Err(binder.error(ErrorKind::Value, &format!("{path}.size"), &message));
            }
            images.push(ImageTerm {
                group,
                name: name.to_owned(),
                picture: Picture {
                    camera,
                    channels: channels.clone(),
                    samples: *samples,
                    camera_index: index as u32,
                },
                stack: *stack as usize,
                offset: *offset as f32,
                clip: entry.clip.map(|clip| clip as f32),
                scale: entry.scale as f32,
            });
        }
    }
    Ok(images)
}

/// Where the bodies of an environment were when its episode ended in the last step.
#[derive(Clone, Debug)]
pub struct LastPose {
    /// Which environment.
    pub env: usize,
    /// The episode that ended.
    pub episode: u64,
    /// Its control steps.
    pub step: u32,
    /// In the world \[m\], `[3 nb]`.
    pub position: Vec<f32>,
    /// Quaternions xyzw, `world_from_body`, `[4 nb]`.
    pub rotation: Vec<f32>,
}

/// A state and its moments with what ended as it was then.
pub(crate) fn as_it_ended(
    state: &BatchState,
    moments: &[Moment],
    last: &[LastPose],
) -> (BatchState, Vec<Moment>) {
    let (mut state, mut moments) = (state.clone(), moments.to_vec());
    for pose in last {
        moments[pose.env] = Moment { episode: pose.episode, step: pose.step, ..moments[pose.env] };
        state.body_position.set_column(pose.env, pose.position.iter().copied());
        state.body_rotation.set_column(pose.env, pose.rotation.iter().copied());
    }
    (state, moments)
}

/// A renderer whose images become rows of the observations.
pub(crate) struct OwnEyes {
    renderer: Box<dyn Renderer>,
    images: Vec<ImageTerm>,
    /// Rows of each image in the field of its group.
    rows: Vec<Range<usize>>,
    /// Those whose cameras are slower than control.
    slow: Vec<Option<SlowCamera>>,
    wardrobe: Wardrobe,
}

impl OwnEyes {
    /// Of groups that have `numbers` rows without images.
    pub fn new(
        renderer: Box<dyn Renderer>,
        images: Vec<ImageTerm>,
        numbers: &[usize],
        wardrobe: Wardrobe,
        num_envs: usize,
    ) -> Self {
        let mut ends = numbers.to_vec();
        let rows = images.iter().map(|image| {
            let start = ends[image.group];
            ends[image.group] += image.size();
            start..ends[image.group]
        });
        let slow = images.iter().map(|image| SlowCamera::new(image, num_envs)).collect();
        Self { rows: rows.collect(), renderer, images, slow, wardrobe }
    }

    /// Goes on from a state that was seen before a snapshot of it was taken.
    pub fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        self.renderer.remember(state, moments);
    }

    /// Frames that are taken and not seen yet, of each image.
    pub fn waiting(&self) -> Vec<Vec<f32>> {
        self.slow
            .iter()
            .map(|slow| slow.as_ref().map_or_else(Vec::new, |slow| slow.waiting.clone()))
            .collect()
    }

    /// Takes what [`OwnEyes::waiting`] gave, of the same images.
    pub fn set_waiting(&mut self, waiting: Vec<Vec<f32>>) {
        for (slow, waiting) in self.slow.iter_mut().zip(waiting) {
            if let Some(slow) = slow {
                slow.waiting = waiting;
            }
        }
    }

    /// After a step: one frame further where an episode goes on, the first frame of the new one where it ended.
    ///
    /// # Errors
    /// What the renderer says.
    pub fn step(
        &mut self,
        state: &BatchState,
        moments: &[Moment],
        last: &[LastPose],
        ended: &[usize],
        output: &mut StepOutput,
    ) -> std::result::Result<(), String> {
        let envs: Vec<usize> = last.iter().map(|pose| pose.env).collect();
        let mut finals = Vec::new();
        if !last.is_empty() {
            let (before, then) = as_it_ended(state, moments, last);
            self.render(&before, &then, false)?;
            for (index, image) in self.images.iter().enumerate() {
                let frames = self.renderer.pixels(index).chunks_exact(image.frame());
                let frames: Vec<Vec<f32>> = frames.map(<[f32]>::to_vec).collect();
                finals.push(envs.iter().map(|env| frames[*env].clone()).collect::<Vec<_>>());
            }
        }
        self.render(state, moments, false)?;
        let num_envs = output.reward.len();
        for (index, (image, rows)) in self.images.iter().zip(&self.rows).enumerate() {
            let frame = image.frame();
            let at = rows.start * num_envs..rows.end * num_envs;
            let now = &mut output.observations[image.group].as_mut_slice()[at.clone()];
            let end = &mut output.final_observations[image.group].as_mut_slice()[at];
            if let Some(slow) = &mut self.slow[index] {
                let pixels = self.renderer.pixels(index);
                let values = |pixels: &[f32]| pixels.iter().map(|p| image.value(*p)).collect::<Vec<_>>();
                for env in 0..num_envs {
                    let mut stack = column(now, num_envs, env);
                    let newest = &pixels[env * frame..(env + 1) * frame];
                    let which = envs.iter().position(|of| *of == env);
                    let is_over = ended.contains(&env);
                    match which {
                        Some(which) if slow.is_due(last[which].step) => {
                            slow.take(env, values(&finals[index][which]), &mut stack);
                        }
                        None if !is_over && slow.is_due(moments[env].step) => {
                            slow.take(env, values(newest), &mut stack);
                        }
                        _ => {}
                    }
                    set_column(end, num_envs, env, &stack);
                    if is_over {
                        let first = values(newest);
                        slow.begin(env, &first);
                        stack.chunks_exact_mut(frame).for_each(|to| to.copy_from_slice(&first));
                    }
                    set_column(now, num_envs, env, &stack);
                }
                continue;
            }
            // What broke shows nothing new: the last thing seen stays.
            let stay = ended.iter().filter(|env| !envs.contains(env));
            let kept: Vec<(usize, Vec<f32>)> = stay.map(|env| (*env, column(now, num_envs, *env))).collect();
            now.copy_within(frame * num_envs.., 0);
            let newest = now.len() - frame * num_envs;
            put(image, self.renderer.pixels(index), num_envs, &mut now[newest..]);
            end.copy_from_slice(now);
            for (which, env) in envs.iter().enumerate() {
                for (pixel, value) in finals[index][which].iter().enumerate() {
                    end[newest + pixel * num_envs + env] = image.value(*value);
                }
            }
            for (env, values) in kept {
                set_column(end, num_envs, env, &values);
            }
            ended.iter().for_each(|env| repeat(now, num_envs, *env, frame));
        }
        Ok(())
    }

    /// Where episodes have begun outside a step, all frames are the first.
    ///
    /// # Errors
    /// What the renderer says.
    pub fn begin(
        &mut self,
        state: &BatchState,
        moments: &[Moment],
        mask: &[bool],
        output: &mut StepOutput,
    ) -> std::result::Result<(), String> {
        self.render(state, moments, true)?;
        let num_envs = mask.len();
        for (index, (image, rows)) in self.images.iter().zip(&self.rows).enumerate() {
            let frame = image.frame();
            let at = rows.start * num_envs..rows.end * num_envs;
            let now = &mut output.observations[image.group].as_mut_slice()[at.clone()];
            let newest = now.len() - frame * num_envs;
            let pixels = self.renderer.pixels(index);
            for env in (0..num_envs).filter(|env| mask[*env]) {
                for (pixel, value) in pixels[env * frame..(env + 1) * frame].iter().enumerate() {
                    now[newest + pixel * num_envs + env] = image.value(*value);
                }
                repeat(now, num_envs, env, frame);
                if let Some(slow) = &mut self.slow[index] {
                    slow.begin(env, &column(&now[newest..], num_envs, env));
                }
            }
            output.final_observations[image.group].as_mut_slice()[at].copy_from_slice(now);
        }
        Ok(())
    }

    /// Renders if some camera takes a frame, or one `must` be there.
    fn render(
        &mut self,
        state: &BatchState,
        moments: &[Moment],
        must: bool,
    ) -> std::result::Result<(), String> {
        let due = |slow: &Option<SlowCamera>| {
            slow.as_ref().is_none_or(|slow| moments.iter().any(|moment| slow.is_due(moment.step)))
        };
        // What moves is compared with the step before, whether a frame is taken or not.
        let must = must || self.images.iter().any(ImageTerm::shows_motion);
        if !must && !self.slow.iter().any(due) {
            return Ok(());
        }
        if let Some(looks) = self.wardrobe.change(moments) {
            self.renderer.dress(looks)?;
        }
        self.renderer.render(state, moments)
    }
}

/// Frames `[num_envs, numbers]` into rows `[numbers, num_envs]`.
fn put(image: &ImageTerm, frames: &[f32], num_envs: usize, rows: &mut [f32]) {
    let frame = image.frame();
    for (pixel, row) in rows.chunks_exact_mut(num_envs).enumerate() {
        for (env, to) in row.iter_mut().enumerate() {
            *to = image.value(frames[env * frame + pixel]);
        }
    }
}

fn column(rows: &[f32], num_envs: usize, env: usize) -> Vec<f32> {
    rows.iter().skip(env).step_by(num_envs).copied().collect()
}

fn set_column(rows: &mut [f32], num_envs: usize, env: usize, values: &[f32]) {
    for (row, value) in rows.iter_mut().skip(env).step_by(num_envs).zip(values) {
        *row = *value;
    }
}

/// Makes every frame of an environment its newest.
fn repeat(rows: &mut [f32], num_envs: usize, env: usize, frame: usize) {
    let newest = rows.len() / num_envs - frame;
    for row in 0..newest {
        rows[row * num_envs + env] = rows[(newest + row % frame) * num_envs + env];
    }
}

/// The first `numbers` rows of a field, and rows of zeros up to `size`.
pub(crate) fn widened(field: &Field, numbers: usize, size: usize) -> Field {
    let mut wide = Field::zeros(size, field.num_envs());
    let numbers = numbers * field.num_envs();
    wide.as_mut_slice()[..numbers].copy_from_slice(&field.as_slice()[..numbers]);
    wide
}
