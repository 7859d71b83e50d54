//! Training defaults of a task: the `[train]` table of a `scene.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of the two published variants of PPO is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As in rsl_rl: Gaussian actions with one standard deviation per action, value bootstrapped at
    /// time-outs, advantages computed once per iteration and normalised over the whole batch, clipped value
    /// loss, learning rate steered by the KL divergence.
    #[default]
    RslRl,
    /// As in brax: tanh-squashed Gaussian whose deviation depends on the observation, values and advantages
    /// recomputed and normalised inside each minibatch, transitions at time-outs masked.
    Brax,
}

/// How the learning rate evolves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Raised and lowered to keep the KL divergence of an update near `desired_kl`.
    #[default]
    Adaptive,
    /// Constant.
    Fixed,
}

/// Nonlinearity between the layers of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x` where positive, else `exp(x) - 1`.
    #[default]
    Elu,
    /// Hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))`.
    Swish,
}

/// A convolution over an image, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Channels that it gives.
    #[schemars(range(min = 1, max = 1024))]
    pub channels: usize,
    /// Side of its window \[pixel\].
    #[schemars(range(min = 1, max = 64))]
    pub kernel: usize,
    /// Distance between neighbouring windows \[pixel\].
    #[schemars(range(min = 1, max = 64))]
    pub stride: usize,
}

/// Hyperparameters of a training run. An iteration collects `horizon` steps of `num_envs` environments and
/// learns from them in `epochs` passes of `minibatches` gradient steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSpec {
    /// Variant of PPO.
    pub dialect: Dialect,
    /// Seed of initial weights, action noise and shuffles.
    pub seed: u64,
    /// Environments in the batch.
    pub num_envs: usize,
    /// Iterations of the whole run.
    pub iterations: usize,
    /// Control steps collected per environment and iteration.
    pub horizon: usize,
    /// Passes over the collected data per iteration.
    pub epochs: usize,
    /// Gradient steps per pass; each sees `num_envs * horizon / minibatches` transitions.
    pub minibatches: usize,
    /// Discount per control step.
    pub gamma: f64,
    /// Decay of the generalised advantage estimate.
    pub lambda: f64,
    /// Half width of the interval around 1 outside which a probability ratio earns nothing.
    pub clip: f64,
    /// Whether the value loss is clipped by the same interval (`rsl_rl` only).
    pub clip_value_loss: bool,
    /// Weight of the value loss.
    pub value_coef: f64,
    /// Weight of the entropy bonus.
    pub entropy_coef: f64,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// How the learning rate evolves.
    pub schedule: Schedule,
    /// KL divergence of one update that the adaptive schedule aims at.
    pub desired_kl: f64,
    /// Norm that gradients are scaled down to, all parameters together (`rsl_rl`: actor and critic apart).
    pub max_grad_norm: f64,
    /// Hidden layer sizes of the actor.
    pub actor_hidden: Vec<usize>,
    /// Hidden layer sizes of the critic.
    pub critic_hidden: Vec<usize>,
    /// Nonlinearity between layers.
    pub activation: Activation,
    /// Standard deviation of the actions at the start.
    pub init_std: f64,
    /// Whether observations are shifted and scaled by their running mean and standard deviation.
    pub normalize_observations: bool,
    /// Factor on rewards before learning; reported returns are not scaled.
    pub reward_scale: f64,
    /// Iterations between evaluations; 0 evaluates only at the end.
    pub eval_every: usize,
    /// Episodes of one evaluation.
    pub eval_episodes: usize,
    /// Stops when an evaluation's mean return reaches this.
    pub stop_at_return: Option<f64>,
    /// Stops when an evaluation's share of successful episodes reaches this, in [0, 1].
    pub stop_at_success: Option<f64>,
    /// Iterations between checkpoints; 0 writes only the last.
    pub checkpoint_every: usize,
    /// Iterations between videos of the policy, an episode each; 0 makes none.
    pub video_every: usize,
    /// What each observed image passes through, actor and critic apart, before its numbers join the others in front of
    /// the hidden layers.
    pub convolutions: Vec<Convolution>,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            dialect: Dialect::RslRl,
            seed: 1,
            num_envs: 64,
            iterations: 200,
            horizon: 32,
            epochs: 5,
            minibatches: 4,
            gamma: 0.99,
            lambda: 0.95,
            clip: 0.2,
            clip_value_loss: true,
            value_coef: 1.0,
            entropy_coef: 0.005,
            learning_rate: 1e-3,
            schedule: Schedule::Adaptive,
            desired_kl: 0.01,
            max_grad_norm: 1.0,
            actor_hidden: vec![64, 64],
            critic_hidden: vec![64, 64],
            activation: Activation::Elu,
            init_std: 1.0,
            normalize_observations: true,
            reward_scale: 1.0,
            eval_every: 0,
            eval_episodes: 50,
            stop_at_return: None,
            stop_at_success: None,
            checkpoint_every: 50,
            video_every: 0,
            convolutions: [(16, 5, 2), (32, 3, 2), (32, 3, 2)]
                .map(|(channels, kernel, stride)| Convolution { channels, kernel, stride })
                .to_vec(),
        }
    }
}

/// A value of the `[train]` table that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`train.{key}` is {found}; allowed: {allowed}")]
pub struct InvalidTrainSpec {
    /// Key inside `[train]`.
    pub key: &'static str,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
}

/// Largest width of a hidden layer: a slip of the keyboard must not ask for terabytes.
const MAX_WIDTH: usize = 8192;
/// Most hidden layers of a network.
const MAX_LAYERS: usize = 16;
/// Most environments, steps or transitions held at once.
const MAX_COUNT: usize = 1 << 28;

impl TrainSpec {
    /// Checks every range and what crosses fields; the first violation is returned.
    pub fn validate(&self) -> Result<(), InvalidTrainSpec> {
        count("num_envs", self.num_envs, 1)?;
        count("iterations", self.iterations, 1)?;
        count("horizon", self.horizon, 1)?;
        count("epochs", self.epochs, 1)?;
        count("eval_every", self.eval_every, 0)?;
        count("eval_episodes", self.eval_episodes, 1)?;
        count("checkpoint_every", self.checkpoint_every, 0)?;
        count("video_every", self.video_every, 0)?;
        self.validate_minibatches()?;

        number("gamma", self.gamma, "in [0, 1]", |x| (0.0..=1.0).contains(&x))?;
        number("lambda", self.lambda, "in [0, 1]", |x| (0.0..=1.0).contains(&x))?;
        number("clip", self.clip, "in (0, 1)", |x| x > 0.0 && x < 1.0)?;
        number("value_coef", self.value_coef, "at least 0", |x| x >= 0.0)?;
        number("entropy_coef", self.entropy_coef, "at least 0", |x| x >= 0.0)?;
        number("learning_rate", self.learning_rate, "in (0, 1)", |x| x > 0.0 && x < 1.0)?;
        number("desired_kl", self.desired_kl, "positive", |x| x > 0.0)?;
        number("max_grad_norm", self.max_grad_norm, "positive", |x| x > 0.0)?;
        number("init_std", self.init_std, "in [0.001, 100]", |x| (0.001..=100.0).contains(&x))?;
        number("reward_scale", self.reward_scale, "positive", |x| x > 0.0)?;
        if let Some(target) = self.stop_at_return {
            number("stop_at_return", target, "finite", |_| true)?;
        }
        if let Some(target) = self.stop_at_success {
            number("stop_at_success", target, "in [0, 1]", |x| (0.0..=1.0).contains(&x))?;
        }
        hidden("actor_hidden", &self.actor_hidden)?;
        hidden("critic_hidden", &self.critic_hidden)?;
        if self.convolutions.len() > MAX_LAYERS {
            let (found, allowed) = (self.convolutions.len(), format!("at most {MAX_LAYERS} layers"));
            return Err(invalid("convolutions", format!("{found} layers"), allowed));
        }
        let numbers = self.convolutions.iter().flat_map(|conv| [conv.channels, conv.kernel, conv.stride]);
        match numbers.into_iter().find(|n| !(1..=1024).contains(n)) {
            Some(n) => Err(invalid("convolutions", format!("a layer with {n}"), "numbers of 1 to 1024")),
            None => Ok(()),
        }
    }

    /// What `minibatches` divides: transitions, or whole environment segments for brax.
    fn validate_minibatches(&self) -> Result<(), InvalidTrainSpec> {
        let (units, name) = match self.dialect {
            Dialect::RslRl => (self.num_envs.saturating_mul(self.horizon), "num_envs * horizon"),
            Dialect::Brax => (self.num_envs, "num_envs (dialect `brax` cuts the batch by environment)"),
        };
        count("minibatches", self.minibatches, 1)?;
        if units > MAX_COUNT {
            return Err(invalid("horizon", self.horizon, format!("num_envs * horizon at most {MAX_COUNT}")));
        }
        if self.minibatches > units {
            return Err(invalid("minibatches", self.minibatches, format!("at most {name} = {units}")));
        }
        Ok(())
    }
}

fn invalid(key: &'static str, found: impl ToString, allowed: impl Into<String>) -> InvalidTrainSpec {
    InvalidTrainSpec { key, found: found.to_string(), allowed: allowed.into() }
}

fn count(key: &'static str, found: usize, min: usize) -> Result<(), InvalidTrainSpec> {
    if found < min || found > MAX_COUNT {
        return Err(invalid(key, found, format!("{min} to {MAX_COUNT}")));
    }
    Ok(())
}

fn number(
    key: &'static str,
    found: f64,
    allowed: &str,
    ok: impl Fn(f64) -> bool,
) -> Result<(), InvalidTrainSpec> {
    if found.is_finite() && ok(found) { Ok(()) } else { Err(invalid(key, found, allowed)) }
}

fn hidden(key: &'static str, sizes: &[usize]) -> Result<(), InvalidTrainSpec> {
    if sizes.len() > MAX_LAYERS {
        return Err(invalid(key, format!("{} layers", sizes.len()), format!("at most {MAX_LAYERS} layers")));
    }
    match sizes.iter().find(|&&size| size == 0 || size > MAX_WIDTH) {
        Some(size) => Err(invalid(key, format!("a layer of {size}"), format!("layers of 1 to {MAX_WIDTH}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let spec = TrainSpec::default();
        spec.validate().expect("defaults are valid");
        let text = toml::to_string(&spec).expect("serialises");
        assert_eq!(toml::from_str::<TrainSpec>(&text).expect("parses"), spec);
        assert_eq!(toml::from_str::<TrainSpec>("").expect("parses"), spec);
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_name() {
        let error = toml::from_str::<TrainSpec>("lamda = 0.9").expect_err("unknown key").to_string();
        assert!(error.contains("lamda") && error.contains("lambda"), "{error}");
    }

    #[test]
    fn each_bad_value_is_named() {
        let refused = |change: fn(&mut TrainSpec)| {
            let mut spec = TrainSpec::default();
            change(&mut spec);
            spec.validate().expect_err("out of range").key
        };
        assert_eq!(refused(|s| s.gamma = 1.01), "gamma");
        assert_eq!(refused(|s| s.gamma = f64::NAN), "gamma");
        assert_eq!(refused(|s| s.clip = 0.0), "clip");
        assert_eq!(refused(|s| s.num_envs = 0), "num_envs");
        assert_eq!(refused(|s| s.horizon = usize::MAX), "horizon");
        assert_eq!(refused(|s| s.minibatches = 64 * 32 + 1), "minibatches");
        assert_eq!(refused(|s| (s.dialect, s.minibatches) = (Dialect::Brax, 65)), "minibatches");
        assert_eq!(refused(|s| s.actor_hidden = vec![64, 0]), "actor_hidden");
        assert_eq!(refused(|s| s.critic_hidden = vec![1 << 20]), "critic_hidden");
        assert_eq!(refused(|s| s.convolutions[1].stride = 0), "convolutions");
        assert_eq!(refused(|s| s.convolutions = vec![s.convolutions[0]; 17]), "convolutions");
        assert_eq!(refused(|s| s.stop_at_success = Some(1.5)), "stop_at_success");
        assert_eq!(refused(|s| s.learning_rate = f64::INFINITY), "learning_rate");
    }
}
