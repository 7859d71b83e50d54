//! What the networks look like, and where each weight lies in the flat parameter vector.

use crate::{Activation, EncoderShape, PolicyError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the actor's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Means; the deviation is a parameter of its own per action.
    Gaussian,
    /// Means, then deviations before softplus; actions are squashed by tanh.
    TanhGaussian,
}

impl Head {
    /// Outputs of the actor for a number of actions.
    pub fn num_outputs(self, num_actions: usize) -> usize {
        match self {
            Self::Gaussian => num_actions,
            Self::TanhGaussian => 2 * num_actions,
        }
    }
}

/// A multi-layer perceptron: linear layers with a nonlinearity between them and none after the last.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpShape {
    /// Inputs, hidden widths, outputs.
    pub sizes: Vec<usize>,
    /// Between layers.
    pub activation: Activation,
}

impl MlpShape {
    /// Inputs, hidden widths and outputs in a row.
    pub fn new(num_inputs: usize, hidden: &[usize], num_outputs: usize, activation: Activation) -> Self {
        let sizes = [&[num_inputs], hidden, &[num_outputs]].concat();
        Self { sizes, activation }
    }

    /// Inputs.
    pub fn num_inputs(&self) -> usize {
        self.sizes[0]
    }

    /// Outputs.
    pub fn num_outputs(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// `(inputs, outputs)` of each linear layer.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + '_ {
        self.sizes.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Weights and biases.
    pub fn num_parameters(&self) -> usize {
        self.layers().map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
    }
}

/// A network from an observation to outputs. An observation is numbers, then images; each image passes through
/// convolutions of its own, and what they give follows the numbers into the perceptron.
#[derive(Clone, Debug, PartialEq)]
pub struct NetShape {
    /// One an image, in order.
    pub encoders: Vec<EncoderShape>,
    /// From numbers and features to outputs.
    pub mlp: MlpShape,
}

impl From<MlpShape> for NetShape {
    fn from(mlp: MlpShape) -> Self {
        Self { encoders: Vec::new(), mlp }
    }
}

impl NetShape {
    /// For `numbers` numbers and one image an encoder.
    pub fn new(
        numbers: usize,
        encoders: Vec<EncoderShape>,
        hidden: &[usize],
        num_outputs: usize,
        activation: Activation,
    ) -> Self {
        let features = encoders.iter().map(EncoderShape::num_features).sum::<usize>();
        Self { mlp: MlpShape::new(numbers + features, hidden, num_outputs, activation), encoders }
    }

    /// Numbers of an observation that are not of images.
    pub fn num_numbers(&self) -> usize {
        self.mlp.num_inputs() - self.encoders.iter().map(EncoderShape::num_features).sum::<usize>()
    }

    /// Numbers of an observation.
    pub fn num_inputs(&self) -> usize {
        self.num_numbers() + self.encoders.iter().map(EncoderShape::num_pixels).sum::<usize>()
    }

    /// Outputs.
    pub fn num_outputs(&self) -> usize {
        self.mlp.num_outputs()
    }

    /// Weights and biases.
    pub fn num_parameters(&self) -> usize {
        self.mlp_start() + self.mlp.num_parameters()
    }

    /// Parameters of the encoders, which come first.
    pub fn mlp_start(&self) -> usize {
        self.encoders.iter().map(EncoderShape::num_parameters).sum()
    }
}

/// A named tensor inside the flat parameter vector.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSlot {
    /// Stable name, e.g. `actor.0.weight`.
    pub name: String,
    /// Weights are `[inputs, outputs]`, of convolutions `[outputs, inputs, kernel, kernel]`, row-major.
    pub shape: Vec<usize>,
    /// Place in the flat vector.
    pub range: Range<usize>,
}

/// Actor and critic. Flat parameter order: actor layers (convolutions image by image, then the perceptron; of each
/// weight and bias), `log_std` `[num_actions]` for a Gaussian head, critic layers.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkShape {
    /// Observation to action distribution.
    pub actor: NetShape,
    /// Observation to value.
    pub critic: NetShape,
    /// Meaning of the actor's outputs.
    pub head: Head,
    /// Actions.
    pub num_actions: usize,
}

impl NetworkShape {
    /// Place of `log_std`; empty for a head without it.
    pub fn log_std(&self) -> Range<usize> {
        let start = self.actor.num_parameters();
        start..start + if self.head == Head::Gaussian { self.num_actions } else { 0 }
    }

    /// Place of the actor's parameters, `log_std` included.
    pub fn actor_range(&self) -> Range<usize> {
        0..self.log_std().end
    }

    /// Place of the critic's parameters.
    pub fn critic_range(&self) -> Range<usize> {
        self.log_std().end..self.num_parameters()
    }

    /// All parameters.
    pub fn num_parameters(&self) -> usize {
        self.log_std().end + self.critic.num_parameters()
    }

    /// Every tensor, in flat order.
    pub fn slots(&self) -> Vec<TensorSlot> {
        let mut slots = Vec::new();
        push_net(&mut slots, "actor", &self.actor, 0);
        let log_std = self.log_std();
        if !log_std.is_empty() {
            let shape = vec![self.num_actions];
            slots.push(TensorSlot { name: "log_std".into(), shape, range: log_std.clone() });
        }
        push_net(&mut slots, "critic", &self.critic, log_std.end);
        slots
    }
}

fn push_net(slots: &mut Vec<TensorSlot>, name: &str, shape: &NetShape, mut start: usize) {
    let convolutions = shape.encoders.iter().enumerate().flat_map(|(image, encoder)| {
        let named = move |(layer, weight): (usize, [usize; 4])| {
            (format!("{name}.image_{image}.{layer}"), weight.to_vec(), weight[0])
        };
        encoder.weights().enumerate().map(named)
    });
    let linear = shape.mlp.layers().enumerate();
    let linear =
        linear.map(|(layer, (inputs, outputs))| (format!("{name}.{layer}"), vec![inputs, outputs], outputs));
    for (name, weight, outputs) in convolutions.chain(linear) {
        for (part, shape) in [("weight", weight), ("bias", vec![outputs])] {
            let end = start + shape.iter().product::<usize>();
            slots.push(TensorSlot { name: format!("{name}.{part}"), shape, range: start..end });
            start = end;
        }
    }
}

/// Writes the named tensors of a flat vector as safetensors.
pub fn to_safetensors(slots: &[TensorSlot], flat: &[f32]) -> Result<Vec<u8>, PolicyError> {
    let part = "parameters";
    let bytes: Vec<Vec<u8>> = slots
        .iter()
        .map(|slot| flat[slot.range.clone()].iter().flat_map(|x| x.to_le_bytes()).collect())
        .collect();
    let views = slots
        .iter()
        .zip(&bytes)
        .map(|(slot, bytes)| Ok((&slot.name, TensorView::new(Dtype::F32, slot.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| PolicyError::malformed(part, error))?;
    safetensors::serialize(views, None).map_err(|error| PolicyError::malformed(part, error))
}

/// Reads the named tensors from safetensors into a flat vector of `len` numbers; tensors of other names are
/// left alone. Every value is finite.
pub fn from_safetensors(
    file: &str,
    bytes: &[u8],
    slots: &[TensorSlot],
    len: usize,
) -> Result<Vec<f32>, PolicyError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| PolicyError::malformed(file, error))?;
    let mut flat = vec![0.0; len];
    for slot in slots {
        let part = || format!("{file}: {}", slot.name);
        let view = tensors.tensor(&slot.name).map_err(|error| PolicyError::malformed(part(), error))?;
        if view.dtype() != Dtype::F32 || view.shape() != slot.shape {
            let found = format!("{:?} {:?}, expected F32 {:?}", view.dtype(), view.shape(), slot.shape);
            return Err(PolicyError::malformed(part(), found));
        }
        for (value, bytes) in flat[slot.range.clone()].iter_mut().zip(view.data().chunks_exact(4)) {
            *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        if !flat[slot.range.clone()].iter().all(|x| x.is_finite()) {
            return Err(PolicyError::malformed(part(), "holds a number that is not finite"));
        }
    }
    Ok(flat)
}
