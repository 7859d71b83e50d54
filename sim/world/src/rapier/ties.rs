//! Loops: two points, or two frames, that stay together.
//!
//! A tie asks for three or six rows, but the joints may not be able to part the frames in all of them: a planar
//! linkage never leaves its plane. rapier divides each row by what the row can move, so a row that can move
//! nothing acts on the rounding of its own Jacobian with full force, and the linkage jams. Such directions are
//! found here and left free; the joints hold them.

use glam::{DMat3, DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::inertia::principal_axes;
use keiko_model::robot::{JointKind, RobotModel};
use rapier3d::prelude::JointAxesMask;

use crate::kinematics::BodyMotions;

/// Two frames that stay together.
pub(crate) struct Tie {
    pub bodies: [usize; 2],
    /// `body_from_frame` of each.
    pub frames: [Pose; 2],
    /// Whether their orientations stay together too.
    pub rotation: bool,
}

impl Tie {
    /// The tie with its frames turned so that each axis is either locked or cannot move anyway, and the axes to lock.
    pub fn rows(&self, model: &RobotModel) -> ([Pose; 2], JointAxesMask) {
        let [linear, angular] = self.mobility(model);
        let (moments, mut axes) = principal_axes(linear);
        if self.rotation && is_mobile(moments.z, moments.x) {
            axes = principal_axes(angular).1;
        }
        let mut locked =
            mobile_axes(linear, axes, JointAxesMask::LIN_X, JointAxesMask::LIN_Y, JointAxesMask::LIN_Z);
        if self.rotation {
            locked |=
                mobile_axes(angular, axes, JointAxesMask::ANG_X, JointAxesMask::ANG_Y, JointAxesMask::ANG_Z);
        }
        (self.frames.map(|frame| frame.compose(Pose::new(DVec3::ZERO, axes))), locked)
    }

    /// Sums of `v vᵀ` over the velocities, linear and angular, of the second frame in the first that the joints can
    /// give, one at a time, in several configurations.
    fn mobility(&self, model: &RobotModel) -> [DMat3; 2] {
        let mut sums = [DMat3::ZERO; 2];
        let (mut motions, mut qvel) = (BodyMotions::default(), vec![0.0; model.num_dofs()]);
        for sample in 0..4 {
            let qpos = configuration(model, sample);
            for dof in 0..qvel.len() {
                qvel[dof] = 1.0;
                motions.update(model, &qpos, &qvel);
                qvel[dof] = 0.0;
                let [a, b] = [0, 1].map(|k| motions.bodies[self.bodies[k]].attached(self.frames[k]));
                let apart = b.linear - a.linear - a.angular.cross(b.pose.position - a.pose.position);
                for (sum, velocity) in sums.iter_mut().zip([apart, b.angular - a.angular]) {
                    let v = a.pose.rotation.conjugate() * velocity;
                    *sum += DMat3::from_cols(v * v.x, v * v.y, v * v.z);
                }
            }
        }
        sums
    }
}

/// The reference configuration with every scalar joint moved by its own amount, none in sample 0.
fn configuration(model: &RobotModel, sample: usize) -> Vec<f32> {
    let mut qpos: Vec<f32> = model.reference_qpos().iter().map(|q| *q as f32).collect();
    for (index, joint) in model.joints.iter().enumerate() {
        if matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic) {
            let amount = (0.618 * (index + 1) as f64).fract() + 0.3;
            qpos[joint.qpos_index] += (sample as f64 * amount) as f32;
        }
    }
    qpos
}

/// A direction counts as mobile from 1e-4 of the speed of the most mobile one.
fn is_mobile(moment: f64, largest: f64) -> bool {
    moment > 1e-8 * largest
}

fn mobile_axes(
    mobility: DMat3,
    axes: DQuat,
    x: JointAxesMask,
    y: JointAxesMask,
    z: JointAxesMask,
) -> JointAxesMask {
    let along = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| {
        let axis = axes * axis;
        axis.dot(mobility * axis)
    });
    let largest = along.into_iter().fold(0.0, f64::max);
    let bits = along.iter().zip([x, y, z]).filter(|(moment, _)| is_mobile(**moment, largest));
    bits.fold(JointAxesMask::empty(), |mask, (_, bit)| mask | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::read;

    fn locked(second_axis: &str) -> JointAxesMask {
        let scene = format!(
            r#"<mujoco><worldbody>
  <body name="a"><joint type="hinge" axis="0.6 0 0.8"/><geom type="sphere" size="0.1"/></body>
  <body name="b" pos="1 0 0"><joint type="hinge" axis="0.6 0 0.8"/><geom type="sphere" size="0.1"/>
    <body name="c" pos="0 1 0"><joint type="hinge" axis="{second_axis}"/><geom type="sphere" size="0.1"/></body>
  </body>
</worldbody></mujoco>"#
        );
        let model = read(&scene).unwrap();
        let frames =
            [Pose::from_position(DVec3::new(0.3, 1.2, 0.1)), Pose::from_position(DVec3::new(-0.7, 0.2, 0.1))];
        Tie { bodies: [1, 3], frames, rotation: false }.rows(&model).1
    }

    #[test]
    fn a_planar_loop_leaves_its_normal_free() {
        assert_eq!(locked("0.6 0 0.8"), JointAxesMask::LIN_X | JointAxesMask::LIN_Y);
    }

    #[test]
    fn a_spatial_loop_locks_all_three() {
        assert_eq!(locked("0 1 0"), JointAxesMask::LIN_AXES);
    }
}
