//! Brings the end effector to the point that a command names.

use glam::{DMat3, DVec3};
use keiko_model::Result;
use keiko_model::compose::Scene;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::JointKind;
use keiko_model::task::TaskSpec;
use keiko_world::Field;

use super::arm::{GAIN_PER_SECOND, joint_drives};
use super::{check_actions, is_point, refuse};
use crate::action::chain_joints;
use crate::contract::VecEnv;
use crate::task_env::TaskEnv;

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
    /// Of each action that drives a joint: its row and the joint. Others hold still.
    drives: Vec<(usize, usize)>,
    /// Change of the target for an action of 1 \[rad or m\].
    scale: f64,
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
        check_actions(task)?;
        let command = task.command.iter().position(|(_, command)| is_point(command));
        let command = command.ok_or_else(|| refuse(task, "command", "the task has no point to reach"))?;
        let scene = env.scene().clone();
        let scale = task.action.scale.unwrap_or(1.0);
        let drives = joint_drives(env);
        Ok(Self { scene, drives, scale, command: 3 * command, solved: vec![None; env.spec().num_envs] })
    }

    /// Actions `[num_actions, num_envs]` for what the environments are in.
    pub fn act(&mut self, env: &TaskEnv, actions: &mut Field) {
        let (state, commands, dt) = (env.state(), env.commands(), env.spec().control_dt);
        actions.as_mut_slice().fill(0.0);
        for column in 0..actions.num_envs() {
            let goal = DVec3::from([0, 1, 2].map(|k| f64::from(commands.get(self.command + k, column))));
            if self.solved[column].as_ref().is_none_or(|(point, _)| *point != goal) {
                self.solved[column] = Some((goal, self.solve(goal)));
            }
            let Some((_, wanted)) = &self.solved[column] else { continue };
            let pull = |(_, joint): &(usize, usize)| {
                let at = self.scene.model.joints[*joint].qpos_index;
                GAIN_PER_SECOND * dt * (wanted[at] - f64::from(state.qpos.get(at, column))) / self.scale
            };
            // All joints are slowed down alike: they arrive together.
            let longest = self.drives.iter().map(|drive| pull(drive).abs()).fold(SPEED, f64::max);
            for drive in &self.drives {
                actions.set(drive.0, column, (pull(drive) * SPEED / longest) as f32);
            }
        }
    }

    /// Positions of all joints that bring the end effector to a point, or as near as they get: damped least squares from
    /// the default pose (Wampler 1986), within the ranges of the joints.
    pub fn solve(&self, goal: DVec3) -> Vec<f64> {
        let model = &self.scene.model;
        let driven = |joint: &usize| self.drives.iter().any(|(_, driven)| driven == joint);
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
