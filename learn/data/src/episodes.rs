//! `meta/episodes`: a row an episode, in one file or several.

use std::path::{Path, PathBuf};

use keiko_model::error::{ErrorKind, Result};

use crate::info::{Dtype, Feature};
use crate::parquet::{Column, Layout, ParquetFile, Rows, Values, to_bytes};
use crate::stats::{FeatureStats, Stats};
use crate::store::{files_below, refuse, replace};

const FOLDER: &str = "meta/episodes";

/// Where an episode is among the videos of a camera.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InFilm {
    /// Number of the folder and number in the folder of the video.
    pub place: (usize, usize),
    /// When it begins and ends in it \[s\].
    pub from: f64,
    pub to: f64,
}

/// What is known of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeRow {
    pub index: usize,
    pub tasks: Vec<String>,
    pub length: usize,
    /// Number of the folder and number in the folder of the file that holds its frames.
    pub data: (usize, usize),
    /// Of each camera that is kept as videos, in the order of the features.
    pub videos: Vec<InFilm>,
    /// First frame.
    pub from: usize,
    /// Of its frames; empty unless asked for.
    pub stats: Stats,
    /// Number of the folder and number in the folder of the file that holds this row.
    pub meta: (usize, usize),
}

impl EpisodeRow {
    /// Numbers of all files that hold something of it.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        std::iter::once(self.data).chain(self.videos.iter().map(|video| video.place))
    }
}

/// Files with rows, in order.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let folder = folder.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = files_below(&folder)?;
    files.retain(|path| {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        !hidden && path.extension().is_some_and(|extension| extension == "parquet")
    });
    Ok(files)
}

/// Reads all rows, and checks that they follow each other.
pub fn read(folder: &Path, features: &[Feature], with_stats: bool) -> Result<Vec<EpisodeRow>> {
    let mut rows: Vec<EpisodeRow> = Vec::new();
    for path in files(folder)? {
        let file = ParquetFile::open(&path)?;
        let of = |name: &str| counts(&file, name);
        let (index, length, from, to) =
            (of("episode_index")?, of("length")?, of("dataset_from_index")?, of("dataset_to_index")?);
        let data: Vec<_> = of("data/chunk_index")?.into_iter().zip(of("data/file_index")?).collect();
        let meta: Vec<_> =
            of("meta/episodes/chunk_index")?.into_iter().zip(of("meta/episodes/file_index")?).collect();
        let tasks = texts(&file, "tasks")?;
        let videos: Vec<Vec<InFilm>> = features
            .iter()
            .filter(|feature| feature.is_video())
            .map(|feature| in_films(&file, &feature.name))
            .collect::<Result<_>>()?;
        let stats = match with_stats {
            true => read_stats(&file, features)?,
            false => vec![Stats::default(); index.len()],
        };
        for (row, stats) in stats.into_iter().enumerate() {
            let (expected, start) = (rows.len(), rows.last().map_or(0, |last| last.from + last.length));
            let follows = index[row] == expected && from[row] == start && to[row] == start + length[row];
            if !follows || length[row] == 0 {
                let message = format!(
                    "row {row} is episode {} of frames {} to {}; episode {expected} from frame {start} on should follow",
                    index[row], from[row], to[row]
                );
                return Err(refuse(ErrorKind::Structure, &path, message));
            }
            rows.push(EpisodeRow {
                index: index[row],
                tasks: tasks[row].clone(),
                length: length[row],
                data: data[row],
                videos: videos.iter().map(|camera| camera[row]).collect(),
                from: from[row],
                stats,
                meta: meta[row],
            });
        }
    }
    Ok(rows)
}

/// Writes rows of one file.
pub fn write(folder: &Path, rows: &[EpisodeRow], features: &[Feature]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let scalar = |name: &str, of: &dyn Fn(&EpisodeRow) -> usize| Column {
        name: name.into(),
        layout: Layout::Scalar,
        values: Values::Int(rows.iter().map(|row| of(row) as i64).collect()),
    };
    let mut end = 0;
    let mut ends_after = |row: &EpisodeRow| {
        end += row.tasks.len();
        end
    };
    let mut columns = vec![
        scalar("episode_index", &|row| row.index),
        Column {
            name: "tasks".into(),
            layout: Layout::Ragged(rows.iter().map(&mut ends_after).collect()),
            values: Values::Text(rows.iter().flat_map(|row| &row.tasks).collect()),
        },
        scalar("length", &|row| row.length),
        scalar("data/chunk_index", &|row| row.data.0),
        scalar("data/file_index", &|row| row.data.1),
        scalar("dataset_from_index", &|row| row.from),
        scalar("dataset_to_index", &|row| row.from + row.length),
    ];
    for (camera, feature) in features.iter().filter(|feature| feature.is_video()).enumerate() {
        let name = |what: &str| format!("videos/{}/{what}", feature.name);
        let seconds = |what: &str, of: &dyn Fn(&InFilm) -> f64| Column {
            name: name(what),
            layout: Layout::Scalar,
            values: Values::Double(rows.iter().map(|row| of(&row.videos[camera])).collect()),
        };
        columns.extend([
            scalar(&name("chunk_index"), &|row| row.videos[camera].place.0),
            scalar(&name("file_index"), &|row| row.videos[camera].place.1),
            seconds("from_timestamp", &|video| video.from),
            seconds("to_timestamp", &|video| video.to),
        ]);
    }
    for feature in features.iter().filter(|feature| feature.dtype != Dtype::String) {
        columns.extend(stats_columns(rows, feature));
    }
    columns.push(scalar("meta/episodes/chunk_index", &|row| row.meta.0));
    columns.push(scalar("meta/episodes/file_index", &|row| row.meta.1));
    let (chunk, file) = first.meta;
    let path = folder.join(FOLDER).join(format!("chunk-{chunk:03}/file-{file:03}.parquet"));
    replace(&path, &to_bytes(&columns, rows.len(), &[]))
}

fn stats_columns(rows: &[EpisodeRow], feature: &Feature) -> Vec<Column> {
    let name = |statistic: &str| format!("stats/{}/{statistic}", feature.name);
    let of = |row: &EpisodeRow| row.stats.get(&feature.name).cloned().unwrap_or_default();
    let all: Vec<FeatureStats> = rows.iter().map(of).collect();
    let size = all[0].size();
    let (needed, optional) = FeatureStats::names();
    let mut columns: Vec<Column> = needed
        .into_iter()
        .chain(optional)
        .map(|statistic| {
            let numbers: Vec<f64> = all
                .iter()
                .filter_map(|stats| stats.named().find(|(name, _)| *name == statistic))
                .flat_map(|(_, values)| values.iter().copied())
                .collect();
            // Of the kind of the feature's own numbers, as numpy's `min` gives them.
            let values = match (statistic, feature.dtype) {
                ("min" | "max", Dtype::Bool) => Values::Bool(numbers.iter().map(|x| *x != 0.0).collect()),
                ("min" | "max", Dtype::Int32 | Dtype::Int64) => {
                    Values::Int(numbers.iter().map(|x| *x as i64).collect())
                }
                _ => Values::Double(numbers),
            };
            let shape = if feature.is_camera() { vec![size, 1, 1] } else { vec![size] };
            Column { name: name(statistic), layout: Layout::Lists(shape), values }
        })
        .collect();
    columns.push(Column {
        name: name("count"),
        layout: Layout::Lists(vec![1]),
        values: Values::Int(all.iter().map(|stats| stats.count as i64).collect()),
    });
    columns
}

fn read_stats(file: &ParquetFile, features: &[Feature]) -> Result<Vec<Stats>> {
    let mut all = vec![Stats::default(); file.num_rows()];
    for feature in features.iter().filter(|feature| feature.dtype != Dtype::String) {
        let mut by_row = vec![FeatureStats::to_fill(); all.len()];
        let (needed, optional) = FeatureStats::names();
        for statistic in needed.into_iter().chain(optional) {
            let name = format!("stats/{}/{statistic}", feature.name);
            if optional.contains(&statistic) && !file.columns().any(|column| column == name) {
                by_row.iter_mut().for_each(|stats| stats.quantiles.clear());
                continue;
            }
            let rows = file.column(&name, None)?;
            let numbers = numbers(file, &name, &rows)?;
            let size = if feature.is_camera() { 3 } else { feature.size() };
            if let Some((row, len)) = rows.odd_row(size) {
                let message = format!("column `{name}` has {len} numbers in row {row}, not {size}");
                return Err(refuse(ErrorKind::Structure, file.path(), message));
            }
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                let message = format!("column `{name}` holds {} in row {}", numbers[at], at / size);
                return Err(refuse(ErrorKind::Value, file.path(), message).allowed("finite statistics"));
            }
            for (row, stats) in by_row.iter_mut().enumerate() {
                if let Some(place) = stats.named_mut(statistic) {
                    *place = numbers[rows.range(row)].to_vec();
                }
            }
        }
        for (stats, count) in by_row.iter_mut().zip(counts(file, &format!("stats/{}/count", feature.name))?) {
            stats.count = count as u64;
        }
        for (row, stats) in all.iter_mut().zip(by_row) {
            row.0.push((feature.name.clone(), stats));
        }
    }
    Ok(all)
}

/// Where episodes are among the videos of a camera.
fn in_films(file: &ParquetFile, camera: &str) -> Result<Vec<InFilm>> {
    let name = |what: &str| format!("videos/{camera}/{what}");
    let places = counts(file, &name("chunk_index"))?.into_iter().zip(counts(file, &name("file_index"))?);
    let [from, to] = ["from_timestamp", "to_timestamp"].map(|what| {
        let name = name(what);
        let rows = file.column(&name, None)?;
        let seconds = numbers(file, &name, &rows)?;
        let odd = rows.odd_row(1).map(|(row, _)| row);
        match odd.or_else(|| seconds.iter().position(|time| !(time.is_finite() && *time >= 0.0))) {
            None => Ok(seconds),
            Some(row) => {
                let found = rows.range(row).map(|at| seconds[at].to_string()).collect::<Vec<_>>().join(", ");
                let message = format!("column `{name}` is {found} in row {row}");
                Err(refuse(ErrorKind::Value, file.path(), message).allowed("a time from 0 on"))
            }
        }
    });
    Ok(places.zip(from?.into_iter().zip(to?)).map(|(place, (from, to))| InFilm { place, from, to }).collect())
}

/// A column of numbers as such.
pub fn numbers(file: &ParquetFile, name: &str, rows: &Rows) -> Result<Vec<f64>> {
    rows.values.numbers().ok_or_else(|| {
        refuse(
            ErrorKind::Structure,
            file.path(),
            format!("column `{name}` holds text where numbers are expected"),
        )
    })
}

/// A column of one whole number a row, none below zero.
pub fn counts(file: &ParquetFile, name: &str) -> Result<Vec<usize>> {
    let rows = file.column(name, None)?;
    let wrong = |row: usize, what: &str| {
        refuse(ErrorKind::Value, file.path(), format!("column `{name}` {what} in row {row}"))
            .allowed("a whole number from 0 on")
    };
    if let Some((row, _)) = rows.odd_row(1) {
        return Err(wrong(row, "has not one number"));
    }
    let Values::Int(values) = &rows.values else { return Err(wrong(0, "holds no whole number")) };
    let each = |(row, value): (usize, &i64)| usize::try_from(*value).map_err(|_| wrong(row, "is below zero"));
    values.iter().enumerate().map(each).collect()
}

/// A column of texts, any number a row.
fn texts(file: &ParquetFile, name: &str) -> Result<Vec<Vec<String>>> {
    let rows = file.column(name, None)?;
    let wrong = || refuse(ErrorKind::Structure, file.path(), format!("column `{name}` holds no text"));
    let Values::Bytes(blobs) = &rows.values else { return Err(wrong()) };
    let text = |at| String::from_utf8(blobs.get(at).unwrap_or_default().to_vec()).map_err(|_| wrong());
    (0..rows.len()).map(|row| rows.range(row).map(text).collect()).collect()
}
