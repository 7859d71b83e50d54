//! Contacts of two convex shapes: one point, or the corners of where two faces overlap.

use super::convex::{Separation, separation};
use super::support::Convex;
use super::{Contact, FAR};
use crate::lane::Num;
use crate::machine::{Machine, Var};
use crate::space::V3;

/// Numbers of working memory that [`convex_contacts`] needs.
pub const SCRATCH: usize = 4 * CANDIDATES;

/// 4 corners of either face, 16 crossings of their edges.
const CANDIDATES: usize = 24;

/// Gap differences below this share of the distance between two points count as none when the first contact is chosen,
/// so that it stays the same one while the shapes rest.
const LEVEL: f64 = 1e-3;

/// The nearest points count as found among the corners if those are deeper, or less than this shallower \[m\].
const SAME_DEPTH: f64 = 1e-5;

#[inline(always)]
fn nearest<M: Machine>(
    a: &impl Convex<M>,
    b: &impl Convex<M>,
    apart: &Separation<M::Num>,
) -> Contact<M::Num> {
    let Separation { gap, normal, on_a } = *apart;
    let middle = (gap + a.radius() - b.radius()) * M::Num::of(0.5);
    Contact {
        distance: gap - (a.radius() + b.radius()),
        position: normal.mul_add(middle, a.center() + on_a),
        normal,
    }
}

/// `K` contacts of two convex shapes, 1, 2 or 4, all with the same normal.
///
/// One is that at the nearest points. Four are a wide quadrilateral of the corners of where the faces of the two
/// overlap and are nearer than `margin` \[m\], and two the ends of its diagonal; the first is that at the nearest points
/// where the faces are no more than points, or where it is deeper than the corners. Beyond the margin the distance is a
/// lower bound that is above the margin.
///
/// Two and four use [`SCRATCH`] numbers of working memory from `scratch`.
#[inline(always)]
pub fn convex_contacts<M: Machine, const K: usize>(
    m: &mut M,
    a: &impl Convex<M>,
    b: &impl Convex<M>,
    margin: M::Num,
    scratch: M::Int,
) -> [Contact<M::Num>; K] {
    let num = M::Num::of;
    let radii = a.radius() + b.radius();
    let apart = separation(m, a, b, margin + radii);
    let deepest = nearest(a, b, &apart);
    if K == 1 {
        return [deepest; K];
    }
    let n = apart.normal;
    // Axes of the first shape, so that a corner keeps its place while both move.
    let (u, v) = a.rotation().transpose_mul(n).tangents();
    let (u, v) = (a.rotation() * u, a.rotation() * v);
    let frame = [u, v, n];
    let overlap = (-deepest.distance).max(M::Num::zero());
    let reach = overlap + margin + num(SAME_DEPTH);
    let face_a = Face::new(frame, a.face(m, n, reach), V3::zero(), a.radius());
    let face_b = Face::new(frame, b.face(m, -n, reach), b.center() - a.center(), -b.radius());
    // Along this normal nothing is deeper than the nearest points; faces that are not quite flat might seem so.
    write_candidates(m, &face_a, &face_b, deepest.distance, scratch);

    let chosen = choose(m, margin, scratch);
    let mut least = num(FAR);
    for c in chosen {
        least = least.min(c.gap);
    }
    let replace = deepest.distance.lt(least - num(SAME_DEPTH));
    let mut contacts = [deepest; K];
    for (slot, contact) in contacts.iter_mut().enumerate() {
        let c = chosen[slot];
        let height = c.at.z + c.gap * num(0.5);
        let point = n.mul_add(height, v.mul_add(c.at.y, u.mul_add(c.at.x, a.center())));
        let position = V3::select(c.gap.lt(num(FAR)), point, deepest.position);
        let corner = Contact { distance: c.gap, position, normal: n };
        *contact = if slot == 0 { Contact::select(replace, deepest, corner) } else { corner };
    }
    contacts
}

/// A quadrilateral over the tangent plane: x and y are there, z is the height along the normal.
struct Face<N: Num> {
    corners: [V3<N>; 4],
    /// Whether it has an area; else it is the segment from its first to its third corner, or a point.
    wide: N::Mask,
    /// Twice the area, negative if the corners go clockwise.
    area: N,
    /// Height gained along x and along y.
    slope: (N, N),
}

/// `a × b` of two vectors in the plane.
#[inline(always)]
fn cross<N: Num>(a: V3<N>, b: V3<N>) -> N {
    a.x * b.y - a.y * b.x
}

/// Scalar product of two vectors in the plane.
#[inline(always)]
fn dot<N: Num>(a: V3<N>, b: V3<N>) -> N {
    a.x * b.x + a.y * b.y
}

impl<N: Num> Face<N> {
    /// Of points from the centre of the first shape less `offset`, raised by `radius`, seen in a frame.
    #[inline(always)]
    fn new(frame: [V3<N>; 3], points: [V3<N>; 4], offset: V3<N>, radius: N) -> Self {
        let mut corners = points;
        for corner in &mut corners {
            let p = *corner + offset;
            *corner = V3::new(p.dot(frame[0]), p.dot(frame[1]), p.dot(frame[2]) + radius);
        }
        let (first, second) = (corners[2] - corners[0], corners[3] - corners[1]);
        let normal = first.cross(second);
        let wide = (N::of(1e-3) * (dot(first, first) + dot(second, second))).lt(normal.z.abs());
        let inverse = N::one() / N::select(wide, normal.z, N::one());
        Self { corners, wide, area: normal.z, slope: (-(normal.x * inverse), -(normal.y * inverse)) }
    }

    /// Whether the face has a point over or under `p`, and at what height.
    #[inline(always)]
    fn at(&self, p: V3<N>) -> (N::Mask, N) {
        let [c, _, end, _] = self.corners;
        let turn = self.area.sign();
        let slack = self.area.abs() * N::of(-1e-5);
        let mut within = self.wide;
        for k in 0..4 {
            let (from, to) = (self.corners[k], self.corners[(k + 1) % 4]);
            within = within & slack.le(cross(to - from, p - from) * turn);
        }
        let on_plane = self.slope.0.mul_add(p.x - c.x, self.slope.1.mul_add(p.y - c.y, c.z));

        let edge = end - c;
        let length_squared = dot(edge, edge);
        let exists = N::of(1e-12).lt(length_squared);
        let t = dot(edge, p - c) / N::select(exists, length_squared, N::one());
        let aside = cross(edge, p - c).abs().le(length_squared * N::of(1e-3));
        let beside = !self.wide & exists & aside & N::of(-1e-5).le(t) & t.le(N::of(1.0 + 1e-5));
        (within | beside, N::select(self.wide, on_plane, t.mul_add(edge.z, c.z)))
    }
}

/// Writes x, y, height of a and gap of each candidate; the gap is [`FAR`] for one that is not there, and not below
/// `least`.
#[inline(always)]
fn write_candidates<M: Machine>(
    m: &mut M,
    a: &Face<M::Num>,
    b: &Face<M::Num>,
    least: M::Num,
    scratch: M::Int,
) {
    let mut place = 0;
    for c in a.corners {
        let (there, other) = b.at(c);
        write(m, scratch + place, there, c, (other - c.z).max(least));
        place += 4;
    }
    for c in b.corners {
        let (there, other) = a.at(c);
        write(m, scratch + place, there, V3::new(c.x, c.y, other), (c.z - other).max(least));
        place += 4;
    }
    let (zero, one) = (M::Num::zero(), M::Num::one());
    for i in 0..4 {
        let (p, along) = (a.corners[i], a.corners[(i + 1) % 4] - a.corners[i]);
        for j in 0..4 {
            let (q, other) = (b.corners[j], b.corners[(j + 1) % 4] - b.corners[j]);
            let turn = cross(along, other);
            let lengths = (dot(along, along) * dot(other, other)).sqrt();
            let crossing = (lengths * M::Num::of(1e-4)).lt(turn.abs());
            let inverse = one / M::Num::select(crossing, turn, one);
            let s = cross(q - p, other) * inverse;
            let t = cross(q - p, along) * inverse;
            let there = crossing & zero.le(s) & s.le(one) & zero.le(t) & t.le(one);
            let on_a = along.mul_add(s, p);
            let gap = t.mul_add(other.z, q.z) - on_a.z;
            write(m, scratch + place, there, on_a, gap.max(least));
            place += 4;
        }
    }
}

#[inline(always)]
fn write<M: Machine>(m: &mut M, at: M::Int, there: <M::Num as Num>::Mask, point: V3<M::Num>, gap: M::Num) {
    m.set3(at, point);
    m.set(at + 3, M::Num::select(there, gap, M::Num::of(FAR)));
}

/// A corner of where two faces overlap: place and height of the first face, gap to the second.
#[derive(Clone, Copy)]
struct Candidate<N> {
    at: V3<N>,
    gap: N,
}

/// What makes a candidate better than another.
#[derive(Clone, Copy)]
enum Score<N: Num> {
    /// How deep it is, and among equals how far to one side.
    Deep,
    /// How far from a point, squared.
    Away(V3<N>),
    /// How far left of a line from a point, where there is a line.
    Left(V3<N>, V3<N>, N::Mask),
}

/// Four candidates nearer than the margin that lie far apart; gap [`FAR`] for those that are not there.
#[inline(always)]
fn choose<M: Machine>(m: &M, margin: M::Num, scratch: M::Int) -> [Candidate<M::Num>; 4] {
    let first = pick(m, margin, scratch, M::Num::of(-FAR), Score::Deep);
    // Coinciding corners lie this near.
    let near = M::Num::of(1e-10);
    let second = pick(m, margin, scratch, near, Score::Away(first.at));
    let line = second.at - first.at;
    let thin = dot(line, line) * M::Num::of(1e-3);
    let is_line = second.gap.lt(M::Num::of(FAR));
    let left = pick(m, margin, scratch, thin, Score::Left(first.at, line, is_line));
    let right = pick(m, margin, scratch, thin, Score::Left(first.at, -line, is_line));
    [first, second, left, right]
}

/// The candidate of the highest score above `least`.
#[inline(always)]
fn pick<M: Machine>(
    m: &M,
    margin: M::Num,
    scratch: M::Int,
    least: M::Num,
    score: Score<M::Num>,
) -> Candidate<M::Num> {
    let zero = M::Num::zero();
    let (mut x, mut y, mut z) = (m.var(zero), m.var(zero), m.var(zero));
    let (mut gap, mut best) = (m.var(M::Num::of(FAR)), m.var(least));
    for k in m.range(0, CANDIDATES) {
        let at = scratch + k * 4;
        let c = Candidate { at: m.get3(at), gap: m.get(at + 3) };
        let mut better = c.gap.le(margin);
        let value = match score {
            Score::Deep => (c.at.x + c.at.y * M::Num::of(0.37)) * M::Num::of(LEVEL) - c.gap,
            Score::Away(point) => dot(c.at - point, c.at - point),
            Score::Left(point, line, is_line) => {
                better = better & is_line;
                cross(line, c.at - point)
            }
        };
        better = better & best.get().lt(value);
        x.set(M::Num::select(better, c.at.x, x.get()));
        y.set(M::Num::select(better, c.at.y, y.get()));
        z.set(M::Num::select(better, c.at.z, z.get()));
        gap.set(M::Num::select(better, c.gap, gap.get()));
        best.set(M::Num::select(better, value, best.get()));
    }
    Candidate { at: V3::new(x.get(), y.get(), z.get()), gap: gap.get() }
}
