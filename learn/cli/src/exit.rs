//! Exit codes, and the errors that lead to them.

use std::process::ExitCode;

/// Codes of the process, as CI and shells see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Everything asked for was done.
    Done = 0,
    /// A check failed.
    Failed = 1,
    /// The command line does not make sense (clap's own code).
    Usage = 2,
    /// A scene or robot file is invalid.
    Scene = 3,
    /// The machine lacks something: adapter, disk, lock, permission.
    Machine = 4,
    /// There was nothing to test.
    Nothing = 5,
    /// Interrupted by SIGINT; a checkpoint was saved.
    Interrupted = 130,
    /// Ended by SIGTERM; a checkpoint was saved.
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// An error with the code that it exits with.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What the user reads.
    pub error: anyhow::Error,
}

/// Result of a command.
pub type CommandResult<T = Code> = Result<T, Failure>;

/// Gives an error its exit code.
pub trait OrExit<T> {
    /// Exits with `code` on error.
    fn or_exit(self, code: Code) -> CommandResult<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: Code) -> CommandResult<T> {
        self.map_err(|error| Failure { code, error: error.into() })
    }
}

impl From<keiko_model::Error> for Failure {
    fn from(error: keiko_model::Error) -> Self {
        Self { code: Code::Scene, error: error.into() }
    }
}
