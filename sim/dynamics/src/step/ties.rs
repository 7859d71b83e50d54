//! Constraints that are not contacts: lists those that act and makes their rows.

use crate::each;
use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Law, Plan, item, tie};
use crate::space::{Mat3, V3};

use super::contact::act;
use super::report::quaternion;
use super::rows::{Spring, White, clear, equality, friction, spring, warm_start, whiten, write_row};

/// An impulse that nothing reaches.
const UNBOUNDED: f64 = 1e30;

/// Starts the list of constraints that act with the ties among them.
pub struct Ties;

impl Phase for Ties {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        let ties = &plan.ties;
        m.set_count(plan.acting, 0.into());
        for i in m.range(ties.friction.start, ties.friction.end) {
            dry_friction(plan, m, i);
        }
        for i in m.range(ties.speed_limits.start, ties.speed_limits.end) {
            speed_limit(plan, m, i);
        }
        for i in m.range(ties.limits.start, ties.limits.end) {
            limit(plan, m, i);
        }
        for i in m.range(ties.ball_limits.start, ties.ball_limits.end) {
            ball_limit(plan, m, i);
        }
        for i in m.range(ties.couplings.start, ties.couplings.end) {
            coupling(plan, m, i);
        }
        for i in m.range(ties.connects.start, ties.connects.end) {
            connect(plan, m, i);
        }
        for k in m.range(0, ties.welds.len() / 2) {
            weld(plan, m, k * 2 + ties.welds.start);
        }
        m.set_count(plan.tied, m.count(plan.acting));
    }
}

/// Length and speed of a linear form.
#[inline(always)]
fn measure<M: Machine>(plan: &Plan, m: &M, i: M::Int, form: tie::Form) -> [M::Num; 2] {
    let (mut length, mut speed) = (m.var(m.num(0.0)), m.var(m.num(0.0)));
    let count = m.int(plan.items.int(i, form.len));
    let dofs = m.int(plan.items.int(i, form.dofs));
    let places = m.int(plan.items.int(i, form.qpos));
    let coefficients = m.int(plan.items.int(i, form.coefficients));
    for k in m.range(0, count) {
        let c = m.real(coefficients + k);
        length.set(c.mul_add(m.get(m.int(places + k) + plan.qpos), length.get()));
        speed.set(c.mul_add(m.get(m.int(dofs + k) + plan.qvel), speed.get()));
    }
    [length.get(), speed.get()]
}

/// Adds `factor` times a linear form to the first dense row.
#[inline(always)]
fn add_form<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, form: tie::Form, factor: M::Num) {
    let count = m.int(plan.items.int(i, form.len));
    let dofs = m.int(plan.items.int(i, form.dofs));
    let coefficients = m.int(plan.items.int(i, form.coefficients));
    for k in m.range(0, count) {
        let at = m.int(dofs + k) * 3 + plan.dense;
        m.set(at, m.real(coefficients + k).mul_add(factor, m.get(at)));
    }
}

/// Keeps a whitened row for the solver, which starts from its last impulse, and lists it.
#[inline(always)]
fn keep_row<M: Machine>(
    plan: &Plan,
    m: &mut M,
    i: M::Int,
    white: &White<M::Num, 1>,
    law: Spring<M::Num>,
    acts: <M::Num as Num>::Mask,
    bounds: [M::Num; 2],
) {
    let w = i * item::NUM_WORKING + plan.working;
    write_row(m, w, 0, white.diagonal[0], white.before[0], &law);
    m.set(w + item::D_LOW, bounds[0]);
    m.set(w + item::D_HIGH, bounds[1]);
    m.set(w + item::D_ACTIVE, M::Num::select(acts, m.num(1.0), m.num(0.0)));
    let impulse = m.int(plan.items.int(i, item::IMPULSE));
    m.set(impulse, m.get(impulse).clamp(bounds[0], bounds[1]));
    warm_start::<M, 1>(plan, m, i);
    act(plan, m, i);
}

/// A row that does not act has no impulse to start from.
#[inline(always)]
fn forget_row<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, there: <M::Num as Num>::Mask) {
    let impulse = m.int(plan.items.int(i, item::IMPULSE));
    m.set(impulse, M::Num::select(there, m.get(impulse), m.num(0.0)));
}

/// Where everything acts.
#[inline(always)]
fn always<M: Machine>(m: &M) -> <M::Num as Num>::Mask {
    m.num(0.0).lt(m.num(1.0))
}

#[inline(always)]
fn dry_friction<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    clear(plan, m, i);
    add_form(plan, m, i, tie::FIRST, m.num(1.0));
    let white = whiten::<M, 1>(plan, m, i);
    let law = friction(plan, m, i, white.before[0]);
    let bound = m.real(plan.items.real(i, item::FRICTION)) * m.num(plan.options.substep());
    keep_row(plan, m, i, &white, law, always(m), [-bound, bound]);
}

/// A joint may not be faster than it says. Listed from four fifths of that speed on.
#[inline(always)]
fn speed_limit<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let [_, speed] = measure(plan, m, i, tie::FIRST);
    let limit = m.real(plan.items.real(i, tie::HIGH));
    let there = (m.num(0.8) * limit).lt(speed.abs());
    forget_row(plan, m, i, there);
    if let Some(_then) = m.when(m.any(there)) {
        clear(plan, m, i);
        add_form(plan, m, i, tie::FIRST, m.num(1.0));
        let white = whiten::<M, 1>(plan, m, i);
        let forwards = m.num(0.0).lt(speed);
        let target = M::Num::select(forwards, -limit, limit);
        let bounds = [
            M::Num::select(forwards, m.num(-UNBOUNDED), m.num(0.0)),
            M::Num::select(forwards, m.num(0.0), m.num(UNBOUNDED)),
        ];
        let law = Spring { bias: target, relax: target, softness: m.num(0.0) };
        keep_row(plan, m, i, &white, law, there, bounds);
    }
}

/// Whether a limit at `distance` may be met within this substep, at a speed away from it.
#[inline(always)]
fn near<M: Machine>(plan: &Plan, m: &M, i: M::Int, distance: M::Num, speed: M::Num) -> <M::Num as Num>::Mask {
    let reach = m.real(plan.items.real(i, item::DETECT));
    match plan.options.law {
        Law::Soft { .. } => {
            let ahead = m.num(2.0 * plan.options.substep());
            distance.lt(ahead.mul_add((-speed).max(m.num(0.0)), reach))
        }
        Law::Mujoco => distance.lt(reach),
    }
}

/// Both limits of a linear form: the nearer one counts. The row is along the form, so the impulse is never negative at
/// the lower and never positive at the upper limit.
#[inline(always)]
fn limit<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let [length, speed] = measure(plan, m, i, tie::FIRST);
    let below = length - m.real(plan.items.real(i, tie::LOW));
    let above = m.real(plan.items.real(i, tie::HIGH)) - length;
    let lower = below.le(above);
    let sign = M::Num::select(lower, m.num(1.0), m.num(-1.0));
    let distance = below.min(above);
    let there = near(plan, m, i, distance, sign * speed);
    forget_row(plan, m, i, there);
    if let Some(_then) = m.when(m.any(there)) {
        clear(plan, m, i);
        add_form(plan, m, i, tie::FIRST, m.num(1.0));
        let white = whiten::<M, 1>(plan, m, i);
        let gap = distance - m.real(plan.items.real(i, item::MARGIN));
        let law = spring(plan, m, i, gap, white.diagonal[0], sign * white.before[0], true);
        let law = Spring { bias: sign * law.bias, relax: sign * law.relax, softness: law.softness };
        let bounds = [
            M::Num::select(lower, m.num(0.0), m.num(-UNBOUNDED)),
            M::Num::select(lower, m.num(UNBOUNDED), m.num(0.0)),
        ];
        keep_row(plan, m, i, &white, law, there, bounds);
    }
}

/// The angle of a ball joint has a limit; its row turns back about the axis of the rotation so far.
#[inline(always)]
fn ball_limit<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let q = m.int(plan.items.int(i, tie::QPOS)) + plan.qpos;
    let d = m.int(plan.items.int(i, item::BODY_A));
    let (axis, angle) = rotation_vector(m.get3(q), m.get(q + 3));
    let distance = m.real(plan.items.real(i, tie::HIGH)) - angle;
    let speed = -axis.dot(m.get3(d + plan.qvel));
    let there = near(plan, m, i, distance, speed);
    forget_row(plan, m, i, there);
    if let Some(_then) = m.when(m.any(there)) {
        clear(plan, m, i);
        for (k, x) in [axis.x, axis.y, axis.z].into_iter().enumerate() {
            m.set((d + k) * 3 + plan.dense, -x);
        }
        let white = whiten::<M, 1>(plan, m, i);
        let gap = distance - m.real(plan.items.real(i, item::MARGIN));
        let law = spring(plan, m, i, gap, white.diagonal[0], white.before[0], true);
        keep_row(plan, m, i, &white, law, there, [m.num(0.0), m.num(UNBOUNDED)]);
    }
}

/// Unit axis and angle in [0, π] of a unit quaternion.
#[inline(always)]
pub(super) fn rotation_vector<N: Num>(vector: V3<N>, scalar: N) -> (V3<N>, N) {
    let (axis, sine) = (vector * scalar.sign()).normalize_or(V3::unit(0));
    let half = sine.atan2(scalar.abs());
    (axis, half + half)
}

/// `first = polynomial(second)`, both from their references.
#[inline(always)]
fn coupling<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let [first, _] = measure(plan, m, i, tie::FIRST);
    let [second, _] = measure(plan, m, i, tie::SECOND);
    let first = first - m.real(plan.items.real(i, tie::REFERENCE));
    let x = second - m.real(plan.items.real(i, tie::OTHER_REFERENCE));
    let (mut value, mut slope) = (m.num(0.0), m.num(0.0));
    for k in [4, 3, 2, 1, 0] {
        slope = slope.mul_add(x, value);
        value = value.mul_add(x, m.real(plan.items.real(i, tie::POLYNOMIAL + k)));
    }
    let gap = first - value;
    clear(plan, m, i);
    add_form(plan, m, i, tie::FIRST, m.num(1.0));
    add_form(plan, m, i, tie::SECOND, -slope);
    let white = whiten::<M, 1>(plan, m, i);
    let law = equality(plan, m, i, gap, gap, white.diagonal[0], white.before[0]);
    keep_row(plan, m, i, &white, law, always(m), [m.num(-UNBOUNDED), m.num(UNBOUNDED)]);
}

/// Two points: where each is from the origin of its tree, and the second less the first.
struct Points<N> {
    at: [V3<N>; 2],
    apart: V3<N>,
}

#[inline(always)]
fn points<M: Machine>(plan: &Plan, m: &M, i: M::Int) -> Points<M::Num> {
    let at =
        [anchor(plan, m, i, item::LINK_A, tie::ANCHOR_A), anchor(plan, m, i, item::LINK_B, tie::ANCHOR_B)];
    let (a, b) = (m.int(plan.items.int(i, item::TREE_A)), m.int(plan.items.int(i, item::TREE_B)));
    let origins = m.get3(b * 3 + plan.origin) - m.get3(a * 3 + plan.origin);
    Points { at, apart: (at[1] - at[0]) + origins }
}

#[inline(always)]
fn anchor<M: Machine>(plan: &Plan, m: &M, i: M::Int, link: usize, anchor: usize) -> V3<M::Num> {
    let l = m.int(plan.items.int(i, link));
    let anchor = m.real3(plan.items.real(i, anchor));
    m.get3(l * 3 + plan.position) + m.get9(l * 9 + plan.rotation) * anchor
}

#[inline(always)]
fn connect<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let points = points(plan, m, i);
    let norm = points.apart.length();
    tie_points(plan, m, i, &points, norm);
}

/// The three rows of two points that stay together; `norm` is the violation of the whole constraint.
#[inline(always)]
fn tie_points<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, points: &Points<M::Num>, norm: M::Num) {
    clear(plan, m, i);
    for (k, list, len, sign) in [(0, item::A, item::A_LEN, -1.0), (1, item::B, item::B_LEN, 1.0)] {
        let list = m.int(plan.items.int(i, list));
        let len = m.int(plan.items.int(i, len));
        for n in m.range(0, len) {
            let d = m.int(list + n);
            let motion = m.get6(d * 6 + plan.motion);
            let velocity = motion.linear + motion.angular.cross(points.at[k]);
            let at = d * 3 + plan.dense;
            m.set3(at, velocity.mul_add(m.num(sign), m.get3(at)));
        }
    }
    let drift = point_acceleration(plan, m, i, item::LINK_B, points.at[1])
        - point_acceleration(plan, m, i, item::LINK_A, points.at[0]);
    keep_triple(plan, m, i, points.apart, norm, drift);
}

/// Acceleration of a link's point that no joint's acceleration causes; the world's share of gravity is in it.
#[inline(always)]
fn point_acceleration<M: Machine>(
    plan: &Plan,
    m: &M,
    i: M::Int,
    link: usize,
    point: V3<M::Num>,
) -> V3<M::Num> {
    let l = m.int(plan.items.int(i, link)) * 6;
    let (velocity, acceleration) = (m.get6(l + plan.velocity), m.get6(l + plan.acceleration));
    let speed = velocity.linear + velocity.angular.cross(point);
    acceleration.linear + acceleration.angular.cross(point) + velocity.angular.cross(speed)
}

/// Places first: item `i`; then rotations: the next item. MuJoCo's residual of the rotation is the vector part of the
/// quaternion that is left, half the angle.
#[inline(always)]
fn weld<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let points = points(plan, m, i);
    let turn = i + 1;
    let (la, lb) = (m.int(plan.items.int(turn, item::LINK_A)), m.int(plan.items.int(turn, item::LINK_B)));
    let (a, b) = (m.get9(la * 9 + plan.rotation), m.get9(lb * 9 + plan.rotation));
    let kept = m.real3(plan.items.real(turn, tie::ROTATION));
    let kept =
        Mat3::from_quaternion(kept.x, kept.y, kept.z, m.real(plan.items.real(turn, tie::ROTATION + 3)));
    let [x, y, z, w] = quaternion(b.transpose() * (a * kept));
    let left = V3::new(x, y, z);
    let norm = (points.apart.length_squared() + left.length_squared()).sqrt();
    tie_points(plan, m, i, &points, norm);

    clear(plan, m, turn);
    for (list, len, sign) in [(item::A, item::A_LEN, -0.5), (item::B, item::B_LEN, 0.5)] {
        let list = m.int(plan.items.int(turn, list));
        let len = m.int(plan.items.int(turn, len));
        for n in m.range(0, len) {
            let d = m.int(list + n);
            let about = b.transpose_mul(m.get3(d * 6 + plan.motion));
            let row = about.mul_add(w, about.cross(left));
            m.set3(d * 3 + plan.dense, row * m.num(sign));
        }
    }
    // The rate of these rows: of the quaternion that is left, and of the second body's frame.
    let spin = m.get3(lb * 6 + plan.velocity);
    let between = spin - m.get3(la * 6 + plan.velocity);
    let gain = m.get3(lb * 6 + plan.acceleration) - m.get3(la * 6 + plan.acceleration);
    let about = b.transpose_mul(between);
    let about_rate = b.transpose_mul(gain - spin.cross(between));
    let half = m.num(0.5);
    let left_rate = about.mul_add(w, about.cross(left)) * -half;
    let w_rate = about.dot(left) * half;
    let drift = about_rate.mul_add(w, about_rate.cross(left)) + about.mul_add(w_rate, about.cross(left_rate));
    keep_triple(plan, m, turn, -left, norm, drift * half);
}

/// Whitens three dense rows, factors their block and lists them. MuJoCo's law takes `drift`, the rate of the rows times
/// the velocity, off the reference acceleration.
#[inline(always)]
fn keep_triple<M: Machine>(
    plan: &Plan,
    m: &mut M,
    i: M::Int,
    gap: V3<M::Num>,
    norm: M::Num,
    drift: V3<M::Num>,
) {
    let white = whiten::<M, 3>(plan, m, i);
    warm_start::<M, 3>(plan, m, i);
    let w = i * item::NUM_WORKING + plan.working;
    let trace = white.diagonal[0] + white.diagonal[1] + white.diagonal[2];
    // Directions in which nothing can move (a planar loop closed in space) must not take part.
    let least = trace.mul_add(m.num(1e-5), m.num(1e-12));
    let mut softness = least;
    for (r, (gap, drift)) in [(gap.x, drift.x), (gap.y, drift.y), (gap.z, drift.z)].into_iter().enumerate() {
        let mut law = equality(plan, m, i, gap, norm, white.diagonal[r], white.before[r]);
        if plan.options.law == Law::Mujoco {
            softness = law.softness;
            law.bias = drift.mul_add(m.num(plan.options.substep()), law.bias);
            law.relax = law.bias;
        }
        m.set(w + (item::D_BIAS + r), white.before[r] + law.bias);
        m.set(w + (item::D_RELAX + r), white.before[r] + law.relax);
        m.set(w + (item::D_SOFTNESS + r), softness);
    }
    let [a, b, c] = each!(r => white.diagonal[r] + softness);
    let [ab, ac, bc] = white.coupling;
    let one = m.num(1.0);
    let first = one / a;
    let (l10, l20) = (ab * first, ac * first);
    let second = one / (b - l10 * ab).max(least);
    let rest = bc - l10 * ac;
    let l21 = rest * second;
    let third = one / (c - l20 * ac - l21 * rest).max(least);
    for (k, x) in [first, second, third].into_iter().enumerate() {
        m.set(w + (item::D_INVERSE + k), x);
    }
    for (k, x) in [l10, l20, l21].into_iter().enumerate() {
        m.set(w + (item::D_RELAX_INVERSE + k), x);
    }
    m.set(w + item::D_ACTIVE, one);
    act(plan, m, i);
}
