//! Pushes the thing that the instruction names to the target that it names: over the table to behind the thing, down,
//! forward, and away.

use glam::{DVec2, DVec3};
use keiko_model::Result;
use keiko_model::task::TaskSpec;
use keiko_world::Field;

use super::arm::{Arm, GAIN_PER_SECOND, Motion};
use super::thing::{Thing, named};
use crate::task_env::TaskEnv;

/// Distance from the target at which a thing is there \[m\].
const THERE: f64 = 0.012;
/// The same for a thing that is not being pushed: it is left alone.
const LEFT_THERE: f64 = 0.03;
/// Height of the end effector over the table while it pushes \[m\].
const LOW: f64 = 0.018;
/// Up to this much above it pushes \[m\].
const STILL_LOW: f64 = 0.025;
/// Height over the table at which it passes over things \[m\].
const HIGH: f64 = 0.14;
/// Free way between thing and end effector where that comes down \[m\], with its own radius.
const BACK: f64 = 0.035;
/// Largest distance from the line through thing and target \[m\]: to come down, and to go on pushing.
const ON_LINE: f64 = 0.012;
const STILL_ON_LINE: f64 = 0.03;
/// How much faster the end effector goes back to that line than it goes to a point: a thing that is pushed off its middle
/// turns away within half a second.
const BACK_TO_LINE: f64 = 6.0;
/// Speeds \[m/s\].
const TRAVEL: f64 = 0.6;
const PUSH: f64 = 0.16;
const LAST: f64 = 0.06;

/// Brings things to targets by pushing.
#[derive(Clone, Debug)]
pub struct PushExpert {
    arm: Arm,
}

impl PushExpert {
    /// For a task whose instructions name things and targets, with an arm.
    ///
    /// # Errors
    /// If the task is none that this expert knows how to do, and why.
    pub fn new(task: &TaskSpec, env: &TaskEnv) -> Result<Self> {
        Ok(Self { arm: Arm::new(task, env)? })
    }

    /// Actions `[num_actions, num_envs]` for what the environments are in.
    pub fn act(&self, env: &TaskEnv, actions: &mut Field) {
        actions.as_mut_slice().fill(0.0);
        for (column, thing, target) in named(env) {
            let motion = motion(self.arm.tip(env, column), &thing, target);
            self.arm.go(env, column, &motion, actions);
        }
    }
}

/// Where an end effector at `tip` is to go next.
fn motion(tip: DVec3, thing: &Thing, target: DVec3) -> Motion {
    let height = tip.z - target.z;
    let place = thing.position.truncate();
    let to_target = target.truncate() - place;
    let left = to_target.length();
    let ahead = to_target.normalize_or(DVec2::X);
    let from_thing = tip.truncate() - place;
    let behind = -from_thing.dot(ahead);
    let aside = from_thing.dot(ahead.perp());
    let at = |place: DVec2, height: f64| place.extend(target.z + height);
    let slowly = |point: DVec3, speed: f64| Motion { point, speed, yaw: None };

    let is_low = height < LOW + STILL_LOW;
    let pushes = is_low && behind > 0.0 && aside.abs() < STILL_ON_LINE;
    if left < THERE || (left < LEFT_THERE && !pushes) {
        // Up, and first away from the thing so as not to drag it along.
        let away = from_thing.normalize_or(-ahead);
        let gap = from_thing.length() - thing.reach(away);
        let place = if is_low && gap < BACK { tip.truncate() + 0.04 * away } else { tip.truncate() };
        let height = if is_low && gap < BACK { LOW + STILL_LOW } else { HIGH };
        return slowly(at(place, height), TRAVEL);
    }
    if pushes {
        let speed = (1.5 * left).clamp(LAST, PUSH);
        let point = tip.truncate() + speed / GAIN_PER_SECOND * ahead - BACK_TO_LINE * aside * ahead.perp();
        return slowly(at(point, LOW), 2.0 * speed);
    }
    let start = place - ahead * (thing.reach(-ahead) + BACK);
    let missing = start.distance(tip.truncate());
    let near_start = if height > HIGH - 0.03 { ON_LINE } else { STILL_ON_LINE };
    if missing < near_start {
        return slowly(at(start, LOW), TRAVEL);
    }
    let level = height > HIGH - 0.04;
    slowly(at(if level { start } else { tip.truncate() }, HIGH), TRAVEL)
}
