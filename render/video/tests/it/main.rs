//! Videos, opened by a reader that nobody here wrote: FFmpeg's, through PyAV.
#![allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]

mod read;

use std::fs;
use std::path::{Path, PathBuf};

use keiko_video::{VideoError, VideoWriter};
use serde_json::{Value, json};

/// Decodes a video, and compares it with raw frames `[frames, height, width, 3]`.
///
/// Colours are computed from the planes by BT.601's formula: FFmpeg's own fast conversion is off by more than the codec.
const SCRIPT: &str = r#"
import sys, json, av, numpy as np
with av.open(sys.argv[1]) as file:
    stream = file.streams.video[0]
    frames = list(file.decode(stream))
    w, h, tick = stream.width, stream.height, stream.time_base
    said = dict(frames=len(frames), size=[w, h], fps=float(stream.average_rate), listed=stream.frames,
                seconds=float(stream.duration * tick), times=[float(f.pts * tick) for f in frames],
                codec=stream.codec_context.name, keys=sum(bool(f.key_frame) for f in frames),
                matrix=int(frames[0].colorspace), full_range=int(frames[0].color_range) == 2)
def plane(plane, scale):
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(float)
    return rows.repeat(scale, 0).repeat(scale, 1)
def rgb(frame):
    y, u, v = [plane(p, 1 + (k > 0)) for k, p in enumerate(frame.planes)]
    y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    return np.clip(255 * np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1), 0, 255)
raw = np.fromfile(sys.argv[2], np.uint8).reshape(-1, h, w, 3)
off = np.stack([rgb(f) for f in frames]) - raw
said.update(worst_psnr=float(10 * np.log10(255**2 / (off**2).mean(axis=(1, 2, 3)).max())),
            bias=float(np.abs(off.mean(axis=(0, 1, 2))).max()))
print(json.dumps(said))
"#;

/// Most that colours may be shifted on the whole, of 255.
const MOST_BIAS: f64 = 0.7;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A ball that rolls over slopes of grey and soft squares of colour.
fn frame([width, height]: [u32; 2], index: u32) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let centre = f64::from(width) * 0.2 + 3.0 * f64::from(index);
            let (dx, dy) = (f64::from(x) - centre, f64::from(y) - 0.5 * f64::from(height));
            let shade = (120.0 + 100.0 * f64::from(y) / f64::from(height)) as u8;
            let square = ((x / 16 + y / 16) % 2) as u8 * 30;
            let ball = dx * dx + dy * dy < 0.04 * f64::from(height).powi(2);
            pixels.extend(if ball { [190, 90, 60] } else { [shade - square, shade, shade - square] });
        }
    }
    pixels
}

/// Writes a video and the raw frames; what the reader says of both.
fn judged(folder: &Path, size: [u32; 2], fps: f64, num_frames: u32) -> Option<Value> {
    let (path, raw) = (folder.join("a.mp4"), folder.join("a.raw"));
    let mut video = VideoWriter::create(&path, size, fps).unwrap();
    let frames: Vec<Vec<u8>> = (0..num_frames).map(|index| frame(size, index)).collect();
    frames.iter().for_each(|frame| video.push(frame).unwrap());
    assert_eq!(video.num_frames(), u64::from(num_frames));
    video.finish().unwrap();
    fs::write(&raw, frames.concat()).unwrap();
    keiko_testkit::available(keiko_testkit::run_pyav(SCRIPT, &[&path, &raw]))
}

#[test]
fn what_was_filmed_is_what_a_player_shows() {
    let folder = folder("judged");
    // With the least peak signal-to-noise ratio of a frame [dB]. What is lost is colour at edges, of which a small picture
    // has more: one colour counts for four pixels.
    let cases = [([320, 240], 50.0, 130, 40.0), ([240, 320], 60.0, 20, 40.0), ([130, 98], 20.0, 45, 36.0)];
    for (size, fps, num_frames, least_psnr) in cases {
        let Some(said) = judged(&folder, size, fps, num_frames) else { return };
        assert_eq!((&said["frames"], &said["listed"]), (&json!(num_frames), &json!(num_frames)), "{said}");
        assert_eq!((&said["size"], &said["codec"]), (&json!(size), &json!("h264")));
        let number = |name: &str| said[name].as_f64().unwrap();
        assert!((number("fps") - fps).abs() < 1e-6, "{said}");
        assert!((number("seconds") - f64::from(num_frames) / fps).abs() < 1e-4, "{said}");
        // To a tick of the file's clock, 1/90,000 s.
        for (index, time) in said["times"].as_array().unwrap().iter().enumerate() {
            assert!((time.as_f64().unwrap() - index as f64 / fps).abs() < 1.2e-5, "frame {index}: {time}");
        }
        // One to jump to in two seconds.
        assert_eq!(said["keys"], json!(num_frames.div_ceil((2.0 * fps) as u32)));
        // SMPTE 170M, which is BT.601.
        assert_eq!((&said["matrix"], &said["full_range"]), (&json!(6), &json!(false)));
        assert!(number("worst_psnr") > least_psnr && number("bias") < MOST_BIAS, "{size:?}: {said}");
    }
}

#[test]
fn the_same_frames_make_the_same_bytes() {
    let folder = folder("bytes");
    let bytes = |name: &str| {
        let path = folder.join(name);
        let mut video = VideoWriter::create(&path, [64, 48], 30.0).unwrap();
        (0..40).for_each(|index| video.push(&frame([64, 48], index)).unwrap());
        video.finish().unwrap();
        fs::read(path).unwrap()
    };
    assert!(bytes("a.mp4") == bytes("b.mp4"));
}

#[test]
fn a_video_has_its_name_when_it_is_whole() {
    let folder = folder("whole");
    let path = folder.join("a.mp4");
    fs::write(&path, "an older video").unwrap();
    let mut video = VideoWriter::create(&path, [32, 32], 10.0).unwrap();
    video.push(&frame([32, 32], 0)).unwrap();
    assert_eq!(names(&folder), ["a.mp4", "a.mp4.part"]);
    drop(video);
    assert_eq!(names(&folder), ["a.mp4"]);
    assert_eq!(fs::read(&path).unwrap(), b"an older video");

    let mut video = VideoWriter::create(&path, [32, 32], 10.0).unwrap();
    video.push(&frame([32, 32], 0)).unwrap();
    video.finish().unwrap();
    assert_eq!(names(&folder), ["a.mp4"]);
    assert_eq!(&fs::read(&path).unwrap()[4..8], b"ftyp");
}

#[test]
fn what_cannot_be_filmed_is_refused() {
    let folder = folder("refused");
    let create = |size, fps| VideoWriter::create(&folder.join("a.mp4"), size, fps).map(|_| ());
    for size in [[81, 60], [80, 61], [14, 80], [3842, 100], [3000, 2162], [0, 0], [u32::MAX; 2]] {
        assert!(matches!(create(size, 30.0), Err(VideoError::Size(found)) if found == size), "{size:?}");
    }
    for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
        assert!(matches!(create([32, 32], fps), Err(VideoError::Rate(_))), "{fps}");
    }
    assert!(create([16, 16], 0.1).is_ok() && create([3840, 2160], 1000.0).is_ok());
    let nowhere = VideoWriter::create(&folder.join("no/such/a.mp4"), [32, 32], 30.0);
    assert!(matches!(nowhere.map(|_| ()), Err(VideoError::File { path, .. }) if path.ends_with("a.mp4")));

    let mut video = VideoWriter::create(&folder.join("a.mp4"), [32, 32], 30.0).unwrap();
    let short = video.push(&[0; 3 * 32 * 31]);
    assert!(matches!(short, Err(VideoError::Frame { index: 0, found: 2976, expected: 3072 })));
    assert!(matches!(video.finish(), Err(VideoError::Empty(_))));
    assert_eq!(names(&folder), [] as [&str; 0]);
}
