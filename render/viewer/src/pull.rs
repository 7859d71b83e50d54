//! A spring by which somebody pulls at a body.

use glam::DVec3;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;

use crate::thing::{body_pose, body_vector};

/// Stiffness by mass \[1/s²\]: a free body hangs 0.1 m below the hand.
const STIFFNESS: f64 = 100.0;
/// Damping by mass \[1/s\]: critical for a free body.
const DAMPING: f64 = 20.0;

/// Somebody's grip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    /// The body.
    pub body: usize,
    /// Where it is held, in its frame \[m\].
    pub point: DVec3,
    /// Where the hand is, in the world \[m\].
    pub hand: DVec3,
}

impl Pull {
    /// A grip at a point of the world.
    pub fn new(state: &BatchState, env: usize, body: usize, at: DVec3) -> Self {
        let point = body_pose(state, env, body).inverse().transform_point(at);
        Self { body, point, hand: at }
    }

    /// Where the body is held, in the world \[m\].
    pub fn held(&self, state: &BatchState, env: usize) -> DVec3 {
        body_pose(state, env, self.body).transform_point(self.point)
    }

    /// The force on the body \[N\], world axes: a damped spring as strong as what is held is heavy.
    pub fn force(&self, model: &RobotModel, state: &BatchState, env: usize) -> DVec3 {
        let pose = body_pose(state, env, self.body);
        let spin = body_vector(&state.body_angular_velocity, env, self.body);
        let arm = pose.rotation * self.point;
        let speed = body_vector(&state.body_linear_velocity, env, self.body) + spin.cross(arm);
        let (mass, _) = welded(model, state, env, self.body);
        mass * (STIFFNESS * (self.hand - pose.transform_point(self.point)) - DAMPING * speed)
    }

    /// The same as force and torque on all bodies `[6 nb]`; see [`EnvParameters::wrench`](keiko_world::EnvParameters::wrench).
    pub fn wrench(&self, model: &RobotModel, state: &BatchState, env: usize) -> Vec<f32> {
        let force = self.force(model, state, env);
        let (_, center) = welded(model, state, env, self.body);
        let torque = (self.held(state, env) - center).cross(force);
        let mut wrench = vec![0.0; 6 * model.bodies.len()];
        for (to, from) in
            wrench[6 * self.body..].iter_mut().zip([force, torque].map(|v| v.to_array()).concat())
        {
            *to = from as f32;
        }
        wrench
    }
}

/// The body that a body is welded to and that moves: itself, if it has a joint; the world where nothing moves it.
pub fn mover(model: &RobotModel, mut body: usize) -> usize {
    while body != 0 && model.bodies[body].joints.is_empty() {
        body = model.bodies[body].parent;
    }
    body
}

/// Mass \[kg\] and centre of mass \[m\] of a body and all that is welded to it, in the world.
fn welded(model: &RobotModel, state: &BatchState, env: usize, body: usize) -> (f64, DVec3) {
    let with = mover(model, body);
    let (mut mass, mut moment) = (0.0, DVec3::ZERO);
    for (index, other) in model.bodies.iter().enumerate().filter(|(index, _)| mover(model, *index) == with) {
        mass += other.inertial.mass;
        moment +=
            other.inertial.mass * body_pose(state, env, index).transform_point(other.inertial.pose.position);
    }
    let center = if mass > 0.0 { moment / mass } else { body_pose(state, env, body).position };
    (mass, center)
}
