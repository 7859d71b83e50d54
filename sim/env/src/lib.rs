//! The vectorised environment: terms, episodes, resets.

pub mod contract;

pub use contract::{EnvSpec, EpisodeEnd, GroupSpec, StepOutput, VecEnv};
