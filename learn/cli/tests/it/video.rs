//! Videos of scenes, of play and of training, opened by FFmpeg's decoder.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{TempDir, keiko, only_run, text, tiny, workspace_file};

/// Frames, size and clock of a video, and how far each of its first and last frames is from a picture, if one is given:
/// means of the absolute differences, of 255.
const SCRIPT: &str = r#"
import sys, json, av, numpy as np
with av.open(sys.argv[1]) as file:
    stream = file.streams.video[0]
    frames = [f.to_ndarray(format="rgb24").astype(float) for f in file.decode(stream)]
    said = dict(frames=len(frames), size=[stream.width, stream.height], fps=float(stream.average_rate),
                seconds=float(stream.duration * stream.time_base))
if len(sys.argv) > 2:
    with av.open(sys.argv[2]) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(float)
    said.update(off=[float(np.abs(f - picture).mean()) for f in (frames[0], frames[-1])])
print(json.dumps(said))
"#;

/// Most that the first frame may be off from the picture of the same moment, of 255: the codec's loss and the decoder's
/// conversion of colours.
const MOST_OFF: f64 = 3.0;

fn read(args: &[&str]) -> Option<Value> {
    keiko_testkit::available(keiko_testkit::run_pyav(SCRIPT, args))
}

#[test]
fn an_episode_is_filmed_in_real_time() {
    let dir = TempDir::new("film");
    let (video, picture) = (dir.file("a.mp4"), dir.file("a.png"));
    let args = ["--json", "render", "cartpole", "--out", &video, "--env", "2"];
    let result = keiko(&args).expect(0).result();
    assert_eq!((&result["camera"], &result["size"]), (&"side".into(), &json!([480, 240])));
    keiko(&["render", "cartpole", "--out", &picture, "--env", "2", "--size", "480x240"]).expect(0);

    let Some(said) = read(&[&video, &picture]) else { return };
    let frames = said["frames"].as_f64().unwrap();
    assert_eq!((&said["frames"], &said["size"]), (&result["frames"], &json!([480, 240])));
    assert_eq!(said["fps"], json!(50.0));
    assert!((said["seconds"].as_f64().unwrap() - frames / 50.0).abs() < 1e-4, "{said}");
    let off = |index: usize| said["off"][index].as_f64().unwrap();
    assert!(off(0) < MOST_OFF, "{said}");
    // The pole fell in between.
    assert!(off(1) > off(0) + 1.0, "{said}");

    // Random actions are others.
    keiko(&["render", "cartpole", "--out", &video, "--env", "2", "--actions", "random"]).expect(0);
    let Some(random) = read(&[&video, &picture]) else { return };
    assert!(random["off"][0].as_f64().unwrap() < MOST_OFF && random["off"][1] != said["off"][1]);
}

#[test]
fn the_expert_that_records_is_filmed_too() {
    let dir = TempDir::new("expert");
    let (video, picture) = (dir.file("a.mp4"), dir.file("a.png"));
    keiko(&["render", "push-to", "--out", &picture, "--size", "64x48"]).expect(0);
    let last_frame = |actions: &str| {
        keiko(&["render", "push-to", "--out", &video, "--size", "64x48", "--actions", actions]).expect(0);
        read(&[&video, &picture]).map(|said| said["off"][1].as_f64().unwrap())
    };
    let (Some(still), Some(moved)) = (last_frame("zero"), last_frame("expert")) else { return };
    assert!(moved > still + 0.5, "the arm did nothing: {moved}, {still}");
}

#[test]
fn an_overview_follows_the_robot() {
    let dir = TempDir::new("follow");
    let video = dir.file("a.mp4");
    let args = ["--json", "render", "walk", "--out", &video, "--size", "64x48", "--actions", "random"];
    let result = keiko(&args).expect(0).result();
    assert_eq!(result["camera"], "overview");
    let Some(said) = read(&[&video]) else { return };
    assert_eq!((&said["frames"], &said["size"]), (&result["frames"], &json!([64, 48])));
}

#[test]
fn training_and_play_are_filmed() {
    let dir = TempDir::new("filmed");
    let (runs, video) = (dir.file("runs"), dir.file("play.mp4"));
    keiko(&tiny(&runs, "3", &["--video-every", "2"])).expect(0);
    let run = only_run(Path::new(&runs)).unwrap();
    // Every second, and the last.
    for name in ["000002.mp4", "000003.mp4"] {
        let path = text(&run.join("videos").join(name));
        let Some(said) = read(&[&path]) else { return };
        assert!(said["frames"].as_u64().unwrap() > 5 && said["size"] == json!([480, 240]), "{said}");
    }
    assert_eq!(fs::read_dir(run.join("videos")).unwrap().count(), 2);

    let run = text(&run);
    let play = ["--json", "play", &run, "--episodes", "2", "--video", &video, "--size", "96x48"];
    let result = keiko(&play).expect(0).result();
    let Some(said) = read(&[&video]) else { return };
    // A frame before each action of both episodes.
    assert_eq!((&said["frames"], &result["frames"]), (&result["env_steps"], &result["env_steps"]));

    let render = ["--json", "render", "cartpole", "--out", &video, "--policy", &run, "--size", "96x48"];
    let result = keiko(&render).expect(0).result();
    let Some(said) = read(&[&video]) else { return };
    assert_eq!(said["frames"], result["frames"]);
}

#[test]
fn videos_that_cannot_be_made_are_refused() {
    let dir = TempDir::new("no-film");
    let out = dir.file("a.mp4");
    let refused = |args: &[&str], pieces: &[&str]| {
        keiko(&[&["render"], args].concat()).expect(2).stderr_has(pieces);
    };
    refused(&["cartpole", "--out", &out, "--size", "81x60"], &["81 x 60", "even numbers"]);
    refused(&["cartpole", "--out", &out, "--camera", "sid"], &["did you mean `side`?"]);
    refused(&["cartpole", "--out", &out, "--channels", "rgb,depth"], &["depth", "allowed: rgb"]);
    refused(&["cartpole", "--out", &out, "--actions", "zero", "--policy", "last"], &["cannot be used with"]);
    refused(&["cartpole", "--out", &out, "--actions", "expert"], &["scripted expert"]);
    let robot = workspace_file("assets/robots/quadruped/quadruped.xml");
    refused(&[&robot, "--out", &out], &["a robot file has no episode"]);
    refused(&["cartpole", "--out", &dir.file("a.png"), "--actions", "zero"], &["--actions", ".mp4"]);
    keiko(&["play", "last", "--video", &dir.file("a.avi")]).expect(2).stderr_has(&["ends in .mp4"]);
    keiko(&["play", "last", "--camera", "side"]).expect(2).stderr_has(&["--video"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
}
