//! What happened, for people.

use std::collections::VecDeque;

/// Lines that are kept.
const MOST: usize = 500;

/// Lines with their times.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<(f64, String)>,
}

impl Log {
    /// Says something at a time of the session \[s\].
    pub fn say(&mut self, time: f64, line: String) {
        if self.lines.len() == MOST {
            self.lines.pop_front();
        }
        self.lines.push_back((time, line));
    }

    /// Says what a subject leaves out, once.
    pub fn notes(&mut self, notes: &[String]) {
        for note in notes {
            if !self.lines.iter().any(|(_, line)| line == note) {
                self.say(0.0, note.clone());
            }
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &(f64, String)> + DoubleEndedIterator {
        self.lines.iter()
    }
}
