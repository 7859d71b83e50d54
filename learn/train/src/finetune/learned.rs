//! Which numbers of a model change, and what model they make.

use burn::tensor::Tensor;
use keiko_policy::vla::lora::Rank;
use keiko_policy::vla::manifest::{EXPERT, LM_HEAD, VLM};
use keiko_policy::vla::{Sizes, TensorSpec, Weights};

use super::probe;
use super::spec::{FineTuneSpec, Learn};

/// The learned tensors.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The model's, then the probe's.
    specs: Vec<TensorSpec>,
    /// How many are the model's.
    of_model: usize,
    lora: Option<Rank>,
}

impl Learned {
    /// What a spec asks for, of a model with tensors `all`; a probe tells `probed` numbers of the surroundings.
    pub fn new(spec: &FineTuneSpec, sizes: &Sizes, all: &[TensorSpec], probed: usize) -> Self {
        let choose = |learned: &dyn Fn(&str) -> bool| -> Vec<TensorSpec> {
            all.iter().filter(|spec| learned(&spec.name)).cloned().collect()
        };
        let rank = Rank { rank: spec.lora_rank, alpha: spec.lora_alpha };
        let (mut specs, lora) = match spec.learn {
            Learn::Full => (choose(&|name| is_used(name, sizes)), None),
            Learn::Expert => (choose(&is_expert), None),
            Learn::Lora => (rank.factors(&choose(&|name| is_used(name, sizes))), Some(rank)),
        };
        let of_model = specs.len();
        specs.extend(probe::tensors(sizes.width, probed));
        Self { specs, of_model, lora }
    }

    /// Names and shapes of the model's and the probe's.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// The low-rank factors' size, if these are what is learned.
    pub fn lora(&self) -> Option<Rank> {
        self.lora
    }

    /// Names and shapes of those that are the model's.
    pub fn of_model(&self) -> &[TensorSpec] {
        &self.specs[..self.of_model]
    }

    /// Numbers of the model that change.
    pub fn num_parameters(&self) -> usize {
        self.of_model().iter().map(TensorSpec::num_elements).sum()
    }

    /// Their numbers before the first step, one tensor after the other.
    pub fn initial(&self, base: &Weights, seed: u64) -> Vec<f32> {
        let mut flat = match self.lora {
            Some(_) => Rank::initial(self.of_model(), seed),
            None => base.to_flat(self.of_model()),
        };
        // The probe knows nothing yet: it tells the means.
        flat.resize(self.specs.iter().map(TensorSpec::num_elements).sum(), 0.0);
        flat
    }

    /// The whole model's weights with the learned tensors `learned` in it.
    pub fn weights(&self, base: &Weights, learned: &Weights) -> Weights {
        if let Some(rank) = self.lora {
            return rank.merged(base, learned);
        }
        let mut weights = base.clone();
        for spec in self.of_model() {
            weights.set(&spec.name, learned.get(&spec.name));
        }
        weights
    }

    /// Those of the model alone, cut from `flat`.
    pub fn cut_model(&self, flat: &Tensor<1>) -> Weights {
        let count = self.num_parameters();
        Weights::from_flat(self.of_model(), &flat.clone().narrow(0, 0, count))
    }

    /// The learned tensors, the probe's too, cut from `flat` `[num_parameters]`.
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
