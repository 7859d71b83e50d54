//! Springs of ball and free joints.

use crate::lane::Num;
use crate::machine::Machine;
use crate::plan::{Plan, dof, spring};
use crate::space::V3;

use super::actuate::spring_share;
use super::ties::rotation_vector;

/// Pulls along the rotation (and translation) from where the spring is at rest, at the end of the substep.
#[inline(always)]
pub(super) fn turn_back<M: Machine>(plan: &Plan, m: &mut M, s: M::Int) {
    let stiffness = m.real(plan.springs.real(s, spring::STIFFNESS));
    let q = m.int(plan.springs.int(s, spring::QPOS)) + plan.qpos;
    let d = m.int(plan.springs.int(s, spring::DOF));
    // rest⁻¹ ⊗ q, in the frame of the joint's child.
    let rest = -m.real3(plan.springs.real(s, spring::ROTATION));
    let scalar = m.real(plan.springs.real(s, spring::ROTATION + 3));
    let (v, w) = (m.get3(q), m.get(q + 3));
    let vector = rest.mul_add(w, v.mul_add(scalar, rest.cross(v)));
    let (axis, angle) = rotation_vector(vector, w * scalar - rest.dot(v));
    pull(plan, m, d, stiffness, axis * angle);
    if let Some(_then) = m.when(m.equal(m.int(plan.springs.int(s, spring::FREE)), 1)) {
        let way = m.get3(q - 3) - m.real3(plan.springs.real(s, spring::POSITION));
        pull(plan, m, d - 3, stiffness, way);
    }
}

/// A stiffness along three degrees of freedom from `d` on, stretched by `stretch`.
#[inline(always)]
fn pull<M: Machine>(plan: &Plan, m: &mut M, d: M::Int, stiffness: M::Num, stretch: V3<M::Num>) {
    let h = m.num(plan.options.substep());
    for (k, stretch) in [stretch.x, stretch.y, stretch.z].into_iter().enumerate() {
        let e = d + k;
        let ahead = spring_share(plan, m, stiffness);
        m.set(e + plan.tau, m.get(e + plan.tau) - stiffness.mul_add(stretch, ahead * m.get(e + plan.qvel)));
        let diagonal =
            m.int(plan.dofs.int(e, dof::ROW)) + m.int(plan.dofs.int(e, dof::NUM_ANCESTORS)) + plan.mass;
        m.set(diagonal, h.mul_add(ahead, m.get(diagonal)));
    }
}
