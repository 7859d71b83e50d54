//! Where rays enter a shape, in the shape's own frame: the formulas of `shapes.wgsl`. Distances are along the ray, `MISS`
//! where it does not enter. A ray that starts inside a shape does not see it.

use keiko_dynamics::space::V3;

use super::packet::{MISS, Rays, Wide, inverse};

/// Distances, and what is normal to the surface there, of any length.
pub struct Entries<L> {
    pub t: L,
    pub normal: V3<L>,
}

/// Half space below z = 0, cut to a rectangle where `half` is positive.
#[inline(always)]
pub fn plane<L: Wide>(rays: &Rays<L>, half: [f32; 2]) -> Entries<L> {
    let (o, d) = (rays.origin, rays.direction);
    let t = -o.z / d.z;
    let mut enters = d.z.lt(L::zero()) & L::zero().lt(o.z);
    if half[0] > 0.0 {
        enters = enters & d.x.mul_add(t, o.x).abs().le(L::splat(half[0]));
    }
    if half[1] > 0.0 {
        enters = enters & d.y.mul_add(t, o.y).abs().le(L::splat(half[1]));
    }
    Entries { t: L::select(enters, t, L::splat(MISS)), normal: V3::unit(2) }
}

#[inline(always)]
pub fn sphere<L: Wide>(rays: &Rays<L>, radius: f32) -> Entries<L> {
    let t = ball(rays.origin, rays.direction, radius);
    Entries { t, normal: rays.direction.mul_add(t, rays.origin) }
}

/// The distance to the axis is taken first: r² - |q|² keeps its digits far from the origin.
#[inline(always)]
fn ball<L: Wide>(o: V3<L>, d: V3<L>, radius: f32) -> L {
    let b = o.dot(d);
    let q = o - d * b;
    let h = L::splat(radius * radius) - q.dot(q);
    let t = -b - h.max(L::zero()).sqrt();
    L::select(L::zero().le(h) & L::zero().lt(t), t, L::splat(MISS))
}

/// The curved side of a cylinder along z.
#[inline(always)]
fn tube<L: Wide>(o: V3<L>, d: V3<L>, radius: f32, half_length: f32) -> L {
    let dd = d.x.mul_add(d.x, d.y * d.y);
    let b = o.x.mul_add(d.x, o.y * d.y) / dd;
    let (x, y) = (o.x - b * d.x, o.y - b * d.y);
    let h = L::splat(radius * radius) - x.mul_add(x, y * y);
    let t = -b - (h / dd).max(L::zero()).sqrt();
    let within = d.z.mul_add(t, o.z).abs().le(L::splat(half_length));
    let enters = L::splat(1e-12).le(dd) & L::zero().le(h) & L::zero().lt(t) & within;
    L::select(enters, t, L::splat(MISS))
}

#[inline(always)]
pub fn capsule<L: Wide>(rays: &Rays<L>, radius: f32, half_length: f32) -> Entries<L> {
    let (o, d) = (rays.origin, rays.direction);
    let mut t = tube(o, d, radius, half_length);
    let p = d.mul_add(t, o);
    let mut normal = V3::new(p.x, p.y, L::zero());
    for end in [-1.0, 1.0] {
        let mut o = o;
        o.z = o.z - L::splat(end * half_length);
        let t_end = ball(o, d, radius);
        let p = d.mul_add(t_end, o);
        let nearer = t_end.lt(t) & L::zero().le(p.z * L::splat(end));
        t = L::select(nearer, t_end, t);
        normal = V3::select(nearer, p, normal);
    }
    Entries { t, normal }
}

#[inline(always)]
pub fn cylinder<L: Wide>(rays: &Rays<L>, radius: f32, half_length: f32) -> Entries<L> {
    let (o, d) = (rays.origin, rays.direction);
    let t = tube(o, d, radius, half_length);
    let p = d.mul_add(t, o);
    let end = -d.z.sign();
    let t_end = (end * L::splat(half_length) - o.z) / d.z;
    let (x, y) = (d.x.mul_add(t_end, o.x), d.y.mul_add(t_end, o.y));
    let on_disc = L::splat(half_length).lt(end * o.z) & x.mul_add(x, y * y).le(L::splat(radius * radius));
    let by_end = on_disc & t_end.lt(t);
    let side = V3::new(p.x, p.y, L::zero());
    Entries {
        t: L::select(by_end, t_end, t),
        normal: V3::select(by_end, V3::new(L::zero(), L::zero(), end), side),
    }
}

#[inline(always)]
pub fn cuboid<L: Wide>(rays: &Rays<L>, half: [f32; 3]) -> Entries<L> {
    let (o, d) = (rays.origin, rays.direction);
    let inverse = inverse(d);
    let [x, y, z] = half;
    let (x_in, x_out) = between(o.x, inverse.x, -x, x);
    let (y_in, y_out) = between(o.y, inverse.y, -y, y);
    let (z_in, z_out) = between(o.z, inverse.z, -z, z);
    let t = x_in.max(y_in).max(z_in);
    let enters = t.le(x_out.min(y_out).min(z_out)) & L::zero().lt(t);
    // The face that is entered last.
    let (by_x, by_y) = (t.le(x_in), t.le(y_in));
    let face_x = V3::new(-d.x.sign(), L::zero(), L::zero());
    let face_y = V3::new(L::zero(), -d.y.sign(), L::zero());
    let face_z = V3::new(L::zero(), L::zero(), -d.z.sign());
    let normal = V3::select(by_x, face_x, V3::select(by_y, face_y, face_z));
    Entries { t: L::select(enters, t, L::splat(MISS)), normal }
}

/// Where rays come between two planes and leave again, along one axis.
#[inline(always)]
fn between<L: Wide>(o: L, inverse: L, low: f32, high: f32) -> (L, L) {
    let (a, b) = ((L::splat(low) - o) * inverse, (L::splat(high) - o) * inverse);
    (a.min(b), a.max(b))
}

/// A unit sphere in a frame that is stretched; the distance along the ray stays the same there.
#[inline(always)]
pub fn ellipsoid<L: Wide>(rays: &Rays<L>, radii: [f32; 3]) -> Entries<L> {
    let [a, b, c] = radii;
    let (a, b, c) = (L::splat(1.0 / a), L::splat(1.0 / b), L::splat(1.0 / c));
    let (o, d) = (rays.origin, rays.direction);
    let (u, v) = (V3::new(o.x * a, o.y * b, o.z * c), V3::new(d.x * a, d.y * b, d.z * c));
    let vv = v.dot(v);
    let along = u.dot(v) / vv;
    let q = u - v * along;
    let h = L::one() - q.dot(q);
    let t = -along - (h / vv).max(L::zero()).sqrt();
    let p = v.mul_add(t, u);
    Entries {
        t: L::select(L::zero().le(h) & L::zero().lt(t), t, L::splat(MISS)),
        normal: V3::new(p.x * a, p.y * b, p.z * c),
    }
}
