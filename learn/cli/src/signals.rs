//! Ctrl-C and SIGTERM: the first asks the loop to finish and save, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::{Code, CommandResult, OrExit};

/// Remembers which signal came.
#[derive(Clone, Debug)]
pub struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Starts listening.
    pub fn listen() -> CommandResult<Self> {
        let received = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicBool::new(false));
        for (signal, code) in [(SIGINT, Code::Interrupted), (SIGTERM, Code::Terminated)] {
            // Order matters: the shutdown of a second signal is registered before the flag of the first is set.
            flag::register_conditional_shutdown(signal, code as i32, Arc::clone(&seen))
                .or_exit(Code::Machine)?;
            flag::register(signal, Arc::clone(&seen)).or_exit(Code::Machine)?;
            flag::register_usize(signal, Arc::clone(&received), signal as usize).or_exit(Code::Machine)?;
        }
        Ok(Self { received })
    }

    /// The exit code to leave with, if a signal came.
    pub fn received(&self) -> Option<Code> {
        match self.received.load(Ordering::Relaxed) as i32 {
            SIGINT => Some(Code::Interrupted),
            SIGTERM => Some(Code::Terminated),
            _ => None,
        }
    }
}
