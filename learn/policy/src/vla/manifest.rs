//! Names and shapes of all tensors, as lerobot's published checkpoint has them.

use super::config::Sizes;

/// Where all but the projections of state, actions and time are.
pub const VLM: &str = "model.vlm_with_expert.vlm.model";
/// The action expert.
pub const EXPERT: &str = "model.vlm_with_expert.lm_expert";
/// Weights of the language model's output, which a policy never asks for. Checkpoints carry them all the same.
pub const LM_HEAD: &str = "model.vlm_with_expert.vlm.lm_head.weight";
/// The matrix that makes tokens of the language model from what the eye sees.
pub const CONNECTOR: &str = "model.vlm_with_expert.vlm.model.connector.modality_projection.proj.weight";

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its dimensions, row-major; weights are `[outputs, inputs]`.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// Numbers in it.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// As a matrix: all dimensions after the first are one, and a vector is a row.
    pub fn matrix(&self) -> [usize; 2] {
        match self.shape.as_slice() {
            [length] => [1, *length],
            [rows, rest @ ..] => [*rows, rest.iter().product()],
            [] => [1, 1],
        }
    }
}

/// Every tensor of a model of these sizes: 500 for the public one.
pub fn tensors(sizes: &Sizes) -> Vec<TensorSpec> {
    let mut list = List(Vec::new());
    let (width, expert) = (sizes.width, sizes.expert_width);
    for (name, outputs, inputs) in [
        ("state_proj", width, sizes.state),
        ("action_in_proj", expert, sizes.action),
        ("action_out_proj", sizes.action, expert),
        ("action_time_mlp_in", expert, 2 * expert),
        ("action_time_mlp_out", expert, expert),
    ] {
        list.linear(&format!("model.{name}"), outputs, inputs);
    }
    for layer in 0..sizes.layers {
        let memory = if sizes.sees_actions(layer) { expert } else { sizes.kv_width() };
        list.block(&format!("{EXPERT}.layers.{layer}"), sizes, expert, memory, sizes.expert_hidden);
    }
    list.push(format!("{EXPERT}.norm.weight"), &[expert]);
    list.push(LM_HEAD.into(), &[sizes.vocabulary, width]);
    let folded = sizes.vision_width * sizes.shuffle * sizes.shuffle;
    list.push(CONNECTOR.into(), &[width, folded]);
    list.push(format!("{VLM}.text_model.embed_tokens.weight"), &[sizes.vocabulary, width]);
    for layer in 0..sizes.layers {
        list.block(&format!("{VLM}.text_model.layers.{layer}"), sizes, width, width, sizes.hidden);
    }
    list.push(format!("{VLM}.text_model.norm.weight"), &[width]);
    list.vision(sizes);
    list.0
}

struct List(Vec<TensorSpec>);

impl List {
    fn push(&mut self, name: String, shape: &[usize]) {
        self.0.push(TensorSpec { name, shape: shape.to_vec() });
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
        self.push(format!("{name}.weight"), &[outputs, inputs]);
        self.push(format!("{name}.bias"), &[outputs]);
    }

    /// A decoder block of some width, whose keys and values are made from `memory` numbers.
    fn block(&mut self, name: &str, sizes: &Sizes, width: usize, memory: usize, hidden: usize) {
        let (heads, kv_width) = (sizes.heads * sizes.head_dim, sizes.kv_width());
        for (part, shape) in [
            ("input_layernorm", &[width] as &[usize]),
            ("self_attn.q_proj", &[heads, width]),
            ("self_attn.k_proj", &[kv_width, memory]),
            ("self_attn.v_proj", &[kv_width, memory]),
            ("self_attn.o_proj", &[width, heads]),
            ("post_attention_layernorm", &[width]),
            ("mlp.gate_proj", &[hidden, width]),
            ("mlp.up_proj", &[hidden, width]),
            ("mlp.down_proj", &[width, hidden]),
        ] {
            self.push(format!("{name}.{part}.weight"), shape);
        }
    }

    fn vision(&mut self, sizes: &Sizes) {
        let (width, patch) = (sizes.vision_width, sizes.patch);
        let eye = format!("{VLM}.vision_model");
        self.push(format!("{eye}.embeddings.patch_embedding.weight"), &[width, 3, patch, patch]);
        self.push(format!("{eye}.embeddings.patch_embedding.bias"), &[width]);
        self.push(format!("{eye}.embeddings.position_embedding.weight"), &[sizes.grid().pow(2), width]);
        for layer in 0..sizes.vision_layers {
            let block = format!("{eye}.encoder.layers.{layer}");
            for part in ["k_proj", "v_proj", "q_proj", "out_proj"] {
                self.linear(&format!("{block}.self_attn.{part}"), width, width);
            }
            self.linear(&format!("{block}.mlp.fc1"), sizes.vision_hidden, width);
            self.linear(&format!("{block}.mlp.fc2"), width, sizes.vision_hidden);
            for part in ["layer_norm1", "layer_norm2"] {
                self.push(format!("{block}.{part}.weight"), &[width]);
                self.push(format!("{block}.{part}.bias"), &[width]);
            }
        }
        self.push(format!("{eye}.post_layernorm.weight"), &[width]);
        self.push(format!("{eye}.post_layernorm.bias"), &[width]);
    }
}
