//! The end of the viewer: says which environment it wants to see, and has the newest frame of it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keiko_model::robot::RobotModel;
use serde::de::DeserializeOwned;

use super::LiveError;
use super::wire::{Frame, Greeting, HEAD, Hello, LONGEST, VERSION};

/// Time that a run has to answer. One that begins takes a while until it is shown.
const PATIENCE: Duration = Duration::from_secs(10);

/// A viewer at a run.
#[derive(Debug)]
pub struct Guest {
    stream: UnixStream,
    path: PathBuf,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

/// What has come.
#[derive(Debug, Default)]
struct Heard {
    frame: Option<Frame>,
    /// Why no more comes.
    end: Option<String>,
}

impl Guest {
    /// Goes to a run; what it says of itself. Nothing is shown until [`Guest::begin`] and [`Guest::ask`].
    ///
    /// # Errors
    /// [`LiveError::Nobody`], [`LiveError::Refused`], [`LiveError::Garbled`]; what the system says.
    pub fn attach(path: &Path) -> Result<(Self, Hello), LiveError> {
        let mut stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => LiveError::Nobody(path.to_owned()),
            _ => LiveError::io("open", path)(error),
        })?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(LiveError::io("prepare", path))?;
        let garbled = |reason: String| LiveError::Garbled { path: path.to_owned(), reason };
        let hello = match receive(&mut stream) {
            Ok(Greeting::Hello(hello)) => *hello,
            Ok(Greeting::Refused(reason)) => {
                return Err(LiveError::Refused { path: path.to_owned(), reason });
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let reason = format!("nothing in {} s", PATIENCE.as_secs());
                return Err(LiveError::Refused { path: path.to_owned(), reason });
            }
            Err(error) => return Err(garbled(error.to_string())),
        };
        if hello.version != VERSION {
            return Err(garbled(format!("it speaks version {} and not {VERSION}", hello.version)));
        }
        stream.set_read_timeout(None).map_err(LiveError::io("prepare", path))?;
        let guest = Self { stream, path: path.to_owned(), heard: Arc::default(), thread: None };
        Ok((guest, hello))
    }

    /// Takes frames of a model from now on, in a thread of its own: a viewer that does not look lets the run's frames pass.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(&mut self, model: Arc<RobotModel>, hello: &Hello) -> Result<(), LiveError> {
        let mut stream = self.stream.try_clone().map_err(LiveError::io("prepare", &self.path))?;
        let (heard, spec) = (self.heard.clone(), hello.spec.clone());
        let listen = move || {
            let end = loop {
                match receive::<Frame>(&mut stream) {
                    Ok(frame) if frame.fits(&model, &spec) => lock(&heard).frame = Some(frame),
                    Ok(_) => break "the run sent a state of another scene".to_owned(),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        break "the run has ended, or let this viewer go".to_owned();
                    }
                    Err(error) => break error.to_string(),
                }
            };
            lock(&heard).end = Some(end);
        };
        let thread = thread::Builder::new().name("live".to_owned()).spawn(listen);
        self.thread = Some(thread.map_err(LiveError::io("read", &self.path))?);
        Ok(())
    }

    /// Asks for an environment from now on.
    pub fn ask(&mut self, env: usize) {
        // A run that has ended says so to whoever reads.
        let _ = self.stream.write_all(&(env as u64).to_le_bytes());
    }

    /// Goes away. No frame comes from then on.
    pub fn leave(&mut self) {
        // The thread wakes from its reading; what is closed already needs no closing.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
        *lock(&self.heard) = Heard::default();
    }

    /// The newest frame, once.
    pub fn take(&self) -> Option<Frame> {
        lock(&self.heard).frame.take()
    }

    /// Why no more frames come, once.
    pub fn end(&self) -> Option<String> {
        lock(&self.heard).end.take()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message, whole.
fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head)?;
    let length = u32::from_le_bytes(head) as usize;
    if length > LONGEST {
        return Err(io::Error::other(format!("a message of {length} bytes; at most {LONGEST} are read")));
    }
    // Memory grows with what comes, not with what is announced.
    let mut bytes = Vec::new();
    Read::by_ref(stream).take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}
