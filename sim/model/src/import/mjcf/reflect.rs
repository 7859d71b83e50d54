//! Inertia that a joint feels at the reference configuration: what turns a damping ratio into damping.
//!
//! MuJoCo takes one over the joint's entry on the diagonal of the inverse mass matrix: the inertia felt when all
//! other joints are free to give way.

use glam::{DMat3, DVec3};

use super::Reader;
use super::inertia::tensor_about;
use crate::Pose;
use crate::robot::{Actuator, Inertial, JointKind, RobotModel, Transmission};

/// The inverse costs the cube of this; models over it keep the inertia felt when the others hold still.
const MAX_DOFS: usize = 400;

/// `world_from_body` of every body at the reference configuration.
pub fn world_poses(model: &RobotModel) -> Vec<Pose> {
    let mut poses: Vec<Pose> = Vec::with_capacity(model.bodies.len());
    for (i, body) in model.bodies.iter().enumerate() {
        // Parents come first; the world is its own.
        poses.push(if i == 0 { body.pose } else { poses[body.parent].compose(body.pose) });
    }
    poses
}

/// One degree of freedom: angular velocity, and linear velocity of the point at the origin, in the world frame.
struct Motion {
    body: usize,
    angular: DVec3,
    linear: DVec3,
}

fn motions(model: &RobotModel, poses: &[Pose]) -> Vec<Motion> {
    let mut motions = Vec::new();
    for joint in &model.joints {
        let pose = poses[joint.body];
        let anchor = pose.transform_point(joint.anchor);
        let mut turn = |axis: DVec3| {
            motions.push(Motion { body: joint.body, angular: axis, linear: anchor.cross(axis) });
        };
        let axes = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| pose.rotation * axis);
        match joint.kind {
            JointKind::Revolute => turn(pose.rotation * joint.axis),
            JointKind::Ball => axes.into_iter().for_each(turn),
            JointKind::Prismatic => {
                let linear = pose.rotation * joint.axis;
                motions.push(Motion { body: joint.body, angular: DVec3::ZERO, linear });
            }
            JointKind::Free => {
                for linear in [DVec3::X, DVec3::Y, DVec3::Z] {
                    motions.push(Motion { body: joint.body, angular: DVec3::ZERO, linear });
                }
                for axis in axes {
                    motions.push(Motion {
                        body: joint.body,
                        angular: axis,
                        linear: pose.position.cross(axis),
                    });
                }
            }
        }
    }
    motions
}

/// Mass, first moment and inertia about the world's origin.
#[derive(Clone, Copy)]
struct Composite {
    mass: f64,
    first: DVec3,
    tensor: DMat3,
}

/// What each body carries: itself and all that hangs on it.
fn composites(model: &RobotModel, poses: &[Pose]) -> Vec<Composite> {
    let bodies = model.bodies.iter().zip(poses);
    let mut composites: Vec<Composite> = bodies
        .map(|(body, pose)| {
            let part = Inertial { pose: pose.compose(body.inertial.pose), ..body.inertial };
            let first = part.pose.position * part.mass;
            Composite { mass: part.mass, first, tensor: tensor_about(&part, DVec3::ZERO) }
        })
        .collect();
    for i in (1..model.bodies.len()).rev() {
        let child = composites[i];
        let parent = &mut composites[model.bodies[i].parent];
        parent.mass += child.mass;
        parent.first += child.first;
        parent.tensor += child.tensor;
    }
    composites
}

/// The mass matrix at the reference configuration, row by row.
fn mass_matrix(model: &RobotModel) -> Vec<Vec<f64>> {
    let poses = world_poses(model);
    let motions = motions(model, &poses);
    let composites = composites(model, &poses);
    let mut matrix = vec![vec![0.0; motions.len()]; motions.len()];
    for (i, motion) in motions.iter().enumerate() {
        let Composite { mass, first, tensor } = composites[motion.body];
        let momentum = motion.linear * mass + motion.angular.cross(first);
        let angular_momentum = tensor * motion.angular + first.cross(motion.linear);
        // Dofs of this body up to this one, and of all bodies above it.
        let mut body = motion.body;
        loop {
            let joints = model.bodies[body].joints.clone();
            let dofs = joints.flat_map(|j| {
                let joint = &model.joints[j];
                joint.dof_index..joint.dof_index + joint.kind.num_dofs()
            });
            for j in dofs.filter(|j| *j <= i) {
                let value = motions[j].angular.dot(angular_momentum) + motions[j].linear.dot(momentum);
                matrix[i][j] = value;
                matrix[j][i] = value;
            }
            if body == 0 {
                break;
            }
            body = model.bodies[body].parent;
        }
    }
    let armatures = model.joints.iter().flat_map(|j| std::iter::repeat_n(j.armature, j.kind.num_dofs()));
    for (dof, (row, armature)) in matrix.iter_mut().zip(armatures).enumerate() {
        row[dof] += armature;
    }
    matrix
}

/// Diagonal of the inverse of a positive definite matrix, by its Cholesky factor; `None` if it is not definite.
fn inverse_diagonal(matrix: &[Vec<f64>]) -> Option<Vec<f64>> {
    let n = matrix.len();
    let mut lower = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = matrix[i][j] - sum;
            if i == j {
                if rest <= 0.0 {
                    return None;
                }
                lower[i][i] = rest.sqrt();
            } else {
                lower[i][j] = rest / lower[j][j];
            }
        }
    }
    // Column c of the inverse factor; its squares sum to the diagonal of the inverse.
    let columns = (0..n).map(|c| {
        let mut column = vec![0.0; n];
        for i in c..n {
            let sum: f64 = (c..i).map(|k| lower[i][k] * column[k]).sum();
            column[i] = (if i == c { 1.0 } else { 0.0 } - sum) / lower[i][i];
        }
        column.iter().map(|x| x * x).sum()
    });
    Some(columns.collect())
}

/// Inertia that each degree of freedom feels.
fn felt_inertia(model: &RobotModel) -> Vec<f64> {
    let matrix = mass_matrix(model);
    let diagonal = || (0..matrix.len()).map(|i| matrix[i][i]).collect();
    if matrix.len() > MAX_DOFS {
        return diagonal();
    }
    inverse_diagonal(&matrix).map_or_else(diagonal, |inverse| inverse.into_iter().map(|w| 1.0 / w).collect())
}

impl Reader<'_> {
    /// Turns damping ratios of servos and springs of joints into stiffness and damping.
    pub(super) fn resolve_ratios(&mut self) {
        // A ratio was kept as a positive third bias until now.
        let wanting = |a: &Actuator| a.bias[2] > 0.0 && a.gain == -a.bias[1];
        if self.spring_dampers.is_empty() && !self.model.actuators.iter().any(wanting) {
            return;
        }
        let felt = felt_inertia(&self.model);
        let model = &mut self.model;
        for (index, [time_constant, ratio]) in std::mem::take(&mut self.spring_dampers) {
            let joint = &mut model.joints[index];
            let dofs = joint.dof_index..joint.dof_index + joint.kind.num_dofs();
            let mobility: f64 = felt[dofs].iter().map(|i| 1.0 / i).sum();
            let inertia = joint.kind.num_dofs() as f64 / mobility;
            joint.stiffness = inertia / (time_constant * ratio).powi(2);
            joint.damping = 2.0 * inertia / time_constant;
        }
        for index in (0..model.actuators.len()).filter(|i| wanting(&model.actuators[*i])).collect::<Vec<_>>()
        {
            let actuator = &model.actuators[index];
            let inertia = reflected(model, &felt, &actuator.transmission, actuator.gear[0]);
            let actuator = &mut model.actuators[index];
            actuator.bias[2] *= -2.0 * (actuator.gain * inertia).sqrt();
        }
    }
}

/// Inertia of a transmission, each joint's over the square of its ratio.
fn reflected(model: &RobotModel, felt: &[f64], transmission: &Transmission, gear: f64) -> f64 {
    let terms = match transmission {
        Transmission::Joint { joint } => vec![(*joint, 1.0)],
        Transmission::Tendon { tendon } => model.tendons[*tendon].terms.clone(),
        Transmission::Site { .. } => vec![],
    };
    let shares = terms.into_iter().map(|(joint, coefficient)| {
        let ratio = gear * coefficient;
        if ratio * ratio > 1e-15 { felt[model.joints[joint].dof_index] / (ratio * ratio) } else { 0.0 }
    });
    shares.sum()
}
