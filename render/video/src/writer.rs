//! A video into a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::partial::PartialFile;
use crate::{VideoEncoder, VideoError};

/// Seconds between frames that a player can jump to.
const SEEK: f64 = 2.0;

/// Writes a video. The file has its name after [`VideoWriter::finish`]; before, it is `FILE.part`, and a writer that is
/// dropped leaves nothing. What is encoded is held in memory until then; [`VideoEncoder`] says how.
#[derive(Debug)]
pub struct VideoWriter {
    file: PartialFile,
    writer: BufWriter<File>,
    encoder: VideoEncoder,
}

impl VideoWriter {
    /// A video of `[width, height]` pixels, even numbers, and `fps` frames a second. A file of that name is replaced at
    /// the end.
    ///
    /// # Errors
    /// [`VideoError::Size`], [`VideoError::Rate`], [`VideoError::File`].
    pub fn create(path: &Path, size: [u32; 2], fps: f64) -> Result<Self, VideoError> {
        let encoder = VideoEncoder::new(size, fps, (SEEK * fps).ceil() as u32)?;
        let (file, writer) = PartialFile::create(path)?;
        Ok(Self { file, writer, encoder })
    }

    /// Appends a frame, `[height, width, 3]`: red, green and blue of each pixel, sRGB.
    ///
    /// # Errors
    /// [`VideoError::Frame`], [`VideoError::Encode`].
    pub fn push(&mut self, rgb: &[u8]) -> Result<(), VideoError> {
        self.encoder.push(rgb)
    }

    /// Frames so far.
    pub fn num_frames(&self) -> u64 {
        self.encoder.num_frames()
    }

    /// Writes the file, brings it to the disk and gives it its name.
    ///
    /// # Errors
    /// [`VideoError::Empty`], [`VideoError::File`].
    pub fn finish(mut self) -> Result<(), VideoError> {
        if self.num_frames() == 0 {
            return Err(VideoError::Empty(self.file.path().to_owned()));
        }
        let bytes = self.encoder.finish()?;
        self.writer.write_all(&bytes).map_err(|error| self.file.error(error))?;
        self.file.finish(self.writer)
    }
}
