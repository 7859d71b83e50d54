//! Success conditions.

use keiko_model::Result;
use keiko_model::task::Success;

use super::View;
use crate::bind::Binder;

/// Whether an environment's episode would count as a success if it ended now.
pub(crate) type Holds = Box<dyn Fn(&View<'_>, usize) -> bool + Send + Sync>;

/// Resolves the task's success condition, if it has one.
pub(crate) fn bind(binder: &Binder<'_>) -> Result<Option<Holds>> {
    Ok(match &binder.spec.success {
        None => None,
        Some(Success::Survived) => Some(Box::new(survived)),
        Some(Success::Within { command, frame, distance }) => {
            let command = binder.point_command(command, "success.command")?;
            let frame = binder.frame(frame.as_deref(), "success.frame")?;
            let distance = *distance as f32;
            Some(Box::new(move |view, env| view.distance(frame, command, env) <= distance))
        }
        Some(Success::RewardMean { reward, at_least, at_most }) => {
            let rewards = &binder.spec.reward;
            let index = rewards.position(reward).ok_or_else(|| {
                binder.spec.source.unknown("success.reward", "reward", reward, rewards.names())
            })?;
            let (low, high) = (at_least.unwrap_or(f64::NEG_INFINITY), at_most.unwrap_or(f64::INFINITY));
            Some(Box::new(move |view, env| {
                let sum = view.memory.raw_sums[index * view.num_envs() + env];
                let mean = sum / f64::from(view.memory.step[env]);
                survived(view, env) && (low..=high).contains(&mean)
            }))
        }
    })
}

fn survived(view: &View<'_>, env: usize) -> bool {
    view.memory.step[env] >= view.max_steps && !view.terminated[env]
}
