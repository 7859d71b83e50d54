//! Forces on joints, from what they did: `M Δv / h + c` is the mean force of everything but the bias force `c` and external
//! wrenches, whatever the solver did in the substep.

use crate::lane::{Num, Phase};
use crate::machine::Machine;
use crate::plan::{Plan, dof};

/// Keeps the mass matrix, the bias force with external wrenches, and the velocity, before actuators and solver change them.
pub struct Keep;

impl Phase for Keep {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for k in m.range(0, plan.mass_len) {
            m.set(k + plan.kept, m.get(k + plan.mass));
        }
        let (tau, velocity) = (plan.kept + plan.mass_len, plan.kept + plan.mass_len + plan.dofs.len);
        for d in m.range(0, plan.dofs.len) {
            m.set(d + tau, m.get(d + plan.tau));
            m.set(d + velocity, m.get(d + plan.qvel));
        }
    }
}

/// Adds the impulses of the substep to the sums.
pub struct Strain;

impl Phase for Strain {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        let (tau, velocity) = (plan.kept + plan.mass_len, plan.kept + plan.mass_len + plan.dofs.len);
        let h = m.num(plan.options.substep());
        for d in m.range(0, plan.dofs.len) {
            let gained = m.get(d + plan.qvel) - m.get(d + velocity);
            let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.kept;
            let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
            let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
            let own = m.get(row + count).mul_add(gained, -(h * m.get(d + tau)));
            m.set(d + plan.strain, m.get(d + plan.strain) + own);
            for k in m.range(0, count) {
                let e = m.int(ancestors + k);
                let mass = m.get(row + k);
                let other = m.get(e + plan.qvel) - m.get(e + velocity);
                m.set(d + plan.strain, mass.mul_add(other, m.get(d + plan.strain)));
                m.set(e + plan.strain, mass.mul_add(gained, m.get(e + plan.strain)));
            }
            m.set(d + plan.drive_sum, m.get(d + plan.drive_sum) + m.get(d + plan.drive));
        }
    }
}
