//! Where things are that can be selected.

use glam::{DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;
pub use keiko_world::Thing;

/// `world_from_body` of an environment.
pub fn body_pose(state: &BatchState, env: usize, body: usize) -> Pose {
    let position = [0, 1, 2].map(|k| f64::from(state.body_position.get(3 * body + k, env)));
    let rotation = [0, 1, 2, 3].map(|k| f64::from(state.body_rotation.get(4 * body + k, env)));
    Pose::new(DVec3::from_array(position), DQuat::from_array(rotation).normalize())
}

/// All of them.
pub fn body_poses(model: &RobotModel, state: &BatchState, env: usize) -> Vec<Pose> {
    (0..model.bodies.len()).map(|body| body_pose(state, env, body)).collect()
}

/// A vector of a body from a field `[3 nb]`.
pub fn body_vector(field: &keiko_world::Field, env: usize, body: usize) -> DVec3 {
    DVec3::from_array([0, 1, 2].map(|k| f64::from(field.get(3 * body + k, env))))
}
