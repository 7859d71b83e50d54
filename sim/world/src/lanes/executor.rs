//! The executor: resets, steps, pushes, and the columns of the batch state.

use std::ops::Range;

use glam::{DQuat, DVec3};
use keiko_dynamics::any::{AnyBatch, Width, any_batch};
use keiko_dynamics::batch::Part;
use keiko_dynamics::plan::{BuildError, Law, Parameters, Plan, StepOptions};
use keiko_model::RobotModel;
use keiko_model::robot::JointKind;
use rayon::prelude::*;

use super::delay::DelayLine;
use super::snapshot;
use crate::executor::{BatchState, EnvParameters, Executor, Fault, FaultCause, SnapshotError, Unsupported};
use crate::field::Field;
use crate::options::{ContactLaw, PhysicsOptions};

/// Fewer numbers than this are copied faster by one thread than by several that must be woken.
const PARALLEL_COPY: usize = 1 << 15;

/// The batched engine.
///
/// `actuator_force` is the mean over the substeps of the control step of the force that each actuator asks for after its
/// limit; `contact_force` is the sum of all contact impulses, friction included, over the length of the control step.
pub struct LanesExecutor {
    pub(super) model: RobotModel,
    options: PhysicsOptions,
    pub(super) core: Box<dyn AnyBatch>,
    /// Parameters that change nothing, of one environment, and their numbers.
    identity: EnvParameters,
    identity_numbers: Vec<f64>,
    pub(super) delay: DelayLine,
    pub(super) steps: Vec<u64>,
    /// The fault row of the last step `[num_envs]`.
    faults: Vec<f32>,
    unsupported: Vec<Unsupported>,
}

impl LanesExecutor {
    /// `num_envs` copies of a model at its reference configuration.
    ///
    /// # Errors
    /// Where the model asks for what the batched engine cannot do, naming the element and the feature.
    pub fn new(model: &RobotModel, num_envs: usize, options: PhysicsOptions) -> Result<Self, BuildError> {
        Self::with_width(model, num_envs, options, Width::Detected)
    }

    /// The same with a width of the caller's choice.
    ///
    /// # Errors
    /// As [`LanesExecutor::new`].
    pub fn with_width(
        model: &RobotModel,
        num_envs: usize,
        options: PhysicsOptions,
        width: Width,
    ) -> Result<Self, BuildError> {
        let step = step_options(&options)?;
        let core = any_batch(model, num_envs, step, width)?;
        Ok(Self {
            identity: EnvParameters::identity(model, 1),
            identity_numbers: core.numbers(model, &Parameters::default()),
            unsupported: notes(model, core.plan()),
            core,
            delay: DelayLine::new(num_envs),
            steps: vec![0; num_envs],
            faults: vec![0.0; num_envs],
            model: model.clone(),
            options,
        })
    }

    /// What of the model is left out or approximated.
    pub fn unsupported(&self) -> &[Unsupported] {
        &self.unsupported
    }

    /// How it steps.
    pub fn options(&self) -> &PhysicsOptions {
        &self.options
    }

    /// Environments that a step works on at once.
    pub fn width(&self) -> usize {
        self.core.width()
    }

    /// Bytes that the executor holds of each environment from step to step.
    pub fn memory_per_env(&self) -> usize {
        let plan = self.core.plan();
        let numbers = plan.state_len.max(1) + plan.parameters_len + plan.output_len;
        let counters = size_of::<u64>() + size_of::<f32>();
        numbers * self.core.number_size() + counters + self.delay.memory_per_env()
    }

    /// Puts an environment at its columns; one whose numbers are not finite keeps its state and rests, broken: false.
    fn reset_env(&mut self, env: usize, qpos: &Field, qvel: &Field, parameters: &EnvParameters) -> bool {
        self.steps[env] = 0;
        self.delay.reset(env, parameters.delay.column(env));
        let mut q: Vec<f64> = qpos.column(env).map(f64::from).collect();
        let v: Vec<f64> = qvel.column(env).map(f64::from).collect();
        let numbers = match is_identity(parameters, env, &self.identity) {
            true => None,
            false => {
                let parameters = engine_parameters(parameters, env, &self.identity);
                Some(self.core.numbers(&self.model, &parameters))
            }
        };
        let numbers = numbers.as_ref().unwrap_or(&self.identity_numbers);
        let finite = q.iter().chain(&v).chain(numbers).all(|x| x.is_finite())
            && parameters.delay.column(env).all(f32::is_finite);
        if !finite {
            self.core.set_fault(env, fault_number(FaultCause::NonFinite));
            return false;
        }
        normalize(&self.model, &mut q);
        self.core.reset(env, numbers, &q, &v);
        true
    }

    /// Copies rows into the batch state: of all environments, or of those with `mask`.
    fn publish(&self, mask: Option<&[bool]>, state: &mut BatchState) {
        let plan = self.core.plan();
        let first = plan.fault;
        let fields: [(&mut Field, Part, usize); 9] = [
            (&mut state.qpos, Part::State, plan.qpos),
            (&mut state.qvel, Part::State, plan.qvel),
            (&mut state.body_position, Part::Output, plan.body_position - first),
            (&mut state.body_rotation, Part::Output, plan.body_rotation - first),
            (&mut state.body_linear_velocity, Part::Output, plan.body_linear - first),
            (&mut state.body_angular_velocity, Part::Output, plan.body_angular - first),
            (&mut state.actuator_force, Part::Output, plan.actuator_force - first),
            (&mut state.contact_force, Part::Output, plan.contact_force - first),
            (&mut state.sensors, Part::Output, plan.sensed - first),
        ];
        for (field, part, row) in fields {
            copy_rows(&*self.core, part, row, mask, field);
        }
    }

    /// Faults after a step, and the count of steps of all others.
    fn judge(&mut self) -> Vec<Fault> {
        self.core.copy(Part::Output, 0, &mut self.faults);
        let mut faults = Vec::new();
        for (env, (&fault, steps)) in self.faults.iter().zip(&mut self.steps).enumerate() {
            match cause(fault) {
                None => *steps += self.options.decimation as u64,
                Some(cause) => faults.push(Fault { env, cause }),
            }
        }
        faults
    }
}

/// What the engine leaves out, and the one thing that is not its own business: limits on speed.
fn notes(model: &RobotModel, plan: &Plan) -> Vec<Unsupported> {
    let of_plan = plan.notes.iter().map(|(element, what)| Unsupported::new(element.clone(), what));
    let limited = model.joints.iter().filter(|joint| joint.velocity_limit.is_some());
    let of_joints = limited.map(|joint| {
        Unsupported::new(format!("joint `{}`", joint.name), "the speed limit of its actuators is left out")
    });
    of_plan.chain(of_joints).collect()
}

fn fault_number(cause: FaultCause) -> f64 {
    match cause {
        FaultCause::NonFinite => 1.0,
        FaultCause::Diverged => 2.0,
    }
}

fn cause(fault: f32) -> Option<FaultCause> {
    match fault {
        f if f < 0.5 => None,
        f if f < 1.5 => Some(FaultCause::NonFinite),
        _ => Some(FaultCause::Diverged),
    }
}

fn step_options(options: &PhysicsOptions) -> Result<StepOptions, BuildError> {
    options
        .check()
        .map_err(|what| BuildError { element: "physics options".to_owned(), feature: what.to_owned() })?;
    let law = match options.law {
        ContactLaw::Soft => Law::Soft {
            frequency: f64::from(options.contact_frequency),
            damping_ratio: f64::from(options.contact_damping_ratio),
        },
        ContactLaw::Mujoco => Law::Mujoco,
    };
    Ok(StepOptions {
        timestep: f64::from(options.timestep),
        decimation: options.decimation,
        substeps: options.solver_iterations,
        sweeps: options.sweeps,
        law,
        max_velocity: f64::from(options.max_velocity),
        ..StepOptions::default()
    })
}

/// Whether the parameters of an environment change nothing.
fn is_identity(p: &EnvParameters, env: usize, identity: &EnvParameters) -> bool {
    let same = |(field, plain): (&Field, &Field)| field.column(env).eq(plain.column(0));
    p.fields().into_iter().zip(identity.fields()).all(same)
}

/// What the engine takes of the parameters of an environment.
fn engine_parameters(p: &EnvParameters, env: usize, identity: &EnvParameters) -> Parameters {
    let column = |field: &Field| field.column(env).map(f64::from).collect::<Vec<_>>();
    let vectors = |field: &Field| column(field).chunks_exact(3).map(DVec3::from_slice).collect::<Vec<_>>();
    // The model's own gravity is exact.
    let other_gravity = !p.gravity.column(env).eq(identity.gravity.column(0));
    Parameters {
        mass_scale: column(&p.mass_scale),
        inertia_scale: column(&p.inertia_scale),
        com_offset: vectors(&p.com_offset),
        armature_scale: column(&p.armature_scale),
        gravity: other_gravity.then(|| vectors(&p.gravity)[0]),
        wrench: wrenches(&p.wrench, env),
        terrain: vectors(&p.terrain)[0],
        friction_scale: Some(f64::from(p.friction_scale.get(0, env))),
        stiffness_scale: column(&p.stiffness_scale),
        damping_scale: column(&p.damping_scale),
        strength_scale: column(&p.strength_scale),
    }
}

/// Moment and force on each body of an environment, from rows of force and torque.
fn wrenches(wrench: &Field, env: usize) -> Vec<[DVec3; 2]> {
    let rows: Vec<f64> = wrench.column(env).map(f64::from).collect();
    rows.chunks_exact(6).map(|w| [DVec3::from_slice(&w[3..]), DVec3::from_slice(&w[..3])]).collect()
}

/// Gives quaternions that are visibly not of length 1 that length; without length they are no rotation.
fn normalize(model: &RobotModel, qpos: &mut [f64]) {
    for joint in &model.joints {
        let first = match joint.kind {
            JointKind::Free => joint.qpos_index + 3,
            JointKind::Ball => joint.qpos_index,
            JointKind::Revolute | JointKind::Prismatic => continue,
        };
        let numbers = &mut qpos[first..first + 4];
        let quat = DQuat::from_slice(numbers);
        let length = quat.length();
        if (length - 1.0).abs() > 1e-6 {
            let unit = if length > 0.0 { quat / length } else { DQuat::IDENTITY };
            numbers.copy_from_slice(&unit.to_array());
        }
    }
}

/// Fills a field from consecutive rows of the batch.
fn copy_rows(core: &dyn AnyBatch, part: Part, first: usize, mask: Option<&[bool]>, field: &mut Field) {
    let n = field.num_envs().max(1);
    let copy = |(row, to): (usize, &mut [f32])| match mask {
        None => core.copy(part, first + row, to),
        Some(mask) => {
            for (env, to) in to.iter_mut().enumerate().filter(|(env, _)| mask[*env]) {
                *to = core.number(part, first + row, env) as f32;
            }
        }
    };
    let values = field.as_mut_slice();
    if mask.is_some() || values.len() < PARALLEL_COPY {
        values.chunks_mut(n).enumerate().for_each(copy);
    } else {
        values.par_chunks_mut(n).enumerate().for_each(copy);
    }
}

/// Rows of the output that a push changes.
fn motion_rows(plan: &Plan) -> Range<usize> {
    plan.body_position - plan.fault..plan.actuator_force - plan.fault
}

impl Executor for LanesExecutor {
    fn name(&self) -> &'static str {
        "lanes"
    }

    fn num_envs(&self) -> usize {
        self.steps.len()
    }

    fn reset(
        &mut self,
        mask: &[bool],
        qpos: &Field,
        qvel: &Field,
        parameters: &EnvParameters,
        state: &mut BatchState,
    ) {
        let mut started = mask.to_vec();
        for (env, started) in started.iter_mut().enumerate().filter(|(_, marked)| **marked) {
            *started = self.reset_env(env, qpos, qvel, parameters);
        }
        let rows = 1..self.core.plan().output_len;
        self.core.observe_some(&started, rows);
        self.publish(Some(mask), state);
        for (env, steps) in state.steps.iter_mut().enumerate().filter(|(env, _)| mask[*env]) {
            *steps = self.steps[env];
        }
    }

    fn step(&mut self, ctrl: &Field, state: &mut BatchState) -> Vec<Fault> {
        let control = ctrl.as_slice();
        // A sum with NaN in it is NaN: one look at all of them together.
        if !control.iter().sum::<f32>().is_finite() {
            for (at, _) in control.iter().enumerate().filter(|(_, u)| u.is_nan()) {
                self.core.set_fault(at % ctrl.num_envs(), fault_number(FaultCause::NonFinite));
            }
        }
        self.core.step(self.delay.hear(control));
        let faults = self.judge();
        self.publish(None, state);
        state.steps.copy_from_slice(&self.steps);
        faults
    }

    fn add_velocity(&mut self, mask: &[bool], delta_qvel: &Field, state: &mut BatchState) {
        let first = self.core.plan().qvel;
        for env in (0..self.num_envs()).filter(|&env| mask[env]) {
            if self.core.number(Part::Output, 0, env) > 0.5 {
                continue;
            }
            if !delta_qvel.column(env).all(f32::is_finite) {
                self.core.set_fault(env, fault_number(FaultCause::NonFinite));
                continue;
            }
            for (row, delta) in delta_qvel.column(env).enumerate() {
                let velocity = self.core.number(Part::State, first + row, env) + f64::from(delta);
                self.core.set_state(first + row, env, velocity);
            }
        }
        let rows = motion_rows(self.core.plan());
        self.core.observe_some(mask, rows);
        self.publish(Some(mask), state);
    }

    fn set_wrench(&mut self, mask: &[bool], wrench: &Field) {
        for env in (0..self.num_envs()).filter(|&env| mask[env]) {
            if wrench.column(env).all(f32::is_finite) {
                self.core.set_wrench(env, &wrenches(wrench, env));
            } else if self.core.number(Part::Output, 0, env) < 0.5 {
                self.core.set_fault(env, fault_number(FaultCause::NonFinite));
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        snapshot::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        snapshot::load(self, bytes)
    }
}
