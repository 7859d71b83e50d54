//! A tile of pixels: which geoms it can show, what each packet of rays meets, what is lit, what is written.

use glam::{Vec3, Vec4};
use keiko_dynamics::space::V3;
use keiko_gpu::camera::{Instance, Kind, Lamp, Look, Material, TILE, View};
use keiko_model::camera::Channel;

use super::list::{self, Candidate, Cone, Spheres};
use super::packet::{
    Block, FAR_AWAY, Frame, Hits, MISS, MOST_LANES, OFF, Rays, Wide, from_lanes, lane, lanes, normalize,
    rays_through, splat,
};
use super::pixels::{self, Seen};
use super::shapes::Entries;
use super::terrain::Terrain;
use super::{flow, lens, mesh, shapes, surface};
use crate::assets::Assets;

/// What is the same in every environment.
#[derive(Debug)]
pub struct Scene {
    pub assets: Assets,
    pub shadows: bool,
    /// Whether some surface has a finish or a picture.
    pub coated: bool,
    /// Light of texels.
    pub texels: Vec<Vec4>,
}

/// One view of one environment.
#[derive(Clone, Copy)]
pub struct Shot<'a> {
    pub scene: &'a Scene,
    pub instances: &'a [Instance],
    /// Where they were before.
    pub instances_before: &'a [Instance],
    pub spheres: Spheres<'a>,
    pub look: &'a Look,
    /// Of each geom.
    pub materials: &'a [Material],
    pub lamps: &'a [Lamp],
    pub view: View,
    pub view_before: View,
    /// Of the image \[pixel\].
    pub size: [usize; 2],
}

/// A row of tiles of an image: for each channel, in the order of [`Channel::ALL`], the pixels of its planes. Channels
/// that are not asked for have none.
pub struct Band<'a> {
    /// Row of tiles.
    pub row: usize,
    pub planes: [[&'a mut [u32]; 3]; Channel::ALL.len()],
}

impl Band<'_> {
    /// Whether a channel is asked for.
    pub fn has(&self, channel: Channel) -> bool {
        !self.planes[channel as usize][0].is_empty()
    }
}

/// Traces a band.
#[inline(always)]
pub fn band<L: Wide>(shot: &Shot<'_>, band: &mut Band<'_>) {
    let tile = TILE as usize;
    let block = Block::<L>::new();
    let [width, height] = shot.size;
    let (mut seen, mut casters) = (Vec::new(), Vec::new());
    let top = band.row * tile;
    let bends = lens::bends(&shot.view);
    // The tile's rays in the order of its blocks, where a lens bends them.
    let mut bundle: Vec<V3<L>> = Vec::new();
    for left in (0..width).step_by(tile) {
        let (rows, columns) = (top..height.min(top + tile), left..width.min(left + tile));
        let cone = if bends {
            bundle.clear();
            for y in rows.clone().step_by(block.size[1]) {
                for x in columns.clone().step_by(block.size[0]) {
                    bundle
                        .push(normalize(lens::rays_through(&shot.view, within(shot, block.pixels([x, y])))));
                }
            }
            Cone::of_bundle(shot.view.position.into(), &bundle)
        } else {
            cone(&shot.view, [left, top])
        };
        list::in_cone::<L>(shot.spheres, &cone, &mut seen);
        let mut at = 0;
        for y in rows.step_by(block.size[1]) {
            for x in columns.clone().step_by(block.size[0]) {
                let direction = match bends {
                    true => bundle[at],
                    false => normalize(rays_through(&shot.view, block.pixels([x, y]))),
                };
                packet(shot, band, &block, [x, y], direction, &seen, &mut casters);
                at += 1;
            }
        }
    }
}

/// Points of the image; a lens may have no rays beyond.
#[inline(always)]
fn within<L: Wide>(shot: &Shot<'_>, [x, y]: [L; 2]) -> [L; 2] {
    let [width, height] = shot.size.map(|side| L::splat(side as f32 - 0.5));
    [x.min(width), y.min(height)]
}

/// A cone about the rays of a tile.
fn cone(view: &View, [x, y]: [usize; 2]) -> Cone {
    let low = [x as f32, y as f32];
    let high = low.map(|corner| corner + TILE as f32);
    let ray = |pixel| {
        let d: V3<f32> = rays_through(view, pixel);
        Vec3::new(d.x, d.y, d.z).normalize()
    };
    Cone::new(view.position.into(), [ray(low), ray([high[0], low[1]]), ray([low[0], high[1]]), ray(high)])
}

/// Traces the pixels of a block.
#[inline(always)]
fn packet<L: Wide>(
    shot: &Shot<'_>,
    band: &mut Band<'_>,
    block: &Block<L>,
    corner: [usize; 2],
    direction: V3<L>,
    seen: &[Candidate],
    casters: &mut Vec<Candidate>,
) {
    let view = &shot.view;
    let pixel = block.pixels(corner);
    let [width, height] = shot.size.map(|side| L::splat(side as f32));
    let forward = direction.dot(splat(view.forward));
    // Some lenses also look where there is no depth: nothing is seen before this distance.
    let start = match lens::is_wide(view) {
        true => L::splat(view.near),
        false => L::splat(view.near) / forward,
    };
    let rays = Rays { origin: direction.mul_add(start, splat(view.position)), direction };
    let mut hits = Hits::none(pixel[0].lt(width) & pixel[1].lt(height));
    for (_, geom) in seen {
        meet(shot, *geom, &rays, &mut hits);
    }
    let found = L::zero().le(hits.geom);
    let distance = L::select(found, hits.t + start, L::splat(FAR_AWAY));
    let colored = band.has(Channel::Rgb) || band.has(Channel::RgbFloat) || band.has(Channel::Radiance);
    let ids = lane(hits.geom);

    let mut light = V3::zero();
    if colored || band.has(Channel::Normals) {
        let smooth = surface::facets(shot, &ids, &mut hits);
        if colored {
            let shines = shot.look.sun_color != [0.0; 3];
            let sunlight = match shot.scene.shadows && shines {
                true => in_sun(shot, &rays, &hits, found, casters),
                false => L::one(),
            };
            let seen = (&ids, &rays, &hits);
            light = match shot.scene.coated {
                true => surface::paint::<L, true>(shot, seen, distance, smooth, sunlight, casters),
                false => surface::paint::<L, false>(shot, seen, distance, smooth, sunlight, casters),
            };
        }
    }
    let mut moved = [[0.0; MOST_LANES]; 2];
    if band.has(Channel::Flow) {
        let points = lanes(rays.direction.mul_add(hits.t, rays.origin));
        moved = flow::flow::<L>(shot, &ids, &points, &lanes(direction));
    }
    let seen = Seen { light, distance, forward, normal: hits.normal, found, ids, flow: moved };
    pixels::write(shot, band, block, corner, &seen);
}

/// Meets one geom no farther than what was met already; of two at the same place the first counts, so that the order
/// in which they come does not matter.
#[inline(always)]
fn meet<L: Wide>(shot: &Shot<'_>, index: u32, rays: &Rays<L>, hits: &mut Hits<L>) {
    let assets = &shot.scene.assets;
    let (geom, instance) = (&assets.geoms[index as usize], &shot.instances[index as usize]);
    let radius = L::splat(instance.radius);
    let to_center = splat::<L>(instance.center) - rays.origin;
    let along = to_center.dot(rays.direction);
    let beside = to_center - rays.direction * along;
    let near = beside.dot(beside).le(radius * radius) & (along - radius).le(hits.t);
    if !L::any(near) {
        return;
    }
    let limit = L::select(near, hits.t, L::splat(OFF));
    let frame = Frame::new(instance);
    let local = frame.rays(rays);
    let number = L::splat(index as f32);
    if geom.kind == Kind::Mesh as u32 {
        let found = mesh::nearest(assets, geom.asset, &local, limit);
        let accepted = found.t.le(limit) & (found.t.lt(hits.t) | number.lt(hits.geom));
        hits.t = L::select(accepted, found.t, hits.t);
        hits.geom = L::select(accepted, number, hits.geom);
        hits.triangle = L::select(accepted, found.triangle, hits.triangle);
        hits.weights[0] = L::select(accepted, found.weights[0], hits.weights[0]);
        hits.weights[1] = L::select(accepted, found.weights[1], hits.weights[1]);
        return;
    }
    let entries = enter(shot.scene, index, &local, limit, false);
    let accepted = entries.t.le(limit) & (entries.t.lt(hits.t) | number.lt(hits.geom));
    if L::any(accepted) {
        hits.t = L::select(accepted, entries.t, hits.t);
        hits.geom = L::select(accepted, number, hits.geom);
        hits.normal = V3::select(accepted, normalize(frame.turn_back(entries.normal)), hits.normal);
    }
}

/// Where rays enter a geom that is no mesh, in its own frame.
#[inline(always)]
fn enter<L: Wide>(scene: &Scene, index: u32, rays: &Rays<L>, limit: L, any: bool) -> Entries<L> {
    let geom = &scene.assets.geoms[index as usize];
    let size = geom.size;
    match geom.kind {
        kind if kind == Kind::Plane as u32 => shapes::plane(rays, [size[0], size[1]]),
        kind if kind == Kind::Sphere as u32 => shapes::sphere(rays, size[0]),
        kind if kind == Kind::Capsule as u32 => shapes::capsule(rays, size[0], size[1]),
        kind if kind == Kind::Cylinder as u32 => shapes::cylinder(rays, size[0], size[1]),
        kind if kind == Kind::Box as u32 => shapes::cuboid(rays, size),
        kind if kind == Kind::Ellipsoid as u32 => shapes::ellipsoid(rays, size),
        _ => terrain(&scene.assets, geom.asset, rays, limit, any),
    }
}

/// Each lane's ray alone.
#[inline(always)]
fn terrain<L: Wide>(assets: &Assets, index: u32, rays: &Rays<L>, limit: L, any: bool) -> Entries<L> {
    let terrain = Terrain::new(&assets.fields[index as usize], &assets.heights);
    let (o, d, limits) = (lanes(rays.origin), lanes(rays.direction), lane(limit));
    let (mut t, mut normal) = ([MISS; MOST_LANES], [[0.0; MOST_LANES]; 3]);
    for k in 0..L::WIDTH {
        let [o, d] = [&o, &d].map(|v| Vec3::new(v[0][k], v[1][k], v[2][k]));
        if limits[k] > 0.0
            && let Some((at, up)) = terrain.meet(o, d, limits[k], any)
        {
            t[k] = at;
            [normal[0][k], normal[1][k], normal[2][k]] = up.to_array();
        }
    }
    Entries { t: L::read(&t), normal: from_lanes(&normal) }
}

/// 1 where the sun reaches what was met, 0 where something stands between or it is turned away.
#[inline(always)]
fn in_sun<L: Wide>(
    shot: &Shot<'_>,
    rays: &Rays<L>,
    hits: &Hits<L>,
    found: L::Mask,
    casters: &mut Vec<Candidate>,
) -> L {
    let (assets, sun) = (&shot.scene.assets, shot.look.sun);
    let turned = found & L::zero().lt(hits.normal.dot(splat(sun)));
    if !L::any(turned) {
        return L::zero();
    }
    // Off the surface by more than the error of the point.
    let point = rays.direction.mul_add(hits.t, rays.origin);
    let origin = hits.normal.mul_add(off_the_surface(point, hits.t), point);
    // What is so far away that it has no digits left is taken as lit.
    let in_reach = origin.x.abs().max(origin.y.abs()).max(origin.z.abs()).lt(L::splat(1e6));
    let open = L::select(turned & in_reach, L::splat(FAR_AWAY), L::splat(OFF));
    let (middle, around) = bounds(origin, open);
    list::towards_sun::<L>(assets, shot.spheres, sun, middle, around, casters);
    let open = unblocked(shot, &Rays { origin, direction: splat(sun) }, open, casters);
    let lit = turned & (L::zero().lt(open) | !in_reach);
    L::select(lit, L::one(), L::zero())
}

/// How far from a point a ray must start, so that it does not meet the point's own surface.
#[inline(always)]
pub fn off_the_surface<L: Wide>(point: V3<L>, t: L) -> L {
    let size = point.x.abs() + point.y.abs() + point.z.abs();
    size.mul_add(L::splat(2e-6), t.mul_add(L::splat(1e-5), L::splat(1e-4)))
}

/// Turns off the lanes in whose way something stands before their limit.
#[inline(always)]
pub fn unblocked<L: Wide>(shot: &Shot<'_>, rays: &Rays<L>, mut open: L, casters: &[Candidate]) -> L {
    let assets = &shot.scene.assets;
    for (_, index) in casters {
        let (geom, instance) = (&assets.geoms[*index as usize], &shot.instances[*index as usize]);
        let radius = L::splat(instance.radius);
        let to_center = splat::<L>(instance.center) - rays.origin;
        let along = to_center.dot(rays.direction);
        let beside = to_center - rays.direction * along;
        let near = beside.dot(beside).le(radius * radius) & (-radius).le(along);
        let limit = L::select(near, open, L::splat(OFF));
        if !L::any(L::zero().lt(limit)) {
            continue;
        }
        let local = Frame::new(instance).rays(rays);
        let blocked = match geom.kind == Kind::Mesh as u32 {
            true => mesh::blocked(assets, geom.asset, &local, limit),
            false => enter(shot.scene, *index, &local, limit, true).t.le(limit),
        };
        open = L::select(blocked, L::splat(OFF), open);
        if !L::any(L::zero().lt(open)) {
            break;
        }
    }
    open
}

/// Middle and radius of a sphere about the points of the lanes that are not off.
#[inline(always)]
pub fn bounds<L: Wide>(points: V3<L>, open: L) -> (Vec3, f32) {
    let (points, open) = (lanes(points), lane(open));
    let (mut low, mut high) = (Vec3::INFINITY, Vec3::NEG_INFINITY);
    for k in 0..L::WIDTH {
        if open[k] > 0.0 {
            let point = Vec3::new(points[0][k], points[1][k], points[2][k]);
            (low, high) = (low.min(point), high.max(point));
        }
    }
    if low.x > high.x {
        return (Vec3::ZERO, -MISS);
    }
    let middle = 0.5 * (low + high);
    // What f32 loses far from the origin comes on top.
    (middle, 0.5 * (high - low).length() + 1e-3 + 1e-6 * middle.length())
}
