//! The executor: resets, steps, pushes, and the columns of the batch state.

use std::borrow::Cow;
use std::ops::Range;

use glam::{DQuat, DVec3};
use keiko_dynamics::any::{AnyBatch, Width, any_batch_with};
use keiko_dynamics::batch::Part;
use keiko_dynamics::block::Block;
use keiko_dynamics::lane::Lanes;
use keiko_dynamics::plan::{BuildError, Law, Parameters, Plan, StepOptions, TaskRows};
use keiko_dynamics::touch::touches;
use keiko_model::RobotModel;
use keiko_model::robot::JointKind;
use rayon::prelude::*;

use super::snapshot;
use crate::executor::{
    BatchState, EnvParameters, Executor, Fault, FaultCause, SnapshotError, Touch, Unsupported,
};
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
    width: Width,
    task: TaskRows,
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
        Self::with_task(model, num_envs, options, width, TaskRows::default())
    }

    /// The same with rows of a task beside those of the physics.
    ///
    /// # Errors
    /// As [`LanesExecutor::new`].
    pub fn with_task(
        model: &RobotModel,
        num_envs: usize,
        options: PhysicsOptions,
        width: Width,
        task: TaskRows,
    ) -> Result<Self, BuildError> {
        let plan = Plan::with_task(model, step_options(&options)?, task)?;
        let core = any_batch_with(model, num_envs, plan, width);
        Ok(Self {
            identity: EnvParameters::identity(model, 1),
            identity_numbers: core.numbers(model, &Parameters::default()),
            unsupported: notes(core.plan()),
            core,
            width,
            task,
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
        numbers * self.core.number_size() + counters
    }

    /// The environments.
    pub fn core(&self) -> &dyn AnyBatch {
        &*self.core
    }

    /// The environments, for a pass over them, and what it needs to reset one. It says what it did with
    /// [`LanesExecutor::set_steps`].
    pub fn core_mut(&mut self) -> (&mut dyn AnyBatch, Starter<'_>) {
        (
            &mut *self.core,
            Starter { model: &self.model, identity: &self.identity, numbers: &self.identity_numbers },
        )
    }

    /// Sets the physics steps of an environment since its reset, after a pass.
    pub fn set_steps(&mut self, env: usize, steps: u64) {
        self.steps[env] = steps;
    }

    /// Control steps that a control may be late.
    pub(super) fn max_delay(&self) -> usize {
        self.core.plan().options.max_delay
    }

    /// The same environments with room for other delays.
    pub(super) fn with_delay(&self, max_delay: usize) -> Result<Box<dyn AnyBatch>, BuildError> {
        let step = StepOptions { max_delay, ..step_options(&self.options)? };
        let plan = Plan::with_task(&self.model, step, self.task)?;
        let mut core = any_batch_with(&self.model, self.steps.len(), plan, self.width);
        let rows = |plan: &Plan| {
            let counts = [
                (Part::State, plan.state_len),
                (Part::Parameters, plan.parameters_len),
                (Part::Output, plan.output_len),
            ];
            counts.into_iter().flat_map(|(part, len)| (0..len).map(move |row| (part, row)))
        };
        // Late controls and delays lie behind all others, so rows keep their places.
        let there: Vec<_> = rows(core.plan()).collect();
        for (part, row) in rows(self.core.plan()).filter(|place| there.contains(place)) {
            let numbers: Vec<f64> =
                (0..self.steps.len()).map(|env| self.core.number(part, row, env)).collect();
            core.restore(part, row, &numbers);
        }
        Ok(core)
    }

    /// Makes room for the delays of the environments with `mask`. A task has said before how late controls may be.
    fn provide_delay(&mut self, mask: &[bool], parameters: &EnvParameters) {
        let of_env = |(env, _): (usize, &bool)| {
            parameters.delay.column(env).filter(|d| d.is_finite()).fold(0.0f32, f32::max)
        };
        let marked = mask.iter().enumerate().filter(|(_, marked)| **marked);
        let needed = marked.map(of_env).fold(0.0, f32::max).min(MAX_DELAY).round() as usize;
        if needed > self.max_delay()
            && self.task == TaskRows::default()
            && let Ok(core) = self.with_delay(needed)
        {
            self.take_core(core);
        }
    }

    /// Takes what [`LanesExecutor::with_delay`] gave.
    pub(super) fn take_core(&mut self, core: Box<dyn AnyBatch>) {
        self.core = core;
        self.identity_numbers = self.core.numbers(&self.model, &Parameters::default());
    }

    /// Puts an environment at its columns; one whose numbers are not finite keeps its state and rests, broken: false.
    fn reset_env(&mut self, env: usize, qpos: &Field, qvel: &Field, parameters: &EnvParameters) -> bool {
        self.steps[env] = 0;
        let start = Start::gather(env, qpos, qvel, parameters, &self.identity);
        let numbers = |factors: &Parameters| self.core.numbers(&self.model, factors);
        match start.prepare(&self.model, &self.identity, &self.identity_numbers, numbers) {
            Some(ready) => {
                self.core.reset(env, &ready.numbers, &ready.qpos, &ready.qvel);
                true
            }
            None => {
                self.core.set_fault(env, fault_number(FaultCause::NonFinite));
                false
            }
        }
    }

    /// Copies rows into the batch state: of all environments, or of those with `mask`.
    fn publish(&self, mask: Option<&[bool]>, state: &mut BatchState) {
        publish(&*self.core, mask, state);
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

/// Copies the rows of the physics into the batch state: of all environments, or of those with `mask`.
pub fn publish(core: &dyn AnyBatch, mask: Option<&[bool]>, state: &mut BatchState) {
    for (field, part, row) in places(core.plan(), state) {
        copy_rows(core, part, row, mask, field);
    }
}

/// Copies the rows of one environment into a state of one: what it costs does not depend on how many there are.
pub fn publish_alone(core: &dyn AnyBatch, env: usize, alone: &mut BatchState) {
    for (field, part, first) in places(core.plan(), alone) {
        for row in 0..field.num_rows() {
            field.set(row, 0, core.number(part, first + row, env) as f32);
        }
    }
}

/// The fields of a state, and where their rows are in the batch.
fn places<'a>(plan: &Plan, state: &'a mut BatchState) -> [(&'a mut Field, Part, usize); 9] {
    let first = plan.fault;
    [
        (&mut state.qpos, Part::State, plan.qpos),
        (&mut state.qvel, Part::State, plan.qvel),
        (&mut state.body_position, Part::Output, plan.body_position - first),
        (&mut state.body_rotation, Part::Output, plan.body_rotation - first),
        (&mut state.body_linear_velocity, Part::Output, plan.body_linear - first),
        (&mut state.body_angular_velocity, Part::Output, plan.body_angular - first),
        (&mut state.actuator_force, Part::Output, plan.actuator_force - first),
        (&mut state.contact_force, Part::Output, plan.contact_force - first),
        (&mut state.sensors, Part::Output, plan.sensed - first),
    ]
}

/// The most control steps that a control may be late.
const MAX_DELAY: f32 = 1000.0;

/// Where an environment begins, and under which parameters.
#[derive(Clone, Debug)]
pub struct Start {
    /// Positions `[nq]`.
    pub qpos: Vec<f64>,
    /// Velocities `[nv]`.
    pub qvel: Vec<f64>,
    /// Parameters, in one column.
    pub parameters: EnvParameters,
}

/// What the engine reads when an environment begins.
struct Ready<'a> {
    numbers: Cow<'a, [f64]>,
    qpos: Vec<f64>,
    qvel: Vec<f64>,
}

impl Start {
    /// From the columns of an environment.
    fn gather(
        env: usize,
        qpos: &Field,
        qvel: &Field,
        parameters: &EnvParameters,
        identity: &EnvParameters,
    ) -> Self {
        let mut one = identity.clone();
        one.set_column(0, parameters, env);
        Self {
            qpos: qpos.column(env).map(f64::from).collect(),
            qvel: qvel.column(env).map(f64::from).collect(),
            parameters: one,
        }
    }

    /// Numbers for the engine; none where they are not finite.
    fn prepare<'a>(
        &self,
        model: &RobotModel,
        identity: &EnvParameters,
        identity_numbers: &'a [f64],
        numbers: impl FnOnce(&Parameters) -> Vec<f64>,
    ) -> Option<Ready<'a>> {
        let numbers = match is_identity(&self.parameters, 0, identity) {
            true => Cow::Borrowed(identity_numbers),
            false => Cow::Owned(numbers(&engine_parameters(&self.parameters, 0, identity))),
        };
        let finite = self.qpos.iter().chain(&self.qvel).chain(&*numbers).all(|x| x.is_finite())
            && self.parameters.delay.column(0).all(f32::is_finite);
        let mut qpos = self.qpos.clone();
        normalize(model, &mut qpos);
        finite.then(|| Ready { numbers, qpos, qvel: self.qvel.clone() })
    }
}

/// Resets environments in the middle of a pass.
#[derive(Clone, Copy)]
pub struct Starter<'a> {
    model: &'a RobotModel,
    /// Parameters that change nothing, and their numbers.
    identity: &'a EnvParameters,
    numbers: &'a [f64],
}

impl Starter<'_> {
    /// Puts an environment of a block at its start; one whose numbers are not finite keeps its state and rests, broken.
    pub fn start<L: Lanes>(&self, block: &mut Block<'_, L>, env: usize, start: &Start) {
        let (plan, links) = (block.plan, block.links);
        let numbers = |factors: &Parameters| factors.numbers(plan, self.model, links);
        match start.prepare(self.model, self.identity, self.numbers, numbers) {
            Some(ready) => block.reset(env, &ready.numbers, &ready.qpos, &ready.qvel),
            None => block.set(plan.fault, env, fault_number(FaultCause::NonFinite)),
        }
    }
}

/// What the engine leaves out.
fn notes(plan: &Plan) -> Vec<Unsupported> {
    plan.notes.iter().map(|(element, what)| Unsupported::new(element.clone(), what)).collect()
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
        max_delay: options.max_delay,
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
        delay: p.delay.column(env).map(|d| f64::from(d.clamp(0.0, MAX_DELAY).round())).collect(),
    }
}

/// Moment and force on each body of an environment, from rows of force and torque `[6 nb]`.
pub fn wrenches(wrench: &Field, env: usize) -> Vec<[DVec3; 2]> {
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
        self.provide_delay(mask, parameters);
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
        self.core.step(control);
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

    fn touches(&self, env: usize) -> Vec<Touch> {
        touches(&*self.core, env)
    }

    fn as_lanes(&mut self) -> Option<&mut LanesExecutor> {
        Some(self)
    }

    fn lanes(&self) -> Option<&LanesExecutor> {
        Some(self)
    }

    fn save(&self) -> Vec<u8> {
        snapshot::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        snapshot::load(self, bytes)
    }
}
