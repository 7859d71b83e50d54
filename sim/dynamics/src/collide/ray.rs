//! How far a ray goes until it meets a shape, for sensors.
//!
//! A ray starts at a point and has a unit direction; what it meets is a surface, so a ray from inside meets the wall
//! ahead of it. A plane is met from above only. [`FAR`] if there is nothing ahead.

use super::height_field::Field;
use super::support::times;
use super::{FAR, Placed};
use crate::lane::Num;
use crate::machine::{Machine, Var};
use crate::space::V3;

/// Slopes below this count as none \[m/m\].
const LEVEL: f64 = 1e-9;

/// A half line.
#[derive(Clone, Copy, Debug)]
pub struct Ray<N> {
    /// Where it starts \[m\].
    pub origin: V3<N>,
    /// Unit vector.
    pub direction: V3<N>,
}

impl<N: Num> Ray<N> {
    /// The ray in the frame of a shape.
    #[inline(always)]
    fn seen_from(&self, shape: &Placed<N>) -> Self {
        Self {
            origin: shape.rotation.transpose_mul(self.origin - shape.position),
            direction: shape.rotation.transpose_mul(self.direction),
        }
    }

    #[inline(always)]
    fn at(&self, distance: N) -> V3<N> {
        self.direction.mul_add(distance, self.origin)
    }
}

/// `distance` if it is ahead and allowed, else [`FAR`].
#[inline(always)]
fn ahead<N: Num>(distance: N, allowed: N::Mask) -> N {
    N::select(allowed & N::zero().le(distance), distance, N::of(FAR))
}

/// A divisor that is not zero.
#[inline(always)]
fn divisor<N: Num>(x: N) -> N {
    N::select(x.abs().lt(N::of(LEVEL)), x.sign() * N::of(LEVEL), x)
}

/// Both roots of `a t² + 2 b t + c`, and whether there are any.
#[inline(always)]
fn roots<N: Num>(a: N, b: N, c: N) -> (N::Mask, [N; 2]) {
    let discriminant = b.mul_add(b, -(a * c));
    let exists = N::of(LEVEL * LEVEL).lt(a) & N::zero().le(discriminant);
    let root = discriminant.max(N::zero()).sqrt();
    let inverse = N::one() / N::select(exists, a, N::one());
    (exists, [(-b - root) * inverse, (root - b) * inverse])
}

/// The nearer of the roots that are ahead and allowed.
#[inline(always)]
fn nearer<N: Num>((exists, roots): (N::Mask, [N; 2]), allowed: [N::Mask; 2]) -> N {
    ahead(roots[0], exists & allowed[0]).min(ahead(roots[1], exists & allowed[1]))
}

/// The nearer of the roots that are ahead.
#[inline(always)]
fn nearest<N: Num>((exists, roots): (N::Mask, [N; 2])) -> N {
    nearer((exists, roots), [exists, exists])
}

/// To a plane.
#[inline(always)]
pub fn ray_plane<N: Num>(ray: &Ray<N>, shape: &Placed<N>) -> N {
    let Ray { origin, direction } = ray.seen_from(shape);
    ahead(-(origin.z / divisor(direction.z)), direction.z.lt(N::of(-LEVEL)))
}

#[inline(always)]
fn ball<N: Num>(origin: V3<N>, direction: V3<N>, radius: N) -> (N::Mask, [N; 2]) {
    roots(N::one(), origin.dot(direction), origin.length_squared() - radius * radius)
}

/// To a sphere.
#[inline(always)]
pub fn ray_sphere<N: Num>(ray: &Ray<N>, shape: &Placed<N>) -> N {
    nearest(ball(ray.origin - shape.position, ray.direction, shape.size.x))
}

/// Where the ray meets the wall of a cylinder without ends.
#[inline(always)]
fn wall<N: Num>(ray: &Ray<N>, radius: N) -> (N::Mask, [N; 2]) {
    let (o, d) = (ray.origin, ray.direction);
    roots(d.x * d.x + d.y * d.y, o.x * d.x + o.y * d.y, o.x * o.x + o.y * o.y - radius * radius)
}

/// To the wall of a cylinder between its ends.
#[inline(always)]
fn to_side<N: Num>(ray: &Ray<N>, radius: N, half: N) -> N {
    let (exists, [t, u]) = wall(ray, radius);
    nearer((exists, [t, u]), [ray.at(t).z.abs().le(half), ray.at(u).z.abs().le(half)])
}

/// Whether a point lies in the circle about the z axis.
#[inline(always)]
fn in_circle<N: Num>(p: V3<N>, radius: N) -> N::Mask {
    (p.x * p.x + p.y * p.y).le(radius * radius)
}

/// To a capsule.
#[inline(always)]
pub fn ray_capsule<N: Num>(ray: &Ray<N>, shape: &Placed<N>) -> N {
    let ray = ray.seen_from(shape);
    let (radius, half) = (shape.size.x, shape.size.y);
    let side = to_side(&ray, radius, half);
    let tip = V3::unit(2) * half;
    let (exists, [t, u]) = ball(ray.origin - tip, ray.direction, radius);
    let top = nearer((exists, [t, u]), [half.le(ray.at(t).z), half.le(ray.at(u).z)]);
    let (exists, [t, u]) = ball(ray.origin + tip, ray.direction, radius);
    let bottom = nearer((exists, [t, u]), [ray.at(t).z.le(-half), ray.at(u).z.le(-half)]);
    side.min(top).min(bottom)
}

/// To a cylinder.
#[inline(always)]
pub fn ray_cylinder<N: Num>(ray: &Ray<N>, shape: &Placed<N>) -> N {
    let ray = ray.seen_from(shape);
    let (radius, half) = (shape.size.x, shape.size.y);
    let side = to_side(&ray, radius, half);
    let inverse = N::one() / divisor(ray.direction.z);
    let (top, bottom) = ((half - ray.origin.z) * inverse, (-half - ray.origin.z) * inverse);
    let tilted = N::of(LEVEL).lt(ray.direction.z.abs());
    let within = [in_circle(ray.at(top), radius), in_circle(ray.at(bottom), radius)];
    side.min(nearer((tilted, [top, bottom]), within))
}

/// To an ellipsoid.
#[inline(always)]
pub fn ray_ellipsoid<N: Num>(ray: &Ray<N>, shape: &Placed<N>) -> N {
    let ray = ray.seen_from(shape);
    let one = N::one();
    let shrink = V3::new(one / shape.size.x, one / shape.size.y, one / shape.size.z);
    let (o, d) = (times(ray.origin, shrink), times(ray.direction, shrink));
    nearest(roots(d.length_squared(), o.dot(d), o.length_squared() - one))
}

/// The distance at which a ray that is inside from `enter` to `leave` meets the surface.
#[inline(always)]
fn through<N: Num>(enter: N, leave: N) -> N {
    ahead(N::select(enter.lt(N::zero()), leave, enter), enter.le(leave) & leave.lt(N::of(FAR)))
}

/// To a box.
#[inline(always)]
pub fn ray_box<N: Num>(ray: &Ray<N>, shape: &Placed<N>) -> N {
    let Ray { origin: o, direction: d } = ray.seen_from(shape);
    let h = shape.size;
    let (mut enter, mut leave) = (N::of(-FAR), N::of(FAR));
    for (o, d, h) in [(o.x, d.x, h.x), (o.y, d.y, h.y), (o.z, d.z, h.z)] {
        let inverse = N::one() / divisor(d);
        let (low, high) = ((-h - o) * inverse, (h - o) * inverse);
        enter = enter.max(low.min(high));
        leave = leave.min(low.max(high));
    }
    through(enter, leave)
}

/// To a hull, by its `count` faces from `faces` of the model's numbers; the centre is the three numbers at `center`
/// (see [`HullTable`](super::hull_table::HullTable)).
#[inline(always)]
pub fn ray_hull<M: Machine>(
    m: &M,
    ray: &Ray<M::Num>,
    shape: &Placed<M::Num>,
    center: M::Int,
    faces: M::Int,
    count: M::Int,
) -> M::Num {
    let ray = ray.seen_from(shape);
    let start = ray.origin - m.real3(center);
    let far = M::Num::of(FAR);
    let zero = M::Num::zero();
    let (mut enter, mut leave) = (m.var(-far), m.var(far));
    for i in m.range(0, count) {
        let normal = m.real3(faces + i * 4);
        let room = m.real(faces + i * 4 + 3) - normal.dot(start);
        let slope = normal.dot(ray.direction);
        let t = room / divisor(slope);
        let along = slope.abs().lt(M::Num::of(LEVEL));
        // A ray along a face is inside of it all the way, or never.
        let first = M::Num::select(along, M::Num::select(room.lt(zero), far, -far), t);
        enter.set(M::Num::select(along | slope.lt(zero), enter.get().max(first), enter.get()));
        leave.set(M::Num::select(!along & zero.lt(slope), leave.get().min(t), leave.get()));
    }
    through(enter.get(), leave.get())
}

/// To the surface of a height field, from above or below. `steps` is the number of its rows and columns together.
#[inline(always)]
pub fn ray_height_field<M: Machine>(m: &M, ray: &Ray<M::Num>, field: &Field<M>, steps: M::Int) -> M::Num {
    let num = M::Num::of;
    let (zero, one, far) = (M::Num::zero(), M::Num::one(), M::Num::of(FAR));
    let [[u, v], [du, dv], [last_u, last_v]] = field.on_grid(ray.origin, ray.direction);
    let (z, dz) = field.heights_along(ray.origin, ray.direction);
    // From where to where the ray is over the field.
    let (mut enter, mut leave) = (zero, far);
    for (x, dx, last) in [(u, du, last_u), (v, dv, last_v)] {
        let inverse = one / divisor(dx);
        let (low, high) = (-(x * inverse), (last - x) * inverse);
        enter = enter.max(low.min(high));
        leave = leave.min(low.max(high));
    }
    let mut column = m.var(du.mul_add(enter, u).floor().clamp(zero, last_u - one));
    let mut row = m.var(dv.mul_add(enter, v).floor().clamp(zero, last_v - one));
    let mut met = m.var(far);
    let mut active = m.var(M::Num::select(enter.le(leave), one, zero));
    for _ in m.range(0, steps) {
        let running = zero.lt(active.get());
        if let Some(_then) = m.when(m.any(running)) {
            let (c, r) = (column.get(), row.get());
            let [low, right, high, up] = field.cell(m, c, r);
            let mut nearest = far;
            // In grid units from the corner of the cell, the triangles are height = low + x rise_x + y rise_y.
            for (under, rise_x, rise_y) in [(true, right - low, high - right), (false, high - up, up - low)] {
                let start = z - low - (u - c) * rise_x - (v - r) * rise_y;
                let slope = dz - du * rise_x - dv * rise_y;
                let t = -(start / divisor(slope));
                let (x, y) = (du.mul_add(t, u - c), dv.mul_add(t, v - r));
                let (small, large) = if under { (y, x) } else { (x, y) };
                let slack = num(1e-5);
                let on = (-slack).le(small) & small.le(large + slack) & large.le(one + slack);
                nearest = nearest.min(ahead(t, on & num(LEVEL).lt(slope.abs())));
            }
            met.set(M::Num::select(running, met.get().min(nearest), met.get()));
            // The next cell.
            let along_u = border(u, du, c).lt(border(v, dv, r));
            let next_c = M::Num::select(along_u, c + du.sign(), c);
            let next_r = M::Num::select(along_u, r, r + dv.sign());
            let outside = next_c.lt(zero) | last_u.le(next_c) | next_r.lt(zero) | last_v.le(next_r);
            column.set(M::Num::select(running & !outside, next_c, c));
            row.set(M::Num::select(running & !outside, next_r, r));
            let done = outside | nearest.lt(far);
            active.set(M::Num::select(running & done, zero, active.get()));
        }
    }
    met.get()
}

/// Where a ray that is at `x` and gains `dx` a metre leaves the cell from `cell` to `cell + 1`.
#[inline(always)]
fn border<N: Num>(x: N, dx: N, cell: N) -> N {
    let to = N::select(N::zero().lt(dx), cell + N::one(), cell);
    N::select(N::of(LEVEL).lt(dx.abs()), (to - x) / divisor(dx), N::of(FAR))
}
