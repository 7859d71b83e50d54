//! Nonlinearities, once as tensor operations and once as loops a compiler can vectorise.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// Nonlinearity between the layers of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x` where positive, else `exp(x) - 1`.
    Elu,
    /// Hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))`.
    Swish,
}

impl Activation {
    /// Applies it to a tensor.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            // exp sees no positive number: burn's own elu multiplies an infinite gradient by zero there.
            Self::Elu => activation::relu(x.clone()) + (-activation::relu(-x)).exp() - 1.0,
            Self::Tanh => x.tanh(),
            Self::Relu => activation::relu(x),
            Self::Swish => activation::silu(x),
        }
    }

    /// Applies it in place.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::Elu => values.iter_mut().for_each(|x| *x = x.max(0.0) + (fast_exp(x.min(0.0)) - 1.0)),
            Self::Tanh => values.iter_mut().for_each(|x| *x = fast_tanh(*x)),
            Self::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::Swish => values.iter_mut().for_each(|x| *x /= 1.0 + fast_exp(-*x)),
        }
    }
}

/// `exp(x)` to about two units in the last place, without branches; saturates beyond ±87.
///
/// Splits `x = n ln 2 + r` with `|r| <= ln 2 / 2`, a Taylor polynomial of degree 6 for `exp(r)` (remainder
/// below 2e-7 of the value) and the exponent bits for `2^n`.
#[inline(always)]
pub fn fast_exp(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it leaves the nearest integer in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first exact in few bits, so that `n * LN2_HI` does not round.
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HI) - n * LN2_LO;
    let mut p = 1.0 / 720.0;
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + coefficient;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(exponent)
}

/// `tanh(x)` to an absolute error of about 2e-7, without branches.
#[inline(always)]
pub fn fast_tanh(x: f32) -> f32 {
    1.0 - 2.0 / (fast_exp(2.0 * x) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_functions_match_the_exact_ones() {
        for i in -200_000..=200_000 {
            let x = i as f32 * 4e-4;
            let exact = (x as f64).exp();
            assert!(((fast_exp(x) as f64 - exact) / exact).abs() < 4e-7, "exp({x})");
            assert!((fast_tanh(x) as f64 - (x as f64).tanh()).abs() < 4e-7, "tanh({x})");
        }
        assert!(fast_exp(1e30).is_finite() && fast_exp(-1e30) >= 0.0);
        assert_eq!((fast_tanh(1e30), fast_tanh(-1e30)), (1.0, -1.0));
    }
}
