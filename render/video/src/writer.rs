//! Frames to H.264 (openh264), H.264 to MP4 (muxide).

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use muxide::api::{Muxer, MuxerBuilder, VideoCodec};
use openh264::encoder::{
    ColorPrimaries, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange, RateControlMode,
    TransferCharacteristics, VuiConfig,
};
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, Timestamp};

use crate::VideoError;
use crate::colour::to_yuv;
use crate::partial::PartialFile;

/// Sides that the codec takes \[pixel\]: of level 5.2, its highest.
const SIDES: std::ops::RangeInclusive<u32> = 16..=3840;
/// The most of the smaller side \[pixel\].
const MOST_OF_SMALLER: u32 = 2160;
/// Most frames a second.
const MOST_RATE: f64 = 1000.0;
/// Quantisation of H.264 (0 finest, 51 coarsest): drawn edges stay clean, a minute takes a few megabytes.
const QUANTISATION: u8 = 16;
/// Seconds between frames that a player can jump to.
const SEEK: f64 = 2.0;

/// Writes a video. The file has its name after [`VideoWriter::finish`]; before, it is `FILE.part`, and a writer that is
/// dropped leaves nothing.
///
/// Colours are stored as ITU-R BT.601 YCbCr of limited range with one colour for two by two pixels (4:2:0). What is
/// encoded is held in memory until the end: the index stands in front of it, so that a browser plays it as it comes.
#[allow(missing_debug_implementations, reason = "the encoder has none")]
pub struct VideoWriter {
    file: PartialFile,
    muxer: Muxer<BufWriter<File>>,
    encoder: Encoder,
    size: [usize; 2],
    fps: f64,
    num_frames: u64,
    /// The frame that is being encoded, before.
    yuv: Vec<u8>,
    /// And after.
    packet: Vec<u8>,
}

impl VideoWriter {
    /// A video of `[width, height]` pixels, even numbers, and `fps` frames a second. A file of that name is replaced at
    /// the end.
    ///
    /// # Errors
    /// [`VideoError::Size`], [`VideoError::Rate`], [`VideoError::File`].
    pub fn create(path: &Path, size: [u32; 2], fps: f64) -> Result<Self, VideoError> {
        let fits = size.iter().all(|side| SIDES.contains(side) && side.is_multiple_of(2));
        if !fits || size[0].min(size[1]) > MOST_OF_SMALLER {
            return Err(VideoError::Size(size));
        }
        if !(fps > 0.0 && fps <= MOST_RATE) {
            return Err(VideoError::Rate(fps));
        }
        let (file, writer) = PartialFile::create(path)?;
        let muxer = MuxerBuilder::new(writer)
            .video(VideoCodec::H264, size[0], size[1], fps)
            .build()
            .map_err(|error| file.error(error))?;
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config(fps))
            .map_err(|error| VideoError::Encode { index: 0, message: error.to_string() })?;
        let size = size.map(|side| side as usize);
        let yuv = vec![0; size[0] * size[1] * 3 / 2];
        Ok(Self { file, muxer, encoder, size, fps, num_frames: 0, yuv, packet: Vec::new() })
    }

    /// Appends a frame, `[height, width, 3]`: red, green and blue of each pixel, sRGB.
    ///
    /// # Errors
    /// [`VideoError::Frame`], [`VideoError::Encode`], [`VideoError::File`].
    pub fn push(&mut self, rgb: &[u8]) -> Result<(), VideoError> {
        let ([width, height], index) = (self.size, self.num_frames);
        let expected = 3 * width * height;
        if rgb.len() != expected {
            return Err(VideoError::Frame { index, found: rgb.len(), expected });
        }
        to_yuv(rgb, self.size, &mut self.yuv);
        let (luma, chroma) = self.yuv.split_at(width * height);
        let (blue, red) = chroma.split_at(width * height / 4);
        let strides = (width, width / 2, width / 2);
        let yuv = YUVSlices::new((luma, blue, red), (width, height), strides);
        let seconds = index as f64 / self.fps;
        let stream = self
            .encoder
            .encode_at(&yuv, Timestamp::from_millis((1e3 * seconds) as u64))
            .map_err(|error| VideoError::Encode { index, message: error.to_string() })?;
        self.packet.clear();
        stream.write_vec(&mut self.packet);
        let is_key = matches!(stream.frame_type(), FrameType::IDR);
        self.muxer
            .write_video(seconds, &self.packet, is_key)
            .map_err(|error| VideoError::Encode { index, message: error.to_string() })?;
        self.num_frames += 1;
        Ok(())
    }

    /// Frames so far.
    pub fn num_frames(&self) -> u64 {
        self.num_frames
    }

    /// Writes the file, brings it to the disk and gives it its name.
    ///
    /// # Errors
    /// [`VideoError::Empty`], [`VideoError::File`].
    pub fn finish(mut self) -> Result<(), VideoError> {
        if self.num_frames == 0 {
            return Err(VideoError::Empty(self.file.path().to_owned()));
        }
        self.muxer.finish_in_place().map_err(|error| self.file.error(error))?;
        self.file.finish(self.muxer.into_writer())
    }
}

/// One quality for all frames, none left out, and the same bytes for the same frames: one thread.
fn config(fps: f64) -> EncoderConfig {
    let colours = VuiConfig::bt601()
        .color_primaries(ColorPrimaries::Bt709)
        .transfer_characteristics(TransferCharacteristics::Srgb);
    EncoderConfig::new()
        // Of the encoder's modes the one that keeps to the range below and never leaves out a frame.
        .rate_control_mode(RateControlMode::Bufferbased)
        .qp(QpRange::new(QUANTISATION, QUANTISATION))
        .skip_frames(false)
        .adaptive_quantization(false)
        .background_detection(false)
        .scene_change_detect(false)
        .intra_frame_period(IntraFramePeriod::from_num_frames((SEEK * fps).ceil() as u32))
        .max_frame_rate(FrameRate::from_hz(fps as f32))
        .num_threads(1)
        .vui(colours)
}
