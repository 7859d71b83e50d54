//! Frames to H.264 (openh264), H.264 to MP4 (muxide), in memory.

use std::fmt;

use muxide::api::{Muxer, MuxerBuilder, VideoCodec};
use openh264::encoder::{
    ColorPrimaries, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange, RateControlMode,
    TransferCharacteristics, VuiConfig,
};
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, Timestamp};

use crate::VideoError;
use crate::colour::to_yuv;

/// Sides that the codec takes \[pixel\]: of level 5.2, its highest.
const SIDES: std::ops::RangeInclusive<u32> = 16..=3840;
/// The most of the smaller side \[pixel\].
const MOST_OF_SMALLER: u32 = 2160;
/// Most frames a second.
const MOST_RATE: f64 = 1000.0;
/// Quantisation of H.264 (0 finest, 51 coarsest): drawn edges stay clean, a minute takes a few megabytes.
const QUANTISATION: u8 = 16;

/// Makes a video in memory: the bytes of an MP4 file. The same frames make the same bytes.
///
/// Colours are stored as ITU-R BT.601 YCbCr of limited range with one colour for two by two pixels (4:2:0).
pub struct VideoEncoder {
    muxer: Muxer<Vec<u8>>,
    encoder: Encoder,
    size: [usize; 2],
    fps: f64,
    num_frames: u64,
    num_bytes: usize,
    /// The frame that is being encoded, before.
    yuv: Vec<u8>,
    /// And after.
    packet: Vec<u8>,
}

impl VideoEncoder {
    /// A video of `[width, height]` pixels, even numbers, and `fps` frames a second, of which each `key_interval`-th can
    /// be jumped to: a reader decodes from there.
    ///
    /// # Errors
    /// [`VideoError::Size`], [`VideoError::Rate`].
    pub fn new(size: [u32; 2], fps: f64, key_interval: u32) -> Result<Self, VideoError> {
        let fits = size.iter().all(|side| SIDES.contains(side) && side.is_multiple_of(2));
        if !fits || size[0].min(size[1]) > MOST_OF_SMALLER {
            return Err(VideoError::Size(size));
        }
        if !(fps > 0.0 && fps <= MOST_RATE) {
            return Err(VideoError::Rate(fps));
        }
        let wrong = |message: String| VideoError::Encode { index: 0, message };
        let muxer = MuxerBuilder::new(Vec::new())
            .video(VideoCodec::H264, size[0], size[1], fps)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config(fps, key_interval))
            .map_err(|error| wrong(error.to_string()))?;
        let size = size.map(|side| side as usize);
        let yuv = vec![0; size[0] * size[1] * 3 / 2];
        Ok(Self { muxer, encoder, size, fps, num_frames: 0, num_bytes: 0, yuv, packet: Vec::new() })
    }

    /// Appends a frame, `[height, width, 3]`: red, green and blue of each pixel, sRGB.
    ///
    /// # Errors
    /// [`VideoError::Frame`], [`VideoError::Encode`].
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
        self.num_bytes += self.packet.len();
        Ok(())
    }

    /// Frames so far.
    pub fn num_frames(&self) -> u64 {
        self.num_frames
    }

    /// What they take \[byte\].
    pub fn num_bytes(&self) -> usize {
        self.num_bytes
    }

    /// The bytes of the file. The index stands in front, so that a browser plays it as it comes.
    ///
    /// # Errors
    /// [`VideoError::Encode`] if there are no frames.
    pub fn finish(mut self) -> Result<Vec<u8>, VideoError> {
        let wrong = |message: String| VideoError::Encode { index: self.num_frames, message };
        if self.num_frames == 0 {
            return Err(wrong("a video without frames".into()));
        }
        self.muxer.finish_in_place().map_err(|error| wrong(error.to_string()))?;
        Ok(self.muxer.into_writer())
    }
}

impl fmt::Debug for VideoEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoEncoder")
            .field("size", &self.size)
            .field("fps", &self.fps)
            .field("num_frames", &self.num_frames)
            .finish_non_exhaustive()
    }
}

/// One quality for all frames, none left out, and the same bytes for the same frames: one thread.
fn config(fps: f64, key_interval: u32) -> EncoderConfig {
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
        .intra_frame_period(IntraFramePeriod::from_num_frames(key_interval))
        .max_frame_rate(FrameRate::from_hz(fps as f32))
        .num_threads(1)
        .vui(colours)
}
