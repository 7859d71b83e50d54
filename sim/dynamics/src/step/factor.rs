//! The factor of the mass matrix, `H = Lᵀ L`, and what it is good for.
//!
//! L has the branches of the tree: a row holds only the degrees of freedom that carry its own (Featherstone 2008,
//! chapter 8). In the *white* coordinates `w = L v` kinetic energy is `w·w / 2`, so constraints are solved there: a
//! constraint's row needs one half of a back-substitution, touches only its own branch, and serves both to read a
//! velocity and to apply an impulse.

use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Plan, dof};

/// Mass matrix to factor, in place; then what a substep without constraints adds to the velocity, white.
pub struct Factor;

impl Phase for Factor {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for d in m.range_down(0, plan.dofs.len) {
            eliminate(plan, m, d);
        }
        to_white(plan, m);
    }
}

#[inline(always)]
fn eliminate<M: Machine>(plan: &Plan, m: &mut M, d: M::Int) {
    let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
    let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
    let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
    let root = m.get(row + count).sqrt();
    let inverse = m.num(1.0) / root;
    m.set(d + plan.inverse, inverse);
    m.set(row + count, root);
    for a in m.range(0, count) {
        let scaled = m.get(row + a) * inverse;
        m.set(row + a, scaled);
        // The a-th ancestor's row holds exactly the ancestors up to and including itself.
        let above = m.int(plan.dofs.int(m.int(ancestors + a), dof::ROW)) + plan.mass;
        for k in m.range(0, a + 1) {
            m.set(above + k, (-scaled).mul_add(m.get(row + k), m.get(above + k)));
        }
    }
}

/// `white_before = L v`, `white = h L⁻ᵀ τ`; destroys `tau`.
///
/// The solver works on the change of the velocity alone. Were the velocity itself carried through `L` and back, each
/// substep would multiply it by one plus the same rounding error: a pendulum lost 1 % of its energy in 100 s.
#[inline(always)]
fn to_white<M: Machine>(plan: &Plan, m: &mut M) {
    for d in m.range_down(0, plan.dofs.len) {
        let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
        let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
        let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
        let push = m.get(d + plan.tau) * m.get(d + plan.inverse);
        let mut before = m.var(m.get(row + count) * m.get(d + plan.qvel));
        for k in m.range(0, count) {
            let e = m.int(ancestors + k);
            let l = m.get(row + k);
            before.set(l.mul_add(m.get(e + plan.qvel), before.get()));
            m.set(e + plan.tau, (-l).mul_add(push, m.get(e + plan.tau)));
        }
        m.set(d + plan.white_before, before.get());
        m.set(d + plan.white, push * m.num(plan.options.substep()));
    }
}

/// `white += h L⁻ᵀ τ`; destroys `tau`.
#[inline(always)]
pub(super) fn push<M: Machine>(plan: &Plan, m: &mut M) {
    for d in m.range_down(0, plan.dofs.len) {
        let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
        let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
        let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
        let push = m.get(d + plan.tau) * m.get(d + plan.inverse);
        for k in m.range(0, count) {
            let e = m.int(ancestors + k);
            m.set(e + plan.tau, (-m.get(row + k)).mul_add(push, m.get(e + plan.tau)));
        }
        m.set(d + plan.white, push.mul_add(m.num(plan.options.substep()), m.get(d + plan.white)));
    }
}

/// `gain = L⁻¹ white`.
#[inline(always)]
pub(super) fn gain<M: Machine>(plan: &Plan, m: &mut M) {
    for d in m.range(0, plan.dofs.len) {
        let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
        let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
        let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
        let mut rest = m.var(m.get(d + plan.white));
        for k in m.range(0, count) {
            let e = m.int(ancestors + k);
            rest.set((-m.get(row + k)).mul_add(m.get(e + plan.gain), rest.get()));
        }
        m.set(d + plan.gain, rest.get() * m.get(d + plan.inverse));
    }
}

/// `gain = L⁻¹ white`, and the velocity with it; `again` where the velocity holds the gain from before already.
#[inline(always)]
pub(super) fn from_white<M: Machine>(plan: &Plan, m: &mut M, again: bool) {
    for d in m.range(0, plan.dofs.len) {
        let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
        let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
        let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
        let mut rest = m.var(m.get(d + plan.white));
        for k in m.range(0, count) {
            let e = m.int(ancestors + k);
            rest.set((-m.get(row + k)).mul_add(m.get(e + plan.gain), rest.get()));
        }
        let gain = rest.get() * m.get(d + plan.inverse);
        let change = if again { gain - m.get(d + plan.gain) } else { gain };
        m.set(d + plan.gain, gain);
        m.set(d + plan.qvel, m.get(d + plan.qvel) + change);
    }
}
