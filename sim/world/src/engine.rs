//! Which executor steps a model, and why.

use std::fmt;

use keiko_dynamics::plan::{self, TaskRows};
use keiko_model::RobotModel;

use crate::executor::{Executor, Unsupported};
use crate::lanes::{LanesExecutor, Width};
use crate::options::{ContactLaw, PhysicsOptions};
use crate::rapier::{self, RapierExecutor};

/// An executor, or the choice left to the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The batched engine where it can step all of the model, else rapier.
    #[default]
    Auto,
    /// The batched engine.
    Lanes,
    /// rapier.
    Rapier,
}

/// An executor and why it was taken.
pub struct Engine {
    /// It.
    pub executor: Box<dyn Executor>,
    /// What of the model it leaves out or approximates.
    pub unsupported: Vec<Unsupported>,
    /// One line for people: `lanes (16 environments at once)`.
    pub reason: String,
}

/// Why no executor steps a model.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The batched engine was asked for.
    #[error(transparent)]
    Lanes(#[from] plan::BuildError),
    /// rapier was asked for.
    #[error(transparent)]
    Rapier(#[from] rapier::BuildError),
    /// Either would have done.
    #[error("{rapier}; {lanes}")]
    Neither {
        /// What the batched engine said.
        lanes: plan::BuildError,
        /// What rapier said.
        rapier: rapier::BuildError,
    },
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// The executor for `num_envs` copies of a model.
///
/// # Errors
/// What of the model the executor cannot step, by name.
pub fn build(
    model: &RobotModel,
    num_envs: usize,
    options: &PhysicsOptions,
    choice: EngineChoice,
) -> Result<Engine, EngineError> {
    build_with_task(model, num_envs, options, choice, TaskRows::default())
}

/// The same for a task, which has rows of its own beside those of the physics where the executor is the batched engine.
///
/// # Errors
/// As [`build`].
pub fn build_with_task(
    model: &RobotModel,
    num_envs: usize,
    options: &PhysicsOptions,
    choice: EngineChoice,
    task: TaskRows,
) -> Result<Engine, EngineError> {
    match choice {
        EngineChoice::Lanes => Ok(lanes(model, num_envs, options, task)?),
        EngineChoice::Rapier => Ok(rapier(model, num_envs, options)?),
        EngineChoice::Auto => {
            lanes(model, num_envs, options, task).or_else(|why| match rapier(model, num_envs, options) {
                Ok(engine) => Ok(Engine { reason: format!("rapier, because {why}"), ..engine }),
                Err(rapier) => Err(EngineError::Neither { lanes: why, rapier }),
            })
        }
    }
}

fn lanes(
    model: &RobotModel,
    num_envs: usize,
    options: &PhysicsOptions,
    task: TaskRows,
) -> Result<Engine, plan::BuildError> {
    let executor = LanesExecutor::with_task(model, num_envs, options.clone(), Width::Detected, task)?;
    Ok(Engine {
        unsupported: executor.unsupported().to_vec(),
        reason: format!("lanes ({} environments at once)", executor.width()),
        executor: Box::new(executor),
    })
}

fn rapier(
    model: &RobotModel,
    num_envs: usize,
    options: &PhysicsOptions,
) -> Result<Engine, rapier::BuildError> {
    let executor = RapierExecutor::new(model, num_envs, options.clone())?;
    let mut unsupported = executor.unsupported().to_vec();
    if options.law != ContactLaw::Soft {
        unsupported.push(Unsupported::new(
            "scene `physics.law`".to_owned(),
            "rapier's contacts are soft by its own law, not by the file's solref and solimp",
        ));
    }
    Ok(Engine {
        unsupported,
        reason: "rapier (one world an environment)".to_owned(),
        executor: Box::new(executor),
    })
}
