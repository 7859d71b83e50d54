//! What lies on a geom besides its colour: what facets of a finish mirror in all, worked out once, and where pictures lie.

use glam::{DVec3, Vec3};
use keiko_gpu::camera::{Coat, Mapping};
use keiko_model::material::{Finish, TextureKind, TextureUse};
use keiko_model::robot::{RobotModel, Shape};

/// Highlights of smoother surfaces fall between the rays, and have no digits left.
const LEAST_ROUGHNESS: f64 = 0.089;
/// What `specular` 1 mirrors, seen straight on.
const MOST_SPECULAR: f64 = 0.08;
/// Angles at which shares are worked out.
const NODES: usize = 24;
/// Facets at each of them: rings, and facets of a ring.
const RINGS: usize = 64;
const RING: usize = 48;
/// Coefficients of the polynomials.
const ORDER: usize = 8;

/// The part of a coat that a finish is.
pub(crate) fn of_finish(finish: &Finish) -> Coat {
    let alpha = finish.roughness.max(LEAST_ROUGHNESS).powi(2);
    let mirrored = MOST_SPECULAR * finish.specular;
    // What mirrors next to nothing straight on is no mirror along the surface either.
    let grazing = (50.0 * mirrored).min(1.0);
    let [energy, fresnel] = shares(alpha);
    let (mean, growing) = (mean(&energy), self::mean(&fresnel));
    let average = mirrored + (grazing - mirrored) / 21.0;
    let spread = average * average * mean / (1.0 - average * (1.0 - mean));
    let whole = mirrored * mean + (grazing - mirrored) * growing + spread * (1.0 - mean);
    let four = |from: &[f64]| [0, 1, 2, 3].map(|k| from[k] as f32);
    Coat {
        energy_0: four(&energy[..4]),
        energy_1: four(&energy[4..]),
        fresnel_0: four(&fresnel[..4]),
        fresnel_1: four(&fresnel[4..]),
        alpha: alpha as f32,
        metallic: finish.metallic as f32,
        mirrored: mirrored as f32,
        grazing: grazing as f32,
        energy_mean: mean as f32,
        through_mean: (1.0 - whole) as f32,
        spread: spread as f32,
        emission: finish.emission as f32,
        ..Coat::default()
    }
}

/// Mean over the half space of a share of the cosine.
fn mean(polynomial: &[f64; ORDER]) -> f64 {
    polynomial.iter().enumerate().map(|(k, c)| 2.0 * c / (k + 2) as f64).sum()
}

/// What facets mirror into all directions together of light at an angle, by the powers of its cosine: all of it, and the part
/// that Schlick's fifth power makes.
fn shares(alpha: f64) -> [[f64; ORDER]; 2] {
    // Chebyshev's nodes and polynomials on [-1, 1].
    let angle = |node: usize| (node as f64 + 0.5) / NODES as f64 * std::f64::consts::PI;
    let values: Vec<[f64; 2]> =
        (0..NODES).map(|node| mirrored(0.5 * (angle(node).cos() + 1.0), alpha)).collect();
    [0, 1].map(|which| {
        let coefficient = |k: usize| {
            let sum: f64 = (0..NODES).map(|node| values[node][which] * (k as f64 * angle(node)).cos()).sum();
            sum * if k == 0 { 1.0 } else { 2.0 } / NODES as f64
        };
        // T_k(2 x - 1) by powers of x: T_k+1 = 2 (2 x - 1) T_k - T_k-1.
        let (mut last, mut this) = ([0.0; ORDER], [0.0; ORDER]);
        (this[0], last[0], last[1]) = (1.0, -1.0, 2.0);
        let mut sum = [0.0; ORDER];
        for k in 0..ORDER {
            let c = coefficient(k);
            (0..ORDER).for_each(|power| sum[power] += c * this[power]);
            let mut next = [0.0; ORDER];
            for power in 0..ORDER {
                let below = if power > 0 { this[power - 1] } else { 0.0 };
                next[power] = 4.0 * below - 2.0 * this[power] - last[power];
            }
            // T_-1 is T_1.
            (last, this) = (this, next);
        }
        sum
    })
}

/// The shares at one cosine, by the facets that can be seen from there (Heitz 2018).
fn mirrored(facing: f64, alpha: f64) -> [f64; 2] {
    let view = DVec3::new((1.0 - facing * facing).max(0.0).sqrt(), 0.0, facing);
    let stretched = DVec3::new(alpha * view.x, 0.0, view.z).normalize();
    let (across, along) = (DVec3::Y, stretched.cross(DVec3::Y));
    let masked = |cosine: f64| {
        0.5 * ((1.0 + alpha * alpha * (1.0 - cosine * cosine) / (cosine * cosine)).sqrt() - 1.0)
    };
    let mut sums = [0.0; 2];
    for ring in 0..RINGS {
        let radius = ((ring as f64 + 0.5) / RINGS as f64).sqrt();
        for at in 0..RING {
            let turn = std::f64::consts::TAU * (at as f64 + 0.5) / RING as f64;
            let x = radius * turn.cos();
            let tilt = 0.5 * (1.0 + stretched.z);
            let y = (1.0 - tilt) * (1.0 - x * x).max(0.0).sqrt() + tilt * radius * turn.sin();
            let z = (1.0 - x * x - y * y).max(0.0).sqrt();
            let facet = across * x + along * y + stretched * z;
            let facet = DVec3::new(alpha * facet.x, alpha * facet.y, facet.z.max(1e-9)).normalize();
            let cosine = view.dot(facet).clamp(0.0, 1.0);
            let out = 2.0 * cosine * facet.z - facing;
            if out > 1e-6 {
                let seen = (1.0 + masked(facing)) / (1.0 + masked(facing) + masked(out));
                sums[0] += seen;
                sums[1] += seen * (1.0 - cosine).powi(5);
            }
        }
    }
    sums.map(|sum| sum / (RINGS * RING) as f64)
}

/// Lays a texture on a geom as MuJoCo 4's first renderer does: around its shapes, by the coordinates of a mesh, or along x and y
/// where there are none.
pub(crate) fn lay(coat: &mut Coat, used: &TextureUse, kind: TextureKind, shape: &Shape, model: &RobotModel) {
    let size = half_sizes(shape, model);
    let inverse = size.map(|s| if s > 0.0 { 1.0 / s } else { 1.0 });
    let repeat = [0, 1].map(|k| {
        let repeat = if used.repeat[k] > 0.0 { used.repeat[k] } else { 1.0 };
        if used.uniform && size[k] > 0.0 { repeat * size[k] } else { repeat }
    });
    if kind == TextureKind::Cube {
        coat.mapping = Mapping::Cube as u32;
        // Meshes are drawn as they are, and other shapes as stretched ones of size 1.
        coat.scale = match (shape, used.uniform) {
            (Shape::Mesh { .. }, false) => Vec3::ONE,
            (Shape::Mesh { .. }, true) => size.as_vec3(),
            (_, false) => inverse.as_vec3(),
            (_, true) => Vec3::ONE,
        }
        .to_array();
        return;
    }
    let mapping = match shape {
        Shape::Mesh { mesh } if !model.meshes[*mesh].texcoords.is_empty() => Mapping::ByTriangle,
        Shape::Plane { .. } | Shape::Mesh { .. } | Shape::HeightField { .. } => Mapping::Flat,
        Shape::Box { .. } => Mapping::Box,
        Shape::Sphere { .. } | Shape::Ellipsoid { .. } => Mapping::Sphere,
        Shape::Cylinder { .. } => Mapping::Cylinder,
        Shape::Capsule { .. } => Mapping::Capsule,
    };
    coat.mapping = mapping as u32;
    coat.scale = inverse.as_vec3().to_array();
    coat.repeat = repeat.map(|x| x as f32);
    if mapping == Mapping::Flat {
        let [x, y, _] = coat.scale;
        coat.scale = [0.5 * x, -0.5 * y, 0.0];
        // From a corner where there is one, else from half a picture before the middle.
        let is_cut = matches!(shape, Shape::Plane { half_size } if half_size.iter().all(|s| *s > 0.0));
        let is_plane = matches!(shape, Shape::Plane { .. });
        let before = if is_cut { 0.0 } else { -0.5 };
        let corner = |k: usize| if is_plane && size[k] > 0.0 { 0.5 * repeat[k] } else { 0.0 };
        coat.shift = [0, 1].map(|k| (corner(k) + before) as f32);
    }
}

/// MuJoCo's size of a shape \[m\]; 0 where it has no end.
fn half_sizes(shape: &Shape, model: &RobotModel) -> DVec3 {
    match shape {
        Shape::Plane { half_size: [x, y] } => DVec3::new(*x, *y, 0.0),
        Shape::Sphere { radius } => DVec3::splat(*radius),
        Shape::Capsule { radius, half_length } | Shape::Cylinder { radius, half_length } => {
            DVec3::new(*radius, *radius, *half_length)
        }
        Shape::Box { half_size: size } | Shape::Ellipsoid { radii: size } => *size,
        Shape::Mesh { mesh } => {
            let vertices = model.meshes[*mesh].vertices.iter().map(|v| Vec3::from(*v).abs());
            vertices.fold(Vec3::ZERO, Vec3::max).as_dvec3()
        }
        Shape::HeightField { height_field } => {
            let [x, y] = model.height_fields[*height_field].half_size;
            DVec3::new(x, y, 0.0)
        }
    }
}
