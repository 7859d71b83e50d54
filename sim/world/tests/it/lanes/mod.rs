//! The lanes executor against itself: bits, faults, snapshots, delays, memory.

mod bits;
mod choice;
mod parameters;
mod senses;
mod sensors;
mod state;

use keiko_model::RobotModel;
use keiko_model::import::{ImportOptions, load};
use keiko_testkit::workspace_root;
use keiko_world::lanes::{LanesExecutor, Width};
use keiko_world::{BatchState, EnvParameters, Executor, Fault, Field, PhysicsOptions};

/// A robot of this project, with the floor of its file.
pub fn robot(file: &str) -> RobotModel {
    let path = workspace_root().join("assets/robots").join(file);
    load(&path, &ImportOptions::default()).unwrap().model
}

/// An executor with everything around it.
pub struct Batch {
    pub executor: LanesExecutor,
    pub state: BatchState,
    pub parameters: EnvParameters,
    pub ctrl: Field,
    pub model: RobotModel,
}

impl Batch {
    pub fn new(model: &RobotModel, num_envs: usize, options: PhysicsOptions, width: Width) -> Self {
        Self {
            executor: LanesExecutor::with_width(model, num_envs, options, width).unwrap(),
            state: BatchState::new(model, num_envs),
            parameters: EnvParameters::identity(model, num_envs),
            ctrl: Field::zeros(model.actuators.len(), num_envs),
            model: model.clone(),
        }
    }

    /// All environments at the reference configuration, at rest.
    pub fn reset(&mut self) {
        let qpos: Vec<f32> = self.model.reference_qpos().iter().map(|q| *q as f32).collect();
        let qvel = vec![0.0; self.model.num_dofs()];
        self.reset_to(&qpos, &qvel);
    }

    pub fn reset_to(&mut self, qpos: &[f32], qvel: &[f32]) {
        let n = self.executor.num_envs();
        let (mut q, mut v) = (Field::zeros(qpos.len(), n), Field::zeros(qvel.len(), n));
        for env in 0..n {
            q.set_column(env, qpos.iter().copied());
            v.set_column(env, qvel.iter().copied());
        }
        self.executor.reset(&vec![true; n], &q, &v, &self.parameters, &mut self.state);
    }

    pub fn step(&mut self) -> Vec<Fault> {
        self.executor.step(&self.ctrl, &mut self.state)
    }

    /// Every number of an environment, as bits.
    pub fn bits(&self, env: usize) -> Vec<u32> {
        let s = &self.state;
        [
            &s.qpos,
            &s.qvel,
            &s.body_position,
            &s.body_rotation,
            &s.body_linear_velocity,
            &s.body_angular_velocity,
            &s.actuator_force,
            &s.contact_force,
            &s.sensors,
        ]
        .iter()
        .flat_map(|f| f.column(env).map(f32::to_bits).collect::<Vec<_>>())
        .collect()
    }

    /// Controls that differ by environment and time.
    pub fn drive(&mut self, steps: std::ops::Range<usize>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for k in steps {
            for a in 0..self.ctrl.num_rows() {
                for env in 0..self.ctrl.num_envs() {
                    let phase = k as f32 * 0.13 + env as f32 + a as f32;
                    self.ctrl.set(a, env, 0.4 * phase.sin());
                }
            }
            faults.extend(self.step());
        }
        faults
    }
}
