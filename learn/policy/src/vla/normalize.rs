//! States and actions on a common scale, as lerobot's processors keep it: a JSON file of steps and a safetensors
//! file of statistics.

use super::config::{Features, NormalizationMapping, NormalizationMode};
use crate::PolicyError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Added to deviations and put in place of empty ranges.
pub const EPSILON: f32 = 1e-8;

/// Statistics by name, `<feature>.<statistic>`: e.g. `action.mean`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics(pub BTreeMap<String, Vec<f32>>);

/// Numbers of a feature to a common scale and back.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// As they are.
    Identity,
    /// `(x - mean) / (std + ε)`; back `x std + mean`.
    MeanStd {
        /// By number.
        mean: Vec<f32>,
        /// By number.
        std: Vec<f32>,
    },
    /// `2 (x - min) / (max - min) - 1`; an empty range counts as ε.
    MinMax {
        /// By number.
        min: Vec<f32>,
        /// By number.
        max: Vec<f32>,
    },
}

impl Scale {
    /// Of a feature of `dims` numbers. Without statistics it is the identity, as in lerobot.
    pub fn new(
        statistics: &Statistics,
        feature: &str,
        dims: usize,
        mode: NormalizationMode,
    ) -> Result<Self, PolicyError> {
        let get = |name: &str| {
            let key = format!("{feature}.{name}");
            match statistics.0.get(&key) {
                Some(values) if values.len() != dims => Err(PolicyError::malformed(
                    key,
                    format!("{} numbers; the feature has {dims}", values.len()),
                )),
                Some(values) if !values.iter().all(|x| x.is_finite()) => {
                    Err(PolicyError::malformed(key, "holds a number that is not finite"))
                }
                found => Ok(found.cloned()),
            }
        };
        let pair = |first, second| Ok::<_, PolicyError>(get(first)?.zip(get(second)?));
        Ok(match mode {
            NormalizationMode::Identity => Self::Identity,
            NormalizationMode::MeanStd => {
                pair("mean", "std")?.map_or(Self::Identity, |(mean, std)| Self::MeanStd { mean, std })
            }
            NormalizationMode::MinMax => {
                pair("min", "max")?.map_or(Self::Identity, |(min, max)| Self::MinMax { min, max })
            }
            NormalizationMode::Quantiles | NormalizationMode::Quantile10 => {
                let message = format!("{mode:?} is not supported; supported: IDENTITY, MEAN_STD, MIN_MAX");
                return Err(PolicyError::malformed(format!("normalization of {feature}"), message));
            }
        })
    }

    /// To the common scale, in place, row after row.
    pub fn apply(&self, values: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::MeanStd { mean, std } => {
                each(values, mean, std, |x, mean, std| (x - mean) / (std + EPSILON));
            }
            Self::MinMax { min, max } => {
                each(values, min, max, |x, min, max| 2.0 * (x - min) / range(min, max) - 1.0);
            }
        }
    }

    /// Back from the common scale, in place, row after row.
    pub fn invert(&self, values: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::MeanStd { mean, std } => each(values, mean, std, |x, mean, std| x * std + mean),
            Self::MinMax { min, max } => {
                each(values, min, max, |x, min, max| (x + 1.0) / 2.0 * range(min, max) + min);
            }
        }
    }
}

fn range(min: f32, max: f32) -> f32 {
    if max == min { EPSILON } else { max - min }
}

fn each(values: &mut [f32], a: &[f32], b: &[f32], f: impl Fn(f32, f32, f32) -> f32) {
    for row in values.chunks_mut(a.len().max(1)) {
        for ((x, &a), &b) in row.iter_mut().zip(a).zip(b) {
            *x = f(*x, a, b);
        }
    }
}

impl Statistics {
    /// Reads what the step `step` of the processor file `name` in a folder keeps; empty without the file.
    pub fn load(folder: &Path, name: &str, step: &str) -> Result<Self, PolicyError> {
        let path = folder.join(name);
        let Some(text) = read_if_there(&path)? else { return Ok(Self::default()) };
        let file: Value =
            serde_json::from_slice(&text).map_err(|error| PolicyError::malformed(name, error))?;
        let steps = file["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let state = steps.iter().find(|found| found["registry_name"] == step);
        let Some(state) = state.and_then(|step| step["state_file"].as_str()) else {
            return Ok(Self::default());
        };
        if Path::new(state).file_name() != Some(state.as_ref()) {
            let message = format!("state_file `{state}` is not the name of a file beside it");
            return Err(PolicyError::malformed(name, message));
        }
        super::weights::refuse_pickle(Path::new(state))?;
        let path = folder.join(state);
        let bytes = std::fs::read(&path).map_err(|source| PolicyError::Io { source, path })?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| PolicyError::malformed(state, error))?;
        let mut statistics = Self::default();
        for (key, view) in tensors.tensors() {
            let values = super::weights::to_f32(view.dtype(), view.data());
            // Counts and the like are integers, and nobody reads them.
            if let Ok(values) = values {
                statistics.0.insert(key, values);
            }
        }
        Ok(statistics)
    }

    /// The safetensors file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PolicyError> {
        let error = |error| PolicyError::malformed("statistics", error);
        let bytes: Vec<Vec<u8>> =
            self.0.values().map(|values| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let views = self.0.iter().zip(&bytes).map(|((name, values), bytes)| {
            TensorView::new(Dtype::F32, vec![values.len()], bytes).map(|view| (name, view))
        });
        let views: Vec<_> = views.collect::<Result<_, _>>().map_err(error)?;
        safetensors::serialize(views, None).map_err(error)
    }
}

/// The bytes of a file, or none if there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, PolicyError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PolicyError::Io { source, path: path.to_path_buf() }),
    }
}

/// A step that normalises or inverts, as lerobot writes it.
pub fn step(name: &str, features: &Features, mapping: &NormalizationMapping, state_file: &str) -> Value {
    json!({
        "registry_name": name,
        "config": {"eps": EPSILON, "features": features, "norm_map": mapping},
        "state_file": state_file,
    })
}
