//! Collected experience: `num_steps` control steps of every environment.
//!
//! Sample `(t, n)` is row `t * num_envs + n` of every array, so a minibatch gathers whole rows.

use crate::TrainError;
use crate::agent::{Forward, View};
use crate::device::Device;
use crate::gae::Segments;
use crate::noise::{Purpose, Stream};
use crate::observed::{DeviceImages, Rows, Shower};
use keiko_env::{EpisodeEnd, Field, VecEnv};
use keiko_model::TrainSpec;
use keiko_policy::network::MIN_STD;
use keiko_policy::{Head, NetworkShape, RunningNormalizer};

/// `ln(2 pi) / 2`.
const HALF_LN_TAU: f32 = 0.918_938_5;

/// What a behaviour policy did and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// Environments.
    pub num_envs: usize,
    /// Normalised observations of the actor `[samples, size]`.
    pub actor_observation: Rows,
    /// Normalised observations of the critic `[samples, size]`; empty where it sees what the actor sees.
    pub critic_observation: Rows,
    /// Actions before squashing `[samples, num_actions]`.
    pub action: Vec<f32>,
    /// Mean of the action distribution `[samples, num_actions]`.
    pub mean: Vec<f32>,
    /// Logarithm of its deviation `[samples, num_actions]`.
    pub log_std: Vec<f32>,
    /// Logarithm of the density of `action`, before squashing `[samples]`.
    pub log_prob: Vec<f32>,
    /// Scaled rewards `[samples]`.
    pub reward: Vec<f32>,
    /// Values of the critic observations `[samples]`.
    pub value: Vec<f32>,
    /// Values of the last observations before time-outs, else 0 `[samples]`.
    pub final_value: Vec<f32>,
    /// The task ended the episode `[samples]`.
    pub terminated: Vec<bool>,
    /// Time ran out `[samples]`.
    pub truncated: Vec<bool>,
    /// Not to be learned from `[samples]`.
    pub invalid: Vec<bool>,
    /// Normalised critic observations after the last step `[num_envs, size]`.
    pub last_observation: Rows,
    /// Their values `[num_envs]`.
    pub last_value: Vec<f32>,
    /// Episodes that ended, in order.
    pub episodes: Vec<EpisodeEnd>,
}

impl Rollout {
    /// Rows.
    pub fn num_samples(&self) -> usize {
        self.reward.len()
    }

    /// 1 where a transition may be learned from, else 0 `[samples]`.
    pub fn weight(&self) -> Vec<f32> {
        self.invalid.iter().map(|&invalid| if invalid { 0.0 } else { 1.0 }).collect()
    }

    /// As the advantage estimator sees it.
    pub fn segments(&self, spec: &TrainSpec) -> Segments<'_> {
        Segments {
            num_envs: self.num_envs,
            reward: &self.reward,
            value: &self.value,
            final_value: &self.final_value,
            last_value: &self.last_value,
            terminated: &self.terminated,
            truncated: &self.truncated,
            invalid: &self.invalid,
            gamma: spec.gamma as f32,
            lambda: spec.lambda as f32,
        }
    }
}

/// What collecting needs besides the environment.
pub struct Collector<'a> {
    /// Forward passes with the current parameters.
    pub forward: &'a Forward,
    /// What the outputs mean.
    pub shape: &'a NetworkShape,
    /// `log_std` of a Gaussian head `[num_actions]`; empty for a squashed one.
    pub log_std: &'a [f32],
    /// Discount, scale and horizon.
    pub spec: &'a TrainSpec,
    /// What the actor sees.
    pub actor: &'a View,
    /// What the critic sees.
    pub critic: &'a View,
    /// Where the images are, if the output does not hold them.
    pub images: Option<&'a dyn DeviceImages>,
    /// Where learning computes.
    pub device: &'a Device,
    /// Seed of the action noise.
    pub seed: u64,
    /// Which iteration this is, for the action noise.
    pub iteration: u64,
}

impl Collector<'_> {
    /// Steps the environment on from its last output. `seen` takes in the raw observations of the actor and
    /// of the critic, for the normalisers of the next iteration.
    ///
    /// # Errors
    /// [`TrainError::Device`] without images where there should be some.
    pub fn collect(
        &self,
        env: &mut dyn VecEnv,
        seen: &mut [RunningNormalizer; 2],
    ) -> Result<Rollout, TrainError> {
        let num_envs = env.spec().num_envs;
        let mut rollout = Rollout { num_envs, ..Rollout::default() };
        let mut actions = Field::zeros(self.shape.num_actions, num_envs);
        let to_actor = Shower::new(self.actor, self.images, self.device);
        let to_critic = Shower::new(self.critic, self.images, self.device);
        for step in 0..self.spec.horizon {
            let observations = &env.output().observations;
            let raw = [observations[self.actor.group].as_slice(), observations[self.critic.group].as_slice()];
            seen[0].update(raw[0], num_envs);
            seen[1].update(raw[1], num_envs);
            let seen_by_actor = to_actor.now(raw[0], num_envs)?;
            let outputs = self.forward.actor(&seen_by_actor, num_envs);
            self.sample(&outputs, step, &mut rollout, &mut actions);
            rollout.actor_observation.push(&seen_by_actor, num_envs);
            if self.actor.group == self.critic.group {
                rollout.value.extend(self.forward.critic(&seen_by_actor, num_envs));
            } else {
                let seen_by_critic = to_critic.now(raw[1], num_envs)?;
                rollout.value.extend(self.forward.critic(&seen_by_critic, num_envs));
                rollout.critic_observation.push(&seen_by_critic, num_envs);
            }
            env.step(&actions);
            self.record(env, &to_critic, &mut rollout)?;
        }
        let raw = env.output().observations[self.critic.group].as_slice();
        let last = to_critic.now(raw, num_envs)?;
        rollout.last_value = self.forward.critic(&last, num_envs);
        rollout.last_observation.push(&last, num_envs);
        rollout.actor_observation.close();
        rollout.critic_observation.close();
        Ok(rollout)
    }

    /// Draws actions from the actor's outputs `[outputs, num_envs]` and records them.
    fn sample(&self, outputs: &[f32], step: usize, rollout: &mut Rollout, actions: &mut Field) {
        let (num_envs, num_actions) = (rollout.num_envs, self.shape.num_actions);
        let noise = Stream::new(self.seed, Purpose::Actions);
        for n in 0..num_envs {
            let mut log_prob = 0.0;
            for a in 0..num_actions {
                let mean = outputs[a * num_envs + n];
                let std = match self.shape.head {
                    Head::Gaussian => self.log_std[a].exp(),
                    Head::TanhGaussian => {
                        softplus(outputs[(num_actions + a) * num_envs + n]) + MIN_STD as f32
                    }
                };
                let counter = (n * num_actions + a) as u64;
                let z = noise.normal(self.iteration, step as u64, counter) as f32;
                let action = mean + std * z;
                log_prob -= 0.5 * z * z + std.ln() + HALF_LN_TAU;
                rollout.action.push(action);
                rollout.mean.push(mean);
                rollout.log_std.push(std.ln());
                let squashed = if self.shape.head == Head::TanhGaussian { action.tanh() } else { action };
                actions.set(a, n, squashed);
            }
            rollout.log_prob.push(log_prob);
        }
    }

    /// Records what the step gave.
    fn record(
        &self,
        env: &dyn VecEnv,
        to_critic: &Shower<'_>,
        rollout: &mut Rollout,
    ) -> Result<(), TrainError> {
        let output = env.output();
        let scale = self.spec.reward_scale as f32;
        for (&reward, &invalid) in output.reward.iter().zip(&output.invalid) {
            let usable = !invalid && reward.is_finite();
            rollout.reward.push(if usable { reward * scale } else { 0.0 });
            rollout.invalid.push(!usable);
        }
        rollout.terminated.extend_from_slice(&output.terminated);
        rollout.truncated.extend_from_slice(&output.truncated);
        rollout.episodes.extend_from_slice(&output.episodes);

        let timed_out: Vec<usize> =
            (0..rollout.num_envs).filter(|&n| output.truncated[n] && !output.terminated[n]).collect();
        let start = rollout.final_value.len();
        rollout.final_value.resize(start + rollout.num_envs, 0.0);
        if timed_out.is_empty() {
            return Ok(());
        }
        let last = &output.final_observations[self.critic.group];
        let rows = (0..last.num_rows()).map(|row| last.row(row));
        let columns: Vec<f32> = rows.flat_map(|row| timed_out.iter().map(|&n| row[n])).collect();
        let values = self.forward.critic(&to_critic.last(&columns, &timed_out)?, timed_out.len());
        for (&n, value) in timed_out.iter().zip(values) {
            rollout.final_value[start + n] = value;
        }
        Ok(())
    }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
