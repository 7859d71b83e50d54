//! What every physics executor does: hold `num_envs` copies of a model, step them, reset some of them.

use bevy_ecs::prelude::Resource;
pub use keiko_dynamics::touch::Touch;
use keiko_model::RobotModel;
use serde::{Deserialize, Serialize};

use crate::field::Field;
use crate::lanes::LanesExecutor;

/// The state of the batch as everybody above the executor sees it. `nb` bodies, `nq` positions, `nv` degrees
/// of freedom, `nu` actuators, `ns` sensor numbers of the [`RobotModel`]; every field is `[rows, num_envs]`.
/// World frame is the environment's own origin; quaternions xyzw.
#[derive(Clone, Debug, Default, PartialEq, Resource, Serialize, Deserialize)]
pub struct BatchState {
    /// Positions `[nq]`, in model order \[m, rad, quaternion\].
    pub qpos: Field,
    /// Velocities `[nv]`, in model order \[m/s, rad/s\].
    pub qvel: Field,
    /// Body origins `[3 nb]`, rows `3 b + k` \[m\], world frame.
    pub body_position: Field,
    /// Body orientations `[4 nb]`, rows `4 b + k`, xyzw, `world_from_body`.
    pub body_rotation: Field,
    /// Velocities of the body origins `[3 nb]` \[m/s\], world frame.
    pub body_linear_velocity: Field,
    /// Angular velocities `[3 nb]` \[rad/s\], world frame.
    pub body_angular_velocity: Field,
    /// Actuator forces before gear `[nu]`, mean over the last control step \[N or N·m\].
    pub actuator_force: Field,
    /// Net contact force on each body `[3 nb]`, mean over the last control step \[N\], world frame.
    pub contact_force: Field,
    /// Sensor values `[ns]`, in model order.
    pub sensors: Field,
    /// Physics steps since each environment's reset `[num_envs]`.
    pub steps: Vec<u64>,
}

impl BatchState {
    /// A state of zeros for a model.
    pub fn new(model: &RobotModel, num_envs: usize) -> Self {
        let nb = model.bodies.len();
        let field = |rows| Field::zeros(rows, num_envs);
        Self {
            qpos: field(model.num_qpos()),
            qvel: field(model.num_dofs()),
            body_position: field(3 * nb),
            body_rotation: field(4 * nb),
            body_linear_velocity: field(3 * nb),
            body_angular_velocity: field(3 * nb),
            actuator_force: field(model.actuators.len()),
            contact_force: field(3 * nb),
            sensors: field(model.num_sensor_values()),
            steps: vec![0; num_envs],
        }
    }

    /// All fields, in the order of their declaration.
    pub fn fields(&self) -> [&Field; 9] {
        [
            &self.qpos,
            &self.qvel,
            &self.body_position,
            &self.body_rotation,
            &self.body_linear_velocity,
            &self.body_angular_velocity,
            &self.actuator_force,
            &self.contact_force,
            &self.sensors,
        ]
    }

    /// All fields, in the same order.
    pub fn fields_mut(&mut self) -> [&mut Field; 9] {
        [
            &mut self.qpos,
            &mut self.qvel,
            &mut self.body_position,
            &mut self.body_rotation,
            &mut self.body_linear_velocity,
            &mut self.body_angular_velocity,
            &mut self.actuator_force,
            &mut self.contact_force,
            &mut self.sensors,
        ]
    }

    /// Gives environment `env` the state of environment `from` of `other`.
    pub fn set_column(&mut self, env: usize, other: &Self, from: usize) {
        for (field, other) in self.fields_mut().into_iter().zip(other.fields()) {
            field.set_column(env, other.column(from));
        }
        self.steps[env] = other.steps[from];
    }
}

/// Parameters that may differ between environments; all start at "as the model says".
#[derive(Clone, Debug, PartialEq, Resource, Serialize, Deserialize)]
pub struct EnvParameters {
    /// Factor on mass and inertia of each body `[nb]`.
    pub mass_scale: Field,
    /// Factor on the inertia of each body alone `[nb]`.
    pub inertia_scale: Field,
    /// Shift of the centre of mass of each body `[3 nb]` \[m\], in its frame.
    pub com_offset: Field,
    /// Factor on the rotor inertia of each degree of freedom `[nv]`.
    pub armature_scale: Field,
    /// Factor on sliding friction of every geom `[1]`.
    pub friction_scale: Field,
    /// Factor on the position gain of each actuator `[nu]`.
    pub stiffness_scale: Field,
    /// Factor on the velocity gain of each actuator `[nu]`.
    pub damping_scale: Field,
    /// Factor on the force of each actuator, after clamping `[nu]`.
    pub strength_scale: Field,
    /// Delay of the control of each actuator, in whole control steps `[nu]`.
    pub delay: Field,
    /// Gravity `[3]` \[m/s²\], world frame.
    pub gravity: Field,
    /// Force and torque on each body from its reset on, or until [`Executor::set_wrench`] changes them `[6 nb]` \[N, N·m\], rows
    /// `6 b + k`, world axes. The force acts at the centre of mass of the body and of all that is welded to it.
    pub wrench: Field,
    /// Shift of the height fields that are fixed to the world `[3]` \[m\].
    pub terrain: Field,
}

impl EnvParameters {
    /// Parameters that change nothing.
    pub fn identity(model: &RobotModel, num_envs: usize) -> Self {
        let ones = |rows| Field::filled(rows, num_envs, 1.0);
        let zeros = |rows| Field::zeros(rows, num_envs);
        let (nb, nu) = (model.bodies.len(), model.actuators.len());
        let mut gravity = zeros(3);
        for (row, g) in model.options.gravity.to_array().into_iter().enumerate() {
            gravity.row_mut(row).fill(g as f32);
        }
        Self {
            mass_scale: ones(nb),
            inertia_scale: ones(nb),
            com_offset: zeros(3 * nb),
            armature_scale: ones(model.num_dofs()),
            friction_scale: ones(1),
            stiffness_scale: ones(nu),
            damping_scale: ones(nu),
            strength_scale: ones(nu),
            delay: zeros(nu),
            gravity,
            wrench: zeros(6 * nb),
            terrain: zeros(3),
        }
    }

    /// All of them.
    pub fn fields(&self) -> [&Field; 12] {
        [
            &self.mass_scale,
            &self.inertia_scale,
            &self.com_offset,
            &self.armature_scale,
            &self.friction_scale,
            &self.stiffness_scale,
            &self.damping_scale,
            &self.strength_scale,
            &self.delay,
            &self.gravity,
            &self.wrench,
            &self.terrain,
        ]
    }

    /// All of them, in the same order.
    pub fn fields_mut(&mut self) -> [&mut Field; 12] {
        [
            &mut self.mass_scale,
            &mut self.inertia_scale,
            &mut self.com_offset,
            &mut self.armature_scale,
            &mut self.friction_scale,
            &mut self.stiffness_scale,
            &mut self.damping_scale,
            &mut self.strength_scale,
            &mut self.delay,
            &mut self.gravity,
            &mut self.wrench,
            &mut self.terrain,
        ]
    }

    /// Gives an environment the parameters of environment `from` of `other`.
    pub fn set_column(&mut self, env: usize, other: &Self, from: usize) {
        for (field, other) in self.fields_mut().into_iter().zip(other.fields()) {
            field.set_column(env, other.column(from));
        }
    }
}

/// Why an environment was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultCause {
    /// A position, velocity or force is NaN or infinite.
    NonFinite,
    /// A velocity is beyond what the scene allows.
    Diverged,
}

/// An environment whose state is not usable after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which environment.
    pub env: usize,
    /// Why.
    pub cause: FaultCause,
}

/// A batch of physics worlds.
///
/// Environment `i` of a batch is bit for bit environment `i` alone; no environment sees another.
pub trait Executor: Send + Sync {
    /// Short name: `rapier`.
    fn name(&self) -> &'static str;

    /// Number of environments.
    fn num_envs(&self) -> usize;

    /// Puts every environment with `mask[env]` at `qpos`, `qvel` (only its columns are read), with its
    /// parameters, and no memory of the past: contacts, warm starts, filters and delays start afresh.
    /// Updates those columns of `state` (steps become 0).
    fn reset(
        &mut self,
        mask: &[bool],
        qpos: &Field,
        qvel: &Field,
        parameters: &EnvParameters,
        state: &mut BatchState,
    );

    /// Steps all environments by one control step (`decimation` physics steps) under `ctrl` `[nu, num_envs]`,
    /// updates `state`, and returns the environments that became unusable, in ascending order. Their columns
    /// keep the last finite state.
    fn step(&mut self, ctrl: &Field, state: &mut BatchState) -> Vec<Fault>;

    /// Adds to the velocities of environments with `mask[env]`: a push. `[nv, num_envs]`.
    fn add_velocity(&mut self, mask: &[bool], delta_qvel: &Field, state: &mut BatchState);

    /// Sets the force and torque on the bodies of environments with `mask[env]`, from now until their next reset;
    /// `[6 nb, num_envs]`, see [`EnvParameters::wrench`].
    fn set_wrench(&mut self, mask: &[bool], wrench: &Field);

    /// The points at which an environment presses on something, for people who look at it: shapes as they lie now, forces of the
    /// end of the last step. None where the executor does not know them.
    fn touches(&self, _env: usize) -> Vec<Touch> {
        Vec::new()
    }

    /// The batched engine, where this is it: a task can then work on each block of environments in the same pass.
    fn as_lanes(&mut self) -> Option<&mut LanesExecutor> {
        None
    }

    /// The same, to look at.
    fn lanes(&self) -> Option<&LanesExecutor> {
        None
    }

    /// Everything needed to continue bit for bit, as bytes.
    fn save(&self) -> Vec<u8>;

    /// Restores what [`Executor::save`] gave; on error nothing has changed.
    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError>;
}

/// A snapshot that cannot be restored.
#[derive(Clone, Debug, thiserror::Error)]
#[error("snapshot refused: {0}")]
pub struct SnapshotError(pub String);

/// Something that an executor leaves out or approximates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Kind and name.
    pub element: String,
    /// What is left out.
    pub what: String,
}

impl Unsupported {
    pub(crate) fn new(element: String, what: &str) -> Self {
        Self { element, what: what.to_owned() }
    }
}
