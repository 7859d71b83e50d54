#![doc = include_str!("README.md")]

pub use keiko_camera as camera;
pub use keiko_data as data;
pub use keiko_dynamics as dynamics;
pub use keiko_env as env;
pub use keiko_model as model;
pub use keiko_policy as policy;
pub use keiko_train as train;
pub use keiko_video as video;
pub use keiko_world as world;

/// What most programs need.
pub mod prelude {
    pub use keiko_env::{EnvOptions, EnvSpec, StepOutput, TaskEnv, VecEnv};
    pub use keiko_model::task::{TaskSpec, resolve_scene};
    pub use keiko_model::{RobotModel, import};
    pub use keiko_policy::Policy;
    pub use keiko_train::{Device, Trainer, evaluate};
    pub use keiko_world::{BatchState, Executor, Field, RapierExecutor};
}
