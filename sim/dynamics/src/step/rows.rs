//! From constraints to rows: Jacobians, whitened, with their softness and target speeds.

use crate::each;
use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Law, Plan, dof, item, soft_numbers};
use crate::space::V3;

/// Rows of all contacts that act, and the white change of the velocity after their impulses of the last step.
pub struct ContactRows;

impl Phase for ContactRows {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        let (first, end) = (m.count(plan.tied), m.count(plan.acting));
        for n in m.range(first, end) {
            let i = m.count(n + (plan.acting + 1));
            let kind = m.int(plan.items.int(i, item::KIND));
            if let Some(_then) = m.when(m.equal(kind, item::CONE)) {
                cone(plan, m, i);
            }
            if let Some(_then) = m.when(m.equal(kind, item::ROW)) {
                push_only(plan, m, i);
            }
            if let Some(_then) = m.when(m.equal(kind, item::TORSION)) {
                torsion(plan, m, i);
            }
        }
    }
}

/// Where a contact is, seen from the origins of the two trees, and its frame.
struct ContactFrame<N> {
    at_a: V3<N>,
    at_b: V3<N>,
    axes: [V3<N>; 3],
}

#[inline(always)]
fn frame<M: Machine>(plan: &Plan, m: &M, i: M::Int) -> ContactFrame<M::Num> {
    let at = i * item::NUM_GEOMETRY + plan.contact;
    let normal = m.get3(at + item::C_NORMAL);
    let position = m.get3(at + item::C_POSITION);
    let (a, b) = (m.int(plan.items.int(i, item::TREE_A)), m.int(plan.items.int(i, item::TREE_B)));
    let (origin_a, origin_b) = (m.get3(a * 3 + plan.origin), m.get3(b * 3 + plan.origin));
    let (u, v) = normal.tangents();
    // Positions are told from the first tree that moves.
    let mut shift = [m.var(m.num(0.0)), m.var(m.num(0.0)), m.var(m.num(0.0))];
    if let Some(_then) = m.when(m.less(0.into(), a)) {
        let between = origin_a - origin_b;
        shift[0].set(between.x);
        shift[1].set(between.y);
        shift[2].set(between.z);
    }
    let at_b = position + V3::new(shift[0].get(), shift[1].get(), shift[2].get());
    ContactFrame { at_a: position, at_b, axes: [normal, u, v] }
}

/// Clears the dense rows where the constraint reaches.
#[inline(always)]
pub(super) fn clear<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let support = m.int(plan.items.int(i, item::SUPPORT));
    let len = m.int(plan.items.int(i, item::SUPPORT_LEN));
    for k in m.range(0, len) {
        let d = m.int(support + k);
        m.set3(d * 3 + plan.dense, V3::zero());
    }
}

/// Dense rows of the velocity of body b's point less that of body a's, along three axes.
#[inline(always)]
fn dense_rows<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, frame: &ContactFrame<M::Num>) {
    clear(plan, m, i);
    for (list, len, point, sign) in
        [(item::A, item::A_LEN, frame.at_a, -1.0), (item::B, item::B_LEN, frame.at_b, 1.0)]
    {
        let list = m.int(plan.items.int(i, list));
        let len = m.int(plan.items.int(i, len));
        for k in m.range(0, len) {
            let d = m.int(list + k);
            let motion = m.get6(d * 6 + plan.motion);
            let velocity = motion.linear + motion.angular.cross(point);
            let [x, y, z] = each!(r => frame.axes[r].dot(velocity) * m.num(sign));
            m.set3(d * 3 + plan.dense, V3::new(x, y, z));
        }
    }
}

/// What the solver needs of whitened rows.
pub(super) struct White<N, const R: usize> {
    /// Products of the rows with themselves.
    pub diagonal: [N; R],
    /// Products of the rows with each other: 01, 02, 12.
    pub coupling: [N; R],
    /// Their speed at the start of the substep.
    pub before: [N; R],
}

/// Whitens the first `R` dense rows, packs them, and adds up their products.
#[inline(always)]
pub(super) fn whiten<M: Machine, const R: usize>(plan: &Plan, m: &mut M, i: M::Int) -> White<M::Num, R> {
    let support = m.int(plan.items.int(i, item::SUPPORT));
    let len = m.int(plan.items.int(i, item::SUPPORT_LEN));
    let rows = m.int(plan.items.int(i, item::ROWS));
    let mut diagonal = each!(_r => m.var(m.num(0.0)));
    let mut coupling = each!(_r => m.var(m.num(0.0)));
    let mut before = each!(_r => m.var(m.num(0.0)));
    for k in m.range_down(0, len) {
        let d = m.int(support + k);
        let inverse = m.get(d + plan.inverse);
        let mut row = [inverse; R];
        for r in 0..R {
            row[r] = m.get(d * 3 + (plan.dense + r)) * inverse;
        }
        let speed = m.get(d + plan.white_before);
        for r in 0..R {
            m.set(rows + k * R + r, row[r]);
            diagonal[r].set(row[r].mul_add(row[r], diagonal[r].get()));
            before[r].set(row[r].mul_add(speed, before[r].get()));
        }
        if R == 3 {
            coupling[0].set(row[0].mul_add(row[1 % R], coupling[0].get()));
            coupling[1].set(row[0].mul_add(row[2 % R], coupling[1].get()));
            coupling[2].set(row[1 % R].mul_add(row[2 % R], coupling[2].get()));
        }
        let start = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
        let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
        let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
        for a in m.range(0, count) {
            let at = m.int(ancestors + a) * 3 + plan.dense;
            let l = -m.get(start + a);
            for r in 0..R {
                m.set(at + r, l.mul_add(row[r], m.get(at + r)));
            }
        }
    }
    let zeros = [m.num(0.0); R];
    let mut white = White { diagonal: zeros, coupling: zeros, before: zeros };
    for r in 0..R {
        white.diagonal[r] = diagonal[r].get();
        white.coupling[r] = coupling[r].get();
        white.before[r] = before[r].get();
    }
    white
}

/// Adds the impulses that the rows start with to the white change of the velocity.
#[inline(always)]
pub(super) fn warm_start<M: Machine, const R: usize>(plan: &Plan, m: &mut M, i: M::Int) {
    let support = m.int(plan.items.int(i, item::SUPPORT));
    let len = m.int(plan.items.int(i, item::SUPPORT_LEN));
    let rows = m.int(plan.items.int(i, item::ROWS));
    let at = m.int(plan.items.int(i, item::IMPULSE));
    let mut impulse = [m.num(0.0); R];
    for r in 0..R {
        impulse[r] = m.get(at + r);
    }
    for k in m.range(0, len) {
        let d = m.int(support + k) + plan.white;
        let mut white = m.get(d);
        for r in 0..R {
            white = m.get(rows + k * R + r).mul_add(impulse[r], white);
        }
        m.set(d, white);
    }
}

/// Softness and target speed of a row that is to keep a distance.
pub(super) struct Spring<N> {
    pub bias: N,
    pub relax: N,
    pub softness: N,
}

/// Share of a violation of limits and ties that a substep undoes under the soft law. Rows that work against each other
/// (place and rotation of a weld) are not solved to the end in a few sweeps: undoing all at once makes them rattle.
const TIE_SHARE: f64 = 0.2;

/// Softness of limits and ties under the soft law, of a row's own inverse inertia: none that anyone sees.
const TIE_SOFTNESS: f64 = 1e-6;

/// Speed at which a violation is undone at most \[m/s or rad/s\]: a deep one is not thrown out at once.
const MAX_CORRECTION: f64 = 10.0;

/// The law of a distance `gap` (violated below zero) whose row has the diagonal `diagonal`: a contact, or a limit.
#[inline(always)]
pub(super) fn spring<M: Machine>(
    plan: &Plan,
    m: &M,
    i: M::Int,
    gap: M::Num,
    diagonal: M::Num,
    before: M::Num,
    limit: bool,
) -> Spring<M::Num> {
    let h = plan.options.substep();
    match plan.options.law {
        Law::Soft { frequency, damping_ratio } => {
            let (rate, softness) =
                if limit { (TIE_SHARE / h, TIE_SOFTNESS) } else { soft_numbers(frequency, damping_ratio, h) };
            let ahead = gap.max(m.num(0.0)) * m.num(1.0 / h);
            let pull = (gap.min(m.num(0.0)) * m.num(rate)).max(m.num(-MAX_CORRECTION));
            Spring { bias: ahead + pull, relax: ahead, softness: diagonal * m.num(softness) }
        }
        Law::Mujoco => mujoco(plan, m, i, gap, gap, before),
    }
}

/// The law of a `gap` that is to be zero. The violation of the whole constraint is `norm`.
#[inline(always)]
pub(super) fn equality<M: Machine>(
    plan: &Plan,
    m: &M,
    i: M::Int,
    gap: M::Num,
    norm: M::Num,
    diagonal: M::Num,
    before: M::Num,
) -> Spring<M::Num> {
    match plan.options.law {
        Law::Soft { .. } => {
            let rate = m.num(TIE_SHARE / plan.options.substep());
            let pull = (gap * rate).clamp(m.num(-MAX_CORRECTION), m.num(MAX_CORRECTION));
            Spring { bias: pull, relax: m.num(0.0), softness: diagonal * m.num(TIE_SOFTNESS) }
        }
        Law::Mujoco => mujoco(plan, m, i, gap, norm, before),
    }
}

/// The law of a row that only resists motion.
#[inline(always)]
pub(super) fn friction<M: Machine>(plan: &Plan, m: &M, i: M::Int, before: M::Num) -> Spring<M::Num> {
    let zero = m.num(0.0);
    match plan.options.law {
        Law::Soft { .. } => Spring { bias: zero, relax: zero, softness: zero },
        Law::Mujoco => mujoco(plan, m, i, zero, zero, before),
    }
}

/// Reference acceleration and softness of MuJoCo (Computation, "Constraint model") as target speed.
#[inline(always)]
fn mujoco<M: Machine>(
    plan: &Plan,
    m: &M,
    i: M::Int,
    gap: M::Num,
    norm: M::Num,
    before: M::Num,
) -> Spring<M::Num> {
    let (impedance, softness) = impedance(plan, m, i, norm);
    let stiffness = m.real(plan.items.real(i, item::STIFFNESS));
    let h = m.num(plan.options.substep());
    let bias = (gap * impedance * stiffness).mul_add(h, -fade(plan, m, i, before));
    Spring { bias, relax: bias, softness }
}

/// What MuJoCo's reference damping leaves of a speed in one substep.
#[inline(always)]
pub(super) fn fade<M: Machine>(plan: &Plan, m: &M, i: M::Int, before: M::Num) -> M::Num {
    let damping = m.real(plan.items.real(i, item::DAMPING));
    before * (-damping).mul_add(m.num(plan.options.substep()), m.num(1.0))
}

/// Impedance of a constraint at a distance, and the softness that follows (MuJoCo, Computation, "Parameters").
#[inline(always)]
pub(super) fn impedance<M: Machine>(plan: &Plan, m: &M, i: M::Int, gap: M::Num) -> (M::Num, M::Num) {
    let real = |field| m.real(plan.items.real(i, field));
    let one = m.num(1.0);
    let x = (gap.abs() * real(item::INVERSE_WIDTH)).min(one);
    let mid = real(item::MIDPOINT);
    let below = x * x / mid;
    let above = one - (one - x).square() / (one - mid);
    let curve = M::Num::select(x.le(mid), below, above);
    let y = (curve - x).mul_add(real(item::CURVED), x);
    let (low, high) = (real(item::IMPEDANCE_LOW), real(item::IMPEDANCE_HIGH));
    let impedance = y.mul_add(high - low, low);
    (impedance, (one - impedance) / impedance * real(item::INVERSE_INERTIA))
}

#[inline(always)]
fn cone<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let frame = frame(plan, m, i);
    dense_rows(plan, m, i, &frame);
    let white = whiten::<M, 3>(plan, m, i);
    warm_start::<M, 3>(plan, m, i);
    let w = i * item::NUM_WORKING + plan.working;
    normal_row(plan, m, i, w, white.diagonal[0], white.before[0]);
    for r in 1..3 {
        let law = tangent(plan, m, i, w, white.before[r]);
        write_row(m, w, r, white.diagonal[r], white.before[r], &law);
    }
    for c in 0..3 {
        m.set(w + item::D_COUPLING + c, white.coupling[c]);
    }
    let friction = m.real(plan.items.real(i, item::FRICTION)) * m.parameter(plan.p_friction);
    m.set(w + item::D_LOW, friction);
}

/// Friction of a contact whose normal row is in the working numbers `w`.
#[inline(always)]
fn tangent<M: Machine>(plan: &Plan, m: &M, i: M::Int, w: M::Int, before: M::Num) -> Spring<M::Num> {
    let (bias, softness) = match plan.options.law {
        Law::Soft { .. } => (m.num(0.0), m.num(0.0)),
        Law::Mujoco => {
            let share = m.real(plan.items.real(i, item::FRICTION_SOFTNESS));
            (-fade(plan, m, i, before), m.get(w + item::D_SOFTNESS) * share)
        }
    };
    Spring { bias, relax: bias, softness }
}

/// Resists the turn about the normal of the item's contact.
#[inline(always)]
fn torsion<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let contact = m.int(plan.items.int(i, item::EXTRA));
    let normal = m.get3(contact * item::NUM_GEOMETRY + (plan.contact + item::C_NORMAL));
    clear(plan, m, i);
    for (list, len, sign) in [(item::A, item::A_LEN, -1.0), (item::B, item::B_LEN, 1.0)] {
        let list = m.int(plan.items.int(i, list));
        let len = m.int(plan.items.int(i, len));
        for k in m.range(0, len) {
            let d = m.int(list + k);
            let row = normal.dot(m.get3(d * 6 + plan.motion)) * m.num(sign);
            m.set(d * 3 + plan.dense, row);
        }
    }
    let white = whiten::<M, 1>(plan, m, i);
    warm_start::<M, 1>(plan, m, i);
    let law = tangent(plan, m, i, contact * item::NUM_WORKING + plan.working, white.before[0]);
    let w = i * item::NUM_WORKING + plan.working;
    write_row(m, w, 0, white.diagonal[0], white.before[0], &law);
    let friction = m.real(plan.items.real(i, item::FRICTION)) * m.parameter(plan.p_friction);
    m.set(w + item::D_LOW, friction);
}

#[inline(always)]
fn push_only<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let frame = frame(plan, m, i);
    dense_rows(plan, m, i, &frame);
    let white = whiten::<M, 1>(plan, m, i);
    warm_start::<M, 1>(plan, m, i);
    let w = i * item::NUM_WORKING + plan.working;
    normal_row(plan, m, i, w, white.diagonal[0], white.before[0]);
    m.set(w + item::D_LOW, m.num(0.0));
    m.set(w + item::D_HIGH, m.num(1e30));
}

/// The row along the normal, with its bounce.
#[inline(always)]
fn normal_row<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, w: M::Int, diagonal: M::Num, before: M::Num) {
    let distance = m.get(i * item::NUM_GEOMETRY + (plan.contact + item::C_DISTANCE));
    let gap = distance - m.real(plan.items.real(i, item::MARGIN));
    let law = spring(plan, m, i, gap, diagonal, before, false);
    // A contact that closes within this substep bounces, unless it closes so slowly that gravity alone explains it.
    let e = m.real(plan.items.real(i, item::RESTITUTION));
    let closes = before.mul_add(m.num(plan.options.substep()), gap).lt(m.num(0.0));
    let fast = before.lt(m.num(-20.0 * plan.options.substep()));
    let bounces = m.num(0.0).lt(e) & closes & fast;
    let relax = match plan.options.law {
        Law::Soft { .. } => M::Num::select(bounces, e * before, law.relax),
        Law::Mujoco => law.relax,
    };
    write_row(m, w, 0, diagonal, before, &Spring { relax, ..law });
}

/// Stores the numbers of row `r`. The solver knows only changes of the speed, so the speed from `before` is part of what
/// they are to make up for.
#[inline(always)]
pub(super) fn write_row<M: Machine>(
    m: &mut M,
    w: M::Int,
    r: usize,
    diagonal: M::Num,
    before: M::Num,
    law: &Spring<M::Num>,
) {
    let one = m.num(1.0);
    // A row that moves nothing gets no impulse.
    let moves = m.num(1e-12).lt(diagonal);
    let inverse = |x: M::Num| M::Num::select(moves, one / M::Num::select(moves, x, one), m_zero::<M>());
    m.set(w + (item::D_BIAS + r), before + law.bias);
    m.set(w + (item::D_RELAX + r), before + law.relax);
    m.set(w + (item::D_SOFTNESS + r), law.softness);
    m.set(w + (item::D_INVERSE + r), inverse(diagonal + law.softness));
    m.set(w + (item::D_RELAX_INVERSE + r), inverse(diagonal));
    m.set(w + (item::D_DIAGONAL + r), diagonal);
}

#[inline(always)]
fn m_zero<M: Machine>() -> M::Num {
    M::Num::zero()
}
