//! Which numbers of a model change, and what model they make.

use burn::tensor::Tensor;
use keiko_policy::vla::lora::Rank;
use keiko_policy::vla::manifest::{EXPERT, LM_HEAD, VLM};
use keiko_policy::vla::{Sizes, TensorSpec, Weights};

use super::spec::{FineTuneSpec, Learn};

/// The learned tensors.
#[derive(Clone, Debug)]
pub struct Learned {
    specs: Vec<TensorSpec>,
    lora: Option<Rank>,
}

impl Learned {
    /// What a spec asks for, of a model with tensors `all`.
    pub fn new(spec: &FineTuneSpec, sizes: &Sizes, all: &[TensorSpec]) -> Self {
        let choose =
            |learned: &dyn Fn(&str) -> bool| all.iter().filter(|spec| learned(&spec.name)).cloned().collect();
        match spec.learn {
            Learn::Full => Self { specs: choose(&|name| is_used(name, sizes)), lora: None },
            Learn::Expert => Self { specs: choose(&is_expert), lora: None },
            Learn::Lora => {
                let rank = Rank { rank: spec.lora_rank, alpha: spec.lora_alpha };
                Self { specs: rank.factors(all), lora: Some(rank) }
            }
        }
    }

    /// Names and shapes.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// The low-rank factors' size, if these are what is learned.
    pub fn lora(&self) -> Option<Rank> {
        self.lora
    }

    /// Numbers in all of them.
    pub fn num_parameters(&self) -> usize {
        self.specs.iter().map(TensorSpec::num_elements).sum()
    }

    /// Their numbers before the first step, one tensor after the other.
    pub fn initial(&self, base: &Weights, seed: u64) -> Vec<f32> {
        match self.lora {
            Some(rank) => rank.initial(base.specs(), seed),
            None => base.to_flat(&self.specs),
        }
    }

    /// The whole model's weights with the learned tensors `learned` in it.
    pub fn weights(&self, base: &Weights, learned: &Weights) -> Weights {
        if let Some(rank) = self.lora {
            return rank.merged(base, learned);
        }
        let mut weights = base.clone();
        for spec in &self.specs {
            weights.set(&spec.name, learned.get(&spec.name));
        }
        weights
    }

    /// The learned tensors cut from `flat` `[num_parameters]`.
    pub fn cut(&self, flat: &Tensor<1>) -> Weights {
        Weights::from_flat(&self.specs, flat)
    }
}

fn is_expert(name: &str) -> bool {
    name.starts_with(EXPERT) || !name.starts_with("model.vlm_with_expert.")
}

/// Whether the actions depend on a tensor. Of the language model's last layer they need keys and values only.
fn is_used(name: &str, sizes: &Sizes) -> bool {
    if name == LM_HEAD || name == format!("{VLM}.text_model.norm.weight") {
        return false;
    }
    let last = format!("{VLM}.text_model.layers.{}.", sizes.layers - 1);
    match name.strip_prefix(&last) {
        Some(part) => {
            part.starts_with("input_layernorm") || part.contains("k_proj") || part.contains("v_proj")
        }
        None => true,
    }
}
