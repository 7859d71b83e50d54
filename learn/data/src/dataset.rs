//! Reading a dataset, whoever wrote it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keiko_model::error::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::cache::Cache;
use crate::episodes::{self, EpisodeRow, numbers};
use crate::film::Films;
use crate::info::{self, COUNTERS, Dtype, Feature};
use crate::lock::LOCK_PATH;
use crate::parquet::{ParquetFile, Rows, Values};
use crate::recorder::STATS_PATH;
use crate::stats::FeatureStats;
use crate::store::{files_below, is_left_over, read_json, refuse, sha256};
use crate::{ACTION, ActionChunk, Image, Info, STATE, SUCCESS, SURROUNDINGS, Stats, origin, tasks};

/// Images kept in memory, as files \[byte\].
const CACHE: usize = 1 << 30;

/// A dataset that is read. States, actions and counters are in memory; images are read when a frame is asked for, from
/// any number of threads.
#[derive(Debug)]
pub struct Dataset {
    folder: PathBuf,
    info: Info,
    stats: Stats,
    episodes: Vec<Episode>,
    tasks: Vec<Arc<str>>,
    files: Vec<DataFile>,
    state: Vec<f32>,
    surroundings: Vec<f32>,
    action: Vec<f32>,
    /// Of every frame.
    frames: Vec<Place>,
    /// Images that were read last, by file, group of rows and camera.
    cache: Cache<(usize, usize, usize), Rows>,
    films: Films,
}

/// A file with frames.
#[derive(Debug)]
struct DataFile {
    parquet: ParquetFile,
    /// Leaf with the PNG files of each camera; nothing of one that is kept as videos.
    images: Vec<Option<usize>>,
    /// First row of each group.
    groups: Vec<usize>,
}

/// What is kept of a frame besides its vectors.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: u32,
    row: u32,
    episode: u32,
    task: u32,
    timestamp: f32,
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Number in the dataset, from 0.
    pub index: usize,
    /// Number of its episode, from 0.
    pub episode: usize,
    /// Number in the episode, from 0.
    pub frame: usize,
    /// Time since the episode's start \[s\].
    pub timestamp: f32,
    /// What is to be done, in words.
    pub task: Arc<str>,
    /// Measurements `[dims]` of `observation.state`; empty where the dataset has none.
    pub state: Vec<f32>,
    /// State of the surroundings `[dims]` of `observation.environment_state`; empty where the dataset has none.
    pub surroundings: Vec<f32>,
    /// What the robot was then told `[dims]`.
    pub action: Vec<f32>,
    /// One for each of [`Info::cameras`], in that order.
    pub images: Vec<Image>,
}

/// One episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Number, from 0.
    pub index: usize,
    /// First frame, in the dataset.
    pub start: usize,
    /// Frames.
    pub length: usize,
    /// Its tasks in words; one, as a rule.
    pub tasks: Vec<Arc<str>>,
    /// Whether it reached its goal, where the dataset says (feature `next.success`).
    pub success: Option<bool>,
}

/// A file of a dataset and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileHash {
    /// Path inside the dataset's folder, with `/`.
    pub path: String,
    /// Size \[byte\].
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl Dataset {
    /// Opens a folder.
    ///
    /// # Errors
    /// Names the file, and what is missing, damaged, not finite or not supported in it.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut info = Info::read(folder)?;
        let rows = episodes::read(folder, &info.features, false)?;
        if rows.len() < info.total_episodes {
            let message = format!("{} episodes; meta/episodes has {}", info.total_episodes, rows.len());
            return Err(refuse(ErrorKind::Structure, &folder.join(info::PATH), message));
        }
        // The rows count: a recorder may have been killed before it wrote the totals.
        info.total_episodes = rows.len();
        info.total_frames = rows.last().map_or(0, |row| row.from + row.length);
        let float = |feature: &Feature| matches!(feature.dtype, Dtype::Float32 | Dtype::Float64);
        for (name, needed) in [(STATE, false), (SURROUNDINGS, false), (ACTION, true)] {
            match info.feature(name) {
                Some(feature) if float(feature) && feature.shape.len() == 1 => {}
                None if !needed => {}
                Some(_) => {
                    let message = format!("feature `{name}` is no vector of floating-point numbers");
                    return Err(refuse(ErrorKind::Structure, &folder.join(info::PATH), message));
                }
                None => {
                    let names: Vec<&str> =
                        info.features.iter().map(|feature| feature.name.as_str()).collect();
                    let message = format!("there is no feature `{name}`");
                    let error = refuse(ErrorKind::Unknown, &folder.join(info::PATH), message);
                    return Err(error.allowed(format!("it has {}", names.join(", "))).nearest(name, names));
                }
            }
        }
        let films = Films::open(folder, &info, &rows)?;
        let mut dataset = Self {
            folder: folder.to_owned(),
            stats: Stats::default(),
            episodes: Vec::new(),
            tasks: Vec::new(),
            files: Vec::new(),
            state: Vec::new(),
            surroundings: Vec::new(),
            action: Vec::new(),
            frames: Vec::new(),
            cache: Cache::new(CACHE),
            films,
            info,
        };
        if !rows.is_empty() {
            dataset.info.tasks = tasks::read(folder)?;
            dataset.tasks = dataset.info.tasks.iter().map(|task| task.as_str().into()).collect();
            dataset.stats = read_stats(folder, &dataset.info)?;
            dataset.read_frames(&rows)?;
        }
        Ok(dataset)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Features, rates and totals.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Statistics over the whole dataset, from `meta/stats.json`; all are finite.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Episodes, in order.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// Frames of all episodes.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One frame with its images.
    ///
    /// # Errors
    /// If an image cannot be read, or `index` is past the end.
    pub fn frame(&self, index: usize) -> Result<Frame> {
        let all: Vec<usize> = (0..self.info.cameras().count()).collect();
        self.frame_with(index, &all)
    }

    /// One frame of which only the cameras at these places of [`Info::cameras`] are read, in this order.
    ///
    /// # Errors
    /// As [`Dataset::frame`].
    pub fn frame_with(&self, index: usize, cameras: &[usize]) -> Result<Frame> {
        let Some(place) = self.frames.get(index) else {
            let message = format!("there is no frame {index}; the dataset has {}", self.len());
            return Err(refuse(ErrorKind::Value, &self.folder, message));
        };
        let dims = |values: &[f32]| values.len() / self.len();
        let row = |values: &[f32]| values[index * dims(values)..][..dims(values)].to_vec();
        let episode = place.episode as usize;
        Ok(Frame {
            index,
            episode,
            frame: index - self.episodes[episode].start,
            timestamp: place.timestamp,
            task: Arc::clone(&self.tasks[place.task as usize]),
            state: row(&self.state),
            surroundings: row(&self.surroundings),
            action: row(&self.action),
            images: cameras.iter().map(|camera| self.image(index, *camera)).collect::<Result<_>>()?,
        })
    }

    /// The actions of `len` frames from `index` on, within its episode.
    ///
    /// # Panics
    /// If `index` is past the end.
    pub fn chunk(&self, index: usize, len: usize) -> ActionChunk {
        let episode = &self.episodes[self.frames[index].episode as usize];
        let dims = self.action.len() / self.len();
        let actions = &self.action[episode.start * dims..][..episode.length * dims];
        ActionChunk::cut(actions, dims, index - episode.start, len)
    }

    /// Holds the dataset to a robot: the numbers of state and action must have these names, in this order. Empty
    /// lists are not checked, and neither is `robot_type` where either side does not say.
    ///
    /// # Errors
    /// Names the first difference.
    pub fn check_robot(&self, robot_type: Option<&str>, state: &[String], action: &[String]) -> Result<()> {
        let path = &self.folder.join(info::PATH);
        if let (Some(ours), Some(wanted)) = (self.info.robot_type.as_deref(), robot_type)
            && ours != wanted
        {
            let message = format!("the dataset is of robot `{ours}`");
            return Err(refuse(ErrorKind::Value, path, message).allowed(format!("`{wanted}` is wanted")));
        }
        for (feature, wanted) in [(STATE, state), (ACTION, action)] {
            let names: &[String] = self.info.feature(feature).map_or(&[], |feature| &feature.names);
            if wanted.is_empty() || names == wanted {
                continue;
            }
            return Err(other_names(path, feature, names, wanted));
        }
        Ok(())
    }

    /// What its recorders said of themselves, in order; empty where none did.
    ///
    /// # Errors
    /// If that file is there and is no list.
    pub fn origins(&self) -> Result<Vec<serde_json::Value>> {
        origin::read(&self.folder)
    }

    /// Every file of the dataset with size and hash, sorted by path: for records of what a model was made from.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn file_hashes(&self) -> Result<Vec<FileHash>> {
        let files = files_below(&self.folder)?;
        let mut hashes = files
            .iter()
            .filter(|path| !is_left_over(path) && !path.ends_with(LOCK_PATH))
            .map(|path| {
                let (bytes, sha256) = sha256(path)?;
                let inside = path.strip_prefix(&self.folder).unwrap_or(path);
                let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
                Ok(FileHash { path: parts.join("/"), bytes, sha256 })
            })
            .collect::<Result<Vec<_>>>()?;
        hashes.sort();
        Ok(hashes)
    }

    /// The videos of the dataset.
    pub(crate) fn films(&self) -> &Films {
        &self.films
    }

    /// What a camera saw in a frame.
    fn image(&self, index: usize, camera: usize) -> Result<Image> {
        let place = self.frames[index];
        let (number, row) = (place.file as usize, place.row as usize);
        let file = &self.files[number];
        let feature = self.info.cameras().nth(camera).expect("cameras of the dataset");
        let Some(leaf) = file.images[camera] else {
            let film = self.info.cameras().take(camera).filter(|camera| camera.is_video()).count();
            return self.films.image(film, place.episode as usize, place.timestamp.into());
        };
        let group = file.groups.partition_point(|start| *start <= row) - 1;
        let rows = self.cache.get((number, group, camera), || {
            let rows = file.parquet.read(group, leaf)?;
            let bytes = if let Values::Bytes(blobs) = &rows.values { blobs.num_bytes() } else { 0 };
            Ok::<_, Error>((rows, bytes))
        })?;
        let wrong = |kind, what: String| {
            refuse(kind, file.parquet.path(), format!("frame {index}, `{}`: {what}", feature.name))
        };
        let Values::Bytes(blobs) = &rows.values else {
            return Err(wrong(ErrorKind::Structure, "holds no files".into()));
        };
        let at = rows.range(row - file.groups[group]);
        let bytes = if at.len() == 1 { blobs.get(at.start) } else { None };
        let bytes = bytes.ok_or_else(|| {
            let what = "there is no image: it is kept in a file outside the dataset, or missing";
            wrong(ErrorKind::Unsupported, what.into())
        })?;
        let image = Image::from_png(bytes).map_err(|why| wrong(ErrorKind::Syntax, why))?;
        if [image.height, image.width] == feature.shape[..2] {
            Ok(image)
        } else {
            let (height, width) = (feature.shape[0], feature.shape[1]);
            let what =
                format!("{} x {} pixels; the feature says {width} x {height}", image.width, image.height);
            Err(wrong(ErrorKind::Structure, what))
        }
    }

    /// Reads all but images, and checks every counter.
    fn read_frames(&mut self, rows: &[EpisodeRow]) -> Result<()> {
        let total = self.info.total_frames;
        let mut tables: Vec<(PathBuf, Table)> = Vec::new();
        let mut last = None;
        for row in rows {
            if last.replace(row.data) != Some(row.data) {
                let path = self.info.data_file(&self.folder, row.data.0, row.data.1)?;
                let table = Table::open(&path, &self.info, total)?;
                tables.push((path, table));
            }
            // Checked before room is made for as many frames as the rows promise.
            if let Some((path, table)) = tables.last().filter(|(_, table)| table.index.len() < row.length) {
                let (index, length, count) = (row.index, row.length, table.index.len());
                let message = format!("episode {index} has {length} frames; this file has {count}");
                return Err(refuse(ErrorKind::Structure, path, message));
            }
        }
        let dims = |name: &str| self.info.feature(name).map_or(0, Feature::size);
        let [state_dims, around_dims, action_dims] = [STATE, SURROUNDINGS, ACTION].map(dims);
        let mut found = vec![false; total];
        let unset = Place { file: 0, row: 0, episode: 0, task: 0, timestamp: 0.0 };
        self.frames = vec![unset; total];
        self.state = vec![0.0; total * state_dims];
        self.surroundings = vec![0.0; total * around_dims];
        self.action = vec![0.0; total * action_dims];
        let mut success = vec![false; total];
        for (path, table) in tables {
            for row in 0..table.index.len() {
                let index = table.index[row];
                let wrong = |what: String| refuse(ErrorKind::Structure, &path, format!("row {row}: {what}"));
                if std::mem::replace(&mut found[index], true) {
                    return Err(wrong(format!("frame {index} again")));
                }
                let episode = rows.partition_point(|row| row.from <= index) - 1;
                let (counted, frame) = (table.episode[row], table.frame[row]);
                if (counted, frame) != (episode, index - rows[episode].from) {
                    let expected = index - rows[episode].from;
                    return Err(wrong(format!(
                        "frame {index} says it is number {frame} of episode {counted}; it is number {expected} of {episode}"
                    )));
                }
                let task = table.task[row];
                if task >= self.tasks.len() {
                    return Err(wrong(format!("task_index {task}; there are {} tasks", self.tasks.len())));
                }
                self.frames[index] = Place {
                    file: self.files.len() as u32,
                    row: row as u32,
                    episode: episode as u32,
                    task: task as u32,
                    timestamp: table.timestamp[row],
                };
                let copy = |from: &[f32], to: &mut [f32], dims: usize| {
                    to[index * dims..][..dims].copy_from_slice(&from[row * dims..][..dims]);
                };
                copy(&table.state, &mut self.state, state_dims);
                copy(&table.surroundings, &mut self.surroundings, around_dims);
                copy(&table.action, &mut self.action, action_dims);
                success[index] = table.success.get(row).is_some_and(|success| *success);
            }
            self.files.push(table.file);
        }
        if let Some(index) = found.iter().position(|found| !found) {
            let (chunk, number) = rows[rows.partition_point(|row| row.from <= index) - 1].data;
            let path = self.info.data_file(&self.folder, chunk, number)?;
            return Err(refuse(ErrorKind::Structure, &path, format!("frame {index} is missing")));
        }
        let labelled = self.info.feature(SUCCESS).is_some();
        self.episodes = rows
            .iter()
            .map(|row| Episode {
                index: row.index,
                start: row.from,
                length: row.length,
                tasks: row.tasks.iter().map(|task| task.as_str().into()).collect(),
                success: labelled.then(|| success[row.from..row.from + row.length].contains(&true)),
            })
            .collect();
        Ok(())
    }
}

/// What is read of a file with frames at once; images are not.
struct Table {
    file: DataFile,
    index: Vec<usize>,
    episode: Vec<usize>,
    frame: Vec<usize>,
    task: Vec<usize>,
    timestamp: Vec<f32>,
    state: Vec<f32>,
    surroundings: Vec<f32>,
    action: Vec<f32>,
    success: Vec<bool>,
}

impl Table {
    fn open(path: &Path, info: &Info, total: usize) -> Result<Self> {
        let parquet = ParquetFile::open(path)?;
        // All that the features name must be there, whether it is used or not.
        for feature in info.features.iter().filter(|feature| !feature.is_camera()) {
            parquet.leaf(&feature.name, None)?;
        }
        let images = info
            .cameras()
            .map(|camera| match camera.is_video() {
                true => Ok(None),
                false => parquet.leaf(&camera.name, Some("bytes")).map(Some),
            })
            .collect::<Result<_>>()?;
        let mut groups = Vec::new();
        let mut start = 0;
        for group in (0..parquet.num_groups()).filter(|group| parquet.rows(*group) > 0) {
            debug_assert!(group == groups.len() || parquet.rows(group) > 0);
            groups.push(start);
            start += parquet.rows(group);
        }
        if groups.len() != parquet.num_groups() {
            return Err(refuse(ErrorKind::Structure, path, "a group without rows"));
        }
        let [frame, episode, index, task] = ["frame_index", "episode_index", "index", "task_index"]
            .map(|name| episodes::counts(&parquet, name));
        let index = index?;
        if let Some(row) = index.iter().position(|index| *index >= total) {
            let message = format!("row {row} is frame {}; the dataset has {total}", index[row]);
            return Err(refuse(ErrorKind::Structure, path, message));
        }
        let vector = |name: &str| match info.feature(name) {
            Some(feature) => floats(&parquet, feature),
            None => Ok(Vec::new()),
        };
        let success = match info.feature(SUCCESS) {
            Some(feature) => floats(&parquet, feature)?.iter().map(|x| *x != 0.0).collect(),
            None => Vec::new(),
        };
        let [state, surroundings, action, timestamp] =
            [STATE, SURROUNDINGS, ACTION, COUNTERS[0].0].map(vector);
        let (state, surroundings, action, timestamp) = (state?, surroundings?, action?, timestamp?);
        let (episode, frame, task) = (episode?, frame?, task?);
        let file = DataFile { parquet, images, groups };
        Ok(Self { file, index, episode, frame, task, timestamp, state, surroundings, action, success })
    }
}

/// A feature of numbers `[rows, size]`; all are finite.
fn floats(file: &ParquetFile, feature: &Feature) -> Result<Vec<f32>> {
    let rows = file.column(&feature.name, None)?;
    let size = feature.size();
    if let Some((row, len)) = rows.odd_row(size) {
        let message =
            format!("column `{}` has {len} numbers in row {row}; the feature has {size}", feature.name);
        return Err(refuse(ErrorKind::Structure, file.path(), message));
    }
    let values = numbers(file, &feature.name, &rows)?;
    if let Some(at) = values.iter().position(|x| !(*x as f32).is_finite()) {
        let name =
            feature.names.get(at % size).map_or_else(|| (at % size).to_string(), |name| format!("`{name}`"));
        let message = format!("column `{}` is {} for {name} in row {}", feature.name, values[at], at / size);
        return Err(refuse(ErrorKind::Value, file.path(), message).allowed("finite numbers"));
    }
    Ok(values.into_iter().map(|x| x as f32).collect())
}

/// Reads `meta/stats.json` and holds it to the features.
pub fn read_stats(folder: &Path, info: &Info) -> Result<Stats> {
    let path = &folder.join(STATS_PATH);
    let json: Value = read_json(path)?;
    let mut stats = Vec::new();
    for feature in info.features.iter().filter(|feature| feature.dtype != Dtype::String) {
        let wrong = |kind, what: String| refuse(kind, path, format!("feature `{}`: {what}", feature.name));
        let needed = feature.is_camera() || [STATE, ACTION].contains(&feature.name.as_str());
        let Some(found) = json.get(&feature.name) else {
            if needed {
                return Err(wrong(ErrorKind::Structure, "there are no statistics".into()));
            }
            continue;
        };
        let of = FeatureStats::from_json(found).map_err(|why| wrong(ErrorKind::Structure, why))?;
        let size = if feature.is_camera() { 3 } else { feature.size() };
        for (name, values) in of.named() {
            if values.len() != size {
                let what = format!("`{name}` has {} numbers; the feature has {size}", values.len());
                return Err(wrong(ErrorKind::Structure, what));
            }
            if let Some(value) = values.iter().find(|x| !x.is_finite() || (name == "std" && **x < 0.0)) {
                let error = wrong(ErrorKind::Value, format!("`{name}` holds {value}"));
                return Err(error.allowed("finite statistics, deviations from 0 on"));
            }
        }
        stats.push((feature.name.clone(), of));
    }
    Ok(Stats(stats))
}

/// Names the first number that is not the wanted one.
fn other_names(path: &Path, feature: &str, names: &[String], wanted: &[String]) -> Error {
    if names.is_empty() {
        let message = format!("feature `{feature}` does not name its numbers");
        return refuse(ErrorKind::Structure, path, message)
            .allowed(format!("wanted are {}", wanted.join(", ")));
    }
    let at = (0..names.len().max(wanted.len())).find(|k| names.get(*k) != wanted.get(*k)).unwrap_or(0);
    let name = |list: &[String]| list.get(at).map_or("missing".to_owned(), |name| format!("`{name}`"));
    let (mut ours, mut theirs) = (names.to_vec(), wanted.to_vec());
    ours.sort();
    theirs.sort();
    let why = match ours == theirs {
        true => "the same names in another order",
        false => "of another robot",
    };
    let message = format!(
        "feature `{feature}` is {why}: number {at} is {} and {} is wanted",
        name(names),
        name(wanted)
    );
    refuse(ErrorKind::Value, path, message).allowed(format!("wanted are {}", wanted.join(", ")))
}
