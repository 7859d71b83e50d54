//! `keiko view` where no window can open: what it says, and how it exits.

use std::fs;
use std::process::Output;

use crate::support::{PATIENCE, TempDir, command, only_run, text, tiny, workspace_file};

/// Runs it without a display.
#[track_caller]
fn view(args: &[&str], code: i32) -> String {
    let args: Vec<&str> = ["view"].iter().chain(args).copied().collect();
    let mut command = command(&args);
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    let started = std::time::Instant::now();
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert!(started.elapsed() < PATIENCE && !stderr.contains("panicked"), "{stderr}");
    stderr
}

#[test]
fn without_a_display_it_says_so_and_names_the_way_on() {
    for what in ["cartpole", &workspace_file("assets/robots/arm/arm.xml")] {
        let stderr = view(&[what, "--device", "cpu"], 4);
        for piece in ["no window:", &format!("`keiko render {what} --out picture.png`")] {
            assert!(stderr.contains(piece), "no `{piece}` in: {stderr}");
        }
        assert!(!stderr.contains(".rs") && !stderr.contains("registry"), "a place in the source: {stderr}");
    }
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let dir = TempDir::new("view");
    let broken = dir.file("robot.xml");
    fs::write(&broken, "<mujoco><worldbdy/></mujoco>").unwrap();
    let replay = dir.file("x.safetensors");
    fs::write(&replay, b"nothing").unwrap();
    for (args, code, piece) in [
        (vec!["cartpol"], 3, "did you mean `cartpole`?"),
        (vec![broken.as_str()], 3, "robot.xml:1"),
        (vec![replay.as_str()], 3, "x.safetensors"),
        (vec![broken.as_str(), "--policy", "last"], 2, "no task"),
        (vec!["cartpole", "--envs", "0"], 2, "at least 1"),
        (vec!["cartpole", "--set", "reward.alive.wight=2"], 3, "did you mean `weight`?"),
    ] {
        let stderr = view(&args, code);
        assert!(stderr.contains(piece), "no `{piece}` in: {stderr}");
    }
}

#[test]
fn a_policy_of_another_scene_is_refused_before_a_window_opens() {
    let dir = TempDir::new("view-policy");
    let runs = text(dir.path());
    crate::support::keiko(&tiny(&runs, "1", &[])).expect(0);
    let run = text(&only_run(dir.path()).unwrap());
    // Its own scene loads, with the policy, and then lacks a display.
    for args in [vec![run.as_str()], vec!["cartpole", "--policy", "last", "--runs", &runs]] {
        assert!(view(&args, 4).contains("no window:"));
    }
    let stderr = view(&["arm-reach", "--policy", &run], 2);
    assert!(
        stderr.contains("arm-reach") || stderr.contains("observ") || stderr.contains("action"),
        "{stderr}"
    );
}

#[test]
fn a_policy_that_reads_needs_a_scene_and_opens_in_it() {
    let dir = TempDir::new("view-reader");
    let (data, out) = (dir.file("demos"), dir.file("out"));
    let cpu = ["--device", "cpu"];
    let record = ["record", "reach-to", "--episodes", "2", "--out", &data];
    crate::support::keiko(&[&record[..], &cpu].concat()).expect(0);
    let learn = ["finetune", &data, "--out", &out, "--batch", "1", "--steps", "1"];
    crate::support::keiko(&[&learn[..], &cpu].concat()).expect(0);
    for folder in [out.clone(), format!("{out}/policy")] {
        let stderr = view(&[&folder], 2);
        assert!(stderr.contains(&format!("keiko view SCENE --policy {folder}")), "{stderr}");
        // In its scene it is loaded, and a display is what lacks; in another one it lacks a camera.
        let stderr = view(&["reach-to", "--policy", &folder, "--device", "cpu"], 4);
        assert!(stderr.contains("no window:"), "{stderr}");
        let stderr = view(&["cartpole", "--policy", &folder, "--device", "cpu"], 2);
        assert!(
            stderr.contains("joint") || stderr.contains("robot") || stderr.contains("camera"),
            "{stderr}"
        );
    }
}
