//! The batch: environments over rayon, columns from rows.

use keiko_model::RobotModel;
use rayon::prelude::*;

use super::blueprint::Blueprint;
use super::environment::{Environment, ResetInput, Row, RowLayout};
use super::{BuildError, PhysicsOptions, Unsupported, snapshot};
use crate::executor::{BatchState, EnvParameters, Executor, Fault, SnapshotError, Touch};
use crate::field::Field;

/// Fewer numbers than this are copied faster by one thread than by several that must be woken.
const PARALLEL_COPY: usize = 1 << 14;

/// rapier worlds, one an environment.
///
/// `actuator_force` is what acted: for servos (see `drive`) the law at the end of each physics step, which is what
/// rapier's implicit motor applies; for all others the force that was applied; the mean over the control step.
/// `contact_force` is the normal impulse of each physics step over its length and the friction of its last substep.
pub struct RapierExecutor {
    blueprint: Blueprint,
    layout: RowLayout,
    environments: Vec<Environment>,
}

impl RapierExecutor {
    /// `num_envs` copies of a model. They hold no state until their first reset.
    ///
    /// # Errors
    /// Where the model asks for what rapier cannot do, naming the element and the feature.
    pub fn new(model: &RobotModel, num_envs: usize, options: PhysicsOptions) -> Result<Self, BuildError> {
        let blueprint = Blueprint::new(model, &options)?;
        let layout = RowLayout {
            nq: model.num_qpos(),
            nv: model.num_dofs(),
            nb: model.bodies.len(),
            nu: model.actuators.len(),
            ns: model.num_sensor_values(),
        };
        let environments = (0..num_envs).map(|_| Environment::new(&blueprint, layout)).collect();
        Ok(Self { blueprint, layout, environments })
    }

    /// What of the model is left out or approximated.
    pub fn unsupported(&self) -> &[Unsupported] {
        &self.blueprint.unsupported
    }

    /// How it steps.
    pub fn options(&self) -> &PhysicsOptions {
        &self.blueprint.options
    }

    /// Bytes of state of one environment, as its snapshot has them; the worlds' work buffers come on top.
    pub fn memory_per_env(&self) -> usize {
        let first = &self.environments[..self.environments.len().min(1)];
        snapshot::save(&self.blueprint, self.layout, first).len()
    }

    /// Columns of the environments with `mask` from their rows.
    fn publish(&self, mask: impl Fn(usize) -> bool + Sync, state: &mut BatchState) {
        let environments = &self.environments;
        let write = |field: &mut Field, part: fn(&Row) -> &[f32]| {
            let n = environments.len().max(1);
            let fill = |(r, row): (usize, &mut [f32])| {
                for (env, value) in row.iter_mut().enumerate().filter(|(env, _)| mask(*env)) {
                    *value = part(&environments[env].row)[r];
                }
            };
            let values = field.as_mut_slice();
            if values.len() < PARALLEL_COPY {
                values.chunks_mut(n).enumerate().for_each(fill);
            } else {
                values.par_chunks_mut(n).enumerate().for_each(fill);
            }
        };
        write(&mut state.qpos, |r| &r.qpos);
        write(&mut state.qvel, |r| &r.qvel);
        write(&mut state.body_position, |r| &r.body_position);
        write(&mut state.body_rotation, |r| &r.body_rotation);
        write(&mut state.body_linear_velocity, |r| &r.body_linear_velocity);
        write(&mut state.body_angular_velocity, |r| &r.body_angular_velocity);
        write(&mut state.actuator_force, |r| &r.actuator_force);
        write(&mut state.contact_force, |r| &r.contact_force);
        write(&mut state.sensors, |r| &r.sensors);
        for (env, steps) in state.steps.iter_mut().enumerate().filter(|(env, _)| mask(*env)) {
            *steps = environments[env].steps;
        }
    }
}

impl Executor for RapierExecutor {
    fn name(&self) -> &'static str {
        "rapier"
    }

    fn num_envs(&self) -> usize {
        self.environments.len()
    }

    fn reset(
        &mut self,
        mask: &[bool],
        qpos: &Field,
        qvel: &Field,
        parameters: &EnvParameters,
        state: &mut BatchState,
    ) {
        let blueprint = &self.blueprint;
        self.environments.par_iter_mut().enumerate().filter(|(env, _)| mask[*env]).for_each(|(env, this)| {
            this.reset(blueprint, ResetInput::gather(env, qpos, qvel, parameters));
        });
        self.publish(|env| mask[env], state);
    }

    fn step(&mut self, ctrl: &Field, state: &mut BatchState) -> Vec<Fault> {
        let blueprint = &self.blueprint;
        let step = |(env, this): (usize, &mut Environment)| {
            this.step(blueprint, ctrl.column(env)).map(|cause| Fault { env, cause })
        };
        // One environment is not worth waking another thread for.
        let faults = if self.environments.len() == 1 {
            self.environments.iter_mut().enumerate().filter_map(step).collect()
        } else {
            self.environments.par_iter_mut().enumerate().filter_map(step).collect()
        };
        self.publish(|env| self.environments[env].fault.is_none(), state);
        faults
    }

    fn add_velocity(&mut self, mask: &[bool], delta_qvel: &Field, state: &mut BatchState) {
        let blueprint = &self.blueprint;
        self.environments.par_iter_mut().enumerate().filter(|(env, _)| mask[*env]).for_each(|(env, this)| {
            this.push(blueprint, delta_qvel.column(env).collect());
        });
        self.publish(|env| mask[env] && self.environments[env].fault.is_none(), state);
    }

    fn set_wrench(&mut self, mask: &[bool], wrench: &Field) {
        let blueprint = &self.blueprint;
        for (env, this) in self.environments.iter_mut().enumerate().filter(|(env, _)| mask[*env]) {
            this.set_wrench(blueprint, wrench.column(env).collect());
        }
    }

    fn touches(&self, env: usize) -> Vec<Touch> {
        self.environments[env].touches(&self.blueprint)
    }

    fn save(&self) -> Vec<u8> {
        snapshot::save(&self.blueprint, self.layout, &self.environments)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.environments = snapshot::load(&self.blueprint, self.layout, self.environments.len(), bytes)?;
        Ok(())
    }
}
