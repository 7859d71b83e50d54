//! Robots, scenes and tasks as plain data: parsed once, valid afterwards.
//!
//! Nothing here steps, draws or learns. A [`RobotModel`] is what MJCF and URDF files are lowered to;
//! a [`task::TaskSpec`] is what a `scene.toml` holds. Everything that can be wrong with a file is found
//! here and reported as one [`Error`] with file and line.
//!
//! Conventions: SI units, radians, z up, x forward; quaternions xyzw; `a_from_b` for transforms.

pub mod camera;
pub mod compose;
pub mod error;
pub mod hull;
pub mod imager;
pub mod import;
pub mod inertia;
pub mod kinematics;
pub mod lens;
pub mod light;
pub mod material;
pub mod mesh;
pub mod png;
pub mod pose;
pub mod robot;
pub mod task;
pub mod train_spec;
pub mod validate;

pub use error::{Error, Result};
pub use pose::Pose;
pub use robot::RobotModel;
pub use task::TaskSpec;
pub use train_spec::TrainSpec;
