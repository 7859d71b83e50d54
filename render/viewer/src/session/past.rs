//! Time as it was.

use crate::ring::Moment;
use crate::session::Session;

impl Session {
    /// Keeps now.
    pub(super) fn remember(&mut self) {
        if self.subject.remote().is_some_and(|remote| remote.frame().is_none()) {
            // Nothing of the run has been seen yet.
            return;
        }
        match self.subject.snapshot() {
            Ok(snapshot) => self.ring.push(Moment { step: self.step, snapshot }),
            Err(error) => self.log.say(self.time(), error.to_string()),
        }
    }

    /// Moments of the past, and which of them is now.
    pub fn moments(&self) -> (usize, usize) {
        (self.ring.len(), self.ring.now())
    }

    /// Time of a moment \[s\].
    pub fn moment_time(&self, index: usize) -> Option<f64> {
        self.ring.step(index).map(|step| step as f64 * self.subject.control_dt)
    }

    /// Goes to a moment and pauses there; what came after is forgotten with the next step.
    pub fn scrub(&mut self, index: usize) {
        self.release();
        let Some(moment) = self.ring.go(index) else { return };
        let (step, restored) = (moment.step, self.subject.restore(&moment.snapshot));
        if let Err(error) = restored {
            self.log.say(self.time(), error.to_string());
            return;
        }
        self.play(false);
        self.forget_plans();
        self.step = step;
        self.tally.read_again(&self.subject, self.env);
        self.history.truncate(step);
        self.revision += 1;
    }
}
