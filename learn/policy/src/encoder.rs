//! What an image passes through before the perceptron: convolutions, in burn tensors and in plain Rust.

use crate::{Activation, PolicyError};
use burn::tensor::{Gradients, Tensor, module, ops::ConvOptions};
use serde::{Deserialize, Serialize};

/// A convolution without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Channels that it gives.
    pub channels: usize,
    /// Side of its window \[pixel\].
    pub kernel: usize,
    /// Distance between neighbouring windows \[pixel\].
    pub stride: usize,
}

/// Convolutions with a nonlinearity after each. Their result, one number after the other, is what they say of the image.
///
/// Of a stack of frames the older ones enter as what the newest has more: neighbouring frames resemble each other, and
/// gradients would find what moves only after all that they have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderShape {
    frames: usize,
    /// Channels (at first of all frames), height and width before each layer and after the last.
    sizes: Vec<[usize; 3]>,
    layers: Vec<Convolution>,
    activation: Activation,
}

impl EncoderShape {
    /// For images of frames (the newest last), channels, height and width.
    ///
    /// # Errors
    /// [`PolicyError::Image`] if nothing is left of the image, or if it is too large.
    pub fn new(
        image: [usize; 4],
        layers: &[Convolution],
        activation: Activation,
    ) -> Result<Self, PolicyError> {
        const MOST: usize = 1 << 28;
        let refuse = |what: String| Err(PolicyError::Image { image, what });
        let [frames, channels, height, width] = image;
        let mut sizes = vec![[frames.saturating_mul(channels), height, width]];
        for (index, layer) in layers.iter().enumerate() {
            let [_, height, width] = sizes[index];
            let Convolution { channels, kernel, stride } = *layer;
            if channels == 0 || kernel == 0 || stride == 0 {
                return refuse(format!("convolution {index} has a zero"));
            }
            if height.min(width) < kernel {
                return refuse(format!(
                    "convolution {index} with a kernel of {kernel} gets only {width} x {height} pixels"
                ));
            }
            sizes.push([channels, (height - kernel) / stride + 1, (width - kernel) / stride + 1]);
        }
        let numbers = |size: &[usize; 3]| size.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        let weights = |index: usize| {
            let Convolution { channels, kernel, .. } = layers[index];
            [channels, sizes[index][0], kernel, kernel].iter().try_fold(1usize, |a, n| a.checked_mul(*n))
        };
        let all = sizes.iter().map(numbers).chain((0..layers.len()).map(weights));
        if all.into_iter().any(|n| n.is_none_or(|n| n == 0 || n > MOST)) {
            return refuse(format!("a layer would have none or more than {MOST} numbers"));
        }
        Ok(Self { frames, sizes, layers: layers.to_vec(), activation })
    }

    /// Numbers of one frame.
    fn frame(&self) -> usize {
        self.num_pixels() / self.frames
    }

    /// The layers.
    pub fn layers(&self) -> &[Convolution] {
        &self.layers
    }

    /// Numbers of an image.
    pub fn num_pixels(&self) -> usize {
        self.sizes[0].iter().product()
    }

    /// Numbers that it gives.
    pub fn num_features(&self) -> usize {
        self.sizes[self.layers.len()].iter().product()
    }

    /// Shapes of the weights of each layer: `[outputs, inputs, kernel, kernel]`.
    pub fn weights(&self) -> impl ExactSizeIterator<Item = [usize; 4]> + '_ {
        let inputs = self.sizes.iter().map(|size| size[0]);
        self.layers
            .iter()
            .zip(inputs)
            .map(|(layer, inputs)| [layer.channels, inputs, layer.kernel, layer.kernel])
    }

    /// Weights and biases.
    pub fn num_parameters(&self) -> usize {
        self.weights().map(|[outputs, inputs, a, b]| outputs * (inputs * a * b + 1)).sum()
    }
}

/// Convolutions whose weights are leaves of the gradient graph.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    /// `(weight [outputs, inputs · kernel · kernel], bias [1, outputs])` by layer.
    layers: Vec<(Tensor<2>, Tensor<2>)>,
}

impl Encoder {
    /// Takes its weights from `flat[start..]` with `cut(start, rows, columns)`.
    pub fn new(
        shape: &EncoderShape,
        mut start: usize,
        cut: &impl Fn(usize, usize, usize) -> Tensor<2>,
    ) -> Self {
        let mut layers = Vec::new();
        for [outputs, inputs, a, b] in shape.weights() {
            let columns = inputs * a * b;
            layers.push((cut(start, outputs, columns), cut(start + outputs * columns, 1, outputs)));
            start += outputs * (columns + 1);
        }
        Self { shape: shape.clone(), layers }
    }

    /// `[batch, channels · height · width]` to `[batch, num_features]`.
    pub fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let [batch, numbers] = pixels.dims();
        let [channels, height, width] = self.shape.sizes[0];
        let older = numbers - self.shape.frame();
        let mut x = pixels;
        if older > 0 {
            let newest = x.clone().narrow(1, older, self.shape.frame());
            let changes = newest.clone().repeat_dim(1, self.shape.frames - 1) - x.narrow(1, 0, older);
            x = Tensor::cat(vec![changes, newest], 1);
        }
        let mut x = x.reshape([batch, channels, height, width]);
        for (((weight, bias), dims), layer) in
            self.layers.iter().zip(self.shape.weights()).zip(&self.shape.layers)
        {
            let options = ConvOptions::new([layer.stride; 2], [0; 2], [1; 2], 1);
            let bias = bias.clone().reshape([layer.channels]);
            x = module::conv2d(x, weight.clone().reshape(dims), Some(bias), options);
            x = self.shape.activation.forward(x);
        }
        x.reshape([batch, self.shape.num_features()])
    }

    pub fn push_gradients(
        &self,
        out: &mut Vec<Tensor<1>>,
        flat: fn(&Tensor<2>, &mut Gradients) -> Tensor<1>,
        gradients: &mut Gradients,
    ) {
        for (weight, bias) in &self.layers {
            out.push(flat(weight, gradients));
            out.push(flat(bias, gradients));
        }
    }
}

/// Columns computed together.
pub(crate) const TILE: usize = 8;

/// The same in plain Rust over `[numbers, TILE]` columns. What comes of a column depends on it alone, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostEncoder {
    shape: EncoderShape,
    layers: Vec<HostLayer>,
}

#[derive(Clone, Debug, PartialEq)]
struct HostLayer {
    /// `[inputs · kernel · kernel, outputs]`: the weights that one number meets lie together.
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Rows of a window, from its first.
    window: Vec<usize>,
    /// First row of each window.
    places: Vec<usize>,
}

impl HostEncoder {
    /// `parameters` holds [`EncoderShape::num_parameters`] numbers in flat order.
    pub fn new(shape: &EncoderShape, mut parameters: &[f32]) -> Self {
        let mut layers = Vec::new();
        for (index, [outputs, inputs, kernel, _]) in shape.weights().enumerate() {
            let columns = inputs * kernel * kernel;
            let (weight, rest) = parameters.split_at(outputs * columns);
            let (bias, rest) = rest.split_at(outputs);
            parameters = rest;
            let ([_, height, width], [_, down, across]) = (shape.sizes[index], shape.sizes[index + 1]);
            let stride = shape.layers[index].stride;
            let window = (0..columns).map(|k| {
                let (channel, y, x) = (k / (kernel * kernel), k / kernel % kernel, k % kernel);
                channel * height * width + y * width + x
            });
            let places = (0..down * across).map(|k| k / across * stride * width + k % across * stride);
            layers.push(HostLayer {
                weight: (0..columns)
                    .flat_map(|k| (0..outputs).map(move |o| weight[o * columns + k]))
                    .collect(),
                bias: bias.to_vec(),
                window: window.collect(),
                places: places.collect(),
            });
        }
        Self { shape: shape.clone(), layers }
    }

    /// `[num_pixels, TILE]` to `[num_features, TILE]`.
    pub fn forward(&self, pixels: Vec<[f32; TILE]>) -> Vec<[f32; TILE]> {
        let mut front = pixels;
        let (older, newest) = front.split_at_mut(self.shape.num_pixels() - self.shape.frame());
        for frame in older.chunks_exact_mut(newest.len()) {
            for (older, newest) in frame.as_flattened_mut().iter_mut().zip(newest.as_flattened()) {
                *older = newest - *older;
            }
        }
        for layer in &self.layers {
            let mut back = vec![[0.0; TILE]; layer.bias.len() * layer.places.len()];
            let outputs = layer.bias.len();
            let fours = outputs - outputs % 4;
            for first in (0..fours).step_by(4) {
                layer.outputs::<4>(first, &front, &mut back);
            }
            for first in fours..outputs {
                layer.outputs::<1>(first, &front, &mut back);
            }
            self.shape.activation.apply(back.as_flattened_mut());
            front = back;
        }
        front
    }
}

impl HostLayer {
    /// `COUNT` channels of the result, from `first` on.
    #[inline(always)]
    fn outputs<const COUNT: usize>(&self, first: usize, from: &[[f32; TILE]], to: &mut [[f32; TILE]]) {
        let outputs = self.bias.len();
        for (place, start) in self.places.iter().enumerate() {
            let mut sums = [[0.0f32; TILE]; COUNT];
            for (sum, bias) in sums.iter_mut().zip(&self.bias[first..first + COUNT]) {
                *sum = [*bias; TILE];
            }
            for (weights, offset) in self.weight.chunks_exact(outputs).zip(&self.window) {
                let values = &from[start + offset];
                for (sum, weight) in sums.iter_mut().zip(&weights[first..first + COUNT]) {
                    for (sum, value) in sum.iter_mut().zip(values) {
                        *sum += weight * value;
                    }
                }
            }
            for (k, sum) in sums.iter().enumerate() {
                to[(first + k) * self.places.len() + place] = *sum;
            }
        }
    }
}
