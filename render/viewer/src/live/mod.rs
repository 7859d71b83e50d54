//! A run without a window, looked at from another process over a local socket.
//!
//! [`Host`] is the end of the run, [`Guest`] that of the viewer. The thread that trains never waits for either: after a control
//! step it looks at one atomic number, and where somebody asks for an environment, and the last frame has been taken, it
//! leaves that environment's numbers in a slot ([`Watched`]). A thread of its own writes them to the socket and gives up a
//! viewer that does not read.

mod guest;
mod host;
mod watched;
mod wire;

use std::io;
use std::path::{Path, PathBuf};

pub use guest::Guest;
pub use host::Host;
pub use watched::Watched;
pub(crate) use watched::added;
pub use wire::{Frame, Hello};

/// Why there is no live view.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The system refuses.
    #[error("cannot {what} the socket {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another run has it.
    #[error("a run is shown at {} already; choose another name", .0.display())]
    Taken(PathBuf),
    /// There is something else.
    #[error("{} is there and is no socket; choose another name", .0.display())]
    NoSocket(PathBuf),
    /// Nobody is there.
    #[error("no run is shown at {}; one is begun with `keiko train SCENE --live {}`", .0.display(), .0.display())]
    Nobody(PathBuf),
    /// The run does not take this viewer.
    #[error("the run at {} says: {reason}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What the run says.
        reason: String,
    },
    /// What comes is not what a run sends.
    #[error("what came from {} cannot be read: {reason}", path.display())]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl LiveError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
