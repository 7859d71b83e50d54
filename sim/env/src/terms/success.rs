//! Success conditions.

use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_model::Result;
use keiko_model::task::Success;

use super::{distance, frame_position, holds, squared_xy};
use crate::bind::{Binder, Frame};
use crate::language::Meant;
use crate::rules::Clock;

/// A success condition with its names resolved to rows.
#[derive(Clone, Debug)]
pub(crate) enum Succeeds {
    Survived,
    Within { point: usize, frame: Frame, distance: f64 },
    RewardMean { sum: usize, at_least: Option<f64>, at_most: Option<f64> },
    Placed(Box<Placed>),
}

/// What [`Success::Placed`] asks for.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    object: Meant,
    target: Meant,
    frame: Frame,
    distance: f64,
    height: f64,
    speed: f64,
    clear: f64,
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
            Some(Success::Placed { distance, height, speed, clear, frame }) => {
                Some(Self::Placed(Box::new(Placed {
                    object: binder.named_object("success.term")?,
                    target: binder.named_target("success.term")?,
                    frame: binder.frame(frame.as_deref(), "success.frame")?,
                    distance: *distance,
                    height: *height,
                    speed: *speed,
                    clear: *clear,
                })))
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
            Self::Placed(placed) => placed.holds(m) & !holds(m, clock.terminated),
        }
    }
}

impl Placed {
    /// Whether the thing is at its target, at rest, and let go.
    #[inline(always)]
    fn holds<M: Machine>(&self, m: &M) -> <M::Num as Num>::Mask {
        let object = self.object.position(m);
        let away = object - self.target.position(m);
        let beside = squared_xy(away).le(m.num(self.distance * self.distance));
        let level = away.z.abs().le(m.num(self.height));
        let at_rest = self.object.velocity(m).length().le(m.num(self.speed));
        let let_go = m.num(self.clear).le((object - frame_position(m, &self.frame)).length());
        beside & level & at_rest & let_go
    }
}
