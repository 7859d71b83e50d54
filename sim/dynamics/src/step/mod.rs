//! The step: what happens to an environment between two controls, written once for all machines.

mod actuate;
mod contact;
mod dynamics;
mod factor;
mod integrate;
mod kinematics;
mod meshes;
mod rays;
mod report;
mod rows;
mod sense;
mod solve;
mod springs;
mod strain;
mod ties;

pub use actuate::Actuate;
pub use contact::{Forget, PlaceGeoms, Recall, Torsion};
pub(crate) use contact::{collide, num_contacts};
pub use dynamics::{Correct, Inward, Outward, Velocities};
pub use factor::Factor;
pub use integrate::{Integrate, Lag, Lead, Settle};
pub use kinematics::Kinematics;
pub(crate) use meshes::needs_scratch;
pub use rays::Rays;
pub use report::Report;
pub use rows::ContactRows;
pub use sense::{Remember, Sense, Wrenches};
pub use solve::{Relax, Solve};
pub use strain::{Keep, Strain};
pub use ties::Ties;

use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Plan, item};
use crate::space::{Mat3, V3};

/// Clears the sums of the control step and places the world.
pub struct Begin;

impl Phase for Begin {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        m.set3(plan.position, V3::zero());
        m.set9(plan.rotation, Mat3::identity());
        m.set3(plan.origin, V3::zero());
        for a in m.range(0, plan.actuators.len) {
            m.set(a + plan.actuator_force, m.num(0.0));
        }
        for b in m.range(0, 3 * plan.num_bodies) {
            m.set(b + plan.contact_impulse, m.num(0.0));
        }
        for b in m.range(0, plan.touch_len) {
            m.set(b + plan.touch, m.num(0.0));
        }
        if plan.num_contacts > 0 {
            m.call::<contact::Recall>(plan);
        }
        for w in m.range(0, 6 * plan.num_wrenches) {
            m.set(w + plan.wrench, m.num(0.0));
        }
        if plan.strains {
            for d in m.range(0, plan.dofs.len) {
                m.set(d + plan.strain, m.num(0.0));
                m.set(d + plan.drive_sum, m.num(0.0));
            }
        }
    }
}

/// Controls that arrive late, by whole control steps: the first control after a reset stands for all before it.
pub struct Hear;

impl Phase for Hear {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        let (nu, oldest) = (plan.actuators.len, plan.options.max_delay);
        let first = m.get(plan.heard).lt(m.num(0.5));
        m.set(plan.heard, m.num(1.0));
        for a in m.range(0, nu) {
            let now = m.get(a + plan.control);
            for k in m.range_down(1, oldest + 1) {
                let at = k * nu + a + plan.late;
                m.set(at, M::Num::select(first, now, m.get(at - nu)));
            }
            m.set(a + plan.late, now);
            let delay = m.parameter(a + plan.p_delay);
            let (mut heard, mut steps) = (m.var(now), m.var(m.num(0.5)));
            for k in m.range(1, oldest + 1) {
                let late = steps.get().lt(delay);
                heard.set(M::Num::select(late, m.get(k * nu + a + plan.late), heard.get()));
                steps.set(steps.get() + m.num(1.0));
            }
            m.set(a + plan.control, heard.get());
        }
    }
}

/// Adds the impulses of the contacts to the sums of the bodies; until they are found again, they act no more.
pub struct Tally;

impl Phase for Tally {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        let count = m.count(plan.acting);
        m.set_count(plan.acted, 0.into());
        for n in m.range(0, count) {
            let i = m.count(n + (plan.acting + 1));
            if let Some(_then) = m.when(m.less(i, plan.num_contacts)) {
                let impulse = m.get3(m.int(plan.items.int(i, item::IMPULSE)));
                let normal = m.get3(i * item::NUM_GEOMETRY + (plan.contact + item::C_NORMAL));
                let (u, v) = normal.tangents();
                let push = v.mul_add(impulse.z, u.mul_add(impulse.y, normal * impulse.x));
                let a = m.int(plan.items.int(i, item::BODY_A)) * 3 + plan.contact_impulse;
                let b = m.int(plan.items.int(i, item::BODY_B)) * 3 + plan.contact_impulse;
                m.set3(a, m.get3(a) - push);
                m.set3(b, m.get3(b) + push);
                if plan.touch_len > 0 {
                    let a = m.int(plan.items.int(i, item::BODY_A)) + plan.touch;
                    let b = m.int(plan.items.int(i, item::BODY_B)) + plan.touch;
                    m.set(a, m.get(a) + impulse.x);
                    m.set(b, m.get(b) + impulse.x);
                }
                contact::retire(plan, m, i);
            }
        }
    }
}

/// One control step: `decimation` physics steps of `substeps` each.
pub struct ControlStep;

impl Phase for ControlStep {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        if plan.options.max_delay > 0 {
            m.call::<Hear>(plan);
        }
        m.call::<Begin>(plan);
        for k in m.range(0, plan.options.decimation) {
            physics_step(plan, m, k);
        }
        m.call::<Kinematics>(plan);
        m.call::<Velocities>(plan);
        m.call::<Report>(plan);
        sense(plan, m);
    }
}

/// The sensors' rows, from everything that the step has left in memory.
#[inline(always)]
fn sense<M: Machine>(plan: &Plan, m: &mut M) {
    if plan.sensors.len == 0 {
        return;
    }
    if plan.rays.scanners.len > 0 {
        m.call::<Rays>(plan);
    }
    m.call::<Sense>(plan);
}

/// Output rows from the state alone, with forces of zero and bodies that do not accelerate.
pub struct Observe;

impl Phase for Observe {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        m.call::<Begin>(plan);
        m.call::<Kinematics>(plan);
        m.call::<Velocities>(plan);
        m.call::<Report>(plan);
        if plan.sensors.len > 0 {
            m.call::<Remember>(plan);
        }
        sense(plan, m);
    }
}

/// Physics step `k` of the control step.
#[inline(always)]
fn physics_step<M: Machine>(plan: &Plan, m: &mut M, k: M::Int) {
    if plan.num_accelerometers > 0 {
        // Accelerations are means over the last physics step.
        if let Some(_then) = m.when(m.equal(k, plan.options.decimation - 1)) {
            m.call::<Kinematics>(plan);
            m.call::<Velocities>(plan);
            m.call::<Remember>(plan);
        }
    }
    if plan.centred() {
        m.call::<Lead>(plan);
    }
    for _ in m.range(0, plan.options.substeps) {
        substep(plan, m);
    }
    if plan.centred() {
        m.call::<Lag>(plan);
    }
}

#[inline(always)]
fn substep<M: Machine>(plan: &Plan, m: &mut M) {
    m.call::<Kinematics>(plan);
    m.call::<Outward>(plan);
    m.call::<Inward>(plan);
    if plan.strains {
        m.call::<Keep>(plan);
    }
    m.call::<Actuate>(plan);
    m.call::<Factor>(plan);
    if plan.items.len > 0 {
        m.call::<Ties>(plan);
    }
    contact::collide(plan, m);
    if plan.items.len > 0 {
        m.call::<ContactRows>(plan);
    }
    if plan.centred() {
        m.call::<Correct>(plan);
    }
    if plan.items.len > 0 {
        m.call::<Solve>(plan);
    }
    m.call::<Integrate>(plan);
    if integrate::relaxes(plan) && plan.items.len > 0 {
        m.call::<Relax>(plan);
        m.call::<Settle>(plan);
    }
    // While the contacts still act: the tally retires them.
    if plan.num_wrenches > 0 && plan.num_contacts > 0 {
        m.call::<Wrenches>(plan);
    }
    if plan.num_contacts > 0 {
        m.call::<Tally>(plan);
    }
    if plan.strains {
        m.call::<Strain>(plan);
    }
}
