//! Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347): one iteration's gradient steps.
//!
//! Both dialects maximise the clipped surrogate `min(ratio A, clip(ratio, 1 ± clip) A)` with a value loss and
//! an entropy bonus. They differ in what they take as targets and when:
//!
//! | | `rsl_rl` | `brax` |
//! |---|---|---|
//! | actions | Gaussian | tanh of a Gaussian |
//! | minibatch | shuffled transitions | whole segments of shuffled environments |
//! | targets | once per iteration, time-outs bootstrapped | in every minibatch with its values, time-outs masked |
//! | advantages normalised over | the iteration | the minibatch |
//! | value loss | squared, the worse of clipped and unclipped | half squared |
//! | entropy | closed form | a sample of the squashed density |
//! | gradient norm limited | actor and critic apart | all together |
//!
//! Learning uses the density of actions before squashing: the slope of tanh cancels in the ratio.

use crate::TrainError;
use crate::agent::read;
use crate::device::Device;
use crate::gae::{self, Segments, Targets};
use crate::noise::{Purpose, Stream};
use crate::observed::Rows;
use crate::rollout::Rollout;
use burn::tensor::{Tensor, TensorData};
use keiko_model::train_spec::{Dialect, Schedule, TrainSpec};
use keiko_policy::network::{Gaussian, log_tanh_slope};
use keiko_policy::{ActorCritic, NetworkShape};
use std::ops::Range;

/// First and second moment decay and the numerical floor of Adam (Kingma, Ba 2015, arXiv:1412.6980).
const ADAM: (f64, f64, f64) = (0.9, 0.999, 1e-8);
/// Range of the adaptive learning rate.
const LEARNING_RATES: (f64, f64) = (1e-5, 1e-2);

/// Parameters being learned and the state of the optimiser.
pub struct Learner {
    device: Device,
    shape: NetworkShape,
    /// All parameters in flat order `[num_parameters]`.
    pub parameters: Tensor<1>,
    /// Adam's decayed mean of gradients `[num_parameters]`.
    pub moment_1: Tensor<1>,
    /// Adam's decayed mean of squared gradients `[num_parameters]`.
    pub moment_2: Tensor<1>,
    /// Gradient steps taken.
    pub num_steps: u64,
    /// Current learning rate.
    pub learning_rate: f64,
}

/// Means over the gradient steps of an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateReport {
    /// Negative clipped surrogate.
    pub surrogate: f64,
    /// Value loss before its weight.
    pub value: f64,
    /// Entropy of the action distribution \[nat\].
    pub entropy: f64,
    /// Divergence of the new from the old distribution \[nat\].
    pub kl: f64,
    /// Share of transitions whose ratio left the clipping interval.
    pub clip_fraction: f64,
    /// Norm of the gradient before limiting.
    pub grad_norm: f64,
}

/// The rows of one gradient step; `[batch, 1]` where nothing else is said.
struct Minibatch {
    /// `[batch, size]`.
    actor_observation: Tensor<2>,
    /// `[batch, size]`.
    critic_observation: Tensor<2>,
    /// Before squashing `[batch, num_actions]`.
    action: Tensor<2>,
    old: Gaussian,
    old_log_prob: Tensor<2>,
    old_value: Tensor<2>,
    /// Sums to 1; 0 where a transition must not be learned from.
    weight: Tensor<2>,
}

/// Loss terms of one gradient step, each `[1, 1]`.
struct Terms {
    surrogate: Tensor<2>,
    value: Tensor<2>,
    entropy: Tensor<2>,
    kl: Tensor<2>,
    clip_fraction: Tensor<2>,
}

impl Learner {
    /// With initial parameters in flat order.
    pub fn new(shape: NetworkShape, parameters: &[f32], learning_rate: f64, device: Device) -> Self {
        let zeros = vec![0.0; parameters.len()];
        Self {
            parameters: vector(parameters, &device),
            moment_1: vector(&zeros, &device),
            moment_2: vector(&zeros, &device),
            num_steps: 0,
            learning_rate,
            shape,
            device,
        }
    }

    /// What the networks look like.
    pub fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    /// Learns from a rollout: `epochs * minibatches` gradient steps.
    pub fn update(
        &mut self,
        rollout: &Rollout,
        spec: &TrainSpec,
        seed: u64,
        iteration: u64,
    ) -> Result<UpdateReport, TrainError> {
        let shuffle = Stream::new(seed, Purpose::Shuffle);
        let weight = rollout.weight();
        let targets = (spec.dialect == Dialect::RslRl).then(|| {
            let mut targets = rollout.segments(spec).bootstrapped();
            gae::normalize(&mut targets.advantage, &weight);
            targets
        });
        let units = if targets.is_some() { rollout.num_samples() } else { rollout.num_envs };
        let mut sums = vector(&[0.0; 6], &self.device);
        for epoch in 0..spec.epochs {
            let order = shuffle.permutation(iteration, epoch as u64, units);
            for part in 0..spec.minibatches {
                let chosen = &order[part * units / spec.minibatches..(part + 1) * units / spec.minibatches];
                let entropy =
                    EntropyNoise { seed, iteration, step: (epoch * spec.minibatches + part) as u64 };
                sums = sums + self.gradient_step(rollout, &weight, chosen, targets.as_ref(), spec, entropy);
            }
        }
        let count = (spec.epochs * spec.minibatches) as f64;
        let means: Vec<f64> = read(sums).iter().map(|&sum| f64::from(sum) / count).collect();
        if !means.iter().all(|mean| mean.is_finite()) {
            return Err(TrainError::Diverged { iteration });
        }
        Ok(UpdateReport {
            surrogate: means[0],
            value: means[1],
            entropy: means[2],
            kl: means[3],
            clip_fraction: means[4],
            grad_norm: means[5],
        })
    }

    /// One step on the chosen samples (`rsl_rl`, with `targets`) or environments (`brax`, without). Returns the
    /// fields of [`UpdateReport`] in order `[6]`.
    fn gradient_step(
        &mut self,
        rollout: &Rollout,
        weight: &[f32],
        chosen: &[usize],
        targets: Option<&Targets>,
        spec: &TrainSpec,
        noise: EntropyNoise,
    ) -> Tensor<1> {
        let network = ActorCritic::leaves(&self.shape, &self.parameters);
        let rows = match targets {
            Some(_) => chosen.to_vec(),
            None => segment_rows(chosen, rollout),
        };
        let batch = self.minibatch(rollout, weight, &rows);
        let values = network.value(batch.critic_observation.clone());
        let targets = match targets {
            Some(targets) => gather_targets(targets, &rows),
            None => self.masked_targets(rollout, weight, chosen, &network, &values, spec),
        };
        let advantage = self.column(targets.advantage);
        let target = self.column(targets.value);

        let terms = match spec.dialect {
            Dialect::RslRl => losses(&network, &batch, values, advantage, target, spec, None),
            Dialect::Brax => {
                let noise = noise.draw(rows.len(), self.shape.num_actions);
                let noise = self.matrix(noise, self.shape.num_actions);
                losses(&network, &batch, values, advantage, target, spec, Some(noise))
            }
        };
        if spec.dialect == Dialect::RslRl && spec.schedule == Schedule::Adaptive {
            self.adapt_learning_rate(f64::from(read(terms.kl.clone())[0]), spec.desired_kl);
        }
        let loss = total(&terms, spec);
        let gradient = network.gradients(loss.backward());
        let groups = match spec.dialect {
            Dialect::RslRl => vec![self.shape.actor_range(), self.shape.critic_range()],
            Dialect::Brax => std::iter::once(0..self.shape.num_parameters()).collect(),
        };
        let norm = gradient.clone().square().sum().sqrt();
        self.adam(limit_norm(gradient, &groups, spec.max_grad_norm));
        let terms = [terms.surrogate, terms.value, terms.entropy, terms.kl, terms.clip_fraction];
        let mut report: Vec<Tensor<1>> = terms.map(|term| term.inner().reshape([1])).into();
        report.push(norm);
        Tensor::cat(report, 0)
    }

    /// The rule of rsl_rl: keeps the divergence of a step within a factor of two of the desired one.
    fn adapt_learning_rate(&mut self, kl: f64, desired: f64) {
        if kl > 2.0 * desired {
            self.learning_rate = (self.learning_rate / 1.5).max(LEARNING_RATES.0);
        } else if kl > 0.0 && kl < 0.5 * desired {
            self.learning_rate = (self.learning_rate * 1.5).min(LEARNING_RATES.1);
        }
    }

    /// One step of Adam over all parameters at once.
    fn adam(&mut self, gradient: Tensor<1>) {
        let (beta_1, beta_2, epsilon) = ADAM;
        self.num_steps += 1;
        let correction = |beta: f64| 1.0 - beta.powf(self.num_steps as f64);
        let rate = self.learning_rate / correction(beta_1);
        self.moment_1 = self.moment_1.clone() * beta_1 + gradient.clone() * (1.0 - beta_1);
        self.moment_2 = self.moment_2.clone() * beta_2 + gradient.square() * (1.0 - beta_2);
        let deviation = self.moment_2.clone().sqrt() / correction(beta_2).sqrt() + epsilon;
        self.parameters = self.parameters.clone() - self.moment_1.clone() * rate / deviation;
    }

    fn minibatch(&self, rollout: &Rollout, weight: &[f32], rows: &[usize]) -> Minibatch {
        let num_actions = self.shape.num_actions;
        let actions = |data: &[f32]| self.matrix(gather(data, rows, num_actions), num_actions);
        let view = |data: &Rows, size: usize| data.gather(rows, size, &self.device);
        let actor_observation = view(&rollout.actor_observation, self.shape.actor.num_inputs());
        let critic_observation = match rollout.critic_observation.is_empty() {
            true => actor_observation.clone(),
            false => view(&rollout.critic_observation, self.shape.critic.num_inputs()),
        };
        let mut weight = gather(weight, rows, 1);
        let sum = weight.iter().sum::<f32>().max(1.0);
        weight.iter_mut().for_each(|w| *w /= sum);
        Minibatch {
            actor_observation,
            critic_observation,
            action: actions(&rollout.action),
            old: Gaussian { mean: actions(&rollout.mean), log_std: actions(&rollout.log_std) },
            old_log_prob: self.column(gather(&rollout.log_prob, rows, 1)),
            old_value: self.column(gather(&rollout.value, rows, 1)),
            weight: self.column(weight),
        }
    }

    /// Targets of whole segments of the chosen environments, from the values that the network gives now.
    fn masked_targets(
        &self,
        rollout: &Rollout,
        weight: &[f32],
        envs: &[usize],
        network: &ActorCritic,
        values: &Tensor<2>,
        spec: &TrainSpec,
    ) -> Targets {
        let rows = segment_rows(envs, rollout);
        let size = self.shape.critic.num_inputs();
        let last = rollout.last_observation.gather(envs, size, &self.device);
        let flags = |data: &[bool]| rows.iter().map(|&row| data[row]).collect::<Vec<_>>();
        let (terminated, truncated) = (flags(&rollout.terminated), flags(&rollout.truncated));
        let mut targets = Segments {
            num_envs: envs.len(),
            reward: &gather(&rollout.reward, &rows, 1),
            value: &read(values.clone().inner()),
            last_value: &read(network.value(last).inner()),
            terminated: &terminated,
            truncated: &truncated,
            invalid: &flags(&rollout.invalid),
            ..rollout.segments(spec)
        }
        .masked();
        gae::normalize(&mut targets.advantage, &gather(weight, &rows, 1));
        targets
    }

    fn matrix(&self, data: Vec<f32>, columns: usize) -> Tensor<2> {
        let rows = data.len() / columns;
        Tensor::from_data(TensorData::new(data, [rows, columns]), self.device.tensors())
    }

    fn column(&self, data: Vec<f32>) -> Tensor<2> {
        self.matrix(data, 1)
    }
}

/// The loss terms; `noise` `[batch, num_actions]` draws the sample that a squashed entropy is taken at.
fn losses(
    network: &ActorCritic,
    batch: &Minibatch,
    values: Tensor<2>,
    advantage: Tensor<2>,
    target: Tensor<2>,
    spec: &TrainSpec,
    noise: Option<Tensor<2>>,
) -> Terms {
    let mean = |x: Tensor<2>| (x * batch.weight.clone()).sum().reshape([1, 1]);
    let new = network.distribution(batch.actor_observation.clone());
    let ratio = (new.log_prob(batch.action.clone()) - batch.old_log_prob.clone()).exp();
    let clipped = ratio.clone().clamp(1.0 - spec.clip, 1.0 + spec.clip);
    let outside = (ratio.clone().inner() - clipped.clone().inner()).abs().greater_scalar(0.0).float();
    let surrogate = (ratio * advantage.clone()).min_pair(clipped * advantage);

    let value = match (spec.dialect, spec.clip_value_loss) {
        (Dialect::Brax, _) => (values - target).square() * 0.5,
        (Dialect::RslRl, false) => (values - target).square(),
        (Dialect::RslRl, true) => {
            let change = (values.clone() - batch.old_value.clone()).clamp(-spec.clip, spec.clip);
            let near = (batch.old_value.clone() + change - target.clone()).square();
            (values - target).square().max_pair(near)
        }
    };
    let entropy = match noise {
        None => new.entropy() + batch.weight.zeros_like(),
        Some(noise) => {
            let sample = new.mean.clone() + new.log_std.clone().exp() * noise;
            new.entropy() + log_tanh_slope(sample).sum_dim(1)
        }
    };
    let now = Gaussian { mean: new.mean.inner(), log_std: new.log_std.inner() };
    Terms {
        surrogate: -mean(surrogate),
        value: mean(value),
        entropy: mean(entropy),
        kl: mean(batch.old.kl(&now)),
        clip_fraction: mean(outside),
    }
}

/// What gradients are taken of.
fn total(terms: &Terms, spec: &TrainSpec) -> Tensor<2> {
    terms.surrogate.clone() + terms.value.clone() * spec.value_coef
        - terms.entropy.clone() * spec.entropy_coef
}

/// Scales each group of the gradient down to the norm `max`; no readback.
fn limit_norm(gradient: Tensor<1>, groups: &[Range<usize>], max: f64) -> Tensor<1> {
    let limited = groups.iter().map(|range| {
        let group = gradient.clone().slice([range.clone()]);
        let norm = group.clone().square().sum().sqrt();
        group * ((norm + 1e-6).recip() * max).clamp_max(1.0)
    });
    Tensor::cat(limited.collect(), 0)
}

/// Rows of the segments of some environments, step-major.
fn segment_rows(envs: &[usize], rollout: &Rollout) -> Vec<usize> {
    let steps = rollout.num_samples() / rollout.num_envs;
    (0..steps).flat_map(|t| envs.iter().map(move |&n| t * rollout.num_envs + n)).collect()
}

/// Rows of `[samples, columns]`.
fn gather(data: &[f32], rows: &[usize], columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len() * columns);
    rows.iter().for_each(|&row| out.extend_from_slice(&data[row * columns..(row + 1) * columns]));
    out
}

fn gather_targets(targets: &Targets, rows: &[usize]) -> Targets {
    Targets { advantage: gather(&targets.advantage, rows, 1), value: gather(&targets.value, rows, 1) }
}

fn vector(data: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(data.to_vec(), [data.len()]), device.tensors())
}

/// Counters of the noise that one step's entropy sample is drawn with.
#[derive(Clone, Copy)]
struct EntropyNoise {
    seed: u64,
    iteration: u64,
    step: u64,
}

impl EntropyNoise {
    /// Standard normal numbers `[rows, columns]`.
    fn draw(self, rows: usize, columns: usize) -> Vec<f32> {
        let stream = Stream::new(self.seed, Purpose::Entropy);
        (0..rows * columns).map(|i| stream.normal(self.iteration, self.step, i as u64) as f32).collect()
    }
}

#[cfg(test)]
mod tests;
