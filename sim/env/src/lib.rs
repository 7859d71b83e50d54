//! The vectorised environment: terms, episodes, resets.
//!
//! [`TaskEnv`] is a scene and its task on a batch of physics worlds; [`VecEnv`] is all that learning sees of it.
//! A control step is: act, physics, reward and termination, observation, reset of what ended. On the batched engine
//! each block of environments does all of it in one pass. Nothing here keeps a random state: every draw follows from
//! seed, environment, episode and control step.

mod action;
mod bind;
mod command;
pub mod contract;
mod draw;
mod episodes;
pub mod expert;
mod eyes;
mod hands;
mod images;
mod language;
mod looks;
mod randomize;
mod rules;
mod running;
mod slow_camera;
mod task_env;
mod terms;

pub use contract::{EnvSpec, EpisodeEnd, GroupSpec, ImageShape, StepOutput, VecEnv};
pub use episodes::{Breakage, FaultCounts};
pub use eyes::{Ended, Onlooker};
pub use images::ImageTerm;
pub use keiko_world::{BatchState, Field, Looks, Moment, Picture, Renderer, SnapshotError, Touch};
pub use task_env::{EnvOptions, TaskEnv, physics_options};
