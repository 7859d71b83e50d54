//! Who sees for an environment on the learner's device, and shows it to the learner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Int, Tensor, TensorData};
use keiko_camera::{CameraError, Developer, Development, TracerOptions, What};
use keiko_env::{BatchState, Ended, Onlooker, TaskEnv, VecEnv};
use keiko_train::{Device, DeviceImages};

use crate::painted;

/// The images of an environment as tensors. Clones share them: one is the environment's onlooker, one the learner's.
#[derive(Clone, Debug)]
pub struct Sight(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    developer: Developer,
    device: burn::tensor::Device,
    num_envs: usize,
    groups: Vec<Group>,
    /// Environments whose episodes ended in the last step, in ascending order.
    ended: Vec<usize>,
}

/// The images of an observation group, one after the other.
#[derive(Debug, Default)]
struct Group {
    images: Vec<usize>,
    /// Numbers of them.
    pixels: usize,
    /// `[num_envs, pixels]`.
    now: Option<Tensor<2>>,
    /// `[ended, pixels]`.
    last: Option<Tensor<2>>,
}

/// A row of a tensor: whose frames it goes on with, where its new frame was traced, and what it shows.
type Row = (usize, usize, What);

impl Sight {
    /// Of the images of an environment; none where the device is the CPU, the scene observes no images, or they are not plain
    /// ([`TaskEnv::sees_plainly`]).
    ///
    /// # Errors
    /// What does not fit, and what would.
    pub fn new(device: &Device, env: &TaskEnv, options: &TracerOptions) -> Result<Option<Self>, CameraError> {
        let seen = !env.images().is_empty() && env.sees_plainly();
        let Some(gpu) = device.gpu().filter(|_| seen) else { return Ok(None) };
        let num_envs = env.spec().num_envs;
        let mut groups: Vec<Group> = env.spec().observations.iter().map(|_| Group::default()).collect();
        let mut starts = Vec::new();
        for (index, image) in env.images().iter().enumerate() {
            let group = &mut groups[image.group];
            starts.push(group.pixels);
            group.images.push(index);
            group.pixels += image.size();
        }
        let developments: Vec<Development> = env
            .images()
            .iter()
            .zip(starts)
            .map(|(image, start)| Development {
                picture: image.picture.clone(),
                stack: image.stack,
                offset: image.offset,
                clip: image.clip,
                scale: image.scale,
                row: groups[image.group].pixels,
                start,
            })
            .collect();
        let developer = Developer::new(gpu, &env.scene().model, num_envs, &developments, options)?;
        let device = device.tensors().clone();
        Ok(Some(Self(Arc::new(Mutex::new(Seen { developer, device, num_envs, groups, ended: Vec::new() })))))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// New tensors of all groups, from what was traced last.
    fn develop(&self, rows: &[Row], keep: bool) -> Result<Vec<Option<Tensor<2>>>, String> {
        let develop = |group: &Group| {
            if group.images.is_empty() || rows.is_empty() {
                return Ok(None);
            }
            let size = [rows.len(), group.pixels];
            let tensor = painted(size, &self.device, |buffer| {
                let mut images = group.images.iter();
                images
                    .try_for_each(|image| self.developer.develop(*image, rows, keep, buffer))
                    .map_err(|error| error.to_string())
            });
            tensor.map(Some)
        };
        self.groups.iter().map(develop).collect()
    }

    fn show(&mut self, rows: &[Row]) -> Result<(), String> {
        let tensors = self.develop(rows, true)?;
        self.groups.iter_mut().zip(tensors).for_each(|(group, tensor)| group.now = tensor);
        Ok(())
    }

    /// The last sight of what ended: traced side by side from the front, so that no more than these are traced.
    fn show_last(&mut self, state: &BatchState, ended: &[Ended<'_>]) -> Result<(), String> {
        let mut before = state.clone();
        let mut views = 0;
        let mut rows = Vec::new();
        for Ended { env, last } in ended {
            match last {
                Some(pose) => {
                    before.body_position.set_column(views, pose.position.iter().copied());
                    before.body_rotation.set_column(views, pose.rotation.iter().copied());
                    rows.push((*env, views, What::GoesOn));
                    views += 1;
                }
                None => rows.push((*env, 0, What::Stays)),
            }
        }
        if views > 0 {
            self.developer.trace(&before, views);
        }
        let tensors = self.develop(&rows, false)?;
        self.groups.iter_mut().zip(tensors).for_each(|(group, tensor)| group.last = tensor);
        Ok(())
    }

    fn forget_last(&mut self) {
        self.ended.clear();
        self.groups.iter_mut().for_each(|group| group.last = None);
    }
}

impl Onlooker for Sight {
    fn begin(&mut self, state: &BatchState, mask: &[bool]) -> Result<(), String> {
        let mut seen = self.seen();
        seen.forget_last();
        seen.developer.trace(state, mask.len());
        let what = |begins: &bool| if *begins { What::Begins } else { What::Stays };
        let rows: Vec<Row> = mask.iter().enumerate().map(|(env, begins)| (env, env, what(begins))).collect();
        seen.show(&rows)
    }

    fn step(&mut self, state: &BatchState, ended: &[Ended<'_>]) -> Result<(), String> {
        let mut seen = self.seen();
        seen.forget_last();
        if !ended.is_empty() {
            seen.show_last(state, ended)?;
        }
        let mut rows: Vec<Row> = (0..seen.num_envs).map(|env| (env, env, What::GoesOn)).collect();
        ended.iter().for_each(|ended| rows[ended.env].2 = What::Begins);
        seen.developer.trace(state, rows.len());
        seen.show(&rows)?;
        seen.developer.advance();
        seen.ended = ended.iter().map(|ended| ended.env).collect();
        Ok(())
    }

    fn frames(&self, image: usize) -> Result<Vec<f32>, String> {
        self.seen().developer.frames(image).map_err(|error| error.to_string())
    }

    fn set_frames(&mut self, images: &[Vec<f32>]) -> Result<(), String> {
        let mut seen = self.seen();
        seen.forget_last();
        for (image, frames) in images.iter().enumerate() {
            seen.developer.set_frames(image, frames);
        }
        let rows: Vec<Row> = (0..seen.num_envs).map(|env| (env, env, What::Stays)).collect();
        seen.show(&rows)
    }
}

impl DeviceImages for Sight {
    fn now(&self, group: usize) -> Option<Tensor<2>> {
        self.seen().groups.get(group)?.now.clone()
    }

    fn last(&self, group: usize, envs: &[usize]) -> Option<Tensor<2>> {
        let seen = self.seen();
        let rows: Option<Vec<i32>> =
            envs.iter().map(|env| Some(seen.ended.binary_search(env).ok()? as i32)).collect();
        let last = seen.groups.get(group)?.last.clone()?;
        let rows = TensorData::new(rows?, [envs.len()]);
        Some(last.select(0, Tensor::<1, Int>::from_data(rows, &seen.device)))
    }
}
