//! Where every body is and how it moves, from `qpos` and `qvel` of one environment.
//!
//! The joints' rules are those of `keiko_model::kinematics`; this version also gives velocities and reuses its
//! memory. It works in `f64`, so a pose is as exact as the `f32` position vector it comes from.

use glam::{DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{FrameRef, Joint, JointKind, RobotModel};

/// Pose and velocity of a frame, in the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// `world_from_frame`.
    pub pose: Pose,
    /// Velocity of the origin \[m/s\].
    pub linear: DVec3,
    /// Angular velocity \[rad/s\].
    pub angular: DVec3,
}

impl Motion {
    /// At rest at the world's origin.
    pub const REST: Self = Self { pose: Pose::IDENTITY, linear: DVec3::ZERO, angular: DVec3::ZERO };

    /// A frame fixed to this one.
    pub fn attached(&self, frame_from_part: Pose) -> Self {
        let pose = self.pose.compose(frame_from_part);
        let linear = self.linear + self.angular.cross(pose.position - self.pose.position);
        Self { pose, linear, angular: self.angular }
    }
}

/// Motions of all bodies.
#[derive(Clone, Debug, Default)]
pub struct BodyMotions {
    /// One for each body, the world first.
    pub bodies: Vec<Motion>,
}

impl BodyMotions {
    /// Works out all bodies; `qpos` and `qvel` are in model order, quaternions xyzw.
    pub fn update(&mut self, model: &RobotModel, qpos: &[f32], qvel: &[f32]) {
        self.bodies.clear();
        for (index, body) in model.bodies.iter().enumerate() {
            if index == 0 {
                self.bodies.push(Motion::REST);
                continue;
            }
            let mut motion = self.bodies[body.parent].attached(body.pose);
            for joint in &model.joints[body.joints.clone()] {
                motion = after_joint(joint, motion, &qpos[joint.qpos_index..], &qvel[joint.dof_index..]);
            }
            self.bodies.push(motion);
        }
    }

    /// The motion of any frame that sensors refer to.
    pub fn frame(&self, model: &RobotModel, frame: FrameRef) -> Motion {
        match frame {
            FrameRef::Body(b) => self.bodies[b],
            FrameRef::BodyCom(b) => self.bodies[b].attached(model.bodies[b].inertial.pose),
            FrameRef::Geom(g) => self.bodies[model.geoms[g].body].attached(model.geoms[g].pose),
            FrameRef::Site(s) => self.bodies[model.sites[s].body].attached(model.sites[s].pose),
        }
    }
}

/// The motion of a body after one of its joints; `q` and `v` start at the joint's own numbers.
fn after_joint(joint: &Joint, before: Motion, q: &[f32], v: &[f32]) -> Motion {
    let displacement = q[0] as f64 - joint.reference;
    let rate = v[0] as f64;
    match joint.kind {
        JointKind::Free => {
            let rotation = unit_quat(&q[3..7]);
            let position = vector(&q[..3]);
            Motion {
                pose: Pose::new(position, rotation),
                linear: vector(&v[..3]),
                angular: rotation * vector(&v[3..6]),
            }
        }
        JointKind::Prismatic => {
            let axis = before.pose.rotation * joint.axis;
            let shift = axis * displacement;
            let pose = Pose { position: before.pose.position + shift, ..before.pose };
            Motion { pose, linear: before.linear + before.angular.cross(shift) + axis * rate, ..before }
        }
        JointKind::Revolute => {
            let spin = before.pose.rotation * joint.axis * rate;
            turned(before, joint.anchor, DQuat::from_axis_angle(joint.axis, displacement), spin)
        }
        JointKind::Ball => {
            let turn = unit_quat(&q[..4]);
            let spin = before.pose.rotation * (turn * vector(&v[..3]));
            turned(before, joint.anchor, turn, spin)
        }
    }
}

/// Turns a body about a point of its own, with the additional angular velocity `spin` in the world.
fn turned(before: Motion, anchor: DVec3, turn: DQuat, spin: DVec3) -> Motion {
    let fixed = before.pose.transform_point(anchor);
    let rotation = (before.pose.rotation * turn).normalize();
    let position = fixed - rotation * anchor;
    let angular = before.angular + spin;
    let at_anchor = before.linear + before.angular.cross(fixed - before.pose.position);
    Motion { pose: Pose { position, rotation }, linear: at_anchor + angular.cross(position - fixed), angular }
}

/// Three numbers as a vector.
pub(crate) fn vector(xyz: &[f32]) -> DVec3 {
    DVec3::new(xyz[0] as f64, xyz[1] as f64, xyz[2] as f64)
}

/// A quaternion xyzw of length 1; without length it is no rotation.
pub(crate) fn unit_quat(xyzw: &[f32]) -> DQuat {
    let quat = DQuat::from_xyzw(xyzw[0] as f64, xyzw[1] as f64, xyzw[2] as f64, xyzw[3] as f64);
    let length = quat.length();
    if length > 0.0 && length.is_finite() { quat / length } else { DQuat::IDENTITY }
}
