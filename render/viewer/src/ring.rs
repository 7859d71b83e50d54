//! The past, as snapshots that time can go back to.

use std::collections::VecDeque;

use crate::subject::Snapshot;

/// Memory for the past \[byte\]; what is oldest is forgotten first.
const MEMORY: usize = 192 << 20;
/// Fewer moments than this are no past.
const FEWEST: usize = 16;
/// A snapshot of many environments is taken so rarely that it costs no more than this a control step \[byte\].
const BYTES_A_STEP: usize = 256 << 10;
/// Nobody scrubs finer \[s\].
const LEAST_TIME: f64 = 0.01;

/// A moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Control steps since the subject was loaded.
    pub step: u64,
    /// How it was.
    pub snapshot: Snapshot,
}

/// Moments in the order of time, and which of them is now.
#[derive(Debug, Default)]
pub struct Ring {
    moments: VecDeque<Moment>,
    bytes: usize,
    now: usize,
}

impl Ring {
    /// Control steps between moments, of which one takes so much memory.
    pub fn stride(bytes: usize, control_dt: f64) -> u64 {
        let by_time = (LEAST_TIME / control_dt - 1e-9).ceil().max(1.0) as u64;
        by_time.max(bytes.div_ceil(BYTES_A_STEP) as u64)
    }

    /// Whether a moment is to be kept of a control step. Of a batch so large that few moments fit, none is.
    pub fn is_due(&self, step: u64, control_dt: f64) -> bool {
        self.moments.get(self.now).is_none_or(|last| {
            let bytes = last.snapshot.bytes();
            bytes <= MEMORY / FEWEST && step.saturating_sub(last.step) >= Self::stride(bytes, control_dt)
        })
    }

    /// Keeps a moment behind now; what came after now is forgotten.
    pub fn push(&mut self, moment: Moment) {
        while self.moments.len() > self.now + 1 {
            self.forget(self.moments.len() - 1);
        }
        self.bytes += moment.snapshot.bytes();
        self.moments.push_back(moment);
        while self.bytes > MEMORY && self.moments.len() > 1 {
            self.forget(0);
        }
        self.now = self.moments.len() - 1;
    }

    fn forget(&mut self, index: usize) {
        if let Some(gone) = self.moments.remove(index) {
            self.bytes -= gone.snapshot.bytes();
        }
    }

    /// Makes a moment now, if there is such a one.
    pub fn go(&mut self, index: usize) -> Option<&Moment> {
        let moment = self.moments.get(index)?;
        self.now = index;
        Some(moment)
    }

    /// Index of the moment that is now, or was last.
    pub fn now(&self) -> usize {
        self.now
    }

    /// Moments.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// The control step of a moment.
    pub fn step(&self, index: usize) -> Option<u64> {
        self.moments.get(index).map(|moment| moment.step)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
