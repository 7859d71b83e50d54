//! What a user reads, and what a shell sees, when something is wrong.

use std::fs;

use crate::support::{TempDir, command, keiko, text, tiny, train, workspace_file};

/// A scene on the cart-pole whose line 9 is `line`.
fn scene_with(dir: &TempDir, line: &str) -> String {
    let robot = workspace_file("assets/robots/cartpole/cartpole.xml");
    let scene = dir.path().join("scene.toml");
    let lines = [
        "name = \"t\"",
        "[robot]",
        &format!("file = \"{robot}\""),
        "root = \"/\"",
        "[observe.policy]",
        "angle = { term = \"joint_position\" }",
        "[episode]",
        "seconds = 1.0",
        line,
    ];
    fs::write(&scene, lines.join("\n") + "\n").unwrap();
    text(&scene)
}

#[test]
fn the_scene_that_the_mistakes_are_put_into_is_right() {
    let dir = TempDir::new("right");
    let scene = scene_with(&dir, "[train]");
    keiko(&["smoke", &scene, "--steps", "2"]).expect(0);
}

#[test]
fn an_unknown_scene_gets_the_nearest_name() {
    for args in [
        &["train", "cartpol"][..],
        &["envs", "cartpol"],
        &["smoke", "cartpol"],
        &["bench", "rapier", "cartpol"],
    ] {
        let outcome = keiko(args).expect(3);
        outcome.stderr_has(&["no such scene", "did you mean `cartpole`?"]);
        assert_eq!(outcome.stdout, "", "{args:?}");
    }
}

#[test]
fn a_misspelt_key_gets_file_line_and_the_nearest_key() {
    let dir = TempDir::new("key");
    let scene = scene_with(&dir, "secnds = 2.0");
    let place = format!("{scene}:9:1: unknown key `episode.secnds`");
    for args in [&["train", &scene, "--device", "cpu"][..], &["envs", &scene], &["smoke", &scene]] {
        keiko(args).expect(3).stderr_has(&[&place, "did you mean `seconds`?"]);
    }
}

#[test]
fn a_misspelt_override_names_itself() {
    let dir = TempDir::new("set");
    let runs = dir.file("runs");
    let outcome = keiko(&tiny(&runs, "2", &["--set", "episode.secnds=2"])).expect(3);
    outcome.stderr_has(&["--set episode.secnds=2", "did you mean `seconds`?"]);
    keiko(&tiny(&runs, "2", &["--set", "episode.seconds"])).expect(3).stderr_has(&["KEY.KEY=VALUE"]);
    keiko(&tiny(&runs, "2", &["--set", "train.gamma=1.5"])).expect(3).stderr_has(&["gamma", "[0, 1]"]);
    assert!(!dir.path().join("runs").exists(), "a run folder was made for a scene that is wrong");
}

#[test]
fn robot_files_that_cannot_be_used_are_named() {
    let dir = TempDir::new("robot");
    let missing = dir.file("no-such-robot.xml");
    keiko(&["import", &missing]).expect(3).stderr_has(&[&missing]);
    let set = format!("robot.file={missing}");
    keiko(&tiny(&dir.file("runs"), "2", &["--set", &set])).expect(3).stderr_has(&[&missing]);

    let broken = dir.file("broken.xml");
    fs::write(&broken, "<mujoco>\n  <worldbody>\n    <body>\n  </worldbody>\n</mujoco>\n").unwrap();
    let place = format!("{broken}:4:");
    keiko(&["import", &broken]).expect(3).stderr_has(&[&place]);
    let set = format!("robot.file={broken}");
    keiko(&tiny(&dir.file("runs"), "2", &["--set", &set])).expect(3).stderr_has(&[&place]);
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_command_line_that_makes_no_sense_is_usage() {
    let nonsense = [
        &["trian", "cartpole"][..],
        &[],
        &["train"],
        &["train", "cartpole", "--envs", "many"],
        &["train", "cartpole", "--envs", "0"],
        &["train", "cartpole", "--device", "tpu"],
        &["train", "cartpole", "--resume", "last"],
        &["train", "--resume", "last", "--seed", "3"],
        &["train", "--resume", "last", "--envs", "3"],
        &["smoke"],
        &["bench", "mujoco"],
    ];
    for args in nonsense {
        let outcome = keiko(args).expect(2);
        let helps = outcome.stderr.contains("Usage") || outcome.stderr.contains("--help");
        assert!(helps, "{args:?}: {}", outcome.stderr);
    }
    keiko(&["trian"]).stderr_has(&["train"]);
    keiko(&["--help"]).expect(0);
    keiko(&["--version"]).expect(0);
}

#[test]
fn a_run_that_is_not_there_is_usage_and_the_nearest_is_named() {
    let dir = TempDir::new("no-run");
    let runs = dir.file("runs");
    for command in ["eval", "play"] {
        keiko(&[command, "last", "--runs", &runs]).expect(2).stderr_has(&["there are no runs", &runs]);
    }
    train(&runs, "1", &[]);
    for args in [&["eval", "cartpol"][..], &["play", "cartpol"], &["train", "--resume", "cartpol"]] {
        let args = [args, &["--runs", &runs]].concat();
        keiko(&args).expect(2).stderr_has(&["did you mean `cartpole`?"]);
    }
}

#[test]
fn without_a_graphics_adapter_the_package_is_named() {
    let dir = TempDir::new("adapter");
    let runs = dir.file("runs");
    let mut args = tiny(&runs, "2", &[]);
    let device = args.iter().position(|&arg| arg == "cpu").unwrap();
    args[device] = "gpu";
    // The variables of the Vulkan loader, new and old, that say which drivers there are.
    let output = command(&args)
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("mesa-vulkan-drivers") && stderr.contains("--device cpu"), "{stderr}");
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let dir = TempDir::new("unwritable");
    // Below a regular file no folder can be made, whoever asks.
    fs::write(dir.path().join("file"), "").unwrap();
    let below = dir.file("file/below");
    let outcome = keiko(&tiny(&below, "2", &[])).expect(4);
    outcome.stderr_has(&[&below]);

    let run = text(&train(&dir.file("runs"), "1", &[]));
    let trace = dir.file("file/below/trace.csv");
    keiko(&["play", &run, "--episodes", "1", "--trace", &trace]).expect(4).stderr_has(&[&trace]);
    let junit = dir.file("file/below/junit.xml");
    keiko(&["smoke", "cartpole", "--steps", "1", "--junit", &junit]).expect(4).stderr_has(&[&junit]);
}

#[test]
fn a_policy_of_another_robot_is_refused() {
    let dir = TempDir::new("other-robot");
    let run = text(&train(&dir.file("runs"), "1", &[]));
    let xml = fs::read_to_string(workspace_file("assets/robots/cartpole/cartpole.xml")).unwrap();
    let renamed = xml.replace("joint name=\"hinge\"", "joint name=\"pivot\"");
    let robot = dir.file("renamed.xml");
    fs::write(&robot, renamed).unwrap();
    let robot = format!("robot.file={robot}");
    // The scene names the joint, so that the scene is wrong first.
    keiko(&["eval", &run, "--set", &robot]).expect(3).stderr_has(&["hinge"]);
    // Where the scene does not care, the policy does.
    let observed = ["--set", "observe.policy.angle.joints=[\"pivot\"]"];
    let observed = [&observed[..], &["--set", "observe.policy.angular_velocity.joints=[\"pivot\"]"]].concat();
    let ended = ["--set", "terminate.pole_fell.joints=[\"pivot\"]"];
    let args = [&["eval", &run, "--set", &robot][..], &observed, &ended].concat();
    keiko(&args).expect(2).stderr_has(&["does not fit", "pivot"]);
}
