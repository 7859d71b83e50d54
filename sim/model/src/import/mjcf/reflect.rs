//! Inertia that a joint feels at the reference configuration: what turns a damping ratio into damping.

use super::Reader;
use super::inertia::tensor_about;
use crate::Pose;
use crate::robot::{Inertial, JointKind, RobotModel, Transmission};

/// `world_from_body` of every body at the reference configuration.
pub fn world_poses(model: &RobotModel) -> Vec<Pose> {
    let mut poses: Vec<Pose> = Vec::with_capacity(model.bodies.len());
    for (i, body) in model.bodies.iter().enumerate() {
        // Parents come first; the world is its own.
        poses.push(if i == 0 { body.pose } else { poses[body.parent].mul(body.pose) });
    }
    poses
}

/// Diagonal entry of the mass matrix of a scalar joint \[kg·m² or kg\].
fn joint_inertia(model: &RobotModel, poses: &[Pose], joint: usize) -> f64 {
    let j = &model.joints[joint];
    let mut moved = vec![false; model.bodies.len()];
    let (mut mass, mut moment) = (0.0, 0.0);
    let axis = poses[j.body].rotation * j.axis;
    let anchor = poses[j.body].transform_point(j.anchor);
    for (i, body) in model.bodies.iter().enumerate().skip(j.body) {
        moved[i] = i == j.body || (body.parent != i && moved[body.parent]);
        if moved[i] {
            let in_world = Inertial { pose: poses[i].mul(body.inertial.pose), ..body.inertial };
            mass += body.inertial.mass;
            moment += axis.dot(tensor_about(&in_world, anchor) * axis);
        }
    }
    j.armature + if j.kind == JointKind::Prismatic { mass } else { moment }
}

impl Reader<'_> {
    /// Servos whose damping was given as a ratio (kept as a positive third bias until now) get their damping.
    pub(super) fn resolve_damping_ratios(&mut self) {
        let wanting = |a: &crate::robot::Actuator| a.bias[2] > 0.0 && a.gain == -a.bias[1];
        if !self.model.actuators.iter().any(wanting) {
            return;
        }
        let poses = world_poses(&self.model);
        for index in 0..self.model.actuators.len() {
            let actuator = &self.model.actuators[index];
            if !wanting(actuator) {
                continue;
            }
            let inertia = self.reflected_inertia(&poses, &actuator.transmission, actuator.gear[0]);
            let actuator = &mut self.model.actuators[index];
            actuator.bias[2] *= -2.0 * (actuator.gain * inertia).sqrt();
        }
    }

    fn reflected_inertia(&self, poses: &[Pose], transmission: &Transmission, gear: f64) -> f64 {
        let terms = match transmission {
            Transmission::Joint { joint } => vec![(*joint, 1.0)],
            Transmission::Tendon { tendon } => self.model.tendons[*tendon].terms.clone(),
            Transmission::Site { .. } => vec![],
        };
        let felt = terms.into_iter().map(|(joint, coefficient)| {
            let ratio = gear * coefficient;
            if ratio * ratio > 1e-15 {
                joint_inertia(&self.model, poses, joint) / (ratio * ratio)
            } else {
                0.0
            }
        });
        felt.sum()
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::*;
    use crate::robot::{Body, Joint, Softness};

    #[test]
    fn a_rod_on_a_hinge_feels_a_third_of_m_l_squared() {
        let (mass, length) = (3.0, 0.8);
        let rod = Inertial {
            mass,
            pose: Pose::from_position(DVec3::new(length / 2.0, 0.0, 0.0)),
            moments: DVec3::new(0.0, 1.0, 1.0) * mass * length * length / 12.0,
        };
        let body = |parent, joints, inertial| Body {
            name: String::new(),
            parent,
            pose: Pose::from_position(DVec3::new(5.0, 0.0, 0.0)),
            inertial,
            joints,
            gravity_compensation: 0.0,
            mocap: false,
        };
        let joint = Joint {
            name: String::new(),
            body: 1,
            kind: JointKind::Revolute,
            axis: DVec3::Z,
            anchor: DVec3::ZERO,
            range: None,
            reference: 0.0,
            stiffness: 0.0,
            spring_reference: 0.0,
            damping: 0.0,
            armature: 0.5,
            friction_loss: 0.0,
            limit_softness: Softness::default(),
            limit_margin: 0.0,
            effort_range: None,
            velocity_limit: None,
            mimic: false,
            qpos_index: 0,
            dof_index: 0,
        };
        let model = RobotModel {
            bodies: vec![body(0, 0..0, Inertial::ZERO), body(0, 0..1, rod)],
            joints: vec![joint],
            ..Default::default()
        };
        let inertia = joint_inertia(&model, &world_poses(&model), 0);
        assert!((inertia - (0.5 + mass * length * length / 3.0)).abs() < 1e-12, "{inertia}");
    }
}
