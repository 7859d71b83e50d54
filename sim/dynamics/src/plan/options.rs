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

    /// Whether substeps are centred in time, which makes smooth motion exact to second order.
    ///
    /// Semi-implicit Euler, `v += h a(q, v)`, `q += h v`, is the leapfrog scheme with positions half a substep behind
    /// where they belong. So a physics step first takes positions half a substep ahead, and in the end half a substep back
    /// (Moreau's time stepping: Jean, The non-smooth contact dynamics method, 1999). Between them each substep meets its
    /// contacts and takes its forces in its middle. The velocity there, on which gyroscopic and centrifugal forces depend,
    /// is foretold from what the last substep added, and these forces are taken a second time once it is known what this
    /// one adds: the first alone gains energy where links spin fast. [`Law::Mujoco`] steps as MuJoCo does: first order.
    pub fn centred(&self) -> bool {
        matches!(self.law, Law::Soft { .. })
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
