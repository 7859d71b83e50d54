//! The constraint solver: projected Gauss-Seidel over the constraints that act, in white coordinates.

use crate::each;
use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Law, Plan, item};

/// Sweeps with position correction.
pub struct Solve;

impl Phase for Solve {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for _ in m.range(0, plan.options.sweeps) {
            sweep(plan, m, false);
        }
    }
}

/// Sweeps without: what position correction added to the velocity goes again.
pub struct Relax;

impl Phase for Relax {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for _ in m.range(0, plan.options.relax_sweeps) {
            sweep(plan, m, true);
        }
    }
}

#[inline(always)]
fn sweep<M: Machine>(plan: &Plan, m: &mut M, relax: bool) {
    let count = m.count(plan.acting);
    for n in m.range(0, count) {
        let i = m.count(n + (plan.acting + 1));
        let kind = m.int(plan.items.int(i, item::KIND));
        if let Some(_then) = m.when(m.equal(kind, item::CONE)) {
            solve_cone(plan, m, i, relax);
        }
        if let Some(_then) = m.when(m.equal(kind, item::ROW)) {
            solve_row(plan, m, i, relax);
        }
        if let Some(_then) = m.when(m.equal(kind, item::TRIPLE)) {
            solve_triple(plan, m, i, relax);
        }
        if let Some(_then) = m.when(m.equal(kind, item::TORSION)) {
            solve_torsion(plan, m, i, relax);
        }
    }
}

/// Changes of the speeds of the first `R` rows of a constraint.
#[inline(always)]
pub(super) fn speeds<M: Machine, const R: usize>(plan: &Plan, m: &M, i: M::Int) -> [M::Num; R] {
    let support = m.int(plan.items.int(i, item::SUPPORT));
    let len = m.int(plan.items.int(i, item::SUPPORT_LEN));
    let rows = m.int(plan.items.int(i, item::ROWS));
    let mut sums = each!(_r => m.var(m.num(0.0)));
    for k in m.range(0, len) {
        let white = m.get(m.int(support + k) + plan.white);
        for r in 0..R {
            sums[r].set(m.get(rows + k * R + r).mul_add(white, sums[r].get()));
        }
    }
    let mut out = [m.num(0.0); R];
    for r in 0..R {
        out[r] = sums[r].get();
    }
    out
}

/// Adds impulses along the first `R` rows to the white change of the velocity.
#[inline(always)]
pub(super) fn apply<M: Machine, const R: usize>(plan: &Plan, m: &mut M, i: M::Int, change: [M::Num; R]) {
    let support = m.int(plan.items.int(i, item::SUPPORT));
    let len = m.int(plan.items.int(i, item::SUPPORT_LEN));
    let rows = m.int(plan.items.int(i, item::ROWS));
    for k in m.range(0, len) {
        let at = m.int(support + k) + plan.white;
        let mut white = m.get(at);
        for r in 0..R {
            white = m.get(rows + k * R + r).mul_add(change[r], white);
        }
        m.set(at, white);
    }
}

/// The numbers of a row in a sweep: target speed with the speed from before, softness, inverse of the sum.
#[inline(always)]
fn row<M: Machine>(m: &M, w: M::Int, r: usize, relax: bool) -> [M::Num; 3] {
    if relax {
        [m.get(w + (item::D_RELAX + r)), m.num(0.0), m.get(w + (item::D_RELAX_INVERSE + r))]
    } else {
        [m.get(w + (item::D_BIAS + r)), m.get(w + (item::D_SOFTNESS + r)), m.get(w + (item::D_INVERSE + r))]
    }
}

/// `impulse` with the change that brings the row to its target.
#[inline(always)]
fn relaxed<N: Num>([bias, softness, inverse]: [N; 3], speed: N, impulse: N) -> N {
    (-(softness.mul_add(impulse, speed + bias))).mul_add(inverse, impulse)
}

#[inline(always)]
fn solve_row<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, relax: bool) {
    let w = i * item::NUM_WORKING + plan.working;
    solve_between(plan, m, i, relax, m.get(w + item::D_LOW), m.get(w + item::D_HIGH));
}

/// The bound is a share of what the contact pushes with now.
#[inline(always)]
fn solve_torsion<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, relax: bool) {
    let w = i * item::NUM_WORKING + plan.working;
    let contact = m.int(plan.items.int(i, item::EXTRA));
    let push = m.get(m.int(plan.items.int(contact, item::IMPULSE)));
    let bound = m.get(w + item::D_LOW) * push;
    solve_between(plan, m, i, relax, -bound, bound);
}

/// One row whose impulse has bounds.
#[inline(always)]
fn solve_between<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, relax: bool, low: M::Num, high: M::Num) {
    let w = i * item::NUM_WORKING + plan.working;
    let at = m.int(plan.items.int(i, item::IMPULSE));
    let [speed] = speeds::<M, 1>(plan, m, i);
    let before = m.get(at);
    let acts = m.num(0.5).lt(m.get(w + item::D_ACTIVE));
    let wanted = relaxed(row(m, w, 0, relax), speed, before).clamp(low, high);
    let after = M::Num::select(acts, wanted, before);
    m.set(at, after);
    apply::<M, 1>(plan, m, i, [after - before]);
}

/// Three rows at once, exactly: their block is factored already.
#[inline(always)]
fn solve_triple<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, relax: bool) {
    let w = i * item::NUM_WORKING + plan.working;
    let at = m.int(plan.items.int(i, item::IMPULSE));
    let speed = speeds::<M, 3>(plan, m, i);
    let before = each!(r => m.get(at + r));
    let bias = if relax { item::D_RELAX } else { item::D_BIAS };
    let rest = each!(r => {
        let soft = m.get(w + (item::D_SOFTNESS + r));
        -soft.mul_add(before[r], speed[r] + m.get(w + (bias + r)))
    });
    let pivot = each!(r => m.get(w + (item::D_INVERSE + r)));
    let [l10, l20, l21] = each!(r => m.get(w + (item::D_RELAX_INVERSE + r)));
    let y1 = rest[1] - l10 * rest[0];
    let z = (rest[2] - l20 * rest[0] - l21 * y1) * pivot[2];
    let y = y1 * pivot[1] - l21 * z;
    let x = rest[0] * pivot[0] - l10 * y - l20 * z;
    let change = [x, y, z];
    for r in 0..3 {
        m.set(at + r, before[r] + change[r]);
    }
    apply::<M, 3>(plan, m, i, change);
}

#[inline(always)]
fn solve_cone<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, relax: bool) {
    let w = i * item::NUM_WORKING + plan.working;
    let at = m.int(plan.items.int(i, item::IMPULSE));
    let acts = m.num(0.5).lt(m.get(w + item::D_ACTIVE));
    let before = each!(r => m.get(at + r));
    let coupling = each!(c => m.get(w + (item::D_COUPLING + c)));
    let rows = each!(r => row(m, w, r, relax));
    let mut speed = speeds::<M, 3>(plan, m, i);
    let mut now = before;
    match plan.options.law {
        Law::Soft { .. } => {
            let push = relaxed(rows[0], speed[0], now[0]).max(m.num(0.0));
            let change = push - now[0];
            speed[1] = coupling[0].mul_add(change, speed[1]);
            speed[2] = coupling[1].mul_add(change, speed[2]);
            now[0] = push;
        }
        Law::Mujoco => {
            let friction = m.get(w + item::D_LOW);
            let stretched = along_ray(m, w, &rows, &coupling, speed, now, friction);
            let change = each!(r => stretched[r] - now[r]);
            let diagonal = each!(r => m.get(w + (item::D_DIAGONAL + r)));
            let product = block(&diagonal, &coupling, change);
            speed = each!(r => speed[r] + product[r]);
            now = stretched;
        }
    }
    let limit = m.get(w + item::D_LOW) * now[0];
    let diagonal = each!(r in 2 => m.get(w + (item::D_DIAGONAL + 1 + r)) + rows[1 + r][1]);
    // Where a contact can slide along one line only, the block of its tangents is singular: a little of it is added to
    // itself. What the sweeps settle at does not depend on it: there the gradient is zero.
    let slack = match plan.options.law {
        Law::Soft { .. } => (diagonal[0] + diagonal[1]) * m.num(1e-4),
        Law::Mujoco => m.num(0.0),
    };
    let diagonal = [diagonal[0] + slack, diagonal[1] + slack];
    let slide = inside_disc(m, &rows, diagonal, coupling[2], speed, now, limit);
    let [u, v] = capped(slide, limit);
    let after = [now[0], u, v];
    let after = each!(r => M::Num::select(acts, after[r], before[r]));
    for r in 0..3 {
        m.set(at + r, after[r]);
    }
    apply::<M, 3>(plan, m, i, each!(r => after[r] - before[r]));
}

/// A vector cut to a length.
#[inline(always)]
fn capped<N: Num>([u, v]: [N; 2], limit: N) -> [N; 2] {
    let length = u.mul_add(u, v * v).sqrt();
    let scale = (limit / length.max(N::of(1e-30))).min(N::one());
    [u * scale, v * scale]
}

/// Friction that loses the most energy within the disc of radius `limit`: the smallest `λ >= 0` for which
/// `(A + λ) x = -p` is within it, by Newton's method on `1/|x| - 1/limit` (as for trust regions: Moré and Sorensen,
/// 1983), which comes from below and never overshoots. Where all environments stick there is nothing to search.
#[inline(always)]
fn inside_disc<M: Machine>(
    m: &M,
    rows: &[[M::Num; 3]; 3],
    [a, c]: [M::Num; 2],
    coupling: M::Num,
    speed: [M::Num; 3],
    now: [M::Num; 3],
    limit: M::Num,
) -> [M::Num; 2] {
    let gradient = each!(r => rows[r][1].mul_add(now[r], speed[r] + rows[r][0]));
    let minus_p = [
        a.mul_add(now[1], coupling * now[2]) - gradient[1],
        coupling.mul_add(now[1], c * now[2]) - gradient[2],
    ];
    let stick = solve_pair([a, c], coupling, m.num(0.0), minus_p);
    let (mut u, mut v) = (m.var(stick[0]), m.var(stick[1]));
    let slides = (limit * limit).lt(stick[0].mul_add(stick[0], stick[1] * stick[1]));
    if let Some(_then) = m.when(m.any(slides)) {
        let tiny = m.num(1e-30);
        let inverse_limit = m.num(1.0) / limit.max(m.num(1e-9));
        let (mut shift, mut x) = (m.num(0.0), stick);
        for _ in 0..3 {
            let squared = x[0].mul_add(x[0], x[1] * x[1]).max(tiny);
            let length = squared.sqrt();
            let back = solve_pair([a, c], coupling, shift, x);
            let curvature = x[0].mul_add(back[0], x[1] * back[1]).max(tiny);
            // Below the limit that the division bears there is no way back.
            let outside = length.mul_add(inverse_limit, m.num(-1.0)).max(m.num(0.0));
            let step = outside * squared / curvature;
            shift = shift + M::Num::select(limit.lt(length), step, m.num(0.0));
            x = solve_pair([a, c], coupling, shift, minus_p);
        }
        u.set(M::Num::select(slides, x[0], stick[0]));
        v.set(M::Num::select(slides, x[1], stick[1]));
    }
    [u.get(), v.get()]
}

/// `(A + shift)⁻¹ r` of a symmetric matrix of two rows.
#[inline(always)]
fn solve_pair<N: Num>([a, c]: [N; 2], coupling: N, shift: N, r: [N; 2]) -> [N; 2] {
    let (a, c) = (a + shift, c + shift);
    let inverse = N::one() / a.mul_add(c, -(coupling * coupling)).max(N::of(1e-30));
    [(c * r[0] - coupling * r[1]) * inverse, (a * r[1] - coupling * r[0]) * inverse]
}

/// The symmetric block of a contact times a vector.
#[inline(always)]
fn block<N: Num>(diagonal: &[N; 3], coupling: &[N; 3], x: [N; 3]) -> [N; 3] {
    [
        diagonal[0].mul_add(x[0], coupling[0].mul_add(x[1], coupling[1] * x[2])),
        coupling[0].mul_add(x[0], diagonal[1].mul_add(x[1], coupling[2] * x[2])),
        coupling[1].mul_add(x[0], coupling[2].mul_add(x[1], diagonal[2] * x[2])),
    ]
}

/// The best multiple of a contact's impulse: normal and friction grow together, which is what couples them in MuJoCo's
/// convex problem. A contact without impulse takes the best one along the edge of the cone that is steepest downhill.
#[inline(always)]
fn along_ray<M: Machine>(
    m: &M,
    w: M::Int,
    rows: &[[M::Num; 3]; 3],
    coupling: &[M::Num; 3],
    speed: [M::Num; 3],
    now: [M::Num; 3],
    friction: M::Num,
) -> [M::Num; 3] {
    let diagonal = each!(r => m.get(w + (item::D_DIAGONAL + r)) + rows[r][1]);
    let gradient = each!(r => rows[r][1].mul_add(now[r], speed[r] + rows[r][0]));
    let pushes = m.num(1e-12).lt(now[0]);
    let slope = gradient[1].mul_add(gradient[1], gradient[2] * gradient[2]).sqrt();
    let downhill = -friction / slope.max(m.num(1e-30));
    let edge = [m.num(1.0), gradient[1] * downhill, gradient[2] * downhill];
    let ray = each!(r => M::Num::select(pushes, now[r], edge[r]));
    let curvature = dot(ray, block(&diagonal, coupling, ray)).max(m.num(1e-30));
    let start = M::Num::select(pushes, m.num(1.0), m.num(0.0));
    let factor = (start - dot(ray, gradient) / curvature).max(m.num(0.0));
    each!(r => ray[r] * factor)
}

#[inline(always)]
fn dot<N: Num>(a: [N; 3], b: [N; 3]) -> N {
    a[0].mul_add(b[0], a[1].mul_add(b[1], a[2] * b[2]))
}
