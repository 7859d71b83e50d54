//! Where the links are, and how each degree of freedom moves them.

use crate::lane::{Num, Phase};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::plan::{dof, joint, link};
use crate::space::{Mat3, Spatial, V3};

/// Poses of the links and motion vectors of the degrees of freedom, in world axes about the origin of each tree's
/// root, so that nothing loses digits far from the world's origin.
pub struct Kinematics;

impl Phase for Kinematics {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for l in m.range(1, plan.links.len) {
            place(plan, m, l);
        }
    }
}

#[inline(always)]
fn place<M: Machine>(plan: &Plan, m: &mut M, l: M::Int) {
    let parent = m.int(plan.links.int(l, link::PARENT));
    let carrier = m.get9(parent * 9 + plan.rotation);
    let position = carrier * m.real3(plan.links.real(l, link::POSITION)) + m.get3(parent * 3 + plan.position);
    m.set3(l * 3 + plan.position, position);
    m.set9(l * 9 + plan.rotation, carrier * m.real9(plan.links.real(l, link::ROTATION)));
    let (joints, end) = (m.int(plan.links.int(l, link::JOINTS)), m.int(plan.links.int(l, link::JOINTS_END)));
    for j in m.range(joints, end) {
        let kind = m.int(plan.joints.int(j, joint::KIND));
        if let Some(_then) = m.when(m.equal(kind, joint::FREE)) {
            free(plan, m, l, j);
        }
        if let Some(_then) = m.when(m.equal(kind, joint::BALL)) {
            ball(plan, m, l, j);
        }
        if let Some(_then) = m.when(m.equal(kind, joint::SLIDE)) {
            slide(plan, m, l, j);
        }
        if let Some(_then) = m.when(m.less(joint::SLIDE.into(), kind)) {
            hinge(plan, m, l, j, kind);
        }
    }
    if let Some(_then) = m.when(m.less(0.into(), parent)) {
        finish_motions(plan, m, l, V3::zero());
    }
    // The root's place becomes the origin of its tree; everything else is told from there.
    if let Some(_then) = m.when(m.equal(parent, 0)) {
        let origin = m.get3(l * 3 + plan.position);
        let tree = m.int(plan.links.int(l, link::TREE));
        m.set3(tree * 3 + plan.origin, origin);
        m.set3(l * 3 + plan.position, V3::zero());
        finish_motions(plan, m, l, origin);
    }
}

/// While the joints of a link are placed, the linear part of a rotation's motion holds its anchor: only when the
/// origin is known does it become a velocity.
#[inline(always)]
fn finish_motions<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, origin: V3<M::Num>) {
    let (dofs, end) = (m.int(plan.links.int(l, link::DOFS)), m.int(plan.links.int(l, link::DOFS_END)));
    for d in m.range(dofs, end) {
        if let Some(_then) = m.when(m.equal(m.int(plan.dofs.int(d, dof::ROTATES)), 1)) {
            let motion = m.get6(d * 6 + plan.motion);
            m.set3(d * 6 + (plan.motion + 3), (motion.linear - origin).cross(motion.angular));
        }
    }
}

#[inline(always)]
fn free<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, j: M::Int) {
    let q = m.int(plan.joints.int(j, joint::QPOS)) + plan.qpos;
    let d = m.int(plan.joints.int(j, joint::DOF));
    let position = m.get3(q);
    let rotation = Mat3::from_quaternion(m.get(q + 3), m.get(q + 4), m.get(q + 5), m.get(q + 6));
    m.set3(l * 3 + plan.position, position);
    m.set9(l * 9 + plan.rotation, rotation);
    for k in 0..3 {
        let along = Spatial { angular: V3::zero(), linear: V3::unit(k) };
        let about = Spatial { angular: rotation.column(k), linear: position };
        m.set6((d + k) * 6 + plan.motion, along);
        m.set6((d + (3 + k)) * 6 + plan.motion, about);
    }
}

#[inline(always)]
fn ball<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, j: M::Int) {
    let q = m.int(plan.joints.int(j, joint::QPOS)) + plan.qpos;
    let d = m.int(plan.joints.int(j, joint::DOF));
    let turn = Mat3::from_quaternion(m.get(q), m.get(q + 1), m.get(q + 2), m.get(q + 3));
    let before = m.get9(l * 9 + plan.rotation);
    let rotation = before * turn;
    m.set9(l * 9 + plan.rotation, rotation);
    let anchor = turn_about_anchor(plan, m, l, j, before, rotation);
    for k in 0..3 {
        let about = Spatial { angular: rotation.column(k), linear: anchor };
        m.set6((d + k) * 6 + plan.motion, about);
    }
}

#[inline(always)]
fn slide<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, j: M::Int) {
    let q = m.int(plan.joints.int(j, joint::QPOS)) + plan.qpos;
    let d = m.int(plan.joints.int(j, joint::DOF));
    let way = m.get(q) - m.real(plan.joints.real(j, joint::REFERENCE));
    let axis = m.get9(l * 9 + plan.rotation) * m.real3(plan.joints.real(j, joint::AXIS));
    let position = m.get3(l * 3 + plan.position);
    m.set3(l * 3 + plan.position, axis.mul_add(way, position));
    m.set6(d * 6 + plan.motion, Spatial { angular: V3::zero(), linear: axis });
}

#[inline(always)]
fn hinge<M: Machine>(plan: &Plan, m: &mut M, l: M::Int, j: M::Int, kind: M::Int) {
    let q = m.int(plan.joints.int(j, joint::QPOS)) + plan.qpos;
    let d = m.int(plan.joints.int(j, joint::DOF));
    let angle = m.get(q) - m.real(plan.joints.real(j, joint::REFERENCE));
    let before = m.get9(l * 9 + plan.rotation);
    let axis = before * m.real3(plan.joints.real(j, joint::AXIS));
    for k in 0..3 {
        if let Some(_then) = m.when(m.equal(kind, joint::HINGE_X + k)) {
            let (s, c) = (angle * m.real(plan.joints.real(j, joint::SIGN))).sin_cos();
            m.set9(l * 9 + plan.rotation, turned_about(before, k, s, c));
        }
    }
    if let Some(_then) = m.when(m.equal(kind, joint::HINGE)) {
        let (s, c) = angle.sin_cos();
        let turn = rotation_about(m.real3(plan.joints.real(j, joint::AXIS)), s, c);
        m.set9(l * 9 + plan.rotation, before * turn);
    }
    let rotation = m.get9(l * 9 + plan.rotation);
    let anchor = turn_about_anchor(plan, m, l, j, before, rotation);
    m.set6(d * 6 + plan.motion, Spatial { angular: axis, linear: anchor });
}

/// Moves the link so that the joint's anchor stays where it was before the turn, and returns the anchor.
#[inline(always)]
fn turn_about_anchor<M: Machine>(
    plan: &Plan,
    m: &mut M,
    l: M::Int,
    j: M::Int,
    before: Mat3<M::Num>,
    after: Mat3<M::Num>,
) -> V3<M::Num> {
    let position = m.get3(l * 3 + plan.position);
    let offset = m.real3(plan.joints.real(j, joint::ANCHOR));
    let anchor = position + before * offset;
    if let Some(_then) = m.when(m.equal(m.int(plan.joints.int(j, joint::ANCHORED)), 1)) {
        m.set3(l * 3 + plan.position, anchor - after * offset);
    }
    anchor
}

/// `rotation` times a turn about axis `k` of its own frame.
#[inline(always)]
fn turned_about<N: Num>(rotation: Mat3<N>, k: usize, s: N, c: N) -> Mat3<N> {
    let (u, v) = (rotation.column((k + 1) % 3), rotation.column((k + 2) % 3));
    let mut columns = [rotation.column(0), rotation.column(1), rotation.column(2)];
    columns[(k + 1) % 3] = v.mul_add(s, u * c);
    columns[(k + 2) % 3] = v * c - u * s;
    Mat3::from_columns(columns[0], columns[1], columns[2])
}

/// The rotation about a unit axis (Rodrigues).
#[inline(always)]
fn rotation_about<N: Num>(axis: V3<N>, s: N, c: N) -> Mat3<N> {
    let t = N::one() - c;
    let scaled = axis * t;
    let turn = axis * s;
    Mat3 {
        rows: [
            V3::new(
                scaled.x.mul_add(axis.x, c),
                scaled.x.mul_add(axis.y, -turn.z),
                scaled.x.mul_add(axis.z, turn.y),
            ),
            V3::new(
                scaled.x.mul_add(axis.y, turn.z),
                scaled.y.mul_add(axis.y, c),
                scaled.y.mul_add(axis.z, -turn.x),
            ),
            V3::new(
                scaled.x.mul_add(axis.z, -turn.y),
                scaled.y.mul_add(axis.z, turn.x),
                scaled.z.mul_add(axis.z, c),
            ),
        ],
    }
}
