//! The world: a bevy_ecs map of a scene, and executors that step many copies of it.

pub mod executor;
pub mod field;
pub mod kinematics;
pub mod rapier;
pub mod verify;

pub use executor::{BatchState, EnvParameters, Executor, Fault, FaultCause, SnapshotError};
pub use field::Field;
pub use rapier::{PhysicsOptions, RapierExecutor};
