//! A dataset that lerobot wrote, read as lerobot reads it, and gone on with.

use std::fs;
use std::path::{Path, PathBuf};

use keiko_data::{Dataset, Demonstration, Image, Moment, Recorder, STATE, Spec, check};
use serde_json::Value;

use crate::support::TempDir;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lerobot")
}

fn floats(json: &Value) -> Vec<f32> {
    match json {
        Value::Array(items) => items.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn frames_and_chunks_are_what_lerobot_gives() {
    let judge = fs::read_to_string(fixture().join("judge.json")).unwrap();
    let judge: Vec<Value> = serde_json::from_str(&judge).unwrap();
    let dataset = Dataset::open(&fixture().join("dataset")).unwrap();
    assert_eq!((dataset.len(), dataset.episodes().len()), (judge.len(), 3));
    assert_eq!(dataset.info().robot_type.as_deref(), Some("toy"));
    for (index, expected) in judge.iter().enumerate() {
        let frame = dataset.frame(index).unwrap();
        assert_eq!(frame.state, floats(&expected["state"]));
        assert_eq!(*frame.task, *expected["task"].as_str().unwrap());
        assert_eq!(frame.timestamp, expected["timestamp"].as_f64().unwrap() as f32);
        assert_eq!(frame.episode as u64, expected["episode"].as_u64().unwrap());
        assert_eq!(frame.frame as u64, expected["frame"].as_u64().unwrap());
        let pixels: Vec<f32> = frame.images[0].pixels.iter().map(|value| f32::from(*value)).collect();
        assert_eq!(pixels, floats(&expected["pixels"]));
        let chunk = dataset.chunk(index, 4);
        assert_eq!(chunk.actions, floats(&expected["chunk"]));
        assert_eq!(chunk.actions[..2], frame.action);
        let pad: Vec<bool> =
            expected["is_pad"].as_array().unwrap().iter().map(|pad| pad.as_bool().unwrap()).collect();
        assert_eq!(chunk.is_pad, pad);
    }
    let success: Vec<_> = dataset.episodes().iter().map(|episode| episode.success).collect();
    assert_eq!(success, [Some(true), Some(false), Some(true)]);
}

#[test]
fn lerobots_dataset_is_sound_and_its_statistics_are_ours() {
    let report = check(&fixture().join("dataset")).unwrap();
    assert_eq!((report.findings, report.images), (Vec::new(), 15));
    let dataset = Dataset::open(&fixture().join("dataset")).unwrap();
    let values: Vec<Vec<f32>> = (0..dataset.len()).map(|t| dataset.frame(t).unwrap().state).collect();
    let stats = dataset.stats().get(STATE).unwrap();
    assert_eq!((stats.count, stats.quantiles.len()), (15, 5));
    for k in 0..3 {
        let column = || values.iter().map(|row| f64::from(row[k]));
        let mean = column().sum::<f64>() / 15.0;
        let std = (column().map(|x| (x - mean).powi(2)).sum::<f64>() / 15.0).sqrt();
        assert!((stats.mean[k] - mean).abs() < 1e-6 && (stats.std[k] - std).abs() < 1e-6);
    }
}

#[test]
fn a_dataset_of_lerobot_is_gone_on_with() {
    let dir = TempDir::new("lerobot");
    copy(&fixture().join("dataset"), dir.path());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let spec = Spec {
        fps: 20,
        robot_type: "toy".into(),
        state: names(&["shoulder", "elbow", "wrist"]),
        surroundings: Vec::new(),
        action: names(&["x", "y"]),
        cameras: vec![("front".into(), 6, 8)],
        video: false,
        label_success: true,
    };
    let mut recorder = Recorder::append(dir.path(), &spec).unwrap();
    let mut demonstration = Demonstration::new(recorder.spec());
    let image = Image { height: 6, width: 8, pixels: (0..144).collect() };
    for t in 0..3 {
        let images = std::slice::from_ref(&image);
        let moment = Moment { state: &[t as f32; 3], surroundings: &[], action: &[-1.0, 1.0], images };
        demonstration.push(moment).unwrap();
    }
    let episode = recorder.save(demonstration, "push the green cone", true).unwrap();
    assert_eq!((episode.index, episode.start), (3, 15));
    drop(recorder);
    let dataset = Dataset::open(dir.path()).unwrap();
    assert_eq!((dataset.len(), dataset.info().tasks.len()), (18, 3));
    assert_eq!(dataset.frame(16).unwrap().images, [image]);
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}
