//! Mass, momentum and energy of everything that moves in a scene, summed over its bodies in `f64`.

use glam::{DMat3, DVec3};

use super::harness::Sim;

/// Sums over all bodies but the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mechanics {
    /// Centre of mass \[m\], world frame.
    pub com: DVec3,
    /// Linear momentum \[kg·m/s\].
    pub momentum: DVec3,
    /// Sum of the sizes of the bodies' momenta \[kg·m/s\]: what a drift of the momentum is compared with.
    pub momentum_scale: f64,
    /// Angular momentum about the centre of mass \[kg·m²/s\].
    pub spin: DVec3,
    /// Sum of the sizes of the bodies' shares in it \[kg·m²/s\].
    pub spin_scale: f64,
    /// Kinetic energy \[J\].
    pub kinetic: f64,
    /// Potential energy in the scene's gravity, 0 at the origin \[J\].
    pub potential: f64,
}

impl Mechanics {
    /// Kinetic and potential energy \[J\].
    pub fn energy(&self) -> f64 {
        self.kinetic + self.potential
    }
}

/// Adds up one environment. The state's `f32` numbers limit it to seven digits.
pub fn mechanics(sim: &Sim, env: usize) -> Mechanics {
    let mut sum = Mechanics::default();
    let mut mass = 0.0;
    let parts: Vec<_> = sim.model.bodies.iter().enumerate().skip(1).collect();
    let moving = |body: usize| {
        let inertial = &sim.model.bodies[body].inertial;
        let arm = sim.rotation(body, env) * inertial.pose.position;
        let velocity = sim.velocity(body, env) + sim.angular_velocity(body, env).cross(arm);
        (inertial.mass, sim.position(body, env) + arm, velocity)
    };
    for &(body, _) in &parts {
        let (m, com, velocity) = moving(body);
        mass += m;
        sum.com += m * com;
        sum.momentum += m * velocity;
        sum.momentum_scale += m * velocity.length();
        sum.kinetic += 0.5 * m * velocity.length_squared();
        sum.potential -= m * sim.model.options.gravity.dot(com);
    }
    sum.com /= mass;
    let drift = sum.momentum / mass;
    for &(body, part) in &parts {
        let (m, com, velocity) = moving(body);
        let world_from_principal = DMat3::from_quat(sim.rotation(body, env) * part.inertial.pose.rotation);
        let turning = sim.angular_velocity(body, env);
        let own =
            world_from_principal * (part.inertial.moments * (world_from_principal.transpose() * turning));
        let share = (com - sum.com).cross(m * (velocity - drift)) + own;
        sum.spin += share;
        sum.spin_scale += share.length();
        sum.kinetic += 0.5 * own.dot(turning);
    }
    sum
}
