//! Where bodies were a control step ago: what optical flow is measured from.

use keiko_model::robot::RobotModel;
use keiko_world::{BatchState, Moment};

/// The last two steps of each environment's episode.
#[derive(Debug)]
pub struct Past {
    before: BatchState,
    latest: BatchState,
    /// Of `latest`.
    moments: Vec<Option<Moment>>,
}

impl Past {
    pub fn new(model: &RobotModel, num_envs: usize) -> Self {
        let state = BatchState::new(model, num_envs);
        Self { before: state.clone(), latest: state, moments: vec![None; num_envs] }
    }

    /// The step before the one that was remembered last; the same where an episode begins.
    pub fn before(&self) -> &BatchState {
        &self.before
    }

    /// Takes the bodies of a state. A moment that is known already changes nothing.
    pub fn remember(&mut self, state: &BatchState, moments: &[Moment]) {
        for (env, moment) in moments.iter().enumerate() {
            let known = self.moments[env].replace(*moment);
            if known == Some(*moment) {
                continue;
            }
            let goes_on = known.is_some_and(|known| {
                Moment { step: moment.step, ..known } == *moment && known.step < moment.step
            });
            let from = if goes_on { &self.latest } else { state };
            copy(from, &mut self.before, env);
            copy(state, &mut self.latest, env);
        }
    }
}

/// Copies the bodies of an environment.
fn copy(from: &BatchState, to: &mut BatchState, env: usize) {
    to.body_position.set_column(env, from.body_position.column(env));
    to.body_rotation.set_column(env, from.body_rotation.column(env));
}

#[cfg(test)]
mod tests {
    use keiko_model::Pose;
    use keiko_model::robot::{Body, Inertial};

    use super::*;

    #[test]
    fn a_step_is_compared_with_the_one_before_of_the_same_episode() {
        let body = Body {
            name: "b".to_owned(),
            parent: 0,
            pose: Pose::IDENTITY,
            inertial: Inertial::ZERO,
            joints: 0..0,
            gravity_compensation: 0.0,
            mocap: false,
        };
        let model = RobotModel { bodies: vec![body], ..RobotModel::default() };
        let mut past = Past::new(&model, 2);
        let at = |x: [f32; 2]| {
            let mut state = BatchState::new(&model, 2);
            x.into_iter().enumerate().for_each(|(env, x)| state.body_position.set(0, env, x));
            state
        };
        let moment = |episode, step| Moment { episode, step, ..Moment::default() };
        let mut see = |x: [f32; 2], moments: [Moment; 2]| {
            past.remember(&at(x), &moments);
            [0, 1].map(|env| past.before().body_position.get(0, env))
        };
        assert_eq!(see([1.0, 5.0], [moment(0, 0), moment(3, 7)]), [1.0, 5.0]);
        assert_eq!(see([2.0, 6.0], [moment(0, 1), moment(3, 8)]), [1.0, 5.0]);
        // Asked again, and one that has begun anew.
        assert_eq!(see([2.0, 0.0], [moment(0, 1), moment(4, 0)]), [1.0, 0.0]);
        assert_eq!(see([3.0, 1.0], [moment(0, 2), moment(4, 1)]), [2.0, 0.0]);
    }
}
