//! What is seen as a video, in the time of the simulation.

use std::path::{Path, PathBuf};

use keiko_camera::{Camera, Channel, halved};
use keiko_video::VideoWriter;

use crate::eye::Eye;
use crate::session::Session;
use crate::view::View;

/// Frames in a second that are enough \[Hz\].
const RATE: f64 = 60.0;
/// Smallest side of a video \[pixel\].
const LEAST: u32 = 16;

/// A video that is being made.
pub struct Film {
    eye: Eye,
    video: VideoWriter,
    path: PathBuf,
    size: [u32; 2],
    /// Control steps to a frame.
    stride: u64,
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Film").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Film {
    /// Begins a video of a size \[pixel\], rounded down to even numbers. Its time is that of the simulation.
    ///
    /// # Errors
    /// The picture or the file cannot be made, in words.
    pub fn create(path: &Path, session: &Session, view: &View, size: [u32; 2]) -> Result<Self, String> {
        let size = size.map(|side| (side & !1).max(LEAST));
        let dt = session.subject().control_dt;
        let stride = (1.0 / (RATE * dt) - 1e-9).ceil().max(1.0) as u64;
        let eye = Eye::new(&session.options().backend, session.subject(), view.shapes);
        let eye = eye.map_err(|error| error.to_string())?;
        let fps = 1.0 / (stride as f64 * dt);
        let video = VideoWriter::create(path, size, fps).map_err(|error| error.to_string())?;
        Ok(Self { eye, video, path: path.to_owned(), size, stride })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Frames so far.
    pub fn num_frames(&self) -> u64 {
        self.video.num_frames()
    }

    /// Takes a frame where one is due after a control step.
    ///
    /// # Errors
    /// The device or the disk fails, in words.
    pub fn after_step(&mut self, session: &Session, view: &View) -> Result<(), String> {
        if !session.step_count().is_multiple_of(self.stride) {
            return Ok(());
        }
        let (camera, _): (Camera, _) = view.camera(session, self.size.map(|side| 2 * side));
        self.eye.pose(session).map_err(|error| error.to_string())?;
        let images = self.eye.look(&camera, &[Channel::Rgb]).map_err(|error| error.to_string())?;
        let [width, height] = self.size.map(|side| side as usize);
        let pixels = halved(images.rgb().unwrap_or_default(), width, height);
        self.video.push(pixels.as_flattened()).map_err(|error| error.to_string())
    }

    /// Ends the video.
    ///
    /// # Errors
    /// There is no frame, or the disk fails, in words.
    pub fn finish(self) -> Result<(), String> {
        self.video.finish().map_err(|error| error.to_string())
    }
}
