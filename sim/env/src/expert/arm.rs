//! Moves an end effector along straight lines: from where it is to a point, a step of the control at a time.

use glam::{DQuat, DVec3};
use keiko_model::Result;
use keiko_model::compose::Scene;
use keiko_model::kinematics::{forward_kinematics, kinematics};
use keiko_model::robot::{JointKind, Transmission};
use keiko_model::task::TaskSpec;
use keiko_world::Field;

use super::{check_actions, refuse};
use crate::action::chain_joints;
use crate::contract::VecEnv;
use crate::task_env::TaskEnv;

/// Part of the way to the goal that the servos' targets go in a second. With the lag of a servo behind it, of about
/// 0.1 s, the joints hardly pass the goal.
pub(super) const GAIN_PER_SECOND: f64 = 4.0;
/// Damping of the least squares \[m\]: near a singular pose it goes slowly rather than far.
const DAMPING: f64 = 0.03;
/// Part of the way back to the default pose in a second, where that moves no end effector.
const HOMING_PER_SECOND: f64 = 0.5;
/// Fastest turn of the end effector \[rad/s\].
const TURNING: f64 = 1.5;

/// Where the end effector is to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    /// In the world \[m\].
    pub point: DVec3,
    /// The most on the way \[m/s\].
    pub speed: f64,
    /// Turn about the vertical from the attitude of the default pose \[rad\]; `None` leaves it free.
    pub yaw: Option<f64>,
}

/// The joints between base and end effector that actions drive, which keep the end effector as upright as it is in the
/// default pose.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    scene: Scene,
    /// Row of the action and joint.
    drives: Vec<(usize, usize)>,
    /// Change of a servo's target for an action of 1 \[rad or m\].
    scale: f64,
    /// `world_from_body` of the end effector's body in the default pose.
    attitude: DQuat,
}

/// Whether actions drive something that is not on the way to the end effector: a gripper.
///
/// # Errors
/// If the actions are none that experts give.
pub(super) fn drives_gripper(task: &TaskSpec, env: &TaskEnv) -> Result<bool> {
    check_actions(task)?;
    Ok(arm_drives(env).len() < env.spec().actions.len())
}

/// Row and joint of each action that drives a joint.
pub(super) fn joint_drives(env: &TaskEnv) -> Vec<(usize, usize)> {
    let model = &env.scene().model;
    let rows = env.spec().actions.iter().enumerate();
    rows.filter_map(|(row, name)| {
        let actuator = model.actuators.iter().find(|actuator| actuator.name == *name)?;
        match actuator.transmission {
            Transmission::Joint { joint } => Some((row, joint)),
            _ => None,
        }
    })
    .collect()
}

/// Those of them that move the end effector.
fn arm_drives(env: &TaskEnv) -> Vec<(usize, usize)> {
    let chain = chain_joints(env.scene());
    joint_drives(env).into_iter().filter(|(_, joint)| chain.contains(joint)).collect()
}

impl Arm {
    /// # Errors
    /// If no action moves the end effector.
    pub fn new(task: &TaskSpec, env: &TaskEnv) -> Result<Self> {
        check_actions(task)?;
        let (scene, drives) = (env.scene().clone(), arm_drives(env));
        if drives.is_empty() {
            return Err(refuse(task, "action", "no action moves the end effector"));
        }
        let poses = forward_kinematics(&scene.model, &scene.default_qpos);
        let attitude = poses[scene.end_effector.body].rotation;
        Ok(Self { scene, drives, scale: task.action.scale.unwrap_or(1.0), attitude })
    }

    /// Where the end effector is in an environment, in the world \[m\].
    pub fn tip(&self, env: &TaskEnv, column: usize) -> DVec3 {
        let frame = self.scene.end_effector;
        let row = |k: usize| f64::from(env.state().body_position.get(3 * frame.body + k, column));
        DVec3::from([0, 1, 2].map(row)) + self.rotation(env, column) * frame.point
    }

    /// How the end effector's body is turned in the world.
    pub fn rotation(&self, env: &TaskEnv, column: usize) -> DQuat {
        let body = self.scene.end_effector.body;
        let row = |k: usize| f64::from(env.state().body_rotation.get(4 * body + k, column));
        DQuat::from_array([0, 1, 2, 3].map(row))
    }

    /// Writes the actions that go there: speeds of the joints by damped least squares (Wampler 1986), and among those the
    /// ones that lead to the default pose. All are slowed down alike where one is too fast.
    pub fn go(&self, env: &TaskEnv, column: usize, motion: &Motion, actions: &mut Field) {
        let (model, frame) = (&self.scene.model, self.scene.end_effector);
        let qpos: Vec<f64> = env.state().qpos.column(column).map(f64::from).collect();
        let poses = kinematics(model, &qpos);
        let body = poses.world_from_body[frame.body];
        let tip = body.transform_point(frame.point);
        let turns_freely = motion.yaw.is_none();
        let jacobian: Vec<[f64; 6]> = self
            .drives
            .iter()
            .map(|(_, joint)| {
                let (axis, anchor) = (poses.joint_axes[*joint], poses.joint_anchors[*joint]);
                let (linear, mut angular) = match model.joints[*joint].kind {
                    JointKind::Revolute => (axis.cross(tip - anchor), axis),
                    _ => (axis, DVec3::ZERO),
                };
                if turns_freely {
                    angular.z = 0.0;
                }
                let [a, b] = [linear.to_array(), angular.to_array()];
                [a[0], a[1], a[2], b[0], b[1], b[2]]
            })
            .collect();
        let going = (GAIN_PER_SECOND * (motion.point - tip)).clamp_length_max(motion.speed);
        let turn = match motion.yaw {
            Some(yaw) => {
                let goal = DQuat::from_rotation_z(yaw) * self.attitude;
                let missing = goal * body.rotation.inverse();
                // The shorter way round.
                if missing.w < 0.0 { -missing } else { missing }.to_scaled_axis()
            }
            None => {
                // What points up in the default pose is to point up.
                let up = body.rotation * (self.attitude.inverse() * DVec3::Z);
                let axis = up.cross(DVec3::Z);
                axis.normalize_or_zero() * axis.length().atan2(up.z)
            }
        };
        let turning = (GAIN_PER_SECOND * turn).clamp_length_max(TURNING);
        let wanted = [going.x, going.y, going.z, turning.x, turning.y, turning.z];
        let homing: Vec<f64> = self
            .drives
            .iter()
            .map(|(_, joint)| {
                let at = model.joints[*joint].qpos_index;
                HOMING_PER_SECOND * (self.scene.default_qpos[at] - qpos[at])
            })
            .collect();
        let mut square = [[0.0; 6]; 6];
        let mut missing = wanted;
        for (column, home) in jacobian.iter().zip(&homing) {
            for i in 0..6 {
                missing[i] -= column[i] * home;
                for j in 0..6 {
                    square[i][j] += column[i] * column[j];
                }
            }
        }
        for (i, row) in square.iter_mut().enumerate() {
            row[i] += DAMPING * DAMPING;
        }
        let pull = solve(square, missing);
        let step = env.spec().control_dt / self.scale;
        let dot = |column: &[f64; 6]| column.iter().zip(&pull).map(|(a, b)| a * b).sum::<f64>();
        let moves: Vec<f64> =
            jacobian.iter().zip(&homing).map(|(column, home)| step * (dot(column) + home)).collect();
        let longest = moves.iter().fold(1.0, |longest: f64, change| longest.max(change.abs()));
        for ((row, _), change) in self.drives.iter().zip(moves) {
            actions.set(*row, column, (change / longest) as f32);
        }
    }
}

/// Solves `a x = b` for a symmetric positive definite `a`, which elimination needs no pivots for.
fn solve(mut a: [[f64; 6]; 6], mut b: [f64; 6]) -> [f64; 6] {
    for k in 0..6 {
        let (pivot, value) = (a[k], b[k]);
        for (row, rest) in a.iter_mut().zip(&mut b).skip(k + 1) {
            let factor = row[k] / pivot[k];
            for (entry, above) in row.iter_mut().zip(&pivot) {
                *entry -= factor * above;
            }
            *rest -= factor * value;
        }
    }
    for k in (0..6).rev() {
        let known: f64 = (k + 1..6).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}
