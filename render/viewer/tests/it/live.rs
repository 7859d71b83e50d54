//! A run that is looked at over a socket, from both ends.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keiko_env::{EnvOptions, Field, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_viewer::live::{Guest, Host, LiveError, Watched};
use keiko_viewer::{Session, Source, ViewError};

use crate::support::{Folder, options, repository};

/// Longest that anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn task(name: &str) -> TaskSpec {
    TaskSpec::load(&repository().join("scenes").join(name).join("scene.toml"), &[]).unwrap()
}

fn env(name: &str, num_envs: usize) -> TaskEnv {
    TaskEnv::new(&task(name), &EnvOptions { num_envs, seed: 5, ..EnvOptions::default() }).unwrap()
}

/// Actions that differ by step and environment.
fn actions(env: &dyn VecEnv, step: usize) -> Field {
    let (rows, n) = (env.spec().actions.len(), env.spec().num_envs);
    let mut actions = Field::zeros(rows, n);
    for (at, value) in actions.as_mut_slice().iter_mut().enumerate() {
        *value = ((at * 7 + step * 13) % 19) as f32 / 9.5 - 1.0;
    }
    actions
}

/// A run of `num_envs` environments and its socket.
struct Run {
    host: Host,
    watched: Watched,
    steps: usize,
    socket: PathBuf,
    _folder: Folder,
}

impl Run {
    fn new(name: &str, num_envs: usize) -> Self {
        let folder = Folder::new();
        let socket = folder.0.join("live");
        let mut host = Host::open(&socket).unwrap();
        let watched = host.show(env(name, num_envs), &task(name)).unwrap();
        Self { host, watched, steps: 0, socket, _folder: folder }
    }

    fn step(&mut self) {
        let actions = actions(&self.watched, self.steps);
        self.watched.step(&actions);
        self.steps += 1;
    }

    fn session(&self) -> Result<Session, ViewError> {
        let mut session = Session::new(Source::Live { socket: self.socket.clone() }, options(1), None)?;
        session.play(true);
        Ok(session)
    }

    /// Steps until a session has seen something new of its environment.
    fn until_seen(&mut self, session: &mut Session) {
        let start = Instant::now();
        while session.advance(0.02, Duration::from_secs(1)) == 0 {
            assert!(start.elapsed() < PATIENCE, "nothing comes: {:?}", session.failure());
            self.step();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn what_is_seen_is_what_was_there() {
    let mut run = Run::new("walk", 9);
    let mut session = run.session().unwrap();
    assert_eq!(session.subject().num_envs(), 9);
    assert!(session.subject().task().is_none() && session.subject().spec() == Some(run.watched.spec()));
    for which in [0, 4, 8] {
        session.show(which);
        for _ in 0..3 {
            run.until_seen(&mut session);
            // The same run again, as far as that step.
            let mut same = env("walk", 9);
            for step in 0..session.step_count() as usize {
                let actions = actions(&same, step);
                let before = same.reward_sums(which);
                same.step(&actions);
                if step + 1 < session.step_count() as usize {
                    continue;
                }
                let (seen, there) = (session.state(), same.state());
                for (seen, there) in seen.fields().into_iter().zip(there.fields()) {
                    let bits = |field: &Field| field.column(which).map(f32::to_bits).collect::<Vec<_>>();
                    assert_eq!(bits(seen), bits(there));
                }
                assert_eq!(seen.steps[which], there.steps[which]);
                let (subject, output) = (session.subject(), same.output());
                assert_eq!(subject.reward(which), output.reward[which]);
                assert_eq!(subject.commands(which), same.commands().column(which).collect::<Vec<_>>());
                assert_eq!(subject.touches(which), same.touches(which));
                let observed: Vec<f32> = output.observations[0].column(which).collect();
                assert_eq!(subject.observed(0, which), observed);
                if output.episodes.iter().all(|end| end.env != which) {
                    let sums = same.reward_sums(which).into_iter().zip(before).zip(same.reward_factors());
                    let terms: Vec<f64> =
                        sums.map(|((now, then), factor)| factor * now - factor * then).collect();
                    assert_eq!(session.tally().terms(), terms);
                }
            }
        }
    }
}

#[test]
fn nobody_can_do_anything_to_a_run_and_its_past_can_be_seen_again() {
    let mut run = Run::new("cartpole", 3);
    let mut session = run.session().unwrap();
    for _ in 0..4 {
        run.until_seen(&mut session);
    }
    let now: Vec<f32> = session.state().qpos.column(0).collect();
    session.reset();
    session.set_position(0, 0.5);
    assert!(!session.grab(1, glam::DVec3::ZERO));
    assert!(session.state().qpos.column(0).eq(now.iter().copied()));
    assert!(session.log().lines().any(|(_, line)| line.contains("nothing can be done")));
    session.scrub(0);
    assert!(!session.is_playing());
    let then: Vec<f32> = session.state().qpos.column(0).collect();
    assert_ne!(then, now);
    // While it is paused nothing is shown, however long the run goes on.
    for _ in 0..20 {
        run.step();
    }
    assert_eq!(session.advance(0.02, Duration::from_secs(1)), 0);
    assert!(session.state().qpos.column(0).eq(then));
}

#[test]
fn viewers_come_one_after_the_other_and_one_that_stalls_holds_nothing_up() {
    let mut run = Run::new("cartpole", 4);
    let mut first = run.session().unwrap();
    run.until_seen(&mut first);
    let refused = run.session().unwrap_err().to_string();
    assert!(refused.contains("one viewer at a time"), "{refused}");
    drop(first);
    // Somebody who connects, asks, and reads nothing.
    let start = Instant::now();
    let mut stalled = loop {
        let mut stream = UnixStream::connect(&run.socket).unwrap();
        if stream.write_all(&2u64.to_le_bytes()).is_ok() {
            break stream;
        }
        assert!(start.elapsed() < PATIENCE);
    };
    let start = Instant::now();
    for _ in 0..2000 {
        run.step();
    }
    assert!(start.elapsed() < PATIENCE, "2000 steps of 4 cartpoles took {:?}", start.elapsed());
    // Nonsense is no request.
    stalled.write_all(&[255; 20]).unwrap();
    (0..50).for_each(|_| run.step());
    drop(stalled);
    let start = Instant::now();
    let mut second = loop {
        match run.session() {
            Ok(session) => break session,
            Err(error) => assert!(error.to_string().contains("one viewer at a time"), "{error}"),
        }
        assert!(start.elapsed() < PATIENCE, "the one that left is still served");
        std::thread::sleep(Duration::from_millis(20));
    };
    run.until_seen(&mut second);
    // A reload goes away and comes again; the run then ends.
    let start = Instant::now();
    while !second.reload() {
        assert!(start.elapsed() < PATIENCE, "{:?}", second.failure());
        std::thread::sleep(Duration::from_millis(20));
    }
    second.play(true);
    run.until_seen(&mut second);
    drop(run.host);
    let start = Instant::now();
    while second.failure().is_none() {
        second.advance(0.02, Duration::from_secs(1));
        assert!(start.elapsed() < PATIENCE, "the end of the run is not noticed");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(second.failure().unwrap().contains("has ended") && !second.is_playing());
}

#[test]
fn sockets_of_the_dead_are_replaced_and_those_of_the_living_refused() {
    let folder = Folder::new();
    let path = folder.0.join("live");
    // A listener that is dropped leaves its file, as a process that is killed does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let host = Host::open(&path).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "nobody else may look");
    assert!(matches!(Host::open(&path), Err(LiveError::Taken(_))));
    drop(host);
    assert!(!path.exists(), "a host takes its socket away");

    std::fs::write(&path, "notes").unwrap();
    assert!(matches!(Host::open(&path), Err(LiveError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    assert!(matches!(Host::open(&folder.0.join("no/such/folder")), Err(LiveError::Io { .. })));

    // Another run's socket under the same name stays.
    let other = folder.0.join("other");
    let host = Host::open(&other).unwrap();
    std::fs::remove_file(&other).unwrap();
    let second = Host::open(&other).unwrap();
    drop(host);
    assert!(other.exists());
    drop(second);
    assert!(!other.exists());
}

/// What a viewer makes of somebody who says `bytes` and nothing more.
fn heard(path: &Path, bytes: &'static [u8]) -> LiveError {
    let listener = UnixListener::bind(path).unwrap();
    let speaker = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(bytes).unwrap();
    });
    let error = Guest::attach(path).unwrap_err();
    speaker.join().unwrap();
    std::fs::remove_file(path).unwrap();
    error
}

#[test]
fn a_viewer_believes_nobody() {
    let folder = Folder::new();
    let path = folder.0.join("x");
    assert!(matches!(Guest::attach(&path), Err(LiveError::Nobody(_))));
    for bytes in
        [&b""[..], b"\x05", b"\xff\xff\xff\xff", b"\x00\x10\x00\x00abc", b"\x04\x00\x00\x00\x00\xff\xff\xff"]
    {
        let error = heard(&path, bytes);
        assert!(matches!(error, LiveError::Garbled { .. }), "{bytes:?}: {error}");
    }
}
