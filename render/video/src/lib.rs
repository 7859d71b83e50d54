//! Videos: frames in, an MP4 file with H.264 out, for any player and browser.
//!
//! ```no_run
//! use keiko_video::VideoWriter;
//!
//! let mut video = VideoWriter::create("falling.mp4".as_ref(), [320, 240], 50.0)?;
//! for _ in 0..100 {
//!     video.push(&[0; 3 * 320 * 240])?;
//! }
//! video.finish()?;
//! # Ok::<(), keiko_video::VideoError>(())
//! ```

mod colour;
mod partial;
mod writer;

use std::path::PathBuf;

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
        /// Why it cannot be written.
        message: String,
    },
}
