//! A run of another process: its frames are what steps are elsewhere. Hands can do nothing to it.

use crate::history::Sample;
use crate::live::Frame;
use crate::session::Session;

impl Session {
    /// Shows the newest frame that has come, whether time goes on or not; whether there was one.
    pub(super) fn follow(&mut self) -> bool {
        let env = self.env;
        let Some(remote) = self.subject.remote() else { return false };
        if let Some(why) = remote.end() {
            self.failure = Some(format!("{why}; Ctrl+R goes to it again"));
            self.say(why);
            self.playing = false;
            self.revision += 1;
        }
        let frame = self.subject.remote().and_then(|remote| remote.take(env));
        frame.is_some_and(|frame| {
            self.take_frame(frame);
            true
        })
    }

    fn take_frame(&mut self, frame: Frame) {
        self.step = frame.step;
        self.revision += 1;
        self.tally.take_frame(&frame);
        if let Some(end) = &frame.ended {
            let words = self.tally.describe(&self.subject, end);
            self.log.say(self.time(), format!("environment {}: {words}", self.env));
        }
        self.history.push(Sample {
            step: self.step,
            ended: frame.ended.is_some(),
            reward: frame.reward,
            terms: frame.terms.clone(),
            ..Sample::of(&frame.state, 0)
        });
        if let Some(remote) = self.subject.remote_mut() {
            remote.show(frame);
        }
        if self.ring.is_due(self.step, self.subject.control_dt) {
            self.remember();
        }
    }

    /// Whether hands may change the subject; where they may not, the log says so.
    pub(super) fn is_ours(&mut self) -> bool {
        let ours = self.subject.remote().is_none();
        if !ours {
            self.say("a run of another process is looked at; nothing can be done to it".to_owned());
        }
        ours
    }
}
