//! Who sees for an environment on the learner's device, and shows it to the learner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Int, Tensor, TensorData};
use keiko_camera::{CameraError, Developer, Development, TracerOptions, What};
use keiko_env::{BatchState, Ended, Looks, Moment, Onlooker, TaskEnv, VecEnv};
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

/// A row of a tensor: whose frames, and what it shows of them.
type Row = (usize, What);

impl Sight {
    /// Of the images of an environment; none where the device is the CPU, or the scene observes no images.
    ///
    /// # Errors
    /// What does not fit, and what would.
    pub fn new(device: &Device, env: &TaskEnv, options: &TracerOptions) -> Result<Option<Self>, CameraError> {
        let Some(gpu) = device.gpu().filter(|_| !env.images().is_empty()) else { return Ok(None) };
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
    /// New tensors of all groups, of the state that was posed last.
    fn develop(
        &mut self,
        rows: &[Row],
        moments: &[Moment],
        keep: bool,
    ) -> Result<Vec<Option<Tensor<2>>>, String> {
        let Self { developer, device, groups, .. } = self;
        let develop = |group: &Group| {
            if group.images.is_empty() || rows.is_empty() {
                return Ok(None);
            }
            let tensor = painted([rows.len(), group.pixels], device, |buffer| {
                let mut images = group.images.iter();
                images
                    .try_for_each(|image| developer.develop(*image, rows, moments, keep, buffer))
                    .map_err(|error| error.to_string())
            });
            tensor.map(Some)
        };
        groups.iter().map(develop).collect()
    }

    /// Shows rows of all environments from now on.
    fn show(&mut self, state: &BatchState, moments: &[Moment], rows: &[Row]) -> Result<(), String> {
        self.developer.pose(state, moments).map_err(|error| error.to_string())?;
        let tensors = self.develop(rows, moments, true)?;
        self.groups.iter_mut().zip(tensors).for_each(|(group, tensor)| group.now = tensor);
        Ok(())
    }

    fn forget_last(&mut self) {
        self.ended.clear();
        self.groups.iter_mut().for_each(|group| group.last = None);
    }
}

impl Onlooker for Sight {
    fn dress(&mut self, looks: &Looks) -> Result<(), String> {
        self.seen().developer.dress(looks).map_err(|error| error.to_string())
    }

    fn begin(&mut self, state: &BatchState, moments: &[Moment], mask: &[bool]) -> Result<(), String> {
        let mut seen = self.seen();
        seen.forget_last();
        let what = |begins: &bool| if *begins { What::Begins } else { What::Stays };
        let rows: Vec<Row> = mask.iter().map(what).enumerate().collect();
        seen.show(state, moments, &rows)
    }

    fn end(&mut self, state: &BatchState, moments: &[Moment], ended: &[Ended]) -> Result<(), String> {
        let mut seen = self.seen();
        seen.developer.pose(state, moments).map_err(|error| error.to_string())?;
        let what = |ended: &Ended| if ended.broke { What::Stays } else { What::GoesOn };
        let rows: Vec<Row> = ended.iter().map(|ended| (ended.env, what(ended))).collect();
        let tensors = seen.develop(&rows, moments, false)?;
        seen.groups.iter_mut().zip(tensors).for_each(|(group, tensor)| group.last = tensor);
        Ok(())
    }

    fn step(&mut self, state: &BatchState, moments: &[Moment], ended: &[Ended]) -> Result<(), String> {
        let mut seen = self.seen();
        if ended.is_empty() {
            seen.forget_last();
        }
        let mut rows: Vec<Row> = (0..seen.num_envs).map(|env| (env, What::GoesOn)).collect();
        ended.iter().for_each(|ended| rows[ended.env].1 = What::Begins);
        seen.show(state, moments, &rows)?;
        seen.ended = ended.iter().map(|ended| ended.env).collect();
        Ok(())
    }

    fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        self.seen().developer.remember(state, moments);
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
        // Nothing new is traced, so no moment is asked for.
        let rows: Vec<Row> = (0..seen.num_envs).map(|env| (env, What::Stays)).collect();
        let moments = vec![Moment::default(); seen.num_envs];
        let tensors = seen.develop(&rows, &moments, true)?;
        seen.groups.iter_mut().zip(tensors).for_each(|(group, tensor)| group.now = tensor);
        Ok(())
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
