//! A model as lerobot keeps it in a folder: `config.json`, `model.safetensors`, two processors with their
//! statistics; and, as a program without a network needs it, the tokenizer and sizes of the language model under
//! `vlm/`.

use super::bpe;
use super::config::{ACTION, Features, PUBLIC_VLM, Padding, Preset, STATE, Sizes, VlaConfig, VlmConfig};
use super::flow::{Flow, Inputs, View};
use super::manifest::tensors;
use super::normalize::{Scale, Statistics, read_if_there, step};
use super::preprocess::{Images, to_planes};
use super::tokenizer::{PAD, Tokenizer};
use super::weights::Weights;
use crate::PolicyError;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Component, Path};

/// Weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
const CONFIG_FILE: &str = "config.json";
const PREPROCESSOR: &str = "policy_preprocessor";
const POSTPROCESSOR: &str = "policy_postprocessor";

/// A model and all that stands around it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What the policy is.
    pub config: VlaConfig,
    /// What its language model is.
    pub vlm: VlmConfig,
    /// The sizes that follow.
    pub sizes: Sizes,
    /// All tensors.
    pub weights: Weights,
    /// Of instructions.
    pub tokenizer: Tokenizer,
    /// Of states and actions.
    pub statistics: Statistics,
}

impl Checkpoint {
    /// Reads a folder.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, PolicyError> {
        let (config, vlm, sizes) = read_sizes(folder)?;
        let inside = vlm_folder(&config.vlm_model_name)?;
        let tokenizer = Tokenizer::load(&folder.join(inside).join("tokenizer.json"))?;
        if tokenizer.vocabulary_size() > sizes.vocabulary {
            let message =
                format!("{} tokens; the model knows {}", tokenizer.vocabulary_size(), sizes.vocabulary);
            return Err(PolicyError::malformed("tokenizer.json", message));
        }
        let mut statistics =
            Statistics::load(folder, &format!("{PREPROCESSOR}.json"), "normalizer_processor")?;
        let post = Statistics::load(folder, &format!("{POSTPROCESSOR}.json"), "unnormalizer_processor")?;
        statistics.0.extend(post.0);
        let weights = Weights::read(&folder.join(WEIGHTS_FILE), &tensors(&sizes), device)?;
        Ok(Self { config, vlm, sizes, weights, tokenizer, statistics })
    }

    /// A model of a known size that has learned nothing: weights drawn from `seed`, a tokenizer of the
    /// `instructions` it will read. `cameras` are name and `[channels, height, width]`.
    ///
    /// # Errors
    /// If states or actions are too long for the size.
    pub fn fresh<'a>(
        preset: Preset,
        cameras: &[(&str, [usize; 3])],
        [state_dim, action_dim]: [usize; 2],
        instructions: impl IntoIterator<Item = &'a str>,
        statistics: Statistics,
        seed: u64,
        device: &Device,
    ) -> Result<Self, PolicyError> {
        let config = preset.config(cameras, state_dim, action_dim);
        let vlm = preset.vlm();
        let sizes = Sizes::new(&config, &vlm)?;
        let tokenizer = bpe::train(instructions, sizes.vocabulary)?;
        let weights = Weights::random(&tensors(&sizes), seed, device);
        Ok(Self { config, vlm, sizes, weights, tokenizer, statistics })
    }

    /// Writes a folder, which is created.
    pub fn save(&self, folder: &Path) -> Result<(), PolicyError> {
        let vlm = folder.join(vlm_folder(&self.config.vlm_model_name)?);
        std::fs::create_dir_all(&vlm).map_err(|source| PolicyError::Io { source, path: vlm.clone() })?;
        let write = |path: &Path, bytes: &[u8]| {
            std::fs::write(path, bytes).map_err(|source| PolicyError::Io { source, path: path.to_path_buf() })
        };
        write(&vlm.join("config.json"), &pretty("vlm/config.json", &self.vlm)?)?;
        write(&vlm.join("tokenizer.json"), self.tokenizer.source())?;
        for (name, file) in bpe::processor_files(&self.tokenizer) {
            write(&vlm.join(name), &pretty(name, &file)?)?;
        }
        let statistics = self.statistics.to_bytes()?;
        for (name, steps) in self.processors() {
            for step in steps.iter().filter_map(|step| step["state_file"].as_str()) {
                write(&folder.join(step), &statistics)?;
            }
            let file = json!({"name": name, "steps": steps});
            write(&folder.join(format!("{name}.json")), &pretty(name, &file)?)?;
        }
        write(&folder.join(CONFIG_FILE), &pretty(CONFIG_FILE, &self.config)?)?;
        self.weights.write(&folder.join(WEIGHTS_FILE), &[("format", "pt".into())])
    }

    /// The steps before and after the model, as lerobot writes them.
    fn processors(&self) -> [(&'static str, Vec<Value>); 2] {
        let config = &self.config;
        let all = [config.input_features.0.clone(), config.output_features.0.clone()].concat();
        let mapping = &config.normalization_mapping;
        let device =
            json!({"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": null}});
        let before = vec![
            json!({"registry_name": "rename_observations_processor", "config": {"rename_map": {}}}),
            json!({"registry_name": "to_batch_processor", "config": {}}),
            json!({"registry_name": "smolvla_new_line_processor", "config": {}}),
            json!({"registry_name": "tokenizer_processor", "config": {
                "max_length": config.tokenizer_max_length, "task_key": "task", "padding_side": "right",
                "padding": config.pad_language_to, "truncation": true, "tokenizer_name": config.vlm_model_name,
            }}),
            device.clone(),
            step(
                "normalizer_processor",
                &Features(all),
                mapping,
                &format!("{PREPROCESSOR}_step_5_normalizer_processor.safetensors"),
            ),
        ];
        let after = vec![
            step(
                "unnormalizer_processor",
                &config.output_features,
                mapping,
                &format!("{POSTPROCESSOR}_step_0_unnormalizer_processor.safetensors"),
            ),
            device,
        ];
        [(PREPROCESSOR, before), (POSTPROCESSOR, after)]
    }

    /// The model with these weights, or with others of the same names.
    pub fn model(&self, weights: &Weights) -> Result<Flow, PolicyError> {
        let marks = if self.config.add_image_special_tokens {
            let mark = |content: &str| {
                let missing =
                    || PolicyError::malformed("tokenizer.json", format!("has no token `{content}`"));
                self.tokenizer.token(content).ok_or_else(missing)
            };
            Some([mark("<fake_token_around_image>")?, mark("<global-img>")?])
        } else {
            None
        };
        Ok(Flow::new(&self.config, &self.sizes, weights, marks))
    }

    /// How states are scaled.
    pub fn state_scale(&self) -> Result<Scale, PolicyError> {
        let mode = self.config.normalization_mapping.state;
        Scale::new(&self.statistics, STATE, self.config.state_dim(), mode)
    }

    /// How actions are scaled.
    pub fn action_scale(&self) -> Result<Scale, PolicyError> {
        let mode = self.config.normalization_mapping.action;
        Scale::new(&self.statistics, ACTION, self.config.action_dim(), mode)
    }

    /// Makes inputs of a batch: images by name of the camera, an instruction for each sample, and states
    /// `[batch, state_dim]` in the robot's units.
    ///
    /// # Errors
    /// If the parts are not of one batch, or a camera is missing beyond [`VlaConfig::empty_cameras`].
    pub fn inputs(
        &self,
        images: &[(&str, Images)],
        instructions: &[&str],
        states: &[f32],
    ) -> Result<Inputs, PolicyError> {
        let (batch, dims) = (instructions.len(), self.config.state_dim());
        if batch == 0 || states.len() != batch * dims {
            let message = format!("{} numbers for {batch} states of {dims}", states.len());
            return Err(PolicyError::malformed(STATE, message));
        }
        let device = self.weights.device();
        let (tokens, token_mask) = self.tokens(instructions);
        let mut scaled = states.to_vec();
        self.state_scale()?.apply(&mut scaled);
        let padded = scaled
            .chunks_exact(dims)
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, self.sizes.state - dims)));
        let state = TensorData::new(padded.collect::<Vec<f32>>(), [batch, self.sizes.state]);
        Ok(Inputs {
            views: self.views(images, batch, &device)?,
            tokens,
            token_mask,
            state: Tensor::from_data(state, &device),
        })
    }

    fn views(
        &self,
        images: &[(&str, Images)],
        batch: usize,
        device: &Device,
    ) -> Result<Vec<View>, PolicyError> {
        let side = self.config.resize_imgs_with_padding.map(|[side, _]| side);
        let known: Vec<&str> = self.config.cameras().collect();
        if let Some((name, _)) = images.iter().find(|(name, _)| !known.contains(name)) {
            let message = format!("not a camera of this policy; its cameras are {}", known.join(", "));
            return Err(PolicyError::malformed(*name, message));
        }
        let mut views = Vec::new();
        let mut missing = Vec::new();
        for camera in known {
            let Some((_, images)) = images.iter().find(|(name, _)| *name == camera) else {
                missing.push(camera);
                continue;
            };
            images.check(camera)?;
            if images.len() != batch {
                let message = format!("{} images for {batch} instructions", images.len());
                return Err(PolicyError::malformed(camera, message));
            }
            if side.is_none() {
                if images.width != images.height {
                    let message =
                        format!("{}x{} pixels; this policy reads squares", images.width, images.height);
                    return Err(PolicyError::malformed(camera, message));
                }
                self.sizes.check_image_side(images.width)?;
            }
            let shown = side.unwrap_or(images.width);
            let planes = TensorData::new(to_planes(*images, side), [batch, 3, shown, shown]);
            views.push(View { pixels: Tensor::from_data(planes, device), present: vec![true; batch] });
        }
        let Some(shape) = views.first().map(|view| view.pixels.dims()) else {
            return Err(PolicyError::malformed("images", "none of this policy's cameras has an image"));
        };
        // lerobot leaves out what is missing; beyond what the policy allows that is a mistake.
        if missing.len() > self.config.empty_cameras {
            let message = format!("no image of this camera; {} may be missing", self.config.empty_cameras);
            return Err(PolicyError::malformed(missing[0], message));
        }
        for _ in missing {
            let black = Tensor::full(shape, -1.0, device);
            views.push(View { pixels: black, present: vec![false; batch] });
        }
        Ok(views)
    }

    /// Tokens of instructions and which of them are real; each text ends with a line break.
    fn tokens(&self, instructions: &[&str]) -> (Vec<Vec<u32>>, Vec<Vec<bool>>) {
        let most = self.config.tokenizer_max_length;
        let encode = |text: &&str| {
            let line = if text.ends_with('\n') { (*text).to_string() } else { format!("{text}\n") };
            let mut tokens = self.tokenizer.encode(&line);
            tokens.truncate(most);
            tokens
        };
        let mut tokens: Vec<Vec<u32>> = instructions.iter().map(encode).collect();
        let length = match self.config.pad_language_to {
            Padding::MaxLength => most,
            Padding::Longest => tokens.iter().map(Vec::len).max().unwrap_or(0),
        };
        let real = tokens.iter().map(|row| (0..length).map(|i| i < row.len()).collect()).collect();
        tokens.iter_mut().for_each(|row| row.resize(length, PAD));
        (tokens, real)
    }

    /// Actions of the model `[batch, chunk, max_action_dim]` in the robot's units, `[batch, chunk, action_dim]`.
    pub fn actions(&self, actions: Tensor<3>) -> Result<Vec<f32>, PolicyError> {
        let real = actions.narrow(2, 0, self.config.action_dim());
        let mut values: Vec<f32> = real.into_data().iter::<f32>().collect();
        self.action_scale()?.invert(&mut values);
        Ok(values)
    }
}

/// What the configurations of a folder say: the policy, its language model, and the sizes that follow.
///
/// # Errors
/// A file that is missing or not understood, or sizes that are impossible.
pub fn read_sizes(folder: &Path) -> Result<(VlaConfig, VlmConfig, Sizes), PolicyError> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| PolicyError::Io { source, path })
    };
    let config = VlaConfig::from_json(CONFIG_FILE, &read(CONFIG_FILE)?)?;
    let inside = vlm_folder(&config.vlm_model_name)?;
    let vlm_file = format!("{inside}/config.json");
    let vlm = match read_if_there(&folder.join(&vlm_file))? {
        Some(text) => VlmConfig::from_json(&vlm_file, &text)?,
        None if config.vlm_model_name == PUBLIC_VLM => VlmConfig::public(),
        None => {
            let message = format!("missing; it holds the sizes of `{}`", config.vlm_model_name);
            return Err(PolicyError::malformed(vlm_file, message));
        }
    };
    let sizes = Sizes::new(&config, &vlm)?;
    Ok((config, vlm, sizes))
}

fn pretty(name: &str, value: &impl Serialize) -> Result<Vec<u8>, PolicyError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| (text + "\n").into_bytes()).map_err(|error| PolicyError::malformed(name, error))
}

/// Folder of the language model's files inside the checkpoint.
fn vlm_folder(name: &str) -> Result<&str, PolicyError> {
    if name == PUBLIC_VLM {
        return Ok("vlm");
    }
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !name.is_empty() {
        return Ok(name);
    }
    let message =
        format!("vlm_model_name `{name}`; allowed: `{PUBLIC_VLM}` or a folder inside the checkpoint");
    Err(PolicyError::malformed(CONFIG_FILE, message))
}
