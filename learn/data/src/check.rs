//! Going through every byte of a dataset.

use std::collections::HashSet;
use std::path::Path;

use keiko_model::error::Result;

use crate::episodes;
use crate::info::{Dtype, Info};
use crate::parquet::ParquetFile;
use crate::stats::{FeatureStats, Stats};
use crate::store::{files_below, is_left_over};
use crate::{Dataset, dataset::read_stats};

/// How far statistics may be from those of the rows, as a part of the largest number: lerobot computes some in 32 bits.
const TOLERANCE: f64 = 1e-3;
/// Findings after which no more are looked for.
const ENOUGH: usize = 20;

/// What a check went through, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Episodes.
    pub episodes: usize,
    /// Frames.
    pub frames: usize,
    /// Images that were decoded.
    pub images: usize,
    /// What is wrong, in words; nothing means sound.
    pub findings: Vec<String>,
}

/// Goes through every byte of a dataset: checksums of all pages, every image and every frame of a video at its time, every
/// counter, every statistic, and files that no episode names. Pixels of videos have no checksum: a bit that changed in one
/// is found where it breaks the code.
///
/// # Errors
/// If the folder cannot be opened at all, as [`Dataset::open`].
pub fn check(folder: &Path) -> Result<Report> {
    let dataset = Dataset::open(folder)?;
    let info = dataset.info();
    let (episodes, frames) = (info.total_episodes, info.total_frames);
    let mut report = Report { episodes, frames, ..Report::default() };
    let mut find = |what: String| report.findings.push(what);
    let rows = episodes::read(folder, &info.features, true)?;
    let totals = Info::read(folder)?;
    if (totals.total_episodes, totals.total_frames) != (episodes, frames) {
        find(format!(
            "meta/info.json counts {} episodes and {} frames; there are {episodes} and {frames}",
            totals.total_episodes, totals.total_frames
        ));
    }
    let videos = rows.iter().flat_map(|row| {
        let cameras = info.videos().zip(&row.videos);
        cameras.map(|(camera, video)| info.video_file(folder, &camera.name, video.place))
    });
    let named: HashSet<_> = rows
        .iter()
        .map(|row| info.data_file(folder, row.data.0, row.data.1))
        .chain(videos)
        .chain(episodes::files(folder)?.into_iter().map(Ok))
        .collect::<Result<_>>()?;
    for path in files_below(folder)? {
        let ours = path.extension().is_some_and(|extension| extension == "parquet" || extension == "mp4");
        if is_left_over(&path) || (ours && !named.contains(&path) && !path.ends_with("meta/tasks.parquet")) {
            find(format!("{}: no episode names this file; a recorder was killed here", path.display()));
        }
    }
    let mut read: Vec<_> = rows.iter().map(|row| row.data).collect();
    read.dedup();
    for (chunk, file) in read {
        if let Err(error) = every_column(&info.data_file(folder, chunk, file)?, info) {
            find(error.to_string());
        }
    }
    report.findings.extend(dataset.films().findings(&rows, info.fps));
    let images = info.cameras().count();
    let mut wrong = 0;
    for index in 0..if images > 0 { frames } else { 0 } {
        match dataset.frame(index) {
            Ok(_) => report.images += images,
            Err(error) if wrong < ENOUGH => {
                wrong += 1;
                report.findings.push(error.to_string());
            }
            Err(_) => wrong += 1,
        }
    }
    if wrong > ENOUGH {
        report.findings.push(format!("and {} more frames with broken images", wrong - ENOUGH));
    }
    if !rows.is_empty() {
        let merged = rows[1..].iter().fold(rows[0].stats.clone(), |all, row| all.merged(&row.stats));
        statistics(&merged, &read_stats(folder, info)?, info, &mut report.findings);
    }
    Ok(report)
}

/// Reads the columns that opening leaves alone, so that every checksum is looked at.
fn every_column(path: &Path, info: &Info) -> Result<()> {
    let file = ParquetFile::open(path)?;
    for feature in info.features.iter().filter(|feature| !feature.is_video()) {
        file.column(&feature.name, feature.is_camera().then_some("bytes"))?;
    }
    Ok(())
}

/// Statistics of the dataset must be those of its episodes together.
fn statistics(episodes: &Stats, whole: &Stats, info: &Info, findings: &mut Vec<String>) {
    let (names, _) = FeatureStats::names();
    for feature in info.features.iter().filter(|feature| feature.dtype != Dtype::String) {
        let Some((ours, theirs)) = episodes.get(&feature.name).zip(whole.get(&feature.name)) else {
            continue;
        };
        let scale = ours.min.iter().chain(&ours.max).fold(1e-6, |scale: f64, x| scale.max(x.abs()));
        for ((name, ours), (_, theirs)) in
            ours.named().zip(theirs.named()).filter(|((name, _), _)| names.contains(name))
        {
            let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if apart > TOLERANCE * scale {
                findings.push(format!(
                    "meta/stats.json: `{name}` of `{}` is {apart:e} from that of the episodes together",
                    feature.name
                ));
            }
        }
    }
}
