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
        from_white(plan, m);
        for j in m.range(0, plan.joints.len) {
            let kind = m.int(plan.joints.int(j, joint::KIND));
            let q = m.int(plan.joints.int(j, joint::QPOS)) + plan.qpos;
            let d = m.int(plan.joints.int(j, joint::DOF)) + plan.qvel;
            if let Some(_then) = m.when(m.equal(kind, joint::FREE)) {
                let position = m.get3(d).mul_add(m.num(plan.options.substep()), m.get3(q));
                m.set3(q, position);
                turn(plan, m, q + 3, d + 3);
            }
            if let Some(_then) = m.when(m.equal(kind, joint::BALL)) {
                turn(plan, m, q, d);
            }
            if let Some(_then) = m.when(m.less(joint::BALL.into(), kind)) {
                m.set(q, m.get(d).mul_add(m.num(plan.options.substep()), m.get(q)));
            }
        }
    }
}

/// Velocity after the relaxing sweeps; positions stay.
pub struct Settle;

impl Phase for Settle {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        from_white(plan, m);
    }
}

/// `q ⊗ exp(h ω / 2)` for an angular velocity in the body's frame.
#[inline(always)]
fn turn<M: Machine>(plan: &Plan, m: &mut M, q: M::Int, d: M::Int) {
    let half: V3<M::Num> = m.get3(d) * m.num(0.5 * plan.options.substep());
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
