//! The environments of a run, of which one may be looked at.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keiko_env::{EnvSpec, EpisodeEnd, Field, SnapshotError, StepOutput, TaskEnv, VecEnv};

use super::wire::Frame;

/// What is asked for while nobody asks.
const NOBODY: usize = usize::MAX;

/// Between the thread that steps and the one that sends.
#[derive(Debug)]
pub struct Stage {
    asked: AtomicUsize,
    /// The newest frame that has not been taken.
    slot: Mutex<Option<Frame>>,
}

impl Default for Stage {
    fn default() -> Self {
        Self { asked: AtomicUsize::new(NOBODY), slot: Mutex::default() }
    }
}

impl Stage {
    /// Asks for frames of an environment from now on, or for none.
    pub fn ask(&self, env: Option<usize>) {
        self.asked.store(env.unwrap_or(NOBODY), Ordering::Relaxed);
        // What is there may be of another environment.
        drop(self.take());
    }

    /// The frame that is there; the next one comes after the next step.
    pub fn take(&self) -> Option<Frame> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The environment that is asked for.
    fn asked(&self, num_envs: usize) -> Option<usize> {
        Some(self.asked.load(Ordering::Relaxed)).filter(|env| *env < num_envs)
    }

    /// Whether the last frame was taken. Who holds the lock is about to take it: the next step is soon enough.
    fn is_free(&self) -> bool {
        self.slot.try_lock().is_ok_and(|slot| slot.is_none())
    }

    fn put(&self, frame: Frame) {
        if let Ok(mut slot) = self.slot.try_lock() {
            *slot = Some(frame);
        }
    }
}

/// Environments that step as if nobody looked: all that is read of them is read after a step, and nothing is written.
pub struct Watched {
    env: TaskEnv,
    stage: Arc<Stage>,
    factors: Vec<f64>,
    steps: u64,
    frames: u64,
    /// The last episode that ended in the environment that is asked for, since the last frame.
    ended: Option<EpisodeEnd>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Watched {
    pub(super) fn new(env: TaskEnv, stage: Arc<Stage>) -> Self {
        Self { factors: env.reward_factors(), env, stage, steps: 0, frames: 0, ended: None }
    }

    /// The environments.
    pub fn env(&self) -> &TaskEnv {
        &self.env
    }

    /// Frames that were left for a viewer.
    pub fn num_frames(&self) -> u64 {
        self.frames
    }

    /// Leaves a frame of an environment whose terms had the sums `before` the step.
    fn show(&mut self, env: usize, before: &[f64]) {
        let (task, output) = (&self.env, self.env.output());
        let sums = task.reward_sums(env);
        let terms = added(&self.factors, before, &sums, end_of(output, env));
        let groups = task.spec().observations.iter().zip(&output.observations);
        let numbers = |(group, field): (&keiko_env::GroupSpec, &Field)| {
            (0..group.num_numbers()).map(|row| field.get(row, env)).collect()
        };
        self.stage.put(Frame {
            env,
            step: self.steps,
            state: task.state_of(env),
            reward: output.reward[env],
            terms,
            sums,
            ended: self.ended.take_if(|end| end.env == env),
            observations: groups.map(numbers).collect(),
            commands: task.commands_of(env),
            touches: task.touches(env).into_iter().map(Into::into).collect(),
        });
    }
}

/// The episode that ended in an environment with the last step.
fn end_of(output: &StepOutput, env: usize) -> Option<&EpisodeEnd> {
    let at = output.episodes.binary_search_by_key(&env, |end| end.env).ok()?;
    output.episodes.get(at)
}

/// What each reward term added to the last reward, from the sums of its values before and after it, or from the episode that
/// ended with it.
pub fn added(factors: &[f64], before: &[f64], now: &[f64], end: Option<&EpisodeEnd>) -> Vec<f64> {
    let total = |index: usize| match end {
        Some(end) => end.reward_sums[index],
        None => factors[index] * now[index],
    };
    (0..now.len()).map(|index| total(index) - factors[index] * before[index]).collect()
}

impl VecEnv for Watched {
    fn spec(&self) -> &EnvSpec {
        self.env.spec()
    }

    fn reset(&mut self, mask: Option<&[bool]>) {
        self.env.reset(mask);
    }

    fn step(&mut self, actions: &Field) {
        let asked = self.stage.asked(self.env.spec().num_envs);
        let due = asked.filter(|_| self.stage.is_free()).map(|env| (env, self.env.reward_sums(env)));
        self.env.step(actions);
        self.steps += 1;
        if let Some(end) = asked.and_then(|env| end_of(self.env.output(), env)) {
            self.ended = Some(end.clone());
        }
        if let Some((env, before)) = due {
            self.show(env, &before);
            self.frames += 1;
        }
    }

    fn output(&self) -> &StepOutput {
        self.env.output()
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        self.env.save()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.env.load(bytes)
    }

    fn num_faults(&self) -> u64 {
        self.env.num_faults()
    }

    fn failure(&self) -> Option<&str> {
        self.env.failure()
    }
}
