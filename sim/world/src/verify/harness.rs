//! Loads a scene from text, steps it and reads bodies in `f64`.

use std::path::Path;

use glam::{DQuat, DVec3};
use keiko_model::RobotModel;
use keiko_model::import::{AssetRoot, ImportOptions, mjcf, xml};

use super::{CheckError, Engine};
use crate::{BatchState, EnvParameters, Executor, Field};

/// Settings of a run. The default is the card's: 2 ms, four solver iterations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Physics step \[s\].
    pub timestep: f64,
    /// Solver iterations (rapier: substeps) per physics step.
    pub solver_iterations: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { timestep: 0.002, solver_iterations: 4 }
    }
}

/// A running scene: one executor, its state and its controls.
pub struct Sim {
    /// The scene.
    pub model: RobotModel,
    /// State after the last step.
    pub state: BatchState,
    /// Control `[nu, num_envs]` of the next step.
    pub ctrl: Field,
    executor: Box<dyn Executor>,
    timestep: f64,
    steps: u64,
}

impl Sim {
    /// One copy of a scene at its reference configuration, at rest, with the card's settings.
    pub fn new(engine: &dyn Engine, mjcf: &str) -> Result<Self, CheckError> {
        Self::with(engine, read(mjcf)?, 1, Settings::default())
    }

    /// `num_envs` copies of a model at its reference configuration, at rest.
    pub fn with(
        engine: &dyn Engine,
        model: RobotModel,
        num_envs: usize,
        settings: Settings,
    ) -> Result<Self, CheckError> {
        let executor = engine.build(&model, num_envs, &settings)?;
        let mut sim = Self {
            state: BatchState::new(&model, num_envs),
            ctrl: Field::zeros(model.actuators.len(), num_envs),
            model,
            executor,
            timestep: settings.timestep,
            steps: 0,
        };
        let (qpos, qvel) = (sim.model.reference_qpos(), vec![0.0; sim.model.num_dofs()]);
        sim.start(&qpos, &qvel);
        Ok(sim)
    }

    /// Starts all environments at `qpos` `[nq]`, `qvel` `[nv]`.
    pub fn start(&mut self, qpos: &[f64], qvel: &[f64]) {
        let num_envs = self.state.steps.len();
        let columns = |values: &[f64]| {
            let mut field = Field::zeros(values.len(), num_envs);
            for env in 0..num_envs {
                field.set_column(env, values.iter().map(|&value| value as f32));
            }
            field
        };
        self.start_each(&columns(qpos), &columns(qvel));
    }

    /// Starts each environment at its column of `qpos` `[nq, num_envs]`, `qvel` `[nv, num_envs]`.
    pub fn start_each(&mut self, qpos: &Field, qvel: &Field) {
        let num_envs = self.state.steps.len();
        let parameters = EnvParameters::identity(&self.model, num_envs);
        self.executor.reset(&vec![true; num_envs], qpos, qvel, &parameters, &mut self.state);
        self.steps = 0;
    }

    /// Starts at the reference configuration with the given velocities `[nv]`.
    pub fn start_moving(&mut self, qvel: &[f64]) {
        self.start(&self.model.reference_qpos(), qvel);
    }

    /// One step.
    pub fn step(&mut self) -> Result<(), CheckError> {
        let faults = self.executor.step(&self.ctrl, &mut self.state);
        self.steps += 1;
        match faults.first() {
            Some(fault) => Err(CheckError::Fault { env: fault.env, time: self.time(), cause: fault.cause }),
            None => Ok(()),
        }
    }

    /// Steps for a duration \[s\] and calls `see` after each step.
    pub fn run(&mut self, duration: f64, mut see: impl FnMut(&Self)) -> Result<(), CheckError> {
        for _ in 0..(duration / self.timestep).round() as u64 {
            self.step()?;
            see(self);
        }
        Ok(())
    }

    /// Time since the start \[s\].
    pub fn time(&self) -> f64 {
        self.steps as f64 * self.timestep
    }

    /// Physics step \[s\].
    pub fn timestep(&self) -> f64 {
        self.timestep
    }

    /// Index of a body; a name that the scene lacks is the world.
    pub fn body(&self, name: &str) -> usize {
        self.model.bodies.iter().position(|body| body.name == name).unwrap_or(0)
    }

    /// Origin of a body in environment `env` \[m\], world frame.
    pub fn position(&self, body: usize, env: usize) -> DVec3 {
        triple(&self.state.body_position, body, env)
    }

    /// `world_from_body`.
    pub fn rotation(&self, body: usize, env: usize) -> DQuat {
        let at = |k| f64::from(self.state.body_rotation.get(4 * body + k, env));
        DQuat::from_xyzw(at(0), at(1), at(2), at(3)).normalize()
    }

    /// A point of a body in the world frame \[m\].
    pub fn point(&self, body: usize, env: usize, point_in_body: DVec3) -> DVec3 {
        self.position(body, env) + self.rotation(body, env) * point_in_body
    }

    /// Velocity of a body's origin \[m/s\], world frame.
    pub fn velocity(&self, body: usize, env: usize) -> DVec3 {
        triple(&self.state.body_linear_velocity, body, env)
    }

    /// Angular velocity of a body \[rad/s\], world frame.
    pub fn angular_velocity(&self, body: usize, env: usize) -> DVec3 {
        triple(&self.state.body_angular_velocity, body, env)
    }

    /// A number of `qpos`.
    pub fn qpos(&self, index: usize, env: usize) -> f64 {
        f64::from(self.state.qpos.get(index, env))
    }

    /// A number of `qvel`.
    pub fn qvel(&self, index: usize, env: usize) -> f64 {
        f64::from(self.state.qvel.get(index, env))
    }
}

fn triple(field: &Field, body: usize, env: usize) -> DVec3 {
    DVec3::from_array([0, 1, 2].map(|k| f64::from(field.get(3 * body + k, env))))
}

/// Reads a scene written in MJCF; a scene that loses something in the reading is not the one that is meant.
pub fn read(text: &str) -> Result<RobotModel, CheckError> {
    let (path, options) = (Path::new("truth.xml"), ImportOptions::default());
    let root = AssetRoot::new(path, &options)?;
    let document = xml::parse(path, text.as_bytes().to_vec(), &options.limits)?;
    let import = mjcf::lower(document, &root, &options.limits)?;
    match import.report.physical().next() {
        Some(loss) => Err(CheckError::Lost(loss.to_string())),
        None => Ok(import.model),
    }
}

/// Slope of the least-squares line through `(x, y)` samples.
pub fn slope_of(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let (sum_x, sum_y) = samples.iter().fold((0.0, 0.0), |(x, y), s| (x + s.0, y + s.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let covariance: f64 = samples.iter().map(|s| (s.0 - mean_x) * (s.1 - mean_y)).sum();
    let variance: f64 = samples.iter().map(|s| (s.0 - mean_x).powi(2)).sum();
    covariance / variance
}

/// Acceleration of gravity in all scenes \[m/s²\].
pub const GRAVITY: f64 = 9.81;
