//! Distance between any two convex shapes, apart or overlapping.
//!
//! All of it is about one shape, the Minkowski difference E = A - B, and one point o, the vector from the centre of A
//! to that of B: moving B by t moves o by t, and the shapes overlap where o lies in E. Any unit vector n gives a plane
//! that supports E, and h(n) = max n·E - n·o is how far B must move along n to be clear. The least h over all n is what
//! is sought: its n is the contact normal, -h is the distance. Every n that is tried only lowers the answer, so an
//! answer is never better than the truth, and what is missing is the same side of it.
//!
//! 1. `portal`: a triangle of support points is moved until the ray from the inside of E to o passes through it and E
//!    does not reach beyond it (Snethen, Minkowski portal refinement, 2008). This tells whether o lies inside. If so,
//!    the ray is aimed at the foot of o on the best plane so far, which lowers h until the foot lies on E: a local least
//!    overlap, of which the axes of both shapes suggest the basin.
//! 2. `approach`: where o lies outside, the triangle walks to the point of E nearest to o (Gilbert, Johnson and
//!    Keerthi, 1988). As o is known to be outside, a new support point and the old triangle need not be looked at as a
//!    tetrahedron: the nearest point lies on an edge or a face at the new point.

use super::support::Convex;
use crate::lane::Num;
use crate::machine::{Machine, Var};
use crate::space::V3;

/// Support points that the portal may take. Polytopes settle in about 8.
const PORTAL_STEPS: usize = 32;

/// Support points that the approach may take. Polytopes settle in about 6.
const APPROACH_STEPS: usize = 24;

/// What counts as no progress, as a share of the size of the shapes.
const TOLERANCE: f64 = 1e-6;

/// The nearest points of two cores.
#[derive(Clone, Copy, Debug)]
pub struct Separation<N> {
    /// Distance of the cores \[m\]; negative is the overlap. Beyond the margin that was asked for only a lower bound
    /// that is above the margin.
    pub gap: N,
    /// Unit vector from a to b.
    pub normal: V3<N>,
    /// The point of a, from its centre, world axes \[m\].
    pub on_a: V3<N>,
}

/// A vector that a machine loop changes.
struct Var3<M: Machine> {
    x: M::Var,
    y: M::Var,
    z: M::Var,
}

impl<M: Machine> Var3<M> {
    #[inline(always)]
    fn new(m: &M, value: V3<M::Num>) -> Self {
        Self { x: m.var(value.x), y: m.var(value.y), z: m.var(value.z) }
    }

    #[inline(always)]
    fn get(&self) -> V3<M::Num> {
        V3::new(self.x.get(), self.y.get(), self.z.get())
    }

    #[inline(always)]
    fn set_where(&mut self, mask: <M::Num as Num>::Mask, value: V3<M::Num>) {
        let value = V3::select(mask, value, self.get());
        self.x.set(value.x);
        self.y.set(value.y);
        self.z.set(value.z);
    }
}

/// Changes a number where the mask holds.
#[inline(always)]
fn set_where<N: Num>(var: &mut impl Var<N>, mask: N::Mask, value: N) {
    var.set(N::select(mask, value, var.get()));
}

/// A support point of E, and the point of A that it comes from.
#[derive(Clone, Copy)]
struct Point<N> {
    e: V3<N>,
    a: V3<N>,
}

impl<N: Num> Point<N> {
    #[inline(always)]
    fn select(mask: N::Mask, yes: Self, no: Self) -> Self {
        Self { e: V3::select(mask, yes.e, no.e), a: V3::select(mask, yes.a, no.a) }
    }
}

/// Place for a point.
#[inline(always)]
fn empty<M: Machine>(m: &M) -> (Var3<M>, Var3<M>) {
    (Var3::new(m, V3::zero()), Var3::new(m, V3::zero()))
}

/// The two shapes, and what is known so far.
struct Search<'a, M: Machine, A, B> {
    a: &'a A,
    b: &'a B,
    /// The point o.
    origin: V3<M::Num>,
    /// Three points of E and of A.
    triangle: [(Var3<M>, Var3<M>); 3],
    /// The least h so far, and its n.
    overlap: M::Var,
    normal: Var3<M>,
}

impl<M: Machine, A: Convex<M>, B: Convex<M>> Search<'_, M, A, B> {
    /// The point of E farthest along the unit vector `n`; keeps `n` if none so far has a lower h.
    #[inline(always)]
    fn try_direction(
        &mut self,
        m: &M,
        n: V3<M::Num>,
        wanted: <M::Num as Num>::Mask,
    ) -> (Point<M::Num>, M::Num) {
        let a = self.a.support(m, n);
        let e = a - self.b.support(m, -n);
        let h = n.dot(e - self.origin);
        let better = wanted & h.lt(self.overlap.get());
        set_where(&mut self.overlap, better, h);
        self.normal.set_where(better, n);
        (Point { e, a }, h)
    }

    #[inline(always)]
    fn corner(&self, k: usize) -> Point<M::Num> {
        let (e, a) = &self.triangle[k];
        Point { e: e.get(), a: a.get() }
    }

    #[inline(always)]
    fn corners(&self) -> [Point<M::Num>; 3] {
        [self.corner(0), self.corner(1), self.corner(2)]
    }

    #[inline(always)]
    fn set_corner(&mut self, k: usize, mask: <M::Num as Num>::Mask, point: Point<M::Num>) {
        let (e, a) = &mut self.triangle[k];
        e.set_where(mask, point.e);
        a.set_where(mask, point.a);
    }
}

/// The distance of two cores up to `margin` \[m\]; beyond, only that it is beyond.
#[inline(always)]
pub fn separation<M: Machine, A: Convex<M>, B: Convex<M>>(
    m: &M,
    a: &A,
    b: &B,
    margin: M::Num,
) -> Separation<M::Num> {
    let num = M::Num::of;
    let zero = M::Num::zero();
    let all = zero.le(zero);
    let origin = b.center() - a.center();
    let (ahead, _) = origin.normalize_or(V3::unit(2));
    let mut search = Search {
        a,
        b,
        origin,
        triangle: [empty(m), empty(m), empty(m)],
        overlap: m.var(num(super::FAR)),
        normal: Var3::new(m, ahead),
    };

    let size = first_portal(m, &mut search, ahead);
    try_axes(m, &mut search, all);
    let inside = portal(m, &mut search, margin, size * num(TOLERANCE));
    let near = inside.lt(num(0.5)) & search.overlap.get().gt(-margin);
    if let Some(_then) = m.when(m.any(near)) {
        approach(m, &mut search, near, size * num(TOLERANCE));
    }

    let (overlap, normal) = (search.overlap.get(), search.normal.get());
    let foot = normal.mul_add(overlap, origin);
    let [p, q, r] = search.corners();
    let [u, v, w] = nearest_weights([p.e - foot, q.e - foot, r.e - foot]);
    Separation { gap: -overlap, normal, on_a: p.a * u + q.a * v + r.a * w }
}

/// A triangle of support points that spans a volume with the centre of E; the size of E.
#[inline(always)]
fn first_portal<M: Machine, A: Convex<M>, B: Convex<M>>(
    m: &M,
    search: &mut Search<'_, M, A, B>,
    ahead: V3<M::Num>,
) -> M::Num {
    let zero = M::Num::zero();
    let all = zero.le(zero);
    let (p, _) = search.try_direction(m, ahead, all);
    let size = p.e.length();
    let across = ahead.cross(p.e);
    let straight = across.length().lt(size * M::Num::of(1e-4));
    let (side, _) = V3::select(straight, ahead.tangents().0, across).normalize_or(ahead.tangents().0);
    let (q, _) = search.try_direction(m, side, all);
    let out = p.e.cross(q.e);
    let flip = out.dot(ahead).lt(zero);
    let (p, q) = (Point::select(flip, q, p), Point::select(flip, p, q));
    let (out, _) = V3::select(flip, -out, out).normalize_or(ahead);
    let (r, _) = search.try_direction(m, out, all);
    for (k, point) in [p, q, r].into_iter().enumerate() {
        search.set_corner(k, all, point);
    }
    size.max(q.e.length()).max(r.e.length())
}

/// Looks along the axes of both shapes, the way that parts their centres.
#[inline(always)]
fn try_axes<M: Machine, A: Convex<M>, B: Convex<M>>(
    m: &M,
    search: &mut Search<'_, M, A, B>,
    all: <M::Num as Num>::Mask,
) {
    // A queue that turns, so that one piece of code looks along all.
    let (a, b) = (search.a.rotation(), search.b.rotation());
    let mut queue = [
        Var3::<M>::new(m, a.column(0)),
        Var3::new(m, a.column(1)),
        Var3::new(m, a.column(2)),
        Var3::new(m, b.column(0)),
        Var3::new(m, b.column(1)),
        Var3::new(m, b.column(2)),
    ];
    for _ in m.range(0, 6) {
        let n = queue[0].get();
        search.try_direction(m, n * n.dot(search.origin).sign(), all);
        for k in 0..5 {
            let next = queue[k + 1].get();
            queue[k].set_where(all, next);
        }
    }
}

/// Step 1; 1 where o lies in E, 0 elsewhere.
#[inline(always)]
fn portal<M: Machine, A: Convex<M>, B: Convex<M>>(
    m: &M,
    search: &mut Search<'_, M, A, B>,
    margin: M::Num,
    tolerance: M::Num,
) -> M::Num {
    let (zero, one) = (M::Num::zero(), M::Num::one());
    let (mut inside, mut active, mut aim) = (m.var(zero), m.var(one), m.var(zero));
    for _ in m.range(0, PORTAL_STEPS) {
        let running = zero.lt(active.get()) & (-margin).lt(search.overlap.get());
        if let Some(_then) = m.when(m.any(running)) {
            let was_inside = zero.lt(inside.get());
            let target =
                V3::select(was_inside, search.normal.get().mul_add(aim.get(), search.origin), search.origin);
            let [p, q, r] = search.corners();
            // The planes through the centre and the edges; the ray must pass on their inner sides.
            let (pq, qr, rp) = (p.e.cross(q.e), q.e.cross(r.e), r.e.cross(p.e));
            let miss_pq = pq.dot(target).lt(zero);
            let miss_qr = !miss_pq & qr.dot(target).lt(zero);
            let miss_rp = !miss_pq & !miss_qr & rp.dot(target).lt(zero);
            let hit = !(miss_pq | miss_qr | miss_rp);

            let face = (q.e - p.e).cross(r.e - p.e);
            let direction =
                V3::select(miss_pq, -pq, V3::select(miss_qr, -qr, V3::select(miss_rp, -rp, face)));
            let (n, _) = direction.normalize_or(search.normal.get());
            let (new, h) = search.try_direction(m, n, running);

            let behind = n.dot(search.origin - p.e).le(zero);
            let settled = hit & n.dot(new.e - p.e).le(tolerance);
            let now_inside = was_inside | (hit & (behind | (settled & zero.le(h))));
            set_where(&mut inside, running & now_inside, one);
            let aimed = aim.get() - search.overlap.get();
            let better_aim = now_inside & tolerance.lt(aimed.abs());
            set_where(&mut aim, running & better_aim, search.overlap.get());
            set_where(&mut active, running & settled & !better_aim, zero);

            // The part of the triangle that the ray passes, seen from the new point.
            let across = new.e.cross(target);
            let (at_p, at_q) = (p.e.dot(across), q.e.dot(across));
            let drop_r = at_p.le(zero) & zero.le(at_q);
            let drop_q = zero.lt(at_p) & r.e.dot(across).le(zero);
            let drop_p = !drop_r & !drop_q;
            let move_on = running & !settled;
            let refine = move_on & hit;
            // A missed edge keeps its two corners, turned, and takes the new point for the third.
            let lost = move_on & !hit;
            let first = Point::select(miss_pq, q, Point::select(miss_qr, r, p));
            let second = Point::select(miss_pq, p, Point::select(miss_qr, q, r));
            search.set_corner(0, lost, first);
            search.set_corner(1, lost, second);
            search.set_corner(2, lost, new);
            search.set_corner(0, refine & drop_p, new);
            search.set_corner(1, refine & drop_q, new);
            search.set_corner(2, refine & drop_r, new);
        }
    }
    inside.get()
}

/// Step 2, where `near` holds.
#[inline(always)]
fn approach<M: Machine, A: Convex<M>, B: Convex<M>>(
    m: &M,
    search: &mut Search<'_, M, A, B>,
    near: <M::Num as Num>::Mask,
    tolerance: M::Num,
) {
    let (zero, one) = (M::Num::zero(), M::Num::one());
    let mut active = m.var(M::Num::select(near, one, zero));
    let [p, q, r] = search.corners();
    let (p, q, r) = (p.e - search.origin, q.e - search.origin, r.e - search.origin);
    let [u, v, w] = nearest_weights([p, q, r]);
    let mut nearest = Var3::<M>::new(m, p * u + q * v + r * w);
    for _ in m.range(0, APPROACH_STEPS) {
        let running = zero.lt(active.get());
        if let Some(_then) = m.when(m.any(running)) {
            let (n, length) = (-nearest.get()).normalize_or(search.normal.get());
            let (new, h) = search.try_direction(m, n, running);
            let corners = search.corners();
            let (triangle, point) = nearest_at(new, corners, search.origin);
            let closer = point.length_squared().lt(nearest.get().length_squared());
            let done = (length + h).le(tolerance) | !closer;
            set_where(&mut active, running & done, zero);
            let moved = running & closer;
            nearest.set_where(moved, point);
            for (k, corner) in triangle.into_iter().enumerate() {
                search.set_corner(k, moved, corner);
            }
        }
    }
}

/// Of the edges and faces that join `new` to three corners, the one nearest to `origin`: its corners, and its nearest
/// point from `origin`.
#[inline(always)]
fn nearest_at<N: Num>(new: Point<N>, corners: [Point<N>; 3], origin: V3<N>) -> ([Point<N>; 3], V3<N>) {
    let w = new.e - origin;
    let edges = [corners[0].e - new.e, corners[1].e - new.e, corners[2].e - new.e];
    let mut triangle = [new, corners[0], corners[1]];
    let mut best = on_edge(w, edges[0]);
    for (k, other) in [(1, 0), (2, 0)] {
        let point = on_edge(w, edges[k]);
        let closer = point.length_squared().lt(best.length_squared());
        best = V3::select(closer, point, best);
        triangle[1] = Point::select(closer, corners[k], triangle[1]);
        triangle[2] = Point::select(closer, corners[other], triangle[2]);
    }
    for (i, j) in [(0, 1), (1, 2), (2, 0)] {
        let (_, _, within, point) = on_face(w, edges[i], edges[j]);
        let closer = within & point.length_squared().lt(best.length_squared());
        best = V3::select(closer, point, best);
        triangle[1] = Point::select(closer, corners[i], triangle[1]);
        triangle[2] = Point::select(closer, corners[j], triangle[2]);
    }
    (triangle, best)
}

/// Where along the segment from `start` over `edge` the origin is nearest, in 0 to 1.
#[inline(always)]
fn along_edge<N: Num>(start: V3<N>, edge: V3<N>) -> N {
    let length_squared = edge.length_squared().max(N::of(1e-30));
    (-(start.dot(edge)) / length_squared).clamp(N::zero(), N::one())
}

/// The point of the segment from `start` over `edge` that is nearest to the origin.
#[inline(always)]
fn on_edge<N: Num>(start: V3<N>, edge: V3<N>) -> V3<N> {
    edge.mul_add(along_edge(start, edge), start)
}

/// The foot of the origin on the plane through `start` and two edges from there: its share of either edge, whether it
/// lies in the triangle, and where it is.
#[inline(always)]
fn on_face<N: Num>(start: V3<N>, first: V3<N>, second: V3<N>) -> (N, N, N::Mask, V3<N>) {
    let normal = first.cross(second);
    let area_squared = normal.length_squared();
    let thin = area_squared.le(N::of(1e-9) * first.length_squared() * second.length_squared());
    let inverse = N::one() / N::select(thin, N::one(), area_squared);
    let u = second.cross(start).dot(normal) * inverse;
    let v = start.cross(first).dot(normal) * inverse;
    let within = !thin & N::zero().le(u) & N::zero().le(v) & (u + v).le(N::one());
    (u, v, within, normal * (normal.dot(start) * inverse))
}

/// The weights of three points in the point of their triangle that is nearest to the origin.
#[inline(always)]
fn nearest_weights<N: Num>(points: [V3<N>; 3]) -> [N; 3] {
    let zero = N::zero();
    let mut best = N::of(super::FAR).square();
    let mut weights = [N::one(), zero, zero];
    for (i, j) in [(0, 1), (1, 2), (2, 0)] {
        let t = along_edge(points[i], points[j] - points[i]);
        let distance = (points[j] - points[i]).mul_add(t, points[i]).length_squared();
        let closer = distance.lt(best);
        best = N::select(closer, distance, best);
        let mut along = [zero; 3];
        along[i] = N::one() - t;
        along[j] = t;
        weights = select3(closer, along, weights);
    }
    let (u, v, within, _) = on_face(points[0], points[1] - points[0], points[2] - points[0]);
    select3(within, [N::one() - u - v, u, v], weights)
}

#[inline(always)]
fn select3<N: Num>(mask: N::Mask, yes: [N; 3], no: [N; 3]) -> [N; 3] {
    [N::select(mask, yes[0], no[0]), N::select(mask, yes[1], no[1]), N::select(mask, yes[2], no[2])]
}
