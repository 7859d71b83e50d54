//! Densities, entropies and divergences against numerical integration.

use burn::tensor::{Device, Tensor};
use keiko_policy::network::{Gaussian, log_tanh_slope};

/// Single precision closed forms against double precision integrals.
const TOLERANCE: f64 = 1e-5;

fn density(mean: f64, std: f64, x: f64) -> f64 {
    (-0.5 * ((x - mean) / std).powi(2)).exp() / (std * std::f64::consts::TAU.sqrt())
}

/// Trapezoid over ±12 deviations, which is exact to rounding for these integrands.
fn integrate(mean: f64, std: f64, f: impl Fn(f64) -> f64) -> f64 {
    let n = 20_000;
    let h = 24.0 * std / f64::from(n);
    (0..=n).map(|i| f(mean - 12.0 * std + f64::from(i) * h) * h).sum()
}

fn gaussian(means: [f64; 2], stds: [f64; 2]) -> Gaussian {
    let device = Device::flex();
    let row = |values: [f64; 2]| Tensor::<2>::from_floats([values.map(|x| x as f32)], &device);
    Gaussian { mean: row(means), log_std: row(stds.map(f64::ln)) }
}

fn number(tensor: Tensor<2>) -> f64 {
    f64::from(tensor.into_data().try_into_vec::<f32>().expect("f32 tensor")[0])
}

#[test]
fn closed_forms_equal_integrals() {
    let (p_mean, p_std, q_mean, q_std) = ([0.3, -1.2], [0.7, 1.4], [0.1, -0.9], [1.1, 0.9]);
    let (p, q) = (gaussian(p_mean, p_std), gaussian(q_mean, q_std));

    let entropy: f64 = (0..2)
        .map(|i| {
            integrate(p_mean[i], p_std[i], |x| {
                let density = density(p_mean[i], p_std[i], x);
                if density > 0.0 { -density * density.ln() } else { 0.0 }
            })
        })
        .sum();
    assert!((number(p.entropy()) - entropy).abs() < TOLERANCE);

    let log_ratio = |i: usize, x: f64| {
        let log = |mean: f64, std: f64| -0.5 * ((x - mean) / std).powi(2) - std.ln();
        log(p_mean[i], p_std[i]) - log(q_mean[i], q_std[i])
    };
    let kl: f64 = (0..2)
        .map(|i| integrate(p_mean[i], p_std[i], |x| density(p_mean[i], p_std[i], x) * log_ratio(i, x)))
        .sum();
    assert!((number(p.kl(&q)) - kl).abs() < TOLERANCE);
    assert!(number(p.kl(&p)).abs() < TOLERANCE);

    let x = [0.9, -2.0];
    let expected: f64 = (0..2).map(|i| density(p_mean[i], p_std[i], x[i]).ln()).sum();
    let at = Tensor::<2>::from_floats([x.map(|x| x as f32)], &Device::flex());
    assert!((number(p.log_prob(at)) - expected).abs() < TOLERANCE);
}

#[test]
fn slope_of_tanh_is_exact_far_from_zero() {
    for x in [-30.0f64, -9.0, -1.0, 0.0, 0.2, 3.0, 12.0] {
        // ln(1 - tanh^2 x) = -2 ln cosh x, which does not cancel in double precision this far out.
        let expected = -2.0 * (x.abs() + (-2.0 * x.abs()).exp().ln_1p() - std::f64::consts::LN_2);
        let found = number(log_tanh_slope(Tensor::<2>::from_floats([[x as f32]], &Device::flex())));
        assert!((found - expected).abs() < 2e-6 * (1.0 + expected.abs()), "{x}: {found} {expected}");
    }
}
