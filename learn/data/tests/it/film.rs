//! Cameras that are kept as videos.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use keiko_data::{Dataset, Demonstration, Dtype, Error, ErrorKind, Image, Moment, Recorder, Spec, check};
use keiko_testkit as testkit;
use serde_json::{Value, json};

use crate::support::{TempDir, edit, spec};

const CAMERAS: [&str; 2] = ["observation.images.front", "observation.images.wrist"];
const VIDEO: &str = "videos/observation.images.front/chunk-000/file-001.mp4";
const INFO: &str = "meta/info.json";
/// Least peak signal-to-noise ratio of a frame \[dB\]. Nearly all that is lost is colour at the edge of the ball, one for
/// four pixels: without the codec 34.3 dB would be left of the smaller images.
const LEAST_PSNR: f64 = 33.5;

/// As [`spec`], with images that a video can have.
fn film_spec() -> Spec {
    Spec { cameras: vec![("front".into(), 48, 64), ("wrist".into(), 32, 32)], video: true, ..spec() }
}

fn length(episode: usize) -> usize {
    3 + episode % 4
}

/// Slopes of colour that move.
fn image(episode: usize, frame: usize, camera: usize) -> Image {
    let (_, height, width) = film_spec().cameras[camera];
    let at = |x: usize, y: usize| {
        let ball = (x as f64 - 10.0 - 3.0 * frame as f64).hypot(y as f64 - 16.0) < 7.0;
        let ground =
            [60 + 2 * x + 20 * (episode % 5), 90 + 2 * y, 120 + x + y].map(|value| value.min(255) as u8);
        if ball { [150, 130 + 20 * camera as u8, 110] } else { ground }
    };
    let pixels = (0..height * width).flat_map(|k| at(k % width, k / width)).collect();
    Image { height, width, pixels }
}

fn demonstration(spec: &Arc<Spec>, episode: usize) -> Demonstration {
    let mut demonstration = Demonstration::new(spec);
    for frame in 0..length(episode) {
        let images = [0, 1].map(|camera| image(episode, frame, camera));
        let (state, surroundings, action) = ([frame as f32; 3], [0.5, episode as f32], [episode as f32, 1.0]);
        let moment = Moment { state: &state, surroundings: &surroundings, action: &action, images: &images };
        demonstration.push(moment).unwrap();
    }
    demonstration
}

fn record_to(recorder: &mut Recorder, episodes: usize) {
    for episode in recorder.num_episodes()..episodes {
        let demonstration = demonstration(recorder.spec(), episode);
        recorder.save(demonstration, "push", true).unwrap();
    }
}

fn record(folder: &Path, spec: &Spec, episodes: usize) {
    record_to(&mut Recorder::create(folder, spec).unwrap(), episodes);
}

fn psnr(a: &Image, b: &Image) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let off = a.pixels.iter().zip(&b.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    10.0 * (255_f64.powi(2) * a.pixels.len() as f64 / off.sum::<f64>()).log10()
}

#[track_caller]
fn assert_holds(folder: &Path, episodes: usize) {
    let dataset = Dataset::open(folder).unwrap();
    assert_eq!(dataset.len(), (0..episodes).map(length).sum::<usize>());
    // In no order, as it is learned from.
    for index in (0..dataset.len()).map(|k| k * 7 % dataset.len()) {
        let frame = dataset.frame(index).unwrap();
        assert_eq!(frame.state, [frame.frame as f32; 3]);
        for (camera, found) in frame.images.iter().enumerate() {
            let recorded = image(frame.episode, frame.frame, camera);
            assert!(psnr(found, &recorded) > LEAST_PSNR, "frame {index}: {} dB", psnr(found, &recorded));
        }
        assert_eq!(dataset.frame_with(index, &[1]).unwrap().images[..], frame.images[1..]);
    }
    let report = check(folder).unwrap();
    assert_eq!((report.findings, report.images), (Vec::new(), 2 * report.frames));
}

#[test]
fn frames_of_videos_are_those_that_were_recorded() {
    let dir = TempDir::new("film");
    record(dir.path(), &film_spec(), 5);
    assert_holds(dir.path(), 5);
    let dataset = Dataset::open(dir.path()).unwrap();
    let cameras: Vec<_> =
        dataset.info().cameras().map(|camera| (camera.name.as_str(), camera.dtype)).collect();
    assert_eq!(cameras, CAMERAS.map(|name| (name, Dtype::Video)));
    let info: Value = serde_json::from_slice(&fs::read(dir.path().join(INFO)).unwrap()).unwrap();
    assert_eq!(
        info["features"][CAMERAS[0]]["info"],
        json!({"video.height": 48, "video.width": 64, "video.codec": "h264", "video.pix_fmt": "yuv420p", "video.fps": 25,
            "video.is_depth_map": false, "video.channels": 3, "has_audio": false})
    );
    assert_eq!(info["video_path"], "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4");
    let files: Vec<String> = dataset.file_hashes().unwrap().into_iter().map(|file| file.path).collect();
    assert!(
        files.contains(&VIDEO.to_owned()) && files.iter().filter(|path| path.ends_with(".mp4")).count() == 10
    );

    // Statistics are those of what was recorded, as if nothing had been lost.
    let png = TempDir::new("png");
    record(png.path(), &Spec { video: false, ..film_spec() }, 5);
    let png = Dataset::open(png.path()).unwrap();
    assert_eq!(png.stats(), dataset.stats());
    assert_eq!(png.frame(3).unwrap().images[0], image(1, 0, 0));
}

#[test]
fn appending_goes_on_with_the_same_kind_of_images() {
    let dir = TempDir::new("film-append");
    record(dir.path(), &film_spec(), 2);
    record_to(&mut Recorder::append(dir.path(), &film_spec()).unwrap(), 4);
    assert_holds(dir.path(), 4);
    // One of PNG files is another one, either way.
    let png = Spec { video: false, ..film_spec() };
    let text = Recorder::append(dir.path(), &png).unwrap_err().to_string();
    assert!(text.contains("front` is video") && text.contains("and image"), "{text}");
    assert!(text.contains("record into another folder"), "{text}");
    let other = TempDir::new("png-append");
    record(other.path(), &png, 1);
    let text = Recorder::append(other.path(), &film_spec()).unwrap_err().to_string();
    assert!(text.contains("front` is image") && text.contains("and video"), "{text}");
    // A demonstration of the other is none of this.
    let mut recorder = Recorder::append(dir.path(), &film_spec()).unwrap();
    assert!(recorder.save(demonstration(&Arc::new(png), 0), "push", true).is_err());
}

#[test]
fn sizes_that_no_video_has() {
    for (height, width) in [(15, 64), (48, 63), (8, 8), (4000, 4000)] {
        let dir = TempDir::new("film-size");
        let spec = Spec { cameras: vec![("front".into(), height, width)], ..film_spec() };
        let error = Recorder::create(dir.path(), &spec).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("camera `front` as a video") && text.contains("even numbers from 16"),
            "{text}"
        );
    }
}

/// A dataset as it stands after so many of the writes that save its fourth episode.
fn after_writes(done: usize) -> TempDir {
    const WRITES: [&str; 6] = [
        "videos/observation.images.front/chunk-000/file-003.mp4",
        "videos/observation.images.wrist/chunk-000/file-003.mp4",
        "data/chunk-000/file-003.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/stats.json",
        INFO,
    ];
    let dir = TempDir::new("film-killed");
    let mut recorder = Recorder::create(dir.path(), &film_spec()).unwrap();
    record_to(&mut recorder, 3);
    let before = WRITES.map(|file| fs::read(dir.path().join(file)).ok());
    record_to(&mut recorder, 4);
    for (file, before) in WRITES.iter().zip(before).skip(done) {
        match before {
            Some(before) => fs::write(dir.path().join(file), before).unwrap(),
            None => fs::remove_file(dir.path().join(file)).unwrap(),
        }
    }
    dir
}

#[test]
fn between_any_two_writes_the_dataset_opens() {
    for done in 0..=6 {
        let dir = after_writes(done);
        let saved = if done > 3 { 4 } else { 3 };
        assert_eq!(Dataset::open(dir.path()).unwrap().episodes().len(), saved, "{done} writes");
        let findings = check(dir.path()).unwrap().findings;
        assert_eq!(findings.is_empty(), [0, 6].contains(&done), "{done} writes: {findings:?}");
        if (1..=3).contains(&done) {
            let unnamed = findings.iter().filter(|what| what.contains("no episode names this file"));
            assert_eq!(unnamed.count(), done, "{findings:?}");
        }
        let mut recorder = Recorder::append(dir.path(), &film_spec()).unwrap();
        assert_eq!(recorder.num_episodes(), saved);
        record_to(&mut recorder, 5);
        drop(recorder);
        assert_holds(dir.path(), 5);
    }
}

/// Names the folder for the child.
const FOLDER: &str = "KEIKO_TEST_FILM_INTO";

/// Not a test but what a child process runs: records for ever.
#[test]
fn child_that_films() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut recorder = match folder.join(INFO).is_file() {
        true => Recorder::append(folder, &film_spec()).unwrap(),
        false => Recorder::create(folder, &film_spec()).unwrap(),
    };
    for episodes in recorder.num_episodes() + 1.. {
        record_to(&mut recorder, episodes);
    }
}

#[test]
fn a_recorder_of_videos_that_is_killed_leaves_whole_episodes() {
    let dir = TempDir::new("film-child");
    let count = || Dataset::open(dir.path()).map_or(0, |dataset| dataset.episodes().len());
    let mut saved = 0;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "film::child_that_films", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while count() <= saved {
            assert!(child.try_wait().unwrap().is_none(), "the child records");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_micros(round * 3571 % 10_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = count();
        assert!(found > saved, "{saved} saved, {found} found");
        saved = found;
    }
    record_to(&mut Recorder::append(dir.path(), &film_spec()).unwrap(), saved + 2);
    assert_holds(dir.path(), saved + 2);
}

/// A dataset of three episodes, spoilt.
#[track_caller]
fn refused(name: &str, spoil: impl FnOnce(&Path)) -> Error {
    let dir = TempDir::new(name);
    record(dir.path(), &film_spec(), 3);
    spoil(dir.path());
    Dataset::open(dir.path()).expect_err("the dataset must be refused")
}

#[track_caller]
fn assert_says(error: &Error, file: &str, kind: ErrorKind, parts: &[&str]) {
    let text = error.to_string();
    assert!(error.location.file.ends_with(file), "{text}: names another file than {file}");
    assert_eq!(error.kind, kind, "{text}");
    assert!(parts.iter().all(|part| text.contains(part)), "{text}: lacks one of {parts:?}");
}

#[test]
fn videos_that_do_not_fit() {
    let error = refused("film-missing", |dir| fs::remove_file(dir.join(VIDEO)).unwrap());
    assert_says(&error, VIDEO, ErrorKind::Io, &["No such file"]);
    let error = refused("film-cut", |dir| {
        let bytes = fs::read(dir.join(VIDEO)).unwrap();
        fs::write(dir.join(VIDEO), &bytes[..bytes.len() - 1]).unwrap();
    });
    assert_says(&error, VIDEO, ErrorKind::Syntax, &["the file is cut"]);
    let error = refused("film-lfs", |dir| fs::write(dir.join(VIDEO), "version https://git-lfs").unwrap());
    assert_says(&error, VIDEO, ErrorKind::Syntax, &["past the end"]);
    let error = refused("film-other-size", |dir| {
        fs::copy(dir.join(VIDEO.replace("front", "wrist")), dir.join(VIDEO)).unwrap();
    });
    assert_says(&error, VIDEO, ErrorKind::Structure, &["32 x 32 pixels", "has 64 x 48"]);
    let error = refused("film-short", |dir| {
        fs::copy(dir.join(VIDEO.replace("001", "000")), dir.join(VIDEO)).unwrap();
    });
    assert_says(
        &error,
        VIDEO,
        ErrorKind::Structure,
        &["episode 1 has 4 frames", "it has 3 frames, from 0 s to 0.08 s"],
    );
    let error = refused("film-codec", |dir| {
        let mut bytes = fs::read(dir.join(VIDEO)).unwrap();
        let at = bytes.windows(4).position(|name| name == b"stsd").unwrap() + 16;
        assert_eq!(bytes[at..at + 4], *b"avc1");
        bytes[at..at + 4].copy_from_slice(b"av01");
        fs::write(dir.join(VIDEO), bytes).unwrap();
    });
    assert_says(&error, VIDEO, ErrorKind::Unsupported, &["its codec is AV1", "ffmpeg -i"]);
    let error =
        refused("film-template", |dir| edit(&dir.join(INFO), |text| text.replace("\"videos/", "\"../")));
    assert_says(&error, INFO, ErrorKind::Confinement, &["video_path", "leads out of the dataset"]);
    let error = refused("film-no-template", |dir| {
        edit(&dir.join(INFO), |text| text.replace("\"video_path\"", "\"vdieo_path\""));
    });
    assert_says(&error, INFO, ErrorKind::Structure, &["there is no video_path", "e.g. `videos/"]);
    let error = refused("film-rate", |dir| {
        edit(&dir.join(INFO), |text| text.replace("\"fps\": 25,", "\"fps\": 26,"))
    });
    assert_says(&error, "file-000.mp4", ErrorKind::Structure, &["episode 0 has 3 frames"]);
}

#[test]
fn more_frames_than_rows_are_found() {
    let dir = TempDir::new("film-surplus");
    record(dir.path(), &film_spec(), 3);
    fs::copy(dir.path().join(VIDEO.replace("001", "002")), dir.path().join(VIDEO)).unwrap();
    let findings = check(dir.path()).unwrap().findings;
    assert!(findings.len() == 1 && findings[0].contains("5 frames; its episodes have 4"), "{findings:?}");
    assert!(findings[0].contains("file-001.mp4"), "{findings:?}");
}

#[test]
fn a_frame_that_cannot_be_decoded_is_named() {
    let dir = TempDir::new("film-broken");
    record(dir.path(), &film_spec(), 3);
    let path = dir.path().join(VIDEO);
    let mut bytes = fs::read(&path).unwrap();
    // The code of the last group is at the end.
    let end = bytes.len();
    bytes[end - 400..].fill(0);
    fs::write(&path, bytes).unwrap();
    let dataset = Dataset::open(dir.path()).unwrap();
    assert!(dataset.frame(3).is_ok());
    let text = dataset.frame(6).unwrap_err().to_string();
    assert!(text.contains("file-001.mp4"), "{text}");
    assert!(check(dir.path()).unwrap().findings.iter().any(|what| what.contains("file-001.mp4")));
}

/// Moves times of episodes in the videos of a camera.
const MOVE: &str = r#"
import pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq
file = pathlib.Path(sys.argv[1]) / "meta/episodes/chunk-000/file-000.parquet"
table = pq.read_table(file)
for name, by in [("from", float(sys.argv[2])), ("to", float(sys.argv[3]))]:
    name = f"videos/observation.images.wrist/{name}_timestamp"
    times = pa.array([t + by for t in table[name].to_pylist()], pa.float64())
    table = table.set_column(table.schema.get_field_index(name), name, times)
pq.write_table(table, file)
print("0")
"#;

#[test]
fn times_that_do_not_fit() {
    let moved = |from: &str, to: &str| {
        let dir = TempDir::new("film-times");
        record(dir.path(), &film_spec(), 2);
        let args = [dir.path().to_str().unwrap(), from, to].map(str::to_owned);
        testkit::available(testkit::run_pyarrow(MOVE, &args)).map(|_| dir)
    };
    let wrist = "videos/observation.images.wrist/chunk-000/file-000.mp4";
    let Some(dir) = moved("0.02", "0") else { return };
    let error = Dataset::open(dir.path()).unwrap_err();
    assert_says(&error, wrist, ErrorKind::Structure, &["episode 0 has 3 frames, from 0.02 s to 0.1 s"]);
    let Some(dir) = moved("-1", "0") else { return };
    let error = Dataset::open(dir.path()).unwrap_err();
    let parts = ["wrist/from_timestamp` is -1 in row 0", "a time from 0 on"];
    assert_says(&error, "meta/episodes/chunk-000/file-000.parquet", ErrorKind::Value, &parts);
    let Some(dir) = moved("nan", "0") else { return };
    assert!(Dataset::open(dir.path()).unwrap_err().to_string().contains("is NaN in row 0"));
    let Some(dir) = moved("0", "0.5") else { return };
    let findings = check(dir.path()).unwrap().findings;
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].contains(wrist) && findings[0].contains("its 3 frames take 0.12 s"), "{findings:?}");
}

/// Makes of a dataset of ours what lerobot writes: one video a camera, in which episodes follow each other, by libx264 as
/// lerobot calls it, and one file of frames; videos as FFmpeg puts them one after the other.
const LIKE_LEROBOT: &str = r#"
import json, pathlib, sys
import av, numpy as np
root, way = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
for key in way["cameras"]:
    files = sorted((root / "videos" / key).glob("*/*.mp4"))
    frames = [f.to_ndarray(format="rgb24") for name in files for f in av.open(str(name)).decode(video=0)]
    for name in files:
        name.unlink()
    h, w, _ = frames[0].shape
    with av.open(str(files[0]), "w") as file:
        stream = file.add_stream(way["codec"], rate=25, options=way["options"])
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        for pixels in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
print(json.dumps(len(frames)))
"#;

const TABLES: &str = r#"
import json, pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq
root, way = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
for f in sorted((root / "meta/episodes").glob("*/*.parquet")):
    table = pq.read_table(f)
    def put(name, values, kind):
        global table
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, kind))
    for key in way["cameras"]:
        kept = {name: table[f"videos/{key}/{name}"].to_pylist() for name in ["from_timestamp", "to_timestamp"]}
        assert kept["from_timestamp"] == [0.0] * len(table), kept
        assert kept["to_timestamp"] == [n / 25 for n in table["length"].to_pylist()], kept
        put(f"videos/{key}/file_index", [0] * len(table), pa.int64())
        put(f"videos/{key}/from_timestamp", [n / 25 for n in table["dataset_from_index"].to_pylist()], pa.float64())
        put(f"videos/{key}/to_timestamp", [n / 25 for n in table["dataset_to_index"].to_pylist()], pa.float64())
    pq.write_table(table, f)
files = sorted((root / "data").glob("*/*.parquet"))
names = pq.read_table(files[0]).schema
print(json.dumps([names.names, list(json.loads(names.metadata[b"huggingface"])["info"]["features"])]))
"#;

#[test]
fn several_episodes_in_one_video_of_another_encoder() {
    for options in
        [json!({"g": "2", "crf": "18"}), json!({"g": "12", "crf": "15", "bf": "2", "b_strategy": "0"})]
    {
        let dir = TempDir::new("film-lerobot");
        record(dir.path(), &film_spec(), 6);
        let way = json!({"cameras": CAMERAS, "codec": "libx264", "options": options}).to_string();
        let args = [dir.path().to_str().unwrap().to_owned(), way];
        let Some(frames) = testkit::available(testkit::run_pyav(LIKE_LEROBOT, &args)) else { return };
        let Some(names) = testkit::available(testkit::run_pyarrow(TABLES, &args)) else { return };
        assert_eq!(frames, json!((0..6).map(length).sum::<usize>()));
        // Videos are no columns of the tables.
        let no_camera = |list: &Value| {
            list.as_array().unwrap().iter().all(|name| !CAMERAS.iter().any(|camera| name == camera))
        };
        assert!(no_camera(&names[0]) && no_camera(&names[1]), "{names}");
        let dataset = Dataset::open(dir.path()).unwrap();
        for index in (0..dataset.len()).rev() {
            let frame = dataset.frame(index).unwrap();
            for (camera, found) in frame.images.iter().enumerate() {
                let recorded = image(frame.episode, frame.frame, camera);
                // Twice encoded, and once through FFmpeg's own conversion of colours.
                assert!(psnr(found, &recorded) > 30.0, "frame {index}: {} dB", psnr(found, &recorded));
            }
        }
        assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
        // And gone on with: new episodes have videos of their own, behind all that are there.
        record_to(&mut Recorder::append(dir.path(), &film_spec()).unwrap(), 8);
        assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
        let dataset = Dataset::open(dir.path()).unwrap();
        let last = dataset.frame(dataset.len() - 1).unwrap();
        assert!(psnr(&last.images[0], &image(7, length(7) - 1, 0)) > LEAST_PSNR);
    }
    let dir = TempDir::new("film-av1");
    record(dir.path(), &film_spec(), 2);
    let way = json!({"cameras": CAMERAS, "codec": "libsvtav1", "options": {"g": "2"}}).to_string();
    let args = [dir.path().to_str().unwrap().to_owned(), way];
    let Some(_) = testkit::available(testkit::run_pyav(LIKE_LEROBOT, &args)) else { return };
    let error = Dataset::open(dir.path()).unwrap_err();
    assert_says(&error, "file-000.mp4", ErrorKind::Unsupported, &["its codec is AV1", "libx264"]);
}
