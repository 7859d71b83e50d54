//! Functions that hardware lacks or rounds differently from machine to machine.

use super::num::Num;

/// Sine and cosine. Cody-Waite reduction by π/2 in three parts, then the Taylor-like minimax polynomials of
/// Cephes (`sinf.c`, `cosf.c`) on [-π/4, π/4].
#[inline(always)]
pub(super) fn sin_cos<N: Num>(x: N) -> (N, N) {
    let turns = x.mul_add(N::of(std::f64::consts::FRAC_2_PI), N::of(0.5)).floor();
    let y = turns.mul_add(N::of(-1.5703125), x);
    let y = turns.mul_add(N::of(-4.837512969970703e-4), y);
    let y = turns.mul_add(N::of(-7.549789954891882e-8), y);
    let z = y * y;
    let sine = z.mul_add(N::of(-1.9515295891e-4), N::of(8.3321608736e-3));
    let sine = z.mul_add(sine, N::of(-1.6666654611e-1));
    let sine = (sine * z).mul_add(y, y);
    let cosine = z.mul_add(N::of(2.443315711809948e-5), N::of(-1.388731625493765e-3));
    let cosine = z.mul_add(cosine, N::of(4.166664568298827e-2));
    let cosine = (z * z).mul_add(cosine, z.mul_add(N::of(-0.5), N::one()));
    // The quarter turn, 0 to 3.
    let quarter = (turns * N::of(0.25)).floor().mul_add(N::of(-4.0), turns);
    let half = N::of(1.5).lt(quarter);
    let odd = N::of(0.5).lt(quarter - N::select(half, N::of(2.0), N::zero()));
    let (a, b) = (N::select(odd, cosine, sine), N::select(odd, sine, cosine));
    let flip_cosine = (odd & !half) | (!odd & half);
    (N::select(half, -a, a), N::select(flip_cosine, -b, b))
}

/// Angle of a point, by the odd minimax polynomial of degree 11 on [0, 1] (Abramowitz and Stegun 4.4.49 has the
/// like) after folding to the first octant.
#[inline(always)]
pub(super) fn atan2<N: Num>(y: N, x: N) -> N {
    let (ax, ay) = (x.abs(), y.abs());
    let steep = ax.lt(ay);
    let (low, high) = (ax.min(ay), ax.max(ay));
    let t = low / high.max(N::of(1e-30));
    // tan(π/8) splits the octant, so that the polynomial of Cephes (`atanf.c`) serves.
    let upper = N::of(0.414_213_562_373_095).lt(t);
    let r = N::select(upper, (t - N::one()) / (t + N::one()), t);
    let z = r * r;
    let p = z.mul_add(N::of(8.05374449538e-2), N::of(-1.38776856032e-1));
    let p = z.mul_add(p, N::of(1.99777106478e-1));
    let p = z.mul_add(p, N::of(-3.33329491539e-1));
    let p = (p * z).mul_add(r, r);
    let p = N::select(upper, p + N::of(std::f64::consts::FRAC_PI_4), p);
    let p = N::select(steep, N::of(std::f64::consts::FRAC_PI_2) - p, p);
    let p = N::select(x.lt(N::zero()), N::of(std::f64::consts::PI) - p, p);
    N::select(y.lt(N::zero()), -p, p)
}

/// `e` to the power of a number: Cody-Waite reduction by ln 2 in two parts, the polynomial of Cephes (`expf.c`) on
/// [-ln 2 / 2, ln 2 / 2], and two to the whole part as a product of powers that its binary digits choose.
#[inline(always)]
pub(super) fn exp<N: Num>(x: N) -> N {
    let whole = x.mul_add(N::of(std::f64::consts::LOG2_E), N::of(0.5)).floor();
    let r = whole.mul_add(N::of(-0.693359375), x);
    let r = whole.mul_add(N::of(2.12194440e-4), r);
    let p = r.mul_add(N::of(1.9875691500e-4), N::of(1.3981999507e-3));
    let p = r.mul_add(p, N::of(8.3334519073e-3));
    let p = r.mul_add(p, N::of(4.1665795894e-2));
    let p = r.mul_add(p, N::of(1.6666665459e-1));
    let p = r.mul_add(p, N::of(5.0000001201e-1));
    let p = (r * r).mul_add(p, r) + N::one();
    // From 2^-126 up: no product leaves the range of `f32` before the last one.
    let mut digits = whole + N::of(126.0);
    let mut power = N::of(2f64.powi(-126));
    for digit in [128.0, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0] {
        let set = N::of(digit).le(digits);
        digits = digits - N::select(set, N::of(digit), N::zero());
        // 2^128 is no `f32`, its root is.
        let root = N::select(set, N::of((digit / 2.0).exp2()), N::one());
        power = power * root * root;
    }
    let power = power * N::select(N::one().le(digits), N::of(2.0), N::one());
    let low = x.lt(N::of(-87.0));
    let high = x.gt(N::of(88.0));
    N::select(low, N::zero(), N::select(high, N::of(f64::from(f32::MAX)), p * power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{F32x4, Lanes};

    #[test]
    fn the_exponential_function_is_within_its_bound_and_the_same_in_every_width() {
        let mut worst: f64 = 0.0;
        // Within the range: at its ends the function is cut off.
        for k in -86_999..=87_999 {
            let x = k as f32 * 1e-3;
            let truth = f64::from(x).exp();
            let found = exp(x);
            worst = worst.max((f64::from(found) - truth).abs() / truth);
            let mut four = [0.0; 4];
            exp(F32x4::splat(x)).write(&mut four);
            assert_eq!(four.map(f32::to_bits), [found.to_bits(); 4], "at {x}");
        }
        assert!(worst < 2e-7, "worst relative error {worst:.1e}");
        assert_eq!([exp(-1e9f32), exp(f32::NEG_INFINITY), exp(1e9f32)], [0.0, 0.0, f32::MAX]);
        assert!(exp(f32::NAN).is_nan());
    }
}
