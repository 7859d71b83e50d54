//! Forces of actuators, springs and dampers.
//!
//! Forces that pull a joint back are taken at the end of the substep: their stiffness and damping go into the mass
//! matrix (backward Euler; under MuJoCo's law damping alone), unless a limit on the force holds. Tendons and sites act with the force of the start.

use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Law, Plan, actuator, dof, tendon};
use crate::space::{Spatial, V3};

use super::springs::turn_back;

/// Adds to `tau`, and to the diagonal of the mass matrix.
pub struct Actuate;

impl Phase for Actuate {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for d in m.range(0, plan.dofs.len) {
            m.set(d + plan.drive, m.num(0.0));
            m.set(d + plan.drive_stiffness, m.num(0.0));
            m.set(d + plan.drive_damping, m.num(0.0));
        }
        for a in m.range(0, plan.actuators.len) {
            drive(plan, m, a);
        }
        for t in m.range(0, plan.tendons.len) {
            spring_of_tendon(plan, m, t);
        }
        for d in m.range(0, plan.dofs.len) {
            gather(plan, m, d);
        }
        for s in m.range(0, plan.springs.len) {
            turn_back(plan, m, s);
        }
    }
}

#[inline(always)]
fn drive<M: Machine>(plan: &Plan, m: &mut M, a: M::Int) {
    let control = control(plan, m, a);
    let kind = m.int(plan.actuators.int(a, actuator::KIND));
    let target = m.int(plan.actuators.int(a, actuator::TARGET));
    if let Some(_then) = m.when(m.equal(kind, actuator::SCALAR)) {
        let gear = m.real(plan.actuators.real(a, actuator::GEAR));
        let q = m.int(plan.actuators.int(a, actuator::QPOS));
        let (length, speed) = (gear * m.get(q + plan.qpos), gear * m.get(target + plan.qvel));
        let (force, free) = force(plan, m, a, control, length, speed);
        let p = a * actuator::NUM_PARAMETERS + plan.p_actuator;
        let give = M::Num::select(free, gear * gear * m.parameter(p + actuator::P_STRENGTH), m.num(0.0));
        let stiffness = give * m.parameter(p + actuator::P_LENGTH);
        let damping = give * m.parameter(p + actuator::P_VELOCITY);
        m.set(target + plan.drive, gear.mul_add(force, m.get(target + plan.drive)));
        m.set(target + plan.drive_stiffness, m.get(target + plan.drive_stiffness) - stiffness);
        m.set(target + plan.drive_damping, m.get(target + plan.drive_damping) - damping);
    }
    if let Some(_then) = m.when(m.equal(kind, actuator::JOINT)) {
        let count = m.int(plan.actuators.int(a, actuator::NUM_DOFS));
        let gears = plan.actuators.real(a, actuator::GEAR);
        let mut speed = m.var(m.num(0.0));
        for k in m.range(0, count) {
            speed.set(m.real(gears + k).mul_add(m.get(target + k + plan.qvel), speed.get()));
        }
        let (force, _) = force(plan, m, a, control, m.num(0.0), speed.get());
        for k in m.range(0, count) {
            let at = target + k + plan.tau;
            m.set(at, m.real(gears + k).mul_add(force, m.get(at)));
        }
    }
    if let Some(_then) = m.when(m.equal(kind, actuator::TENDON)) {
        let gear = m.real(plan.actuators.real(a, actuator::GEAR));
        let (length, speed) = tendon_state(plan, m, target);
        let (force, _) = force(plan, m, a, control, gear * length, gear * speed);
        pull_tendon(plan, m, target, gear * force);
    }
    if let Some(_then) = m.when(m.equal(kind, actuator::SITE)) {
        let (force, _) = force(plan, m, a, control, m.num(0.0), m.num(0.0));
        push_site(plan, m, a, target, force);
    }
}

/// The control after its range and its filter.
#[inline(always)]
fn control<M: Machine>(plan: &Plan, m: &mut M, a: M::Int) -> M::Num {
    let wanted = m.get(a + plan.control).clamp(
        m.real(plan.actuators.real(a, actuator::CONTROL_LOW)),
        m.real(plan.actuators.real(a, actuator::CONTROL_HIGH)),
    );
    let filter = m.int(plan.actuators.int(a, actuator::FILTER));
    let mut out = m.var(wanted);
    if let Some(_then) = m.when(m.less(0.into(), filter)) {
        let at = filter + plan.activation - 1;
        let before = m.get(at);
        let share = m.real(plan.actuators.real(a, actuator::FILTER_SHARE));
        m.set(at, share.mul_add(wanted - before, before));
        out.set(before);
    }
    out.get()
}

/// The force of an actuator before its gear, and where no limit holds it.
#[inline(always)]
fn force<M: Machine>(
    plan: &Plan,
    m: &mut M,
    a: M::Int,
    control: M::Num,
    length: M::Num,
    speed: M::Num,
) -> (M::Num, <M::Num as Num>::Mask) {
    let p = a * actuator::NUM_PARAMETERS + plan.p_actuator;
    let raw = m.parameter(p + actuator::P_GAIN).mul_add(
        control,
        m.parameter(p + actuator::P_LENGTH).mul_add(
            length,
            m.parameter(p + actuator::P_VELOCITY)
                .mul_add(speed, m.real(plan.actuators.real(a, actuator::BIAS))),
        ),
    );
    let low = m.real(plan.actuators.real(a, actuator::FORCE_LOW));
    let high = m.real(plan.actuators.real(a, actuator::FORCE_HIGH));
    let force = raw.clamp(low, high) * m.parameter(p + actuator::P_STRENGTH);
    m.set(a + plan.actuator_force, m.get(a + plan.actuator_force) + force);
    (force, low.lt(raw) & raw.lt(high))
}

#[inline(always)]
pub(super) fn tendon_state<M: Machine>(plan: &Plan, m: &mut M, t: M::Int) -> (M::Num, M::Num) {
    let (mut length, mut speed) = (m.var(m.num(0.0)), m.var(m.num(0.0)));
    let count = m.int(plan.tendons.int(t, tendon::NUM_TERMS));
    let dofs = m.int(plan.tendons.int(t, tendon::DOFS));
    let places = m.int(plan.tendons.int(t, tendon::QPOS));
    let coefficients = m.int(plan.tendons.int(t, tendon::COEFFICIENTS));
    for k in m.range(0, count) {
        let c = m.real(coefficients + k);
        length.set(c.mul_add(m.get(m.int(places + k) + plan.qpos), length.get()));
        speed.set(c.mul_add(m.get(m.int(dofs + k) + plan.qvel), speed.get()));
    }
    (length.get(), speed.get())
}

#[inline(always)]
fn pull_tendon<M: Machine>(plan: &Plan, m: &mut M, t: M::Int, force: M::Num) {
    let count = m.int(plan.tendons.int(t, tendon::NUM_TERMS));
    let dofs = m.int(plan.tendons.int(t, tendon::DOFS));
    let coefficients = m.int(plan.tendons.int(t, tendon::COEFFICIENTS));
    for k in m.range(0, count) {
        let at = m.int(dofs + k) + plan.drive;
        m.set(at, m.real(coefficients + k).mul_add(force, m.get(at)));
    }
}

#[inline(always)]
fn spring_of_tendon<M: Machine>(plan: &Plan, m: &mut M, t: M::Int) {
    let (length, speed) = tendon_state(plan, m, t);
    let low = m.real(plan.tendons.real(t, tendon::SPRING_LOW));
    let high = m.real(plan.tendons.real(t, tendon::SPRING_HIGH));
    let stretch = (length - high).max(m.num(0.0)) + (length - low).min(m.num(0.0));
    let stiffness = m.real(plan.tendons.real(t, tendon::STIFFNESS));
    let damping = m.real(plan.tendons.real(t, tendon::DAMPING));
    let force = -(stiffness.mul_add(stretch, damping * speed));
    let count = m.int(plan.tendons.int(t, tendon::NUM_TERMS));
    let dofs = m.int(plan.tendons.int(t, tendon::DOFS));
    let coefficients = m.int(plan.tendons.int(t, tendon::COEFFICIENTS));
    for k in m.range(0, count) {
        let at = m.int(dofs + k) + plan.tau;
        m.set(at, m.real(coefficients + k).mul_add(force, m.get(at)));
    }
}

/// A force and moment in the frame of a site.
#[inline(always)]
fn push_site<M: Machine>(plan: &Plan, m: &mut M, a: M::Int, l: M::Int, force: M::Num) {
    let gear = |m: &M, k| m.real3(plan.actuators.real(a, actuator::GEAR + k));
    let link = m.get9(l * 9 + plan.rotation);
    let site = link * m.real9(plan.actuators.real(a, actuator::SITE_ROTATION));
    let at = m.get3(l * 3 + plan.position) + link * m.real3(plan.actuators.real(a, actuator::SITE_POSITION));
    let push: V3<M::Num> = site * gear(m, 0) * force;
    let moment = site * gear(m, 3) * force + at.cross(push);
    let wrench = Spatial { angular: moment, linear: push };
    // The link's own degrees of freedom and all that carry it: its last one's ancestors and itself.
    let last = m.int(plan.links.int(l, crate::plan::link::DOFS_END)) - 1;
    let count = m.int(plan.dofs.int(last, dof::NUM_ANCESTORS));
    let ancestors = m.int(plan.dofs.int(last, dof::ANCESTORS));
    for k in m.range(0, count) {
        let d = m.int(ancestors + k);
        m.set(d + plan.tau, m.get(d + plan.tau) + m.get6(d * 6 + plan.motion).dot(wrench));
    }
    m.set(last + plan.tau, m.get(last + plan.tau) + m.get6(last * 6 + plan.motion).dot(wrench));
}

/// What a spring adds to the damping when it is taken at the end of the substep. MuJoCo's `implicitfast` takes springs at
/// the start.
#[inline(always)]
pub(super) fn spring_share<M: Machine>(plan: &Plan, m: &M, stiffness: M::Num) -> M::Num {
    match plan.options.law {
        Law::Soft { .. } => stiffness * m.num(plan.options.substep()),
        Law::Mujoco => m.num(0.0),
    }
}

/// Everything that acts along one degree of freedom.
#[inline(always)]
fn gather<M: Machine>(plan: &Plan, m: &mut M, d: M::Int) {
    let h = m.num(plan.options.substep());
    let low = m.real(plan.dofs.real(d, dof::EFFORT_LOW));
    let high = m.real(plan.dofs.real(d, dof::EFFORT_HIGH));
    let raw = m.get(d + plan.drive);
    let free = low.lt(raw) & raw.lt(high);
    let drive = raw.clamp(low, high);
    m.set(d + plan.drive, drive);
    let driven = |x| M::Num::select(free, x, m.num(0.0));
    let spring = m.real(plan.dofs.real(d, dof::STIFFNESS));
    let damper = m.real(plan.dofs.real(d, dof::DAMPING));
    let stiffness = driven(m.get(d + plan.drive_stiffness)) + spring;
    let damping = driven(m.get(d + plan.drive_damping)) + damper;
    let speed = m.get(d + plan.qvel);
    let stretch = m.get(m.int(plan.dofs.int(d, dof::QPOS)) + plan.qpos)
        - m.real(plan.dofs.real(d, dof::SPRING_REFERENCE));
    let passive = damper.mul_add(speed, spring * stretch);
    let ahead = spring_share(plan, m, stiffness);
    let tau = m.get(d + plan.tau) + drive - passive - ahead * speed;
    m.set(d + plan.tau, tau);
    let diagonal =
        m.int(plan.dofs.int(d, dof::ROW)) + m.int(plan.dofs.int(d, dof::NUM_ANCESTORS)) + plan.mass;
    m.set(diagonal, h.mul_add(ahead + damping, m.get(diagonal)));
}
