//! Colour: the formulas of `shade.wgsl`. One sun, light from above and below, light from the camera; linear until the end.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::{Look, Material};

use super::packet::{Wide, normalize, splat};

#[inline(always)]
pub fn sky<L: Wide>(look: &Look, d: V3<L>) -> V3<L> {
    mix(splat(look.horizon), splat(look.zenith), d.z.clamp(L::zero(), L::one()).sqrt())
}

/// The material's colour at points of the geom's frame; squares smaller than `footprint` \[m\] blur into their mean.
#[inline(always)]
pub fn base_color<L: Wide>(material: &Material, local: V3<L>, footprint: L) -> V3<L> {
    let color = splat(material.color);
    if material.square <= 0.0 {
        return color;
    }
    let other = splat(material.other_color);
    let square = L::splat(material.square);
    let half_cells = ((local.x / square).floor() + (local.y / square).floor()) * L::splat(0.5);
    let is_other = half_cells.floor().lt(half_cells);
    let blurred = (footprint * L::splat(2.0) / square - L::splat(0.5)).clamp(L::zero(), L::one());
    mix(V3::select(is_other, other, color), (color + other) * L::splat(0.5), blurred)
}

/// Light that surfaces send back along `-d`; `sunlight` is 0 in the shade.
#[inline(always)]
pub fn shade<L: Wide>(look: &Look, color: V3<L>, normal: V3<L>, d: V3<L>, sunlight: L) -> V3<L> {
    let (zero, half) = (L::zero(), L::splat(0.5));
    let sun = splat::<L>(look.sun);
    let facing = (-normal.dot(d)).max(zero);
    let ambient = mix(splat(look.ambient_down), splat(look.ambient_up), normal.z.mul_add(half, half));
    let direct = splat::<L>(look.sun_color) * (normal.dot(sun).max(zero) * sunlight);
    let headlight = facing * L::splat(look.headlight);
    let light = ambient + direct + V3::new(headlight, headlight, headlight);
    let shine = shine(normal, sun, d) * sunlight;
    V3::new(color.x * light.x, color.y * light.y, color.z * light.z) + splat::<L>(look.sun_color) * shine
}

/// Share of the light from `towards` that a surface mirrors along `-d`.
#[inline(always)]
pub fn shine<L: Wide>(normal: V3<L>, towards: V3<L>, d: V3<L>) -> L {
    let halfway = normalize(towards - d);
    // To the power of 40.
    let x4 = normal.dot(halfway).max(L::zero()).square().square();
    let x8 = x4.square();
    L::splat(0.12) * (x8.square().square() * x8)
}

/// What the horizon takes of a colour that is `distance` away.
#[inline(always)]
pub fn haze<L: Wide>(look: &Look, color: V3<L>, distance: L) -> V3<L> {
    let left = (distance * L::splat(-std::f32::consts::LN_2 / look.haze)).exp();
    mix(splat(look.horizon), color, left)
}

/// sRGB's transfer function.
#[inline(always)]
pub fn encode<L: Wide>(linear: V3<L>) -> V3<L> {
    V3::new(encode_one(linear.x), encode_one(linear.y), encode_one(linear.z))
}

#[inline(always)]
fn encode_one<L: Wide>(linear: L) -> L {
    let c = linear.clamp(L::zero(), L::one());
    // c to the power of 1 / 2.4 is q to the power of 5 / 3: Chebyshev's interpolation between the knee and 1, within 1e-6.
    const POWER: [f32; 8] = [
        -0.003_394_954_9,
        0.118_963_115,
        1.374_637,
        -1.062_416_4,
        1.086_744_1,
        -0.790_318_97,
        0.340_233_54,
        -0.064_447_64,
    ];
    let q = c.sqrt().sqrt();
    let mut power = L::zero();
    for k in 0..POWER.len() {
        power = power.mul_add(q, L::splat(POWER[POWER.len() - 1 - k]));
    }
    let high = power.mul_add(L::splat(1.055), L::splat(-0.055)).min(L::one());
    L::select(c.le(L::splat(0.0031308)), c * L::splat(12.92), high)
}

#[inline(always)]
pub fn mix<L: Wide>(a: V3<L>, b: V3<L>, share: L) -> V3<L> {
    (b - a).mul_add(share, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transfer_function_is_that_of_srgb() {
        for k in -10_000..=110_000 {
            let c = k as f32 / 100_000.0;
            let exact = match f64::from(c.clamp(0.0, 1.0)) {
                c if c <= 0.0031308 => 12.92 * c,
                c => 1.055 * c.powf(1.0 / 2.4) - 0.055,
            };
            let found = f64::from(encode_one(c));
            assert!((found - exact).abs() < 1.5e-6, "{c}: {found} instead of {exact}");
        }
    }
}
