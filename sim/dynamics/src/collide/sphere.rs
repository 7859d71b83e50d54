//! A sphere and a primitive.

use super::{Contact, Placed};
use crate::lane::Num;
use crate::space::V3;

/// Newton steps of [`sphere_ellipsoid`].
const ELLIPSOID_STEPS: usize = 6;

/// Two balls; `fallback` is the normal of balls with the same centre.
#[inline(always)]
pub(super) fn balls<N: Num>(a: V3<N>, a_radius: N, b: V3<N>, b_radius: N, fallback: V3<N>) -> Contact<N> {
    let (normal, length) = (b - a).normalize_or(fallback);
    let distance = length - (a_radius + b_radius);
    Contact { distance, position: normal.mul_add(distance.mul_add(N::of(0.5), a_radius), a), normal }
}

/// A ball and a surface `gap` away from the ball's centre (negative inside) with the unit normal `outward` there.
#[inline(always)]
pub(super) fn ball_at<N: Num>(centre: V3<N>, radius: N, outward: V3<N>, gap: N) -> Contact<N> {
    let position = outward.mul_add((gap + radius) * N::of(-0.5), centre);
    Contact { distance: gap - radius, position, normal: -outward }
}

/// Two spheres. With the same centre the normal is the first one's z axis.
#[inline(always)]
pub fn sphere_sphere<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    [balls(a.position, a.size.x, b.position, b.size.x, a.rotation.column(2))]
}

/// A sphere and a capsule. With its centre on the capsule's axis the normal is the capsule's x axis.
#[inline(always)]
pub fn sphere_capsule<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    let axis = b.rotation.column(2);
    let along = (a.position - b.position).dot(axis).clamp(-b.size.y, b.size.y);
    let nearest = axis.mul_add(along, b.position);
    [balls(a.position, a.size.x, nearest, b.size.x, b.rotation.column(0))]
}

/// A sphere and a cylinder. With its centre inside, the normal is that of the nearest of side and caps.
#[inline(always)]
pub fn sphere_cylinder<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    let (zero, one) = (N::zero(), N::one());
    let p = b.rotation.transpose_mul(a.position - b.position);
    // In the plane through the axis and the centre.
    let rho = p.x.mul_add(p.x, p.y * p.y).sqrt();
    let central = rho.lt(N::of(1e-12));
    let inverse = one / N::select(central, one, rho);
    let (cx, cy) = (N::select(central, one, p.x * inverse), p.y * inverse);
    let (side, cap) = (rho - b.size.x, p.z.abs() - b.size.y);
    let (over_side, over_cap) = (side.max(zero), cap.max(zero));
    let outside = over_side.mul_add(over_side, over_cap * over_cap).sqrt();
    let within = outside.lt(N::of(1e-12));
    let nearer_side = cap.lt(side);
    let outside_inverse = one / N::select(within, one, outside);
    let radial = N::select(within, N::select(nearer_side, one, zero), over_side * outside_inverse);
    let axial = N::select(within, N::select(nearer_side, zero, one), over_cap * outside_inverse);
    let gap = N::select(within, side.max(cap), outside);
    let outward = b.rotation * V3::new(cx * radial, cy * radial, p.z.sign() * axial);
    [ball_at(a.position, a.size.x, outward, gap)]
}

/// Signed distance of a point from the box `|x| <= half`, and the outward unit normal there. Inside, it is that of the
/// nearest face.
#[inline(always)]
pub(super) fn box_distance<N: Num>(p: V3<N>, half: V3<N>) -> (N, V3<N>) {
    let (zero, one) = (N::zero(), N::one());
    let over = V3::new(p.x.abs() - half.x, p.y.abs() - half.y, p.z.abs() - half.z);
    let beyond = V3::new(over.x.max(zero), over.y.max(zero), over.z.max(zero));
    let is_x = over.y.le(over.x) & over.z.le(over.x);
    let is_y = !is_x & over.z.le(over.y);
    let face =
        V3::new(N::select(is_x, one, zero), N::select(is_y, one, zero), N::select(is_x | is_y, zero, one));
    let (n, length) = beyond.normalize_or(face);
    let gap = N::select(zero.lt(length), length, over.x.max(over.y).max(over.z));
    (gap, V3::new(n.x * p.x.sign(), n.y * p.y.sign(), n.z * p.z.sign()))
}

/// A sphere and a box. With its centre inside, the normal is that of the nearest face.
#[inline(always)]
pub fn sphere_box<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    let local = b.rotation.transpose_mul(a.position - b.position);
    let (gap, outward) = box_distance(local, b.size);
    [ball_at(a.position, a.size.x, b.rotation * outward, gap)]
}

/// A sphere and an ellipsoid, inside or outside.
///
/// The nearest point x of the surface to p has p - x along the gradient: xᵢ = sᵢ²pᵢ / (t + sᵢ²), and t is the root of
/// `|(sᵢpᵢ / (t + sᵢ²))| = 1`. The reciprocal of that norm is concave and almost straight in t, so that Newton's
/// steps from the left climb to the root without passing it (Moré and Sorensen, Computing a Trust Region Step, 1983).
#[inline(always)]
pub fn sphere_ellipsoid<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    let (zero, one) = (N::zero(), N::one());
    let thin = N::of(1e-6);
    let size = V3::new(b.size.x.max(thin), b.size.y.max(thin), b.size.z.max(thin));
    let local = b.rotation.transpose_mul(a.position - b.position);
    // Kept off the planes of symmetry, where the nearest point of an inner p is not unique.
    let tiny = N::of(1e-6);
    let away = V3::new(
        local.x.abs().max(size.x * tiny),
        local.y.abs().max(size.y * tiny),
        local.z.abs().max(size.z * tiny),
    );
    let p = V3::new(away.x * local.x.sign(), away.y * local.y.sign(), away.z * local.z.sign());
    // The root is sought as t + least², which is precise where t is near its pole.
    let least = size.x.min(size.y).min(size.z);
    let more = V3::new(
        (size.x - least) * (size.x + least),
        (size.y - least) * (size.y + least),
        (size.z - least) * (size.z + least),
    );
    let pull = V3::new(away.x * size.x, away.y * size.y, away.z * size.z);
    let mut root = (pull.x - more.x).max(pull.y - more.y).max(pull.z - more.z);
    for _ in 0..ELLIPSOID_STEPS {
        let inverse = V3::new(one / (root + more.x), one / (root + more.y), one / (root + more.z));
        let x = V3::new(pull.x * inverse.x, pull.y * inverse.y, pull.z * inverse.z);
        let squared = x.length_squared();
        let slope = (x.x * x.x).mul_add(inverse.x, (x.y * x.y).mul_add(inverse.y, (x.z * x.z) * inverse.z));
        root = root + ((squared.sqrt() - one).max(zero) * squared) / slope;
    }
    let gradient = V3::new(p.x / (root + more.x), p.y / (root + more.y), p.z / (root + more.z));
    let (outward, length) = gradient.normalize_or(V3::unit(2));
    let gap = (root - least * least) * length;
    [ball_at(a.position, a.size.x, b.rotation * outward, gap)]
}
