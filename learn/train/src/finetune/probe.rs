//! A linear map that tells the state of the surroundings from what the model has read.
//!
//! What a simulator knows and no camera says, where the named thing is, is in its recordings. Having to tell it makes the
//! model look and read: the error of a position says far more of where to look than that of a noisy action does. The
//! probe learns beside the model and is no part of it; what acts has only images, words and joints (an auxiliary task,
//! as in Jaderberg et al. 2017, arXiv:1611.05397).

use burn::tensor::{Tensor, TensorData};
use keiko_policy::vla::{TensorSpec, Weights};

/// Added to the mean square of what is read.
const EPSILON: f64 = 1e-6;
const WEIGHT: &str = "probe.weight";
const BIAS: &str = "probe.bias";

/// The probe's tensors, for so many numbers of the surroundings; none for none.
pub(super) fn tensors(width: usize, numbers: usize) -> Vec<TensorSpec> {
    let tensor = |name: &str, shape: &[usize]| TensorSpec { name: name.into(), shape: shape.to_vec() };
    match numbers {
        0 => Vec::new(),
        _ => vec![tensor(WEIGHT, &[numbers, width]), tensor(BIAS, &[numbers])],
    }
}

/// Squared errors `[batch, numbers]` of what is told from tokens `[batch, width]`; the truth, row after row, has mean 0 and
/// deviation 1, so that a probe that tells nothing is off by 1.
pub(super) fn errors(weights: &Weights, tokens: Tensor<2>, truth: Vec<f32>) -> Tensor<2> {
    let [batch, _] = tokens.dims();
    let (weight, bias) = (weights.get(WEIGHT), weights.get(BIAS));
    let truth = TensorData::new(truth, [batch, bias.dims()[1]]);
    let truth = Tensor::<2>::from_data(truth, &tokens.device());
    let size = (tokens.clone().square().mean_dim(1) + EPSILON).sqrt();
    let told = (tokens / size).matmul(weight.transpose()) + bias;
    (told - truth).square()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn what_is_told_does_not_depend_on_the_size_of_a_token() {
        let device = Device::flex();
        let flat = Tensor::<1>::from_data([0.5, -0.5, 1.0, 2.0, 0.25, -1.0], &device);
        let weights = Weights::from_flat(&tensors(2, 2), &flat);
        let tokens = Tensor::<2>::from_data([[3.0, 4.0], [30.0, 40.0]], &device);
        // Divided by their root mean square, 5 / sqrt(2), both are [0.849, 1.131].
        let [a, b] = [3.0, 4.0].map(|x: f64| x / (12.5_f64).sqrt());
        let told = [0.5 * a - 0.5 * b + 0.25, a + 2.0 * b - 1.0];
        let found = errors(&weights, tokens, vec![0.0, 0.0, 1.0, -1.0]).into_data();
        let expected = [told[0].powi(2), told[1].powi(2), (told[0] - 1.0).powi(2), (told[1] + 1.0).powi(2)];
        for (found, expected) in found.iter::<f64>().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
