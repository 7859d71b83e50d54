//! The rapier executor: one rapier world an environment, each at its own origin, stepped over rayon.
//!
//! rapier3d is the generalist: whatever a robot file holds and this executor can express, it steps; the rest is
//! refused by name ([`BuildError`]) or listed ([`RapierExecutor::unsupported`]). Settings follow measurement, see
//! [`PhysicsOptions`].

mod blueprint;
mod drive;
mod environment;
mod executor;
mod eyes;
mod links;
mod pairs;
mod sense;
mod shapes;
mod snapshot;
mod support;
mod ties;
mod touch;

pub use crate::executor::Unsupported;
pub use crate::options::PhysicsOptions;
pub use executor::RapierExecutor;

/// A model that rapier cannot step: which element, and which feature of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element}: {feature} is not supported by the rapier executor")]
pub struct BuildError {
    /// Kind and name.
    pub element: String,
    /// What it asks for.
    pub feature: String,
}

impl BuildError {
    pub(crate) fn new(element: &str, feature: &str) -> Self {
        Self { element: element.to_owned(), feature: feature.to_owned() }
    }
}
