//! How well a policy does: deterministic actions, a fixed number of episodes from each environment.

use crate::TrainError;
use crate::agent::{self, check_policy, views};
use crate::device::Device;
use crate::observed::{DeviceImages, Shower};
use crate::trainer::check_trust;
use burn::tensor::{Tensor, TensorData};
use keiko_env::{EpisodeEnd, Field, VecEnv};
use keiko_policy::{Net, Policy};
use serde::{Deserialize, Serialize};

/// Outcome of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// Mean sum of rewards of an episode.
    pub mean_return: f64,
    /// Standard deviation of the sums (of the population).
    pub std_return: f64,
    /// Share of successful episodes, among those that say; `None` where the task has no success condition.
    pub success_rate: Option<f64>,
    /// Episodes counted.
    pub episodes: usize,
    /// Mean control steps of an episode.
    pub mean_length: f64,
    /// Mean over all steps of each reward term before its weight, by name.
    pub reward_means: Vec<(String, f64)>,
}

/// Plays `episodes` episodes with the most likely actions. Environment `n` gives its first
/// `episodes / num_envs` episodes (the first `episodes % num_envs` environments one more): counting the first
/// to finish anywhere would favour short episodes.
///
/// # Errors
/// A policy for other observations or actions; an environment that cannot be trusted, or whose episodes do not end.
pub fn evaluate(policy: &Policy, env: &mut dyn VecEnv, episodes: usize) -> Result<EvalReport, TrainError> {
    play(policy, env, episodes, &|raw, num_envs, actions| {
        policy.act(raw, num_envs, actions);
        Ok(())
    })
}

/// The same of an environment whose images are tensors of a device: the policy acts there.
///
/// # Errors
/// As [`evaluate`]; [`TrainError::Device`] without images where there should be some.
pub fn evaluate_seeing(
    policy: &Policy,
    env: &mut dyn VecEnv,
    images: &dyn DeviceImages,
    device: &Device,
    episodes: usize,
) -> Result<EvalReport, TrainError> {
    let view = views(env.spec(), false)?.0;
    let shower = Shower::new(&view, Some(images), device).with(policy.config().normalizer.clone());
    let flat = TensorData::new(policy.parameters().to_vec(), [policy.parameters().len()]);
    let net = Net::constants(policy.shape(), &Tensor::from_data(flat, device.tensors()));
    play(policy, env, episodes, &|raw, num_envs, actions| {
        let observed = shower.now(raw, num_envs)?;
        policy.choose(&agent::tensors(&net, device.tensors(), &observed, num_envs), actions);
        Ok(())
    })
}

/// From the rows of the group `policy` to actions, of so many environments.
type Act<'a> = &'a dyn Fn(&[f32], usize, &mut [f32]) -> Result<(), TrainError>;

fn play(
    policy: &Policy,
    env: &mut dyn VecEnv,
    episodes: usize,
    act: Act<'_>,
) -> Result<EvalReport, TrainError> {
    check_policy(policy, env.spec())?;
    let spec = env.spec();
    let (num_envs, max_steps) = (spec.num_envs, spec.max_episode_steps.max(1) as usize);
    let group = spec.observations.iter().position(|group| group.name == "policy").unwrap_or(0);
    let mut actions = Field::zeros(spec.actions.len(), num_envs);
    let mut left: Vec<usize> =
        (0..num_envs).map(|n| episodes / num_envs + usize::from(n < episodes % num_envs)).collect();
    let limit = left[0].saturating_mul(max_steps).saturating_add(max_steps);
    let mut tally = Tally::default();
    env.reset(None);
    for _ in 0..limit {
        if left.iter().all(|&left| left == 0) {
            return Ok(tally.report(&env.spec().rewards));
        }
        check_trust(env)?;
        act(env.output().observations[group].as_slice(), num_envs, actions.as_mut_slice())?;
        env.step(&actions);
        check_trust(env)?;
        for end in &env.output().episodes {
            if left[end.env] > 0 {
                left[end.env] -= 1;
                tally.add(end);
            }
        }
    }
    if left.iter().all(|&left| left == 0) {
        return Ok(tally.report(&env.spec().rewards));
    }
    Err(TrainError::Environment {
        task: env.spec().name.clone(),
        message: format!("{} episodes did not end within {max_steps} steps each", left.iter().sum::<usize>()),
    })
}

/// What ended episodes add up to.
#[derive(Default)]
pub(crate) struct Tally {
    returns: Vec<f64>,
    steps: u64,
    judged: usize,
    successes: usize,
    reward_sums: Vec<f64>,
}

impl Tally {
    pub(crate) fn add(&mut self, end: &EpisodeEnd) {
        self.returns.push(end.return_sum);
        self.steps += u64::from(end.length);
        self.judged += usize::from(end.success.is_some());
        self.successes += usize::from(end.success == Some(true));
        self.reward_sums.resize(end.reward_means.len(), 0.0);
        for (sum, mean) in self.reward_sums.iter_mut().zip(&end.reward_means) {
            *sum += mean * f64::from(end.length);
        }
    }

    pub(crate) fn report(&self, rewards: &[String]) -> EvalReport {
        let episodes = self.returns.len();
        let count = episodes.max(1) as f64;
        let mean_return = self.returns.iter().sum::<f64>() / count;
        let variance = self.returns.iter().map(|x| (x - mean_return).powi(2)).sum::<f64>() / count;
        EvalReport {
            mean_return,
            std_return: variance.sqrt(),
            success_rate: (self.judged > 0).then(|| self.successes as f64 / self.judged as f64),
            episodes,
            mean_length: self.steps as f64 / count,
            reward_means: rewards
                .iter()
                .cloned()
                .zip(self.reward_sums.iter().map(|sum| sum / self.steps.max(1) as f64))
                .collect(),
        }
    }
}
