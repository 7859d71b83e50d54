//! The surfaces that a packet sees: their normals and their colours, geom by geom.

use glam::Vec3;
use keiko_dynamics::space::V3;
use keiko_gpu::camera::{Coat, Kind};

use super::gloss::{Coats, Gloss};
use super::list::Candidate;
use super::packet::{Frame, Hits, MOST_LANES, Rays, Wide, from_lanes, is, is_first, lane, lanes, normalize};
use super::texture::{self, Place};
use super::trace::Shot;
use super::{lamps, shade};

/// Fills in the normals of triangles that are seen; returns the normals to shade by.
#[inline(always)]
pub fn facets<L: Wide>(shot: &Shot<'_>, ids: &[f32; MOST_LANES], hits: &mut Hits<L>) -> V3<L> {
    let assets = &shot.scene.assets;
    let triangles = lane(hits.triangle);
    let mut smooth = hits.normal;
    for k in 0..L::WIDTH {
        if !is_first(ids, k) || assets.geoms[ids[k] as usize].kind != Kind::Mesh as u32 {
            continue;
        }
        // The lanes that see this geom.
        let mut corners = [[[0.0; MOST_LANES]; 3]; 3];
        let mut edges = [[[0.0; MOST_LANES]; 3]; 2];
        for j in k..L::WIDTH {
            if ids[j] == ids[k] {
                let triangle = &assets.triangles[triangles[j] as usize];
                let packed = [triangle.normal_0, triangle.normal_1, triangle.normal_2].map(unpack_normal);
                for axis in 0..3 {
                    edges[0][axis][j] = triangle.edge_1[axis];
                    edges[1][axis][j] = triangle.edge_2[axis];
                    for corner in 0..3 {
                        corners[corner][axis][j] = packed[corner][axis];
                    }
                }
            }
        }
        let frame = Frame::new(&shot.instances[ids[k] as usize]);
        let flat = from_lanes::<L>(&edges[0]).cross(from_lanes(&edges[1]));
        let [u, v] = hits.weights;
        let curved = from_lanes::<L>(&corners[0]) * (L::one() - u - v)
            + from_lanes::<L>(&corners[1]) * u
            + from_lanes::<L>(&corners[2]) * v;
        let mine = is(hits.geom, ids[k]);
        hits.normal = V3::select(mine, normalize(frame.turn_back(flat)), hits.normal);
        smooth = V3::select(mine, normalize(frame.turn_back(curved)), smooth);
    }
    smooth
}

/// A unit vector from 32 bits: its octahedral map, 16 bits a coordinate (`keiko_gpu::camera::pack_normal`).
fn unpack_normal(bits: u32) -> [f32; 3] {
    let coordinate = |bits: u32| (f32::from(bits as u16 as i16) / 32767.0).max(-1.0);
    let (x, y) = (coordinate(bits), coordinate(bits >> 16));
    let z = 1.0 - x.abs() - y.abs();
    let fold = (-z).max(0.0);
    let unfold = |a: f32| a + if a >= 0.0 { -fold } else { fold };
    Vec3::new(unfold(x), unfold(y), z).normalize().to_array()
}

/// Light from what was met, linear RGB. Scenes that are dull all over have no need of what is worked out for coats.
#[inline(always)]
pub fn paint<L: Wide, const COATED: bool>(
    shot: &Shot<'_>,
    (ids, rays, hits): (&[f32; MOST_LANES], &Rays<L>, &Hits<L>),
    distance: L,
    smooth: V3<L>,
    sunlight: L,
    casters: &mut Vec<Candidate>,
) -> V3<L> {
    let (assets, look) = (&shot.scene.assets, shot.look);
    let direction = rays.direction;
    let point = direction.mul_add(hits.t, rays.origin);
    let slant = hits.normal.dot(direction).abs().max(L::splat(0.02));
    let footprint = distance / L::splat(shot.view.focal[0]) / slant;
    // A normal that is turned away from the camera would be lit from behind.
    let normal = V3::select(L::zero().lt(smooth.dot(direction)), hits.normal, smooth);
    let mut base = V3::zero();
    let mut color = shade::sky(look, direction);
    let mut hazy = L::zero();
    // Lanes with a finish, and which.
    let (mut glossy, mut coats) = (L::zero(), Coats::new());
    for k in 0..L::WIDTH {
        if !is_first(ids, k) {
            continue;
        }
        let geom = &assets.geoms[ids[k] as usize];
        let local = Frame::new(&shot.instances[ids[k] as usize]).place(point);
        let mine = is(hits.geom, ids[k]);
        let material = &shot.materials[geom.material as usize];
        let mut its_color = shade::base_color(material, local, footprint);
        if COATED && material.coat > 0 {
            let coat = &assets.coats[material.coat as usize - 1];
            if coat.texture > 0 {
                let shown = pictured(shot, ids, k, coat, local, hits, footprint);
                its_color = V3::new(its_color.x * shown.x, its_color.y * shown.y, its_color.z * shown.z);
            }
            if coat.alpha > 0.0 {
                coats.lay(mine, coat);
                glossy = L::select(mine, L::one(), glossy);
            }
        }
        base = V3::select(mine, its_color, base);
        if geom.kind == Kind::Plane as u32 {
            hazy = L::select(mine, L::one(), hazy);
        }
    }
    let found = L::zero().le(hits.geom);
    if L::any(found) {
        let mut surface = shade::shade(look, base, normal, direction, sunlight);
        let mut gloss = None;
        if COATED && L::any(L::zero().lt(glossy)) {
            let finished = Gloss::new(coats, base, normal, direction);
            surface = V3::select(L::zero().lt(glossy), finished.shade(look, sunlight), surface);
            gloss = Some((L::zero().lt(glossy), finished));
        }
        if !shot.lamps.is_empty() {
            surface = surface + lamps::lamplight(shot, rays, hits, base, normal, gloss.as_ref(), casters);
        }
        color = V3::select(found, surface, color);
        if L::any(L::zero().lt(hazy)) {
            color = V3::select(L::zero().lt(hazy), shade::haze(look, color, distance), color);
        }
    }
    color
}

/// What a coat's texture shows to the lanes that see the same geom as lane `first`.
#[inline(always)]
fn pictured<L: Wide>(
    shot: &Shot<'_>,
    ids: &[f32; MOST_LANES],
    first: usize,
    coat: &Coat,
    local: V3<L>,
    hits: &Hits<L>,
    footprint: L,
) -> V3<L> {
    let (local, footprint, triangle) = (lanes(local), lane(footprint), lane(hits.triangle));
    let weights = hits.weights.map(|weight| lane(weight));
    let mut shown = [[1.0; MOST_LANES]; 3];
    for k in first..L::WIDTH {
        if ids[k] == ids[first] {
            let place = Place {
                local: Vec3::new(local[0][k], local[1][k], local[2][k]),
                triangle: triangle[k].max(0.0) as usize,
                weights: [weights[0][k], weights[1][k]],
                footprint: footprint[k],
            };
            let color = texture::textured(&shot.scene.assets, &shot.scene.texels, coat, &place);
            [shown[0][k], shown[1][k], shown[2][k]] = color.to_array();
        }
    }
    from_lanes(&shown)
}
