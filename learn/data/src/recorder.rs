//! Writing a dataset, episode by episode.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keiko_model::error::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

use crate::demonstration::Footage;
use crate::episodes::{self, EpisodeRow, InFilm};
use crate::info::{self, Dtype, Feature, Info};
use crate::lock::{LOCK_PATH, Lock};
use crate::parquet::{Column, Layout, Values, to_bytes};
use crate::stats::{FeatureStats, Stats};
use crate::store::{create_folder, files_below, io, is_left_over, refuse, replace};
use crate::{
    ACTION, Demonstration, Episode, Finished, IMAGES, STATE, SUCCESS, SURROUNDINGS, Spec, origin, tasks,
};

/// Statistics of the whole dataset.
pub const STATS_PATH: &str = "meta/stats.json";
/// Rows in a file of `meta/episodes`, which is written anew for each.
const MAX_ROWS: usize = 100;
/// Most bytes of images of one camera in one episode.
const MAX_IMAGES: usize = 1 << 30;

/// Writes a dataset. What [`Recorder::save`] was given is on disk when it returns: a process killed at any later moment
/// loses nothing of it, and leaves a folder that opens.
///
/// Each episode has files of its own, which are complete before the row that names them is written: frames, and a video of
/// each camera where [`Spec::video`] asks for it. Totals and statistics
/// follow, and are made anew from the rows by [`Recorder::append`] if a crash came between.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    info: Info,
    spec: Arc<Spec>,
    /// All of the dataset together; none while there is no episode.
    stats: Option<Stats>,
    /// Rows of the file of `meta/episodes` that grows.
    rows: Vec<EpisodeRow>,
    /// Where the next episode's frames go, and the next file of rows.
    next_data: (usize, usize),
    next_meta: (usize, usize),
    /// Held as long as this lives.
    _lock: Lock,
}

impl Recorder {
    /// Starts a dataset in a folder that is empty or does not exist.
    ///
    /// # Errors
    /// If the folder holds something, or cannot be written.
    pub fn create(folder: &Path, spec: &Spec) -> Result<Self> {
        spec.check(folder)?;
        create_folder(folder)?;
        let lock = Lock::acquire(folder)?;
        let foreign = |path: &PathBuf| !is_left_over(path) && !path.ends_with(LOCK_PATH);
        if let Some(path) = files_below(folder)?.iter().find(|path| foreign(path)) {
            let message = format!("the folder is not empty: it holds {}", path.display());
            return Err(
                refuse(ErrorKind::Structure, folder, message).allowed("an empty folder, or one to append to")
            );
        }
        let info = Info::new(spec.fps, &spec.robot_type, spec.features());
        remove_left_overs(folder)?;
        info.write(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            info,
            spec: Arc::new(spec.clone()),
            stats: None,
            rows: Vec::new(),
            next_data: (0, 0),
            next_meta: (0, 0),
            _lock: lock,
        })
    }

    /// Goes on with a dataset, after removing what a killed recorder left of an episode in flight.
    ///
    /// # Errors
    /// If it is no dataset, its features are others than those of `spec`, or another process writes to it.
    pub fn append(folder: &Path, spec: &Spec) -> Result<Self> {
        spec.check(folder)?;
        let mut info = Info::read(folder)?;
        let lock = Lock::acquire(folder)?;
        same_features(folder, &info, spec)?;
        remove_left_overs(folder)?;
        let rows = episodes::read(folder, &info.features, true)?;
        if rows.len() < info.total_episodes {
            let message = format!("{} episodes; meta/episodes has {}", info.total_episodes, rows.len());
            return Err(refuse(ErrorKind::Structure, &folder.join(info::PATH), message));
        }
        info.tasks = if rows.is_empty() { Vec::new() } else { tasks::read(folder)? };
        let after = |place: Option<(usize, usize)>| match place {
            None => (0, 0),
            Some((chunk, file)) if file + 1 < info.chunks_size => (chunk, file + 1),
            Some((chunk, _)) => (chunk + 1, 0),
        };
        let merge = |all: Option<Stats>, row: &EpisodeRow| match all {
            None => Some(row.stats.clone()),
            Some(all) => Some(all.merged(&row.stats)),
        };
        let mut recorder = Self {
            folder: folder.to_owned(),
            spec: Arc::new(spec.clone()),
            stats: rows.iter().fold(None, merge),
            rows: Vec::new(),
            next_data: after(rows.iter().flat_map(EpisodeRow::places).max()),
            next_meta: after(rows.iter().map(|row| row.meta).max()),
            info,
            _lock: lock,
        };
        recorder.info.total_episodes = rows.len();
        recorder.info.total_frames = rows.last().map_or(0, |row| row.from + row.length);
        recorder.write_totals()?;
        Ok(recorder)
    }

    /// What is recorded.
    pub fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// Episodes that are saved.
    pub fn num_episodes(&self) -> usize {
        self.info.total_episodes
    }

    /// Frames that are saved.
    pub fn num_frames(&self) -> usize {
        self.info.total_frames
    }

    /// Says where the episodes that are saved from now on come from: an entry of `meta/keiko_origin.json`.
    ///
    /// # Errors
    /// If what is there is no list, or the disk refuses.
    pub fn add_origin(&self, origin: Value) -> Result<()> {
        origin::add(&self.folder, origin)
    }

    /// Saves an episode of a task.
    ///
    /// # Errors
    /// If the demonstration is empty, of another [`Spec`], or the disk refuses; what was saved before stays.
    pub fn save(&mut self, demonstration: Demonstration, task: &str, success: bool) -> Result<Episode> {
        let mut saved = self.save_all(vec![Finished { demonstration, task: task.into(), success }])?;
        Ok(saved.remove(0))
    }

    /// Saves episodes that ended together: the tables that count them wait for the disk once for all, not once for each.
    ///
    /// # Errors
    /// As [`Recorder::save`]; nothing is written if one of them is not one of this recording.
    pub fn save_all(&mut self, finished: Vec<Finished>) -> Result<Vec<Episode>> {
        for episode in &finished {
            self.check_episode(episode)?;
        }
        let mut saved = Vec::new();
        if finished.is_empty() {
            return Ok(saved);
        }
        let mut finished = finished.into_iter().peekable();
        while finished.peek().is_some() {
            let room = MAX_ROWS - self.rows.len();
            let rows = self.write_frames(finished.by_ref().take(room))?;
            self.add_rows(rows, &mut saved)?;
        }
        self.write_totals()?;
        Ok(saved)
    }

    /// Refuses what is none of this recording.
    fn check_episode(&self, Finished { demonstration, success, .. }: &Finished) -> Result<()> {
        let wrong = |message: &str| Err(refuse(ErrorKind::Value, &self.folder, message));
        if demonstration.is_empty() {
            return wrong("an episode without frames");
        }
        if demonstration.spec != self.spec {
            return wrong("an episode of another recording");
        }
        if demonstration.cameras.iter().any(|(footage, _)| footage.len() != demonstration.len()) {
            return wrong("an episode of which a frame could not be encoded");
        }
        if demonstration.cameras.iter().any(|(footage, _)| footage.num_bytes() > MAX_IMAGES) {
            return wrong("an episode with more than 1 GiB of images of a camera");
        }
        if !success && !self.spec.label_success {
            return wrong("a failure in a recording that does not label success");
        }
        Ok(())
    }

    /// Writes the files of episodes, each its own, and gives the rows that make them part of the dataset, and which of
    /// them were successes.
    fn write_frames(&mut self, finished: impl Iterator<Item = Finished>) -> Result<Vec<(EpisodeRow, bool)>> {
        let mut rows: Vec<(EpisodeRow, bool)> = Vec::new();
        let mut data = self.next_data;
        for Finished { mut demonstration, task, success } in finished {
            let number = self.task(&task)?;
            let index = self.info.total_episodes + rows.len();
            let from = rows.last().map_or(self.info.total_frames, |(row, _)| row.from + row.length);
            let length = demonstration.len();
            let films = demonstration.finish_films()?;
            let videos =
                vec![InFilm { place: data, from: 0.0, to: length as f64 / self.info.fps }; films.len()];
            for (camera, film) in films {
                replace(&self.info.video_file(&self.folder, &camera, data)?, &film)?;
            }
            let (columns, stats) = self.columns(demonstration, [index, from, number], success);
            let path = self.info.data_file(&self.folder, data.0, data.1)?;
            let features = huggingface(&self.info.features);
            replace(&path, &to_bytes(&columns, length, &[("huggingface", features)]))?;
            let (tasks, meta) = (vec![task], self.next_meta);
            rows.push((EpisodeRow { index, tasks, length, data, videos, from, stats, meta }, success));
            data = self.after(data);
        }
        Ok(rows)
    }

    /// Number of a task's text, which is written where it is new.
    fn task(&mut self, task: &str) -> Result<usize> {
        if let Some(number) = self.info.tasks.iter().position(|known| known == task) {
            return Ok(number);
        }
        let mut tasks = self.info.tasks.clone();
        tasks.push(task.to_owned());
        tasks::write(&self.folder, &tasks)?;
        self.info.tasks = tasks;
        Ok(self.info.tasks.len() - 1)
    }

    /// Makes episodes part of the dataset: from here on they are counted.
    fn add_rows(&mut self, new: Vec<(EpisodeRow, bool)>, saved: &mut Vec<Episode>) -> Result<()> {
        let mut rows = self.rows.clone();
        rows.extend(new.iter().map(|(row, _)| row.clone()));
        episodes::write(&self.folder, &rows, &self.info.features)?;
        self.rows = rows;
        if self.rows.len() >= MAX_ROWS {
            self.rows.clear();
            self.next_meta = self.after(self.next_meta);
        }
        for (row, success) in new {
            self.next_data = self.after(self.next_data);
            self.stats = Some(match &self.stats {
                None => row.stats.clone(),
                Some(all) => all.merged(&row.stats),
            });
            self.info.total_episodes += 1;
            self.info.total_frames += row.length;
            let success = self.spec.label_success.then_some(success);
            let tasks = row.tasks.iter().map(|task| task.as_str().into()).collect();
            saved.push(Episode { index: row.index, start: row.from, length: row.length, tasks, success });
        }
        Ok(())
    }

    /// The place of the file after one.
    fn after(&self, (chunk, file): (usize, usize)) -> (usize, usize) {
        if file + 1 < self.info.chunks_size { (chunk, file + 1) } else { (chunk + 1, 0) }
    }

    /// `stats.json`, then `info.json`, which counts what is complete.
    fn write_totals(&self) -> Result<()> {
        if let Some(stats) = &self.stats {
            let of = |(name, stats): &(String, FeatureStats)| {
                let image = self.info.feature(name).is_some_and(Feature::is_camera);
                (name.clone(), stats.to_json(image))
            };
            let json = Value::Object(stats.0.iter().map(of).collect::<Map<_, _>>());
            replace(&self.folder.join(STATS_PATH), format!("{json:#}\n").as_bytes())?;
        }
        self.info.write(&self.folder)
    }

    /// Columns of an episode's frames, and their statistics, by the numbers of episode, first frame and task.
    fn columns(
        &self,
        mut demonstration: Demonstration,
        [episode, start, task]: [usize; 3],
        success: bool,
    ) -> (Vec<Column>, Stats) {
        let frames = demonstration.frames;
        let mut columns = Vec::new();
        let mut stats = Vec::new();
        for feature in &self.info.features {
            let name = feature.name.as_str();
            let ints = |of: &dyn Fn(usize) -> usize| Values::Int((0..frames).map(|t| of(t) as i64).collect());
            let camera = name.strip_prefix(IMAGES).filter(|_| feature.is_camera());
            let camera =
                camera.and_then(|name| self.spec.cameras.iter().position(|(known, ..)| known == name));
            if let Some(camera) = camera {
                let (footage, colors) = &mut demonstration.cameras[camera];
                let path = |t: usize| format!("frame-{t:06}.png");
                stats.push((name.to_owned(), colors.stats()));
                // Videos are no columns.
                if let Footage::Png(files) = footage {
                    columns.push(Column {
                        name: name.to_owned(),
                        layout: Layout::Image((0..frames).map(path).collect()),
                        values: Values::Bytes(std::mem::take(files)),
                    });
                }
                continue;
            }
            let values = match name {
                STATE => Values::Float(demonstration.state.clone()),
                SURROUNDINGS => Values::Float(demonstration.surroundings.clone()),
                ACTION => Values::Float(demonstration.action.clone()),
                SUCCESS => Values::Bool((0..frames).map(|t| success && t + 1 == frames).collect()),
                "timestamp" => {
                    Values::Float((0..frames).map(|t| (t as f64 / self.info.fps) as f32).collect())
                }
                "frame_index" => ints(&|t| t),
                "episode_index" => ints(&|_| episode),
                "index" => ints(&|t| start + t),
                _ => ints(&|_| task),
            };
            let numbers = values.numbers().unwrap_or_default();
            stats.push((name.to_owned(), FeatureStats::of(&numbers, feature.size())));
            let layout =
                if feature.size() == 1 { Layout::Scalar } else { Layout::Lists(feature.shape.clone()) };
            columns.push(Column { name: name.to_owned(), layout, values });
        }
        (columns, Stats(stats))
    }
}

/// What the library `datasets` keeps of the features.
fn huggingface(features: &[Feature]) -> String {
    let of = |feature: &Feature| {
        let value = json!({"dtype": feature.dtype.name(), "_type": "Value"});
        let json = match (feature.dtype, feature.size()) {
            (Dtype::Image, _) => json!({"_type": "Image"}),
            (_, 1) => value,
            (_, length) => json!({"feature": value, "length": length, "_type": "List"}),
        };
        (feature.name.clone(), json)
    };
    let columns = features.iter().filter(|feature| !feature.is_video());
    json!({"info": {"features": columns.map(of).collect::<Map<_, _>>()}}).to_string()
}

/// Refuses to mix recordings of different robots, rates or cameras.
fn same_features(folder: &Path, info: &Info, spec: &Spec) -> Result<()> {
    let path = &folder.join(info::PATH);
    let differs = |what: &str, found: String, wanted: String| -> Error {
        let message = format!("{what} is {found} in the dataset and {wanted} in the recording");
        refuse(ErrorKind::Structure, path, message).allowed("appending the same; record into another folder")
    };
    if info.fps != f64::from(spec.fps) {
        return Err(differs("fps", info.fps.to_string(), spec.fps.to_string()));
    }
    if let Some(found) = info.robot_type.as_ref().filter(|found| **found != spec.robot_type) {
        return Err(differs("robot_type", format!("`{found}`"), format!("`{}`", spec.robot_type)));
    }
    let wanted = Info::new(spec.fps, &spec.robot_type, spec.features());
    for feature in &wanted.features {
        match info.feature(&feature.name) {
            Some(found) if found == feature => {}
            Some(found) => {
                let show = |f: &Feature| format!("{} {:?} {:?}", f.dtype.name(), f.shape, f.names);
                return Err(differs(&format!("feature `{}`", feature.name), show(found), show(feature)));
            }
            None => {
                return Err(differs(
                    &format!("feature `{}`", feature.name),
                    "missing".into(),
                    "there".into(),
                ));
            }
        }
    }
    match info.features.iter().find(|feature| wanted.feature(&feature.name).is_none()) {
        Some(extra) => Err(differs(&format!("feature `{}`", extra.name), "there".into(), "missing".into())),
        None => Ok(()),
    }
}

fn remove_left_overs(folder: &Path) -> Result<()> {
    for path in files_below(folder)?.iter().filter(|path| is_left_over(path)) {
        fs::remove_file(path).map_err(io("remove", path))?;
    }
    Ok(())
}
