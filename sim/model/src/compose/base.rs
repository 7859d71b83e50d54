//! The robot's root: floating or fixed, and where it stands.

use glam::{DQuat, DVec3};

use crate::Pose;
use crate::camera::Follow;
use crate::robot::{EqualityKind, Joint, JointKind, RobotModel, SensorKind, Softness, Transmission};

/// The floating body of the robot, or its first body.
pub(super) fn base_body(model: &RobotModel, num_robot_bodies: usize) -> usize {
    model
        .joints
        .iter()
        .find(|joint| joint.kind == JointKind::Free && joint.body < num_robot_bodies)
        .map_or(1, |joint| joint.body)
}

/// Moves the robot: all bodies that hang on the world, and the floating poses of its keyframes.
pub(super) fn place(model: &mut RobotModel, world_from_robot: Pose) {
    if world_from_robot == Pose::IDENTITY {
        return;
    }
    for body in model.bodies.iter_mut().skip(1).filter(|body| body.parent == 0) {
        body.pose = world_from_robot.compose(body.pose);
    }
    // What stands beside the robot with the world's axes stands there still.
    for camera in model.cameras.iter_mut().filter(|camera| matches!(camera.follow, Follow::Track { .. })) {
        let turn = world_from_robot.rotation;
        camera.pose = Pose::new(turn * camera.pose.position, turn * camera.pose.rotation);
    }
    for joint in model.joints.iter().filter(|joint| joint.kind == JointKind::Free) {
        for keyframe in &mut model.keyframes {
            let q = &mut keyframe.qpos[joint.qpos_index..joint.qpos_index + 7];
            let pose = Pose::new(DVec3::new(q[0], q[1], q[2]), DQuat::from_xyzw(q[3], q[4], q[5], q[6]));
            let moved = world_from_robot.compose(pose);
            q[..3].copy_from_slice(&moved.position.to_array());
            q[3..].copy_from_slice(&moved.rotation.to_array());
        }
    }
}

/// Gives the robot's first body a free joint, or takes it away.
pub(super) fn set_floating(model: &mut RobotModel, floating: Option<bool>) {
    let root = base_body(model, model.bodies.len());
    let is_floating = model.bodies[root].joints.len() == 1
        && model.joints[model.bodies[root].joints.start].kind == JointKind::Free;
    match floating {
        Some(true) if !is_floating && model.bodies[root].parent == 0 => insert_free_joint(model, root),
        Some(false) if is_floating => remove_free_joint(model, root),
        _ => {}
    }
}

fn insert_free_joint(model: &mut RobotModel, root: usize) {
    let at = model.bodies[root].joints.start;
    let qpos_at = model.joints.get(at).map_or(model.num_qpos(), |joint| joint.qpos_index);
    let dof_at = model.joints.get(at).map_or(model.num_dofs(), |joint| joint.dof_index);
    let pose = model.bodies[root].pose;
    for keyframe in &mut model.keyframes {
        let pose = pose.position.to_array().into_iter().chain(pose.rotation.to_array());
        keyframe.qpos.splice(qpos_at..qpos_at, pose);
        keyframe.qvel.splice(dof_at..dof_at, [0.0; 6]);
    }
    model.joints.insert(at, free_joint(free_name(model), root));
    remap_joints(model, |joint| if joint >= at { joint + 1 } else { joint });
    renumber(model);
}

fn remove_free_joint(model: &mut RobotModel, root: usize) {
    let at = model.bodies[root].joints.start;
    let (qpos_at, dof_at) = (model.joints[at].qpos_index, model.joints[at].dof_index);
    for keyframe in &mut model.keyframes {
        keyframe.qpos.drain(qpos_at..qpos_at + 7);
        keyframe.qvel.drain(dof_at..dof_at + 6);
    }
    model.joints.remove(at);
    model
        .actuators
        .retain(|actuator| !matches!(actuator.transmission, Transmission::Joint { joint } if joint == at));
    remap_joints(model, |joint| if joint > at { joint - 1 } else { joint });
    renumber(model);
}

/// A name for the new joint that nothing has yet.
fn free_name(model: &RobotModel) -> String {
    let mut name = "floating_base".to_owned();
    while model.joints.iter().any(|joint| joint.name == name) {
        name.push('_');
    }
    name
}

/// A free joint of a body; its indices are set by [`renumber`].
pub(super) fn free_joint(name: String, body: usize) -> Joint {
    Joint {
        name,
        body,
        kind: JointKind::Free,
        axis: DVec3::Z,
        anchor: DVec3::ZERO,
        range: None,
        reference: 0.0,
        stiffness: 0.0,
        spring_reference: 0.0,
        damping: 0.0,
        armature: 0.0,
        friction_loss: 0.0,
        limit_softness: Softness::default(),
        limit_margin: 0.0,
        effort_range: None,
        velocity_limit: None,
        mimic: false,
        qpos_index: 0,
        dof_index: 0,
    }
}

/// Applies a renaming of joint indices to all that refers to joints.
fn remap_joints(model: &mut RobotModel, map: impl Fn(usize) -> usize) {
    for actuator in &mut model.actuators {
        if let Transmission::Joint { joint } = &mut actuator.transmission {
            *joint = map(*joint);
        }
    }
    for tendon in &mut model.tendons {
        for (joint, _) in &mut tendon.terms {
            *joint = map(*joint);
        }
    }
    for sensor in &mut model.sensors {
        if let SensorKind::JointPosition(joint)
        | SensorKind::JointVelocity(joint)
        | SensorKind::JointActuatorForce(joint)
        | SensorKind::JointForce(joint) = &mut sensor.kind
        {
            *joint = map(*joint);
        }
    }
    for equality in &mut model.equalities {
        if let EqualityKind::Joint { joint, other, .. } = &mut equality.kind {
            *joint = map(*joint);
            *other = other.map(&map);
        }
    }
}

/// Sets the joint ranges of bodies and the places of joints in qpos and qvel after joints came or went.
pub(super) fn renumber(model: &mut RobotModel) {
    let (mut joint_idx, mut qpos_index, mut dof_index) = (0, 0, 0);
    for (body_idx, body) in model.bodies.iter_mut().enumerate() {
        let start = joint_idx;
        while let Some(joint) = model.joints.get_mut(joint_idx).filter(|joint| joint.body == body_idx) {
            (joint.qpos_index, joint.dof_index) = (qpos_index, dof_index);
            qpos_index += joint.kind.num_qpos();
            dof_index += joint.kind.num_dofs();
            joint_idx += 1;
        }
        body.joints = start..joint_idx;
    }
}
