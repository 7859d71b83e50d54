//! How the step is made.

/// How contacts and other constraints give way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// One spring-damper for all contacts, as rapier has it: stiff, then relaxed so that it adds no energy.
    Soft {
        /// Natural frequency of contacts \[Hz\].
        frequency: f64,
        /// Damping ratio of contacts.
        damping_ratio: f64,
    },
    /// The softness of each contact, limit and tie that the file names (MuJoCo `solref`, `solimp`).
    Mujoco,
}

/// Settings of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOptions {
    /// Physics time step \[s\].
    pub timestep: f64,
    /// Physics steps in a control step.
    pub decimation: usize,
    /// Substeps in a physics step; each evaluates the dynamics.
    pub substeps: usize,
    /// Sweeps of the constraint solver in a substep.
    pub sweeps: usize,
    /// Sweeps without position correction after it; only [`Law::Soft`].
    pub relax_sweeps: usize,
    /// Softness of constraints.
    pub law: Law,
    /// The most control steps that a control may be late.
    pub max_delay: usize,
    /// Speed of a degree of freedom that counts as divergence \[m/s or rad/s\].
    pub max_velocity: f64,
}

impl StepOptions {
    /// Length of a substep \[s\].
    pub fn substep(&self) -> f64 {
        self.timestep / self.substeps as f64
    }
}

impl Default for StepOptions {
    fn default() -> Self {
        Self {
            timestep: 0.002,
            decimation: 1,
            substeps: 4,
            sweeps: 2,
            relax_sweeps: 1,
            law: Law::Soft { frequency: 240.0, damping_ratio: 10.0 },
            max_delay: 0,
            max_velocity: 1000.0,
        }
    }
}
