//! Metrics and TensorBoard events: a resumed log equals an uninterrupted one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keiko_testkit as testkit;
use keiko_train::metrics::{MetricsLog, read_metrics};
use keiko_train::tfevents::{Event, EventLog, read_events};

use crate::support::TempDir;

fn scalars(step: u64) -> [(&'static str, f64); 3] {
    [
        ("Train/mean_reward", step as f64 / 3.0),
        ("Loss/value", 1e-9 * step as f64),
        ("Perf/total_fps", 123_456.0),
    ]
}

fn write_metrics(log: &mut MetricsLog, steps: impl IntoIterator<Item = u64>) {
    for step in steps {
        log.append(step, &scalars(step));
    }
    assert_eq!((log.dropped(), log.take_warning()), (0, None));
}

/// The JSON parser is fast, not correctly rounded: it may be off by some units in the last place, relative.
const JSON_PARSER_TOLERANCE: f64 = 4.0 * f64::EPSILON;

#[test]
fn metrics_are_json_lines_and_come_back() {
    let dir = TempDir::new("metrics");
    let path = dir.path().join("metrics.jsonl");
    write_metrics(&mut MetricsLog::create(&path).unwrap(), 0..50);
    let text = fs::read_to_string(&path).unwrap();
    let second = text.lines().nth(1).unwrap();
    assert!(
        second.starts_with("{\"step\":1,\"Train/mean_reward\":0.3333333333333333,\"Loss/value\":1e-9,"),
        "{second}"
    );
    let read = read_metrics(&path).unwrap();
    assert_eq!(read.len(), 50);
    for (line, found) in text.lines().zip(read) {
        for (name, value) in scalars(found.step) {
            // The text is exact: Rust's own parser gives the value back to the last bit.
            let (_, written) = line.split_once(&format!("\"{name}\":")).unwrap();
            let written = written.split([',', '}']).next().unwrap();
            assert_eq!(written.parse::<f64>().unwrap().to_bits(), value.to_bits());
            let read = found.scalars[name];
            assert!(
                (read - value).abs() <= JSON_PARSER_TOLERANCE * value.abs(),
                "{name}: {read} and {value}"
            );
        }
    }
}

#[test]
fn resumed_metrics_equal_uninterrupted_ones() {
    let dir = TempDir::new("metrics-resume");
    let whole = dir.path().join("whole.jsonl");
    write_metrics(&mut MetricsLog::create(&whole).unwrap(), 1..=60);
    let whole = fs::read(whole).unwrap();
    let path = dir.path().join("killed.jsonl");
    // Killed after every possible number of bytes beyond the checkpoint of step 30.
    let up_to_30 = whole.split_inclusive(|&c| c == b'\n').take(30).map(<[u8]>::len).sum::<usize>();
    for len in (up_to_30..whole.len()).step_by(13) {
        fs::write(&path, &whole[..len]).unwrap();
        write_metrics(&mut MetricsLog::resume(&path, 30).unwrap(), 31..=60);
        assert!(fs::read(&path).unwrap() == whole, "killed at byte {len}");
    }
    fs::remove_file(&path).unwrap();
    write_metrics(&mut MetricsLog::resume(&path, 0).unwrap(), 1..=60);
    assert!(fs::read(&path).unwrap() == whole, "a file that was lost is started again");
}

#[test]
fn odd_lines_survive_a_resume_and_odd_values_are_null() {
    let dir = TempDir::new("metrics-odd");
    let path = dir.path().join("metrics.jsonl");
    fs::write(&path, b"{\"step\":1}\n\xff\xfe not json\n{\"step\":2,\"a\":1.5}\n{\"step\":9}\n{\"step\":")
        .unwrap();
    let mut log = MetricsLog::resume(&path, 5).unwrap();
    log.append(6, &[("nan", f64::NAN), ("inf", f64::INFINITY), ("quote\"", 1.0)]);
    let bytes = fs::read(&path).unwrap();
    let expected: &[u8] = b"{\"step\":1}\n\xff\xfe not json\n{\"step\":2,\"a\":1.5}\n{\"step\":6,\"nan\":null,\"inf\":null,\"quote\\\"\":1.0}\n";
    assert!(bytes == expected, "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(read_metrics(&path).unwrap().len(), 3);
}

#[test]
fn steps_never_go_down() {
    let dir = TempDir::new("metrics-steps");
    let path = dir.path().join("metrics.jsonl");
    let mut log = MetricsLog::create(&path).unwrap();
    for step in [3, 3, 2, 4] {
        log.append(step, &[("a", 0.0)]);
    }
    assert_eq!(log.dropped(), 1);
    assert!(log.take_warning().unwrap().contains("step 2 comes after step 3"));
    assert_eq!(read_metrics(&path).unwrap().iter().map(|line| line.step).collect::<Vec<_>>(), [3, 3, 4]);
}

fn event_file(dir: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("events.out.tfevents."));
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn without_time(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().map(|event| Event { wall_time: 0.0, ..event }).collect()
}

fn expected_events(steps: impl IntoIterator<Item = u64>) -> Vec<Event> {
    let header = Event { file_version: Some("brain.Event:2".to_owned()), ..Event::default() };
    let of_step = |step| Event {
        step,
        scalars: scalars(step).map(|(name, value)| (name.to_owned(), value as f32)).to_vec(),
        ..Event::default()
    };
    std::iter::once(header).chain(steps.into_iter().map(of_step)).collect()
}

#[test]
fn events_come_back() {
    let dir = TempDir::new("events");
    let mut log = EventLog::create(dir.path()).unwrap();
    let steps = [0, 1, 127, 128, 1 << 20, 1 << 40];
    for step in steps {
        log.append(step, &scalars(step));
    }
    assert_eq!(log.path(), event_file(dir.path()));
    let events = read_events(&fs::read(log.path()).unwrap());
    assert!(events.iter().all(|event| event.wall_time > 1.7e9));
    assert_eq!(without_time(events), expected_events(steps));
}

#[test]
fn resumed_events_equal_uninterrupted_ones() {
    let dir = TempDir::new("events-resume");
    let mut log = EventLog::create(dir.path()).unwrap();
    (1..=40).for_each(|step| log.append(step, &scalars(step)));
    drop(log);
    let path = event_file(dir.path());
    let whole = fs::read(&path).unwrap();
    // One of 41 records is the header; 20 of the others are cut in the middle, or damaged.
    for len in (whole.len() * 22 / 41..whole.len()).step_by(97) {
        let mut killed = whole[..len].to_vec();
        *killed.last_mut().unwrap() ^= 1;
        fs::write(&path, killed).unwrap();
        let mut log = EventLog::resume(dir.path(), 20).unwrap();
        (21..=40).for_each(|step| log.append(step, &scalars(step)));
        assert_eq!(without_time(read_events(&fs::read(&path).unwrap())), expected_events(1..=40), "{len}");
    }
}

#[test]
fn no_byte_string_upsets_the_reader() {
    let mut random = crate::support::Random(3);
    let dir = TempDir::new("events-bytes");
    let mut log = EventLog::create(dir.path()).unwrap();
    (1..=5).for_each(|step| log.append(step, &scalars(step)));
    let whole = fs::read(log.path()).unwrap();
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        let offset = random.below(bytes.len());
        bytes[offset] = random.next() as u8;
        bytes.truncate(random.below(bytes.len() + 1));
        assert!(read_events(&bytes).len() <= 6);
    }
}

/// Installs TensorBoard beside the other oracles, once, and gives the folder to put on Python's path.
fn tensorboard() -> Result<PathBuf, testkit::Skip> {
    let python = testkit::python()?;
    let folder = testkit::cache_dir().join("tensorboard-2.20.0");
    if folder.is_dir() {
        return Ok(folder);
    }
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--target"]);
    let output = pip.arg(&partial).args(["tensorboard==2.20.0", "setuptools<81"]).output();
    let output = output.map_err(|error| testkit::Skip(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(testkit::Skip(format!("TensorBoard cannot be installed: {said}")));
    }
    if fs::rename(&partial, &folder).is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    Ok(folder)
}

const READ_WITH_TENSORBOARD: &str = "
import json, sys
sys.path.insert(0, sys.argv[1])
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[2], size_guidance={'scalars': 0})
events.Reload()
tags = events.Tags()['scalars']
print(json.dumps({'version': events.file_version,
                  'scalars': {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags}}))
";

#[test]
fn tensorboard_reads_the_same() {
    let Some(packages) = testkit::available(tensorboard()) else { return };
    let dir = TempDir::new("tensorboard");
    let steps = [0, 1, 300, 1 << 33];
    let mut log = EventLog::create(dir.path()).unwrap();
    steps.iter().for_each(|&step| log.append(step, &scalars(step)));
    let args = [packages.as_os_str(), log.path().as_os_str()];
    let Some(read) = testkit::available(testkit::run_python(READ_WITH_TENSORBOARD, &args)) else { return };
    assert_eq!(read["version"], 2.0);
    assert_eq!(read["scalars"].as_object().unwrap().len(), 3);
    for (index, (name, _)) in scalars(0).iter().enumerate() {
        let read: Vec<(u64, f32)> = serde_json::from_value(read["scalars"][name].clone()).unwrap();
        let expected: Vec<_> = steps.iter().map(|&step| (step, scalars(step)[index].1 as f32)).collect();
        assert_eq!(read, expected, "{name}");
    }
}
