//! The state of robots that nobody steps.

use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;

/// One environment for each of the positions `[nq]`, with bodies where those put them. Only their poses are filled in.
///
/// # Panics
/// If a position vector is shorter than [`RobotModel::num_qpos`].
pub fn standing(model: &RobotModel, positions: &[Vec<f64>]) -> BatchState {
    let mut state = BatchState::new(model, positions.len());
    for (env, qpos) in positions.iter().enumerate() {
        for (body, pose) in forward_kinematics(model, qpos).into_iter().enumerate() {
            for (k, x) in pose.position.as_vec3().to_array().into_iter().enumerate() {
                state.body_position.set(3 * body + k, env, x);
            }
            for (k, x) in pose.rotation.as_quat().to_array().into_iter().enumerate() {
                state.body_rotation.set(4 * body + k, env, x);
            }
        }
    }
    state
}
