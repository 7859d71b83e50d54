//! Policies that see: trained, stopped, resumed, judged and played; also where there is no driver.

use std::path::Path;

use crate::support::{TempDir, assert_same_state, command, keiko, only_run_of, text};

const TASK: &str = "cartpole-pixels";

/// Arguments of a training that takes a moment.
fn tiny<'a>(runs: &'a str, iterations: &'a str, device: &'a str) -> Vec<&'a str> {
    let mut args =
        vec!["train", TASK, "--device", device, "--envs", "3", "--runs", runs, "--iterations", iterations];
    for set in [
        "train.horizon=8",
        "train.epochs=2",
        "train.minibatches=2",
        "train.eval_every=0",
        "train.eval_episodes=2",
        "train.checkpoint_every=1",
        "episode.seconds=0.2",
    ] {
        args.extend(["--set", set]);
    }
    args
}

#[test]
fn a_policy_that_sees_is_trained_resumed_judged_and_played() {
    let dir = TempDir::new("pixels");
    let (whole, half) = (dir.file("whole"), dir.file("half"));
    keiko(&tiny(&whole, "4", "cpu")).expect(0);
    keiko(&tiny(&half, "2", "cpu")).expect(0);
    let run = |runs: &str| only_run_of(Path::new(runs), TASK).expect("a run folder");
    let (whole, half) = (run(&whole), run(&half));
    keiko(&["train", "--device", "cpu", "--iterations", "4", "--resume", &text(&half)]).expect(0);
    assert_same_state(&whole, &half);

    let result = keiko(&["--json", "eval", &text(&whole), "--episodes", "3"]).expect(0).result();
    assert_eq!((&result["episodes"], &result["mean_length"]), (&3.into(), &10.0.into()), "{result}");
    let result = keiko(&["--json", "play", &text(&whole), "--episodes", "2"]).expect(0).result();
    assert_eq!(result["episodes"], 2);
    // A policy is not shown pictures of another size.
    let other = "cameras.0.width=40";
    keiko(&["eval", &text(&whole), "--set", other]).expect(2).stderr_has(&["frames[3456]", "frames[2880]"]);
}

#[test]
fn on_a_gpu_it_is_trained_resumed_and_judged_too() {
    if keiko_gpu::adapters().is_empty() {
        let missing = "no adapter; install the package mesa-vulkan-drivers";
        return keiko_testkit::skip_or_fail(keiko_testkit::Skip(missing.to_owned()));
    }
    let dir = TempDir::new("pixels-gpu");
    let runs = dir.file("runs");
    let on_gpu = |args: &[&str], adapter: Option<&str>| {
        let mut command = command(args);
        command.env("LP_NATIVE_VECTOR_WIDTH", "128").env_remove("KEIKO_ADAPTER");
        adapter.map(|name| command.env("KEIKO_ADAPTER", name));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, stderr) = on_gpu(&tiny(&runs, "1", "gpu"), None);
    assert_eq!(code, Some(0), "{stderr}");
    let run = text(&only_run_of(Path::new(&runs), TASK).expect("a run folder"));
    // By name it is the same adapter. Software Vulkan has its vector width in the name's end.
    let adapters = keiko_gpu::adapters();
    let name = adapters[0].name.split(" (").next().unwrap().to_owned();
    let resumed = ["train", "--device", "gpu", "--iterations", "2", "--resume", &run];
    let (code, stdout, stderr) = on_gpu(&resumed, Some(&name));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains(&name), "{stdout}");
    let judged = ["--json", "eval", &run, "--episodes", "3", "--device", "gpu"];
    let (code, stdout, stderr) = on_gpu(&judged, None);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\"episodes\":3"), "{stdout}");
    // A checkpoint is of no device.
    keiko(&["train", "--device", "cpu", "--iterations", "3", "--resume", &run]).expect(0);

    for device in ["gpu", "auto"] {
        let (code, _, stderr) = on_gpu(&tiny(&runs, "1", device), Some("no such thing"));
        assert_eq!(code, Some(4), "{device}");
        for part in ["no such thing", "KEIKO_ADAPTER", &name, "mesa-vulkan-drivers"] {
            assert!(stderr.contains(part), "{device}: no `{part}` in {stderr}");
        }
    }
}

#[test]
fn a_machine_without_a_driver_sees_too() {
    let dir = TempDir::new("no-driver");
    let runs = dir.file("runs");
    let without = |args: &[&str]| {
        let nowhere = dir.file("no-driver.json");
        let output = command(args)
            .env("VK_DRIVER_FILES", &nowhere)
            .env("VK_ICD_FILENAMES", &nowhere)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, stderr) = without(&tiny(&runs, "1", "cpu"));
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stdout, _) = without(&["smoke", TASK, "cartpole", "--steps", "3"]);
    assert_eq!(code, Some(0));
    assert_eq!(stdout.matches("camera side").count(), 2, "{stdout}");
    assert!(stdout.contains("12 passed, 0 failed"), "{stdout}");

    // Who asks for a device where there is none is told what to install.
    let on_device = ["smoke", TASK, "--steps", "3", "--device", "gpu"];
    let (code, _, stderr) = without(&on_device);
    assert_eq!(code, Some(4));
    assert!(stderr.contains("mesa-vulkan-drivers") && stderr.contains("--device cpu"), "{stderr}");
}
