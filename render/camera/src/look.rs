//! Light, sky and colours.

use glam::Vec3;
use keiko_gpu::camera::{Look, Material};
use keiko_model::robot::Shape;

/// Side of the squares on the ground \[m\].
const SQUARE: f32 = 0.5;

/// A clear day: the sun high and to the side, so that shapes and shadows read well from any direction.
///
/// A white surface that faces the sun is just not overexposed.
pub fn daylight() -> Look {
    Look {
        sun: Vec3::new(0.35, -0.45, 0.82).normalize().to_array(),
        haze: 60.0,
        sun_color: [0.56, 0.54, 0.50],
        headlight: 0.12,
        ambient_up: [0.32, 0.34, 0.37],
        ambient_down: [0.15, 0.145, 0.14],
        zenith: [0.10, 0.24, 0.52],
        horizon: [0.62, 0.72, 0.80],
        ..Look::default()
    }
}

/// The surface of a geom of a shape: its colour, sRGB, and one more than the index of its coat; ground that goes on has
/// squares where nothing else is on it, so that distance and motion can be seen.
pub(crate) fn material(shape: &Shape, rgb: [f32; 3], coat: u32, is_pictured: bool) -> Material {
    let color = rgb.map(linear);
    let is_ground = matches!(shape, Shape::Plane { .. } | Shape::HeightField { .. });
    Material {
        color,
        square: if is_ground && !is_pictured { SQUARE } else { 0.0 },
        other_color: color.map(|c| 0.62 * c),
        coat,
    }
}

/// The inverse of sRGB's transfer function: files give colours as screens show them.
pub(crate) fn linear(srgb: f32) -> f32 {
    let c = srgb.clamp(0.0, 1.0);
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}
