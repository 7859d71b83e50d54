//! A video frame by frame.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use crate::colour::to_rgb;
use crate::mp4::{Sample, Track};
use crate::sps::Sps;
use crate::{Fault, VideoError};

/// A video of H.264 (8 bits, 4:2:0, progressive) in an MP4 file, whoever made it. Only the index is held in memory; frames
/// are decoded when they are asked for, from any number of threads.
///
/// Pixels are those that any decoder makes, but for frames between two others that both make them ("B"): of these openh264
/// rounds a few pixels in its own way, by some levels of 255.
///
/// Frames are numbered as they are shown. They come in *groups*: to decode a frame, those of its group before it are
/// decoded too, and none of another.
#[derive(Clone, Debug)]
pub struct VideoReader {
    path: PathBuf,
    track: Track,
    sps: Sps,
    /// When each frame is shown \[tick\], ascending.
    times: Vec<i64>,
    /// First frame of each group.
    groups: Vec<usize>,
}

impl VideoReader {
    /// Reads the index of a file.
    ///
    /// # Errors
    /// [`VideoError::File`]; [`VideoError::Damaged`] if it is no MP4 file or is cut; [`VideoError::Unsupported`] of another
    /// codec or other colours, with the way out.
    pub fn open(path: &Path) -> Result<Self, VideoError> {
        Self::read(path).map_err(|fault| fault.at(path))
    }

    fn read(path: &Path) -> Result<Self, Fault> {
        let track = Track::read(&mut File::open(path)?)?;
        let sps = Sps::parse(&track.sps)?;
        if sps.size.iter().any(|side| !side.is_multiple_of(2)) {
            let what = format!("frames of {} x {} pixels; read are even numbers", sps.size[0], sps.size[1]);
            return Err(Fault::Unsupported(what));
        }
        let mut times: Vec<i64> = track.samples.iter().map(|sample| sample.time).collect();
        times.sort_unstable();
        if let Some(at) = times.windows(2).position(|pair| pair[0] == pair[1]) {
            return Err(Fault::damaged(format!("frames {at} and {} are shown at the same time", at + 1)));
        }
        let groups = groups(&track.samples);
        Ok(Self { path: path.to_owned(), track, sps, times, groups })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Width and height \[pixel\].
    pub fn size(&self) -> [u32; 2] {
        self.sps.size
    }

    /// Frames; at least one.
    pub fn num_frames(&self) -> usize {
        self.times.len()
    }

    /// When a frame is shown \[s\].
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn time(&self, frame: usize) -> f64 {
        self.times[frame] as f64 / f64::from(self.track.timescale)
    }

    /// The frame that is shown nearest to a time \[s\].
    pub fn nearest(&self, time: f64) -> usize {
        let scale = f64::from(self.track.timescale);
        let after = self.times.partition_point(|ticks| (*ticks as f64 / scale) < time);
        match after {
            0 => 0,
            after if after == self.num_frames() => after - 1,
            after if time - self.time(after - 1) <= self.time(after) - time => after - 1,
            after => after,
        }
    }

    /// The group of a frame.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn group(&self, frame: usize) -> Range<usize> {
        assert!(frame < self.num_frames(), "frame {frame} of {}", self.num_frames());
        let after = self.groups.partition_point(|start| *start <= frame);
        self.groups[after - 1]..self.groups.get(after).copied().unwrap_or(self.num_frames())
    }

    /// Decodes frames of one group: `[height, width, 3]` of each, red, green and blue of each pixel.
    ///
    /// # Errors
    /// [`VideoError::File`], [`VideoError::Damaged`].
    ///
    /// # Panics
    /// If the frames are not of one group.
    pub fn decode(&self, frames: Range<usize>) -> Result<Vec<Vec<u8>>, VideoError> {
        if frames.is_empty() {
            return Ok(Vec::new());
        }
        let group = self.group(frames.start);
        assert!(frames.end <= group.end, "frames {frames:?} of group {group:?}");
        self.decode_group(group, &frames).map_err(|fault| fault.at(&self.path))
    }

    fn decode_group(&self, group: Range<usize>, wanted: &Range<usize>) -> Result<Vec<Vec<u8>>, Fault> {
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let broken = |frame: usize, error: &dyn std::fmt::Display| {
            Fault::damaged(format!("frame {frame} cannot be decoded: {error}"))
        };
        let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|error| broken(group.start, &error))?;
        let mut file = File::open(&self.path)?;
        let mut shown = Shown { wanted, next: group.start, rgb: Vec::with_capacity(wanted.len()) };
        let (mut bytes, mut packet) = (Vec::new(), Vec::new());
        // As many as are shown in a group are stored for it.
        for (number, sample) in self.track.samples[group.clone()].iter().enumerate() {
            bytes.resize(sample.size as usize, 0);
            file.seek(SeekFrom::Start(sample.offset))?;
            file.read_exact(&mut bytes)?;
            packet.clear();
            if number == 0 {
                packet.extend(&self.track.headers);
            }
            with_start_codes(&bytes, self.track.length_size, &mut packet)
                .ok_or_else(|| Fault::damaged(format!("frame {} is cut", group.start + number)))?;
            let yuv = decoder.decode(&packet).map_err(|error| broken(group.start + number, &error))?;
            if let Some(yuv) = yuv {
                shown.push(&yuv, &self.sps)?;
            }
            if shown.next >= wanted.end {
                return Ok(shown.rgb);
            }
        }
        for yuv in decoder.flush_remaining().map_err(|error| broken(group.end - 1, &error))? {
            shown.push(&yuv, &self.sps)?;
        }
        if shown.next != group.end {
            let (found, expected) = (shown.next - group.start, group.len());
            let what = format!("frames {group:?} are {expected}, and {found} come out of the decoder");
            return Err(Fault::Damaged(what));
        }
        Ok(shown.rgb)
    }
}

/// Frames as they come out of a decoder, of which some are kept.
struct Shown<'a> {
    wanted: &'a Range<usize>,
    next: usize,
    rgb: Vec<Vec<u8>>,
}

impl Shown<'_> {
    fn push(&mut self, yuv: &DecodedYUV<'_>, sps: &Sps) -> Result<(), Fault> {
        let frame = self.next;
        self.next += 1;
        let (size, expected) = (yuv.dimensions(), sps.size.map(|side| side as usize));
        if <[usize; 2]>::from(size) != expected {
            let what = format!(
                "frame {frame} has {} x {} pixels; the video's frames have {} x {}",
                size.0, size.1, expected[0], expected[1]
            );
            return Err(Fault::Damaged(what));
        }
        if self.wanted.contains(&frame) {
            let (luma, chroma, _) = yuv.strides();
            let rgb = to_rgb([yuv.y(), yuv.u(), yuv.v()], [luma, chroma], expected, sps.colours);
            self.rgb.push(rgb.ok_or_else(|| Fault::damaged(format!("frame {frame} has too few pixels")))?);
        }
        Ok(())
    }
}

/// Frames that begin a group: those that need no other and are shown after all that are stored before them, and before
/// all that are stored after them.
fn groups(samples: &[Sample]) -> Vec<usize> {
    let mut first_after = vec![i64::MAX; samples.len()];
    let mut first = i64::MAX;
    for (at, sample) in samples.iter().enumerate().rev() {
        first = first.min(sample.time);
        first_after[at] = first;
    }
    let mut last = i64::MIN;
    let mut groups = Vec::new();
    for (at, sample) in samples.iter().enumerate() {
        if at == 0 || (sample.is_key && sample.time == first_after[at] && sample.time > last) {
            groups.push(at);
        }
        last = last.max(sample.time);
    }
    groups
}

/// Parts of a frame, each after its length, as a decoder takes them: each after a start code. `None` if one is cut.
fn with_start_codes(mut bytes: &[u8], length_size: usize, packet: &mut Vec<u8>) -> Option<()> {
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at_checked(length_size)?;
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (part, rest) = rest.split_at_checked(length)?;
        packet.extend([0, 0, 0, 1]);
        packet.extend(part);
        bytes = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(of: &[(i64, bool)]) -> Vec<Sample> {
        of.iter().map(|&(time, is_key)| Sample { offset: 0, size: 1, time, is_key }).collect()
    }

    #[test]
    fn groups_begin_where_nothing_before_is_needed() {
        let stored = [(0, true), (3, false), (1, false), (2, false), (4, true), (5, false)];
        assert_eq!(groups(&samples(&stored)), [0, 4]);
        // The third is shown before the frame that could be jumped to, and needs those before it.
        let open = [(0, true), (1, false), (4, true), (2, false), (3, false), (5, true)];
        assert_eq!(groups(&samples(&open)), [0, 5]);
        assert_eq!(groups(&samples(&[(0, true), (1, true)])), [0, 1]);
    }

    #[test]
    fn parts_that_are_cut() {
        let mut packet = Vec::new();
        assert_eq!(with_start_codes(&[0, 2, 7, 8, 0, 1, 9], 2, &mut packet), Some(()));
        assert_eq!(packet, [0, 0, 0, 1, 7, 8, 0, 0, 0, 1, 9]);
        for bytes in [&[0][..], &[0, 2, 7], &[255, 255, 1]] {
            assert_eq!(with_start_codes(bytes, 2, &mut packet), None);
        }
    }
}
