//! A scripted expert: it brings the end effector to the point that a command names, by inverse kinematics.
//!
//! What it does follows from the state and the command alone, not from what it did before: the same picture always has
//! the same answer, so that imitation has something to learn.

use glam::{DMat3, DVec3};
use keiko_model::compose::Scene;
use keiko_model::error::ErrorKind;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::{JointKind, Transmission};
use keiko_model::task::{ActionKind, Command, TaskSpec};
use keiko_model::{Error, Result};

use crate::action::chain_joints;
use crate::contract::VecEnv;
use crate::task_env::TaskEnv;
use keiko_world::Field;

/// Part of the way to the goal that the servos' targets go in a second. With the lag of a servo behind it, of about
/// 0.1 s, the joints hardly pass the goal.
const GAIN_PER_SECOND: f64 = 4.0;
/// Largest action: from afar the arm moves at an even speed, so that most frames of a demonstration say where it goes.
const SPEED: f64 = 0.5;
/// Steps of the inverse kinematics.
const STEPS: usize = 60;
/// Damping of its least squares \[m\]: near a singular pose it goes slowly rather than far.
const DAMPING: f64 = 0.05;
/// Longest way of the end effector in one of its steps \[m\].
const LONGEST: f64 = 0.1;
/// Part of the way back to the default pose, where that moves no end effector.
const HOMING: f64 = 0.1;

/// Reaches for the point of a command.
#[derive(Clone, Debug)]
pub struct ReachExpert {
    scene: Scene,
    /// Of each action: its joint, and the change of the target for an action of 1.
    drives: Vec<(usize, f64)>,
    /// First row of the command.
    command: usize,
    /// Of each environment: the point, and joint positions that reach it.
    solved: Vec<Option<(DVec3, Vec<f64>)>>,
}

impl ReachExpert {
    /// For a task with a point to reach and actions that change the targets of position servos.
    ///
    /// # Errors
    /// If the task is none that this expert knows how to do, and why.
    pub fn new(task: &TaskSpec, env: &TaskEnv) -> Result<Self> {
        let refuse = |key: &str, message: &str| -> Error {
            task.source.error(ErrorKind::Unsupported, key, message).allowed(
                "the scripted expert brings an end effector to a point: `action.kind = \"position_delta\"` and a \
                 command that is a point",
            )
        };
        if task.action.kind != ActionKind::PositionDelta {
            return Err(refuse("action.kind", "the scripted expert does not know this kind of action"));
        }
        let is_point = |command: &Command| !matches!(command, Command::Velocity { .. });
        let command = task.command.iter().position(|(_, command)| is_point(command));
        let command = command.ok_or_else(|| refuse("command", "the task has no point to reach"))?;
        let scene = env.scene().clone();
        let scale = task.action.scale.unwrap_or(1.0);
        let drives = env
            .spec()
            .actions
            .iter()
            .map(|name| {
                let actuator = scene.model.actuators.iter().find(|actuator| actuator.name == *name);
                match actuator.map(|actuator| &actuator.transmission) {
                    Some(Transmission::Joint { joint }) => Ok((*joint, scale)),
                    _ => Err(refuse("action", "an action drives no joint")),
                }
            })
            .collect::<Result<_>>()?;
        Ok(Self { scene, drives, command: 3 * command, solved: vec![None; env.spec().num_envs] })
    }

    /// Actions `[num_actions, num_envs]` for what the environments are in.
    pub fn act(&mut self, env: &TaskEnv, actions: &mut Field) {
        let (state, commands, dt) = (env.state(), env.commands(), env.spec().control_dt);
        for column in 0..actions.num_envs() {
            let goal = DVec3::from([0, 1, 2].map(|k| f64::from(commands.get(self.command + k, column))));
            if self.solved[column].as_ref().is_none_or(|(point, _)| *point != goal) {
                self.solved[column] = Some((goal, self.solve(goal)));
            }
            let Some((_, wanted)) = &self.solved[column] else { continue };
            let pull = |(joint, scale): &(usize, f64)| {
                let at = self.scene.model.joints[*joint].qpos_index;
                GAIN_PER_SECOND * dt * (wanted[at] - f64::from(state.qpos.get(at, column))) / scale
            };
            // All joints are slowed down alike: they arrive together.
            let longest = self.drives.iter().map(|drive| pull(drive).abs()).fold(SPEED, f64::max);
            for (row, drive) in self.drives.iter().enumerate() {
                actions.set(row, column, (pull(drive) * SPEED / longest) as f32);
            }
        }
    }

    /// Positions of all joints that bring the end effector to a point, or as near as they get: damped least squares from
    /// the default pose (Wampler 1986), within the ranges of the joints.
    pub fn solve(&self, goal: DVec3) -> Vec<f64> {
        let model = &self.scene.model;
        let driven = |joint: &usize| self.drives.iter().any(|(driven, _)| driven == joint);
        let chain: Vec<usize> = chain_joints(&self.scene).into_iter().filter(driven).collect();
        let mut qpos = self.scene.default_qpos.clone();
        for _ in 0..STEPS {
            let poses = forward_kinematics(model, &qpos);
            let frame = self.scene.end_effector;
            let tip = poses[frame.body].transform_point(frame.point);
            let columns: Vec<DVec3> = chain
                .iter()
                .map(|index| {
                    let joint = &model.joints[*index];
                    let pose = poses[joint.body];
                    let axis = pose.rotation * joint.axis;
                    match joint.kind {
                        JointKind::Revolute => axis.cross(tip - pose.transform_point(joint.anchor)),
                        _ => axis,
                    }
                })
                .collect();
            let outer = |v: &DVec3| DMat3::from_cols(*v * v.x, *v * v.y, *v * v.z);
            let square = columns
                .iter()
                .map(outer)
                .fold(DMat3::from_diagonal(DVec3::splat(DAMPING * DAMPING)), |sum, m| sum + m);
            let inverse = square.inverse();
            let home = |index: &usize| {
                let at = model.joints[*index].qpos_index;
                HOMING * (self.scene.default_qpos[at] - qpos[at])
            };
            let homeward: DVec3 =
                chain.iter().zip(&columns).map(|(index, column)| *column * home(index)).sum();
            let pull = inverse * ((goal - tip).clamp_length_max(LONGEST) - homeward);
            let moves: Vec<f64> =
                chain.iter().zip(&columns).map(|(index, column)| column.dot(pull) + home(index)).collect();
            for (index, change) in chain.iter().zip(moves) {
                let joint = &model.joints[*index];
                let [low, high] = joint.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
                qpos[joint.qpos_index] = (qpos[joint.qpos_index] + change).clamp(low, high);
            }
        }
        qpos
    }
}
