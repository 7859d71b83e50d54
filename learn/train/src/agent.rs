//! What acts while data is collected: networks, normalisers and the observation groups they read.

use crate::TrainError;
use crate::device::Device;
use crate::noise::{Purpose, Stream};
use burn::tensor::{Tensor, TensorData};
use keiko_env::EnvSpec;
use keiko_model::train_spec::{self, Dialect, TrainSpec};
use keiko_policy::network::MIN_STD;
use keiko_policy::normalizer::Statistics;
use keiko_policy::policy::{FORMAT, Policy, PolicyConfig, TermSize};
use keiko_policy::{Activation, ActorCritic, Head, HostMlp, Mlp, MlpShape, NetworkShape, RunningNormalizer};

/// Gain of hidden layers.
const HIDDEN_GAIN: f64 = std::f64::consts::SQRT_2;
/// Gain of the actor's last layer: actions start near the mean of their range, whatever is observed.
const ACTOR_GAIN: f64 = 0.01;

/// An observation group and its running statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Index into the environment's groups.
    pub group: usize,
    /// Numbers in the group.
    pub size: usize,
    /// Statistics of all iterations before this one; none when observations are used as they are.
    pub normalizer: Option<RunningNormalizer>,
}

impl View {
    fn new(env: &EnvSpec, name: &str, normalize: bool) -> Option<Self> {
        let group = env.observations.iter().position(|group| group.name == name)?;
        let size = env.observations[group].size();
        Some(Self { group, size, normalizer: normalize.then(|| RunningNormalizer::new(size)) })
    }

    /// Shift and scale, frozen.
    pub fn statistics(&self) -> Option<Statistics> {
        self.normalizer.as_ref().map(RunningNormalizer::statistics)
    }
}

/// The actor's view of group `policy`, and the critic's of group `critic` where there is one.
pub fn views(env: &EnvSpec, normalize: bool) -> Result<(View, View), TrainError> {
    let refuse = |message: &str| TrainError::Environment { task: env.name.clone(), message: message.into() };
    let actor = View::new(env, "policy", normalize).ok_or_else(|| refuse("no observation group `policy`"))?;
    let critic = View::new(env, "critic", normalize).unwrap_or_else(|| actor.clone());
    match (actor.size, critic.size, env.actions.len(), env.num_envs) {
        (0, ..) => Err(refuse("observation group `policy` is empty")),
        (_, 0, ..) => Err(refuse("observation group `critic` is empty")),
        (_, _, 0, _) => Err(refuse("it has no actions")),
        (.., 0) => Err(refuse("it has no environments")),
        _ => Ok((actor, critic)),
    }
}

/// The networks that a spec asks for.
pub fn network_shape(spec: &TrainSpec, actor: &View, critic: &View, num_actions: usize) -> NetworkShape {
    let head = match spec.dialect {
        Dialect::RslRl => Head::Gaussian,
        Dialect::Brax => Head::TanhGaussian,
    };
    let activation = match spec.activation {
        train_spec::Activation::Elu => Activation::Elu,
        train_spec::Activation::Tanh => Activation::Tanh,
        train_spec::Activation::Relu => Activation::Relu,
        train_spec::Activation::Swish => Activation::Swish,
    };
    let outputs = head.num_outputs(num_actions);
    NetworkShape {
        actor: MlpShape::new(actor.size, &spec.actor_hidden, outputs, activation),
        critic: MlpShape::new(critic.size, &spec.critic_hidden, 1, activation),
        head,
        num_actions,
    }
}

/// Initial parameters: orthogonal weights (Saxe et al. 2014), biases zero, and the head at `init_std`.
pub fn initial_parameters(shape: &NetworkShape, spec: &TrainSpec, seed: u64) -> Vec<f32> {
    let mut flat = vec![0.0; shape.num_parameters()];
    let stream = Stream::new(seed, Purpose::Weights);
    let last_actor = format!("actor.{}.", shape.actor.layers().len() - 1);
    let last_critic = format!("critic.{}.", shape.critic.layers().len() - 1);
    for (index, slot) in shape.slots().iter().enumerate() {
        let target = &mut flat[slot.range.clone()];
        if slot.name.ends_with("weight") {
            let gain = match &slot.name {
                name if name.starts_with(&last_actor) => ACTOR_GAIN,
                name if name.starts_with(&last_critic) => 1.0,
                _ => HIDDEN_GAIN,
            };
            orthogonal(target, slot.shape[0], slot.shape[1], gain, &stream, index as u64);
        } else if slot.name == "log_std" {
            target.fill(spec.init_std.ln() as f32);
        } else if slot.name.starts_with(&last_actor) && shape.head == Head::TanhGaussian {
            // The inverse of `softplus(raw) + MIN_STD`.
            target[shape.num_actions..].fill((spec.init_std - MIN_STD).max(1e-6).exp_m1().ln() as f32);
        }
    }
    flat
}

/// Fills `weight` `[rows, columns]` with orthonormal rows or columns, whichever are fewer, times `gain`.
fn orthogonal(weight: &mut [f32], rows: usize, columns: usize, gain: f64, stream: &Stream, tensor: u64) {
    let (count, len) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for index in 0..count {
        let draw = |element: usize| stream.normal(tensor, index as u64, element as u64);
        let mut vector: Vec<f64> = (0..len).map(draw).collect();
        // Twice, so that rounding of the first pass is removed too.
        for earlier in vectors.iter().chain(&vectors) {
            let along: f64 = vector.iter().zip(earlier).map(|(x, y)| x * y).sum();
            vector.iter_mut().zip(earlier).for_each(|(x, y)| *x -= along * y);
        }
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        vector.iter_mut().for_each(|x| *x /= norm);
        vectors.push(vector);
    }
    for (i, value) in weight.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let x = if rows <= columns { vectors[row][column] } else { vectors[column][row] };
        *value = (gain * x) as f32;
    }
}

/// Forward passes while collecting: in plain Rust on the CPU, as tensors on a GPU.
#[derive(Clone, Debug)]
pub enum Forward {
    /// Plain Rust.
    Host {
        /// Actor.
        actor: HostMlp,
        /// Critic.
        critic: HostMlp,
    },
    /// Tensors on a device.
    Tensors {
        /// Both networks, without gradients.
        network: Box<ActorCritic>,
        /// Where.
        device: burn::tensor::Device,
    },
}

impl Forward {
    /// With flat parameters.
    pub fn new(shape: &NetworkShape, flat: &[f32], device: &Device) -> Self {
        if device.is_gpu() {
            let device = device.tensors().clone();
            let data = TensorData::new(flat.to_vec(), [flat.len()]);
            let network = Box::new(ActorCritic::constants(shape, &Tensor::from_data(data, &device)));
            return Self::Tensors { network, device };
        }
        let actor = HostMlp::new(shape.actor.clone(), &flat[..shape.actor.num_parameters()]);
        Self::Host { actor, critic: HostMlp::new(shape.critic.clone(), &flat[shape.critic_range()]) }
    }

    /// The actor's outputs `[outputs, num_envs]` for normalised observations `[size, num_envs]`.
    pub fn actor(&self, observations: &[f32], num_envs: usize) -> Vec<f32> {
        match self {
            Self::Host { actor, .. } => host(actor, observations, num_envs),
            Self::Tensors { network, device } => tensors(network.actor(), device, observations, num_envs),
        }
    }

    /// Values `[num_envs]` for normalised observations `[size, num_envs]`.
    pub fn critic(&self, observations: &[f32], num_envs: usize) -> Vec<f32> {
        match self {
            Self::Host { critic, .. } => host(critic, observations, num_envs),
            Self::Tensors { network, device } => tensors(network.critic(), device, observations, num_envs),
        }
    }
}

fn host(mlp: &HostMlp, observations: &[f32], num_envs: usize) -> Vec<f32> {
    let mut outputs = vec![0.0; mlp.shape().num_outputs() * num_envs];
    mlp.forward(observations, num_envs, &mut outputs);
    outputs
}

fn tensors(mlp: &Mlp, device: &burn::tensor::Device, observations: &[f32], num_envs: usize) -> Vec<f32> {
    if num_envs == 0 {
        return Vec::new();
    }
    let data = TensorData::new(observations.to_vec(), [observations.len() / num_envs, num_envs]);
    let outputs = mlp.forward(Tensor::<2>::from_data(data, device).transpose());
    read(outputs.transpose())
}

/// The numbers of a tensor.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("data just converted to f32 is f32")
}

/// The policy as it can be saved: actor parameters, statistics and names.
pub fn policy(
    env: &EnvSpec,
    spec: &TrainSpec,
    shape: &NetworkShape,
    view: &View,
    flat: &[f32],
) -> Result<Policy, TrainError> {
    let terms = env.observations[view.group].terms.iter();
    let config = PolicyConfig {
        format: FORMAT.into(),
        task: env.name.clone(),
        observations: terms.map(|(name, size)| TermSize { name: name.clone(), size: *size }).collect(),
        actions: env.actions.clone(),
        joints: Vec::new(),
        control_dt: env.control_dt,
        head: shape.head,
        activation: shape.actor.activation,
        hidden: spec.actor_hidden.clone(),
        normalizer: view.statistics(),
    };
    Ok(Policy::new(config, &flat[..shape.actor.num_parameters()])?)
}

/// Refuses a policy trained on other observations or actions than the environment has.
pub fn check_policy(policy: &Policy, env: &EnvSpec) -> Result<(), TrainError> {
    let none = Vec::new();
    let terms = env.group("policy").map_or(&none, |group| &group.terms);
    Ok(policy.config().check(terms, &env.actions)?)
}
