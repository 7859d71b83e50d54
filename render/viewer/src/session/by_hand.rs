//! What hands do: select, set, place, pull, start again.

use glam::DVec3;

use crate::driver::{Driver, Words};
use crate::pull::{Pull, mover};
use crate::session::Session;
use crate::tally::Tally;
use crate::thing::Thing;

impl Session {
    /// Starts the environment that is shown again.
    pub fn reset(&mut self) {
        if !self.is_ours() {
            return;
        }
        self.release();
        self.subject.reset(self.env);
        self.changed_by_hand();
    }

    /// The environment that is shown.
    pub fn env(&self) -> usize {
        self.env
    }

    /// Shows another environment, if there is one.
    pub fn show(&mut self, env: usize) {
        if env < self.subject.num_envs() && env != self.env {
            self.release();
            self.env = env;
            self.history.clear();
            if let Some(remote) = self.subject.remote_mut() {
                remote.ask(env);
                // Frames of another environment are no past of this one.
                self.ring.clear();
            }
            self.tally = Tally::new(&self.subject, env);
            self.revision += 1;
        }
    }

    /// The next environment, or the one before; around the ends.
    pub fn show_next(&mut self, forward: bool) {
        let count = self.subject.num_envs();
        self.show((self.env + if forward { 1 } else { count - 1 }) % count);
    }

    /// What is selected.
    pub fn selected(&self) -> Option<Thing> {
        self.selected
    }

    /// Selects something, or nothing.
    pub fn select(&mut self, thing: Option<Thing>) {
        self.selected = thing;
    }

    /// Who drives.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// Whether somebody can drive: a policy has to be there.
    pub fn can_drive(&self, driver: Driver) -> bool {
        driver != Driver::Policy || self.actor.is_some()
    }

    /// Lets somebody drive, if there is such a one.
    pub fn drive(&mut self, driver: Driver) {
        if self.can_drive(driver) {
            self.driver = driver;
        }
    }

    /// What the policy reads, where it is one that reads.
    pub fn words(&mut self) -> Option<&mut Words> {
        self.actor.as_mut()?.words()
    }

    /// The policy's plans were made for another moment.
    pub(super) fn forget_plans(&mut self) {
        if let Some(actor) = &mut self.actor {
            actor.forget();
        }
    }

    /// Name of the policy.
    pub fn actor_name(&self) -> Option<String> {
        self.actor.as_ref().map(|actor| actor.name())
    }

    /// What was asked for in the last step, or is set by hand `[num_inputs]`.
    pub fn input(&self, index: usize) -> f32 {
        match self.driver {
            Driver::Hand => self.by_hand[index],
            _ => self.inputs.get(index, self.env),
        }
    }

    /// Sets an input by hand, in all environments; hands drive from then on.
    pub fn set_input(&mut self, index: usize, value: f32) {
        if self.driver != Driver::Hand {
            self.by_hand = self.inputs.column(self.env).collect();
        }
        self.driver = Driver::Hand;
        if let Some(input) = self.by_hand.get_mut(index) {
            *input = value;
        }
    }

    /// All inputs as they are at the start.
    pub fn neutral_inputs(&mut self) {
        self.by_hand.clone_from(&self.subject.neutral);
        self.driver = Driver::Hand;
    }

    /// Puts one number of the positions somewhere; everything rests then.
    pub fn set_position(&mut self, row: usize, value: f32) {
        if !self.is_ours() {
            return;
        }
        let mut qpos: Vec<f32> = self.state().qpos.column(self.env).collect();
        if let Some(position) = qpos.get_mut(row) {
            *position = value;
        }
        let qvel = vec![0.0; self.model().num_dofs()];
        self.subject.place(self.env, &qpos, &qvel);
        self.changed_by_hand();
    }

    /// What holds a body.
    pub fn pull(&self) -> Option<&Pull> {
        self.pull.as_ref()
    }

    /// Takes hold of a body at a point of the world \[m\]; what nothing moves cannot be held.
    pub fn grab(&mut self, body: usize, at: DVec3) -> bool {
        if mover(self.model(), body) == 0 || !self.is_ours() {
            return false;
        }
        self.pull = Some(Pull::new(self.state(), self.env, body, at));
        true
    }

    /// Moves the hand \[m\].
    pub fn pull_to(&mut self, hand: DVec3) {
        if let Some(pull) = &mut self.pull {
            pull.hand = hand;
        }
    }

    /// Lets go.
    pub fn release(&mut self) {
        if self.pull.take().is_some() {
            let nothing = vec![0.0; 6 * self.model().bodies.len()];
            self.subject.set_wrench(self.env, &nothing);
        }
    }

    /// Something that no step did.
    fn changed_by_hand(&mut self) {
        self.forget_plans();
        self.tally.read_again(&self.subject, self.env);
        self.remember();
        self.revision += 1;
    }
}
