//! How well a policy of any architecture does in a scene: chunks are executed in part, and one forward pass decides for
//! all environments that need their next one.

use crate::TrainError;
use crate::eval::{EvalReport, Tally};
use keiko_env::{Field, VecEnv};
use keiko_policy::vla::Images;
use keiko_policy::{ChunkPolicy, ChunkQueue, Observation};

/// What some environments show, row by row.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By camera of the policy: name, width, height, pixels `[envs, height, width, 3]`.
    pub images: Vec<(String, usize, usize, Vec<u8>)>,
    /// One for each environment.
    pub instructions: Vec<String>,
    /// In the robot's units `[envs, state]`.
    pub states: Vec<f32>,
}

/// Environments with cameras and words.
pub trait Stage {
    /// The environments.
    fn env(&mut self) -> &mut dyn VecEnv;

    /// What these environments show now; `episodes` counts those that each has finished.
    ///
    /// # Errors
    /// If the renderer lost its device.
    fn look(&mut self, envs: &[usize], episodes: &[u64]) -> Result<Seen, TrainError>;
}

/// Plays `episodes` episodes, shared among environments as [`evaluate`](crate::evaluate) shares them.
///
/// # Errors
/// An observation that the policy does not take; a renderer that fails.
pub fn evaluate_chunks(
    policy: &dyn ChunkPolicy,
    stage: &mut dyn Stage,
    episodes: usize,
) -> Result<EvalReport, TrainError> {
    let spec = stage.env().spec().clone();
    let num_envs = spec.num_envs;
    let mut left: Vec<usize> =
        (0..num_envs).map(|n| episodes / num_envs + usize::from(n < episodes % num_envs)).collect();
    let limit = (left[0] + 1).saturating_mul(spec.max_episode_steps.max(1) as usize);
    let mut finished = vec![0; num_envs];
    let mut queue = ChunkQueue::new(policy.shape(), num_envs);
    let mut actions = Field::zeros(spec.actions.len(), num_envs);
    let mut tally = Tally::default();
    stage.env().reset(None);
    for step in 0..limit {
        let mut due = queue.due();
        due.retain(|&env| left[env] > 0);
        if !due.is_empty() {
            let episodes: Vec<u64> = due.iter().map(|&env| finished[env]).collect();
            let seen = stage.look(&due, &episodes)?;
            let chunks = decide(policy, &seen, &due, step as u64)?;
            queue.put(&due, &chunks);
        }
        queue.take(actions.as_mut_slice());
        actions.as_mut_slice().iter_mut().for_each(|action| *action = action.clamp(-1.0, 1.0));
        let env = stage.env();
        env.step(&actions);
        for end in &env.output().episodes {
            // What is left of a chunk was meant for the episode that is over.
            queue.clear(end.env);
            finished[end.env] += 1;
            if left[end.env] > 0 {
                left[end.env] -= 1;
                tally.add(end);
            }
        }
        // An environment that broke starts again without an end of its episode.
        let broken: Vec<usize> = (0..num_envs).filter(|&n| env.output().invalid[n]).collect();
        broken.into_iter().for_each(|n| queue.clear(n));
        if left.iter().all(|&left| left == 0) {
            return Ok(tally.report(&spec.rewards));
        }
    }
    let message = format!("{} episodes did not end in time", left.iter().sum::<usize>());
    Err(TrainError::Environment { task: spec.name, message })
}

/// Chunks `[envs, chunk, action]` of a policy for some environments, by what they show; `step` is the time of their noise.
///
/// # Errors
/// An observation that the policy does not take.
pub fn decide(
    policy: &dyn ChunkPolicy,
    seen: &Seen,
    envs: &[usize],
    step: u64,
) -> Result<Vec<f32>, TrainError> {
    let images: Vec<(&str, Images<'_>)> = seen
        .images
        .iter()
        .map(|(name, width, height, pixels)| {
            (name.as_str(), Images { width: *width, height: *height, pixels })
        })
        .collect();
    let instructions: Vec<&str> = seen.instructions.iter().map(String::as_str).collect();
    // An environment's noise depends on itself and the time alone, not on who else decides now.
    let draws: Vec<u64> = envs.iter().map(|&env| ((env as u64) << 32) | step).collect();
    let observation =
        Observation { images: &images, instructions: &instructions, state: &seen.states, draws: &draws };
    Ok(policy.chunks(&observation)?)
}
