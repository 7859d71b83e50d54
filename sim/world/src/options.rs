//! How physics is stepped, whatever the executor.

use serde::{Deserialize, Serialize};

/// How contacts and other constraints give way. The rapier executor knows [`ContactLaw::Soft`] alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContactLaw {
    /// One stiff spring-damper for all contacts, relaxed after each substep so that it adds no energy.
    #[default]
    Soft,
    /// The softness that the robot file names for each constraint (MuJoCo `solref`, `solimp`).
    Mujoco,
}

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
    /// Softness of constraints.
    pub law: ContactLaw,
    /// Sweeps of the constraint solver in a substep, at least 1; the rapier executor always makes one.
    pub sweeps: usize,
    /// The most control steps that a control may be late; the batched engine makes room for more when a reset asks for it.
    pub max_delay: usize,
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
            law: ContactLaw::Soft,
            sweeps: 2,
            max_delay: 0,
        }
    }
}

impl PhysicsOptions {
    /// What is wrong with the first number that is out of its range.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
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
            (self.max_delay <= 1000, "max_delay over 1000"),
            (self.sweeps >= 1 && self.sweeps <= 1000, "sweeps outside [1, 1000]"),
        ];
        checks.iter().find(|(ok, _)| !ok).map_or(Ok(()), |(_, what)| Err(*what))
    }
}
