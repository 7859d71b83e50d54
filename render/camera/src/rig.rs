//! What cameras stand on: bodies, and, for those that follow one, rigs that nothing else sees.
//!
//! Tracers know no camera that follows. They have more bodies than the model: after its own come the rigs, which are moved here.

use glam::{DQuat, DVec3};
use keiko_gpu::camera as layout;
use keiko_gpu::camera::LensKind;
use keiko_model::Pose;
use keiko_model::camera::{Camera, Follow};
use keiko_model::lens::Lens;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;
use rayon::prelude::*;

/// The rigs of a model's cameras.
#[derive(Debug)]
pub struct Rigs {
    /// The model without all but its bodies.
    skeleton: RobotModel,
    /// Each once, with its body.
    rigs: Vec<(usize, Follow)>,
}

/// Poses of all bodies and rigs, as tracers have them.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    /// In the world \[m\] `[3 (bodies + rigs), num_envs]`.
    pub position: Vec<f32>,
    /// Quaternions xyzw `[4 (bodies + rigs), num_envs]`.
    pub rotation: Vec<f32>,
}

impl Rigs {
    pub fn new(model: &RobotModel) -> Self {
        let mut rigs: Vec<(usize, Follow)> = Vec::new();
        for camera in model.cameras.iter().filter(|camera| camera.follow != Follow::Fixed) {
            let rig = (camera.body, camera.follow);
            if !rigs.contains(&rig) {
                rigs.push(rig);
            }
        }
        Self { skeleton: RobotModel { bodies: model.bodies.clone(), ..RobotModel::default() }, rigs }
    }

    /// Bodies of the model.
    pub fn num_bodies(&self) -> usize {
        self.skeleton.bodies.len()
    }

    /// Bodies and rigs.
    pub fn num_all(&self) -> usize {
        self.num_bodies() + self.rigs.len()
    }

    /// The body or rig of a camera; `None` of a body that is not there, or a rig that no camera of the model has.
    pub fn find(&self, camera: &Camera) -> Option<usize> {
        match camera.follow {
            Follow::Fixed => Some(camera.body).filter(|body| *body < self.num_bodies()),
            follow => {
                let rig = self.rigs.iter().position(|rig| *rig == (camera.body, follow))?;
                Some(self.num_bodies() + rig)
            }
        }
    }

    /// Where bodies are in a state, and rigs because of them.
    ///
    /// # Panics
    /// If the state is of another model.
    pub fn place(&self, state: &BatchState) -> Bodies {
        let (position, rotation) = (&state.body_position, &state.body_rotation);
        let num_envs = position.num_envs();
        let mut bodies =
            Bodies { position: position.as_slice().to_vec(), rotation: rotation.as_slice().to_vec() };
        if self.rigs.is_empty() {
            return bodies;
        }
        let of_env = |env: usize| -> Vec<Pose> {
            let pose = |body: usize| {
                let at = [0, 1, 2].map(|k| f64::from(position.get(3 * body + k, env)));
                let turn = [0, 1, 2, 3].map(|k| f64::from(rotation.get(4 * body + k, env)));
                let turn = DQuat::from_array(turn);
                // Of an environment that broke.
                let turn = if turn.length() > 0.0 { turn.normalize() } else { DQuat::IDENTITY };
                Pose::new(DVec3::from(at), turn)
            };
            let poses: Vec<Pose> = (0..self.num_bodies()).map(pose).collect();
            self.rigs.iter().map(|(body, follow)| follow.rig(&self.skeleton, *body, &poses)).collect()
        };
        let placed: Vec<Vec<Pose>> = (0..num_envs).into_par_iter().map(of_env).collect();
        for rig in 0..self.rigs.len() {
            for k in 0..3 {
                bodies.position.extend(placed.iter().map(|rigs| rigs[rig].position[k] as f32));
            }
            for k in 0..4 {
                bodies.rotation.extend(placed.iter().map(|rigs| rigs[rig].rotation.to_array()[k] as f32));
            }
        }
        bodies
    }

    /// A camera as tracers have it.
    ///
    /// # Panics
    /// If [`Rigs::find`] does not find what it stands on.
    pub fn mirror(&self, camera: &Camera) -> layout::Camera {
        let pair = |x: [f64; 2]| x.map(|x| x as f32);
        let [b0, b1, b2, b3, b4] = camera.lens.coefficients();
        let Some(body) = self.find(camera) else { panic!("camera `{}` was not checked", camera.name) };
        layout::Camera {
            rotation: camera.pose.rotation.as_quat().to_array(),
            position: camera.pose.position.as_vec3().to_array(),
            body: body as u32,
            focal: pair(camera.focal),
            center: pair(camera.center),
            near: camera.near as f32,
            far: camera.far as f32,
            lens: match camera.lens {
                Lens::Pinhole => LensKind::Pinhole,
                Lens::BrownConrady { .. } => LensKind::BrownConrady,
                Lens::KannalaBrandt { .. } => LensKind::KannalaBrandt,
                Lens::Equirectangular => LensKind::Equirectangular,
            } as u32,
            bend: [b0, b1, b2, b3].map(|b| b as f32),
            bend_5: b4 as f32,
        }
    }
}
