//! Velocities, bias forces and the mass matrix: recursive Newton-Euler and composite rigid bodies.
//!
//! Featherstone, Rigid Body Dynamics Algorithms (2008), tables 5.1 and 6.2, with all vectors in world axes.

use crate::lane::{Num, Phase};
use crate::machine::Machine;
use crate::plan::{Plan, dof, joint, link};
use crate::space::{Inertia, Spatial, V3};

use super::factor::{gain, push};

/// From the root outwards: velocity, the acceleration that is there without any joint's, the force that this takes, and
/// the inertia of each link. The velocity is the one in the middle of the substep: see [`Plan::centred`].
pub struct Outward;

impl Phase for Outward {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        start(plan, m);
        if plan.centred() {
            for d in m.range(0, plan.dofs.len) {
                let middle = m.get(d + plan.gain).mul_add(m.num(0.5), m.get(d + plan.qvel));
                m.set(d + plan.middle, middle);
            }
        }
        outward(plan, m);
    }
}

#[inline(always)]
fn outward<M: Machine>(plan: &Plan, m: &mut M) {
    for l in m.range(1, plan.links.len) {
        carry_on(plan, m, l, plan.middle);
        weigh(plan, m, l);
    }
}

/// Takes the velocity products again, now that it is known what the substep adds to the velocity: see [`Plan::centred`].
pub struct Correct;

impl Phase for Correct {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        gain(plan, m);
        for d in m.range(0, plan.dofs.len) {
            let middle = m.get(d + plan.gain).mul_add(m.num(0.5), m.get(d + plan.qvel));
            m.set(d + plan.middle, middle);
        }
        start(plan, m);
        outward(plan, m);
        for l in m.range_down(1, plan.links.len) {
            let force = m.get6(l * 6 + plan.force);
            let (dofs, end) =
                (m.int(plan.links.int(l, link::DOFS)), m.int(plan.links.int(l, link::DOFS_END)));
            for d in m.range(dofs, end) {
                let motion = m.get6(d * 6 + plan.motion);
                m.set(d + plan.tau, m.get(d + plan.bias) - motion.dot(force));
            }
            let parent = m.int(plan.links.int(l, link::PARENT));
            if let Some(_then) = m.when(m.less(0.into(), parent)) {
                let below = m.get6(parent * 6 + plan.force);
                m.set6(parent * 6 + plan.force, below + force);
            }
        }
        push(plan, m);
    }
}

/// From the root outwards: velocities only.
pub struct Velocities;

impl Phase for Velocities {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        start(plan, m);
        for l in m.range(1, plan.links.len) {
            carry_on(plan, m, l, plan.qvel);
        }
    }
}

/// The world stands still; gravity is an acceleration of it upwards.
#[inline(always)]
fn start<M: Machine>(plan: &Plan, m: &mut M) {
    let gravity = m.parameter3(plan.p_gravity);
    m.set6(plan.velocity, Spatial::zero());
    m.set6(plan.acceleration, Spatial { angular: V3::zero(), linear: -gravity });
}

/// The velocity of a link from the speeds of its joints, which stand in memory from `speeds` on.
#[inline(always)]
fn carry_on<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, speeds: usize) {
    let parent = m.int(plan.links.int(l, link::PARENT));
    let (velocity, acceleration) =
        (m.get6(parent * 6 + plan.velocity), m.get6(parent * 6 + plan.acceleration));
    m.set6(l * 6 + plan.velocity, velocity);
    m.set6(l * 6 + plan.acceleration, acceleration);
    let (joints, end) = (m.int(plan.links.int(l, link::JOINTS)), m.int(plan.links.int(l, link::JOINTS_END)));
    for j in m.range(joints, end) {
        move_with_joint(plan, m, l, j, speeds);
    }
}

#[inline(always)]
fn move_with_joint<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, j: M::Int, speeds: usize) {
    let kind = m.int(plan.joints.int(j, joint::KIND));
    let d = m.int(plan.joints.int(j, joint::DOF));
    let velocity = m.get6(l * 6 + plan.velocity);
    let acceleration = m.get6(l * 6 + plan.acceleration);
    if let Some(_then) = m.when(m.equal(kind, joint::FREE)) {
        // Translations are along axes that stand still; rotations about axes that travel with them.
        let linear = m.get3(d + speeds);
        let velocity = Spatial { angular: velocity.angular, linear: velocity.linear + linear };
        turn_about_three(plan, m, l, d + 3, speeds, velocity, acceleration);
    }
    if let Some(_then) = m.when(m.equal(kind, joint::BALL)) {
        turn_about_three(plan, m, l, d, speeds, velocity, acceleration);
    }
    if let Some(_then) = m.when(m.less(joint::BALL.into(), kind)) {
        let motion = m.get6(d * 6 + plan.motion);
        let speed = m.get(d + speeds);
        m.set6(l * 6 + plan.acceleration, velocity.cross_motion(motion).mul_add(speed, acceleration));
        m.set6(l * 6 + plan.velocity, motion.mul_add(speed, velocity));
    }
}

/// Three rotations at once: their axes all turn with the velocity from before.
#[inline(always)]
fn turn_about_three<M: Machine>(
    plan: &Plan,
    m: &mut M,
    l: M::Int,
    d: M::Int,
    speeds: usize,
    velocity: Spatial<M::Num>,
    acceleration: Spatial<M::Num>,
) {
    let mut own = Spatial::zero();
    for k in 0..3 {
        own = m.get6((d + k) * 6 + plan.motion).mul_add(m.get(d + (speeds + k)), own);
    }
    m.set6(l * 6 + plan.acceleration, acceleration + velocity.cross_motion(own));
    m.set6(l * 6 + plan.velocity, velocity + own);
}

/// Inertia of a link, and the force that its motion takes less the forces that act on it from outside.
#[inline(always)]
fn weigh<M: Machine>(plan: &Plan, m: &mut M, l: M::Int) {
    let rotation = m.get9(l * 9 + plan.rotation);
    let position = m.get3(l * 3 + plan.position);
    let own = l * 10 + plan.p_inertia;
    let com = position + rotation * m.parameter3(own + 1);
    let inertia = Inertia::new(m.parameter(own), com, rotation, m.parameter3(own + 4), m.parameter3(own + 7));
    m.set(l * 10 + plan.inertia, inertia.mass);
    m.set3(l * 10 + (plan.inertia + 1), inertia.moment);
    m.set3(l * 10 + (plan.inertia + 4), inertia.diagonal);
    m.set3(l * 10 + (plan.inertia + 7), inertia.products);

    let velocity = m.get6(l * 6 + plan.velocity);
    let momentum = inertia.mul(velocity);
    let force = inertia.mul(m.get6(l * 6 + plan.acceleration)) + velocity.cross_force(momentum);
    // A push acts at the centre of mass, in world axes.
    let push = m.parameter3(l * 6 + (plan.p_wrench + 3));
    let moment = m.parameter3(l * 6 + plan.p_wrench) + com.cross(push);
    let lift = m.parameter3(plan.p_gravity) * -m.real(plan.links.real(l, link::COMPENSATED));
    let lift_at = position + rotation * m.real3(plan.links.real(l, link::COMPENSATED_AT));
    let outside = Spatial { angular: moment + lift_at.cross(lift), linear: push + lift };
    m.set6(
        l * 6 + plan.force,
        Spatial { angular: force.angular - outside.angular, linear: force.linear - outside.linear },
    );
}

/// From the leaves inwards: bias forces into `tau` with a minus sign, and the packed mass matrix.
pub struct Inward;

impl Phase for Inward {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for l in m.range_down(1, plan.links.len) {
            let at = l * 10 + plan.inertia;
            let inertia = Inertia {
                mass: m.get(at),
                moment: m.get3(at + 1),
                diagonal: m.get3(at + 4),
                products: m.get3(at + 7),
            };
            let force = m.get6(l * 6 + plan.force);
            let (dofs, end) =
                (m.int(plan.links.int(l, link::DOFS)), m.int(plan.links.int(l, link::DOFS_END)));
            for d in m.range(dofs, end) {
                project(plan, m, d, &inertia, force);
            }
            let parent = m.int(plan.links.int(l, link::PARENT));
            if let Some(_then) = m.when(m.less(0.into(), parent)) {
                hand_down(plan, m, parent, &inertia, force);
            }
        }
    }
}

#[inline(always)]
fn project<M: Machine>(plan: &Plan, m: &mut M, d: M::Int, inertia: &Inertia<M::Num>, force: Spatial<M::Num>) {
    let motion = m.get6(d * 6 + plan.motion);
    let bias = motion.dot(force);
    m.set(d + plan.tau, -bias);
    if plan.centred() {
        m.set(d + plan.bias, bias);
    }
    let pull = inertia.mul(motion);
    let row = m.int(plan.dofs.int(d, dof::ROW)) + plan.mass;
    let count = m.int(plan.dofs.int(d, dof::NUM_ANCESTORS));
    let ancestors = m.int(plan.dofs.int(d, dof::ANCESTORS));
    m.set(row + count, motion.dot(pull) + m.parameter(d + plan.p_armature));
    for k in m.range(0, count) {
        let e = m.int(ancestors + k);
        m.set(row + k, m.get6(e * 6 + plan.motion).dot(pull));
    }
}

#[inline(always)]
fn hand_down<M: Machine>(
    plan: &Plan,
    m: &mut M,
    parent: M::Int,
    inertia: &Inertia<M::Num>,
    force: Spatial<M::Num>,
) {
    let at = parent * 10 + plan.inertia;
    m.set(at, m.get(at) + inertia.mass);
    m.set3(at + 1, m.get3(at + 1) + inertia.moment);
    m.set3(at + 4, m.get3(at + 4) + inertia.diagonal);
    m.set3(at + 7, m.get3(at + 7) + inertia.products);
    let below = m.get6(parent * 6 + plan.force);
    m.set6(parent * 6 + plan.force, below + force);
}
