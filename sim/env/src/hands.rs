//! What somebody does by hand to one environment of a task, and what is read of it alone while its episode runs.

use bevy_ecs::prelude::*;
use keiko_dynamics::batch::Part;
use keiko_world::lanes::publish_alone;
use keiko_world::schedule::Physics;
use keiko_world::{BatchState, EnvParameters, Field, Touch};

use crate::contract::VecEnv;
use crate::running::{Running, import};
use crate::task_env::{Seen, TaskEnv};

impl TaskEnv {
    /// Puts an environment at positions `[nq]` and velocities `[nv]` in the middle of its episode. The physics has no memory
    /// of its past then: contacts, filters and delays start afresh. Clock, sums, commands and drawn parameters stay.
    /// Observations follow with the next step.
    ///
    /// # Panics
    /// If there is no such environment, or the numbers are not as many as the model has.
    pub fn place(&mut self, env: usize, qpos: &[f32], qvel: &[f32]) {
        let (mut mask, num_envs) = (vec![false; self.spec().num_envs], self.spec().num_envs);
        mask[env] = true;
        let column = |values: &[f32], rows: usize| {
            assert_eq!(values.len(), rows, "numbers of a position or velocity");
            let mut field = Field::zeros(rows, num_envs);
            field.set_column(env, values.iter().copied());
            field
        };
        let model = &self.scene().model;
        let (qpos, qvel) = (column(qpos, model.num_qpos()), column(qvel, model.num_dofs()));
        // A reset of the physics from outside clears the task's rows too.
        let rules = &self.running().rules;
        let rows = rules.state..rules.state + rules.rows.state;
        let kept: Vec<f64> = rows.clone().map(|row| self.core().number(Part::State, row, env)).collect();
        self.seen = Seen::default();
        let world = &mut self.simulation.world;
        world.resource_scope(|world, mut physics: Mut<Physics>| {
            world.resource_scope(|world, mut state: Mut<BatchState>| {
                let parameters = world.resource::<EnvParameters>();
                physics.0.reset(&mask, &qpos, &qvel, parameters, &mut state);
                if let Some(lanes) = physics.0.as_lanes() {
                    let (core, _) = lanes.core_mut();
                    rows.zip(kept).for_each(|(row, number)| core.set_state(row, env, number));
                }
                if let Some(rows) = &mut world.resource_mut::<Running>().rows {
                    import(&mut **rows, &state);
                }
            });
        });
    }

    /// Sets force and torque on the bodies of an environment, beside those of its episode, from now until they are set again or
    /// the episode ends `[6 nb]`; see [`EnvParameters::wrench`].
    ///
    /// # Panics
    /// If there is no such environment, or the numbers are not as many as the model has.
    pub fn set_wrench(&mut self, env: usize, wrench: &[f32]) {
        let own = &self.parameters().wrench;
        assert_eq!(wrench.len(), own.num_rows(), "numbers of forces and torques");
        let mut all = Field::zeros(own.num_rows(), own.num_envs());
        all.set_column(env, own.column(env).zip(wrench).map(|(own, more)| own + more));
        let mut mask = vec![false; own.num_envs()];
        mask[env] = true;
        self.simulation.world.resource_mut::<Physics>().0.set_wrench(&mask, &all);
    }

    /// The state of one environment alone, `[rows, 1]`: what it costs does not depend on how many there are.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn state_of(&self, env: usize) -> BatchState {
        let mut alone = BatchState::new(&self.scene().model, 1);
        publish_alone(self.core(), env, &mut alone);
        let step = self.core().number(Part::State, self.running().rules.clock.step, env);
        alone.steps[0] = step as u64 * self.decimation();
        alone
    }

    /// Commands of one environment, three numbers each, in the order of the scene file `[3 num_commands]`.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn commands_of(&self, env: usize) -> Vec<f32> {
        let rules = &self.running().rules;
        let number = |row| self.core().number(Part::State, rules.command + row, env) as f32;
        (0..3 * rules.commands.len()).map(number).collect()
    }

    /// The points at which an environment presses on something; see [`Executor::touches`](keiko_world::Executor::touches).
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn touches(&self, env: usize) -> Vec<Touch> {
        self.simulation.world.resource::<Physics>().0.touches(env)
    }

    /// Sum of the values of each reward term over the episode of an environment so far, before its factor, in the order of
    /// [`EnvSpec::rewards`](crate::EnvSpec::rewards).
    pub fn reward_sums(&self, env: usize) -> Vec<f64> {
        let core = self.core();
        let number = |row: usize| core.number(Part::State, row, env);
        self.running().rules.rewards.iter().map(|term| number(term.sum) + number(term.sum + 1)).collect()
    }

    /// What the value of each reward term is multiplied with before it is added to the reward: its weight, and the time of a
    /// control step where the scene counts by seconds.
    pub fn reward_factors(&self) -> Vec<f64> {
        self.running().rules.rewards.iter().map(|term| term.factor).collect()
    }
}
