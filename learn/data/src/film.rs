//! Cameras that are kept as videos: which frame is where, and the frames that were decoded last.

use std::collections::HashMap;
use std::path::Path;

use keiko_model::error::{Error, ErrorKind, Result};
use keiko_video::{VideoError, VideoReader};

use crate::cache::Cache;
use crate::episodes::EpisodeRow;
use crate::store::refuse;
use crate::{Image, Info};

/// Decoded frames kept in memory \[byte\].
const CACHE: usize = 1 << 30;
/// Decoded frames kept together \[byte\].
const WINDOW: usize = CACHE / 16;
/// How far a frame may be from the time of its row \[s\]: as far as lerobot allows.
const TOLERANCE: f64 = 1e-4;

/// The videos of a dataset.
#[derive(Debug)]
pub struct Films {
    videos: Vec<VideoReader>,
    /// Where episodes are, by camera among those that are videos.
    spans: Vec<Vec<Span>>,
    /// By video and first frame.
    cache: Cache<(usize, usize), Vec<Image>>,
}

/// Where an episode is.
#[derive(Clone, Copy, Debug)]
struct Span {
    video: usize,
    /// When it begins \[s\].
    from: f64,
}

impl Films {
    /// Reads the index of every video, and holds it to the rows.
    ///
    /// # Errors
    /// Names the video, and what is missing, damaged, of another size or length, or not supported in it.
    pub fn open(folder: &Path, info: &Info, rows: &[EpisodeRow]) -> Result<Self> {
        let mut films = Self { videos: Vec::new(), spans: Vec::new(), cache: Cache::new(CACHE) };
        for (camera, feature) in info.videos().enumerate() {
            let mut known = HashMap::new();
            let mut spans = Vec::with_capacity(rows.len());
            for row in rows {
                let in_film = row.videos[camera];
                let video = match known.get(&in_film.place) {
                    Some(video) => *video,
                    None => {
                        let path = info.video_file(folder, &feature.name, in_film.place)?;
                        let video = VideoReader::open(&path).map_err(|error| refused(&path, error))?;
                        let ([width, height], [rows, columns]) =
                            (video.size().map(|side| side as usize), [feature.shape[0], feature.shape[1]]);
                        if [width, height] != [columns, rows] {
                            let what = format!(
                                "frames of {width} x {height} pixels; `{}` has {columns} x {rows}",
                                feature.name
                            );
                            return Err(refuse(ErrorKind::Structure, &path, what));
                        }
                        films.videos.push(video);
                        known.insert(in_film.place, films.videos.len() - 1);
                        films.videos.len() - 1
                    }
                };
                let span = Span { video, from: in_film.from };
                films.holds(span, row, info.fps)?;
                spans.push(span);
            }
            films.spans.push(spans);
        }
        Ok(films)
    }

    /// Refuses an episode that is not wholly in its video.
    fn holds(&self, Span { video, from }: Span, row: &EpisodeRow, fps: f64) -> Result<()> {
        let video = &self.videos[video];
        let to = from + (row.length - 1) as f64 / fps;
        let [first, last] = [from, to].map(|time| video.nearest(time));
        let on_time = |frame: usize, time: f64| (video.time(frame) - time).abs() <= TOLERANCE;
        if last + 1 - first == row.length && on_time(first, from) && on_time(last, to) {
            return Ok(());
        }
        let what = format!(
            "episode {} has {} frames, from {from} s to {to} s of this video; it has {} frames, from {} s to {} s",
            row.index,
            row.length,
            video.num_frames(),
            video.time(0),
            video.time(video.num_frames() - 1)
        );
        Err(refuse(ErrorKind::Structure, video.path(), what))
    }

    /// The frame of an episode at a time since its start \[s\], by a camera among those that are videos.
    pub fn image(&self, camera: usize, episode: usize, time: f64) -> Result<Image> {
        let Span { video: number, from } = self.spans[camera][episode];
        let video = &self.videos[number];
        let wanted = from + time;
        let frame = video.nearest(wanted);
        // Times of rows have 24 bits.
        if (video.time(frame) - wanted).abs() > TOLERANCE + time * f64::from(f32::EPSILON) {
            let found = video.time(frame);
            let what = format!("episode {episode} needs a frame at {wanted} s; the nearest is at {found} s");
            return Err(refuse(ErrorKind::Structure, video.path(), what));
        }
        let [width, height] = video.size().map(|side| side as usize);
        let bytes = 3 * width * height;
        // A whole group, as it was decoded for one; of a long one a part, as much as may be kept together.
        let (group, most) = (video.group(frame), (WINDOW / bytes).max(1));
        let start = group.start + (frame - group.start) / most * most;
        let end = group.end.min(start + most);
        let images = self.cache.get((number, start), || {
            let frames = video.decode(start..end).map_err(|error| refused(video.path(), error))?;
            let images = frames.into_iter().map(|pixels| Image { height, width, pixels }).collect();
            Ok::<_, Error>((images, bytes * (end - start)))
        })?;
        Ok(images[frame - start].clone())
    }

    /// What does not fit the rows, though every frame of theirs is there.
    pub fn findings(&self, rows: &[EpisodeRow], fps: f64) -> Vec<String> {
        let mut findings = Vec::new();
        let mut named = vec![0; self.videos.len()];
        for (camera, spans) in self.spans.iter().enumerate() {
            for (row, span) in rows.iter().zip(spans) {
                named[span.video] += row.length;
                let (from, to) = (row.videos[camera].from, row.videos[camera].to);
                let seconds = row.length as f64 / fps;
                // Some say when the last frame begins, not when it ends.
                if (to - from - seconds).abs() > 1.0 / fps + TOLERANCE {
                    let path = self.videos[span.video].path().display();
                    findings.push(format!(
                        "{path}: episode {} is from {from} s to {to} s here; its {} frames take {seconds} s",
                        row.index, row.length
                    ));
                }
            }
        }
        for (video, named) in self.videos.iter().zip(named) {
            if video.num_frames() != named {
                let (path, count) = (video.path().display(), video.num_frames());
                findings.push(format!("{path}: {count} frames; its episodes have {named}"));
            }
        }
        findings
    }
}

/// What is wrong with a video, as of any other file.
pub fn refused(path: &Path, error: VideoError) -> Error {
    let (kind, message) = match error {
        VideoError::File { message, .. } => (ErrorKind::Io, message),
        VideoError::Damaged { message, .. } => (ErrorKind::Syntax, message),
        VideoError::Unsupported { message, .. } => (ErrorKind::Unsupported, message),
        other => (ErrorKind::Value, other.to_string()),
    };
    refuse(kind, path, message)
}
