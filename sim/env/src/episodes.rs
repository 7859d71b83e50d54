//! The phases of a control step around the physics: act, judge, restart, observe.

use bevy_ecs::prelude::Resource;
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_world::schedule::ResetMask;
use keiko_world::{BatchState, EnvParameters, Fault, FaultCause, Field};
use serde::{Deserialize, Serialize};

use crate::contract::{EpisodeEnd, StepOutput};
use crate::draw::{Purpose, Who};
use crate::memory::{Memory, MemoryLayout};
use crate::randomize::PushKind;
use crate::rules::Rules;
use crate::terms::{TOUCH_FORCE, View};

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

/// What changes from step to step, except the physics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub memory: Memory,
    pub output: StepOutput,
    pub faults: FaultCounts,
}

/// Pushes of a control step: which environments, and what of them changes.
#[derive(Default)]
pub(crate) struct DuePushes {
    /// Changes of qvel `[nv, num_envs]`.
    pub velocity: Option<(Vec<bool>, Field)>,
    /// Force and torque on each body from now on `[6 nb, num_envs]`.
    pub wrench: Option<(Vec<bool>, Field)>,
}

/// A task on its batch: rules, memory and scratch space.
#[derive(Resource)]
pub(crate) struct Episodes {
    pub rules: Rules,
    pub running: Running,
    pub seed: u64,
    /// Index over the whole run of the first environment of this batch.
    pub first_env: u32,
    /// Environments to restart `[num_envs]`.
    pub restart: Vec<bool>,
    broken: Vec<Option<Breakage>>,
    raw: Field,
    weighted: Field,
    fresh: Vec<Field>,
}

impl Episodes {
    pub fn new(rules: Rules, task: &TaskSpec, scene: &Scene, seed: u64, first_env: u32) -> Self {
        let n = rules.spec.num_envs;
        let model = &scene.model;
        let memory = Memory::new(MemoryLayout {
            num_envs: n,
            num_actions: rules.spec.actions.len(),
            num_dofs: model.num_dofs(),
            num_bodies: model.bodies.len(),
            num_commands: task.command.len(),
            num_pushes: rules.randomizer.pushes.len(),
            num_rewards: task.reward.len(),
        });
        let output = StepOutput {
            observations: rules.observation_fields(),
            final_observations: rules.observation_fields(),
            reward: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            invalid: vec![false; n],
            episodes: Vec::new(),
        };
        Self {
            running: Running { memory, output, faults: FaultCounts::default() },
            seed,
            first_env,
            restart: vec![false; n],
            broken: vec![None; n],
            raw: Field::zeros(task.reward.len(), n),
            weighted: Field::zeros(task.reward.len(), n),
            fresh: rules.observation_fields(),
            rules,
        }
    }

    pub fn num_envs(&self) -> usize {
        self.rules.spec.num_envs
    }

    /// Name of the file about what an environment is doing.
    pub fn episode_name(&self, env: usize) -> String {
        let (who, step) = (self.who(env), self.running.memory.step[env]);
        format!("fault-env{}-episode{}-step{step}", who.env, who.episode)
    }

    fn who(&self, env: usize) -> Who {
        Who {
            seed: self.seed,
            env: self.first_env.wrapping_add(env as u32),
            episode: self.running.memory.episode[env],
        }
    }

    /// Phase act: clips the actions and writes the controls. The pushes that are due come back.
    pub fn act(
        &mut self,
        actions: &Field,
        state: &BatchState,
        parameters: &EnvParameters,
        ctrl: &mut Field,
    ) -> DuePushes {
        let n = self.num_envs();
        let memory = &mut self.running.memory;
        std::mem::swap(&mut memory.previous_action, &mut memory.action);
        memory.action.as_mut_slice().copy_from_slice(actions.as_slice());
        let mut broken = vec![false; n];
        self.rules.actions.clip(&mut memory.action, &mut broken);
        for (slot, broken) in self.broken.iter_mut().zip(broken) {
            *slot = broken.then_some(Breakage::Action);
        }
        self.rules.actions.apply(memory, ctrl);
        memory.previous_qvel.as_mut_slice().copy_from_slice(state.qvel.as_slice());
        memory.previous_body_position.as_mut_slice().copy_from_slice(state.body_position.as_slice());
        self.due_pushes(state.qvel.num_rows(), parameters)
    }

    fn due_pushes(&mut self, num_dofs: usize, parameters: &EnvParameters) -> DuePushes {
        let n = self.num_envs();
        let mut due = DuePushes::default();
        for index in 0..self.rules.randomizer.pushes.len() {
            for env in 0..n {
                let step = self.running.memory.step[env];
                let ends = self.running.memory.push_end[index][env] == step && step > 0;
                if !ends && self.running.memory.next_push[index][env] != step {
                    continue;
                }
                let who = self.who(env);
                let push = &self.rules.randomizer.pushes[index];
                let ([x, y], steps) = if ends { ([0.0; 2], 0) } else { push.draw(who, index, step) };
                let memory = &mut self.running.memory;
                match push.kind {
                    PushKind::Speed { v, .. } => {
                        let (mask, delta) =
                            due.velocity.get_or_insert_with(|| (vec![false; n], Field::zeros(num_dofs, n)));
                        mask[env] = true;
                        for (row, part) in [(v, x), (v + 1, y)] {
                            delta.set(row, env, delta.get(row, env) + part as f32);
                        }
                    }
                    PushKind::Force { .. } => {
                        let (mask, _) = due.wrench.get_or_insert_with(|| {
                            (vec![false; n], Field::zeros(parameters.wrench.num_rows(), n))
                        });
                        mask[env] = true;
                        memory.push_force.set(2 * index, env, x as f32);
                        memory.push_force.set(2 * index + 1, env, y as f32);
                        memory.push_end[index][env] = if ends { 0 } else { step.saturating_add(steps) };
                    }
                }
                if !ends {
                    memory.next_push[index][env] = push.next(who, index, step.saturating_add(steps));
                }
            }
        }
        if let Some((mask, wrench)) = &mut due.wrench {
            for env in (0..n).filter(|env| mask[*env]) {
                self.pull(parameters, env, wrench);
            }
        }
        due
    }

    /// Force and torque on each body of one environment: those of its episode, and the pushes that act.
    fn pull(&self, parameters: &EnvParameters, env: usize, wrench: &mut Field) {
        wrench.set_column(env, parameters.wrench.column(env));
        for (index, push) in self.rules.randomizer.pushes.iter().enumerate() {
            let PushKind::Force { body, .. } = push.kind else { continue };
            for k in 0..2 {
                let (row, part) = (6 * body + k, self.running.memory.push_force.get(2 * index + k, env));
                wrench.set(row, env, wrench.get(row, env) + part);
            }
        }
    }

    /// Phase reward: counts the step, decides what ended, sums rewards, and computes the last observations of
    /// the episodes that end. What broke comes back.
    pub fn judge(&mut self, state: &BatchState, faults: &[Fault]) -> Vec<(usize, Breakage)> {
        for fault in faults {
            self.broken[fault.env] = Some(match fault.cause {
                FaultCause::NonFinite => Breakage::NonFinite,
                FaultCause::Diverged => Breakage::Diverged,
            });
        }
        self.count_step(state);
        let n = self.num_envs();
        let mut terminated = vec![false; n];
        let mut cause = vec![None; n];
        {
            let view = self.view(state, &terminated);
            for (index, ends) in self.rules.terminations.iter().enumerate() {
                for (env, cause) in cause.iter_mut().enumerate() {
                    if cause.is_none() && ends(&view, env) {
                        *cause = Some(index);
                    }
                }
            }
        }
        for (terminated, cause) in terminated.iter_mut().zip(&cause) {
            *terminated = cause.is_some();
        }
        self.sum_rewards(state, &terminated);
        self.resample_commands();
        let mut last = std::mem::take(&mut self.running.output.final_observations);
        self.rules.observe(&self.view(state, &terminated), |env| self.who(env), &mut last);
        self.keep_finite(&mut last);
        self.running.output.final_observations = last;
        self.end_episodes(state, &terminated, &cause)
    }

    fn view<'a>(&'a self, state: &'a BatchState, terminated: &'a [bool]) -> View<'a> {
        View {
            state,
            memory: &self.running.memory,
            base: self.rules.base,
            dt: self.rules.spec.control_dt as f32,
            max_steps: self.rules.spec.max_episode_steps,
            terminated,
        }
    }

    /// Steps and times in the air.
    fn count_step(&mut self, state: &BatchState) {
        let dt = self.rules.spec.control_dt as f32;
        let memory = &mut self.running.memory;
        memory.step.iter_mut().for_each(|step| *step += 1);
        for body in 0..memory.air_time.num_rows() {
            for env in 0..memory.step.len() {
                let touched = crate::terms::vector(&state.contact_force, body, env).length() > TOUCH_FORCE;
                let air_time = memory.air_time.get(body, env);
                memory.landed.set(body, env, if touched { air_time } else { 0.0 });
                memory.air_time.set(body, env, if touched { 0.0 } else { air_time + dt });
            }
        }
    }

    fn sum_rewards(&mut self, state: &BatchState, terminated: &[bool]) {
        let mut reward = std::mem::take(&mut self.running.output.reward);
        let (mut raw, mut weighted) = (std::mem::take(&mut self.raw), std::mem::take(&mut self.weighted));
        self.rules.reward(&self.view(state, terminated), &mut raw, &mut weighted, &mut reward);
        let memory = &mut self.running.memory;
        let sums = [(&mut memory.raw_sums, &raw), (&mut memory.reward_sums, &weighted)];
        for (sums, parts) in sums {
            for (sum, part) in sums.iter_mut().zip(parts.as_slice()) {
                *sum += f64::from(*part);
            }
        }
        for (env, value) in reward.iter_mut().enumerate() {
            if !value.is_finite() && self.broken[env].is_none() {
                self.broken[env] = Some(Breakage::Output);
            }
            if self.broken[env].is_some() {
                *value = 0.0;
            }
            memory.return_sum[env] += f64::from(*value);
        }
        (self.raw, self.weighted, self.running.output.reward) = (raw, weighted, reward);
    }

    fn resample_commands(&mut self) {
        for index in 0..self.rules.commands.len() {
            let period = self.rules.commands[index].period;
            if period == 0 {
                continue;
            }
            for env in 0..self.num_envs() {
                if self.running.memory.step[env].is_multiple_of(period) {
                    self.draw_command(index, env);
                }
            }
        }
    }

    fn draw_command(&mut self, index: usize, env: usize) {
        let mut draw = self.who(env).draw(Purpose::Command, index, self.running.memory.step[env]);
        let value = self.rules.commands[index].sample(&mut draw);
        for (k, value) in value.into_iter().enumerate() {
            self.running.memory.command.set(3 * index + k, env, value);
        }
    }

    /// Replaces observations of broken environments, and those that are not finite, by the ones before.
    fn keep_finite(&mut self, fields: &mut [Field]) {
        for env in 0..self.num_envs() {
            let finite = fields.iter().all(|field| field.column(env).all(f32::is_finite));
            if !finite && self.broken[env].is_none() {
                self.broken[env] = Some(Breakage::Output);
                let reward = &mut self.running.output.reward[env];
                self.running.memory.return_sum[env] -= f64::from(*reward);
                *reward = 0.0;
            }
            if self.broken[env].is_some() {
                for (field, before) in fields.iter_mut().zip(&self.running.output.observations) {
                    field.set_column(env, before.column(env));
                }
            }
        }
    }

    /// Flags and statistics of what ended; what broke.
    fn end_episodes(
        &mut self,
        state: &BatchState,
        terminated: &[bool],
        cause: &[Option<usize>],
    ) -> Vec<(usize, Breakage)> {
        let max_steps = self.rules.spec.max_episode_steps;
        let mut episodes = Vec::new();
        let mut broke = Vec::new();
        for env in 0..self.num_envs() {
            let broken = self.broken[env];
            let out_of_time = self.running.memory.step[env] >= max_steps;
            let output = &mut self.running.output;
            output.invalid[env] = broken.is_some();
            output.terminated[env] = terminated[env] && broken.is_none();
            // A broken environment is cut, not ended: nothing is learned about the value of where it was.
            output.truncated[env] = broken.is_some() || (out_of_time && !terminated[env]);
            self.restart[env] = output.terminated[env] || output.truncated[env];
            match broken {
                Some(breakage) => {
                    self.count_fault(breakage);
                    broke.push((env, breakage));
                }
                None if self.restart[env] => episodes.push(self.episode_end(state, terminated, cause, env)),
                None => {}
            }
        }
        self.running.output.episodes = episodes;
        broke
    }

    fn count_fault(&mut self, breakage: Breakage) {
        let faults = &mut self.running.faults;
        *match breakage {
            Breakage::NonFinite => &mut faults.non_finite,
            Breakage::Diverged => &mut faults.diverged,
            Breakage::Action => &mut faults.action,
            Breakage::Output => &mut faults.output,
        } += 1;
    }

    fn episode_end(
        &self,
        state: &BatchState,
        terminated: &[bool],
        cause: &[Option<usize>],
        env: usize,
    ) -> EpisodeEnd {
        let memory = &self.running.memory;
        let n = self.num_envs();
        let view = self.view(state, terminated);
        let steps = f64::from(memory.step[env].max(1));
        EpisodeEnd {
            env,
            return_sum: memory.return_sum[env],
            length: memory.step[env],
            success: self.rules.success.as_ref().map(|holds| holds(&view, env)),
            reward_sums: memory.reward_sums.iter().skip(env).step_by(n).copied().collect(),
            reward_means: memory.raw_sums.iter().skip(env).step_by(n).map(|sum| sum / steps).collect(),
            termination: cause[env],
        }
    }

    /// Marks what restarts for the physics, and draws where and with which parameters it starts.
    pub fn draw_starts(&mut self, reset: &mut ResetMask, parameters: &mut EnvParameters) {
        reset.mask.copy_from_slice(&self.restart);
        for env in (0..self.num_envs()).filter(|env| self.restart[*env]).collect::<Vec<_>>() {
            self.running.memory.episode[env] += 1;
            self.running.memory.clear(env);
            let who = self.who(env);
            self.rules.randomizer.start(who, env, &mut reset.qpos, &mut reset.qvel, parameters);
            for (index, push) in self.rules.randomizer.pushes.iter().enumerate() {
                self.running.memory.next_push[index][env] = push.next(who, index, 0);
            }
            for index in 0..self.rules.commands.len() {
                self.draw_command(index, env);
            }
            self.rules.actions.reset_targets(&mut self.running.memory, &reset.qpos, env);
        }
    }

    /// Phase observe: what the policy sees next; where nothing restarted, the last observations.
    pub fn observe(&mut self, state: &BatchState) {
        let mut observations = std::mem::take(&mut self.running.output.observations);
        for (field, last) in observations.iter_mut().zip(&self.running.output.final_observations) {
            field.as_mut_slice().copy_from_slice(last.as_slice());
        }
        if self.restart.iter().any(|restart| *restart) {
            let mut fresh = std::mem::take(&mut self.fresh);
            let terminated = vec![false; self.num_envs()];
            self.rules.observe(&self.view(state, &terminated), |env| self.who(env), &mut fresh);
            for (field, fresh) in observations.iter_mut().zip(&fresh) {
                for env in (0..self.num_envs()).filter(|env| self.restart[*env]) {
                    field.set_column(env, fresh.column(env));
                }
            }
            self.fresh = fresh;
        }
        self.running.output.observations = observations;
    }

    /// After a reset that is not the end of an episode: flags down, first observations everywhere they changed.
    pub fn observe_reset(&mut self, state: &BatchState) {
        let n = self.num_envs();
        let output = &mut self.running.output;
        output.final_observations.clone_from(&output.observations);
        for flags in [&mut output.terminated, &mut output.truncated, &mut output.invalid] {
            flags.fill(false);
        }
        output.reward = vec![0.0; n];
        output.episodes.clear();
        self.observe(state);
        self.running.output.final_observations.clone_from(&self.running.output.observations);
    }
}
