//! A batch of episodes: passes over blocks of environments, and what comes out of them.
//!
//! Where the physics is the batched engine, a control step is one pass: each block of environments goes from actions to
//! observations and resets while its numbers are at hand. With any other executor the same text runs in passes before
//! and after the physics, over rows that are filled from the batch state.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bevy_ecs::prelude::*;
use keiko_dynamics::any::AnyBatch;
use keiko_dynamics::batch;
use keiko_model::RobotModel;
use keiko_world::lanes::publish;
use keiko_world::replay::{ReplayInfo, ReplayRing, write_replay};
use keiko_world::schedule::{Control, Faults, Physics, ResetMask};
use keiko_world::{BatchState, EnvParameters, Executor, Fault, FaultCause, Field, Moment, Stopwatch};
use rayon::prelude::*;

use crate::contract::StepOutput;
use crate::episodes::{Breakage, Broke, FaultCounts, Part, Slot, Work};
use crate::images::LastPose;
use crate::rules::Rules;

/// Fewer numbers than this are copied faster by one thread than by several that must be woken.
const PARALLEL_COPY: usize = 1 << 15;

/// Replay files that are written at most: a scene that breaks all the time must not fill the disk.
const MAX_REPLAYS: usize = 100;

/// Where replays of broken environments go, and what is said in them.
pub(crate) struct ReplayTo {
    pub folder: Option<PathBuf>,
    pub info: ReplayInfo,
    pub sizes: [usize; 3],
    pub written: usize,
    pub lost: Vec<String>,
}

/// A task on its batch.
#[derive(Resource)]
pub(crate) struct Running {
    pub rules: Rules,
    pub slots: Vec<Mutex<Slot>>,
    /// The rows of task and physics, where the executor has none for a task.
    pub rows: Option<Box<dyn AnyBatch>>,
    pub seed: u64,
    /// Index over the whole run of the first environment of this batch.
    pub first_env: u32,
    /// Actions of the next step `[num_actions, num_envs]`.
    pub actions: Field,
    pub output: StepOutput,
    /// Where bodies were when episodes ended in the last step, if images are observed.
    pub last: Vec<LastPose>,
    pub faults: FaultCounts,
    pub replay: ReplayTo,
    /// Whether the batch state in the world follows every step, for systems that read it.
    pub follow: bool,
    watch: Stopwatch,
    flags: Vec<f32>,
}

impl Running {
    pub fn new(
        rules: Rules,
        model: &RobotModel,
        rows: Option<Box<dyn AnyBatch>>,
        width: usize,
        replay: ReplayTo,
        (seed, first_env): (u64, u32),
    ) -> Self {
        let n = rules.spec.num_envs;
        let fields = || rules.spec.observations.iter().map(|group| Field::zeros(group.size(), n)).collect();
        let output = StepOutput {
            observations: fields(),
            final_observations: fields(),
            reward: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            invalid: vec![false; n],
            episodes: Vec::new(),
        };
        let blocks = (0..n).step_by(width).map(|first| width.min(n - first));
        let slots = blocks.map(|len| Mutex::new(Slot::new(&rules, model, len))).collect();
        let actions = Field::zeros(rules.spec.actions.len(), n);
        let mut this = Self {
            rules,
            slots,
            rows,
            seed,
            first_env,
            actions,
            output,
            last: Vec::new(),
            faults: FaultCounts::default(),
            replay,
            follow: false,
            watch: Stopwatch::default(),
            flags: vec![0.0; n],
        };
        this.keep_replays(model);
        this
    }

    /// Keeps the last steps of all environments from now on, if replays are written.
    pub fn keep_replays(&mut self, model: &RobotModel) {
        let wanted = self.replay.folder.is_some();
        for slot in slots_mut(&mut self.slots) {
            let len = slot.episode.len();
            slot.ring = wanted.then(|| ReplayRing::new(model, len));
        }
    }

    /// Counts from now on where time goes.
    pub fn start_timing(&mut self) {
        self.watch.start();
        slots_mut(&mut self.slots).for_each(|slot| slot.watch.start());
    }

    /// Seconds by part of the control step.
    pub fn times(&self) -> Vec<(&'static str, f64)> {
        let mut sum = Stopwatch::default();
        for slot in &self.slots {
            let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.watch.laps().iter().for_each(|(part, seconds)| sum.add(part, *seconds));
        }
        self.watch.laps().iter().for_each(|(part, seconds)| sum.add(part, *seconds));
        sum.laps().to_vec()
    }

    /// One control step of all environments.
    pub fn step(&mut self, world: &mut World) {
        world.resource_scope(|world, mut physics: Mut<Physics>| {
            match physics.0.as_lanes() {
                Some(lanes) => {
                    let (core, starter) = lanes.core_mut();
                    core.pass(&self.work(Part::Step(starter)));
                }
                None => self.step_by_fields(world, &mut *physics.0),
            }
            self.collect(world, &mut *physics.0, false);
        });
    }

    /// Begins new episodes where the mask says.
    pub fn reset(&mut self, world: &mut World, mask: &[bool]) {
        world.resource_scope(|world, mut physics: Mut<Physics>| {
            match physics.0.as_lanes() {
                Some(lanes) => {
                    let (core, starter) = lanes.core_mut();
                    core.pass(&self.work(Part::Begin(mask, Some(starter))));
                }
                None => {
                    self.pass_rows(Part::Begin(mask, None));
                    self.reset_by_fields(world, &mut *physics.0);
                }
            }
            self.collect(world, &mut *physics.0, true);
        });
    }

    /// Which image of each environment the next one is; `steps` are physics steps since the resets.
    pub fn moments(&self, steps: &[u64], decimation: u64) -> Vec<Moment> {
        let mut moments = Vec::with_capacity(steps.len());
        for slot in &self.slots {
            for episode in &slot.lock().unwrap_or_else(PoisonError::into_inner).episode {
                let at = moments.len();
                moments.push(Moment {
                    seed: self.seed,
                    env: self.first_env.wrapping_add(at as u32),
                    episode: *episode,
                    step: (steps[at] / decimation.max(1)) as u32,
                });
            }
        }
        moments
    }

    fn work<'a>(&'a self, part: Part<'a>) -> Work<'a> {
        let Self { rules, slots, actions, seed, first_env, .. } = self;
        Work { rules, slots, actions, seed: *seed, first_env: *first_env, part }
    }

    fn pass_rows(&mut self, part: Part<'_>) {
        if let Some(mut rows) = self.rows.take() {
            rows.pass(&self.work(part));
            self.rows = Some(rows);
        }
    }

    /// The passes around the physics of an executor that has no rows for a task.
    fn step_by_fields(&mut self, world: &mut World, physics: &mut dyn Executor) {
        self.pass_rows(Part::Act);
        let num_envs = self.rules.spec.num_envs;
        let mut due: Option<(Vec<bool>, Field)> = None;
        let mut pulls: Option<(Vec<bool>, Field)> = None;
        for slot in slots_mut(&mut self.slots) {
            for (env, change) in slot.pushed.drain(..) {
                let (mask, delta) = due.get_or_insert_with(|| {
                    (vec![false; num_envs], Field::zeros(self.rules.num_dofs, num_envs))
                });
                mask[env] = true;
                let sum: Vec<f32> = delta.column(env).zip(change).map(|(a, b)| a + b).collect();
                delta.set_column(env, sum);
            }
        }
        for slot in slots_mut(&mut self.slots) {
            for (env, wrench) in slot.pulled.drain(..) {
                let (mask, all) = pulls
                    .get_or_insert_with(|| (vec![false; num_envs], Field::zeros(wrench.len(), num_envs)));
                mask[env] = true;
                all.set_column(env, wrench);
            }
        }
        let Some(rows) = &mut self.rows else { return };
        world.resource_scope(|world, mut state: Mut<BatchState>| {
            if let Some((mask, delta)) = due {
                physics.add_velocity(&mask, &delta, &mut state);
            }
            if let Some((mask, wrench)) = pulls {
                physics.set_wrench(&mask, &wrench);
            }
            let mut control = world.resource_mut::<Control>();
            let first = rows.plan().control - rows.plan().fault;
            for row in 0..control.0.num_rows() {
                rows.copy(batch::Part::Output, first + row, control.0.row_mut(row));
            }
            self.watch.begin();
            let faults = physics.step(&control.0, &mut state);
            self.watch.lap("physics");
            import(&mut **rows, &state);
            for fault in faults {
                let number = match fault.cause {
                    FaultCause::NonFinite => 1.0,
                    FaultCause::Diverged => 2.0,
                };
                rows.set_fault(fault.env, number);
            }
            self.watch.lap("import");
        });
        self.pass_rows(Part::Judge);
        self.reset_by_fields(world, physics);
    }

    /// Resets the physics of what starts again, and takes its first observations.
    fn reset_by_fields(&mut self, world: &mut World, physics: &mut dyn Executor) {
        let mut reset = std::mem::take(&mut *world.resource_mut::<ResetMask>());
        for slot in slots_mut(&mut self.slots) {
            for (env, start) in &slot.started {
                reset.mask[*env] = true;
                reset.qpos.set_column(*env, start.qpos.iter().map(|q| *q as f32));
                reset.qvel.set_column(*env, start.qvel.iter().map(|v| *v as f32));
                world.resource_mut::<EnvParameters>().set_column(*env, &start.parameters, 0);
            }
        }
        if reset.mask.contains(&true) {
            self.watch.begin();
            world.resource_scope(|world, mut state: Mut<BatchState>| {
                let parameters = world.resource::<EnvParameters>();
                physics.reset(&reset.mask, &reset.qpos, &reset.qvel, parameters, &mut state);
                if let Some(rows) = &mut self.rows {
                    import(&mut **rows, &state);
                }
            });
            reset.mask.fill(false);
            self.watch.lap("reset_physics");
            self.pass_rows(Part::See);
        }
        *world.resource_mut::<ResetMask>() = reset;
    }

    /// Fills the output from the rows, and keeps what happened in the blocks.
    fn collect(&mut self, world: &mut World, physics: &mut dyn Executor, begun: bool) {
        self.watch.begin();
        self.output.episodes.clear();
        self.last.clear();
        let mut faults = std::mem::take(&mut world.resource_mut::<Faults>().0);
        faults.clear();
        let mut parameters = world.resource_mut::<EnvParameters>();
        let mut broke: Vec<Broke> = Vec::new();
        for slot in slots_mut(&mut self.slots) {
            self.output.episodes.append(&mut slot.ended);
            broke.append(&mut slot.broke);
            self.last.append(&mut slot.last);
            for (env, start) in slot.started.drain(..) {
                parameters.set_column(env, &start.parameters, 0);
            }
        }
        for broke in broke {
            self.faults.count(broke.breakage);
            let cause = match broke.breakage {
                Breakage::NonFinite => Some(FaultCause::NonFinite),
                Breakage::Diverged => Some(FaultCause::Diverged),
                Breakage::Action | Breakage::Output => None,
            };
            faults.extend(cause.map(|cause| Fault { env: broke.env, cause }));
            self.replay.write(broke);
        }
        world.resource_mut::<Faults>().0 = faults;
        if let Some(lanes) = physics.as_lanes() {
            self.flags.fill(0.0);
            copy_state_row(lanes.core(), self.rules.clock.step, &mut self.flags);
            let decimation = lanes.options().decimation as u64;
            for (env, step) in self.flags.iter().enumerate() {
                lanes.set_steps(env, *step as u64 * decimation);
            }
            fill(lanes.core(), &self.rules, &mut self.output, &mut self.flags, begun);
            if self.follow {
                let mut state = world.resource_mut::<BatchState>();
                publish_state(lanes.core(), &self.rules, decimation, &mut state);
            }
        } else if let Some(rows) = &self.rows {
            fill(&**rows, &self.rules, &mut self.output, &mut self.flags, begun);
        }
        self.watch.lap("publish");
    }
}

impl ReplayTo {
    /// Writes what is kept of an environment that broke; a full disk must not stop the others.
    fn write(&mut self, broke: Broke) {
        let (Some(folder), Some(mut replay)) = (&self.folder, broke.replay) else { return };
        if self.written == MAX_REPLAYS {
            self.lost.push(format!("{MAX_REPLAYS} replays are in {}; no more are written", folder.display()));
        }
        self.written += 1;
        if self.written > MAX_REPLAYS {
            return;
        }
        replay.info.scene.clone_from(&self.info.scene);
        replay.info.joints.clone_from(&self.info.joints);
        let path = folder.join(format!("{}.safetensors", broke.name));
        let written = std::fs::create_dir_all(folder)
            .map_err(|error| error.to_string())
            .and_then(|()| write_replay(&path, &replay, self.sizes).map_err(|error| error.to_string()));
        self.lost.extend(written.err());
    }
}

/// The slots, when nobody else has them.
pub(crate) fn slots_mut(slots: &mut [Mutex<Slot>]) -> impl Iterator<Item = &mut Slot> {
    slots.iter_mut().map(|slot| slot.get_mut().unwrap_or_else(PoisonError::into_inner))
}

/// The state of the physics, and steps since the reset.
pub(crate) fn publish_state(core: &dyn AnyBatch, rules: &Rules, decimation: u64, state: &mut BatchState) {
    publish(core, None, state);
    let mut steps = vec![0.0; state.steps.len()];
    copy_state_row(core, rules.clock.step, &mut steps);
    for (to, step) in state.steps.iter_mut().zip(steps) {
        *to = step as u64 * decimation;
    }
}

/// A row of the task's state over all environments.
pub(crate) fn copy_state_row(core: &dyn AnyBatch, row: usize, to: &mut [f32]) {
    core.copy(batch::Part::State, row, to);
}

/// Fills what a step gives, or, where episodes have `begun` outside a step, what they begin with.
fn fill(core: &dyn AnyBatch, rules: &Rules, output: &mut StepOutput, flags: &mut [f32], begun: bool) {
    let given = rules.given;
    let row_of = |row: usize| row - core.plan().fault;
    let last = if begun { rules.seen } else { rules.last };
    for (fields, first) in [(&mut output.observations, rules.seen), (&mut output.final_observations, last)] {
        let mut at = row_of(first);
        for (field, group) in fields.iter_mut().zip(&rules.spec.observations) {
            let numbers = group.num_numbers();
            copy_rows(core, at, numbers, field);
            at += numbers;
        }
    }
    core.copy(batch::Part::Output, row_of(given.reward), &mut output.reward);
    let all = [
        (&mut output.terminated, given.terminated),
        (&mut output.truncated, given.truncated),
        (&mut output.invalid, given.broken),
    ];
    for (to, row) in all {
        core.copy(batch::Part::Output, row_of(row), flags);
        for (to, flag) in to.iter_mut().zip(flags.iter()) {
            *to = *flag > 0.5;
        }
    }
}

/// Fills the first rows of a field from consecutive rows of the output; images come after them.
fn copy_rows(core: &dyn AnyBatch, first: usize, num_rows: usize, field: &mut Field) {
    let n = field.num_envs().max(1);
    let copy = |(row, to): (usize, &mut [f32])| core.copy(batch::Part::Output, first + row, to);
    let values = &mut field.as_mut_slice()[..num_rows * n];
    if values.len() < PARALLEL_COPY {
        values.chunks_mut(n).enumerate().for_each(copy);
    } else {
        values.par_chunks_mut(n).enumerate().for_each(copy);
    }
}

/// Fills the rows of the physics from the batch state.
pub(crate) fn import(rows: &mut dyn AnyBatch, state: &BatchState) {
    let plan = rows.plan();
    let (output, first) = (batch::Part::Output, plan.fault);
    let fields = [
        (&state.qpos, batch::Part::State, plan.qpos),
        (&state.qvel, batch::Part::State, plan.qvel),
        (&state.body_position, output, plan.body_position - first),
        (&state.body_rotation, output, plan.body_rotation - first),
        (&state.body_linear_velocity, output, plan.body_linear - first),
        (&state.body_angular_velocity, output, plan.body_angular - first),
        (&state.actuator_force, output, plan.actuator_force - first),
        (&state.contact_force, output, plan.contact_force - first),
        (&state.sensors, output, plan.sensed - first),
    ];
    let mut numbers = Vec::new();
    for (field, part, first) in fields {
        for row in 0..field.num_rows() {
            numbers.clear();
            numbers.extend(field.row(row).iter().map(|x| f64::from(*x)));
            rows.restore(part, first + row, &numbers);
        }
    }
}
