//! Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): a weight `W` becomes `W + α/r B A` with thin `A` and
//! `B`, which alone are learned. What was learned is a small file beside the model, a delta.
//!
//! Adapted are queries and values of every attention, of the eye, the language model and the action expert, and the
//! projections of images, states, actions and times. lerobot adapts the expert and the last three alone: that teaches a
//! new movement, but no new thing, which has to be seen and read first. Files are those of the library peft:
//! `adapter_model.safetensors` with its names, and `adapter_config.json`, which says what is adapted: a delta of fewer
//! layers is read as well.

use super::manifest::{CONNECTOR, TensorSpec};
use super::weights::{Header, Weights};
use crate::PolicyError;
use crate::noise::{Purpose, Stream};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::path::Path;

/// The factors.
pub const DELTA_FILE: &str = "adapter_model.safetensors";
/// What they are.
pub const DELTA_CONFIG: &str = "adapter_config.json";
/// Layers outside transformers that are adapted, besides the connector.
const PROJECTIONS: [&str; 5] =
    ["state_proj", "action_in_proj", "action_out_proj", "action_time_mlp_in", "action_time_mlp_out"];
/// What peft puts before names.
const PEFT: &str = "base_model.model.";
/// Largest rank a file may ask for.
const MAX_RANK: usize = 1 << 12;

/// How strongly a model is adapted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    /// Numbers between `A` and `B`.
    pub rank: usize,
    /// The product of the factors is scaled by `alpha / rank`.
    pub alpha: f64,
}

impl Rank {
    /// Names and shapes of the factors for those of a model's tensors that are adapted: `<layer>.lora_A.weight`
    /// `[rank, inputs]` and `<layer>.lora_B.weight` `[outputs, rank]`.
    pub fn factors(self, specs: &[TensorSpec]) -> Vec<TensorSpec> {
        self.factors_of(specs.iter().filter(|spec| is_adapted(&spec.name)))
    }

    fn factors_of<'a>(self, specs: impl Iterator<Item = &'a TensorSpec>) -> Vec<TensorSpec> {
        let pair = |spec: &TensorSpec| {
            let layer = spec.name.trim_end_matches(".weight");
            let [outputs, inputs] = spec.matrix();
            let name = |factor: &str| format!("{PEFT}{layer}.lora_{factor}.weight");
            [
                TensorSpec { name: name("A"), shape: vec![self.rank, inputs] },
                TensorSpec { name: name("B"), shape: vec![outputs, self.rank] },
            ]
        };
        specs.flat_map(pair).collect()
    }

    /// Numbers of factors whose product is zero: `A` is drawn, `B` is zero.
    pub fn initial(factors: &[TensorSpec], seed: u64) -> Vec<f32> {
        let stream = Stream::new(seed, Purpose::Weights);
        let draw = |(index, spec): (usize, &TensorSpec)| {
            let [_, inputs] = spec.matrix();
            let scale = if spec.name.ends_with("lora_A.weight") { (inputs as f64).powf(-0.5) } else { 0.0 };
            let draw = move |element| (scale * stream.normal(index as u64, element, 0)) as f32;
            (0..spec.num_elements() as u64).map(draw).collect::<Vec<_>>()
        };
        factors.iter().enumerate().flat_map(draw).collect()
    }

    /// The weights of a model with the products of the factors added. Gradients reach the factors.
    pub fn merged(self, base: &Weights, factors: &Weights) -> Weights {
        let mut merged = base.clone();
        for layer in adapted_layers(factors.specs()) {
            let (name, factor) = (format!("{layer}.weight"), |name: &str| {
                factors.get(&format!("{PEFT}{layer}.lora_{name}.weight"))
            });
            let delta = factor("B").matmul(factor("A")) * (self.alpha / self.rank as f64);
            merged.set(&name, base.get(&name) + delta);
        }
        merged
    }
}

/// Whether a tensor is a weight that gets factors.
fn is_adapted(name: &str) -> bool {
    let Some(layer) = name.strip_suffix(".weight") else { return false };
    let attention = layer.ends_with(".self_attn.q_proj") || layer.ends_with(".self_attn.v_proj");
    let projection = layer.strip_prefix("model.").is_some_and(|layer| PROJECTIONS.contains(&layer));
    attention || projection || name == CONNECTOR
}

/// Layers that have factors.
fn adapted_layers(factors: &[TensorSpec]) -> impl Iterator<Item = &str> {
    let names = factors.iter().map(|factor| factor.name.as_str());
    names.filter_map(|name| name.strip_prefix(PEFT)?.strip_suffix(".lora_A.weight"))
}

/// What was learned on top of a base.
#[derive(Clone, Debug)]
pub struct Delta {
    /// How strongly.
    pub rank: Rank,
    /// SHA-256 of the base's `model.safetensors`.
    pub base_sha256: String,
    /// The factors.
    pub factors: Weights,
}

impl Delta {
    /// Writes both files into a folder.
    pub fn save(&self, folder: &Path) -> Result<(), PolicyError> {
        let metadata = [("format", "pt".to_owned()), ("base_sha256", self.base_sha256.clone())];
        self.factors.write(&folder.join(DELTA_FILE), &metadata)?;
        let config = json!({
            "peft_type": "LORA", "task_type": null, "inference_mode": true, "bias": "none",
            "base_model_name_or_path": null, "base_sha256": self.base_sha256,
            "r": self.rank.rank, "lora_alpha": self.rank.alpha, "lora_dropout": 0.0,
            "target_modules": adapted_layers(self.factors.specs()).collect::<Vec<_>>(),
        });
        let path = folder.join(DELTA_CONFIG);
        let text = format!("{config:#}\n");
        std::fs::write(&path, text).map_err(|source| PolicyError::Io { source, path })
    }

    /// Reads a delta for the model with tensors `specs` whose file has the SHA-256 `base_sha256`.
    ///
    /// # Errors
    /// If it was learned on another base, or its factors do not fit the model.
    pub fn load(
        folder: &Path,
        base_sha256: &str,
        specs: &[TensorSpec],
        device: &Device,
    ) -> Result<Self, PolicyError> {
        let path = folder.join(DELTA_CONFIG);
        let text = std::fs::read(&path).map_err(|source| PolicyError::Io { source, path })?;
        let config: Value =
            serde_json::from_slice(&text).map_err(|error| PolicyError::malformed(DELTA_CONFIG, error))?;
        let refuse = |message: String| Err(PolicyError::malformed(DELTA_CONFIG, message));
        let rank = config["r"].as_u64().and_then(|rank| usize::try_from(rank).ok());
        let (Some(rank @ 1..=MAX_RANK), Some(alpha)) = (rank, config["lora_alpha"].as_f64()) else {
            return refuse(format!(
                "r {} and lora_alpha {}; allowed: numbers, r from 1 to {MAX_RANK}",
                config["r"], config["lora_alpha"]
            ));
        };
        match config["base_sha256"].as_str() {
            Some(recorded) if recorded == base_sha256 => {}
            Some(recorded) => {
                return refuse(format!(
                    "learned on the base with SHA-256 {recorded}; this base has {base_sha256}"
                ));
            }
            None => return refuse("does not say on which base it was learned: no `base_sha256`".into()),
        }
        let rank = Rank { rank, alpha };
        let factors = rank.factors_of(targets(&config, specs)?.into_iter());
        let file = folder.join(DELTA_FILE);
        // The configuration can be edited; what the weights say of their base counts too.
        if let Some(recorded) = Header::read(&file)?.metadata("base_sha256")
            && recorded != base_sha256
        {
            let message = format!("learned on the base with SHA-256 {recorded}; this base has {base_sha256}");
            return Err(PolicyError::malformed(DELTA_FILE, message));
        }
        let factors = Weights::read(&file, &factors, device)?;
        Ok(Self { rank, base_sha256: base_sha256.to_owned(), factors })
    }

    /// The base's weights with this delta merged in.
    pub fn merge(&self, base: &Weights) -> Weights {
        self.rank.merged(base, &self.factors)
    }
}

/// The tensors of a model that `adapter_config.json` names.
fn targets<'a>(config: &Value, specs: &'a [TensorSpec]) -> Result<Vec<&'a TensorSpec>, PolicyError> {
    let names = config["target_modules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if names.is_empty() {
        let message = "target_modules is no list of layers: nothing is adapted";
        return Err(PolicyError::malformed(DELTA_CONFIG, message));
    }
    let find = |name: &Value| {
        let layer = name.as_str().unwrap_or_default();
        let found = specs.iter().find(|spec| spec.name.strip_suffix(".weight") == Some(layer));
        found.ok_or_else(|| {
            let message = format!("target_modules names {name}, and the model has no such layer");
            PolicyError::malformed(DELTA_CONFIG, message)
        })
    };
    names.iter().map(find).collect()
}
