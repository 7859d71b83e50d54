//! Pictures on surfaces: the formulas of `texture.wgsl`, a ray at a time.

use std::f32::consts::TAU;

use glam::{Vec2, Vec3, Vec4};
use keiko_gpu::camera::{Coat, Mapping, Texture};
use rayon::prelude::*;

use crate::assets::Assets;

/// Where a ray meets a surface with a texture.
pub struct Place {
    /// In the geom's frame \[m\].
    pub local: Vec3,
    /// Of a mesh, with the weights of its second and third corner.
    pub triangle: usize,
    pub weights: [f32; 2],
    /// Width of a pixel there \[m\].
    pub footprint: f32,
}

/// Linear RGB of the texels of an atlas, each in one vector register.
pub fn linear(assets: &Assets) -> Vec<Vec4> {
    let of = |bits: &u32| {
        let [r, g, b] = [bits, &(bits >> 8), &(bits >> 16)].map(|byte| assets.linear[(byte & 255) as usize]);
        Vec4::new(r, g, b, 0.0)
    };
    assets.texels.par_iter().map(of).collect()
}

/// Linear RGB of what a coat's texture shows; `texels` is the atlas by [`linear`].
pub fn textured(assets: &Assets, texels: &[Vec4], coat: &Coat, at: &Place) -> Vec3 {
    let first = coat.texture as usize - 1;
    let size = Vec2::new(assets.textures[first].width as f32, assets.textures[first].height as f32);
    let (scale, repeat) = (Vec3::from(coat.scale), Vec2::from(coat.repeat));
    let endless = coat.mapping != Mapping::Cube as u32;
    let mut face = 0;
    let (place, dense) = if !endless {
        let d = at.local * scale;
        let (side, on_face) = on_cube(d);
        face = side;
        let reach = d.abs().max_element().max(1e-9);
        (0.5 * on_face + 0.5, 0.5 * size.x * scale.max_element() / reach)
    } else if coat.mapping == Mapping::ByTriangle as u32 {
        let corner = |k: usize| Vec2::from(assets.texcoords[3 * at.triangle + k]);
        let (a, along, across) = (corner(0), corner(1) - corner(0), corner(2) - corner(0));
        let there = (along.perp_dot(across) * repeat.x * repeat.y).abs() * size.x * size.y;
        let triangle = &assets.triangles[at.triangle];
        let here = Vec3::from(triangle.edge_1).cross(Vec3::from(triangle.edge_2)).length();
        let place = (a + at.weights[0] * along + at.weights[1] * across) * repeat;
        (place, (there / here.max(1e-20)).sqrt())
    } else {
        let (place, across) = place_on(coat, at.local);
        let texels = across * repeat.abs() * size;
        (place * repeat + Vec2::from(coat.shift), texels.max_element())
    };
    let last = coat.levels as f32 - 1.0;
    let fine = (at.footprint * dense).max(1.0).log2().clamp(0.0, last);
    let whole = floor(fine) as f32;
    let level = |k: usize| between(texels, &assets.textures[first + k], face, place, endless);
    let near = level(whole as usize);
    let shown = if fine == whole { near } else { near.lerp(level(whole as usize + 1), fine - whole) };
    shown.truncate()
}

/// Where a point lies on the picture of a shape, as MuJoCo's shapes have it, and how fast that changes \[1/m\].
fn place_on(coat: &Coat, local: Vec3) -> (Vec2, Vec2) {
    let scale = Vec3::from(coat.scale);
    // The point where the shape has size 1.
    let p = local * scale;
    // Around z, and how fast that changes.
    let around = || {
        let turns = p.y.atan2(p.x) / TAU;
        let along = scale.x / (TAU * p.truncate().length().max(0.1));
        (if turns < 0.0 { turns + 1.0 } else { turns }, along)
    };
    let tube = || {
        let (u, along) = around();
        (Vec2::new(u, 0.5 - 0.5 * p.z), Vec2::new(along, 0.5 * scale.z))
    };
    let side = |a: usize, b: usize| {
        (Vec2::new(0.5 + 0.5 * p[a], 0.5 - 0.5 * p[b]), 0.5 * Vec2::new(scale[a], scale[b]))
    };
    match coat.mapping {
        kind if kind == Mapping::Box as u32 => {
            let a = p.abs();
            if a.z >= a.x && a.z >= a.y {
                side(0, 1)
            } else if a.x >= a.y {
                side(1, 2)
            } else {
                side(0, 2)
            }
        }
        kind if kind == Mapping::Sphere as u32 => {
            let (u, along) = around();
            let rise = (p.z / p.length().max(1e-9)).clamp(-1.0, 1.0).asin();
            (Vec2::new(u, 0.5 - 2.0 * rise / TAU), Vec2::new(along, 2.0 * scale.z / TAU))
        }
        kind if kind == Mapping::Cylinder as u32 => match p.z.abs() > p.truncate().length() {
            true => (0.5 + 0.5 * p.truncate(), 0.5 * scale.truncate()),
            false => tube(),
        },
        kind if kind == Mapping::Capsule as u32 => {
            let over = local.z.abs() - 1.0 / scale.z;
            if over <= 0.0 {
                return tube();
            }
            let (u, along) = around();
            let rise = 4.0 * (over * scale.x).clamp(0.0, 1.0).asin() / TAU;
            let v = if p.z > 0.0 { 1.0 - rise } else { rise };
            (Vec2::new(u, v), Vec2::new(along, 4.0 * scale.x / TAU))
        }
        _ => (p.truncate(), scale.truncate().abs()),
    }
}

/// Between the four texels around a place \[parts of the picture\].
fn between(texels: &[Vec4], texture: &Texture, face: usize, place: Vec2, endless: bool) -> Vec4 {
    let (width, height) = (texture.width as i32, texture.height as i32);
    let size = Vec2::new(width as f32, height as f32);
    // Within the picture once, as whole numbers are slow to divide.
    let place = if endless { place - whole(place) } else { place };
    let at = place * size - 0.5;
    let low = whole(at);
    let share = at - low;
    let (x, y) = (low.x as i32, low.y as i32);
    let x = [x, x + 1].map(|x| inside(x, width, endless));
    let y = [y, y + 1].map(|y| inside(y, height, endless));
    let first = texture.first as usize + face * (width * height) as usize;
    let texel = |x: i32, y: i32| texels[first + (y * width + x) as usize];
    let row = |y: i32| texel(x[0], y).lerp(texel(x[1], y), share.x);
    row(y[0]).lerp(row(y[1]), share.y)
}

/// The whole number at or below; what the library has is a call on processors without the instruction.
#[inline]
fn floor(x: f32) -> i32 {
    let cut = x as i32;
    if cut as f32 > x { cut.saturating_sub(1) } else { cut }
}

#[inline]
fn whole(place: Vec2) -> Vec2 {
    Vec2::new(floor(place.x) as f32, floor(place.y) as f32)
}

/// The texel beside the rim: the first after the last, or the last again.
#[inline]
fn inside(x: i32, count: i32, endless: bool) -> i32 {
    match endless {
        true if x < 0 => x + count,
        true if x >= count => x - count,
        _ => x.clamp(0, count - 1),
    }
}

/// Where a direction meets the cube: face, and place on it in [-1, 1] (OpenGL 4.6, table 8.19).
fn on_cube(d: Vec3) -> (usize, Vec2) {
    let a = d.abs();
    if a.x >= a.y && a.x >= a.z {
        let negative = d.x < 0.0;
        (usize::from(negative), Vec2::new(if negative { d.z } else { -d.z }, -d.y) / a.x)
    } else if a.y >= a.z {
        let negative = d.y < 0.0;
        (2 + usize::from(negative), Vec2::new(d.x, if negative { -d.z } else { d.z }) / a.y)
    } else {
        let negative = d.z < 0.0;
        (4 + usize::from(negative), Vec2::new(if negative { -d.x } else { d.x }, -d.y) / a.z)
    }
}
