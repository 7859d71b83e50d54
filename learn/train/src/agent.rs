//! What acts while data is collected: networks, normalisers and the observation groups they read.

use crate::TrainError;
use crate::device::Device;
use crate::noise::{Purpose, Stream};
use crate::observed::Observed;
use burn::tensor::{Tensor, TensorData};
use keiko_env::{EnvSpec, GroupSpec, ImageShape};
use keiko_model::train_spec::{self, Dialect, InvalidTrainSpec, TrainSpec};
use keiko_policy::network::MIN_STD;
use keiko_policy::normalizer::Statistics;
use keiko_policy::policy::{FORMAT, FORMAT_WITH_IMAGES, Policy, PolicyConfig, TermSize};
use keiko_policy::{
    Activation, ActorCritic, Convolution, EncoderShape, Head, HostNet, Net, NetShape, NetworkShape,
    RunningNormalizer,
};
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Frames, channels, height and width of the images that the group ends with.
    pub images: Vec<ImageShape>,
    /// Statistics of all iterations before this one, of all but images; none when observations are used as they are.
    pub normalizer: Option<RunningNormalizer>,
}

impl View {
    fn new(env: &EnvSpec, name: &str, normalize: bool) -> Option<Self> {
        let group = env.observations.iter().position(|group| group.name == name)?;
        let (size, numbers) = (env.observations[group].size(), env.observations[group].num_numbers());
        let normalizer = (normalize && numbers > 0).then(|| RunningNormalizer::new(numbers));
        Some(Self { group, size, images: env.observations[group].images.clone(), normalizer })
    }

    /// Numbers in the group that are not of images.
    pub fn num_numbers(&self) -> usize {
        self.size - pixels(&self.images)
    }

    /// Shift and scale, frozen.
    pub fn statistics(&self) -> Option<Statistics> {
        self.normalizer.as_ref().map(RunningNormalizer::statistics)
    }
}

/// Numbers of images.
fn pixels(images: &[ImageShape]) -> usize {
    images.iter().map(|image| image.iter().product::<usize>()).sum()
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
///
/// # Errors
/// Convolutions that do not fit the images.
pub fn network_shape(
    spec: &TrainSpec,
    actor: &View,
    critic: &View,
    num_actions: usize,
) -> Result<NetworkShape, TrainError> {
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
    let layers = convolutions(spec);
    let net = |view: &View, hidden: &[usize], outputs: usize| {
        let encoders = view.images.iter().map(|image| EncoderShape::new(*image, &layers, activation));
        let encoders = encoders.collect::<Result<_, _>>().map_err(|error| InvalidTrainSpec {
            key: "convolutions",
            found: error.to_string(),
            allowed: "layers that leave something of the image".into(),
        })?;
        Ok::<_, TrainError>(NetShape::new(view.num_numbers(), encoders, hidden, outputs, activation))
    };
    Ok(NetworkShape {
        actor: net(actor, &spec.actor_hidden, head.num_outputs(num_actions))?,
        critic: net(critic, &spec.critic_hidden, 1)?,
        head,
        num_actions,
    })
}

fn convolutions(spec: &TrainSpec) -> Vec<Convolution> {
    let layers = spec.convolutions.iter();
    layers
        .map(|&train_spec::Convolution { channels, kernel, stride }| Convolution { channels, kernel, stride })
        .collect()
}

/// Initial parameters: orthogonal weights (Saxe et al. 2014), biases zero, and the head at `init_std`.
pub fn initial_parameters(shape: &NetworkShape, spec: &TrainSpec, seed: u64) -> Vec<f32> {
    let mut flat = vec![0.0; shape.num_parameters()];
    let stream = Stream::new(seed, Purpose::Weights);
    let last_actor = format!("actor.{}.", shape.actor.mlp.layers().len() - 1);
    let last_critic = format!("critic.{}.", shape.critic.mlp.layers().len() - 1);
    for (index, slot) in shape.slots().iter().enumerate() {
        let target = &mut flat[slot.range.clone()];
        if slot.name.ends_with("weight") {
            let gain = match &slot.name {
                name if name.starts_with(&last_actor) => ACTOR_GAIN,
                name if name.starts_with(&last_critic) => 1.0,
                _ => HIDDEN_GAIN,
            };
            let columns = slot.shape[1..].iter().product();
            orthogonal(target, slot.shape[0], columns, gain, &stream, index as u64);
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
        actor: Box<HostNet>,
        /// Critic.
        critic: Box<HostNet>,
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
        let net = |shape: &NetShape, flat: &[f32]| Box::new(HostNet::new(shape.clone(), flat));
        let actor = net(&shape.actor, &flat[..shape.actor.num_parameters()]);
        Self::Host { actor, critic: net(&shape.critic, &flat[shape.critic_range()]) }
    }

    /// The actor's outputs `[outputs, num_envs]` for normalised observations.
    pub fn actor(&self, observed: &Observed, num_envs: usize) -> Vec<f32> {
        match self {
            Self::Host { actor, .. } => host(actor, observed, num_envs),
            Self::Tensors { network, device } => tensors(network.actor(), device, observed, num_envs),
        }
    }

    /// Values `[num_envs]` for normalised observations.
    pub fn critic(&self, observed: &Observed, num_envs: usize) -> Vec<f32> {
        match self {
            Self::Host { critic, .. } => host(critic, observed, num_envs),
            Self::Tensors { network, device } => tensors(network.critic(), device, observed, num_envs),
        }
    }
}

fn host(net: &HostNet, observed: &Observed, num_envs: usize) -> Vec<f32> {
    let mut outputs = vec![0.0; net.shape().num_outputs() * num_envs];
    match observed {
        Observed::Host(columns) => net.forward(columns, num_envs, &mut outputs),
        Observed::Device(_) => net.forward(&observed.clone().into_host(), num_envs, &mut outputs),
    }
    outputs
}

/// The outputs `[outputs, num_envs]` of a network of tensors.
pub(crate) fn tensors(
    net: &Net,
    device: &burn::tensor::Device,
    observed: &Observed,
    num_envs: usize,
) -> Vec<f32> {
    if num_envs == 0 {
        return Vec::new();
    }
    let rows = match observed {
        Observed::Host(columns) => {
            let data = TensorData::new(columns.clone(), [columns.len() / num_envs, num_envs]);
            Tensor::<2>::from_data(data, device).transpose()
        }
        Observed::Device(rows) => (**rows).clone(),
    };
    read(net.forward(rows).transpose())
}

/// Numbers that [`read`] has copied.
static NUMBERS_READ: AtomicU64 = AtomicU64::new(0);

/// The numbers of a tensor; all that learning copies from its device comes through here.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    NUMBERS_READ.fetch_add(tensor.shape().num_elements() as u64, Ordering::Relaxed);
    tensor.into_data().convert::<f32>().try_into_vec().expect("data just converted to f32 is f32")
}

/// How many numbers of tensors this process has read so far.
pub fn numbers_read() -> u64 {
    NUMBERS_READ.load(Ordering::Relaxed)
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
        format: if view.images.is_empty() { FORMAT } else { FORMAT_WITH_IMAGES }.into(),
        task: env.name.clone(),
        observations: terms.map(|(name, size)| TermSize { name: name.clone(), size: *size }).collect(),
        images: view.images.clone(),
        actions: env.actions.clone(),
        joints: Vec::new(),
        control_dt: env.control_dt,
        head: shape.head,
        activation: shape.actor.mlp.activation,
        hidden: spec.actor_hidden.clone(),
        convolutions: if view.images.is_empty() { Vec::new() } else { convolutions(spec) },
        normalizer: view.statistics(),
    };
    Ok(Policy::new(config, &flat[..shape.actor.num_parameters()])?)
}

/// Refuses a policy trained on other observations or actions than the environment has.
pub fn check_policy(policy: &Policy, env: &EnvSpec) -> Result<(), TrainError> {
    let none = GroupSpec::default();
    let group = env.group("policy").unwrap_or(&none);
    policy.config().check(&group.terms, &env.actions)?;
    Ok(policy.config().check_images(&group.images)?)
}
