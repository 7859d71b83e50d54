//! A plane and a primitive. The contacts are MuJoCo's, in slots that do not swap while a shape rolls or rocks.

use super::{Contact, Placed};
use crate::lane::Num;
use crate::space::V3;

/// Below this sine of its tilt a cylinder stands flat, and its rim points stop turning with the noise of its pose.
const FLAT: f64 = 1e-5;

/// The contact of the plane with normal `normal` and a point of `b`'s surface, `gap` above it.
#[inline(always)]
fn on_plane<N: Num>(normal: V3<N>, point: V3<N>, gap: N) -> Contact<N> {
    Contact { distance: gap, position: normal.mul_add(gap * N::of(-0.5), point), normal }
}

/// A plane and a sphere.
#[inline(always)]
pub fn plane_sphere<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    [plane_ball(a, b.position, b.size.x)]
}

/// A plane and a ball.
#[inline(always)]
fn plane_ball<N: Num>(a: &Placed<N>, centre: V3<N>, radius: N) -> Contact<N> {
    let normal = a.rotation.column(2);
    let gap = (centre - a.position).dot(normal) - radius;
    on_plane(normal, normal.mul_add(-radius, centre), gap)
}

/// A plane and a capsule: its ends at +z and at -z.
#[inline(always)]
pub fn plane_capsule<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 2] {
    let half = b.rotation.column(2) * b.size.y;
    [plane_ball(a, b.position + half, b.size.x), plane_ball(a, b.position - half, b.size.x)]
}

/// A plane and a cylinder: the lowest points of the rim at +z and of the rim at -z, then the two points of the lower
/// rim that make an equilateral triangle with its lowest one.
#[inline(always)]
pub fn plane_cylinder<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 4] {
    let normal = a.rotation.column(2);
    let axis = b.rotation.column(2);
    let radius = b.size.x;
    let along = normal.dot(axis);
    // Downhill in the cap; any fixed direction of the cylinder where the cap is level.
    let across = axis * along - normal;
    let tilt = across.length();
    let level = tilt.lt(N::of(FLAT));
    let inverse = N::one() / N::select(level, N::one(), tilt);
    let down = V3::select(level, b.rotation.column(0), across * inverse);
    let drop = N::select(level, down.dot(normal), -tilt) * radius;

    let half = axis * b.size.y;
    let rise = along * b.size.y;
    let height = (b.position - a.position).dot(normal);
    let rim = down.mul_add(radius, b.position);
    let plus = on_plane(normal, rim + half, height + rise + drop);
    let minus = on_plane(normal, rim - half, height - rise + drop);

    let up = N::zero().lt(rise);
    let low_half = V3::select(up, -half, half);
    let back = down.mul_add(radius * N::of(-0.5), b.position + low_half);
    let side = axis.cross(down) * (radius * N::of(0.75f64.sqrt()));
    let low = height - rise.abs() - drop * N::of(0.5);
    let tip = side.dot(normal);
    [plus, minus, on_plane(normal, back + side, low + tip), on_plane(normal, back - side, low - tip)]
}

/// A plane and an ellipsoid: its lowest point.
#[inline(always)]
pub fn plane_ellipsoid<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 1] {
    let normal = a.rotation.column(2);
    let local = b.rotation.transpose_mul(normal);
    let scaled = V3::new(local.x * b.size.x, local.y * b.size.y, local.z * b.size.z);
    let reach = scaled.length();
    let inverse = N::one() / reach.max(N::of(1e-12));
    let foot = V3::new(scaled.x * b.size.x, scaled.y * b.size.y, scaled.z * b.size.z) * -inverse;
    let gap = (b.position - a.position).dot(normal) - reach;
    [on_plane(normal, b.position + b.rotation * foot, gap)]
}

/// A plane and a box: of each of the four diagonals the lower corner. So a face, an edge and a corner that touch keep
/// their slots until they are as high as the centre.
#[inline(always)]
pub fn plane_box<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 4] {
    let normal = a.rotation.column(2);
    let height = (b.position - a.position).dot(normal);
    let x = b.rotation.column(0) * b.size.x;
    let y = b.rotation.column(1) * b.size.y;
    let z = b.rotation.column(2) * b.size.z;
    let (sum, difference) = (x + y, x - y);
    let diagonals = [z + sum, z + difference, z - difference, z - sum];
    let mut contacts = [Contact::none(); 4];
    for (contact, diagonal) in contacts.iter_mut().zip(diagonals) {
        let rise = diagonal.dot(normal);
        let down = V3::select(N::zero().lt(rise), -diagonal, diagonal);
        *contact = on_plane(normal, b.position + down, height - rise.abs());
    }
    contacts
}
