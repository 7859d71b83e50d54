//! Forward kinematics in `f64`: where every body is, given the joint positions.
//!
//! The rules are MuJoCo's: a body starts at its reference pose in its parent; its joints then act in order, each
//! about an anchor and an axis fixed in the body as the joints before left it; hinges and slides count from
//! `reference`. Bodies driven by a free joint and mocap bodies stand in the world whatever their parent.

use glam::{DQuat, DVec3};

use crate::Pose;
use crate::robot::{Joint, JointKind, RobotModel};

/// Where everything that moves is, in the world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinematics {
    /// `world_from_body` of each body, the world first.
    pub world_from_body: Vec<Pose>,
    /// Anchor of each joint \[m\] (MuJoCo `xanchor`); of a free joint the body's origin.
    pub joint_anchors: Vec<DVec3>,
    /// Unit axis of each joint as the joints before it left the body (MuJoCo `xaxis`); zero for free and ball joints.
    pub joint_axes: Vec<DVec3>,
}

/// `world_from_body` of each body, the world first.
///
/// `qpos` is laid out as [`Joint::qpos_index`] says, quaternions xyzw; they need not have unit length, and a zero
/// quaternion is no rotation. Mocap bodies stand at their reference pose.
///
/// # Panics
/// If `qpos` is shorter than [`RobotModel::num_qpos`] or a parent follows its child, which
/// [`crate::validate::validate`] excludes.
pub fn forward_kinematics(model: &RobotModel, qpos: &[f64]) -> Vec<Pose> {
    kinematics(model, qpos).world_from_body
}

/// [`forward_kinematics`] with the joints' anchors and axes.
///
/// # Panics
/// As [`forward_kinematics`].
pub fn kinematics(model: &RobotModel, qpos: &[f64]) -> Kinematics {
    assert!(
        qpos.len() >= model.num_qpos(),
        "qpos has {} numbers, the model {}",
        qpos.len(),
        model.num_qpos()
    );
    let mut out = Kinematics::default();
    for (index, body) in model.bodies.iter().enumerate() {
        if index == 0 {
            out.world_from_body.push(Pose::IDENTITY);
            continue;
        }
        let mut pose = out.world_from_body[body.parent].compose(body.pose);
        for joint in &model.joints[body.joints.clone()] {
            let before = pose;
            pose = apply_joint(joint, before, qpos);
            let (anchor, axis) = match joint.kind {
                JointKind::Free => (pose.position, DVec3::ZERO),
                JointKind::Ball => (before.transform_point(joint.anchor), DVec3::ZERO),
                _ => (before.transform_point(joint.anchor), before.rotation * joint.axis),
            };
            out.joint_anchors.push(anchor);
            out.joint_axes.push(axis);
        }
        out.world_from_body.push(pose);
    }
    out
}

/// The pose of a body after one of its joints, given its pose before.
fn apply_joint(joint: &Joint, world_from_body: Pose, qpos: &[f64]) -> Pose {
    let q = &qpos[joint.qpos_index..joint.qpos_index + joint.kind.num_qpos()];
    match joint.kind {
        JointKind::Free => Pose::new(DVec3::new(q[0], q[1], q[2]), unit_quat(&q[3..])),
        JointKind::Prismatic => {
            let axis = world_from_body.rotation * joint.axis;
            Pose { position: world_from_body.position + axis * (q[0] - joint.reference), ..world_from_body }
        }
        JointKind::Revolute => {
            let turn = DQuat::from_axis_angle(joint.axis, q[0] - joint.reference);
            turn_about(world_from_body, joint.anchor, turn)
        }
        JointKind::Ball => turn_about(world_from_body, joint.anchor, unit_quat(q)),
    }
}

/// Turns a body in its own frame about a point of its own that stays where it is.
fn turn_about(world_from_body: Pose, anchor: DVec3, turn: DQuat) -> Pose {
    let anchor_in_world = world_from_body.transform_point(anchor);
    let rotation = (world_from_body.rotation * turn).normalize();
    Pose { position: anchor_in_world - rotation * anchor, rotation }
}

/// A quaternion xyzw brought to length 1; without length it is no rotation.
fn unit_quat(xyzw: &[f64]) -> DQuat {
    let quat = DQuat::from_xyzw(xyzw[0], xyzw[1], xyzw[2], xyzw[3]);
    let length = quat.length();
    if length > 0.0 && length.is_finite() { quat / length } else { DQuat::IDENTITY }
}

/// Centre of mass of a body and all that hangs on it, in the world \[m\] (MuJoCo `subtree_com`); without mass that of the
/// body's own inertia.
pub fn center_of_mass_below(model: &RobotModel, world_from_body: &[Pose], root: usize) -> DVec3 {
    let center =
        |body: usize| world_from_body[body].transform_point(model.bodies[body].inertial.pose.position);
    let mut below = vec![false; model.bodies.len()];
    let (mut total, mut moment) = (0.0, DVec3::ZERO);
    // Parents come before their children.
    for (index, body) in model.bodies.iter().enumerate().skip(root) {
        below[index] = index == root || (index > 0 && below[body.parent]);
        if below[index] {
            total += body.inertial.mass;
            moment += body.inertial.mass * center(index);
        }
    }
    if total > 0.0 { moment / total } else { center(root) }
}

/// Centre of mass of the bodies with mass, in the world \[m\]; the origin if there is none.
pub fn center_of_mass(model: &RobotModel, world_from_body: &[Pose]) -> DVec3 {
    let mut total = 0.0;
    let mut moment = DVec3::ZERO;
    for (body, pose) in model.bodies.iter().zip(world_from_body) {
        total += body.inertial.mass;
        moment += body.inertial.mass * pose.transform_point(body.inertial.pose.position);
    }
    if total > 0.0 { moment / total } else { DVec3::ZERO }
}
