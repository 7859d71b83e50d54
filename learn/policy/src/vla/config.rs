//! What a model looks like: `config.json` of lerobot, `config.json` of the language model, and the sizes that
//! follow from both.

use crate::PolicyError;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;

/// The language model of the public checkpoint: its sizes are known without its files.
pub const PUBLIC_VLM: &str = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct";
/// The state of the robot.
pub const STATE: &str = "observation.state";
/// What the policy gives.
pub const ACTION: &str = "action";
/// Most tokens, numbers or pixels per side that a file may ask for.
const MAX_SIZE: usize = 1 << 20;

/// Kind of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeatureType {
    /// What the robot feels of itself.
    State,
    /// A camera image.
    Visual,
    /// State of the surroundings.
    Env,
    /// What the robot does.
    Action,
    /// Of reinforcement learning.
    Reward,
    /// Text.
    Language,
}

/// Something that goes into or comes out of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FeatureType,
    /// Its dimensions; images are `[channels, height, width]`.
    pub shape: Vec<usize>,
}

/// Features in the order of the file: the order of cameras is the order in which the model reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features(pub Vec<(String, Feature)>);

impl Features {
    /// The feature of that name.
    pub fn get(&self, name: &str) -> Option<&Feature> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, feature)| feature)
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, feature) in &self.0 {
            map.serialize_entry(name, feature)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Features;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("features by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Features, A::Error> {
                let mut features = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    features.push(entry);
                }
                Ok(Features(features))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// How a kind of feature is brought to a common scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NormalizationMode {
    /// Not at all.
    Identity,
    /// Mean 0, deviation 1.
    MeanStd,
    /// Smallest -1, largest 1.
    MinMax,
    /// 1st percentile -1, 99th percentile 1.
    Quantiles,
    /// 10th percentile -1, 90th percentile 1.
    #[serde(rename = "QUANTILE10")]
    Quantile10,
}

/// Normalisation by kind of feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct NormalizationMapping {
    /// Of images.
    #[serde(default = "identity")]
    pub visual: NormalizationMode,
    /// Of the state.
    #[serde(default = "mean_std")]
    pub state: NormalizationMode,
    /// Of actions.
    #[serde(default = "mean_std")]
    pub action: NormalizationMode,
}

fn identity() -> NormalizationMode {
    NormalizationMode::Identity
}

fn mean_std() -> NormalizationMode {
    NormalizationMode::MeanStd
}

impl Default for NormalizationMapping {
    fn default() -> Self {
        Self { visual: identity(), state: mean_std(), action: mean_std() }
    }
}

/// How far texts are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// To [`VlaConfig::tokenizer_max_length`].
    MaxLength,
    /// To the longest of the batch.
    Longest,
}

/// `config.json` of a SmolVLA checkpoint of lerobot. Fields that the model does not need are kept as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VlaConfig {
    /// `smolvla`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Cameras in order, and the state.
    pub input_features: Features,
    /// The action.
    pub output_features: Features,
    /// Actions in a chunk.
    pub chunk_size: usize,
    /// Actions of a chunk that are executed before the next one is asked for.
    pub n_action_steps: usize,
    /// Normalisation by kind.
    pub normalization_mapping: NormalizationMapping,
    /// Numbers that a state is padded to.
    pub max_state_dim: usize,
    /// Numbers that an action is padded to.
    pub max_action_dim: usize,
    /// Width and height that images are brought to; none when they come in the right size.
    pub resize_imgs_with_padding: Option<[usize; 2]>,
    /// Cameras that may be missing and are then shown black.
    pub empty_cameras: usize,
    /// A unit conversion for one robot, which is not supported.
    pub adapt_to_pi_aloha: bool,
    /// Most tokens of an instruction.
    pub tokenizer_max_length: usize,
    /// How far instructions are padded.
    pub pad_language_to: Padding,
    /// Euler steps from noise to actions.
    pub num_steps: usize,
    /// Where the language model's sizes and tokenizer are.
    pub vlm_model_name: String,
    /// Whether marks stand before and after each image.
    pub add_image_special_tokens: bool,
    /// `cross_attn`: the expert's layers alternate between seeing actions and seeing memory only.
    pub attention_mode: String,
    /// Least tokens of the prefix; negative for no padding.
    pub prefix_length: i64,
    /// Layers of the expert; as many as the language model's where not positive.
    pub num_expert_layers: i64,
    /// Layers of the language model that are used; all where not positive.
    pub num_vlm_layers: i64,
    /// Every so many layers the expert sees its own actions.
    pub self_attn_every_n_layers: i64,
    /// Width of the expert over that of the language model.
    pub expert_width_multiplier: f64,
    /// Shortest period of the embedding of time.
    pub min_period: f64,
    /// Longest period of the embedding of time.
    pub max_period: f64,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for VlaConfig {
    fn default() -> Self {
        Self {
            kind: "smolvla".into(),
            input_features: Features::default(),
            output_features: Features::default(),
            chunk_size: 50,
            n_action_steps: 50,
            normalization_mapping: NormalizationMapping::default(),
            max_state_dim: 32,
            max_action_dim: 32,
            resize_imgs_with_padding: Some([512, 512]),
            empty_cameras: 0,
            adapt_to_pi_aloha: false,
            tokenizer_max_length: 48,
            pad_language_to: Padding::Longest,
            num_steps: 10,
            vlm_model_name: PUBLIC_VLM.into(),
            add_image_special_tokens: false,
            attention_mode: "cross_attn".into(),
            prefix_length: -1,
            num_expert_layers: -1,
            num_vlm_layers: 16,
            self_attn_every_n_layers: 2,
            expert_width_multiplier: 0.75,
            min_period: 0.004,
            max_period: 4.0,
            other: Map::new(),
        }
    }
}

impl VlaConfig {
    /// Reads `config.json`; `part` names the file in errors.
    pub fn from_json(part: &str, text: &[u8]) -> Result<Self, PolicyError> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| PolicyError::malformed(part, error))?;
        match value.get("type").and_then(Value::as_str) {
            Some("smolvla") => {}
            Some(kind) => {
                let message = format!("holds a policy of type `{kind}`; this program reads `smolvla`");
                return Err(PolicyError::malformed(part, message));
            }
            None => {
                return Err(PolicyError::malformed(part, "has no `type`, which names the kind of policy"));
            }
        }
        // Again from the text: a value has lost the order of the cameras.
        serde_json::from_slice(text).map_err(|error| PolicyError::malformed(part, error))
    }

    /// Names of the cameras, in the order in which the model reads them.
    pub fn cameras(&self) -> impl Iterator<Item = &str> {
        let features = self.input_features.0.iter();
        features.filter(|(_, feature)| feature.kind == FeatureType::Visual).map(|(name, _)| name.as_str())
    }

    /// Numbers in the robot's state.
    pub fn state_dim(&self) -> usize {
        self.input_features.get(STATE).map_or(0, |feature| feature.shape.iter().product())
    }

    /// Numbers in an action.
    pub fn action_dim(&self) -> usize {
        self.output_features.get(ACTION).map_or(0, |feature| feature.shape.iter().product())
    }
}

/// Sizes of the eye, as transformers writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Numbers per patch.
    pub hidden_size: usize,
    /// Of the perceptrons.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads.
    pub num_attention_heads: usize,
    /// Largest image side \[px\].
    pub image_size: usize,
    /// Side of a patch \[px\].
    pub patch_size: usize,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for VisionConfig {
    // What transformers fills in where a file is silent.
    fn default() -> Self {
        Self {
            hidden_size: 1152,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 16,
            image_size: 224,
            patch_size: 32,
            other: Map::new(),
        }
    }
}

/// Sizes of the language model, as transformers writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Numbers per token.
    pub hidden_size: usize,
    /// Of the perceptrons.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads of queries.
    pub num_attention_heads: usize,
    /// Heads of keys and values.
    pub num_key_value_heads: usize,
    /// Numbers in a head.
    #[serde(default)]
    pub head_dim: Option<usize>,
    /// Tokens.
    pub vocab_size: usize,
    /// Of the norms.
    #[serde(default = "rms_norm_eps")]
    pub rms_norm_eps: f64,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn rms_norm_eps() -> f64 {
    1e-6
}

/// `config.json` of the language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VlmConfig {
    /// The eye.
    pub vision_config: VisionConfig,
    /// The language model.
    pub text_config: TextConfig,
    /// Patches per side that become one token.
    pub scale_factor: usize,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl VlmConfig {
    /// Reads `config.json`; `part` names the file in errors.
    pub fn from_json(part: &str, text: &[u8]) -> Result<Self, PolicyError> {
        serde_json::from_slice(text).map_err(|error| PolicyError::malformed(part, error))
    }

    /// The language model of the public checkpoint.
    pub fn public() -> Self {
        Preset::SmolVla.vlm()
    }
}

/// All sizes of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Largest image side \[px\].
    pub image: usize,
    /// Side of a patch \[px\].
    pub patch: usize,
    /// Numbers per patch.
    pub vision_width: usize,
    /// Blocks of the eye.
    pub vision_layers: usize,
    /// Heads of the eye.
    pub vision_heads: usize,
    /// Perceptrons of the eye.
    pub vision_hidden: usize,
    /// Patches per side that become one token.
    pub shuffle: usize,
    /// Numbers per token.
    pub width: usize,
    /// Blocks of the language model and of the expert.
    pub layers: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Perceptrons of the language model.
    pub hidden: usize,
    /// Of the norms of the language model and the expert.
    pub epsilon: f64,
    /// Tokens.
    pub vocabulary: usize,
    /// Numbers per action token.
    pub expert_width: usize,
    /// Perceptrons of the expert.
    pub expert_hidden: usize,
    /// Every so many layers the expert sees its own actions; the others see memory only.
    pub self_attention_every: usize,
    /// Numbers that a state is padded to.
    pub state: usize,
    /// Numbers that an action is padded to.
    pub action: usize,
    /// Actions in a chunk.
    pub chunk: usize,
}

impl Sizes {
    /// What both files say together.
    ///
    /// # Errors
    /// The first size that is impossible or that this program does not support.
    pub fn new(config: &VlaConfig, vlm: &VlmConfig) -> Result<Self, PolicyError> {
        let refuse = |message: String| Err(PolicyError::malformed("config.json", message));
        let (vision, text) = (&vlm.vision_config, &vlm.text_config);
        if config.attention_mode != "cross_attn" {
            return refuse(format!("attention_mode `{}`; supported: `cross_attn`", config.attention_mode));
        }
        if config.adapt_to_pi_aloha {
            return refuse("adapt_to_pi_aloha is not supported".into());
        }
        let layers = match usize::try_from(config.num_vlm_layers) {
            Ok(layers @ 1..) => layers.min(text.num_hidden_layers),
            _ => text.num_hidden_layers,
        };
        if config.num_expert_layers > 0 && config.num_expert_layers as usize != layers {
            return refuse(format!(
                "num_expert_layers {}; supported: {layers}, one for each layer of the language model",
                config.num_expert_layers
            ));
        }
        let Ok(self_attention_every @ 1..) = usize::try_from(config.self_attn_every_n_layers) else {
            return refuse(format!(
                "self_attn_every_n_layers {}; allowed: 1 or more",
                config.self_attn_every_n_layers
            ));
        };
        let expert_width = (text.hidden_size as f64 * config.expert_width_multiplier) as usize;
        let heads = text.num_attention_heads;
        let sizes = Self {
            image: vision.image_size,
            patch: vision.patch_size,
            vision_width: vision.hidden_size,
            vision_layers: vision.num_hidden_layers,
            vision_heads: vision.num_attention_heads,
            vision_hidden: vision.intermediate_size,
            shuffle: vlm.scale_factor,
            width: text.hidden_size,
            layers,
            heads,
            kv_heads: text.num_key_value_heads,
            head_dim: text.head_dim.unwrap_or(text.hidden_size / heads.max(1)),
            hidden: text.intermediate_size,
            epsilon: text.rms_norm_eps,
            vocabulary: text.vocab_size,
            expert_width,
            expert_hidden: (2 * expert_width / 3 * 4).next_multiple_of(256),
            self_attention_every,
            state: config.max_state_dim,
            action: config.max_action_dim,
            chunk: config.chunk_size,
        };
        sizes.check()?;
        if config.state_dim() > sizes.state || config.action_dim() > sizes.action {
            return refuse(format!(
                "a state of {} and an action of {} numbers do not fit into max_state_dim {} and max_action_dim {}",
                config.state_dim(),
                config.action_dim(),
                sizes.state,
                sizes.action
            ));
        }
        if !(config.min_period > 0.0 && config.max_period > config.min_period) {
            return refuse("min_period must be positive and max_period larger".into());
        }
        if config.num_steps == 0 || config.n_action_steps == 0 || config.n_action_steps > sizes.chunk {
            return refuse(format!(
                "num_steps {} and n_action_steps {}; allowed: at least 1, and at most chunk_size {}",
                config.num_steps, config.n_action_steps, sizes.chunk
            ));
        }
        if let Some([width, height]) = config.resize_imgs_with_padding {
            if width != height {
                return refuse(format!(
                    "resize_imgs_with_padding {width}x{height}; supported: square images"
                ));
            }
            sizes.check_image_side(width)?;
        }
        Ok(sizes)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let all = [
            ("image_size", self.image),
            ("patch_size", self.patch),
            ("hidden_size of the eye", self.vision_width),
            ("num_hidden_layers of the eye", self.vision_layers),
            ("num_attention_heads of the eye", self.vision_heads),
            ("intermediate_size of the eye", self.vision_hidden),
            ("scale_factor", self.shuffle),
            ("hidden_size", self.width),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.hidden),
            ("vocab_size", self.vocabulary),
            ("hidden_size of the expert", self.expert_width),
            ("max_state_dim", self.state),
            ("max_action_dim", self.action),
            ("chunk_size", self.chunk),
        ];
        let refuse = |message: String| Err(PolicyError::malformed("config.json", message));
        if let Some((name, size)) = all.iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
            return refuse(format!("{name} {size}; allowed: 1 to {MAX_SIZE}"));
        }
        if !self.vision_width.is_multiple_of(self.vision_heads) {
            return refuse(format!(
                "the eye's {} numbers do not divide into {} heads",
                self.vision_width, self.vision_heads
            ));
        }
        if !self.heads.is_multiple_of(self.kv_heads) || !self.head_dim.is_multiple_of(2) {
            return refuse(format!(
                "{} heads of {} numbers over {} heads of keys: the last must divide the first, and a head be even",
                self.heads, self.head_dim, self.kv_heads
            ));
        }
        if !self.expert_width.is_multiple_of(2) {
            return refuse(format!("an expert of {} numbers; it must be even", self.expert_width));
        }
        if !self.image.is_multiple_of(self.patch) {
            return refuse(format!("image_size {} is not whole patches of {}", self.image, self.patch));
        }
        self.check_image_side(self.image)
    }

    /// Whether square images of that side can be read: their patches divide the grid of known positions, and
    /// fold into tokens.
    pub fn check_image_side(&self, side: usize) -> Result<(), PolicyError> {
        let patches = side / self.patch;
        let fits = side.is_multiple_of(self.patch)
            && patches > 0
            && self.grid().is_multiple_of(patches)
            && patches.is_multiple_of(self.shuffle);
        if fits {
            return Ok(());
        }
        let allowed: Vec<String> = (1..=self.grid())
            .filter(|n| self.grid().is_multiple_of(*n) && n.is_multiple_of(self.shuffle))
            .map(|n| (n * self.patch).to_string())
            .collect();
        let message = format!("images of {side} pixels a side; allowed: {}", allowed.join(", "));
        Err(PolicyError::malformed("config.json", message))
    }

    /// Patches per side of the largest image.
    pub fn grid(&self) -> usize {
        self.image / self.patch
    }

    /// Whether the expert sees its own actions in a layer.
    pub fn sees_actions(&self, layer: usize) -> bool {
        layer.is_multiple_of(self.self_attention_every)
    }

    /// Numbers in a key of all heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// Models by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 1.6 million parameters: tests.
    Nano,
    /// 5.5 million parameters: demonstrations on a CPU.
    Micro,
    /// 29 million parameters: a GPU.
    Tiny,
    /// 57 million parameters.
    Small,
    /// The public model, 450 million parameters.
    SmolVla,
}

impl Preset {
    /// All, smallest first.
    pub const ALL: [Self; 5] = [Self::Nano, Self::Micro, Self::Tiny, Self::Small, Self::SmolVla];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::Micro => "micro",
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::SmolVla => "smolvla",
        }
    }

    /// Image side, patch, then width, layers, heads and perceptron of the eye, and patches per token side.
    fn eye(self) -> [usize; 7] {
        match self {
            Self::Nano => [64, 8, 96, 3, 3, 384, 2],
            Self::Micro => [64, 8, 128, 4, 4, 512, 2],
            Self::Tiny => [128, 16, 256, 6, 4, 1024, 2],
            Self::Small => [128, 16, 384, 8, 6, 1536, 2],
            Self::SmolVla => [512, 16, 768, 12, 12, 3072, 4],
        }
    }

    /// Width, layers, heads, heads of keys, numbers in a head and perceptron of the language model, and tokens.
    fn text(self) -> [usize; 7] {
        match self {
            Self::Nano => [128, 4, 4, 2, 32, 256, 512],
            Self::Micro => [192, 6, 6, 2, 32, 512, 1024],
            Self::Tiny => [384, 8, 6, 2, 64, 1024, 4096],
            Self::Small => [512, 8, 8, 2, 64, 1536, 4096],
            Self::SmolVla => [960, 32, 15, 5, 64, 2560, 49280],
        }
    }

    /// `config.json` of the language model.
    pub fn vlm(self) -> VlmConfig {
        let [
            image_size,
            patch_size,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            hidden,
            scale_factor,
        ] = self.eye();
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
        let vision_config = VisionConfig {
            hidden_size,
            intermediate_size: hidden,
            num_hidden_layers,
            num_attention_heads,
            image_size,
            patch_size,
            other: object(
                r#"{"model_type":"smolvlm_vision","hidden_act":"gelu_pytorch_tanh","layer_norm_eps":1e-6}"#,
            ),
        };
        let [
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            hidden,
            vocab_size,
        ] = self.text();
        let text_config = TextConfig {
            hidden_size,
            intermediate_size: hidden,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim: Some(head_dim),
            vocab_size,
            rms_norm_eps: 1e-5,
            other: object(r#"{"model_type":"llama","hidden_act":"silu"}"#),
        };
        let mut other = object(r#"{"model_type":"smolvlm","tie_word_embeddings":false,"pad_token_id":2}"#);
        // The last tokens are the image's marks; in the public vocabulary others follow them.
        let image_token = if self == Self::SmolVla { 49190 } else { vocab_size - 1 };
        other.insert("image_token_id".into(), image_token.into());
        VlmConfig { vision_config, text_config, scale_factor, other }
    }

    /// `config.json` for a robot with these cameras (name and `[channels, height, width]`), state and action.
    /// All but the public model learn everything from nothing.
    pub fn config(self, cameras: &[(&str, [usize; 3])], state_dim: usize, action_dim: usize) -> VlaConfig {
        let feature = |kind, shape: &[usize]| Feature { kind, shape: shape.to_vec() };
        let mut inputs: Vec<(String, Feature)> =
            vec![(STATE.into(), feature(FeatureType::State, &[state_dim]))];
        for (name, shape) in cameras {
            inputs.push(((*name).into(), feature(FeatureType::Visual, shape)));
        }
        let (max_state_dim, max_action_dim, chunk) = match self {
            Self::Nano => (16, 8, 8),
            Self::Micro | Self::Tiny => (32, 32, 16),
            Self::Small => (32, 32, 32),
            Self::SmolVla => (32, 32, 50),
        };
        let side = self.eye()[0];
        let public = self == Self::SmolVla;
        let mut other = Map::new();
        for name in ["freeze_vision_encoder", "train_expert_only"] {
            other.insert(name.into(), public.into());
        }
        other.insert("load_vlm_weights".into(), false.into());
        VlaConfig {
            input_features: Features(inputs),
            output_features: Features(vec![(ACTION.into(), feature(FeatureType::Action, &[action_dim]))]),
            chunk_size: chunk,
            n_action_steps: if public { chunk } else { chunk / 2 },
            max_state_dim,
            max_action_dim,
            resize_imgs_with_padding: Some([side, side]),
            tokenizer_max_length: if public { 48 } else { 24 },
            // Small models know short instructions: a third of all tokens would be padding.
            pad_language_to: if public { Padding::MaxLength } else { Padding::Longest },
            vlm_model_name: if public { PUBLIC_VLM.into() } else { "vlm".into() },
            num_vlm_layers: if public { 16 } else { self.text()[1] as i64 },
            other,
            ..VlaConfig::default()
        }
    }
}

impl std::str::FromStr for Preset {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            PolicyError::malformed("size", format!("no model `{text}`; there are {names}"))
        })
    }
}
