//! Two boxes: the axis that separates them most, then the corners of the patch where two faces meet, or the point where
//! two edges cross.

use super::{Contact, FAR, Placed};
use crate::lane::Num;
use crate::space::{Mat3, V3};

/// A face of the second box, or a pair of edges, must separate better by this share of the smallest half size, and of
/// the overlap, before it takes the place of a face of the first: faces give steadier contacts.
const PREFERENCE: [f64; 2] = [1e-4, 1e-2];

/// Squared sine below which edges are parallel, so that some face separates as well.
const PARALLEL: f64 = 1e-5;

/// By this share of the half sizes a corner outside a face counts as inside.
const SLACK: f64 = 1e-5;

/// A corner must be deeper than this share of the smallest half size, before it is taken for being the deepest.
const LEVEL: f64 = 1e-4;

/// Corners that are nearer than this share of the smallest half size are one.
const SAME_CORNER: f64 = 1e-3;

/// A way in the plane of a face. Askew, so that no two corners of a square are equally far that way, nor of one that is
/// turned by 45°.
const WAY: (f64, f64) = (1.0, 0.6);

/// `yes` where `mask` holds, else `no`.
#[inline(always)]
fn choose3<N: Num>(masks: [N::Mask; 2], options: [V3<N>; 3]) -> V3<N> {
    V3::select(masks[0], options[0], V3::select(masks[1], options[1], options[2]))
}

/// Componentwise magnitude.
#[inline(always)]
fn abs<N: Num>(v: V3<N>) -> V3<N> {
    V3::new(v.x.abs(), v.y.abs(), v.z.abs())
}

/// The components in order.
#[inline(always)]
fn list<N: Num>(v: V3<N>) -> [N; 3] {
    [v.x, v.y, v.z]
}

/// `v` with its axes renamed so that axis 0, 1 or else 2 becomes the last; the order stays cyclic.
#[inline(always)]
fn last<N: Num>(is: [N::Mask; 2], v: V3<N>) -> V3<N> {
    choose3(is, [V3::new(v.y, v.z, v.x), V3::new(v.z, v.x, v.y), v])
}

/// The second box as seen from the first.
#[derive(Clone, Copy)]
struct Pair<N> {
    /// `first_from_second`.
    rotation: Mat3<N>,
    /// Centre of the second.
    offset: V3<N>,
    /// Half sizes.
    first: V3<N>,
    second: V3<N>,
}

/// The best face of either box, or pair of edges.
#[derive(Clone, Copy)]
struct Best<N> {
    /// Gap along it; negative is overlap.
    gap: N,
    /// Axis of the first box for a face of its own or an edge, 0 to 2.
    first: N,
    /// Axis of the second box.
    second: N,
}

impl<N: Num> Best<N> {
    #[inline(always)]
    fn offer(self, gap: N, first: usize, second: usize) -> Self {
        let better = self.gap.lt(gap);
        Self {
            gap: N::select(better, gap, self.gap),
            first: N::select(better, N::of(first as f64), self.first),
            second: N::select(better, N::of(second as f64), self.second),
        }
    }
}

/// Whether a number is 0, whether it is 1.
#[inline(always)]
fn is<N: Num>(axis: N) -> [N::Mask; 2] {
    [axis.lt(N::of(0.5)), axis.lt(N::of(1.5))]
}

impl<N: Num> Pair<N> {
    #[inline(always)]
    fn new(a: &Placed<N>, b: &Placed<N>) -> Self {
        Self {
            rotation: a.rotation.transpose() * b.rotation,
            offset: a.rotation.transpose_mul(b.position - a.position),
            first: a.size,
            second: b.size,
        }
    }

    /// The first box as seen from the second.
    #[inline(always)]
    fn swapped(&self) -> Self {
        Self {
            rotation: self.rotation.transpose(),
            offset: -self.rotation.transpose_mul(self.offset),
            first: self.second,
            second: self.first,
        }
    }

    #[inline(always)]
    fn select(mask: N::Mask, yes: &Self, no: &Self) -> Self {
        let row = |k: usize| V3::select(mask, yes.rotation.rows[k], no.rotation.rows[k]);
        Self {
            rotation: Mat3 { rows: [row(0), row(1), row(2)] },
            offset: V3::select(mask, yes.offset, no.offset),
            first: V3::select(mask, yes.first, no.first),
            second: V3::select(mask, yes.second, no.second),
        }
    }

    /// The best face of the first box.
    #[inline(always)]
    fn best_face(&self) -> Best<N> {
        let (offset, half) = (list(abs(self.offset)), list(self.first));
        let mut best = Best { gap: N::of(-FAR), first: N::zero(), second: N::zero() };
        for k in 0..3 {
            let reach = abs(self.rotation.rows[k]).dot(self.second);
            best = best.offer(offset[k] - half[k] - reach, k, 0);
        }
        best
    }

    /// The best pair of edges.
    #[inline(always)]
    fn best_edges(&self) -> Best<N> {
        let rows = [list(self.rotation.rows[0]), list(self.rotation.rows[1]), list(self.rotation.rows[2])];
        let (offset, first, second) = (list(self.offset), list(self.first), list(self.second));
        let mut best = Best { gap: N::of(-FAR), first: N::zero(), second: N::zero() };
        for i in 0..3 {
            let (i1, i2) = ((i + 1) % 3, (i + 2) % 3);
            for j in 0..3 {
                let (j1, j2) = ((j + 1) % 3, (j + 2) % 3);
                let (p, q) = (rows[i1][j], rows[i2][j]);
                let squared = p.mul_add(p, q * q);
                let along = offset[i2].mul_add(p, -(offset[i1] * q)).abs();
                let reach = first[i1].mul_add(q.abs(), first[i2] * p.abs());
                let reach =
                    second[j1].mul_add(rows[i][j2].abs(), second[j2].mul_add(rows[i][j1].abs(), reach));
                let parallel = squared.lt(N::of(PARALLEL));
                let length = N::select(parallel, N::one(), squared).sqrt();
                let gap = (along - reach) / length;
                best = best.offer(N::select(parallel, N::of(-FAR), gap), i, j);
            }
        }
        best
    }

    /// Where the best pair of edges crosses, in the frame of the first box, and whether it does so within their lengths.
    #[inline(always)]
    fn edge_contact(&self, best: &Best<N>) -> (Contact<N>, N::Mask) {
        let (zero, one) = (N::zero(), N::one());
        let (first, second) = (is(best.first), is(best.second));
        let units = [V3::unit(0), V3::unit(1), V3::unit(2)];
        let (a_axis, b_local) = (choose3(first, units), choose3(second, units));
        let b_axis = self.rotation * b_local;
        let (normal, _) = a_axis.cross(b_axis).normalize_or(V3::unit(2));
        let normal = V3::select(normal.dot(self.offset).lt(zero), -normal, normal);

        // The middles of the two edges, and the nearest points of their lines.
        let a_middle = edge_middle(normal, self.first, a_axis);
        let b_middle = edge_middle(-self.rotation.transpose_mul(normal), self.second, b_local);
        let between = self.offset + self.rotation * b_middle - a_middle;
        let cosine = a_axis.dot(b_axis);
        let (along_a, along_b) = (between.dot(a_axis), between.dot(b_axis));
        let inverse = one / cosine.mul_add(-cosine, one).max(N::of(PARALLEL));
        let s = cosine.mul_add(-along_b, along_a) * inverse;
        let t = cosine.mul_add(along_a, -along_b) * inverse;
        let on_a = a_axis.mul_add(s, a_middle);
        let on_b = b_axis.mul_add(t, a_middle + between);
        let within = s.abs().le(self.first.dot(a_axis)) & t.abs().le(self.second.dot(b_local));
        let contact = Contact { distance: between.dot(normal), position: (on_a + on_b) * N::of(0.5), normal };
        (contact, within)
    }

    /// The face of the second box that is turned most against the face `axis` of the first.
    #[inline(always)]
    fn meet(&self, axis: N) -> Meeting<N> {
        let is_first = is(axis);
        let [x, y, z] = self.rotation.rows;
        let rows = [choose3(is_first, [y, z, x]), choose3(is_first, [z, x, y]), choose3(is_first, [x, y, z])];
        let (offset, half) = (last(is_first, self.offset), last(is_first, self.first));

        let turned = abs(rows[2]);
        let is_x = turned.y.le(turned.x) & turned.z.le(turned.x);
        let is_second = [is_x, !is_x & turned.z.le(turned.y)];
        let size = last(is_second, self.second);
        let (x, y, z) = (last(is_second, rows[0]), last(is_second, rows[1]), last(is_second, rows[2]));
        let side = offset.z.sign();
        let z = z * side;
        let out = V3::new(x.z, y.z, z.z) * size.z;
        let above = V3::new(offset.x, offset.y, offset.z * side - half.z);
        let middle = above - out * out.z.sign();
        let edges = [V3::new(x.x, y.x, z.x) * size.x, V3::new(x.y, y.y, z.y) * size.y];
        Meeting { half, side, middle, edges }
    }
}

/// The middle of the edge along `axis` that is foremost in the direction `n`.
#[inline(always)]
fn edge_middle<N: Num>(n: V3<N>, half: V3<N>, axis: V3<N>) -> V3<N> {
    let one = N::one();
    V3::new(
        n.x.sign() * half.x * (one - axis.x),
        n.y.sign() * half.y * (one - axis.y),
        n.z.sign() * half.z * (one - axis.z),
    )
}

/// A face of one box over a face of the other, in the frame of the latter: x and y in the face, z above it.
struct Meeting<N> {
    /// Half sizes of the face below, and of its box across.
    half: V3<N>,
    /// 1 if the face is at the positive end of its axis, else -1.
    side: N,
    /// Middle of the face above.
    middle: V3<N>,
    /// From there to the middles of two of its edges.
    edges: [V3<N>; 2],
}

/// A corner of the patch where two faces overlap, if it is one.
#[derive(Clone, Copy)]
struct Corner<N> {
    x: N,
    y: N,
    gap: N,
}

impl<N: Num> Corner<N> {
    #[inline(always)]
    fn new(is_one: N::Mask, x: N, y: N, gap: N) -> Self {
        Self { x, y, gap: N::select(is_one, gap, N::of(FAR)) }
    }

    #[inline(always)]
    fn select(mask: N::Mask, yes: Self, no: Self) -> Self {
        Self {
            x: N::select(mask, yes.x, no.x),
            y: N::select(mask, yes.y, no.y),
            gap: N::select(mask, yes.gap, no.gap),
        }
    }

    #[inline(always)]
    fn is_one(&self) -> N::Mask {
        self.gap.lt(N::of(0.5 * FAR))
    }

    /// How far it is that way; never if it is no corner.
    #[inline(always)]
    fn along(&self, (x, y): (N, N)) -> N {
        N::select(self.is_one(), self.x.mul_add(x, self.y * y), N::of(-FAR))
    }

    /// The farthest that way, and how far.
    #[inline(always)]
    fn farthest(corners: &[Self; 12], way: (N, N)) -> (Self, N) {
        let (mut best, mut far) = (corners[0], corners[0].along(way));
        for corner in &corners[1..] {
            let along = corner.along(way);
            let farther = far.lt(along);
            best = Self::select(farther, *corner, best);
            far = N::select(farther, along, far);
        }
        (best, far)
    }
}

impl<N: Num> Meeting<N> {
    /// All corners of the patch: where the edges of the face above enter and leave the face below, and the corners of
    /// the face below under the face above.
    #[inline(always)]
    fn corners(&self) -> [Corner<N>; 12] {
        let one = N::one();
        let slack = N::of(1.0 + SLACK);
        let mut corners = [Corner { x: N::zero(), y: N::zero(), gap: N::of(FAR) }; 12];
        let [g, h] = self.edges;
        for (k, (start, way)) in
            [(self.middle + g, h), (self.middle - g, h), (self.middle + h, g), (self.middle - h, g)]
                .into_iter()
                .enumerate()
        {
            let (x_in, x_out) = crossing(start.x, way.x, self.half.x * slack);
            let (y_in, y_out) = crossing(start.y, way.y, self.half.y * slack);
            let enter = x_in.max(y_in).clamp(-one, one);
            let leave = x_out.min(y_out).clamp(-one, one);
            // Also an edge that only touches a corner has no part in the patch.
            let crosses = x_in.max(y_in).max(-one).le(x_out.min(y_out).min(one));
            for (which, t) in [enter, leave].into_iter().enumerate() {
                let p = way.mul_add(t, start);
                corners[2 * k + which] = Corner::new(crosses, p.x, p.y, p.z);
            }
        }
        let area = g.x.mul_add(h.y, -(g.y * h.x));
        let thin = area.abs().lt(N::of(1e-12));
        let inverse = one / N::select(thin, N::of(1e-12), area);
        for (k, (x, y)) in [(one, one), (-one, one), (-one, -one), (one, -one)].into_iter().enumerate() {
            let (x, y) = (x * self.half.x, y * self.half.y);
            let (dx, dy) = (x - self.middle.x, y - self.middle.y);
            let s = dx.mul_add(h.y, -(dy * h.x)) * inverse;
            let t = g.x.mul_add(dy, -(g.y * dx)) * inverse;
            let under = s.abs().le(slack) & t.abs().le(slack);
            corners[8 + k] = Corner::new(under, x, y, s.mul_add(g.z, t.mul_add(h.z, self.middle.z)));
        }
        corners
    }

    /// The farthest corners one way and back, and on either side of the line between them: they span at least half of
    /// the patch. In place of one of them the deepest corner of all if it is not among them.
    #[inline(always)]
    fn chosen(&self, level: N, same: N) -> [Corner<N>; 4] {
        let corners = self.corners();
        let way = (N::of(WAY.0), N::of(WAY.1));
        let back = (-way.0, -way.1);
        let (front, front_far) = Corner::farthest(&corners, way);
        let (rear, rear_far) = Corner::farthest(&corners, back);
        let (dx, dy) = (front.x - rear.x, front.y - rear.y);
        let inverse = N::one() / dx.mul_add(dx, dy * dy).sqrt().max(N::of(1e-9));
        let left = (-(dy * inverse), dx * inverse);
        let right = (-left.0, -left.1);
        let (on_left, left_far) = Corner::farthest(&corners, left);
        let (on_right, right_far) = Corner::farthest(&corners, right);
        let mut deepest = corners[0];
        for corner in &corners[1..] {
            deepest = Corner::select(corner.gap.lt(deepest.gap), *corner, deepest);
        }
        let mut chosen = [front, rear, on_left, on_right];
        let far = [front_far, rear_far, left_far, right_far];
        let ways = [way, back, left, right];

        // It takes the place where it is nearly the farthest.
        let mut loss = [N::zero(); 4];
        for k in 0..4 {
            loss[k] = far[k] - deepest.along(ways[k]);
        }
        let least = loss[0].min(loss[1]).min(loss[2].min(loss[3]));
        let mut open = least.le(least);
        for k in 0..4 {
            let here = open & loss[k].le(least);
            open = open & !here;
            let replace = here & deepest.gap.lt(chosen[k].gap - level);
            chosen[k] = Corner::select(replace, deepest, chosen[k]);
        }

        // A corner that is chosen twice counts once.
        for k in 1..4 {
            for i in 0..k {
                let (dx, dy) = (chosen[k].x - chosen[i].x, chosen[k].y - chosen[i].y);
                let again = dx.abs().max(dy.abs()).lt(same);
                chosen[k].gap = N::select(again & chosen[i].is_one(), N::of(FAR), chosen[k].gap);
            }
        }
        chosen
    }
}

/// Where `start + t·way` enters and leaves `|x| <= half`.
#[inline(always)]
fn crossing<N: Num>(start: N, way: N, half: N) -> (N, N) {
    let inverse = N::one() / way.abs().max(N::of(1e-9));
    let middle = -(start * way.sign()) * inverse;
    let reach = half * inverse;
    (middle - reach, middle + reach)
}

/// Two boxes. Slots are ways in the plane of the face that touches; edges that cross use the first.
#[inline(always)]
pub fn box_box<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 4] {
    let pair = Pair::new(a, b);
    let swapped = pair.swapped();
    let smallest = pair.first.x.min(pair.first.y).min(pair.first.z);
    let smallest = smallest.min(pair.second.x).min(pair.second.y).min(pair.second.z);

    let (a_face, b_face, edges) = (pair.best_face(), swapped.best_face(), pair.best_edges());
    let face_gap = a_face.gap.max(b_face.gap);
    let overlap = face_gap.max(edges.gap).abs();
    let preference = smallest.mul_add(N::of(PREFERENCE[0]), overlap * N::of(PREFERENCE[1]));
    let of_b = (a_face.gap + preference).lt(b_face.gap);
    let (edge, within) = pair.edge_contact(&edges);

    let axis = N::select(of_b, b_face.first, a_face.first);
    let meeting = Pair::select(of_b, &swapped, &pair).meet(axis);
    let level = smallest * N::of(LEVEL);
    let chosen = meeting.chosen(level, smallest * N::of(SAME_CORNER));

    let apart = !(chosen[0].is_one() | chosen[1].is_one() | chosen[2].is_one() | chosen[3].is_one());
    let is_better = (face_gap + preference).lt(edges.gap) | (apart & face_gap.lt(edges.gap));
    let is_edge = within & is_better;

    // The frame of the face, in the world.
    let axes = |k: usize| V3::select(of_b, b.rotation.column(k), a.rotation.column(k));
    let (x, y, z) = (axes(0), axes(1), axes(2));
    let is_axis = is(axis);
    let (u, v) = (choose3(is_axis, [y, z, x]), choose3(is_axis, [z, x, y]));
    let up = choose3(is_axis, [x, y, z]) * meeting.side;
    let origin = up.mul_add(meeting.half.z, V3::select(of_b, b.position, a.position));
    let normal = V3::select(of_b, -up, up);

    let mut contacts = [Contact::none(); 4];
    for (contact, corner) in contacts.iter_mut().zip(chosen) {
        let position = up.mul_add(corner.gap * N::of(0.5), v.mul_add(corner.y, u.mul_add(corner.x, origin)));
        let found = Contact { distance: corner.gap, position, normal };
        *contact = Contact::select(corner.is_one() & !is_edge, found, Contact::none());
    }
    let edge = Contact {
        distance: edge.distance,
        position: a.position + a.rotation * edge.position,
        normal: a.rotation * edge.normal,
    };
    contacts[0] = Contact::select(is_edge, edge, contacts[0]);
    contacts
}
