//! A capsule and a capsule or a box.
//!
//! Two contacts, so that a capsule lies still: one in the upper half of the stretch where the shapes face each other,
//! one in the lower half, along the first capsule. They are at the ends of that stretch; the nearest point of all takes
//! the place of the one in its half when it is nearer. So neither jumps when a capsule rocks from end to end.

use super::sphere::{ball_at, balls, box_distance};
use super::{Contact, Placed};
use crate::lane::Num;
use crate::space::V3;

/// An end is as near as the nearest point within this share of the radius.
const SAME_GAP: f64 = 1e-4;

/// Ends that are nearer to each other than this share of the radius are one.
const SAME_POINT: f64 = 1e-2;

/// Cosine between the normals of the nearest point and of an end that faces the other shape as well.
const SAME_SIDE: f64 = 0.9;

/// A contact at a place along a capsule.
#[derive(Clone, Copy)]
struct At<N> {
    /// Along the axis \[m\].
    along: N,
    contact: Contact<N>,
}

/// The contacts of the two halves.
#[inline(always)]
fn two_halves<N: Num>(nearest: At<N>, upper: At<N>, lower: At<N>, radius: N) -> [Contact<N>; 2] {
    let is_upper = (upper.along + lower.along).le(nearest.along + nearest.along);
    let apart = (radius * N::of(SAME_POINT)).lt(upper.along - lower.along);
    let limit = nearest.contact.distance + radius * N::of(SAME_GAP);
    let mut contacts = [Contact::none(); 2];
    let halves = [(upper.contact, is_upper), (lower.contact, !is_upper)];
    for (contact, (end, is_here)) in contacts.iter_mut().zip(halves) {
        let faces = N::of(SAME_SIDE).lt(end.normal.dot(nearest.contact.normal));
        let is_end = faces & ((is_here & end.distance.le(limit)) | (!is_here & apart));
        let other = Contact::select(is_here, nearest.contact, Contact::none());
        *contact = Contact::select(is_end, end, other);
    }
    contacts
}

/// Two capsules.
#[inline(always)]
pub fn capsule_capsule<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 2] {
    let (a_axis, b_axis) = (a.rotation.column(2), b.rotation.column(2));
    let (a_half, b_half) = (a.size.y, b.size.y);
    let between = a.position - b.position;
    let cosine = a_axis.dot(b_axis);
    let (a_offset, b_offset) = (a_axis.dot(between), b_axis.dot(between));
    // Where b faces a, along a.
    let reach = b_half * cosine.abs();
    let high = (reach - a_offset).clamp(-a_half, a_half);
    let low = (-reach - a_offset).clamp(-a_half, a_half);

    let cross = a_axis.cross(b_axis);
    let sine_squared = cross.length_squared();
    let parallel = sine_squared.lt(N::of(1e-7));
    let inverse = N::one() / N::select(parallel, N::one(), sine_squared);
    let meeting = (cosine.mul_add(b_offset, -a_offset) * inverse).clamp(-a_half, a_half);
    let start = N::select(parallel, (high + low) * N::of(0.5), meeting);
    let along_b = cosine.mul_add(start, b_offset).clamp(-b_half, b_half);
    let nearest = cosine.mul_add(along_b, -a_offset).clamp(-a_half, a_half);

    // Axes that meet: the normal is square to both.
    let (square, _) = cross.normalize_or(a.rotation.column(0));
    let fallback = V3::select(parallel, a.rotation.column(0), square);
    let mut found = [At { along: nearest, contact: Contact::none() }; 3];
    for (at, along) in found.iter_mut().zip([nearest, high, low]) {
        let along_b = cosine.mul_add(along, b_offset).clamp(-b_half, b_half);
        let on_a = a_axis.mul_add(along, a.position);
        let on_b = b_axis.mul_add(along_b, b.position);
        *at = At { along, contact: balls(on_a, a.size.x, on_b, b.size.x, fallback) };
    }
    two_halves(found[0], found[1], found[2], a.size.x + b.size.x)
}

/// A segment `centre + t·axis`, `|t| <= length`, in the frame of a box.
struct Segment<N> {
    centre: V3<N>,
    axis: V3<N>,
    length: N,
    half: V3<N>,
}

impl<N: Num> Segment<N> {
    #[inline(always)]
    fn point(&self, t: N) -> V3<N> {
        self.axis.mul_add(t, self.centre)
    }

    /// Half the rate of the squared distance from the box: it never falls along the segment.
    #[inline(always)]
    fn rate(&self, t: N) -> N {
        let p = self.point(t);
        let h = self.half;
        let beyond =
            V3::new(p.x - p.x.clamp(-h.x, h.x), p.y - p.y.clamp(-h.y, h.y), p.z - p.z.clamp(-h.z, h.z));
        beyond.dot(self.axis)
    }

    /// Height above the face that is least below; negative inside only.
    #[inline(always)]
    fn height(&self, t: N) -> N {
        let p = self.point(t);
        (p.x.abs() - self.half.x).max(p.y.abs() - self.half.y).max(p.z.abs() - self.half.z)
    }

    /// Where the line of the segment enters and leaves the slab of a coordinate. A line along a border is inside.
    #[inline(always)]
    fn slab(&self, centre: N, axis: N, half: N) -> (N, N) {
        let narrow = N::of(1e-9);
        let flat = axis.abs().lt(narrow);
        let inverse = N::one() / N::select(flat, narrow, axis.abs());
        let middle = -(centre * axis.sign()) * inverse;
        let reach = (half + N::select(flat, N::of(1e-6), N::zero())) * inverse;
        (middle - reach, middle + reach)
    }

    /// Where the segment is nearest to the box; inside it, the deepest of the middle and the ends of what is inside.
    #[inline(always)]
    fn nearest(&self, slabs: &[(N, N); 3]) -> N {
        let length = self.length;
        // The rate is straight between the slabs' borders; its root lies between the last border where it is not
        // positive and the first where it is not negative.
        let (mut last, mut first) = (-length, length);
        let (mut last_rate, mut first_rate) = (self.rate(last), self.rate(first));
        let (mut entry, mut exit) = (-length, length);
        for (into, out) in slabs {
            entry = entry.max(*into);
            exit = exit.min(*out);
            for border in [*into, *out] {
                let t = border.clamp(-length, length);
                let rate = self.rate(t);
                let later = rate.le(N::zero()) & last.le(t);
                last = N::select(later, t, last);
                last_rate = N::select(later, rate, last_rate);
                let sooner = N::zero().le(rate) & t.le(first);
                first = N::select(sooner, t, first);
                first_rate = N::select(sooner, rate, first_rate);
            }
        }
        let half = N::of(0.5);
        let change = first_rate - last_rate;
        let flat = change.lt(N::of(1e-12));
        let share = -last_rate / N::select(flat, N::one(), change);
        let share = N::select(flat, half, share.clamp(N::zero(), N::one()));
        let outside = (first - last).mul_add(share, last);

        let middle = (entry + exit) * half;
        let (mut best, mut depth) = (middle, self.height(middle));
        for t in [entry, exit] {
            let height = self.height(t);
            let deeper = height.lt(depth);
            best = N::select(deeper, t, best);
            depth = N::select(deeper, height, depth);
        }
        N::select(entry.lt(exit), best, outside)
    }
}

/// A capsule and a box.
#[inline(always)]
pub fn capsule_box<N: Num>(a: &Placed<N>, b: &Placed<N>) -> [Contact<N>; 2] {
    let radius = a.size.x;
    let segment = Segment {
        centre: b.rotation.transpose_mul(a.position - b.position),
        axis: b.rotation.transpose_mul(a.rotation.column(2)),
        length: a.size.y,
        half: b.size,
    };
    let (c, d) = (segment.centre, segment.axis);
    let slabs = [
        segment.slab(c.x, d.x, b.size.x),
        segment.slab(c.y, d.y, b.size.y),
        segment.slab(c.z, d.z, b.size.z),
    ];
    let nearest = segment.nearest(&slabs);
    let (_, outward) = box_distance(segment.point(nearest), b.size);

    // The stretch that faces the box: within the slabs, but for that of the normal.
    let n = V3::new(outward.x.abs(), outward.y.abs(), outward.z.abs());
    let is_x = n.y.le(n.x) & n.z.le(n.x);
    let is_y = !is_x & n.z.le(n.y);
    let free = [is_x, is_y, !(is_x | is_y)];
    let (mut low, mut high) = (-segment.length, segment.length);
    for ((into, out), free) in slabs.into_iter().zip(free) {
        low = N::select(free, low, low.max(into));
        high = N::select(free, high, high.min(out));
    }
    let none = high.lt(low);
    let (low, high) = (N::select(none, nearest, low), N::select(none, nearest, high));

    let mut found = [At { along: nearest, contact: Contact::none() }; 3];
    for (at, along) in found.iter_mut().zip([nearest, high, low]) {
        let centre = segment.point(along);
        let (gap, outward) = box_distance(centre, b.size);
        *at = At { along, contact: ball_at(centre, radius, outward, gap) };
    }
    let mut contacts = two_halves(found[0], found[1], found[2], radius);
    for contact in &mut contacts {
        contact.position = b.position + b.rotation * contact.position;
        contact.normal = b.rotation * contact.normal;
    }
    contacts
}
