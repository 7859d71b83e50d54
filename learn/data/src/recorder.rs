//! Writing a dataset, episode by episode.

use std::path::Path;

use crate::{Episode, Image, Result};

/// What every frame of a recording holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Frames a second.
    pub fps: u32,
    /// Which robot.
    pub robot_type: String,
    /// Names of the numbers of `observation.state`, in order.
    pub state: Vec<String>,
    /// Names of the numbers of `action`, in order.
    pub action: Vec<String>,
    /// Cameras: name, height, width.
    pub cameras: Vec<(String, usize, usize)>,
    /// Whether frames say if their episode reached its goal (`next.success`): needed where failures are kept too.
    pub label_success: bool,
}

/// An episode while it is recorded, in memory. Many can be in flight at once.
#[derive(Clone, Debug)]
pub struct Demonstration {}

impl Demonstration {
    /// An empty one.
    pub fn new(spec: &Spec) -> Self {
        let _ = spec;
        unimplemented!()
    }

    /// Adds a frame: measurements, the action that followed, and an image for each camera of the [`Spec`].
    ///
    /// # Errors
    /// If sizes are not those of the [`Spec`], or a number is not finite.
    pub fn push(&mut self, state: &[f32], action: &[f32], images: &[Image]) -> Result<()> {
        let _ = (state, action, images);
        unimplemented!()
    }

    /// Frames so far.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there is no frame yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes a dataset. What [`Recorder::save`] was given is on disk when it returns: a process killed at any later moment
/// loses nothing of it, and leaves a folder that opens.
#[derive(Debug)]
pub struct Recorder {}

impl Recorder {
    /// Starts a dataset in a folder that is empty or does not exist.
    ///
    /// # Errors
    /// If the folder holds something, or cannot be written.
    pub fn create(folder: &Path, spec: &Spec) -> Result<Self> {
        let _ = (folder, spec);
        unimplemented!()
    }

    /// Goes on with a dataset, after removing what a killed recorder left of an episode in flight.
    ///
    /// # Errors
    /// If it is no dataset, its features are others than those of `spec`, or another process writes to it.
    pub fn append(folder: &Path, spec: &Spec) -> Result<Self> {
        let _ = (folder, spec);
        unimplemented!()
    }

    /// Episodes that are saved.
    pub fn num_episodes(&self) -> usize {
        unimplemented!()
    }

    /// Frames that are saved.
    pub fn num_frames(&self) -> usize {
        unimplemented!()
    }

    /// Saves an episode of a task.
    ///
    /// # Errors
    /// If the demonstration is empty, of another [`Spec`], or the disk refuses; the dataset is then as before.
    pub fn save(&mut self, demonstration: Demonstration, task: &str, success: bool) -> Result<Episode> {
        let _ = (demonstration, task, success);
        unimplemented!()
    }
}
