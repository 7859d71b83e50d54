//! A policy as its user sees it, whatever is inside: images, an instruction and the robot's state go in, a chunk
//! of actions comes out.
//!
//! A chunk is a plan of several control steps. Its user executes the first of them and asks again: see
//! [`ChunkQueue`]. A policy that decides every step anew gives chunks of one action.

use crate::vla::Images;
use crate::{Policy, PolicyError};
use std::collections::VecDeque;

/// What a policy reads and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkShape {
    /// Names of the cameras that it looks through.
    pub cameras: Vec<String>,
    /// Whether it reads an instruction.
    pub instructed: bool,
    /// Numbers in the robot's state.
    pub state: usize,
    /// Numbers in an action.
    pub action: usize,
    /// Actions in a chunk.
    pub chunk: usize,
    /// Actions of a chunk that are executed before the next is asked for; at most `chunk`.
    pub executed: usize,
}

/// What a policy acts on, for a batch of environments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation<'a> {
    /// By name of the camera, `[batch, height, width, 3]`.
    pub images: &'a [(&'a str, Images<'a>)],
    /// One for each environment; unread by a policy that is not instructed.
    pub instructions: &'a [&'a str],
    /// In the robot's units `[batch, state]`.
    pub state: &'a [f32],
    /// What random numbers are drawn for, one number for each environment: the same draw and the same
    /// observation give the same chunk. Unread by a policy without chance.
    pub draws: &'a [u64],
}

/// A policy of any architecture.
pub trait ChunkPolicy: Send {
    /// What it reads and gives.
    fn shape(&self) -> &ChunkShape;

    /// Chunks `[batch, chunk, action]` in the robot's units.
    ///
    /// # Errors
    /// If the observation is not what [`ChunkPolicy::shape`] says.
    fn chunks(&self, observation: &Observation<'_>) -> Result<Vec<f32>, PolicyError>;
}

/// A perceptron that reads the state alone and decides every step.
#[derive(Clone, Debug)]
pub struct StatePolicy {
    policy: Policy,
    shape: ChunkShape,
}

impl StatePolicy {
    /// Its state is the policy's observation, term after term.
    pub fn new(policy: Policy) -> Self {
        let config = policy.config();
        let shape = ChunkShape {
            cameras: Vec::new(),
            instructed: false,
            state: config.num_observations(),
            action: config.actions.len(),
            chunk: 1,
            executed: 1,
        };
        Self { policy, shape }
    }
}

impl ChunkPolicy for StatePolicy {
    fn shape(&self) -> &ChunkShape {
        &self.shape
    }

    fn chunks(&self, observation: &Observation<'_>) -> Result<Vec<f32>, PolicyError> {
        let (size, state) = (self.shape.state, observation.state);
        let batch = state.len() / size;
        if batch * size != state.len() {
            let message = format!("{} numbers are not whole states of {size}", state.len());
            return Err(PolicyError::malformed("state", message));
        }
        let mut actions = vec![0.0; batch * self.shape.action];
        self.policy.act(&transposed(state, batch, size), batch, &mut actions);
        Ok(transposed(&actions, self.shape.action, batch))
    }
}

/// `[rows, columns]` as `[columns, rows]`.
fn transposed(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| data[r * columns + c])).collect()
}

/// The part of each environment's chunk that is still to be executed.
#[derive(Clone, Debug)]
pub struct ChunkQueue {
    action: usize,
    executed: usize,
    chunk: usize,
    /// Numbers of the actions to come, by environment.
    left: Vec<VecDeque<f32>>,
}

impl ChunkQueue {
    /// Empty.
    pub fn new(shape: &ChunkShape, num_envs: usize) -> Self {
        let left = vec![VecDeque::new(); num_envs];
        Self { action: shape.action, executed: shape.executed, chunk: shape.chunk, left }
    }

    /// Environments that have no action left, ascending: a chunk must be put for each before the next step.
    pub fn due(&self) -> Vec<usize> {
        (0..self.left.len()).filter(|&env| self.left[env].is_empty()).collect()
    }

    /// Takes the executed part of chunks `[envs, chunk, action]`, which replaces what was left.
    pub fn put(&mut self, envs: &[usize], chunks: &[f32]) {
        let length = self.chunk * self.action;
        assert_eq!(chunks.len(), envs.len() * length, "chunks of all named environments");
        for (&env, chunk) in envs.iter().zip(chunks.chunks_exact(length)) {
            self.left[env] = chunk[..self.executed * self.action].iter().copied().collect();
        }
    }

    /// Forgets the rest of a chunk: its episode ended.
    pub fn clear(&mut self, env: usize) {
        self.left[env].clear();
    }

    /// Takes the next action of each environment into `actions` `[action, num_envs]`; zeros where none is left.
    pub fn take(&mut self, actions: &mut [f32]) {
        let num_envs = self.left.len();
        assert_eq!(actions.len(), num_envs * self.action, "actions of all environments");
        for (env, left) in self.left.iter_mut().enumerate() {
            for row in 0..self.action {
                actions[row * num_envs + env] = left.pop_front().unwrap_or(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> ChunkShape {
        ChunkShape { cameras: Vec::new(), instructed: false, state: 1, action: 2, chunk: 3, executed: 2 }
    }

    #[test]
    fn a_queue_gives_the_executed_part_of_each_chunk_in_order() {
        let mut queue = ChunkQueue::new(&shape(), 2);
        assert_eq!(queue.due(), [0, 1]);
        let chunk = |start: f32| (0..6).map(|i| start + i as f32).collect::<Vec<_>>();
        queue.put(&[0, 1], &[chunk(0.0), chunk(10.0)].concat());
        let mut actions = [0.0; 4];
        queue.take(&mut actions);
        assert_eq!(actions, [0.0, 10.0, 1.0, 11.0]);
        // Environment 1 starts again: its chunk is forgotten, the other's goes on.
        queue.clear(1);
        assert_eq!(queue.due(), [1]);
        queue.put(&[1], &chunk(20.0));
        queue.take(&mut actions);
        assert_eq!(actions, [2.0, 20.0, 3.0, 21.0]);
        assert_eq!(queue.due(), [0], "the third action of a chunk is not executed");
    }
}
