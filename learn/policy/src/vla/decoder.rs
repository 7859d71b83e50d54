//! The block of a Llama-style language model (Touvron et al. 2023), which the language model and the action
//! expert are made of.

use super::attention::{Linear, RmsNorm};
use burn::tensor::{Tensor, activation};

/// Heads of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Of queries.
    pub heads: usize,
    /// Of keys and values; divides `heads`.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
}

/// Attention and a gated perceptron, each after a norm and added to its input.
#[derive(Clone, Debug)]
pub struct Block {
    heads: Heads,
    input_norm: RmsNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_norm: RmsNorm,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Block {
    /// With the tensors `name` gives, called like those of transformers' Llama: `self_attn.q_proj.weight`, ...
    pub fn new(heads: Heads, epsilon: f64, tensor: impl Fn(&str) -> Tensor<2>) -> Self {
        let linear = |name: &str| Linear { weight: tensor(&format!("{name}.weight")), bias: None };
        let norm = |name: &str| RmsNorm { weight: tensor(&format!("{name}.weight")), epsilon };
        Self {
            heads,
            input_norm: norm("input_layernorm"),
            q_proj: linear("self_attn.q_proj"),
            k_proj: linear("self_attn.k_proj"),
            v_proj: linear("self_attn.v_proj"),
            o_proj: linear("self_attn.o_proj"),
            post_norm: norm("post_attention_layernorm"),
            gate_proj: linear("mlp.gate_proj"),
            up_proj: linear("mlp.up_proj"),
            down_proj: linear("mlp.down_proj"),
        }
    }

    /// What attention sees of `[batch, tokens, width]`.
    pub fn norm(&self, x: Tensor<3>) -> Tensor<3> {
        self.input_norm.forward(x)
    }

    /// Queries `[batch, tokens, heads, head_dim]` of normed tokens, without positions.
    pub fn query(&self, normed: Tensor<3>) -> Tensor<4> {
        split(self.q_proj.forward(normed), self.heads.heads, self.heads.head_dim)
    }

    /// Keys and values `[batch, tokens, kv_heads, head_dim]` of the tokens that `k_proj` and `v_proj` read,
    /// without positions.
    pub fn key_value(&self, keys: Tensor<3>, values: Tensor<3>) -> (Tensor<4>, Tensor<4>) {
        let Heads { kv_heads, head_dim, .. } = self.heads;
        let keys = split(self.k_proj.forward(keys), kv_heads, head_dim);
        (keys, split(self.v_proj.forward(values), kv_heads, head_dim))
    }

    /// All after attention: `x` `[batch, tokens, width]` is what came in, `attended` `[batch, tokens, heads *
    /// head_dim]` what [`attend`](super::attention::attend) gave.
    pub fn finish(&self, x: Tensor<3>, attended: Tensor<3>) -> Tensor<3> {
        let x = x + self.o_proj.forward(attended);
        let normed = self.post_norm.forward(x.clone());
        let gate = activation::silu(self.gate_proj.forward(normed.clone()));
        x + self.down_proj.forward(gate * self.up_proj.forward(normed))
    }
}

/// `[batch, tokens, heads * head_dim]` to `[batch, tokens, heads, head_dim]`.
fn split(x: Tensor<3>, heads: usize, head_dim: usize) -> Tensor<4> {
    let [batch, tokens, _] = x.dims();
    x.reshape([batch, tokens, heads, head_dim])
}

/// `[batch, tokens, heads, head_dim]` to `[batch, tokens, heads * head_dim]`.
pub fn join(x: Tensor<4>) -> Tensor<3> {
    let [batch, tokens, heads, head_dim] = x.dims();
    x.reshape([batch, tokens, heads * head_dim])
}
