//! Random actions that depend on the environment's index alone, not on how many there are.

use keiko_world::Field;
use keiko_world::rng::EnvRng;

/// Stream number of these actions, apart from those of the environments.
const STREAM: u32 = 0x5AFE;

/// Uniform actions in [-1, 1].
pub struct RandomActions {
    seed: u64,
    step: u64,
    actions: Field,
}

impl RandomActions {
    /// Actions `[num_actions, num_envs]`.
    pub fn new(seed: u64, num_actions: usize, num_envs: usize) -> Self {
        Self { seed, step: 0, actions: Field::zeros(num_actions, num_envs) }
    }

    /// The actions of the next step.
    pub fn next(&mut self) -> &Field {
        for env_idx in 0..self.actions.num_envs() {
            let mut rng = EnvRng::new(self.seed, env_idx as u32, self.step, STREAM);
            for row in 0..self.actions.num_rows() {
                self.actions.set(row, env_idx, rng.uniform(-1.0, 1.0) as f32);
            }
        }
        self.step += 1;
        &self.actions
    }
}
