//! Videos: frames in, an MP4 file with H.264 out, for any player and browser; and back, frame by frame.
//!
//! ```no_run
//! use keiko_video::{VideoReader, VideoWriter};
//!
//! let mut video = VideoWriter::create("falling.mp4".as_ref(), [320, 240], 50.0)?;
//! for _ in 0..100 {
//!     video.push(&[0; 3 * 320 * 240])?;
//! }
//! video.finish()?;
//!
//! let video = VideoReader::open("falling.mp4".as_ref())?;
//! let second = video.decode(1..2)?;
//! assert_eq!(second[0].len(), 3 * 320 * 240);
//! # Ok::<(), keiko_video::VideoError>(())
//! ```

mod colour;
mod encoder;
mod mp4;
mod partial;
mod reader;
mod sps;
mod writer;

use std::path::{Path, PathBuf};

pub use encoder::VideoEncoder;
pub use reader::VideoReader;
pub use writer::VideoWriter;

/// Why there is no video.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// A size that the codec has not.
    #[error(
        "a video of {} x {} pixels cannot be made; allowed: even numbers from 16 to 3840, the smaller of the two at most \
         2160 (H.264 has one colour for four pixels)",
        .0[0], .0[1]
    )]
    Size([u32; 2]),
    /// A rate that the file cannot say.
    #[error("a video of {0} frames a second cannot be made; allowed: more than 0, at most 1000")]
    Rate(f64),
    /// A frame of another size.
    #[error(
        "frame {index} has {found} bytes; the video's frames have {expected}: red, green and blue of each pixel"
    )]
    Frame {
        /// Its number, from 0.
        index: u64,
        /// Its bytes.
        found: usize,
        /// What they must be.
        expected: usize,
    },
    /// Nothing was filmed.
    #[error("{}: a video without frames", .0.display())]
    Empty(PathBuf),
    /// What the encoder says.
    #[error("frame {index} cannot be encoded: {message}")]
    Encode {
        /// Number of the frame, from 0.
        index: u64,
        /// What it says.
        message: String,
    },
    /// What the disk says.
    #[error("{}: {message}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why it cannot be read or written.
        message: String,
    },
    /// A file that breaks its format, or ends too early.
    #[error("{}: {message}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// A file that is sound as far as can be seen, and of a kind that is not read.
    #[error("{}: {message}", .path.display())]
    Unsupported {
        /// Which file.
        path: PathBuf,
        /// What was found, and the way out.
        message: String,
    },
}

/// What is wrong with a file whose name is not at hand.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(std::io::Error),
    Damaged(String),
    Unsupported(String),
}

impl Fault {
    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::Damaged(message.into())
    }

    pub(crate) fn at(self, path: &Path) -> VideoError {
        let path = path.to_owned();
        match self {
            Self::Io(error) => VideoError::File { path, message: error.to_string() },
            Self::Damaged(message) => VideoError::Damaged { path, message },
            Self::Unsupported(message) => VideoError::Unsupported { path, message },
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
