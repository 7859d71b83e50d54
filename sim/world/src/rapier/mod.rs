//! The rapier executor: one rapier world an environment, each at its own origin, stepped over rayon.
//!
//! rapier3d is the generalist: whatever a robot file holds and this executor can express, it steps; the rest is
//! refused by name ([`BuildError`]) or listed ([`RapierExecutor::unsupported`]). Settings follow measurement, see
//! [`PhysicsOptions`].

mod blueprint;
mod drive;
mod environment;
mod executor;
mod links;
mod pairs;
mod sense;
mod shapes;
mod snapshot;
mod support;
mod ties;

pub use executor::RapierExecutor;

/// How the physics is stepped.
#[derive(Clone, Debug, PartialEq)]
pub struct PhysicsOptions {
    /// Physics time step \[s\], in [1e-5, 0.1].
    pub timestep: f32,
    /// Physics steps in a control step, at least 1.
    pub decimation: usize,
    /// Solver substeps in a physics step, at least 1. More is not always better in `f32`.
    pub solver_iterations: usize,
    /// Natural frequency of contacts \[Hz\]. rapier's own 30 Hz lets a stack of ten boxes sink by 25 mm.
    pub contact_frequency: f32,
    /// Damping ratio of contacts.
    pub contact_damping_ratio: f32,
    /// Speed of a degree of freedom that counts as divergence \[m/s or rad/s\].
    pub max_velocity: f32,
}

impl Default for PhysicsOptions {
    fn default() -> Self {
        Self {
            timestep: 0.002,
            decimation: 1,
            solver_iterations: 4,
            contact_frequency: 240.0,
            contact_damping_ratio: 10.0,
            max_velocity: 1000.0,
        }
    }
}

impl PhysicsOptions {
    fn check(&self) -> Result<(), BuildError> {
        let checks = [
            (self.timestep >= 1e-5 && self.timestep <= 0.1, "timestep outside [1e-5, 0.1]"),
            (self.decimation >= 1 && self.decimation <= 10_000, "decimation outside [1, 10000]"),
            (
                self.solver_iterations >= 1 && self.solver_iterations <= 1000,
                "solver_iterations outside [1, 1000]",
            ),
            (
                self.contact_frequency > 0.0 && self.contact_frequency <= 1e5,
                "contact_frequency outside (0, 1e5]",
            ),
            (
                self.contact_damping_ratio > 0.0 && self.contact_damping_ratio <= 1e3,
                "contact_damping_ratio outside (0, 1000]",
            ),
            (self.max_velocity > 0.0, "max_velocity that is not positive"),
        ];
        match checks.iter().find(|(ok, _)| !ok) {
            Some((_, what)) => Err(BuildError::new("physics options", what)),
            None => Ok(()),
        }
    }
}

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

/// Something that the executor leaves out or approximates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Kind and name.
    pub element: String,
    /// What is left out.
    pub what: String,
}

impl Unsupported {
    pub(crate) fn new(element: String, what: &str) -> Self {
        Self { element, what: what.to_owned() }
    }
}
