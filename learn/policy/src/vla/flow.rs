//! Flow matching (Lipman et al. 2023): a field of velocities carries noise at time 1 to actions at time 0.
//!
//! Images, instruction and state become a prefix of tokens, read once by the language model. What the expert
//! needs of it is the [`Memory`]: keys and values of every layer. No token of the prefix sees an action, so the
//! same two steps, remember and move, serve acting and learning.

use super::attention::{Linear, Mask, RmsNorm, Rotary, attend};
use super::config::{Sizes, VlaConfig};
use super::decoder::{Block, Heads, join};
use super::manifest::{EXPERT, VLM};
use super::vision::Vision;
use super::weights::Weights;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use std::f64::consts::TAU;

/// Longest wavelength of the positions of tokens, over two pi. The language model was trained with another one;
/// lerobot fine-tunes and runs it with this.
const WAVELENGTH: f32 = 10_000.0;

/// What a camera shows, ready for the eye.
#[derive(Clone, Debug)]
pub struct View {
    /// `[batch, 3, side, side]` in -1 to 1.
    pub pixels: Tensor<4>,
    /// Per sample, whether the image is there.
    pub present: Vec<bool>,
}

/// Everything the model acts on, for a batch of samples.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// By camera.
    pub views: Vec<View>,
    /// Tokens of the instruction by sample, all of one length.
    pub tokens: Vec<Vec<u32>>,
    /// Whether a token is one of the instruction's, not padding.
    pub token_mask: Vec<Vec<bool>>,
    /// Normalised, padded with zeros: `[batch, max_state_dim]`.
    pub state: Tensor<2>,
}

/// The tokens of images, instruction and state.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// `[batch, tokens, width]`.
    pub embeddings: Tensor<3>,
    /// Whether a token is there, by sample.
    pub present: Vec<Vec<bool>>,
    /// Block of each token: a token sees its own block and earlier ones.
    pub blocks: Vec<u32>,
}

/// What the expert needs of a prefix.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Keys and values of the language model by layer, `[batch, tokens, kv_heads, head_dim]`, with positions.
    pub layers: Vec<(Tensor<4>, Tensor<4>)>,
    /// The same as the expert's layer reads them.
    expert: Vec<(Tensor<4>, Tensor<4>)>,
    /// What the token of the state has become `[batch, width]`: it has seen images and instruction.
    pub state: Tensor<2>,
    present: Vec<Vec<bool>>,
}

/// The whole model.
#[derive(Clone, Debug)]
pub struct Flow {
    sizes: Sizes,
    config: VlaConfig,
    /// Tokens before an image; the first of them also stands after it.
    image_marks: Option<[u32; 2]>,
    vision: Vision,
    /// `[vocabulary, width]`.
    embed_tokens: Tensor<2>,
    text: Vec<Block>,
    expert: Vec<Block>,
    expert_norm: RmsNorm,
    state_proj: Linear,
    action_in_proj: Linear,
    action_out_proj: Linear,
    time_in: Linear,
    time_out: Linear,
    device: Device,
}

impl Flow {
    /// With the weights of [`tensors`](super::manifest::tensors), and the tokens `<fake_token_around_image>` and
    /// `<global-img>` for a model that marks its images.
    pub fn new(config: &VlaConfig, sizes: &Sizes, weights: &Weights, image_marks: Option<[u32; 2]>) -> Self {
        let linear = |name: &str| Linear {
            weight: weights.get(&format!("model.{name}.weight")),
            bias: Some(weights.get(&format!("model.{name}.bias"))),
        };
        let heads = Heads { heads: sizes.heads, kv_heads: sizes.kv_heads, head_dim: sizes.head_dim };
        let blocks = |start: &str| -> Vec<Block> {
            let block = |layer| {
                Block::new(heads, sizes.epsilon, |name| {
                    weights.get(&format!("{start}.layers.{layer}.{name}"))
                })
            };
            (0..sizes.layers).map(block).collect()
        };
        let weight = weights.get(&format!("{EXPERT}.norm.weight"));
        Self {
            vision: Vision::new(sizes, |name| weights.get(&format!("{VLM}.{name}"))),
            embed_tokens: weights.get(&format!("{VLM}.text_model.embed_tokens.weight")),
            text: blocks(&format!("{VLM}.text_model")),
            expert: blocks(EXPERT),
            expert_norm: RmsNorm { weight, epsilon: sizes.epsilon },
            state_proj: linear("state_proj"),
            action_in_proj: linear("action_in_proj"),
            action_out_proj: linear("action_out_proj"),
            time_in: linear("action_time_mlp_in"),
            time_out: linear("action_time_mlp_out"),
            device: weights.device(),
            sizes: sizes.clone(),
            config: config.clone(),
            image_marks,
        }
    }

    /// Sizes of the model.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The tokens of a batch.
    pub fn embed_prefix(&self, inputs: &Inputs) -> Prefix {
        let [batch, _] = inputs.state.dims();
        let width = self.sizes.width;
        let (mut parts, mut blocks) = (Vec::new(), Vec::new());
        let mut present = vec![Vec::new(); batch];
        let mut push = |part: Tensor<3>, block: u32, there: &dyn Fn(usize, usize) -> bool| {
            let tokens = part.dims()[1];
            blocks.extend(std::iter::repeat_n(block, tokens));
            for (sample, row) in present.iter_mut().enumerate() {
                row.extend((0..tokens).map(|token| there(sample, token)));
            }
            parts.push(part);
        };
        // The language model saw its input scaled up by this.
        let scale = (width as f64).sqrt();
        for view in &inputs.views {
            if let Some(marks) = &self.image_marks {
                push(self.repeated(marks, batch), 0, &|_, _| true);
            }
            let tokens = self.vision.forward(view.pixels.clone()) * scale;
            push(tokens, 0, &|sample, _| view.present[sample]);
            if let Some([mark, _]) = self.image_marks {
                push(self.repeated(&[mark], batch), 0, &|_, _| true);
            }
        }
        let length = inputs.tokens.first().map_or(0, Vec::len);
        if length > 0 {
            let flat: Vec<u32> = inputs.tokens.concat();
            let language = self.embed(&flat).reshape([batch, length, width]) * scale;
            push(language, 0, &|sample, token| inputs.token_mask[sample][token]);
        }
        let state = self.state_proj.rows(inputs.state.clone()).reshape([batch, 1, width]);
        push(state, 1, &|_, _| true);
        let so_far = blocks.len();
        let least = usize::try_from(self.config.prefix_length).unwrap_or(0);
        if so_far < least {
            let padding = Tensor::zeros([batch, least - so_far, width], &self.device);
            // The block goes on after the state.
            blocks.extend(std::iter::repeat_n(1, least - so_far));
            present.iter_mut().for_each(|row| row.resize(least, false));
            parts.push(padding);
        }
        Prefix { embeddings: Tensor::cat(parts, 1), present, blocks }
    }

    fn repeated(&self, tokens: &[u32], batch: usize) -> Tensor<3> {
        let width = self.sizes.width;
        self.embed(tokens).reshape([1, tokens.len(), width]).expand([batch, tokens.len(), width])
    }

    fn embed(&self, tokens: &[u32]) -> Tensor<2> {
        assert!(
            tokens.iter().all(|&token| (token as usize) < self.sizes.vocabulary),
            "tokens of the vocabulary"
        );
        let indices: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let indices = TensorData::new(indices, [tokens.len()]);
        self.embed_tokens.clone().select(0, Tensor::<1, Int>::from_data(indices, &self.device))
    }

    /// Reads a prefix.
    pub fn remember(&self, prefix: Prefix) -> Memory {
        let Prefix { embeddings, present, blocks } = prefix;
        let tokens = blocks.len();
        let state = blocks.iter().position(|&block| block == 1).expect("a token of the state");
        // Padding has the position of the token before it.
        let positions: Vec<Vec<f32>> = present.iter().map(|row| positions(row)).collect();
        let rotary = Rotary::new(&positions, self.sizes.head_dim, WAVELENGTH, &self.device);
        let mask = Mask::new([present.len(), tokens, tokens], &self.device, |sample, query, key| {
            present[sample][query] && present[sample][key] && blocks[key] <= blocks[query]
        });
        let mut x = embeddings;
        let (mut layers, mut expert) = (Vec::new(), Vec::new());
        for (layer, (block, expert_block)) in self.text.iter().zip(&self.expert).enumerate() {
            let normed = block.norm(x.clone());
            let (keys, values) = block.key_value(normed.clone(), normed.clone());
            let keys = rotary.apply(keys);
            let read = if self.sizes.sees_actions(layer) {
                (keys.clone(), values.clone())
            } else {
                expert_block.key_value(join(keys.clone()), join(values.clone()))
            };
            expert.push(read);
            // Nobody reads what the last layer makes of its input.
            if layer + 1 < self.text.len() {
                let query = rotary.apply(block.query(normed));
                let attended = attend(query, keys.clone(), values.clone(), Some(&mask));
                x = block.finish(x, attended);
            }
            layers.push((keys, values));
        }
        let [batch, _, width] = x.dims();
        let state = x.narrow(1, state, 1).reshape([batch, width]);
        Memory { layers, expert, state, present }
    }

    /// Velocity of `x`, of the same shape, at `time` \[0, 1\].
    ///
    /// Several draws of noise and time share a memory: `x` is `[batch, draws * chunk, max_action_dim]`, and `time` has
    /// `batch * draws` numbers, draws of a sample beside each other. No draw sees another.
    pub fn velocity(&self, memory: &Memory, x: Tensor<3>, time: &[f32]) -> Tensor<3> {
        let [batch, rows, _] = x.dims();
        let draws = time.len() / batch;
        let chunk = rows / draws;
        let head_dim = self.sizes.head_dim;
        let tokens = memory.present.first().map_or(0, Vec::len);
        let past = |row: &Vec<bool>| row.iter().filter(|&&there| there).count();
        let counted = |start: usize| (0..rows).map(|i| (start + i % chunk) as f32).collect::<Vec<_>>();
        let after: Vec<Vec<f32>> = memory.present.iter().map(|row| counted(past(row))).collect();
        let after = Rotary::new(&after, head_dim, WAVELENGTH, &self.device);
        let alone = Rotary::new(&vec![counted(0); batch], head_dim, WAVELENGTH, &self.device);
        let causal = Mask::new([batch, rows, tokens + rows], &self.device, |sample, query, key| {
            match key.checked_sub(tokens) {
                None => memory.present[sample][key],
                Some(own) => own / chunk == query / chunk && own <= query,
            }
        });
        let memory_only =
            Mask::new([batch, rows, tokens], &self.device, |sample, _, key| memory.present[sample][key]);

        let mut x = self.embed_actions(x, time);
        for (layer, (block, (keys, values))) in self.expert.iter().zip(&memory.expert).enumerate() {
            let normed = block.norm(x.clone());
            let query = block.query(normed.clone());
            let attended = if self.sizes.sees_actions(layer) {
                let (own_keys, own_values) = block.key_value(normed.clone(), normed);
                let keys = Tensor::cat(vec![keys.clone(), after.apply(own_keys)], 1);
                let values = Tensor::cat(vec![values.clone(), own_values], 1);
                attend(after.apply(query), keys, values, Some(&causal))
            } else {
                attend(alone.apply(query), keys.clone(), values.clone(), Some(&memory_only))
            };
            x = block.finish(x, attended);
        }
        self.action_out_proj.forward(self.expert_norm.forward(x))
    }

    /// Actions and time as tokens of the expert.
    fn embed_actions(&self, x: Tensor<3>, time: &[f32]) -> Tensor<3> {
        let [batch, rows, _] = x.dims();
        let width = self.sizes.expert_width;
        let (draws, chunk) = (time.len() / batch, rows * batch / time.len());
        let table: Vec<f32> = time.iter().flat_map(|&t| self.time_embedding(f64::from(t))).collect();
        let time = Tensor::<4>::from_data(TensorData::new(table, [batch, draws, 1, width]), &self.device);
        let time = time.expand([batch, draws, chunk, width]).reshape([batch, rows, width]);
        let actions = self.action_in_proj.forward(x);
        let both = Tensor::cat(vec![actions, time], 2);
        self.time_out.forward(activation::silu(self.time_in.forward(both)))
    }

    /// Sines, then cosines of a time in periods from the shortest to the longest, spread evenly in their
    /// logarithm: `[expert_width]`.
    fn time_embedding(&self, time: f64) -> Vec<f32> {
        let half = self.sizes.expert_width / 2;
        let ratio = self.config.max_period / self.config.min_period;
        let angle = |i: usize| {
            let fraction = i as f64 / (half - 1).max(1) as f64;
            TAU * time / (self.config.min_period * ratio.powf(fraction))
        };
        let sines = (0..half).map(|i| angle(i).sin() as f32);
        sines.chain((0..half).map(|i| angle(i).cos() as f32)).collect()
    }

    /// Actions `[batch, chunk, max_action_dim]`, normalised, from noise of the same shape, in `steps` steps of
    /// Euler's method.
    pub fn act(&self, inputs: &Inputs, noise: Tensor<3>, steps: usize) -> Tensor<3> {
        let memory = self.remember(self.embed_prefix(inputs));
        self.act_from(&memory, noise, steps)
    }

    /// [`Flow::act`] with a prefix already read.
    pub fn act_from(&self, memory: &Memory, noise: Tensor<3>, steps: usize) -> Tensor<3> {
        let [batch, ..] = noise.dims();
        let step = 1.0 / steps as f64;
        let mut x = noise;
        for i in 0..steps {
            let time = (1.0 - i as f64 * step) as f32;
            let velocity = self.velocity(memory, x.clone(), &vec![time; batch]);
            x = x - velocity * step;
        }
        x
    }

    /// Squared error `[batch, chunk, max_action_dim]` of the velocity between `actions` (normalised, padded)
    /// and `noise` at `time`.
    pub fn errors(&self, inputs: &Inputs, actions: Tensor<3>, noise: Tensor<3>, time: &[f32]) -> Tensor<3> {
        let memory = self.remember(self.embed_prefix(inputs));
        self.errors_from(&memory, actions, noise, time)
    }

    /// [`Flow::errors`] with a prefix already read, of several draws of noise `[batch, draws * chunk, max_action_dim]`
    /// and time `[batch * draws]`: they cost one reading.
    pub fn errors_from(
        &self,
        memory: &Memory,
        actions: Tensor<3>,
        noise: Tensor<3>,
        time: &[f32],
    ) -> Tensor<3> {
        let [batch, chunk, dims] = actions.dims();
        let [_, rows, _] = noise.dims();
        let draws = rows / chunk;
        let actions = actions.unsqueeze_dim::<4>(1).expand([batch, draws, chunk, dims]);
        let actions = actions.reshape([batch, rows, dims]);
        let t = TensorData::new(time.to_vec(), [batch, draws, 1, 1]);
        let t = Tensor::<4>::from_data(t, &self.device).expand([batch, draws, chunk, 1]);
        let t = t.reshape([batch, rows, 1]);
        let x = noise.clone() * t.clone() + actions.clone() * (t.neg() + 1.0);
        (self.velocity(memory, x, time) - (noise - actions)).square()
    }

    /// Mean of [`Flow::errors`] over draws and the real dimensions of actions, without the steps that `padded`
    /// (`[batch][chunk]`) marks as past the end of their episode: `[1]`.
    pub fn loss(&self, errors: Tensor<3>, padded: &[Vec<bool>]) -> Tensor<1> {
        let [batch, rows, _] = errors.dims();
        let dims = self.config.action_dim();
        let weights = padded.iter().flat_map(|row| row.iter().cycle().take(rows));
        let weights: Vec<f32> = weights.map(|&p| if p { 0.0 } else { 1.0 }).collect();
        let count = weights.iter().sum::<f32>().max(1.0) * dims as f32;
        let weights = Tensor::<3>::from_data(TensorData::new(weights, [batch, rows, 1]), &self.device);
        (errors.narrow(2, 0, dims) * weights).sum() / count
    }
}

/// Number of tokens present up to each one, less one.
fn positions(present: &[bool]) -> Vec<f32> {
    let counted = present.iter().scan(-1.0, |position, &there| {
        *position += f32::from(u8::from(there));
        Some(*position)
    });
    counted.collect()
}
