//! What the sensors of a model read at the end of a control step.

use super::actuate::tendon_state;
use super::report::quaternion;
use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Plan, item, sensor};
use crate::space::{Mat3, V3};

/// Fills the sensors' rows; working memory must hold kinematics and velocities, and the forces of the report.
pub struct Sense;

impl Phase for Sense {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for s in m.range(0, plan.sensors.len) {
            read(plan, m, s);
            let most = m.real(plan.sensors.real(s, sensor::CUTOFF));
            let out = m.int(plan.sensors.int(s, sensor::OUT)) + plan.sensed;
            let count = m.int(plan.sensors.int(s, sensor::NUM_VALUES));
            for k in m.range(0, count) {
                m.set(out + k, m.get(out + k).clamp(-most, most));
            }
        }
    }
}

/// Keeps the velocities of the accelerometers: their reading is the mean over the time that follows.
pub struct Remember;

impl Phase for Remember {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for s in m.range(0, plan.sensors.len) {
            let kind = m.int(plan.sensors.int(s, sensor::KIND));
            if let Some(_then) = m.when(m.equal(kind, sensor::ACCELEROMETER)) {
                let this = frame(plan, m, s);
                let place = m.int(plan.sensors.int(s, sensor::SOURCE)) * 3 + plan.remembered;
                m.set3(place, this.linear);
            }
        }
    }
}

/// Adds the impulses of contacts to the sums of the sensors that ask for their wrench.
pub struct Wrenches;

impl Phase for Wrenches {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for s in m.range(0, plan.sensors.len) {
            let kind = m.int(plan.sensors.int(s, sensor::KIND));
            if let Some(_then) = m.when(m.equal(kind, sensor::WRENCH)) {
                let this = frame(plan, m, s);
                let sum = m.int(plan.sensors.int(s, sensor::SOURCE));
                let list = m.int(plan.sensors.int(s, sensor::LIST));
                let len = m.int(plan.sensors.int(s, sensor::LIST_LEN));
                for k in m.range(0, len) {
                    add_wrench(plan, m, list + k * 4, sum, &this);
                }
            }
        }
    }
}

/// One contact, or the torsional friction of one.
#[inline(always)]
fn add_wrench<M: Machine>(plan: &Plan, m: &mut M, entry: M::Int, sum: M::Int, this: &Frame<M::Num>) {
    let (i, contact) = (m.int(entry), m.int(entry + 1));
    let mut sign = m.var(m.num(-1.0));
    if let Some(_then) = m.when(m.equal(m.int(entry + 2), 1)) {
        sign.set(m.num(1.0));
    }
    let at = contact * item::NUM_GEOMETRY + plan.contact;
    let impulse = m.int(plan.items.int(i, item::IMPULSE));
    let acts = m.num(0.5).lt(m.get(contact * item::NUM_WORKING + (plan.working + item::D_ACTIVE)));
    // The normal of a contact that is not there may be anything.
    let normal = V3::select(acts, m.get3(at + item::C_NORMAL), V3::unit(2));
    let along = M::Num::select(acts, m.get(impulse), m.num(0.0)) * sign.get();
    let (force, torque) = (this.axes.transpose_mul(normal * along), sum + 3);
    if let Some(_then) = m.when(m.less(i, plan.num_contacts)) {
        let (u, v) = normal.tangents();
        let slide = v.mul_add(m.get(impulse + 2), u * m.get(impulse + 1)) * sign.get();
        let push = force + this.axes.transpose_mul(V3::select(acts, slide, V3::zero()));
        let place = V3::select(acts, m.get3(at + item::C_POSITION), V3::zero());
        let tree = m.int(entry + 3);
        let arm = (place - this.local) + (m.get3(tree * 3 + plan.origin) - this.origin);
        m.set3(sum, m.get3(sum) + push);
        m.set3(torque, m.get3(torque) + this.axes.transpose_mul(arm).cross(push));
    }
    if let Some(_then) = m.when(m.less(plan.num_contacts.into(), i + 1)) {
        m.set3(torque, m.get3(torque) + force);
    }
}

/// A frame: place from the origin of its tree, axes in the world, velocities.
pub(super) struct Frame<N> {
    pub local: V3<N>,
    pub origin: V3<N>,
    pub axes: Mat3<N>,
    linear: V3<N>,
    angular: V3<N>,
}

#[inline(always)]
pub(super) fn frame<M: Machine>(plan: &Plan, m: &M, s: M::Int) -> Frame<M::Num> {
    let (link, tree) = (m.int(plan.sensors.int(s, sensor::LINK)), m.int(plan.sensors.int(s, sensor::TREE)));
    let position = m.real3(plan.sensors.real(s, sensor::POSITION));
    let rotation = m.real9(plan.sensors.real(s, sensor::ROTATION));
    carried(plan, m, link, tree, position, rotation)
}

#[inline(always)]
fn base<M: Machine>(plan: &Plan, m: &M, s: M::Int) -> Frame<M::Num> {
    let link = m.int(plan.sensors.int(s, sensor::BASE_LINK));
    let tree = m.int(plan.sensors.int(s, sensor::BASE_TREE));
    let position = m.real3(plan.sensors.real(s, sensor::BASE_POSITION));
    let rotation = m.real9(plan.sensors.real(s, sensor::BASE_ROTATION));
    carried(plan, m, link, tree, position, rotation)
}

#[inline(always)]
fn carried<M: Machine>(
    plan: &Plan,
    m: &M,
    link: M::Int,
    tree: M::Int,
    position: V3<M::Num>,
    rotation: Mat3<M::Num>,
) -> Frame<M::Num> {
    let axes = m.get9(link * 9 + plan.rotation);
    let local = m.get3(link * 3 + plan.position) + axes * position;
    let velocity = m.get6(link * 6 + plan.velocity);
    Frame {
        local,
        origin: m.get3(tree * 3 + plan.origin),
        axes: axes * rotation,
        linear: velocity.linear + velocity.angular.cross(local),
        angular: velocity.angular,
    }
}

#[inline(always)]
fn read<M: Machine>(plan: &Plan, m: &mut M, s: M::Int) {
    let kind = m.int(plan.sensors.int(s, sensor::KIND));
    let source = m.int(plan.sensors.int(s, sensor::SOURCE));
    let out = m.int(plan.sensors.int(s, sensor::OUT)) + plan.sensed;
    if let Some(_then) = m.when(m.equal(kind, sensor::COPY)) {
        m.set(out, m.get(source) * m.real(plan.sensors.real(s, sensor::SCALE)));
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::COPY3)) {
        m.set3(out, m.get3(source) * m.real(plan.sensors.real(s, sensor::SCALE)));
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::TENDON_LENGTH)) {
        let (length, _) = tendon_state(plan, m, source);
        m.set(out, length);
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::TENDON_SPEED)) {
        let (_, speed) = tendon_state(plan, m, source);
        m.set(out, speed);
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::WRENCH)) {
        let scale = m.real(plan.sensors.real(s, sensor::SCALE));
        m.set3(out, m.get3(source) * scale);
        m.set3(out + 3, m.get3(source + 3) * scale);
    }
    if let Some(_then) = m.when(m.less(sensor::TENDON_SPEED.into(), kind)) {
        let this = frame(plan, m, s);
        if let Some(_then) = m.when(m.less(kind, sensor::GYRO)) {
            let base = base(plan, m, s);
            against(plan, m, s, kind, out, &this, &base);
        }
        if let Some(_then) = m.when(m.equal(kind, sensor::GYRO)) {
            m.set3(out, this.axes.transpose_mul(this.angular));
        }
        if let Some(_then) = m.when(m.equal(kind, sensor::VELOCIMETER)) {
            m.set3(out, this.axes.transpose_mul(this.linear));
        }
        if let Some(_then) = m.when(m.equal(kind, sensor::ACCELEROMETER)) {
            let gained = this.linear - m.get3(source * 3 + plan.remembered);
            let acceleration = gained * m.num(1.0 / plan.options.timestep);
            m.set3(out, this.axes.transpose_mul(acceleration - m.parameter3(plan.p_gravity)));
        }
    }
}

/// A frame as another one sees it.
#[inline(always)]
fn against<M: Machine>(
    plan: &Plan,
    m: &mut M,
    s: M::Int,
    kind: M::Int,
    out: M::Int,
    this: &Frame<M::Num>,
    base: &Frame<M::Num>,
) {
    // Within a tree the origins cancel without loss.
    let arm = (this.local - base.local) + (this.origin - base.origin);
    if let Some(_then) = m.when(m.equal(kind, sensor::PLACE)) {
        m.set3(out, base.axes.transpose_mul(arm));
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::ORIENTATION)) {
        let [x, y, z, w] = quaternion(base.axes.transpose() * this.axes);
        m.set3(out, V3::new(x, y, z));
        m.set(out + 3, w);
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::DIRECTION)) {
        let axis = this.axes * m.real3(plan.sensors.real(s, sensor::AXIS));
        m.set3(out, base.axes.transpose_mul(axis));
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::VELOCITY)) {
        let relative = this.linear - base.linear - base.angular.cross(arm);
        m.set3(out, base.axes.transpose_mul(relative));
    }
    if let Some(_then) = m.when(m.equal(kind, sensor::SPIN)) {
        m.set3(out, base.axes.transpose_mul(this.angular - base.angular));
    }
}
