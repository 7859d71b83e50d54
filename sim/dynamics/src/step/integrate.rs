//! From velocities to positions.

use crate::lane::{Num, Phase};
use crate::machine::Machine;
use crate::plan::{Law, Plan, joint};
use crate::space::V3;

use super::factor::from_white;

/// Velocity after the solver, and the positions that it leads to.
pub struct Integrate;

impl Phase for Integrate {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        from_white(plan, m, false);
        drift(plan, m, plan.options.substep());
    }
}

/// Half a substep ahead: see [`Plan::centred`].
pub struct Lead;

impl Phase for Lead {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        drift(plan, m, 0.5 * plan.options.substep());
    }
}

/// Half a substep back.
pub struct Lag;

impl Phase for Lag {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        drift(plan, m, -0.5 * plan.options.substep());
    }
}

/// Positions after the velocity has held for a time \[s\].
#[inline(always)]
fn drift<M: Machine>(plan: &Plan, m: &mut M, time: f64) {
    for j in m.range(0, plan.joints.len) {
        let kind = m.int(plan.joints.int(j, joint::KIND));
        let q = m.int(plan.joints.int(j, joint::QPOS)) + plan.qpos;
        let d = m.int(plan.joints.int(j, joint::DOF)) + plan.qvel;
        if let Some(_then) = m.when(m.equal(kind, joint::FREE)) {
            let remainder = m.int(plan.joints.int(j, joint::REMAINDER)) + plan.remainder;
            shift(m, q, d, remainder, time);
            turn(m, q + 3, d + 3, time);
        }
        if let Some(_then) = m.when(m.equal(kind, joint::BALL)) {
            turn(m, q, d, time);
        }
        if let Some(_then) = m.when(m.less(joint::BALL.into(), kind)) {
            m.set(q, m.get(d).mul_add(m.num(time), m.get(q)));
        }
    }
}

/// Moves a position and keeps what its rounding swallows for the next time (Kahan's sum): far from the origin a substep
/// moves a robot by less than the distance of two numbers there.
#[inline(always)]
fn shift<M: Machine>(m: &mut M, q: M::Int, d: M::Int, remainder: M::Int, time: f64) {
    for k in 0..3 {
        let (before, step) = (m.get(q + k), m.get(d + k).mul_add(m.num(time), m.get(remainder + k)));
        let after = before + step;
        m.set(q + k, after);
        m.set(remainder + k, step - (after - before));
    }
}

/// Velocity after the relaxing sweeps; positions stay.
pub struct Settle;

impl Phase for Settle {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        from_white(plan, m, true);
    }
}

/// `q ⊗ exp(time ω / 2)` for an angular velocity in the body's frame.
#[inline(always)]
fn turn<M: Machine>(m: &mut M, q: M::Int, d: M::Int, time: f64) {
    let half: V3<M::Num> = m.get3(d) * m.num(0.5 * time);
    let squared = half.length_squared();
    let angle = squared.sqrt();
    let (sine, cosine) = angle.sin_cos();
    // sin(x)/x by its series where x is small.
    let small = squared.lt(m.num(1e-4));
    let series = squared.mul_add(m.num(-1.0 / 6.0), m.num(1.0));
    let ratio = M::Num::select(small, series, sine / M::Num::select(small, m.num(1.0), angle));
    let v = half * ratio;
    let (a, w) = (m.get3(q), m.get(q + 3));
    let vector = v.mul_add(w, a.mul_add(cosine, a.cross(v)));
    let scalar = w * cosine - a.dot(v);
    let inverse = m.num(1.0) / scalar.mul_add(scalar, vector.length_squared()).sqrt();
    m.set3(q, vector * inverse);
    m.set(q + 3, scalar * inverse);
}

/// Whether positions move before the relaxing sweeps.
#[inline(always)]
pub(super) fn relaxes(plan: &Plan) -> bool {
    plan.options.relax_sweeps > 0 && matches!(plan.options.law, Law::Soft { .. })
}
