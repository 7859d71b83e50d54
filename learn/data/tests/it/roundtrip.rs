//! What is recorded is read, and appended to.

use std::sync::Arc;

use keiko_data::{
    ACTION, Dataset, Demonstration, ErrorKind, Finished, Image, Moment, Recorder, STATE, SURROUNDINGS, check,
};

use crate::support::{
    TempDir, action, demonstration, image, length, record, record_to, spec, state, success, surroundings,
    task,
};

#[track_caller]
fn assert_holds(dataset: &Dataset, episodes: usize) {
    assert_eq!(dataset.episodes().len(), episodes);
    assert_eq!(dataset.len(), (0..episodes).map(length).sum::<usize>());
    let mut index = 0;
    for episode in 0..episodes {
        let found = &dataset.episodes()[episode];
        assert_eq!((found.start, found.length), (index, length(episode)));
        assert_eq!(found.success, Some(success(episode)));
        assert_eq!(found.tasks.iter().map(|task| task.to_string()).collect::<Vec<_>>(), [task(episode)]);
        for t in 0..length(episode) {
            let frame = dataset.frame(index).unwrap();
            assert_eq!((frame.index, frame.episode, frame.frame), (index, episode, t));
            assert_eq!((frame.state, frame.action), (state(episode, t), action(episode, t)));
            assert_eq!(frame.surroundings, surroundings(episode));
            assert_eq!(frame.images, [image(episode, t, 0), image(episode, t, 1)]);
            assert_eq!(*frame.task, *task(episode));
            assert!((frame.timestamp - t as f32 / 25.0).abs() < 1e-6);
            index += 1;
        }
    }
}

#[test]
fn every_frame_is_read_as_it_was_recorded() {
    let dir = TempDir::new("frames");
    record(dir.path(), 7);
    let dataset = Dataset::open(dir.path()).unwrap();
    assert_holds(&dataset, 7);
    let info = dataset.info();
    assert_eq!((info.fps, info.robot_type.as_deref()), (25.0, Some("two-joint")));
    assert_eq!(info.tasks, [task(0), task(2)]);
    assert_eq!(info.feature(STATE).unwrap().names, spec().state);
    assert_eq!(info.feature(SURROUNDINGS).unwrap().names, spec().surroundings);
    assert_eq!(info.feature(ACTION).unwrap().names, spec().action);
    assert_eq!(info.cameras().map(|camera| camera.shape.clone()).collect::<Vec<_>>(), [[4, 6, 3], [3, 3, 3]]);
    let one = dataset.frame_with(2, &[1]).unwrap();
    assert_eq!(one.images, [image(0, 2, 1)]);
    assert!(dataset.frame(dataset.len()).is_err());
}

#[test]
fn chunks_end_with_their_episode() {
    let dir = TempDir::new("chunks");
    record(dir.path(), 3);
    let dataset = Dataset::open(dir.path()).unwrap();
    // Episode 1 has four frames and begins at frame 3.
    let chunk = dataset.chunk(5, 4);
    assert_eq!(chunk.is_pad, [false, false, true, true]);
    assert_eq!(chunk.actions, [action(1, 2), action(1, 3), action(1, 3), action(1, 3)].concat());
}

#[test]
fn appending_goes_on_where_the_recording_ended() {
    let dir = TempDir::new("append");
    for episodes in [2, 3, 3, 9] {
        let mut recorder = match episodes {
            2 => Recorder::create(dir.path(), &spec()).unwrap(),
            _ => Recorder::append(dir.path(), &spec()).unwrap(),
        };
        record_to(&mut recorder, episodes);
    }
    assert_holds(&Dataset::open(dir.path()).unwrap(), 9);
    let report = check(dir.path()).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!((report.episodes, report.images), (9, 2 * report.frames));

    // As if recorded in one go, but for the number of files with rows.
    let other = TempDir::new("at-once");
    record(other.path(), 9);
    let read = |dir: &TempDir| Dataset::open(dir.path()).unwrap();
    let (a, b) = (read(&dir), read(&other));
    for ((name, a), (_, b)) in a.stats().0.iter().zip(&b.stats().0) {
        let apart = a.mean.iter().zip(&b.mean).chain(a.std.iter().zip(&b.std)).map(|(a, b)| (a - b).abs());
        assert!(a.count == b.count && apart.fold(0.0, f64::max) < 1e-9, "{name}");
    }
}

#[test]
fn more_episodes_than_rows_in_a_file() {
    let dir = TempDir::new("many");
    record(dir.path(), 205);
    let dataset = Dataset::open(dir.path()).unwrap();
    assert_holds(&dataset, 205);
    let files = dataset.file_hashes().unwrap();
    let rows = files.iter().filter(|file| file.path.starts_with("meta/episodes/"));
    assert_eq!(rows.count(), 3);
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn statistics_are_those_of_all_frames() {
    let dir = TempDir::new("stats");
    record(dir.path(), 5);
    let dataset = Dataset::open(dir.path()).unwrap();
    let first: Vec<f64> =
        (0..5).flat_map(|e| (0..length(e)).map(move |t| f64::from(state(e, t)[0]))).collect();
    let mean = first.iter().sum::<f64>() / first.len() as f64;
    let std = (first.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / first.len() as f64).sqrt();
    let stats = dataset.stats().get(STATE).unwrap();
    assert!((stats.mean[0] - mean).abs() < 1e-9 && (stats.std[0] - std).abs() < 1e-9);
    let largest = first.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!((stats.min[0], stats.max[0], stats.count), (first[0], largest, first.len() as u64));
    let front = dataset.stats().get("observation.images.front").unwrap();
    assert!(front.mean.len() == 3 && front.max.iter().all(|x| (0.0..=1.0).contains(x)));
}

#[test]
fn hashes_name_every_file() {
    let dir = TempDir::new("hashes");
    record(dir.path(), 2);
    let hashes = Dataset::open(dir.path()).unwrap().file_hashes().unwrap();
    let names: Vec<&str> = hashes.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        names,
        [
            "data/chunk-000/file-000.parquet",
            "data/chunk-000/file-001.parquet",
            "meta/episodes/chunk-000/file-000.parquet",
            "meta/info.json",
            "meta/stats.json",
            "meta/tasks.parquet",
        ]
    );
    let info = std::fs::read(dir.path().join("meta/info.json")).unwrap();
    assert_eq!(hashes[3].bytes, info.len() as u64);
    record_to(&mut Recorder::append(dir.path(), &spec()).unwrap(), 3);
    let later = Dataset::open(dir.path()).unwrap().file_hashes().unwrap();
    assert_eq!(later[0], hashes[0], "finished episodes are never touched");
    assert_ne!(later.last(), hashes.last().filter(|last| last.path == "meta/info.json"));
}

#[test]
fn episodes_saved_together_make_the_same_dataset() {
    // More than a file of rows holds.
    let (one_by_one, together) = (TempDir::new("one-by-one"), TempDir::new("together"));
    record(one_by_one.path(), 103);
    let mut recorder = Recorder::create(together.path(), &spec()).unwrap();
    let spec = Arc::clone(recorder.spec());
    for episodes in [0..2, 2..2, 2..103] {
        let finished = episodes.clone().map(|episode| Finished {
            demonstration: demonstration(&spec, episode),
            task: task(episode),
            success: success(episode),
        });
        let saved = recorder.save_all(finished.collect()).unwrap();
        assert_eq!(
            saved.iter().map(|episode| episode.index).collect::<Vec<_>>(),
            episodes.collect::<Vec<_>>()
        );
    }
    let hashes = |dir: &TempDir| Dataset::open(dir.path()).unwrap().file_hashes().unwrap();
    assert_eq!(hashes(&one_by_one), hashes(&together));
    // One that does not belong here keeps the others out too.
    let empty = Finished { demonstration: Demonstration::new(&spec), task: "nothing".into(), success: true };
    let sound = Finished { demonstration: demonstration(&spec, 0), task: task(0), success: true };
    assert!(recorder.save_all(vec![sound, empty]).is_err());
    assert_eq!(recorder.num_episodes(), 103);
}

#[test]
fn an_empty_dataset_opens() {
    let dir = TempDir::new("empty");
    record(dir.path(), 0);
    let dataset = Dataset::open(dir.path()).unwrap();
    assert!(dataset.is_empty() && dataset.episodes().is_empty());
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn what_no_dataset_can_hold_is_not_recorded() {
    let dir = TempDir::new("wrong");
    let mut recorder = Recorder::create(dir.path(), &spec()).unwrap();
    let spec = Arc::clone(recorder.spec());
    let images = [image(0, 0, 0), image(0, 0, 1)];
    let mut demonstration_ = Demonstration::new(&spec);
    let sound = Moment { state: &[0.0; 3], surroundings: &[0.0; 2], action: &[0.0; 2], images: &images };
    let nan = demonstration_.push(Moment { state: &[0.0, f32::NAN, 0.0], ..sound }).unwrap_err();
    assert!(nan.to_string().contains("`observation.state` is NaN for `elbow` in frame 0"), "{nan}");
    assert!(demonstration_.push(Moment { state: &[0.0; 2], ..sound }).is_err());
    assert!(demonstration_.push(Moment { surroundings: &[], ..sound }).is_err());
    assert!(demonstration_.push(Moment { images: &images[..1], ..sound }).is_err());
    let wide = [Image { height: 1, width: 72, pixels: vec![0; 72] }, images[1].clone()];
    assert!(demonstration_.push(Moment { images: &wide, ..sound }).is_err());
    assert!(demonstration_.is_empty());
    assert!(recorder.save(demonstration_, "nothing", true).is_err());
    let mut other = (*spec).clone();
    other.label_success = false;
    assert!(recorder.save(demonstration(&Arc::new(other.clone()), 0), "other", true).is_err());
    // Two at once, another robot, another name, a folder with something in it.
    let error = Recorder::append(dir.path(), &spec).unwrap_err();
    assert!(error.kind == ErrorKind::Io && error.message.contains("another process"), "{error}");
    drop(recorder);
    assert!(Recorder::create(dir.path(), &spec).unwrap_err().message.contains("not empty"));
    assert!(Recorder::append(dir.path(), &other).unwrap_err().message.contains("next.success"));
    let mut renamed = (*spec).clone();
    renamed.action.swap(0, 1);
    let error = Recorder::append(dir.path(), &renamed).unwrap_err();
    assert!(error.message.contains("feature `action`"), "{error}");
    let missing = TempDir::new("missing");
    assert!(Recorder::append(missing.path(), &spec).is_err());
}
