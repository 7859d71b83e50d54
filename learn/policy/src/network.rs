//! Actor and critic in burn tensors, for learning.

use crate::encoder::Encoder;
use crate::{Activation, Head, MlpShape, NetShape, NetworkShape};
use burn::tensor::{Gradients, Tensor, activation};

/// `ln(2 pi) / 2`.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;
/// Smallest deviation of a tanh-squashed action, as in brax.
pub const MIN_STD: f64 = 1e-3;

/// A multi-layer perceptron whose weights are leaves of the gradient graph.
#[derive(Clone, Debug)]
pub struct Mlp {
    /// `(weight [inputs, outputs], bias [1, outputs])` by layer.
    layers: Vec<(Tensor<2>, Tensor<2>)>,
    activation: Activation,
}

impl Mlp {
    /// Takes its weights from `flat[start..]` with `cut(start, rows, columns)`.
    fn new(shape: &MlpShape, mut start: usize, cut: &impl Fn(usize, usize, usize) -> Tensor<2>) -> Self {
        let mut layers = Vec::new();
        for (inputs, outputs) in shape.layers() {
            layers.push((cut(start, inputs, outputs), cut(start + inputs * outputs, 1, outputs)));
            start += (inputs + 1) * outputs;
        }
        Self { layers, activation: shape.activation }
    }

    /// `[batch, num_inputs]` to `[batch, num_outputs]`.
    pub fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            x = x.matmul(weight.clone()) + bias.clone();
            if index + 1 < self.layers.len() {
                x = self.activation.forward(x);
            }
        }
        x
    }

    fn push_gradients(&self, gradients: &mut Gradients, out: &mut Vec<Tensor<1>>) {
        for (weight, bias) in &self.layers {
            out.push(flat_gradient(weight, gradients));
            out.push(flat_gradient(bias, gradients));
        }
    }
}

/// A network from observations to outputs: convolutions over images, then a perceptron.
#[derive(Clone, Debug)]
pub struct Net {
    encoders: Vec<(Encoder, usize)>,
    num_numbers: usize,
    mlp: Mlp,
}

impl Net {
    /// Takes its weights from `flat[start..]` with `cut(start, rows, columns)`.
    fn new(shape: &NetShape, mut start: usize, cut: &impl Fn(usize, usize, usize) -> Tensor<2>) -> Self {
        let mut encoders = Vec::new();
        for encoder in &shape.encoders {
            encoders.push((Encoder::new(encoder, start, cut), encoder.num_pixels()));
            start += encoder.num_parameters();
        }
        Self { encoders, num_numbers: shape.num_numbers(), mlp: Mlp::new(&shape.mlp, start, cut) }
    }

    /// With parameters `flat` `[num_parameters]` and no gradients.
    pub fn constants(shape: &NetShape, flat: &Tensor<1>) -> Self {
        Self::new(shape, 0, &|start, rows, columns| cut(flat, start, rows, columns))
    }

    /// `[batch, num_inputs]` to `[batch, num_outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if self.encoders.is_empty() {
            return self.mlp.forward(x);
        }
        let mut parts = Vec::new();
        if self.num_numbers > 0 {
            parts.push(x.clone().narrow(1, 0, self.num_numbers));
        }
        let mut first = self.num_numbers;
        for (encoder, pixels) in &self.encoders {
            parts.push(encoder.forward(x.clone().narrow(1, first, *pixels)));
            first += pixels;
        }
        self.mlp.forward(Tensor::cat(parts, 1))
    }

    fn push_gradients(&self, gradients: &mut Gradients, out: &mut Vec<Tensor<1>>) {
        for (encoder, _) in &self.encoders {
            encoder.push_gradients(out, flat_gradient, gradients);
        }
        self.mlp.push_gradients(gradients, out);
    }
}

/// A normal distribution over actions before squashing: mean and logarithm of the deviation,
/// `[batch, num_actions]` and `[batch or 1, num_actions]`.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// Mean.
    pub mean: Tensor<2>,
    /// Natural logarithm of the standard deviation.
    pub log_std: Tensor<2>,
}

impl Gaussian {
    /// Logarithm of the density at `x` `[batch, num_actions]`, summed over actions: `[batch, 1]`.
    pub fn log_prob(&self, x: Tensor<2>) -> Tensor<2> {
        let z = (x - self.mean.clone()) / self.log_std.clone().exp();
        (z.clone() * z * -0.5 - self.log_std.clone() - HALF_LN_TAU).sum_dim(1)
    }

    /// Entropy in nats, summed over actions: `[batch or 1, 1]`.
    pub fn entropy(&self) -> Tensor<2> {
        (self.log_std.clone() + (0.5 + HALF_LN_TAU)).sum_dim(1)
    }

    /// Divergence KL(`self` || `other`), summed over actions: `[batch, 1]`.
    pub fn kl(&self, other: &Self) -> Tensor<2> {
        let variance = (self.log_std.clone() * 2.0).exp();
        let difference = self.mean.clone() - other.mean.clone();
        let ratio =
            (variance + difference.clone() * difference) / ((other.log_std.clone() * 2.0).exp() * 2.0);
        (other.log_std.clone() - self.log_std.clone() + ratio - 0.5).sum_dim(1)
    }
}

/// `ln |d tanh(x) / dx|` elementwise, without cancellation for large `x`.
pub fn log_tanh_slope(x: Tensor<2>) -> Tensor<2> {
    let softplus = activation::softplus(x.clone() * -2.0, 1.0);
    ((x + softplus) * -1.0 + std::f64::consts::LN_2) * 2.0
}

/// Actor and critic with the parameters of one gradient step.
#[derive(Clone, Debug)]
pub struct ActorCritic {
    actor: Net,
    /// `[1, num_actions]`, for a Gaussian head.
    log_std: Option<Tensor<2>>,
    critic: Net,
    num_actions: usize,
}

impl ActorCritic {
    /// With parameters `flat` `[num_parameters]` that keep their gradients for [`ActorCritic::gradients`].
    pub fn leaves(shape: &NetworkShape, flat: &Tensor<1>) -> Self {
        Self::new(shape, &|start, rows, columns| cut(flat, start, rows, columns).autodiff().require_grad())
    }

    /// With parameters `flat` `[num_parameters]` and no gradients.
    pub fn constants(shape: &NetworkShape, flat: &Tensor<1>) -> Self {
        Self::new(shape, &|start, rows, columns| cut(flat, start, rows, columns))
    }

    fn new(shape: &NetworkShape, cut: &impl Fn(usize, usize, usize) -> Tensor<2>) -> Self {
        let range = shape.log_std();
        Self {
            actor: Net::new(&shape.actor, 0, cut),
            log_std: (shape.head == Head::Gaussian).then(|| cut(range.start, 1, shape.num_actions)),
            critic: Net::new(&shape.critic, range.end, cut),
            num_actions: shape.num_actions,
        }
    }

    /// Observations to the parameters of the action distribution.
    pub fn actor(&self) -> &Net {
        &self.actor
    }

    /// Observations to values.
    pub fn critic(&self) -> &Net {
        &self.critic
    }

    /// The distribution of actions for observations `[batch, size]`.
    pub fn distribution(&self, observations: Tensor<2>) -> Gaussian {
        let outputs = self.actor.forward(observations);
        match &self.log_std {
            Some(log_std) => Gaussian { mean: outputs, log_std: log_std.clone() },
            None => {
                let [batch, _] = outputs.dims();
                let mean = outputs.clone().slice([0..batch, 0..self.num_actions]);
                let raw = outputs.slice([0..batch, self.num_actions..2 * self.num_actions]);
                Gaussian { mean, log_std: (activation::softplus(raw, 1.0) + MIN_STD).log() }
            }
        }
    }

    /// Values `[batch, 1]` of critic observations `[batch, size]`.
    pub fn value(&self, observations: Tensor<2>) -> Tensor<2> {
        self.critic.forward(observations)
    }

    /// Gradients of all parameters in flat order `[num_parameters]`, without gradient graph.
    pub fn gradients(&self, mut gradients: Gradients) -> Tensor<1> {
        let mut parts = Vec::new();
        self.actor.push_gradients(&mut gradients, &mut parts);
        if let Some(log_std) = &self.log_std {
            parts.push(flat_gradient(log_std, &mut gradients));
        }
        self.critic.push_gradients(&mut gradients, &mut parts);
        Tensor::cat(parts, 0)
    }
}

/// Elements `start..` of a vector as a matrix.
fn cut(flat: &Tensor<1>, start: usize, rows: usize, columns: usize) -> Tensor<2> {
    flat.clone().narrow(0, start, rows * columns).reshape([rows, columns])
}

/// A leaf that the loss does not reach has gradient zero.
fn flat_gradient(leaf: &Tensor<2>, gradients: &mut Gradients) -> Tensor<1> {
    let gradient = leaf.grad_remove(gradients).unwrap_or_else(|| leaf.clone().inner().zeros_like());
    let [rows, columns] = gradient.dims();
    gradient.reshape([rows * columns])
}
