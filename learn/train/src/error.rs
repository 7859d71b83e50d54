//! Why training could not start or go on.

use keiko_model::train_spec::InvalidTrainSpec;
use keiko_policy::PolicyError;

/// Training that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A hyperparameter out of range.
    #[error(transparent)]
    Spec(#[from] InvalidTrainSpec),
    /// Parameters or observations that do not fit the task.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The environment has nothing to observe or nothing to do.
    #[error("task `{task}` cannot be learned: {message}")]
    Environment {
        /// Name of the task.
        task: String,
        /// What is missing.
        message: String,
    },
    /// A part of a saved state is missing, or belongs to another run.
    #[error("saved state refused: {part}: {message}")]
    State {
        /// The named file.
        part: String,
        /// What is wrong with it.
        message: String,
    },
    /// Parameters are no longer finite.
    #[error(
        "parameters are not finite after iteration {iteration}; lower train.learning_rate or train.max_grad_norm, \
         or scale rewards down with train.reward_scale"
    )]
    Diverged {
        /// Counted from 0.
        iteration: u64,
    },
    /// Something about a fine-tuning run that cannot be.
    #[error("{what}: {message}")]
    FineTune {
        /// What is wrong.
        what: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// Demonstrations that cannot be read.
    #[error(transparent)]
    Data(#[from] keiko_data::Error),
    /// A run folder that cannot be used.
    #[error(transparent)]
    Storage(#[from] crate::StorageError),
    /// No device of the kind asked for.
    #[error("{0}")]
    Device(String),
}

impl TrainError {
    /// A refused part of a saved state.
    pub fn state(part: &str, message: impl ToString) -> Self {
        Self::State { part: part.into(), message: message.to_string() }
    }
}
