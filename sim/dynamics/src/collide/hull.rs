//! Convex hulls of meshes.

use super::support::Convex;
use super::{Contact, FAR, Placed};
use crate::lane::Num;
use crate::machine::{Machine, Var};
use crate::space::{Mat3, V3};

/// Height differences below this share of a vertex's distance from the others count as none when the first corner of a
/// face is chosen, so that it stays the same corner while the shape rests.
const LEVEL: f64 = 1e-3;

/// The convex hull of vertices that are a table of the model: see [`HullTable`](super::hull_table::HullTable).
#[derive(Clone, Copy, Debug)]
pub struct Hull<M: Machine> {
    center: V3<M::Num>,
    rotation: Mat3<M::Num>,
    vertices: M::Int,
    count: M::Int,
}

impl<M: Machine> Hull<M> {
    /// The hull whose `count` vertices, relative to the centre, start at `vertices` of the model's numbers; the centre
    /// is the three numbers before.
    #[inline(always)]
    pub fn new(m: &M, shape: &Placed<M::Num>, vertices: M::Int, count: M::Int) -> Self {
        let center = shape.position + shape.rotation * m.real3(vertices - 3);
        Self { center, rotation: shape.rotation, vertices, count }
    }

    /// The vertex of the highest score above `least`, among those that are at least as far along as `gate` asks;
    /// `start` and `least` if there is none. Shape axes, from the centre.
    #[inline(always)]
    fn pick(
        &self,
        m: &M,
        start: V3<M::Num>,
        least: M::Num,
        gate: Option<(V3<M::Num>, M::Num)>,
        score: Score<M::Num>,
    ) -> (V3<M::Num>, M::Num) {
        let (mut x, mut y, mut z) = (m.var(start.x), m.var(start.y), m.var(start.z));
        let mut best = m.var(least);
        for i in m.range(0, self.count) {
            let vertex = m.real3(self.vertices + i * 3);
            let value = match score {
                Score::Along(direction) => vertex.dot(direction),
                Score::From(start, direction) => (vertex - start).dot(direction),
                Score::Away(start) => (vertex - start).length_squared(),
            };
            let mut better = best.get().lt(value);
            if let Some((direction, reach)) = gate {
                better = better & reach.le(vertex.dot(direction));
            }
            best.set(M::Num::select(better, value, best.get()));
            x.set(M::Num::select(better, vertex.x, x.get()));
            y.set(M::Num::select(better, vertex.y, y.get()));
            z.set(M::Num::select(better, vertex.z, z.get()));
        }
        (V3::new(x.get(), y.get(), z.get()), best.get())
    }

    /// The vertex farthest along `d`, and how far. Shape axes, from the centre.
    #[inline(always)]
    fn farthest(&self, m: &M, d: V3<M::Num>) -> (V3<M::Num>, M::Num) {
        self.pick(m, V3::zero(), M::Num::of(-FAR), None, Score::Along(d))
    }

    /// A wide quadrilateral of vertices at least `reach` along the unit vector `d`, in cyclic order: shape axes, from
    /// the centre. Coinciding corners where there are fewer than four vertices.
    #[inline(always)]
    fn corners(&self, m: &M, d: V3<M::Num>, reach: M::Num) -> [V3<M::Num>; 4] {
        let (zero, least) = (M::Num::zero(), M::Num::of(-FAR));
        let gate = Some((d, reach));
        let (side, other) = d.tangents();
        // A direction of the shape, not of the world, and askew: a corner keeps its place while the shape moves.
        let askew = d + (side + other * M::Num::of(0.37)) * M::Num::of(LEVEL);
        let (first, _) = self.pick(m, V3::zero(), least, gate, Score::Along(askew));
        let (second, _) = self.pick(m, first, zero, gate, Score::Away(first));
        let across = d.cross(second - first);
        let (left, _) = self.pick(m, first, zero, gate, Score::From(first, across));
        let (right, _) = self.pick(m, first, zero, gate, Score::From(first, -across));
        [first, right, second, left]
    }
}

/// What makes a vertex better than another.
#[derive(Clone, Copy)]
enum Score<N> {
    /// How far along a direction it is.
    Along(V3<N>),
    /// How far along a direction from a point.
    From(V3<N>, V3<N>),
    /// How far from a point, squared.
    Away(V3<N>),
}

/// Whether a corner was there before.
#[inline(always)]
pub(super) fn repeated<N: Num>(corners: &[V3<N>; 4], slot: usize) -> N::Mask {
    let mut again = N::one().lt(N::zero());
    for before in &corners[..slot] {
        again = again | (corners[slot] - *before).length_squared().le(N::zero());
    }
    again
}

impl<M: Machine> Convex<M> for Hull<M> {
    #[inline(always)]
    fn center(&self) -> V3<M::Num> {
        self.center
    }

    #[inline(always)]
    fn rotation(&self) -> Mat3<M::Num> {
        self.rotation
    }

    #[inline(always)]
    fn radius(&self) -> M::Num {
        M::Num::zero()
    }

    #[inline(always)]
    fn support(&self, m: &M, direction: V3<M::Num>) -> V3<M::Num> {
        let (vertex, _) = self.farthest(m, self.rotation.transpose_mul(direction));
        self.rotation * vertex
    }

    #[inline(always)]
    fn face(&self, m: &M, direction: V3<M::Num>, tolerance: M::Num) -> [V3<M::Num>; 4] {
        let d = self.rotation.transpose_mul(direction);
        let (_, height) = self.farthest(m, d);
        let mut corners = self.corners(m, d, height - tolerance);
        for corner in &mut corners {
            *corner = self.rotation * *corner;
        }
        corners
    }
}

/// A plane and a hull: a wide quadrilateral of the vertices that are nearer to the plane than `margin` \[m\]. The first
/// contact is the deepest vertex if none is nearer than that.
#[inline(always)]
pub fn plane_hull<M: Machine>(
    m: &M,
    a: &Placed<M::Num>,
    b: &Hull<M>,
    margin: M::Num,
) -> [Contact<M::Num>; 4] {
    let normal = a.rotation.column(2);
    let down = -b.rotation.transpose_mul(normal);
    let height = (b.center - a.position).dot(normal);
    let (_, reach) = b.farthest(m, down);
    let corners = b.corners(m, down, (height - margin).min(reach));
    let mut contacts = [Contact::none(); 4];
    for (slot, contact) in contacts.iter_mut().enumerate() {
        let point = b.center + b.rotation * corners[slot];
        let gap = (point - a.position).dot(normal);
        *contact = Contact {
            distance: M::Num::select(repeated(&corners, slot), M::Num::of(FAR), gap),
            position: normal.mul_add(gap * M::Num::of(-0.5), point),
            normal,
        };
    }
    contacts
}
