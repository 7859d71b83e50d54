//! The control step of a block of environments, and what an episode is: how it begins, goes on and ends.

use std::sync::{Mutex, PoisonError};

use keiko_dynamics::block::{Block, Pass};
use keiko_dynamics::lane::Lanes;
use keiko_model::RobotModel;
use keiko_world::lanes::{Start, Starter, wrenches};
use keiko_world::replay::{ReplayFile, ReplayInfo, ReplayRing};
use keiko_world::{EnvParameters, Field, Stopwatch};
use serde::{Deserialize, Serialize};

use crate::contract::EpisodeEnd;
use crate::draw::{Draw, Purpose, Who};
use crate::images::LastPose;
use crate::language::Named;
use crate::randomize::PushKind;
use crate::rules::{Act, BROKE_ACTION, BROKE_OUTPUT, Conclude, Fresh, Judge, Observe, Rules};

/// The widest lanes.
const MAX_WIDTH: usize = 16;

/// Why environments broke, counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// A position, velocity or force was NaN or infinite.
    pub non_finite: u64,
    /// A velocity was beyond what the scene allows.
    pub diverged: u64,
    /// An action was NaN.
    pub action: u64,
    /// A reward or an observation was NaN or infinite.
    pub output: u64,
}

impl FaultCounts {
    /// All together.
    pub fn total(&self) -> u64 {
        self.non_finite + self.diverged + self.action + self.output
    }

    /// Counts one more.
    pub(crate) fn count(&mut self, breakage: Breakage) {
        *match breakage {
            Breakage::NonFinite => &mut self.non_finite,
            Breakage::Diverged => &mut self.diverged,
            Breakage::Action => &mut self.action,
            Breakage::Output => &mut self.output,
        } += 1;
    }
}

/// Why one environment broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breakage {
    /// A position, velocity or force is NaN or infinite.
    NonFinite,
    /// A velocity is beyond what the scene allows.
    Diverged,
    /// The action was NaN.
    Action,
    /// The reward or an observation is NaN or infinite.
    Output,
}

impl Breakage {
    /// By the number that the rules give it.
    fn numbered(number: f64) -> Option<Self> {
        match number {
            n if n < 0.5 => None,
            n if n < 1.5 => Some(Self::NonFinite),
            n if n < 2.5 => Some(Self::Diverged),
            n if n < 0.5 * (BROKE_ACTION + BROKE_OUTPUT) => Some(Self::Action),
            _ => Some(Self::Output),
        }
    }
}

/// An environment that broke in the last step.
pub(crate) struct Broke {
    pub env: usize,
    pub breakage: Breakage,
    /// Name of the file about it.
    pub name: String,
    /// Its last steps, where they are kept.
    pub replay: Option<ReplayFile>,
}

/// What a block of environments has beside its rows: whole numbers, and lists of what happened in the last step.
pub(crate) struct Slot {
    /// Episodes started since the environment was made.
    pub episode: Vec<u64>,
    /// Control step at which the next push of each term comes, by environment.
    pub next_push: Vec<Vec<u32>>,
    /// Control step at which the push of each term that acts now ends, 0 where none does, by environment.
    pub push_end: Vec<Vec<u32>>,
    /// Its force along x and y \[N\].
    pub push_force: Vec<Vec<[f32; 2]>>,
    /// Force and torque on each body of an environment's episode `[6 nb]`.
    pub wrench: Vec<Vec<f32>>,
    /// The last steps, where replays are written.
    pub ring: Option<ReplayRing>,
    /// Episodes that ended.
    pub ended: Vec<EpisodeEnd>,
    /// Environments that broke.
    pub broke: Vec<Broke>,
    /// Environments that started again, and where.
    pub started: Vec<(usize, Start)>,
    /// Where bodies were when episodes ended, if images are observed.
    pub last: Vec<LastPose>,
    /// Environments that are to be pushed, and the changes of their qvel; only where the physics is elsewhere.
    pub pushed: Vec<(usize, Vec<f32>)>,
    /// Environments on whose bodies other forces and torques act from now on `[6 nb]`; likewise.
    pub pulled: Vec<(usize, Vec<f32>)>,
    pub watch: Stopwatch,
    /// Parameters that change nothing.
    identity: EnvParameters,
}

impl Slot {
    /// For `len` environments of which none has begun.
    pub fn new(rules: &Rules, model: &RobotModel, len: usize) -> Self {
        Self {
            episode: vec![0; len],
            next_push: vec![vec![0; rules.randomizer.pushes.len()]; len],
            push_end: vec![vec![0; rules.randomizer.pushes.len()]; len],
            push_force: vec![vec![[0.0; 2]; rules.randomizer.pushes.len()]; len],
            wrench: vec![vec![0.0; 6 * model.bodies.len()]; len],
            ring: None,
            ended: Vec::new(),
            broke: Vec::new(),
            started: Vec::new(),
            last: Vec::new(),
            pushed: Vec::new(),
            pulled: Vec::new(),
            watch: Stopwatch::default(),
            identity: EnvParameters::identity(model, 1),
        }
    }
}

/// Which part of the control step a pass does. Where the physics is not in the pass, it comes after [`Part::Act`], and
/// the resets after [`Part::Judge`].
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// All of it, physics and resets included.
    Step(Starter<'a>),
    /// Controls from actions.
    Act,
    /// Rewards, observations, ends, and where episodes start again.
    Judge,
    /// Episodes begin outside a step, where the mask says.
    Begin(&'a [bool], Option<Starter<'a>>),
    /// The first observations of what started again.
    See,
}

/// A pass of a task over its environments.
pub(crate) struct Work<'a> {
    pub rules: &'a Rules,
    pub slots: &'a [Mutex<Slot>],
    pub seed: u64,
    /// Index over the whole run of the first environment of this batch.
    pub first_env: u32,
    /// What the policy asks for `[num_actions, num_envs]`.
    pub actions: &'a Field,
    pub part: Part<'a>,
}

impl Pass for Work<'_> {
    fn block<L: Lanes>(&self, block: &mut Block<'_, L>) {
        let mut slot = self.slots[block.index].lock().unwrap_or_else(PoisonError::into_inner);
        let mut this = At { work: self, rules: self.rules, slot: &mut slot, block };
        this.slot.watch.begin();
        // Terms compare with how bodies were before the step, and the last observations stand for those that a broken
        // environment does not give.
        this.block.recall();
        match self.part {
            Part::Step(starter) => {
                this.act(false);
                this.slot.watch.lap("act");
                this.block.control_step();
                this.slot.watch.lap("physics");
                this.judge();
                this.block.store();
                this.slot.watch.lap("store");
                this.restart(Some(starter));
            }
            Part::Act => {
                this.act(true);
                this.block.store();
            }
            Part::Judge => {
                this.judge();
                this.restart(None);
                this.block.store();
            }
            Part::Begin(mask, starter) => {
                this.begin_outside(mask);
                this.block.store();
                this.restart(starter);
                this.block.store();
            }
            Part::See => {
                if this.block.any(self.rules.given.restart) {
                    this.see();
                    this.block.store();
                }
            }
        }
    }
}

/// A block at work.
struct At<'a, 'b, L: Lanes> {
    work: &'a Work<'a>,
    rules: &'a Rules,
    slot: &'a mut Slot,
    block: &'a mut Block<'b, L>,
}

impl<L: Lanes> At<'_, '_, L> {
    fn who(&self, env: usize) -> Who {
        Who {
            seed: self.work.seed,
            env: self.work.first_env.wrapping_add((self.block.first_env() + env) as u32),
            episode: self.slot.episode[env],
        }
    }

    /// Control steps of an environment in its episode.
    fn step(&self, env: usize) -> u32 {
        self.number(self.rules.clock.step, env) as u32
    }

    /// The same of all of them.
    fn steps(&self) -> [u32; MAX_WIDTH] {
        let mut steps = [0.0; MAX_WIDTH];
        self.block.row(self.rules.clock.step, &mut steps);
        steps.map(|step| step as u32)
    }

    fn number(&self, row: usize, env: usize) -> f64 {
        self.block.get(row, env).into()
    }

    fn holds(&self, row: usize, env: usize) -> bool {
        self.number(row, env) > 0.5
    }

    /// Controls from actions, and pushes: of the block's own velocities, or, if physics is `elsewhere`, in a list.
    fn act(&mut self, elsewhere: bool) {
        let (first, len) = (self.block.first_env(), self.block.len);
        for row in 0..self.work.actions.num_rows() {
            let asked = &self.work.actions.row(row)[first..first + len];
            self.block.set_row(self.rules.actions.input + row, asked);
        }
        self.block.call::<Rules, Act>(self.rules);
        self.push(elsewhere);
        self.record();
    }

    fn push(&mut self, elsewhere: bool) {
        let rules = self.rules;
        if rules.randomizer.pushes.is_empty() {
            return;
        }
        for (env, step) in self.steps().into_iter().enumerate().take(self.block.len) {
            let mut pulled = false;
            for (index, push) in rules.randomizer.pushes.iter().enumerate() {
                let ends = self.slot.push_end[env][index] == step && step > 0;
                if !ends && self.slot.next_push[env][index] != step {
                    continue;
                }
                let who = self.who(env);
                let ([x, y], steps) = if ends { ([0.0; 2], 0) } else { push.draw(who, index, step) };
                let size = [x as f32, y as f32];
                match push.kind {
                    PushKind::Speed { v, .. } => self.change_speed(env, v, size, elsewhere),
                    PushKind::Force { .. } => {
                        pulled = true;
                        self.slot.push_force[env][index] = size;
                        self.slot.push_end[env][index] = if ends { 0 } else { step.saturating_add(steps) };
                    }
                }
                if !ends {
                    self.slot.next_push[env][index] = push.next(who, index, step.saturating_add(steps));
                }
            }
            if pulled {
                self.pull(env, elsewhere);
            }
        }
    }

    /// Adds to the speed along x and y of a base whose first row in qvel is `v`.
    fn change_speed(&mut self, env: usize, v: usize, change: [f32; 2], elsewhere: bool) {
        if elsewhere {
            let mut delta = vec![0.0; self.rules.num_dofs];
            delta[v..v + 2].copy_from_slice(&change);
            self.slot.pushed.push((self.block.first_env() + env, delta));
            return;
        }
        for (k, part) in change.into_iter().enumerate() {
            let row = self.block.plan.qvel + v + k;
            self.block.set(row, env, self.number(row, env) + f64::from(part));
        }
    }

    /// Sets force and torque on each body: those of the episode, and the pushes that act.
    fn pull(&mut self, env: usize, elsewhere: bool) {
        let rules = self.rules;
        let mut wrench = self.slot.wrench[env].clone();
        for (push, force) in rules.randomizer.pushes.iter().zip(&self.slot.push_force[env]) {
            let PushKind::Force { body, .. } = push.kind else { continue };
            wrench[6 * body] += force[0];
            wrench[6 * body + 1] += force[1];
        }
        if elsewhere {
            self.slot.pulled.push((self.block.first_env() + env, wrench));
            return;
        }
        let mut column = Field::zeros(wrench.len(), 1);
        column.set_column(0, wrench);
        self.block.set_wrench(env, &wrenches(&column, 0));
    }

    /// Keeps the state before the physics, and the controls that it gets.
    fn record(&mut self) {
        let Some(ring) = &mut self.slot.ring else { return };
        let plan = self.block.plan;
        for (field, first) in ring.next_slot().iter_mut().zip([plan.qpos, plan.qvel, plan.control]) {
            for row in 0..field.num_rows() {
                self.block.row(first + row, field.row_mut(row));
            }
        }
    }

    /// What the step gives, before episodes start again.
    fn judge(&mut self) {
        self.block.call::<Rules, Judge>(self.rules);
        self.slot.watch.lap("terms");
        let rules = self.rules;
        for (index, command) in rules.commands.iter().enumerate().filter(|(_, command)| command.period > 0) {
            for (env, step) in self.steps().into_iter().enumerate().take(self.block.len) {
                if step.is_multiple_of(command.period) {
                    // What names a thing is drawn once, at the start.
                    self.draw_command(index, env, Named::default());
                }
            }
        }
        self.observe();
        self.block.call::<Rules, Conclude>(self.rules);
        self.slot.watch.lap("observe");
    }

    fn draw_command(&mut self, index: usize, env: usize, named: Named) {
        let mut draw = self.who(env).draw(Purpose::Command, index, self.step(env));
        let value = self.rules.commands[index].sample(&mut draw, named);
        for (k, value) in value.into_iter().enumerate() {
            self.block.set(self.rules.command + 3 * index + k, env, f64::from(value));
        }
    }

    fn observe(&mut self) {
        let rules = self.rules;
        let steps = self.steps();
        for (group, rows) in &rules.noise {
            let nobody = Who { seed: 0, env: 0, episode: 0 }.draw(Purpose::Noise, 0, 0);
            let mut draws: [Draw; MAX_WIDTH] = [nobody; MAX_WIDTH];
            for (env, draw) in draws[..self.block.len].iter_mut().enumerate() {
                *draw = self.who(env).draw(Purpose::Noise, *group, steps[env]);
            }
            let mut values = [0.0; MAX_WIDTH];
            for row in rows.clone() {
                for (value, draw) in values.iter_mut().zip(&mut draws[..self.block.len]) {
                    *value = draw.range([-1.0, 1.0]) as f32;
                }
                self.block.set_row(row, &values[..self.block.len]);
            }
        }
        self.block.call::<Rules, Observe>(self.rules);
    }

    /// Says what ended, and begins it again: here, or, without a starter, elsewhere by the list.
    fn restart(&mut self, starter: Option<Starter<'_>>) {
        if !self.block.any(self.rules.given.restart) {
            return;
        }
        for env in 0..self.block.len {
            if !self.holds(self.rules.given.restart, env) {
                continue;
            }
            match Breakage::numbered(self.number(self.rules.given.broken, env)) {
                Some(breakage) => self.tell_broken(env, breakage),
                None if self.step(env) > 0 => {
                    self.tell_end(env);
                    self.tell_last(env);
                }
                // An episode that is begun from outside ends no other.
                None => {}
            }
            self.begin(env, starter);
        }
        self.slot.watch.lap("reset");
        if starter.is_some() {
            self.block.observe(self.rules.given.restart);
            self.slot.watch.lap("reset_physics");
            self.see();
            self.block.store();
            self.slot.watch.lap("reset_observe");
        }
    }

    fn tell_broken(&mut self, env: usize, breakage: Breakage) {
        let (who, step) = (self.who(env), self.step(env));
        let name = format!("fault-env{}-episode{}-step{step}", who.env, who.episode);
        // The physics did not take the step in which it broke.
        let taken = match breakage {
            Breakage::NonFinite | Breakage::Diverged => step.saturating_sub(1),
            Breakage::Action | Breakage::Output => step,
        };
        let info = ReplayInfo {
            env: u64::from(who.env),
            cause: format!("{breakage:?}"),
            seed: self.work.seed,
            step: u64::from(taken),
            ..ReplayInfo::default()
        };
        let replay = self.slot.ring.as_ref().map(|ring| ring.extract(env, info));
        let env = self.block.first_env() + env;
        self.slot.broke.push(Broke { env, breakage, name, replay });
    }

    fn tell_end(&mut self, env: usize) {
        let given = self.rules.given;
        let sum = |row: usize| self.number(row, env) + self.number(row + 1, env);
        let cause = self.number(given.cause, env);
        let steps = f64::from(self.step(env).max(1));
        let end = EpisodeEnd {
            env: self.block.first_env() + env,
            return_sum: sum(self.rules.return_sum),
            length: self.step(env),
            success: self.rules.success.as_ref().map(|_| self.holds(given.success, env)),
            reward_means: self.rules.rewards.iter().map(|reward| sum(reward.sum) / steps).collect(),
            reward_sums: self.rules.rewards.iter().map(|reward| reward.factor * sum(reward.sum)).collect(),
            termination: (cause > -0.5).then_some(cause as usize),
        };
        self.slot.ended.push(end);
    }

    /// Keeps what a camera would see of the end of an episode.
    fn tell_last(&mut self, env: usize) {
        if self.rules.images.is_empty() {
            return;
        }
        let plan = self.block.plan;
        let numbers = |first: usize, len: usize| -> Vec<f32> {
            (first..first + len).map(|row| self.number(row, env) as f32).collect()
        };
        let last = LastPose {
            env: self.block.first_env() + env,
            episode: self.slot.episode[env],
            step: self.step(env),
            position: numbers(plan.body_position, 3 * plan.num_bodies),
            rotation: numbers(plan.body_rotation, 4 * plan.num_bodies),
        };
        self.slot.last.push(last);
    }

    /// Begins the next episode of an environment: draws where it starts, and its commands.
    fn begin(&mut self, env: usize, starter: Option<Starter<'_>>) {
        self.slot.episode[env] += 1;
        if let Some(ring) = &mut self.slot.ring {
            ring.reset_env(env);
        }
        let (rules, plan) = (self.rules, self.block.plan);
        for row in rules.state..rules.state + rules.rows.state {
            self.block.set(row, env, 0.0);
        }
        let who = self.who(env);
        let mut parameters = self.slot.identity.clone();
        let (mut qpos, mut qvel) = (Field::zeros(plan.num_qpos, 1), Field::zeros(self.rules.num_dofs, 1));
        rules.randomizer.start(who, 0, &mut qpos, &mut qvel, &mut parameters);
        let start = Start {
            qpos: qpos.column(0).map(f64::from).collect(),
            qvel: qvel.column(0).map(f64::from).collect(),
            parameters,
        };
        for (index, push) in rules.randomizer.pushes.iter().enumerate() {
            self.slot.next_push[env][index] = push.next(who, index, 0);
        }
        self.slot.push_end[env].fill(0);
        self.slot.push_force[env].fill([0.0; 2]);
        self.slot.wrench[env] = start.parameters.wrench.column(0).collect();
        let mut named = Named::default();
        if let Some(language) = &rules.language {
            let instruction = language.draw(who);
            named = language.places(instruction, &start.qpos);
            for (k, number) in language.numbers(instruction).into_iter().enumerate() {
                self.block.set(language.row + k, env, number);
            }
        }
        for index in 0..rules.commands.len() {
            self.draw_command(index, env, named);
        }
        match starter {
            Some(starter) => starter.start(self.block, env, &start),
            None => {
                self.block.set(plan.fault, env, 0.0);
                for (k, q) in start.qpos.iter().enumerate() {
                    self.block.set(plan.qpos + k, env, *q);
                }
            }
        }
        rules.actions.reset_targets(self.block, env);
        self.slot.started.push((self.block.first_env() + env, start));
    }

    /// Marks the environments of a mask as ended, with flags down.
    fn begin_outside(&mut self, mask: &[bool]) {
        let (given, first) = (self.rules.given, self.block.first_env());
        for env in 0..self.block.len {
            for row in [given.reward, given.terminated, given.truncated, given.broken] {
                self.block.set(row, env, 0.0);
            }
            let marked = mask[first + env];
            self.block.set(given.restart, env, f64::from(u8::from(marked)));
            if marked {
                self.block.set(self.rules.clock.step, env, 0.0);
            }
        }
    }

    /// The first observations of what started again.
    fn see(&mut self) {
        self.observe();
        self.block.call::<Rules, Fresh>(self.rules);
    }
}
