//! The eye: a vision transformer like SigLIP's (Zhai et al. 2023), and the connector that folds its patches
//! into tokens of the language model.

use super::attention::{LayerNorm, Linear, attend};
use super::config::Sizes;
use burn::tensor::{Int, Tensor, TensorData, activation};

/// Of the norms.
const EPSILON: f64 = 1e-6;

/// An encoder block: attention in both directions and a perceptron, each after a norm and added to its input.
#[derive(Clone, Debug)]
struct Block {
    heads: usize,
    norm_1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    norm_2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let split = |x: Tensor<3>| x.reshape([batch, tokens, self.heads, width / self.heads]);
        let normed = self.norm_1.forward(x.clone());
        let query = split(self.q_proj.forward(normed.clone()));
        let keys = split(self.k_proj.forward(normed.clone()));
        let values = split(self.v_proj.forward(normed));
        let x = x + self.out_proj.forward(attend(query, keys, values, None));
        let hidden = gelu(self.fc1.forward(self.norm_2.forward(x.clone())));
        x + self.fc2.forward(hidden)
    }
}

/// `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))` (Hendrycks, Gimpel 2016), PyTorch's `gelu_pytorch_tanh`. Half of one plus a
/// hyperbolic tangent is a logistic function of twice its argument, which costs one exponential and no power.
fn gelu(x: Tensor<3>) -> Tensor<3> {
    let scale = (8.0 / std::f64::consts::PI).sqrt();
    let argument = (x.clone().square() * (0.044_715 * scale) + scale) * x.clone();
    x * activation::sigmoid(argument)
}

/// Images to tokens of the language model.
#[derive(Clone, Debug)]
pub struct Vision {
    patch: usize,
    /// Places per side that a position is known for.
    grid: usize,
    shuffle: usize,
    /// `[width, 3 * patch * patch]`.
    patch_embedding: Linear,
    /// `[grid * grid, width]`.
    positions: Tensor<2>,
    blocks: Vec<Block>,
    post_norm: LayerNorm,
    connector: Linear,
}

impl Vision {
    /// With the tensors under `vlm.model`.
    pub fn new(sizes: &Sizes, tensor: impl Fn(&str) -> Tensor<2>) -> Self {
        let norm = |name: String| LayerNorm {
            weight: tensor(&format!("{name}.weight")),
            bias: tensor(&format!("{name}.bias")),
            epsilon: EPSILON,
        };
        let linear = |name: String| Linear {
            weight: tensor(&format!("{name}.weight")),
            bias: Some(tensor(&format!("{name}.bias"))),
        };
        let block = |index: usize| {
            let part = |name: &str| format!("vision_model.encoder.layers.{index}.{name}");
            Block {
                heads: sizes.vision_heads,
                norm_1: norm(part("layer_norm1")),
                q_proj: linear(part("self_attn.q_proj")),
                k_proj: linear(part("self_attn.k_proj")),
                v_proj: linear(part("self_attn.v_proj")),
                out_proj: linear(part("self_attn.out_proj")),
                norm_2: norm(part("layer_norm2")),
                fc1: linear(part("mlp.fc1")),
                fc2: linear(part("mlp.fc2")),
            }
        };
        let connector = tensor("connector.modality_projection.proj.weight");
        Self {
            patch: sizes.patch,
            grid: sizes.grid(),
            shuffle: sizes.shuffle,
            patch_embedding: linear("vision_model.embeddings.patch_embedding".into()),
            positions: tensor("vision_model.embeddings.position_embedding.weight"),
            blocks: (0..sizes.vision_layers).map(block).collect(),
            post_norm: norm("vision_model.post_layernorm".into()),
            connector: Linear { weight: connector, bias: None },
        }
    }

    /// `[batch, 3, side, side]` in -1 to 1 to `[batch, tokens, width]`; `side` is one that
    /// [`Sizes::check_image_side`] allows.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, _] = pixels.dims();
        let (side, patch) = (height / self.patch, self.patch);
        // A convolution whose stride is its width is a product with unfolded patches.
        let patches = pixels.reshape([batch, channels, side, patch, side, patch]);
        let patches = patches.permute([0, 2, 4, 1, 3, 5]);
        let patches = patches.reshape([batch, side * side, channels * patch * patch]);
        let mut x = self.patch_embedding.forward(patches) + self.positions(side).unsqueeze_dim::<3>(0);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.connector.forward(self.fold(self.post_norm.forward(x), side))
    }

    /// Positions `[side * side, width]`: a smaller image takes every second, fourth, ... place of the grid.
    fn positions(&self, side: usize) -> Tensor<2> {
        if side == self.grid {
            return self.positions.clone();
        }
        let step = self.grid / side;
        let index = |i: usize| (i / side * self.grid + i % side) as i64 * step as i64;
        let indices: Vec<i64> = (0..side * side).map(index).collect();
        let indices = TensorData::new(indices, [side * side]);
        self.positions.clone().select(0, Tensor::<1, Int>::from_data(indices, &self.positions.device()))
    }

    /// Each square of `shuffle * shuffle` patches becomes one token, `[batch, patches, width]` to `[batch,
    /// patches / shuffle², width * shuffle²]`.
    fn fold(&self, x: Tensor<3>, side: usize) -> Tensor<3> {
        let [batch, _, width] = x.dims();
        let (s, folded) = (self.shuffle, side / self.shuffle);
        let x = x.reshape([batch, folded, s, folded, s, width]).permute([0, 1, 3, 2, 4, 5]);
        x.reshape([batch, folded * folded, s * s * width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn gelu_is_the_published_approximation() {
        let numbers: Vec<f32> = (-60..=60).map(|i| i as f32 / 6.0).collect();
        let tensor = TensorData::new(numbers.clone(), [1, 1, numbers.len()]);
        let found = gelu(Tensor::from_data(tensor, &Device::flex())).into_data();
        for (x, found) in numbers.iter().zip(found.iter::<f32>()) {
            let x = f64::from(*x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            let expected = 0.5 * x * (1.0 + inner.tanh());
            assert!((f64::from(found) - expected).abs() < 2e-6, "gelu({x}) = {found}, expected {expected}");
        }
    }
}
