//! The physics truth card: small scenes with a known answer, run on an executor, judged by numbers.
//!
//! Every [`Check`] builds its scene from text, steps it, and compares with a closed form in `f64` (or with a
//! slow reference of our own). It returns [`Row`]s: an error measure and the most that is demanded. Checks know nothing of
//! an engine but [`Engine::build`], so every executor is held to the same card.

mod agree;
mod arch;
pub mod bits;
mod carry;
mod chain;
mod conserve;
mod flight;
mod grasp;
mod harness;
mod impact;
mod joints;
mod known;
mod lanes;
mod measure;
mod order;
mod peer;
mod pendulum;
mod pile;
mod quadruped;
mod slide;
mod spin;
mod stack;
mod topple;

use keiko_model::RobotModel;

use crate::{Executor, PhysicsOptions, RapierExecutor};
pub use agree::AGREEMENT;
pub use harness::{Settings, Sim, read};
pub use known::reason;
pub use lanes::Lanes;
pub use measure::{Mechanics, mechanics};
pub use peer::{PEERS, Peer, peer};

/// On which side of its demand a value must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `value <= demand`.
    AtMost,
    /// `value >= demand`.
    AtLeast,
}

/// One line of the card.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Row of the card: `T6`.
    pub id: &'static str,
    /// What is measured.
    pub name: String,
    /// The measured error; NaN fails.
    pub value: f64,
    /// On which side of the demand it must lie.
    pub bound: Bound,
    /// The most, or least, that it may be.
    pub demand: f64,
    /// Unit of both.
    pub unit: &'static str,
    /// Whether the demand is met.
    pub passed: bool,
}

impl Row {
    /// A row that demands `value <= demand`.
    pub fn at_most(
        id: &'static str,
        name: impl Into<String>,
        value: f64,
        demand: f64,
        unit: &'static str,
    ) -> Self {
        Self { id, name: name.into(), value, bound: Bound::AtMost, demand, unit, passed: value <= demand }
    }

    /// A row that demands `value >= demand`.
    pub fn at_least(
        id: &'static str,
        name: impl Into<String>,
        value: f64,
        demand: f64,
        unit: &'static str,
    ) -> Self {
        Self { id, name: name.into(), value, bound: Bound::AtLeast, demand, unit, passed: value >= demand }
    }
}

/// Why a check gave no rows.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckError {
    /// The scene of the check was refused by the reader.
    #[error("the scene was refused: {0}")]
    Scene(#[from] keiko_model::Error),
    /// The reader left something of the scene out.
    #[error("the scene lost something: {0}")]
    Lost(String),
    /// The executor cannot hold the scene.
    #[error("the executor refused the scene: {0}")]
    Build(String),
    /// The executor reported an unusable environment.
    #[error("{cause:?} in environment {env} at {time:.3} s")]
    Fault {
        /// Which environment.
        env: usize,
        /// Simulated time \[s\].
        time: f64,
        /// Why.
        cause: crate::FaultCause,
    },
    /// The scene never did what is to be measured.
    #[error("{0}")]
    Nothing(String),
}

/// Makes executors with given settings: what a check needs to know of an engine.
pub trait Engine: Sync {
    /// Its name: one of [`ENGINES`], or what a test calls it.
    fn name(&self) -> &'static str;

    /// An executor for `num_envs` copies of a model, one physics step per control step.
    fn build(
        &self,
        model: &RobotModel,
        num_envs: usize,
        settings: &Settings,
    ) -> Result<Box<dyn Executor>, CheckError>;

    /// By how much velocities are ahead of positions \[s\] under the settings: one integration step of semi-implicit Euler,
    /// nothing of a scheme that is centred in time.
    fn lag(&self, settings: &Settings) -> f64;
}

/// The rapier executor with the card's settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rapier;

impl Engine for Rapier {
    fn name(&self) -> &'static str {
        "rapier"
    }

    fn build(
        &self,
        model: &RobotModel,
        num_envs: usize,
        settings: &Settings,
    ) -> Result<Box<dyn Executor>, CheckError> {
        let options = PhysicsOptions {
            timestep: settings.timestep as f32,
            solver_iterations: settings.solver_iterations,
            ..PhysicsOptions::default()
        };
        match RapierExecutor::new(model, num_envs, options) {
            Ok(executor) => Ok(Box::new(executor)),
            Err(error) => Err(CheckError::Build(error.to_string())),
        }
    }

    fn lag(&self, settings: &Settings) -> f64 {
        settings.timestep / settings.solver_iterations as f64
    }
}

/// Names of the engines that [`engine`] makes.
pub const ENGINES: &[&str] = &["lanes", "rapier"];

/// An engine by its name.
pub fn engine(name: &str) -> Option<Box<dyn Engine>> {
    match name {
        "lanes" => Some(Box::new(Lanes)),
        "rapier" => Some(Box::new(Rapier)),
        _ => None,
    }
}

/// A scene with a known answer.
#[derive(Clone, Copy)]
pub struct Check {
    /// Row of the card: `T6`.
    pub id: &'static str,
    /// Part of the card: `contact`, `joints`, `spin`, `impact`, `stack`, `robot` or `momentum`.
    pub group: &'static str,
    /// What is tested.
    pub title: &'static str,
    /// Steps the scene and measures.
    pub run: fn(&dyn Engine) -> Result<Vec<Row>, CheckError>,
}

const fn check(
    id: &'static str,
    group: &'static str,
    title: &'static str,
    run: fn(&dyn Engine) -> Result<Vec<Row>, CheckError>,
) -> Check {
    Check { id, group, title, run }
}

/// The whole card, in order.
pub const CHECKS: &[Check] = &[
    check("T1", "contact", "free fall", flight::free_fall),
    check("T2", "contact", "projectile", flight::projectile),
    check("T3", "joints", "pendulum, 5 and 90 degrees", pendulum::simple),
    check("T4", "joints", "double pendulum keeps its energy", pendulum::double_energy),
    check("T5", "spin", "spin about the middle axis of inertia", spin::intermediate_axis),
    check("T6", "contact", "block on a slope", slide::slope),
    check("T7", "contact", "ball from sliding to rolling", slide::rolling),
    check("T8", "impact", "bouncing ball", impact::restitution),
    check("T8b", "impact", "49 elastic balls for 20 s", impact::elastic_balls),
    check("T9", "stack", "ten cubes for 60 s", stack::ten_cubes),
    check("T10", "spin", "top in steady precession", spin::top),
    check("T11", "impact", "Newton's cradle", impact::cradle),
    check("T12a", "stack", "216 balls without friction in a box", pile::in_a_box),
    check("T12b", "impact", "216 elastic balls", impact::elastic_pile),
    check("T13", "joints", "hinge driven into its limit", joints::limit),
    check("T14", "joints", "PD step against the closed form", joints::pd_step),
    check("T15", "robot", "four-bar linkage", grasp::four_bar),
    check("T16", "contact", "friction is the same in all directions", slide::friction_cone),
    check("T17", "robot", "two-finger grip", grasp::grip),
    check("T18", "robot", "quadruped stands on its servos", quadruped::stand),
    check("T18b", "momentum", "quadruped falls; a ball hits it", quadruped::energy_and_momentum),
    check("T19", "stack", "heavy on light", stack::mass_ratio),
    check("T20", "joints", "chain with a heavy end", chain::heavy_end),
    check("T21", "contact", "slab that carries balls", carry::slab_with_balls),
    check("T22", "joints", "double pendulum against Runge-Kutta", pendulum::double_trajectory),
    check("T23", "stack", "tumbling box comes to rest", stack::tumble),
    check("T24", "stack", "dominoes", topple::dominoes),
    check("T25", "stack", "arch of nine stones", arch::stones),
    check("T26", "joints", "order of convergence", order::convergence),
    check("M1", "momentum", "robot afloat moves its legs", conserve::afloat_by_its_motors),
    check("M2", "momentum", "robot moved by 100 m", conserve::moved),
    check("M3", "momentum", "robot mirrored", conserve::mirrored),
    check("M4", "momentum", "passive walker", conserve::passive_walker),
];

/// A check of [`CHECKS`] by its identifier.
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}
