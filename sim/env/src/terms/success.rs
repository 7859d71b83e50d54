//! Success conditions.

use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_model::Result;
use keiko_model::task::Success;

use super::{distance, holds};
use crate::bind::{Binder, Frame};
use crate::rules::Clock;

/// A success condition with its names resolved to rows.
#[derive(Clone, Debug)]
pub(crate) enum Succeeds {
    Survived,
    Within { point: usize, frame: Frame, distance: f64 },
    RewardMean { sum: usize, at_least: Option<f64>, at_most: Option<f64> },
}

impl Succeeds {
    /// Resolves the task's success condition, if it has one; `sums` is the first row of the sums of raw rewards.
    pub fn bind(binder: &Binder<'_>, commands: usize, sums: usize) -> Result<Option<Self>> {
        Ok(match &binder.spec.success {
            None => None,
            Some(Success::Survived) => Some(Self::Survived),
            Some(Success::Within { command, frame, distance }) => Some(Self::Within {
                point: commands + 3 * binder.point_command(command, "success.command")?,
                frame: binder.frame(frame.as_deref(), "success.frame")?,
                distance: *distance,
            }),
            Some(Success::RewardMean { reward, at_least, at_most }) => {
                let rewards = &binder.spec.reward;
                let index = rewards.position(reward).ok_or_else(|| {
                    binder.spec.source.unknown("success.reward", "reward", reward, rewards.names())
                })?;
                Some(Self::RewardMean { sum: sums + 2 * index, at_least: *at_least, at_most: *at_most })
            }
        })
    }

    /// Whether the episode would count as a success if it ended now.
    #[inline(always)]
    pub fn holds<M: Machine>(&self, m: &M, clock: &Clock) -> <M::Num as Num>::Mask {
        let survived = clock.out_of_time(m) & !holds(m, clock.terminated);
        match self {
            Self::Survived => survived,
            Self::Within { point, frame, distance: most } => distance(m, frame, *point).le(m.num(*most)),
            Self::RewardMean { sum, at_least, at_most } => {
                let (sum, steps) = (m.get(*sum) + m.get(sum + 1), m.get(clock.step));
                let mut holds = survived;
                if let Some(low) = at_least {
                    holds = holds & (steps * m.num(*low)).le(sum);
                }
                if let Some(high) = at_most {
                    holds = holds & sum.le(steps * m.num(*high));
                }
                holds
            }
        }
    }
}
