//! Table of the springs of ball and free joints.

use keiko_model::robot::{JointKind, RobotModel};

/// Fields of a spring.
pub mod spring {
    /// Integer: number of the quaternion in qpos.
    pub const QPOS: usize = 0;
    /// Integer: first of its three rotations.
    pub const DOF: usize = 1;
    /// Integer: whether three translations come before both.
    pub const FREE: usize = 2;
    /// Number: stiffness.
    pub const STIFFNESS: usize = 0;
    /// Number: place at which it is at rest, 3.
    pub const POSITION: usize = 1;
    /// Number: rotation at which it is at rest, quaternion xyzw.
    pub const ROTATION: usize = 4;
}

/// Such springs are at rest at the reference configuration, as in MuJoCo.
pub(super) fn records(model: &RobotModel) -> Vec<([usize; 3], [f64; 8])> {
    let qpos = model.reference_qpos();
    let mut out = Vec::new();
    for joint in model.joints.iter().filter(|j| j.stiffness != 0.0) {
        let shift = match joint.kind {
            JointKind::Free => 3,
            JointKind::Ball => 0,
            JointKind::Revolute | JointKind::Prismatic => continue,
        };
        let q = joint.qpos_index;
        let mut reals = [0.0; 8];
        reals[spring::STIFFNESS] = joint.stiffness;
        if shift == 3 {
            reals[spring::POSITION..spring::ROTATION].copy_from_slice(&qpos[q..q + 3]);
        }
        reals[spring::ROTATION..].copy_from_slice(&qpos[q + shift..q + shift + 4]);
        out.push(([q + shift, joint.dof_index + shift, usize::from(shift == 3)], reals));
    }
    out
}
