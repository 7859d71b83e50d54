//! `keiko record` and `keiko data`: demonstrations that survive, and datasets that do not fit.

use std::path::Path;

use keiko_data::{Dataset, Frame, Image, SURROUNDINGS};

use crate::support::{Running, TempDir, keiko};

/// Small images, few environments.
fn record<'a>(out: &'a str, episodes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let few = [
        "--json",
        "record",
        "reach-to",
        "--out",
        out,
        "--episodes",
        episodes,
        "--envs",
        "3",
        "--size",
        "16x16",
    ];
    [&few[..], more].concat()
}

fn episodes(out: &str) -> usize {
    Dataset::open(Path::new(out)).map_or(0, |dataset| dataset.episodes().len())
}

/// Where a dataset says that something was in a frame \[m\].
fn place(dataset: &Dataset, frame: &Frame, what: &str) -> [f32; 3] {
    let names = &dataset.info().feature(SURROUNDINGS).expect("surroundings").names;
    ["x", "y", "z"].map(|axis| {
        let name = format!("{what}.{axis}");
        frame.surroundings[names.iter().position(|known| *known == name).expect(&name)]
    })
}

#[test]
fn demonstrations_have_images_joints_actions_and_words() {
    let dir = TempDir::new("record");
    let out = dir.file("demos");
    let outcome = keiko(&record(&out, "4", &[]));
    let result = outcome.expect(0).result();
    assert_eq!((&result["episodes"], &result["recorded"]), (&4.into(), &4.into()));
    let dataset = Dataset::open(Path::new(&out)).unwrap();
    let info = dataset.info();
    assert_eq!((info.fps, info.robot_type.as_deref()), (25.0, Some("arm")));
    let joints: Vec<String> = (1..=7).map(|k| format!("axis{k}")).collect();
    dataset.check_robot(Some("arm"), &joints, &joints).unwrap();
    assert!(dataset.check_robot(None, &joints[1..], &joints).is_err());
    for episode in dataset.episodes() {
        assert_eq!((episode.length, episode.success), (30, None));
        let text = &episode.tasks[0];
        let names = ["red cube", "red box", "green ball", "green sphere", "blue cylinder", "blue can"];
        assert!(names.iter().any(|name| text.contains(name)), "{text}");
        let (first, last) =
            (dataset.frame(episode.start).unwrap(), dataset.frame(episode.start + 29).unwrap());
        assert_ne!(first.images[0], last.images[0]);
        assert_ne!(first.images[0], first.images[1]);
        assert!(first.action.iter().all(|action| action.abs() <= 1.0));
        assert_ne!(first.state, last.state);
        // What no sensor tells: where all things are, and where the one is that the words name.
        let props = ["red_cube", "green_ball", "blue_cylinder"];
        for (prop, names) in props.iter().zip(names.chunks(2)) {
            let is_meant = names.iter().any(|name| text.contains(name));
            let same = place(&dataset, &first, prop) == place(&dataset, &first, "object");
            assert_eq!(is_meant, same, "{text}: {prop}");
        }
        assert_eq!(first.surroundings.len(), 12);
    }
    // The same seed gives the same episodes.
    let again = dir.file("again");
    keiko(&record(&again, "4", &[]));
    let other = Dataset::open(Path::new(&again)).unwrap();
    let key =
        |dataset: &Dataset| (0..4).map(|e| dataset.frame(30 * e + 20).unwrap().state).collect::<Vec<_>>();
    let sorted = |mut states: Vec<Vec<f32>>| {
        states.sort_by(|a, b| a.partial_cmp(b).unwrap());
        states
    };
    assert_eq!(sorted(key(&dataset)), sorted(key(&other)));

    let result = keiko(&["--json", "data", "check", &out]).expect(0).result();
    assert_eq!((&result["frames"], &result["images"]), (&120.into(), &240.into()));
    // Going on takes the same features, and nothing else.
    keiko(&record(&out, "5", &[])).expect(0);
    assert_eq!(episodes(&out), 5);
    // Each recording says who made it, of which scene.
    let [first, second] = &dataset.origins().unwrap()[..] else { panic!("two recordings") };
    assert_eq!((&first["first_episode"], &second["first_episode"]), (&0.into(), &4.into()));
    assert_eq!((&first["expert"], &first["task"]), (&"script".into(), &"reach-to".into()));
    assert_eq!(first["started"]["seed"], 1);
    assert_eq!(first["scene_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(first["scene_sha256"], second["scene_sha256"]);
    let states: Vec<_> = key(&Dataset::open(Path::new(&out)).unwrap());
    let fifth = Dataset::open(Path::new(&out)).unwrap().frame(30 * 4 + 20).unwrap().state;
    assert!(!states.contains(&fifth), "the fifth is one of the first four again");
    keiko(&record(&out, "6", &["--camera", "front"])).expect(2).stderr_has(&["observation.images.wrist"]);
    keiko(&record(&out, "6", &["--failures"])).expect(2).stderr_has(&["next.success"]);
    keiko(&record(&out, "5", &[])).expect(0);
}

/// Peak signal-to-noise ratio of all colours, and of their brightness alone \[dB\].
fn psnr(pairs: &[(Image, Image)]) -> [f64; 2] {
    let bright = |pixel: &[u8; 3]| {
        let [red, green, blue] = pixel.map(f64::from);
        0.299 * red + 0.587 * green + 0.114 * blue
    };
    let (mut colour, mut luma, mut count) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        for (a, b) in a.pixels.as_chunks::<3>().0.iter().zip(b.pixels.as_chunks::<3>().0) {
            colour += a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>() / 3.0;
            luma += (bright(a) - bright(b)).powi(2);
            count += 1.0;
        }
    }
    [colour, luma].map(|sum| 10.0 * (255_f64.powi(2) * count / sum).log10())
}

/// An image whose squares of four pixels have one colour, and each pixel its own brightness (BT.601): what H.264 keeps at best.
fn one_colour_for_four(image: &Image) -> Image {
    let pixels = image.pixels.as_chunks::<3>().0;
    let split = |[red, green, blue]: [u8; 3]| {
        let [red, green, blue] = [red, green, blue].map(f64::from);
        let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        [luma, (blue - luma) / 1.772, (red - luma) / 1.402]
    };
    let mut found = image.clone();
    for (index, pixel) in found.pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (row, column) = (index / image.width / 2 * 2, index % image.width / 2 * 2);
        let four = [0, 1].map(|r| [0, 1].map(|c| split(pixels[(row + r) * image.width + column + c])));
        let mean = |k: usize| four.iter().flatten().map(|p| p[k]).sum::<f64>() / 4.0;
        let (luma, cb, cr) = (split(pixels[index])[0], mean(1), mean(2));
        let (red, blue) = (luma + 1.402 * cr, luma + 1.772 * cb);
        let green = (luma - 0.299 * red - 0.114 * blue) / 0.587;
        *pixel = [red, green, blue].map(|x| x.round().clamp(0.0, 255.0) as u8);
    }
    found
}

#[test]
fn demonstrations_as_videos_are_the_same_with_a_little_less_colour() {
    let dir = TempDir::new("videos");
    let [png, video] = ["png", "video"].map(|name| dir.file(name));
    for (out, more) in [(&png, &[][..]), (&video, &["--video"][..])] {
        let size = ["--size", "64x64", "--envs", "1"];
        let args = ["--json", "record", "reach-to", "--out", out, "--episodes", "3"];
        assert_eq!(keiko(&[&args[..], &size, more].concat()).expect(0).result()["recorded"], 3);
    }
    let [a, b] = [&png, &video].map(|out| Dataset::open(Path::new(out)).unwrap());
    assert_eq!((a.len(), a.stats()), (b.len(), b.stats()));
    let mut pairs = Vec::new();
    for index in 0..a.len() {
        let (mut a, mut b) = (a.frame(index).unwrap(), b.frame(index).unwrap());
        pairs.extend(a.images.drain(..).zip(b.images.drain(..)));
        assert_eq!(a, b);
    }
    let [colour, luma] = psnr(&pairs);
    let best: Vec<_> = pairs.iter().map(|(a, _)| (a.clone(), one_colour_for_four(a))).collect();
    let [best, _] = psnr(&best);
    println!("{colour:.1} dB of {best:.1} dB, brightness {luma:.1} dB");
    assert!(colour > best - 1.0 && luma > 42.0, "{colour} dB of {best} dB, brightness {luma} dB");
    let result = keiko(&["--json", "data", "check", &video]).expect(0).result();
    assert_eq!((&result["frames"], &result["images"]), (&90.into(), &180.into()));

    // Going on takes the same kind, and a size that has no video is refused before anything is written.
    keiko(&["record", "reach-to", "--out", &video, "--episodes", "4", "--size", "64x64"])
        .expect(2)
        .stderr_has(&["is video", "and image", "record into another folder"]);
    keiko(&[
        "record",
        "reach-to",
        "--out",
        &dir.file("odd"),
        "--episodes",
        "1",
        "--size",
        "63x64",
        "--video",
    ])
    .expect(2)
    .stderr_has(&["camera `front` as a video", "even numbers"]);
    assert!(!dir.path().join("odd").exists());
}

#[test]
fn things_are_brought_to_where_the_words_say() {
    for (scene, states, actions, things, targets) in [
        ("push-to", 7, 7, ["red", "green", "blue"], ["yellow", "purple", "white"]),
        ("pick-place", 9, 8, ["red", "green", "blue"], ["yellow", "purple", "white"]),
        ("sort", 9, 8, ["red", "green", "blue"], ["colour", "shape", "by"]),
    ] {
        let dir = TempDir::new(scene);
        let out = dir.file("demos");
        let args =
            ["--json", "record", scene, "--out", &out, "--episodes", "4", "--envs", "2", "--size", "16x16"];
        let result = keiko(&args).expect(0).result();
        assert_eq!(result["recorded"], 4, "{scene}");
        assert_eq!(result["cameras"], serde_json::json!(["front", "wrist"]));
        let dataset = Dataset::open(Path::new(&out)).unwrap();
        for episode in dataset.episodes() {
            let text = &episode.tasks[0];
            assert!(things.iter().any(|word| text.contains(word)), "{text}");
            assert!(targets.iter().any(|word| text.contains(word)) || scene == "sort", "{text}");
            let frame = dataset.frame(episode.start).unwrap();
            assert_eq!((frame.state.len(), frame.action.len()), (states, actions));
            assert!(frame.action.iter().all(|action| action.abs() <= 1.0));
            // At the end the thing is where it was to be brought.
            let last = dataset.frame(episode.start + episode.length - 1).unwrap();
            let [thing, target] = ["object", "target"].map(|what| place(&dataset, &last, what));
            let distance = (thing[0] - target[0]).hypot(thing[1] - target[1]);
            assert!(distance < 0.1, "{text}: {distance} m");
        }
    }
}

#[test]
fn failures_are_kept_with_their_label() {
    let dir = TempDir::new("failures");
    let out = dir.file("demos");
    // Nobody comes that near.
    let strict = ["--failures", "--camera", "front", "--set", "success.distance=1e-7"];
    let outcome = keiko(&record(&out, "3", &strict));
    let result = outcome.expect(0).result();
    assert_eq!((&result["tried"], &result["succeeded"]), (&3.into(), &0.into()));
    let dataset = Dataset::open(Path::new(&out)).unwrap();
    assert!(dataset.episodes().iter().all(|episode| episode.success == Some(false)));
}

#[test]
fn a_trained_policy_shows_how() {
    let dir = TempDir::new("policy");
    let (runs, out) = (dir.file("runs"), dir.file("demos"));
    let train =
        ["train", "arm-reach", "--device", "cpu", "--iterations", "1", "--envs", "8", "--runs", &runs];
    keiko(&train).expect(0);
    let args = [
        "--json",
        "record",
        "arm-reach",
        "--policy",
        "last",
        "--runs",
        &runs,
        "--out",
        &out,
        "--episodes",
        "2",
    ];
    let outcome = keiko(&[&args[..], &["--failures", "--size", "16x16"]].concat());
    assert_eq!(outcome.expect(0).result()["recorded"], 2);
    let dataset = Dataset::open(Path::new(&out)).unwrap();
    assert_eq!((dataset.len(), dataset.episodes().len()), (160, 2));
    assert_eq!(
        *dataset.frame(0).unwrap().task,
        *"Bring the fingertip of an arm to a point and hold it there"
    );
    // A policy for other observations is refused.
    let other = ["record", "reach-to", "--policy", "last", "--runs", &runs, "--out", &out];
    keiko(&other).expect(2);
    let other = ["record", "reach-to", "--policy", "last", "--runs", &runs, "--out", &dir.file("other")];
    keiko(&other).expect(2).stderr_has(&["observation"]);
}

#[test]
fn a_killed_recorder_goes_on() {
    let dir = TempDir::new("killed");
    let out = dir.file("demos");
    let outcome = keiko(&record(&out, "1", &["--camera", "front"]));
    outcome.expect(0);
    let mut before = 1;
    for round in 0..3 {
        let mut process = Running::start(&record(&out, "100000", &["--camera", "front"]), &dir);
        process.wait_for(|| episodes(&out) > before + round);
        assert!(process.kill(), "it ended by itself");
        let after = episodes(&out);
        assert!(after > before);
        before = after;
    }
    let target = (before + 2).to_string();
    keiko(&record(&out, &target, &["--camera", "front"])).expect(0);
    assert_eq!(episodes(&out), before + 2);
    keiko(&["data", "check", &out]).expect(0);

    let mut process = Running::start(&record(&out, "100000", &["--camera", "front"]), &dir);
    process.wait_for(|| episodes(&out) > before + 3);
    process.signal("INT");
    process.finish().expect(130);
    keiko(&["data", "check", &out]).expect(0);
}

#[test]
fn what_cannot_be_recorded_or_read_says_why() {
    let dir = TempDir::new("refused");
    let out = dir.file("demos");
    keiko(&["record", "half-cheetah", "--out", &out]).expect(2).stderr_has(&["no camera", "[[cameras]]"]);
    keiko(&["record", "cartpole", "--out", &out])
        .expect(2)
        .stderr_has(&["cartpole/scene.toml", "scripted expert"]);
    keiko(&record(&out, "1", &["--camera", "frnt"])).expect(2).stderr_has(&["did you mean `front`?"]);
    keiko(&record(&out, "1", &["--set", "physics.timestep=0.0123"]))
        .expect(2)
        .stderr_has(&["frames a second"]);
    keiko(&["data", "check", &out]).expect(2).stderr_has(&["no such folder"]);
    std::fs::create_dir(dir.path().join("full")).unwrap();
    std::fs::write(dir.path().join("full/notes.txt"), "mine").unwrap();
    keiko(&record(&dir.file("full"), "1", &[])).expect(2).stderr_has(&["not empty", "notes.txt"]);
    let pickle = dir.file("demos.pkl");
    std::fs::write(&pickle, b"\x80\x04.").unwrap();
    keiko(&["data", "check", &pickle]).expect(2).stderr_has(&["pickles"]);
}
