//! The end of the run: a socket, and a thread that serves one viewer after the other.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keiko_env::{TaskEnv, VecEnv};
use keiko_model::TaskSpec;

use super::LiveError;
use super::watched::{Stage, Watched};
use super::wire::{Greeting, Hello, VERSION, message};

/// Time between looks for a viewer while there is none.
const IDLE: Duration = Duration::from_millis(50);
/// Time between frames: what a screen shows in a second.
const TICK: Duration = Duration::from_millis(16);
/// A viewer that takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket at which a run can be looked at, until it is dropped.
#[derive(Debug)]
pub struct Host {
    path: PathBuf,
    /// Device and number of the file: another run may have put its own there since.
    file: (u64, u64),
    /// Until somebody is shown.
    listener: Option<UnixListener>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Makes the socket, which only this user may open. One that a dead process left is replaced.
    ///
    /// # Errors
    /// [`LiveError::Taken`] where a run listens already, [`LiveError::NoSocket`] where there is another file; what the system says.
    pub fn open(path: &Path) -> Result<Self, LiveError> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                clear(path)?;
                UnixListener::bind(path)
            }
            other => other,
        };
        let listener = listener.map_err(LiveError::io("make", path))?;
        let made = fs::symlink_metadata(path).map_err(LiveError::io("look at", path))?;
        let mut host = Self {
            path: path.to_owned(),
            file: (made.dev(), made.ino()),
            listener: None,
            stop: Arc::default(),
            thread: None,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(LiveError::io("guard", path))?;
        listener.set_nonblocking(true).map_err(LiveError::io("prepare", path))?;
        host.listener = Some(listener);
        Ok(host)
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shows the environments of a task from now on; they step as if nobody looked.
    ///
    /// # Errors
    /// The system gives no thread; the scene is too long to be sent.
    pub fn show(&mut self, env: TaskEnv, task: &TaskSpec) -> Result<Watched, LiveError> {
        let hello = Greeting::Hello(Box::new(Hello {
            version: VERSION,
            scene: task.to_toml(),
            spec: env.spec().clone(),
            factors: env.reward_factors(),
            engine: env.engine().to_owned(),
        }));
        let garbled = |reason| LiveError::Garbled { path: self.path.clone(), reason };
        let hello = message(&hello).map_err(garbled)?;
        let stage = Arc::new(Stage::default());
        if let Some(listener) = self.listener.take() {
            let service = Service { listener, hello, stage: stage.clone(), stop: self.stop.clone() };
            let thread = thread::Builder::new().name("live".to_owned()).spawn(move || service.run());
            self.thread = Some(thread.map_err(LiveError::io("serve", &self.path))?);
        }
        Ok(Watched::new(env, stage))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
        let is_ours =
            fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if is_ours {
            // Who removed it before us did our work.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a process that is no more.
fn clear(path: &Path) -> Result<(), LiveError> {
    let found = fs::symlink_metadata(path).map_err(LiveError::io("look at", path))?;
    if !found.file_type().is_socket() {
        return Err(LiveError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(LiveError::Taken(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(LiveError::io("replace", path))
        }
        // A queue of viewers that is full has somebody at its other end.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(LiveError::Taken(path.to_owned())),
        Err(error) => Err(LiveError::io("try", path)(error)),
    }
}

/// What the thread has.
struct Service {
    listener: UnixListener,
    hello: Vec<u8>,
    stage: Arc<Stage>,
    stop: Arc<AtomicBool>,
}

impl Service {
    fn run(self) {
        let mut visitor: Option<Visitor> = None;
        while !self.stop.load(Ordering::Relaxed) {
            while let Ok((stream, _)) = self.listener.accept() {
                if visitor.is_some() {
                    refuse(stream);
                } else {
                    visitor = Visitor::new(stream, self.hello.clone()).ok();
                }
            }
            if let Some(present) = &mut visitor
                && present.turn(&self.stage).is_err()
            {
                visitor = None;
                self.stage.ask(None);
            }
            thread::sleep(if visitor.is_some() { TICK } else { IDLE });
        }
    }
}

/// Sends away who comes while another one looks.
fn refuse(mut stream: UnixStream) {
    let words = Greeting::Refused("somebody looks at this run already; one viewer at a time".to_owned());
    if let Ok(bytes) = message(&words) {
        // Who has gone needs no answer.
        let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&bytes));
    }
}

/// A viewer that is connected.
struct Visitor {
    stream: UnixStream,
    /// What is being sent, and how much of it is.
    outgoing: Vec<u8>,
    sent: usize,
    /// When it last took anything, or was last waited for.
    since: Instant,
    /// The beginning of a request.
    request: Vec<u8>,
}

impl Visitor {
    fn new(stream: UnixStream, hello: Vec<u8>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, outgoing: hello, sent: 0, since: Instant::now(), request: Vec::new() })
    }

    /// Reads what is asked for and sends what there is, as far as that goes without waiting.
    ///
    /// # Errors
    /// It has gone, or takes nothing.
    fn turn(&mut self, stage: &Stage) -> io::Result<()> {
        self.listen(stage)?;
        if self.sent == self.outgoing.len() {
            self.since = Instant::now();
            let Some(frame) = stage.take() else { return Ok(()) };
            self.outgoing = message(&frame).map_err(io::Error::other)?;
            self.sent = 0;
        }
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.sent += count;
                    self.since = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.since.elapsed() > PATIENCE { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    fn listen(&mut self, stage: &Stage) -> io::Result<()> {
        // So much in a turn: who talks without end is not listened to without end.
        let mut bytes = [0; 256];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        self.request.extend_from_slice(&bytes[..count]);
        let (whole, _) = self.request.as_chunks::<8>();
        if let Some(last) = whole.last() {
            stage.ask(usize::try_from(u64::from_le_bytes(*last)).ok());
            self.request.drain(..whole.len() * 8);
        }
        Ok(())
    }
}
