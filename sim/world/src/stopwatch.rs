//! Where the time of a control step goes.

use std::time::Instant;

/// Seconds by part of a control step. It does nothing until it is started.
#[derive(Clone, Debug, Default)]
pub struct Stopwatch {
    last: Option<Instant>,
    laps: Vec<(&'static str, f64)>,
}

impl Stopwatch {
    /// Starts counting, from zero.
    pub fn start(&mut self) {
        *self = Self { last: Some(Instant::now()), laps: Vec::new() };
    }

    /// Whether it counts.
    pub fn runs(&self) -> bool {
        self.last.is_some()
    }

    /// Begins a step: what was since the last lap belongs to nobody.
    pub fn begin(&mut self) {
        if let Some(last) = &mut self.last {
            *last = Instant::now();
        }
    }

    /// Gives the time since the last lap to a part.
    pub fn lap(&mut self, part: &'static str) {
        let Some(last) = self.last else { return };
        let now = Instant::now();
        self.add(part, now.duration_since(last).as_secs_f64());
        self.last = Some(now);
    }

    /// Adds seconds to a part.
    pub fn add(&mut self, part: &'static str, seconds: f64) {
        match self.laps.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += seconds,
            None => self.laps.push((part, seconds)),
        }
    }

    /// Parts and their seconds, in the order in which they were first seen.
    pub fn laps(&self) -> &[(&'static str, f64)] {
        &self.laps
    }
}
