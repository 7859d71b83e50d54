//! Light of lamps: the formulas of `lamps.wgsl`.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::Lamp;

use super::gloss::Gloss;
use super::list::{self, Candidate};
use super::packet::{FAR_AWAY, Hits, OFF, Rays, Wide, lane, splat};
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
    gloss: Option<&(L::Mask, Gloss<L>)>,
    casters: &mut Vec<Candidate>,
) -> V3<L> {
    let (zero, one) = (L::zero(), L::one());
    let found = zero.le(hits.geom);
    let point = rays.direction.mul_add(hits.t, rays.origin);
    let mut sum = V3::zero();
    for lamp in shot.lamps {
        let way = splat::<L>(lamp.position) - point;
        let mut distance = way.length();
        let mut towards = way * (one / distance.max(L::splat(1e-6)));
        if lamp.parallel != 0 {
            distance = L::splat(FAR_AWAY);
            towards = splat(lamp.direction.map(|x| -x));
        }
        let facing = normal.dot(towards);
        let share = (distance / L::splat(lamp.range)).square().square();
        let by_distance = L::splat(lamp.linear) + distance * L::splat(lamp.quadratic);
        let divided = L::splat(lamp.constant) + distance * by_distance;
        let left = (one - share).clamp(zero, one) / divided.max(L::splat(1e-4));
        let angle = -towards.dot(splat(lamp.direction)) - L::splat(lamp.edge);
        let inside = (angle * L::splat(lamp.sharpness)).clamp(zero, one);
        let mut strength = left * inside.square();
        if lamp.exponent > 0.0 {
            strength = strength * power(-towards.dot(splat(lamp.direction)), lamp.exponent);
        }
        if lamp.parallel != 0 {
            strength = one;
        }
        let mut lit = found & zero.lt(facing) & zero.lt(hits.normal.dot(towards)) & zero.lt(strength);
        if lamp.shadow != 0 && shot.scene.shadows && L::any(lit) {
            lit = lit & unshaded(shot, hits, point, lamp, towards, distance, lit, casters);
        }
        let strength = L::select(lit, strength, zero);
        let shine = shade::shine(normal, towards, rays.direction);
        let mut back = V3::new(
            color.x.mul_add(facing, shine),
            color.y.mul_add(facing, shine),
            color.z.mul_add(facing, shine),
        );
        if let Some((glossy, gloss)) = gloss {
            back = V3::select(*glossy, gloss.glossed(towards), back);
        }
        let [r, g, b] = lamp.color.map(|c| L::splat(c));
        sum = sum + V3::new(r * back.x, g * back.y, b * back.z) * strength;
    }
    sum
}

/// A power of a cosine, a lane at a time: few lamps have one.
#[inline(always)]
fn power<L: Wide>(cosine: L, exponent: f32) -> L {
    let mut lanes = lane(cosine);
    for k in 0..L::WIDTH {
        lanes[k] = lanes[k].max(1e-6).powf(exponent);
    }
    L::read(&lanes)
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
    let assets = &shot.scene.assets;
    match lamp.parallel != 0 {
        true => {
            let from = lamp.direction.map(|x| -x);
            list::towards_sun::<L>(assets, shot.spheres, from, middle, around, casters);
        }
        false => list::towards_lamp::<L>(assets, shot.spheres, lamp.position, middle, around, casters),
    }
    let rays = Rays { origin, direction: towards };
    L::zero().lt(unblocked(shot, &rays, open, casters))
}
