//! One writer a run folder.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use keiko_train::lock::{LockHolder, RunLock};
use keiko_train::{StorageError, StorageErrorKind};

use crate::support::{TempDir, child, role_dir};

#[test]
fn role_holds_the_lock() {
    let Some(dir) = role_dir() else { return };
    match RunLock::acquire(&dir) {
        Ok(_lock) => {
            println!("held");
            std::thread::sleep(Duration::from_secs(60));
        }
        Err(error) => println!("refused {error}"),
    }
}

fn start(dir: &TempDir) -> (std::process::Child, String) {
    let mut child =
        child("lock::role_holds_the_lock", dir.path(), "").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said = lines.find(|line| line.contains("held") || line.contains("refused")).unwrap();
    (child, said)
}

fn stop(mut child: std::process::Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_second_process_is_told_who_the_first_is() {
    let dir = TempDir::new("lock");
    let (first, said) = start(&dir);
    assert!(said.contains("held"));
    let error = RunLock::acquire(dir.path()).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (StorageErrorKind::Locked, 4));
    let StorageError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(holder.pid, first.id());
    assert!(holder.started.ends_with('Z') && !holder.host.is_empty(), "{holder}");
    let text = error.to_string();
    assert!(text.contains(&first.id().to_string()) && text.contains(&holder.host), "{text}");

    stop(first);
    let taken = RunLock::acquire(dir.path()).expect("a dead process holds nothing");
    let (second, said) = start(&dir);
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    stop(second);
    drop(taken);
    RunLock::acquire(dir.path()).expect("free after a clean end");
}

#[test]
fn of_two_at_once_exactly_one_wins() {
    for _ in 0..20 {
        let dir = TempDir::new("race");
        let mut children: Vec<_> = (0..2)
            .map(|_| {
                child("lock::role_holds_the_lock", dir.path(), "").stdout(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let said: Vec<String> = children
            .iter_mut()
            .map(|child| {
                let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
                lines.find(|line| line.contains("held") || line.contains("refused")).unwrap()
            })
            .collect();
        children.into_iter().for_each(stop);
        assert_eq!(said.iter().filter(|line| line.contains("held")).count(), 1, "{said:?}");
        assert_eq!(said.iter().filter(|line| line.contains("refused")).count(), 1, "{said:?}");
    }
}

/// Two hosts on a network file system may not see each other's locks.
#[test]
fn the_lock_of_another_host_is_never_stolen() {
    let dir = TempDir::new("host");
    let holder =
        LockHolder { pid: 7, host: "elsewhere".to_owned(), started: "2026-01-01T00:00:00Z".to_owned() };
    let file = dir.path().join("lock");
    std::fs::write(&file, serde_json::to_string(&holder).unwrap()).unwrap();
    let error = RunLock::acquire(dir.path()).unwrap_err().to_string();
    assert!(error.contains("process 7 on elsewhere") && error.contains("delete"), "{error}");
    std::fs::remove_file(&file).unwrap();
    RunLock::acquire(dir.path()).unwrap();
}

#[test]
fn a_lock_file_of_garbage_is_taken_over() {
    let dir = TempDir::new("garbage");
    for garbage in [b"".as_slice(), b"\xff\xfe\x00", b"{\"pid\":", &[b'['; 10_000]] {
        std::fs::write(dir.path().join("lock"), garbage).unwrap();
        RunLock::acquire(dir.path()).unwrap();
    }
}
