//! Videos of ours and of others, read as FFmpeg reads them; and files that are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use keiko_video::{VideoEncoder, VideoError, VideoReader};
use serde_json::{Value, json};

use super::{folder, frame};

/// Encodes raw frames in some way (`null`: the file is there already), decodes the file, and writes what it shows as raw
/// frames, `[frames, height, width, 3]`. Colours are computed from the planes, as in the other judge.
const SCRIPT: &str = r#"
import json, sys
from fractions import Fraction
import av, numpy as np
path, raw, shown, way = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
if way["codec"]:
    w, h = way["size"]
    frames = np.fromfile(raw, np.uint8).reshape(-1, h, w, 3)
    with av.open(path, "w", options=way.get("file", {})) as file:
        stream = file.add_stream(way["codec"], rate=way["fps"], options=way.get("options", {}))
        stream.width, stream.height, stream.pix_fmt = w, h, way.get("pixels", "yuv420p")
        stream.codec_context.gop_size = way.get("gop", 12)
        for name in ["colorspace", "color_range", "color_primaries", "color_trc"]:
            if name in way:
                setattr(stream.codec_context, name, way[name])
        for pixels in frames:
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            file.mux(stream.encode(picture.reformat(format=stream.pix_fmt,
                     dst_colorspace=way.get("colorspace", 5), dst_color_range=way.get("color_range", 1))))
        file.mux(stream.encode())
    if not way.get("decode", True):
        print("0")
        sys.exit()
kr, kb = (0.2126, 0.0722) if way.get("colorspace") == 1 else (0.299, 0.114)
black, gray, colour = (0, 255, 255) if way.get("color_range") == 2 else (16, 219, 224)
def plane(plane, scale):
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(float)
    return rows.repeat(scale, 0).repeat(scale, 1)
def rgb(frame):
    y, u, v = [plane(p, 1 + (k > 0)) for k, p in enumerate(frame.planes)]
    y, u, v = (y - black) / gray, (u - 128) / colour, (v - 128) / colour
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    return np.clip(255 * np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b], -1), 0, 255)
with av.open(path) as file:
    stream = file.streams.video[0]
    decoded = list(file.decode(stream))
    np.stack([rgb(f) for f in decoded]).round().astype(np.uint8).tofile(shown)
    print(json.dumps(dict(times=[float(f.pts * stream.time_base) for f in decoded],
        keys=sum(bool(f.key_frame) for f in decoded), kinds="".join(sorted({"?IPB"[int(f.pict_type)] for f in decoded})))))
"#;

const SIZE: [u32; 2] = [98, 66];

/// Frames that move.
fn frames(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|index| frame(SIZE, index)).collect()
}

/// A file of ours, in which every second frame can be jumped to.
fn encoded(frames: &[Vec<u8>], fps: f64) -> Vec<u8> {
    let mut video = VideoEncoder::new(SIZE, fps, 2).unwrap();
    frames.iter().for_each(|frame| video.push(frame).unwrap());
    assert_eq!(video.num_frames(), frames.len() as u64);
    assert!(video.num_bytes() > 0);
    video.finish().unwrap()
}

/// What FFmpeg says of a file, and the frames that it shows.
fn judged(folder: &Path, frames: &[Vec<u8>], way: &Value) -> Option<(PathBuf, Value, Vec<Vec<u8>>)> {
    let [path, raw, shown] = ["a.mp4", "a.raw", "shown.raw"].map(|name| folder.join(name));
    fs::write(&raw, frames.concat()).unwrap();
    let args = [path.as_os_str(), raw.as_os_str(), shown.as_os_str(), way.to_string().as_ref()]
        .map(ToOwned::to_owned);
    let said = keiko_testkit::available(keiko_testkit::run_pyav(SCRIPT, &args))?;
    let shown = fs::read(&shown).unwrap_or_default();
    let shown = shown.chunks_exact(frames[0].len()).map(<[u8]>::to_vec).collect();
    Some((path, said, shown))
}

/// Every frame, group by group.
fn all(video: &VideoReader) -> Result<Vec<Vec<u8>>, VideoError> {
    let mut frames = Vec::new();
    while frames.len() < video.num_frames() {
        frames.extend(video.decode(video.group(frames.len()))?);
    }
    Ok(frames)
}

/// Most that a value may be off, of 255: colours are rounded once here and once there.
const ROUNDING: u8 = 1;
/// The same for frames between two others that both make them: openh264 rounds a few of their pixels in its own way.
const BETWEEN: u8 = 8;
/// And the least peak signal-to-noise ratio of such a frame against FFmpeg's \[dB\].
const LEAST_BETWEEN: f64 = 55.0;

/// Holds frames to those that FFmpeg decoded, of these kinds.
#[track_caller]
fn assert_alike(ours: &[Vec<u8>], theirs: &[Vec<u8>], kinds: &str, what: &Value) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let (most, least) = if kinds.contains('B') { (BETWEEN, LEAST_BETWEEN) } else { (ROUNDING, 0.0) };
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let apart = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
        let near = apart <= Some(most) && psnr(ours, theirs) > least;
        assert!(ours.len() == theirs.len() && near, "frame {index} is {apart:?} levels off: {what}");
    }
}

#[track_caller]
fn assert_times(video: &VideoReader, said: &Value) {
    let times: Vec<f64> =
        said["times"].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
    assert_eq!(video.num_frames(), times.len());
    for (frame, time) in times.iter().enumerate() {
        assert!(
            (video.time(frame) - time).abs() < 1e-9,
            "frame {frame}: {} s, not {time} s",
            video.time(frame)
        );
        assert_eq!(video.nearest(*time), frame);
    }
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let square =
        a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>() / a.len() as f64;
    10.0 * (255_f64.powi(2) / square).log10()
}

#[test]
fn what_was_filmed_is_read_as_ffmpeg_reads_it() {
    let folder = folder("read");
    for (fps, count) in [(25.0, 9), (30.0, 20), (7.0, 5), (10.0, 1)] {
        let frames = frames(count);
        fs::write(folder.join("a.mp4"), encoded(&frames, fps)).unwrap();
        let Some((path, said, shown)) = judged(&folder, &frames, &json!({"codec": null})) else { return };
        assert_eq!(said["keys"], json!(count.div_ceil(2)));
        let video = VideoReader::open(&path).unwrap();
        assert_eq!((video.size(), video.path()), (SIZE, &*path));
        assert_times(&video, &said);
        let ours = all(&video).unwrap();
        assert_alike(&ours, &shown, "IP", &said);
        let worst = ours.iter().zip(&frames).map(|(a, b)| psnr(a, b)).fold(f64::INFINITY, f64::min);
        assert!(worst > 36.0, "{worst} dB");
        for frame in (0..count as usize).rev() {
            assert_eq!(video.group(frame), frame / 2 * 2..(frame / 2 * 2 + 2).min(count as usize));
            assert_eq!(video.decode(frame..frame + 1).unwrap(), ours[frame..=frame]);
        }
        assert_eq!((video.nearest(-5.0), video.nearest(1e9)), (0, count as usize - 1));
        assert!(video.decode(0..0).unwrap().is_empty());
    }
}

#[test]
fn videos_of_other_encoders_show_what_ffmpeg_shows() {
    let folder = folder("others");
    let frames = frames(45);
    let way = |more: Value| {
        let mut way = json!({"codec": "libx264", "size": SIZE, "fps": 30});
        way.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        way
    };
    let ways = [
        // As lerobot encodes.
        way(json!({"gop": 2, "options": {"crf": "30", "g": "2"}})),
        way(json!({"options": {"profile": "baseline", "preset": "ultrafast"}})),
        // Frames that look ahead: three in a row, of which others are made; some references back.
        way(
            json!({"gop": 40, "options": {"bf": "3", "b_strategy": "0", "x264-params": "b-pyramid=normal:ref=4:direct=temporal"}}),
        ),
        way(
            json!({"gop": 15, "options": {"bf": "2", "b_strategy": "0", "x264-params": "b-pyramid=none:open-gop=1"}}),
        ),
        way(json!({"gop": 250, "options": {"preset": "veryslow", "crf": "12"}})),
        way(json!({"options": {"preset": "slow", "x264-params": "slices=4:weightp=2:cabac=0:8x8dct=1"}})),
        way(json!({"colorspace": 1, "color_primaries": 1, "color_trc": 1})),
        way(json!({"color_range": 2})),
        way(json!({"file": {"movflags": "faststart"}, "fps": 24})),
        way(json!({"fps": 50, "options": {"x264-params": "bframes=0:ref=5"}})),
    ];
    for way in ways {
        let Some((path, said, shown)) = judged(&folder, &frames, &way) else { return };
        let kinds = said["kinds"].as_str().unwrap();
        assert!(kinds.contains('B') || way["options"]["bf"].is_null(), "{way}: {said}");
        let video = VideoReader::open(&path).unwrap();
        assert_times(&video, &said);
        let ours = all(&video).unwrap();
        assert_alike(&ours, &shown, kinds, &way);
        for frame in [44, 17, 1, 30] {
            assert_eq!(video.decode(frame..frame + 1).unwrap(), ours[frame..=frame], "{way}");
        }
    }
}

#[test]
fn what_is_not_decoded_says_what_it_is() {
    let folder = folder("unsupported");
    let frames = frames(4);
    let ways = [
        (json!({"codec": "libsvtav1"}), "AV1 (`av01`)"),
        (json!({"codec": "libx265"}), "HEVC (H.265)"),
        (json!({"codec": "mpeg4"}), "MPEG-4 Visual"),
        (json!({"codec": "libx264", "pixels": "yuv444p"}), "4:4:4"),
        (json!({"codec": "libx264", "pixels": "yuv420p10le"}), "of 10 bits"),
        (json!({"codec": "libx264", "file": {"movflags": "frag_keyframe+empty_moov"}}), "in fragments"),
    ];
    for (mut way, expected) in ways {
        let more = json!({"size": SIZE, "fps": 30, "decode": false});
        way.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let Some((path, ..)) = judged(&folder, &frames, &way) else { return };
        let error = VideoReader::open(&path).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, VideoError::Unsupported { .. }), "{text}");
        assert!(text.contains(expected) && text.contains("a.mp4") && text.contains("ffmpeg -i"), "{text}");
    }
}

/// A small file of ours and where its index ends.
fn small() -> (Vec<u8>, Vec<Vec<u8>>) {
    let frames: Vec<Vec<u8>> = (0..5).map(|index| frame([32, 16], index)).collect();
    let mut video = VideoEncoder::new([32, 16], 20.0, 2).unwrap();
    frames.iter().for_each(|frame| video.push(frame).unwrap());
    (video.finish().unwrap(), frames)
}

#[test]
fn a_file_that_is_cut_says_so() {
    let folder = folder("cut");
    let path = folder.join("a.mp4");
    let (whole, frames) = small();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = VideoReader::open(&path).unwrap_err();
        assert!(matches!(&error, VideoError::Damaged { .. }), "{length} of {} bytes: {error}", whole.len());
        assert!(error.to_string().contains("a.mp4"));
    }
    fs::write(&path, &whole).unwrap();
    let video = VideoReader::open(&path).unwrap();
    assert_eq!(all(&video).unwrap().len(), frames.len());
    // Cut after its index was read.
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    assert!(matches!(all(&video), Err(VideoError::File { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(all(&video), Err(VideoError::File { .. })));
    assert!(matches!(VideoReader::open(&path), Err(VideoError::File { .. })));
}

#[test]
fn no_flipped_bit_brings_it_down() {
    let folder = folder("flipped");
    let path = folder.join("a.mp4");
    let (whole, _) = small();
    let (mut refused, mut shown) = (0, 0);
    for at in 0..whole.len() {
        for bit in [at % 8, (at + 3) % 8] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).unwrap();
            let frames = VideoReader::open(&path).and_then(|video| {
                let frames = all(&video)?;
                // Whatever is shown is as much as was promised.
                let [width, height] = video.size();
                assert_eq!(frames.len(), video.num_frames());
                assert!(frames.iter().all(|frame| frame.len() == (3 * width * height) as usize));
                Ok(frames)
            });
            *(if frames.is_ok() { &mut shown } else { &mut refused }) += 1;
        }
    }
    // Names, dates and colours of pixels have no checksum.
    assert!(refused > shown / 4, "{refused} refused, {shown} shown");
}

#[test]
fn what_is_no_video_says_so() {
    let folder = folder("no-video");
    let path = folder.join("a.mp4");
    for (bytes, expected) in [
        (&b"\x89PNG\r\n\x1a\n0000IHDR"[..], "no MP4 file"),
        (b"", "the file is cut"),
        (b"\0\0\0\x10ftypisom\0\0\0\0", "there is no index (`moov`)"),
        (b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov", "there is no video in it"),
        // A count of frames for which no memory is to be had.
        (b"\0\0\0\x10ftypisom\0\0\0\0\xff\xff\xff\xffmoov", "goes past the end"),
    ] {
        fs::write(&path, bytes).unwrap();
        let text = VideoReader::open(&path).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    let (mut whole, _) = small();
    let at = whole.windows(4).position(|name| name == b"stsz").unwrap();
    whole[at + 12..at + 16].fill(0xff);
    fs::write(&path, &whole).unwrap();
    let text = VideoReader::open(&path).unwrap_err().to_string();
    assert!(text.contains("counts 4294967295 frames"), "{text}");
}
