//! A policy as it is saved, shipped and run: `policy.safetensors` and `config.json`.

use crate::activation::fast_tanh;
use crate::normalizer::Statistics;
use crate::shape::{from_safetensors, to_safetensors};
use crate::{
    Activation, Convolution, EncoderShape, Head, HostNet, MlpShape, NetShape, NetworkShape, PolicyError,
    TensorSlot,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Weights, in a folder and in a map of files.
pub const WEIGHTS_FILE: &str = "policy.safetensors";
/// Everything else about a policy.
pub const CONFIG_FILE: &str = "config.json";
/// What [`PolicyConfig::format`] holds.
pub const FORMAT: &str = "keiko-mlp-1";
/// What it holds where images are observed: programs that know none refuse it by name.
pub const FORMAT_WITH_IMAGES: &str = "keiko-cnn-1";
/// Largest layer a file may ask for.
const MAX_WIDTH: usize = 1 << 20;

/// An observation term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermSize {
    /// Name.
    pub name: String,
    /// How many numbers it gives.
    pub size: usize,
}

/// What a policy was trained on, and how its network is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// [`FORMAT`] or [`FORMAT_WITH_IMAGES`].
    pub format: String,
    /// Name of the task.
    pub task: String,
    /// Terms of the observation, one after the other.
    pub observations: Vec<TermSize>,
    /// Frames (the newest last), channels, height and width of the last terms, which are images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<[usize; 4]>,
    /// Names of the actions, in order.
    pub actions: Vec<String>,
    /// Names of the joints in the order that joint-wise observations use; empty when not recorded.
    #[serde(default)]
    pub joints: Vec<String>,
    /// Time between two actions \[s\].
    pub control_dt: f64,
    /// Meaning of the network's outputs.
    pub head: Head,
    /// Nonlinearity between layers.
    pub activation: Activation,
    /// Hidden layer sizes.
    pub hidden: Vec<usize>,
    /// What each image passes through before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub convolutions: Vec<Convolution>,
    /// Shift and scale of observations that are no images; none when they are used as they are.
    pub normalizer: Option<Statistics>,
}

impl PolicyConfig {
    /// Numbers in an observation.
    pub fn num_observations(&self) -> usize {
        self.observations.iter().map(|term| term.size).fold(0, usize::saturating_add)
    }

    /// Numbers in an observation that are not of images.
    pub fn num_numbers(&self) -> usize {
        self.num_observations().saturating_sub(self.images.iter().map(pixels).fold(0, usize::saturating_add))
    }

    /// The actor.
    ///
    /// # Errors
    /// Convolutions that do not fit the images.
    pub fn actor_shape(&self) -> Result<NetShape, PolicyError> {
        let num_outputs = self.head.num_outputs(self.actions.len());
        let encoders =
            self.images.iter().map(|image| EncoderShape::new(*image, &self.convolutions, self.activation));
        let encoders = encoders.collect::<Result<_, _>>()?;
        Ok(NetShape::new(self.num_numbers(), encoders, &self.hidden, num_outputs, self.activation))
    }

    /// Refuses an environment with images of other shapes.
    pub fn check_images(&self, images: &[[usize; 4]]) -> Result<(), PolicyError> {
        let written = |images: &[[usize; 4]]| {
            let written = |[frames, channels, height, width]: &[usize; 4]| {
                format!("{frames} frames of {channels} channels, {width} x {height} pixels")
            };
            images.iter().map(written).collect::<Vec<_>>()
        };
        same("image", &written(&self.images), &written(images))
    }

    /// Refuses an environment with other observations, actions or order, and names the first difference.
    pub fn check(&self, observations: &[(String, usize)], actions: &[String]) -> Result<(), PolicyError> {
        let ours = self.observations.iter().map(|term| format!("{}[{}]", term.name, term.size));
        let theirs = observations.iter().map(|(name, size)| format!("{name}[{size}]"));
        same("observation", &ours.collect::<Vec<_>>(), &theirs.collect::<Vec<_>>())?;
        same("action", &self.actions, actions)
    }

    /// Refuses an environment whose joints have other names or another order, where both are known.
    pub fn check_joints(&self, joints: &[String]) -> Result<(), PolicyError> {
        if self.joints.is_empty() || joints.is_empty() { Ok(()) } else { same("joint", &self.joints, joints) }
    }

    fn validate(&self) -> Result<(), PolicyError> {
        let refuse = |message: String| Err(PolicyError::malformed(CONFIG_FILE, message));
        let format = if self.images.is_empty() { FORMAT } else { FORMAT_WITH_IMAGES };
        if self.format != format {
            return refuse(format!("format `{}`, this program reads `{format}` here", self.format));
        }
        let last = self.observations.iter().rev().zip(self.images.iter().rev());
        if self.images.len() > self.observations.len() || last.into_iter().any(|(t, i)| t.size != pixels(i)) {
            return refuse("`images` are not the shapes of the last observations".into());
        }
        if let Err(error) = self.actor_shape() {
            return refuse(error.to_string());
        }
        let widths = [self.num_observations(), self.head.num_outputs(self.actions.len())];
        match widths.iter().chain(&self.hidden).find(|&&width| width == 0 || width > MAX_WIDTH) {
            Some(width) => refuse(format!("a layer of width {width}; allowed: 1 to {MAX_WIDTH}")),
            None => match &self.normalizer {
                Some(statistics) => statistics.check("config.json: normalizer", self.num_numbers()),
                None => Ok(()),
            },
        }
    }
}

/// Numbers of an image.
fn pixels(image: &[usize; 4]) -> usize {
    image.iter().fold(1, |product, n| product.saturating_mul(*n))
}

/// Both lists equal, or the first difference.
fn same(what: &str, policy: &[String], environment: &[String]) -> Result<(), PolicyError> {
    let differs = (0..policy.len().max(environment.len())).find(|&i| policy.get(i) != environment.get(i));
    let Some(index) = differs else { return Ok(()) };
    let name = |list: &[String]| list.get(index).map_or("none".into(), |name| format!("`{name}`"));
    Err(PolicyError::Mismatch {
        what: format!("{what} {} of {}", index + 1, policy.len().max(environment.len())),
        policy: name(policy),
        environment: name(environment),
    })
}

/// A policy that acts.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    config: PolicyConfig,
    actor: HostNet,
}

impl Policy {
    /// `actor` holds the actor's flat parameters (a Gaussian head's `log_std` not among them).
    pub fn new(config: PolicyConfig, actor: &[f32]) -> Result<Self, PolicyError> {
        config.validate()?;
        let shape = config.actor_shape()?;
        if actor.len() != shape.num_parameters() {
            let message = format!("{} parameters, expected {}", actor.len(), shape.num_parameters());
            return Err(PolicyError::malformed(WEIGHTS_FILE, message));
        }
        Ok(Self { actor: HostNet::new(shape, actor), config })
    }

    /// What it was trained on.
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// The same policy with the robot's joint order recorded.
    #[must_use]
    pub fn with_joints(mut self, joints: Vec<String>) -> Self {
        self.config.joints = joints;
        self
    }

    /// The most likely actions `[num_actions, num_envs]` for raw observations `[num_observations, num_envs]`.
    pub fn act(&self, observations: &[f32], num_envs: usize, actions: &mut [f32]) {
        let normalized = self.config.normalizer.as_ref().map(|statistics| {
            let mut normalized = observations.to_vec();
            statistics.normalize(observations, num_envs, &mut normalized);
            normalized
        });
        let input = normalized.as_deref().unwrap_or(observations);
        match self.config.head {
            Head::Gaussian => self.actor.forward(input, num_envs, actions),
            Head::TanhGaussian => {
                let mut outputs = vec![0.0; 2 * actions.len()];
                self.actor.forward(input, num_envs, &mut outputs);
                self.choose(&outputs, actions);
            }
        }
    }

    /// The most likely actions `[num_actions, num_envs]` of the network's outputs `[num_outputs, num_envs]`, for whoever
    /// computes those elsewhere.
    pub fn choose(&self, outputs: &[f32], actions: &mut [f32]) {
        for (action, &mean) in actions.iter_mut().zip(outputs) {
            *action = match self.config.head {
                Head::Gaussian => mean,
                Head::TanhGaussian => fast_tanh(mean),
            };
        }
    }

    /// What its network looks like.
    pub fn shape(&self) -> &NetShape {
        self.actor.shape()
    }

    /// The parameters of its network in flat order.
    pub fn parameters(&self) -> &[f32] {
        self.actor.parameters()
    }

    /// The files of the policy, by name.
    pub fn to_files(&self) -> Result<BTreeMap<String, Vec<u8>>, PolicyError> {
        let weights = to_safetensors(&actor_slots(&self.config)?, self.actor.parameters())?;
        Ok(BTreeMap::from([(WEIGHTS_FILE.into(), weights), (CONFIG_FILE.into(), self.config_json()?)]))
    }

    /// `config.json`.
    pub fn config_json(&self) -> Result<Vec<u8>, PolicyError> {
        let text = serde_json::to_string_pretty(&self.config);
        text.map(|text| (text + "\n").into_bytes())
            .map_err(|error| PolicyError::malformed(CONFIG_FILE, error))
    }

    /// Reads the files; tensors of other names, such as a critic's, are left alone.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, PolicyError> {
        let file = |name: &str| files.get(name).ok_or_else(|| PolicyError::malformed(name, "missing"));
        let config: PolicyConfig = serde_json::from_slice(file(CONFIG_FILE)?)
            .map_err(|error| PolicyError::malformed(CONFIG_FILE, error))?;
        config.validate()?;
        let slots = actor_slots(&config)?;
        let len = slots.last().map_or(0, |slot| slot.range.end);
        let weights = file(WEIGHTS_FILE)?;
        if len > weights.len() / 4 {
            let message = format!("too short for the {len} parameters that {CONFIG_FILE} describes");
            return Err(PolicyError::malformed(WEIGHTS_FILE, message));
        }
        let actor = from_safetensors(WEIGHTS_FILE, weights, &slots, len)?;
        Self::new(config, &actor)
    }

    /// Reads `policy.safetensors` and `config.json` in a folder.
    pub fn load(folder: &Path) -> Result<Self, PolicyError> {
        let read = |name: &str| {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok((name.to_string(), bytes)),
                Err(source) => Err(PolicyError::Io { source, path }),
            }
        };
        Self::from_files(&BTreeMap::from([read(CONFIG_FILE)?, read(WEIGHTS_FILE)?]))
    }

    /// Writes `policy.safetensors` and `config.json` into a folder, which is created.
    pub fn save(&self, folder: &Path) -> Result<(), PolicyError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PolicyError::Io { source, path }
        };
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        for (name, bytes) in self.to_files()? {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(io(&path))?;
        }
        Ok(())
    }
}

/// The actor's tensors, named as in training.
fn actor_slots(config: &PolicyConfig) -> Result<Vec<TensorSlot>, PolicyError> {
    let actor = config.actor_shape()?;
    let end = actor.num_parameters();
    let critic = MlpShape::new(1, &[], 1, config.activation).into();
    let network = NetworkShape { actor, critic, head: config.head, num_actions: config.actions.len() };
    Ok(network.slots().into_iter().filter(|slot| slot.range.end <= end).collect())
}
