//! The pictures that a scene observes, as they are traced: what an observer and a developer have in common.

use keiko_model::camera::{Camera, Channel, PixelChannel};
use keiko_model::robot::RobotModel;
use keiko_world::{BatchState, Looks, Moment, Picture};

use crate::past::Past;
use crate::{Backend, CameraError, CameraGroup, Tracer, TracerOptions};
use crate::{dress, sensor};

/// Pictures of all environments, each with the group of its camera.
#[derive(Debug)]
pub struct Pictures {
    pub tracer: Tracer,
    pub all: Vec<(Picture, CameraGroup)>,
    /// Factors on the exposure of each picture's camera `[num_envs]`; empty where none are drawn.
    pub exposures: Vec<Vec<f32>>,
    /// Where some picture shows motion.
    past: Option<Past>,
}

impl Pictures {
    /// Of `num_envs` environments of a model.
    ///
    /// # Errors
    /// As [`Tracer::new`] and [`Tracer::group`].
    pub fn new(
        backend: &Backend,
        model: &RobotModel,
        num_envs: usize,
        pictures: &[Picture],
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let flow = pictures.iter().any(|picture| picture.channels.contains(&PixelChannel::Flow));
        let tracer = Tracer::new(backend, model, num_envs, &TracerOptions { flow, ..options.clone() })?;
        let mut all = Vec::new();
        for picture in pictures {
            let source = |channel: &PixelChannel| sensor::source(picture, *channel);
            let sources: Vec<Channel> = picture.channels.iter().map(source).collect();
            all.push((picture.clone(), tracer.group(&[large(picture)], &sources)?));
        }
        let past = flow.then(|| Past::new(model, num_envs));
        Ok(Self { tracer, exposures: vec![Vec::new(); all.len()], all, past })
    }

    /// Gives environments other looks from now on.
    ///
    /// # Errors
    /// As [`Tracer::dress`] and [`Tracer::aim`].
    pub fn dress(&mut self, looks: &Looks) -> Result<(), CameraError> {
        let num_cameras = looks.cameras.len() / self.tracer.num_envs().max(1);
        self.tracer.dress(looks)?;
        for ((picture, group), exposures) in self.all.iter().zip(&mut self.exposures) {
            let index = picture.camera_index as usize;
            let own = looks.cameras.iter().skip(index).step_by(num_cameras.max(1));
            *exposures = own.map(|look| look.exposure as f32).collect();
            let cameras = dress::aimed_each(&large(picture), index, looks, self.tracer.num_envs());
            if !cameras.is_empty() {
                self.tracer.aim(group, &cameras)?;
            }
        }
        Ok(())
    }

    /// Shows a state from now on, and what has moved since the step before.
    ///
    /// # Panics
    /// As [`Tracer::pose`].
    pub fn pose(&mut self, state: &BatchState, moments: &[Moment]) -> Result<(), CameraError> {
        self.remember(state, moments);
        if let Some(past) = &self.past {
            self.tracer.pose_before(past.before())?;
        }
        self.tracer.pose(state);
        Ok(())
    }

    /// Takes a state that somebody else has shown: what moves is seen to move from there.
    pub fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        if let Some(past) = &mut self.past {
            past.remember(state, moments);
        }
    }
}

/// The camera of a picture, with a pixel for each of its rays.
fn large(picture: &Picture) -> Camera {
    picture.camera.clone().resized(picture.camera.size.map(|n| n * picture.samples))
}
