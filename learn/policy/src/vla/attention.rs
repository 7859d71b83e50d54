//! What all transformers of the model share: linear maps, norms, rotary positions and attention.

use burn::tensor::{Bool, Device, Tensor, TensorData, activation};

/// `y = x Wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`, as PyTorch stores it.
    pub weight: Tensor<2>,
    /// `[1, outputs]`.
    pub bias: Option<Tensor<2>>,
}

impl Linear {
    /// `[batch, tokens, inputs]` to `[batch, tokens, outputs]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, inputs] = x.dims();
        let y = self.rows(x.reshape([batch * tokens, inputs]));
        let outputs = y.dims()[1];
        y.reshape([batch, tokens, outputs])
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn rows(&self, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(self.weight.clone().transpose());
        match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }
}

/// `x / rms(x) * weight` (Zhang, Sennrich 2019).
#[derive(Clone, Debug)]
pub struct RmsNorm {
    /// `[1, width]`.
    pub weight: Tensor<2>,
    /// Added to the mean square.
    pub epsilon: f64,
}

impl RmsNorm {
    /// Over the last dimension of `[batch, tokens, width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let scale = (x.clone().square().mean_dim(2) + self.epsilon).sqrt().recip();
        x * scale * self.weight.clone().unsqueeze_dim::<3>(0)
    }
}

/// `(x - mean) / deviation * weight + bias` (Ba, Kiros, Hinton 2016).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `[1, width]`.
    pub weight: Tensor<2>,
    /// `[1, width]`.
    pub bias: Tensor<2>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// Over the last dimension of `[batch, tokens, width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() - x.mean_dim(2);
        let scale = (x.clone().square().mean_dim(2) + self.epsilon).sqrt().recip();
        x * scale * self.weight.clone().unsqueeze_dim::<3>(0) + self.bias.clone().unsqueeze_dim::<3>(0)
    }
}

/// Rotary positions (Su et al. 2021): the first and second half of a head turn together.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// `[batch, tokens, 1, head_dim / 2]`.
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotary {
    /// For the position of each token, `[batch][tokens]`; `wavelength` is the longest one over two pi.
    pub fn new(positions: &[Vec<f32>], head_dim: usize, wavelength: f32, device: &Device) -> Self {
        let (batch, tokens, half) = (positions.len(), positions.first().map_or(0, Vec::len), head_dim / 2);
        // In f32 like the reference: the angle of a far token depends on it.
        let scales: Vec<f32> = (0..half).map(|i| wavelength.powf(2.0 / head_dim as f32 * i as f32)).collect();
        let table = |f: fn(f32) -> f32| {
            let angles = positions.iter().flatten().flat_map(|&p| scales.iter().map(move |&s| f(p / s)));
            Tensor::from_data(TensorData::new(angles.collect(), [batch, tokens, 1, half]), device)
        };
        Self { cos: table(f32::cos), sin: table(f32::sin) }
    }

    /// Turns `[batch, tokens, heads, head_dim]`.
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let (a, b) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let (cos, sin) = (&self.cos, &self.sin);
        let first = a.clone() * cos.clone() - b.clone() * sin.clone();
        let second = b * cos.clone() + a * sin.clone();
        Tensor::cat(vec![first, second], 3)
    }
}

/// Which keys a query must not see.
#[derive(Clone, Debug)]
pub struct Mask(Tensor<4, Bool>);

impl Mask {
    /// `visible(batch, query, key)` for `[batch, 1, queries, keys]`.
    pub fn new(
        [batch, queries, keys]: [usize; 3],
        device: &Device,
        visible: impl Fn(usize, usize, usize) -> bool,
    ) -> Self {
        let mut hidden = Vec::with_capacity(batch * queries * keys);
        for b in 0..batch {
            for q in 0..queries {
                hidden.extend((0..keys).map(|k| !visible(b, q, k)));
            }
        }
        Self(Tensor::from_data(TensorData::new(hidden, [batch, 1, queries, keys]), device))
    }
}

/// Scaled dot-product attention of `query` `[batch, queries, heads, head_dim]` to `keys` and `values` `[batch,
/// keys, kv_heads, head_dim]`; consecutive query heads share a key head. Gives `[batch, queries, heads *
/// head_dim]`.
///
/// A query that may see nothing attends to everything alike, as in the reference: the result is finite, and
/// nobody who may see something reads it.
pub fn attend(query: Tensor<4>, keys: Tensor<4>, values: Tensor<4>, mask: Option<&Mask>) -> Tensor<3> {
    let [batch, queries, heads, head_dim] = query.dims();
    let [_, tokens, kv_heads, _] = keys.dims();
    let rows = heads / kv_heads * queries;
    let query = query.permute([0, 2, 1, 3]).reshape([batch, kv_heads, rows, head_dim]);
    let scores = query.matmul(keys.permute([0, 2, 3, 1])) * (head_dim as f64).powf(-0.5);
    let mut scores = scores.reshape([batch, heads, queries, tokens]);
    if let Some(Mask(hidden)) = mask {
        scores = scores.mask_fill(hidden.clone().expand([batch, heads, queries, tokens]), f32::MIN);
    }
    let weights = activation::softmax(scores, 3).reshape([batch, kv_heads, rows, tokens]);
    let attended = weights.matmul(values.permute([0, 2, 1, 3]));
    let attended = attended.reshape([batch, heads, queries, head_dim]).permute([0, 2, 1, 3]);
    attended.reshape([batch, queries, heads * head_dim])
}
