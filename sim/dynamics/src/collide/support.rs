//! Convex shapes by their support points.
//!
//! Two kinds serve all shapes. A [`Solid`] is the sum of a box, an ellipsoid and a ball, of which a sphere, a capsule,
//! a cylinder, an ellipsoid and a box each lack something. A [`Hull`](super::hull::Hull) is a list of vertices. The ball's radius is kept
//! apart ([`Convex::radius`]): the distance between cores is found first, and then both radii are taken off.

use super::{Class, Placed};
use crate::lane::Num;
use crate::machine::Machine;
use crate::space::{Mat3, V3};

/// A convex shape: a core that is known by its support points, and a ball that sweeps it.
pub trait Convex<M: Machine> {
    /// A point well inside the core \[m\], world.
    fn center(&self) -> V3<M::Num>;

    /// `world_from_shape`.
    fn rotation(&self) -> Mat3<M::Num>;

    /// Radius of the ball \[m\].
    fn radius(&self) -> M::Num;

    /// The point of the core that is farthest along `direction` (world, any length), from the centre, world axes.
    fn support(&self, m: &M, direction: V3<M::Num>) -> V3<M::Num>;

    /// Corners of the part of the core that lies within `tolerance` \[m\] of the farthest along the unit vector
    /// `direction`: a quadrilateral in cyclic order, from the centre, world axes. Corners coincide where the part is a
    /// triangle, an edge or a point.
    fn face(&self, m: &M, direction: V3<M::Num>, tolerance: M::Num) -> [V3<M::Num>; 4];
}

/// Box ⊕ ellipsoid ⊕ ball, the axes of the first two along those of the shape.
#[derive(Clone, Copy, Debug)]
pub struct Solid<N> {
    /// Centre \[m\], world.
    pub position: V3<N>,
    /// `world_from_shape`.
    pub rotation: Mat3<N>,
    /// Half sizes of the box \[m\].
    pub half_size: V3<N>,
    /// Semi-axes of the ellipsoid \[m\].
    pub semi_axes: V3<N>,
    /// Radius of the ball \[m\].
    pub radius: N,
}

/// Half sizes of the box, semi-axes of the ellipsoid and radius of the ball that make up a shape of a class and three
/// sizes (see [`Placed`]): the numbers that [`Solid::read`] reads. `None` for what is no solid.
pub fn solid_numbers(class: Class, size: [f64; 3]) -> Option<[f64; 7]> {
    let [x, y, z] = size;
    Some(match class {
        Class::Sphere => [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, x],
        Class::Capsule => [0.0, 0.0, y, 0.0, 0.0, 0.0, x],
        Class::Cylinder => [0.0, 0.0, y, x, x, 0.0, 0.0],
        Class::Ellipsoid => [0.0, 0.0, 0.0, x, y, z, 0.0],
        Class::Box => [x, y, z, 0.0, 0.0, 0.0, 0.0],
        Class::Plane | Class::Hull | Class::HeightField => return None,
    })
}

impl<N: Num> Solid<N> {
    /// A solid of any class, so that one routine serves all pairs of them: [`solid_numbers`] lie at `numbers` of the
    /// model's numbers.
    #[inline(always)]
    pub fn read<M: Machine<Num = N>>(m: &M, placed: &Placed<N>, numbers: M::Int) -> Self {
        Self::new(placed, m.real3(numbers), m.real3(numbers + 3), m.real(numbers + 6))
    }

    #[inline(always)]
    fn new(shape: &Placed<N>, half_size: V3<N>, semi_axes: V3<N>, radius: N) -> Self {
        Self { position: shape.position, rotation: shape.rotation, half_size, semi_axes, radius }
    }

    /// A sphere: a point with a radius.
    #[inline(always)]
    pub fn sphere(shape: &Placed<N>) -> Self {
        Self::new(shape, V3::zero(), V3::zero(), shape.size.x)
    }

    /// A capsule: a segment with a radius.
    #[inline(always)]
    pub fn capsule(shape: &Placed<N>) -> Self {
        Self::new(shape, V3::unit(2) * shape.size.y, V3::zero(), shape.size.x)
    }

    /// A cylinder: a segment plus a disc.
    #[inline(always)]
    pub fn cylinder(shape: &Placed<N>) -> Self {
        let disc = V3::new(shape.size.x, shape.size.x, N::zero());
        Self::new(shape, V3::unit(2) * shape.size.y, disc, N::zero())
    }

    /// An ellipsoid.
    #[inline(always)]
    pub fn ellipsoid(shape: &Placed<N>) -> Self {
        Self::new(shape, V3::zero(), shape.size, N::zero())
    }

    /// A box.
    #[inline(always)]
    pub fn cuboid(shape: &Placed<N>) -> Self {
        Self::new(shape, shape.size, V3::zero(), N::zero())
    }

    /// The point of the ellipsoid that is farthest along `d`, shape axes; zero where no axis points that way.
    #[inline(always)]
    fn round(&self, d: V3<N>) -> V3<N> {
        let scaled = times(self.semi_axes, d);
        let (unit, _) = scaled.normalize_or(V3::zero());
        times(self.semi_axes, unit)
    }
}

/// Product of components.
#[inline(always)]
pub(super) fn times<N: Num>(a: V3<N>, b: V3<N>) -> V3<N> {
    V3::new(a.x * b.x, a.y * b.y, a.z * b.z)
}

impl<M: Machine> Convex<M> for Solid<M::Num> {
    #[inline(always)]
    fn center(&self) -> V3<M::Num> {
        self.position
    }

    #[inline(always)]
    fn rotation(&self) -> Mat3<M::Num> {
        self.rotation
    }

    #[inline(always)]
    fn radius(&self) -> M::Num {
        self.radius
    }

    #[inline(always)]
    fn support(&self, _: &M, direction: V3<M::Num>) -> V3<M::Num> {
        let d = self.rotation.transpose_mul(direction);
        let corner = times(self.half_size, V3::new(d.x.sign(), d.y.sign(), d.z.sign()));
        self.rotation * (corner + self.round(d))
    }

    #[inline(always)]
    fn face(&self, _: &M, direction: V3<M::Num>, tolerance: M::Num) -> [V3<M::Num>; 4] {
        let num = M::Num::of;
        let d = self.rotation.transpose_mul(direction);
        let (ax, ay, az) = (d.x.abs(), d.y.abs(), d.z.abs());
        // The axis that the face looks along; the others are its sides.
        let along_z = ay.le(az) & ax.le(az);
        let along_y = !along_z & ax.le(ay);
        let along_x = !along_z & !along_y;
        // A cap shows where the disc rises little.
        let radial = (d.x.square() + d.y.square()).sqrt();
        let cap = along_z
            & (radial * self.semi_axes.x * num(2.0)).le(tolerance)
            & (self.semi_axes.z + self.half_size.x + self.half_size.y).le(M::Num::zero());
        let round = self.round(d);
        let disc = self.semi_axes.x * num(std::f64::consts::FRAC_1_SQRT_2);
        // Signs along the two sides, around the face.
        const AROUND: [(bool, bool); 4] = [(true, true), (false, true), (false, false), (true, false)];
        let half = self.half_size;
        let mut corners = [V3::zero(); 4];
        for (corner, (first, second)) in corners.iter_mut().zip(AROUND) {
            // Sides are (x, y), (z, x) or (y, z).
            let x = M::Num::select(
                along_z,
                end(d.x, half.x, along_x, tolerance, first),
                end(d.x, half.x, along_x, tolerance, second),
            );
            let y = M::Num::select(
                along_z,
                end(d.y, half.y, along_y, tolerance, second),
                end(d.y, half.y, along_y, tolerance, first),
            );
            let z = M::Num::select(
                along_y,
                end(d.z, half.z, along_z, tolerance, first),
                end(d.z, half.z, along_z, tolerance, second),
            );
            let rim = V3::new(signed(disc, first), signed(disc, second), M::Num::zero());
            *corner = self.rotation * (V3::new(x, y, z) + V3::select(cap, rim, round));
        }
        corners
    }
}

/// `x`, or `-x`.
#[inline(always)]
fn signed<N: Num>(x: N, up: bool) -> N {
    if up { x } else { -x }
}

/// The end of a side of a face that looks along `d`: the one asked for where the side rises little, so that both ends
/// belong to the face, else the farther one. `main` tells that the axis is no side.
#[inline(always)]
fn end<N: Num>(d: N, half: N, main: N::Mask, tolerance: N, up: bool) -> N {
    let flat = !main & (d.abs() * half * N::of(2.0)).le(tolerance);
    N::select(flat, signed(half, up), d.sign() * half)
}
