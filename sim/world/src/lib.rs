//! The world: a bevy_ecs map of a scene, and executors that step many copies of it.

pub mod components;
pub mod engine;
pub mod executor;
pub mod field;
pub mod kinematics;
pub mod lanes;
pub mod looks;
pub mod moment;
pub mod options;
pub mod rapier;
pub mod render;
pub mod replay;
pub mod rng;
pub mod scene_tree;
pub mod schedule;
pub mod simulation;
pub mod stopwatch;
pub mod thing;
pub mod verify;

pub use bevy_ecs::world::World;
pub use engine::EngineChoice;
pub use executor::{
    BatchState, EnvParameters, Executor, Fault, FaultCause, SnapshotError, Touch, Unsupported,
};
pub use field::Field;
pub use lanes::LanesExecutor;
pub use looks::Looks;
pub use moment::Moment;
pub use options::{ContactLaw, PhysicsOptions};
pub use rapier::RapierExecutor;
pub use render::{Picture, Renderer};
pub use rng::EnvRng;
pub use simulation::Simulation;
pub use stopwatch::Stopwatch;
pub use thing::Thing;
