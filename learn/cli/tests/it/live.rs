//! `keiko train --live` and `keiko view --attach`: a run that is looked at learns the same, and leaves nothing behind.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_viewer::live::{Guest, LiveError};

use crate::support::{
    PATIENCE, Running, TempDir, assert_same_state, command, keiko, metrics, only_run, tiny, train,
};

/// Looks at a run until it ends, one environment after the other; frames that were seen of each.
fn look(socket: &Path) -> Vec<u64> {
    let start = Instant::now();
    let (mut guest, hello) = loop {
        match Guest::attach(socket) {
            Ok(found) => break found,
            // The run begins.
            Err(LiveError::Nobody(_)) => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("{error}"),
        }
        assert!(start.elapsed() < PATIENCE, "no run at {}", socket.display());
    };
    let task = TaskSpec::parse(&hello.scene, Path::new("live.toml"), &[]).unwrap();
    let model = Arc::new(Scene::load(&task).unwrap().0.model);
    guest.begin(model, &hello).unwrap();
    let mut seen = vec![0; hello.spec.num_envs];
    guest.ask(0);
    while guest.end().is_none() {
        if let Some(frame) = guest.take() {
            seen[frame.env] += 1;
            guest.ask((frame.env + 1) % hello.spec.num_envs);
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}

#[test]
fn a_run_that_is_looked_at_learns_the_same_to_the_bit() {
    let dir = TempDir::new("live");
    let (iterations, socket) = ("120", dir.file("socket"));
    let alone = train(&dir.file("alone"), iterations, &[]);
    let watched = dir.file("watched");
    let process = Running::start(&tiny(&watched, iterations, &["--live", &socket]), &dir);
    let seen = look(Path::new(&socket));
    let outcome = process.finish().expect(0);
    assert!(seen.iter().all(|frames| *frames > 0), "frames of each environment: {seen:?}");
    assert!(outcome.stdout.contains(&format!("keiko view --attach {socket}")), "{}", outcome.stdout);
    assert!(!Path::new(&socket).exists(), "the socket is left behind");
    let watched = only_run(Path::new(&watched)).unwrap();
    assert_same_state(&alone, &watched);
    assert_eq!(metrics(&alone, ""), metrics(&watched, ""));
}

#[test]
fn signals_take_the_socket_away_and_a_socket_in_use_is_refused() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let dir = TempDir::new("live-signal");
        let (runs, socket) = (dir.file("runs"), dir.file("socket"));
        let mut process = Running::start(&tiny(&runs, "1000000", &["--live", &socket]), &dir);
        process.wait_for(|| Guest::attach(Path::new(&socket)).is_ok());
        let other = dir.file("other");
        keiko(&tiny(&other, "1", &["--live", &socket])).expect(4).stderr_has(&["a run is shown at", &socket]);
        assert!(!Path::new(&other).exists(), "the refused run left a folder");
        process.signal(signal);
        process.finish().expect(code);
        assert!(!Path::new(&socket).exists(), "the socket is left behind after SIG{signal}");
    }
}

#[test]
fn a_socket_that_a_killed_run_left_is_replaced() {
    let dir = TempDir::new("live-killed");
    let socket = dir.file("socket");
    let mut first = Running::start(&tiny(&dir.file("first"), "1000000", &["--live", &socket]), &dir);
    first.wait_for(|| Guest::attach(Path::new(&socket)).is_ok());
    assert!(first.kill() && Path::new(&socket).exists());
    keiko(&tiny(&dir.file("second"), "2", &["--live", &socket])).expect(0);
    assert!(!Path::new(&socket).exists());
}

#[test]
fn a_viewer_says_where_no_run_is() {
    let dir = TempDir::new("live-nobody");
    let socket = dir.file("socket");
    keiko(&["view", "--attach", &socket]).expect(4).stderr_has(&["no run is shown at", "--live"]);
    keiko(&["view", "--attach", &socket, "cartpole"]).expect(2);
    keiko(&["view"]).expect(2);
    // One that is there is looked at, and then a display is missing.
    let runs = dir.file("runs");
    let mut process = Running::start(&tiny(&runs, "1000000", &["--live", &socket]), &dir);
    process.wait_for(|| Guest::attach(Path::new(&socket)).is_ok());
    let mut view = command(&["view", "--attach", &socket, "--device", "cpu"]);
    view.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    let start = Instant::now();
    loop {
        let Output { status, stderr, .. } = view.output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(4), "{stderr}");
        // The one that waited for the run may not have been missed yet.
        if !stderr.contains("one viewer at a time") {
            assert!(stderr.contains("no window:"), "{stderr}");
            break;
        }
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(process.kill());
}
