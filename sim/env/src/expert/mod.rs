//! Scripted experts: who shows how a task is done, by inverse kinematics.
//!
//! What an expert does follows from the state, the instruction and the command alone, not from what it did before: the
//! same picture always has the same answer, so that imitation has something to learn. Phases are read off the state: a
//! thing that slips out of the gripper is fetched again, by no rule of its own.

mod arm;
mod gripper;
mod pick;
mod push;
mod reach;
mod thing;

use keiko_model::error::ErrorKind;
use keiko_model::task::{ActionKind, Command, Success, TaskSpec};
use keiko_model::{Error, Result};
use keiko_world::Field;

pub use pick::PickExpert;
pub use push::PushExpert;
pub use reach::ReachExpert;

use crate::task_env::TaskEnv;

/// The expert that a task asks for.
#[derive(Clone, Debug)]
pub enum Expert {
    /// Brings the end effector to a point.
    Reach(Box<ReachExpert>),
    /// Brings a thing to a target by pushing.
    Push(Box<PushExpert>),
    /// Brings a thing to a target with a gripper.
    Pick(Box<PickExpert>),
}

impl Expert {
    /// Chosen by what the task is: where success is a thing in its place, by whether the actions drive a gripper; else by
    /// whether a command is a point.
    ///
    /// # Errors
    /// If the task is none that an expert knows how to do, and why.
    pub fn new(task: &TaskSpec, env: &TaskEnv) -> Result<Self> {
        if let Some(Success::Placed { .. }) = task.success {
            return match arm::drives_gripper(task, env)? {
                true => Ok(Self::Pick(Box::new(PickExpert::new(task, env)?))),
                false => Ok(Self::Push(Box::new(PushExpert::new(task, env)?))),
            };
        }
        Ok(Self::Reach(Box::new(ReachExpert::new(task, env)?)))
    }

    /// Actions `[num_actions, num_envs]` for what the environments are in.
    pub fn act(&mut self, env: &TaskEnv, actions: &mut Field) {
        match self {
            Self::Reach(expert) => expert.act(env, actions),
            Self::Push(expert) => expert.act(env, actions),
            Self::Pick(expert) => expert.act(env, actions),
        }
    }
}

/// Why a task is not done.
fn refuse(task: &TaskSpec, key: &str, message: &str) -> Error {
    task.source.error(ErrorKind::Unsupported, key, message).allowed(
        "a scripted expert knows `action.kind = \"position_delta\"` with a command that is a point, or with success that \
         is a thing in its place",
    )
}

/// Refuses actions other than changes of the targets of position servos.
fn check_actions(task: &TaskSpec) -> Result<()> {
    match task.action.kind {
        ActionKind::PositionDelta => Ok(()),
        _ => Err(refuse(task, "action.kind", "the scripted expert does not know this kind of action")),
    }
}

/// Whether a command is a point.
fn is_point(command: &Command) -> bool {
    !matches!(command, Command::Velocity { .. })
}
