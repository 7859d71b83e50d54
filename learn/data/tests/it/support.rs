//! Folders that vanish, and episodes whose every number follows from the episode's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use keiko_data::{Demonstration, Image, Moment, Recorder, Spec};

/// A new folder under cargo's target folder, removed when dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An arm with two joints and two cameras.
pub fn spec() -> Spec {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Spec {
        fps: 25,
        robot_type: "two-joint".into(),
        state: names(&["shoulder", "elbow", "finger"]),
        surroundings: names(&["thing.x", "thing.y"]),
        action: names(&["shoulder", "elbow"]),
        cameras: vec![("front".into(), 4, 6), ("wrist".into(), 3, 3)],
        video: false,
        label_success: true,
    }
}

/// Frames of an episode.
pub fn length(episode: usize) -> usize {
    3 + episode % 4
}

/// Task of an episode.
pub fn task(episode: usize) -> String {
    format!("push the {} cube", ["red", "blue"][episode / 2 % 2])
}

pub fn state(episode: usize, frame: usize) -> Vec<f32> {
    (0..3).map(|k| (episode * 100 + frame * 10 + k) as f32 * 0.1).collect()
}

pub fn surroundings(episode: usize) -> Vec<f32> {
    vec![0.25 * episode as f32, -1.5]
}

pub fn action(episode: usize, frame: usize) -> Vec<f32> {
    (0..2).map(|k| -((episode * 100 + frame * 10 + k) as f32)).collect()
}

pub fn image(episode: usize, frame: usize, camera: usize) -> Image {
    let (_, height, width) = spec().cameras[camera];
    let pixels = (0..3 * height * width).map(|k| (episode * 31 + frame * 7 + camera * 3 + k * 5) as u8);
    Image { height, width, pixels: pixels.collect() }
}

/// The whole of an episode.
pub fn demonstration(spec: &Arc<Spec>, episode: usize) -> Demonstration {
    let mut demonstration = Demonstration::new(spec);
    for frame in 0..length(episode) {
        let images: Vec<Image> =
            (0..spec.cameras.len()).map(|camera| image(episode, frame, camera)).collect();
        let moment = Moment {
            state: &state(episode, frame),
            surroundings: &surroundings(episode),
            action: &action(episode, frame),
            images: &images,
        };
        demonstration.push(moment).unwrap();
    }
    demonstration
}

/// Whether an episode is a success.
pub fn success(episode: usize) -> bool {
    episode % 3 != 1
}

/// Adds episodes up to a number.
pub fn record_to(recorder: &mut Recorder, episodes: usize) {
    for episode in recorder.num_episodes()..episodes {
        let demonstration = demonstration(recorder.spec(), episode);
        recorder.save(demonstration, &task(episode), success(episode)).unwrap();
    }
}

/// A dataset of some episodes.
pub fn record(folder: &Path, episodes: usize) {
    record_to(&mut Recorder::create(folder, &spec()).unwrap(), episodes);
}

/// Puts other text into a file.
pub fn edit(path: &Path, change: impl Fn(String) -> String) {
    let before = fs::read_to_string(path).unwrap();
    let after = change(before.clone());
    assert_ne!(before, after, "the edit of {} changes nothing", path.display());
    fs::write(path, after).unwrap();
}
