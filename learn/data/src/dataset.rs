//! Reading a dataset, whoever wrote it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{ActionChunk, Image, Info, Result, Stats};

/// A dataset that is read. States, actions and counters are in memory; images are read when a frame is asked for, from
/// any number of threads.
#[derive(Debug)]
pub struct Dataset {}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Number in the dataset, from 0.
    pub index: usize,
    /// Number of its episode, from 0.
    pub episode: usize,
    /// Number in the episode, from 0.
    pub frame: usize,
    /// Time since the episode's start \[s\].
    pub timestamp: f32,
    /// What is to be done, in words.
    pub task: Arc<str>,
    /// Measurements `[dims]` of `observation.state`.
    pub state: Vec<f32>,
    /// What the robot was then told `[dims]`.
    pub action: Vec<f32>,
    /// One for each of [`Info::cameras`], in that order.
    pub images: Vec<Image>,
}

/// One episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Number, from 0.
    pub index: usize,
    /// First frame, in the dataset.
    pub start: usize,
    /// Frames.
    pub length: usize,
    /// Its tasks in words; one, as a rule.
    pub tasks: Vec<Arc<str>>,
    /// Whether it reached its goal, where the dataset says (feature `next.success`).
    pub success: Option<bool>,
}

/// A file of a dataset and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileHash {
    /// Path inside the dataset's folder, with `/`.
    pub path: String,
    /// Size \[byte\].
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl Dataset {
    /// Opens a folder.
    ///
    /// # Errors
    /// Names the file, and what is missing, damaged, not finite or not supported in it.
    pub fn open(folder: &Path) -> Result<Self> {
        let _ = folder;
        unimplemented!()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        unimplemented!()
    }

    /// Features, rates and totals.
    pub fn info(&self) -> &Info {
        unimplemented!()
    }

    /// Statistics over the whole dataset, from `meta/stats.json`; all are finite.
    pub fn stats(&self) -> &Stats {
        unimplemented!()
    }

    /// Episodes, in order.
    pub fn episodes(&self) -> &[Episode] {
        unimplemented!()
    }

    /// Frames of all episodes.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One frame with its images.
    ///
    /// # Errors
    /// If an image cannot be read, or `index` is past the end.
    pub fn frame(&self, index: usize) -> Result<Frame> {
        let _ = index;
        unimplemented!()
    }

    /// One frame of which only the cameras at these places of [`Info::cameras`] are read, in this order.
    ///
    /// # Errors
    /// As [`Dataset::frame`].
    pub fn frame_with(&self, index: usize, cameras: &[usize]) -> Result<Frame> {
        let _ = (index, cameras);
        unimplemented!()
    }

    /// The actions of `len` frames from `index` on, within its episode.
    ///
    /// # Panics
    /// If `index` is past the end.
    pub fn chunk(&self, index: usize, len: usize) -> ActionChunk {
        let _ = (index, len);
        unimplemented!()
    }

    /// Holds the dataset to a robot: the numbers of state and action must have these names, in this order. Empty
    /// lists are not checked, and neither is `robot_type` where either side does not say.
    ///
    /// # Errors
    /// Names the first difference.
    pub fn check_robot(&self, robot_type: Option<&str>, state: &[String], action: &[String]) -> Result<()> {
        let _ = (robot_type, state, action);
        unimplemented!()
    }

    /// Every file of the dataset with size and hash, sorted by path: for records of what a model was made from.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn file_hashes(&self) -> Result<Vec<FileHash>> {
        unimplemented!()
    }
}

/// Goes through every byte of a dataset: hashes, every image, every counter, every statistic. Gives what was found in
/// words; empty means sound.
///
/// # Errors
/// If the folder cannot be opened at all, as [`Dataset::open`].
pub fn check(folder: &Path) -> Result<Vec<String>> {
    let _: PathBuf = folder.to_owned();
    unimplemented!()
}
