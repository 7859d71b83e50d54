//! Light of lamps: the formulas of `lamps.wgsl`.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::Lamp;

use super::list::{self, Candidate};
use super::packet::{FAR_AWAY, Hits, OFF, Rays, Wide, splat};
use super::shade;
use super::trace::{Shot, bounds, off_the_surface, unblocked};

/// What surfaces with a colour send back of all lamps.
#[inline(always)]
pub fn lamplight<L: Wide>(
    shot: &Shot<'_>,
    rays: &Rays<L>,
    hits: &Hits<L>,
    color: V3<L>,
    normal: V3<L>,
    casters: &mut Vec<Candidate>,
) -> V3<L> {
    let (zero, one) = (L::zero(), L::one());
    let found = zero.le(hits.geom);
    let point = rays.direction.mul_add(hits.t, rays.origin);
    let mut sum = V3::zero();
    for lamp in shot.lamps {
        let way = splat::<L>(lamp.position) - point;
        let distance = way.length();
        let towards = way * (one / distance.max(L::splat(1e-6)));
        let facing = normal.dot(towards);
        let share = (distance / L::splat(lamp.range)).square().square();
        let left = (one - share).clamp(zero, one) / distance.square().max(L::splat(1e-4));
        let angle = -towards.dot(splat(lamp.direction)) - L::splat(lamp.edge);
        let inside = (angle * L::splat(lamp.sharpness)).clamp(zero, one);
        let strength = left * inside.square();
        let mut lit = found & zero.lt(facing) & zero.lt(hits.normal.dot(towards)) & zero.lt(strength);
        if lamp.shadow != 0 && shot.scene.shadows && L::any(lit) {
            lit = lit & unshaded(shot, hits, point, lamp, towards, distance, lit, casters);
        }
        let strength = L::select(lit, strength, zero);
        let shine = shade::shine(normal, towards, rays.direction);
        let back = V3::new(
            color.x.mul_add(facing, shine),
            color.y.mul_add(facing, shine),
            color.z.mul_add(facing, shine),
        );
        let [r, g, b] = lamp.color.map(|c| L::splat(c));
        sum = sum + V3::new(r * back.x, g * back.y, b * back.z) * strength;
    }
    sum
}

/// Where nothing stands between points and a lamp.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "what is known of the points is not worked out twice")]
fn unshaded<L: Wide>(
    shot: &Shot<'_>,
    hits: &Hits<L>,
    point: V3<L>,
    lamp: &Lamp,
    towards: V3<L>,
    distance: L,
    lit: L::Mask,
    casters: &mut Vec<Candidate>,
) -> L::Mask {
    let off = off_the_surface(point, hits.t);
    let origin = hits.normal.mul_add(off, point);
    let open = L::select(lit, (distance - off).min(L::splat(FAR_AWAY)), L::splat(OFF));
    let (middle, around) = bounds(origin, open);
    list::towards_lamp::<L>(&shot.scene.assets, shot.spheres, lamp.position, middle, around, casters);
    let rays = Rays { origin, direction: towards };
    L::zero().lt(unblocked(shot, &rays, open, casters))
}
