//! Picks up the thing that the instruction names and puts it to the target that it names: over it, down, close, up, across,
//! down, open, up.

use std::f64::consts::{FRAC_PI_2, PI};

use glam::{DVec2, DVec3};
use keiko_model::Result;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::task::{Success, TaskSpec};
use keiko_world::Field;

use super::arm::{Arm, Motion};
use super::gripper::Gripper;
use super::refuse;
use super::thing::{Thing, named};
use crate::task_env::TaskEnv;

/// How far over a thing's middle the gripper comes before it goes down \[m\].
const OVER: f64 = 0.1;
/// Distance from where it should be, seen from above, at which the gripper goes down to a thing, and to a target \[m\].
const ALIGNED: f64 = 0.008;
/// The same for a gripper that is on its way down.
const STILL_ALIGNED: f64 = 0.02;
/// Error of the gripper's turn at which it goes down \[rad\].
const TURNED: f64 = 0.12;
/// Distance at which the fingers are about a thing \[m\].
const ABOUT: f64 = 0.012;
/// Least height of the grasp over the table \[m\].
const LOWEST: f64 = 0.02;
/// Free way under a thing that is carried \[m\], and below which it is lifted before it goes anywhere.
const CARRY: f64 = 0.1;
const LIFTED: f64 = 0.08;
/// Free way under a thing when it is let go \[m\], and below which it counts as put down.
const LET_GO: f64 = 0.05;
const DOWN: f64 = 0.025;
/// Speeds \[m/s\].
const TRAVEL: f64 = 0.6;
const LOADED: f64 = 0.35;
const GENTLE: f64 = 0.2;

/// Brings things to targets with a gripper.
#[derive(Clone, Debug)]
pub struct PickExpert {
    arm: Arm,
    gripper: Gripper,
    /// Direction from finger to finger in the default pose, seen from above \[rad\].
    across: f64,
    /// Distance from the target, seen from above, at which a thing is where it belongs \[m\].
    there: f64,
}

/// What to do next.
struct Deed {
    motion: Motion,
    open: bool,
}

impl PickExpert {
    /// For a task whose instructions name things and targets, with an arm and a gripper.
    ///
    /// # Errors
    /// If the task is none that this expert knows how to do, and why.
    pub fn new(task: &TaskSpec, env: &TaskEnv) -> Result<Self> {
        let Some(Success::Placed { distance, .. }) = task.success else {
            return Err(refuse(task, "success.term", "success is not a thing in its place"));
        };
        let (arm, gripper) = (Arm::new(task, env)?, Gripper::new(task, env)?);
        let scene = env.scene();
        let poses = forward_kinematics(&scene.model, &scene.default_qpos);
        let across = gripper.across(poses[scene.end_effector.body].rotation);
        Ok(Self { arm, gripper, across, there: distance })
    }

    /// Actions `[num_actions, num_envs]` for what the environments are in.
    pub fn act(&self, env: &TaskEnv, actions: &mut Field) {
        actions.as_mut_slice().fill(0.0);
        for (column, thing, target) in named(env) {
            let deed = self.next(env, column, &thing, target);
            self.arm.go(env, column, &deed.motion, actions);
            self.gripper.set(deed.open, column, actions);
        }
    }

    fn next(&self, env: &TaskEnv, column: usize, thing: &Thing, target: DVec3) -> Deed {
        let tip = self.arm.tip(env, column);
        let half = thing.half_height();
        let under = thing.position.z - half - target.z;
        let to_target = target.truncate() - thing.position.truncate();
        let at = |place: DVec2, height: f64| place.extend(height);
        let deed = |point: DVec3, speed: f64, yaw: Option<f64>, open: bool| Deed {
            motion: Motion { point, speed, yaw },
            open,
        };

        if to_target.length() < self.there && under < DOWN {
            let high = target.z + 2.0 * half + OVER;
            return deed(at(tip.truncate(), high), TRAVEL, None, true);
        }
        let grasp = at(thing.position.truncate(), thing.position.z.max(target.z + LOWEST));
        let is_about = tip.distance(grasp) < if under > DOWN { 2.0 * ABOUT } else { ABOUT };
        let yaw = self.yaw(thing);
        if is_about {
            // Where the gripper goes so that the thing goes with it.
            let with = |place: DVec2, under: f64| {
                at(place, target.z + under) + (tip - thing.position) + half * DVec3::Z
            };
            let is_over = to_target.length() < if under < LIFTED { STILL_ALIGNED } else { ALIGNED };
            if is_over && under < LET_GO + 0.01 {
                return deed(tip, GENTLE, None, true);
            }
            // What is off the table is held, whether or not the arm shakes the fingers.
            if !self.gripper.holds(env, column, under > DOWN) {
                return deed(grasp, GENTLE, yaw, false);
            }
            if is_over {
                return deed(with(target.truncate(), LET_GO), GENTLE, None, false);
            }
            if under < LIFTED {
                return deed(with(thing.position.truncate(), CARRY), GENTLE, None, false);
            }
            return deed(with(target.truncate(), CARRY), LOADED, None, false);
        }
        let missing = tip.truncate().distance(thing.position.truncate());
        let over = grasp.z + OVER;
        let goes_down = tip.z < over - 0.02 && missing < STILL_ALIGNED;
        let turned = yaw.is_none_or(|yaw| self.turn_left(env, column, yaw) < TURNED);
        if goes_down || (missing < ALIGNED && turned) {
            return deed(grasp, TRAVEL, yaw, true);
        }
        let is_high = tip.z > over - 0.04;
        deed(at(if is_high { thing.position } else { tip }.truncate(), over), TRAVEL, yaw, true)
    }

    /// The least turn from the default pose that brings the fingers to two sides of a thing; `None` where all are alike.
    fn yaw(&self, thing: &Thing) -> Option<f64> {
        let turns = thing.grasps(0.95 * self.gripper.stroke).into_iter().map(|grasp| {
            let turn =
                grasp.across.map(|across| (across - self.across + FRAC_PI_2).rem_euclid(PI) - FRAC_PI_2);
            (turn.map_or(0.0, f64::abs), turn)
        });
        turns.min_by(|a, b| a.0.total_cmp(&b.0)).and_then(|(_, turn)| turn)
    }

    /// How far the gripper is from a turn \[rad\].
    fn turn_left(&self, env: &TaskEnv, column: usize, yaw: f64) -> f64 {
        let across = self.gripper.across(self.arm.rotation(env, column));
        let missing = across - self.across - yaw;
        ((missing + FRAC_PI_2).rem_euclid(PI) - FRAC_PI_2).abs()
    }
}
