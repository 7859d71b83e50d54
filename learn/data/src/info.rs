//! `meta/info.json`: what a dataset holds.

use std::fmt;
use std::path::{Path, PathBuf};

use keiko_model::error::{Error, ErrorKind, Result};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::store::{read_json, refuse, replace};

/// What `codebase_version` says.
pub const VERSION: &str = "v3.0";
/// Where `info.json` is.
pub const PATH: &str = "meta/info.json";
/// Where frames are, unless a dataset says otherwise.
const DATA_PATH: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
/// Where videos are, unless a dataset says otherwise.
const VIDEO_PATH: &str = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";
/// Largest vector or image \[number\].
const MAX_SIZE: usize = 1 << 28;

/// Kind of the numbers of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floating point.
    Float32,
    /// 64-bit floating point.
    Float64,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Yes or no.
    Bool,
    /// Text.
    String,
    /// A PNG file in a column.
    Image,
    /// A frame of a video beside the tables.
    Video,
}

impl Dtype {
    const NAMES: [(Self, &'static str); 8] = [
        (Self::Float32, "float32"),
        (Self::Float64, "float64"),
        (Self::Int32, "int32"),
        (Self::Int64, "int64"),
        (Self::Bool, "bool"),
        (Self::String, "string"),
        (Self::Image, "image"),
        (Self::Video, "video"),
    ];

    /// As numpy and lerobot call it.
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(dtype, _)| *dtype == self).map_or("", |(_, name)| name)
    }
}

/// One feature of every frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Name, e.g. `observation.state`.
    pub name: String,
    /// Kind.
    pub dtype: Dtype,
    /// Shape; of images `[height, width, 3]`.
    pub shape: Vec<usize>,
    /// What each number is, e.g. joints in order; empty where the dataset does not say.
    pub names: Vec<String>,
}

impl Feature {
    /// Numbers in it.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it is what a camera saw, however it is kept.
    pub(crate) fn is_camera(&self) -> bool {
        matches!(self.dtype, Dtype::Image | Dtype::Video)
    }

    /// Whether it is kept as a video.
    pub(crate) fn is_video(&self) -> bool {
        self.dtype == Dtype::Video
    }
}

/// What a dataset holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// Frames a second.
    pub fps: f64,
    /// Which robot, where the dataset says.
    pub robot_type: Option<String>,
    /// Episodes.
    pub total_episodes: usize,
    /// Frames of all episodes.
    pub total_frames: usize,
    /// Task texts, by number.
    pub tasks: Vec<String>,
    /// Features, in file order; the five counters that every dataset has (`timestamp`, `frame_index`,
    /// `episode_index`, `index`, `task_index`) are among them.
    pub features: Vec<Feature>,
    /// Where the frames of a file are; `{chunk_index}` and `{file_index}` stand for numbers.
    pub data_path: String,
    /// Where videos are; `{video_key}` stands for the feature besides. Nothing where there are none.
    pub video_path: Option<String>,
    /// Files in a folder.
    pub chunks_size: usize,
}

/// The file, as it is written.
#[derive(Serialize, Deserialize)]
struct InfoFile {
    codebase_version: String,
    #[serde(default)]
    robot_type: Option<String>,
    total_episodes: usize,
    total_frames: usize,
    #[serde(default)]
    total_tasks: usize,
    #[serde(default = "chunks_size")]
    chunks_size: usize,
    #[serde(default)]
    data_files_size_in_mb: Option<u64>,
    #[serde(default)]
    video_files_size_in_mb: Option<u64>,
    #[serde(serialize_with = "whole")]
    fps: f64,
    #[serde(default)]
    splits: Value,
    #[serde(default = "data_path")]
    data_path: String,
    #[serde(default)]
    video_path: Option<String>,
    features: Ordered,
}

/// As a whole number where it is one: lerobot's own type.
fn whole<S: Serializer>(number: &f64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match number.fract() == 0.0 && number.abs() < 1e9 {
        true => serializer.serialize_i64(*number as i64),
        false => serializer.serialize_f64(*number),
    }
}

fn chunks_size() -> usize {
    1000
}

fn data_path() -> String {
    DATA_PATH.into()
}

/// A map in file order.
struct Ordered(Vec<(String, FeatureFile)>);

#[derive(Serialize, Deserialize)]
struct FeatureFile {
    dtype: String,
    shape: Vec<usize>,
    #[serde(default)]
    names: Value,
    /// What is known of a video.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    info: Value,
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, feature) in &self.0 {
            map.serialize_entry(name, feature)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("features by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Info {
    /// The feature with a name.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Features that are what cameras saw, in file order.
    pub fn cameras(&self) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(|feature| feature.is_camera())
    }

    /// Those of them that are kept as videos.
    pub(crate) fn videos(&self) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(|feature| feature.is_video())
    }

    /// Of a dataset without episodes: its own features, then the counters.
    pub(crate) fn new(fps: u32, robot_type: &str, own: Vec<Feature>) -> Self {
        let counter = |(name, dtype): (&str, _)| Feature {
            name: name.into(),
            dtype,
            shape: vec![1],
            names: Vec::new(),
        };
        let video_path = own.iter().any(Feature::is_video).then(|| VIDEO_PATH.to_owned());
        Self {
            fps: fps.into(),
            robot_type: Some(robot_type.to_owned()),
            total_episodes: 0,
            total_frames: 0,
            tasks: Vec::new(),
            features: own.into_iter().chain(COUNTERS.map(counter)).collect(),
            data_path: data_path(),
            video_path,
            chunks_size: chunks_size(),
        }
    }

    /// Reads `meta/info.json` of a dataset's folder; tasks stand elsewhere.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = &folder.join(PATH);
        if !path.is_file() {
            return Err(no_dataset(folder));
        }
        let file: Value = read_json(path)?;
        let version = file.get("codebase_version").and_then(Value::as_str).unwrap_or("none");
        if version != VERSION {
            let error = refuse(ErrorKind::Unsupported, path, format!("codebase_version `{version}`"));
            return Err(
                error.allowed(format!("`{VERSION}`; lerobot's own converter brings older datasets there"))
            );
        }
        let file: InfoFile = read_json(path)?;
        let limit = |message: String| Err(refuse(ErrorKind::Value, path, message));
        if !(file.fps.is_finite() && file.fps > 0.0) {
            return limit(format!("fps {}; allowed: above 0", file.fps));
        }
        if file.chunks_size == 0 {
            return limit("chunks_size 0; allowed: 1 and more".into());
        }
        let features = file
            .features
            .0
            .into_iter()
            .map(|(name, feature)| feature.read(name).map_err(|(kind, message)| refuse(kind, path, message)))
            .collect::<Result<Vec<_>>>()?;
        let info = Self {
            fps: file.fps,
            robot_type: file.robot_type,
            total_episodes: file.total_episodes,
            total_frames: file.total_frames,
            tasks: Vec::new(),
            features,
            data_path: file.data_path,
            video_path: file.video_path,
            chunks_size: file.chunks_size,
        };
        for (name, dtype) in COUNTERS {
            match info.feature(name) {
                Some(feature) if feature.dtype == dtype && feature.size() == 1 => {}
                found => {
                    let what = found
                        .map_or("there is no".to_owned(), |f| format!("{} is {}, not", name, f.dtype.name()));
                    let message = format!("feature `{name}`: {what} {} of one number", dtype.name());
                    return Err(refuse(ErrorKind::Structure, path, message));
                }
            }
        }
        info.data_file(folder, 0, 0)?;
        for feature in info.videos() {
            info.video_file(folder, &feature.name, (0, 0))?;
        }
        Ok(info)
    }

    /// Writes `meta/info.json`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let features = self.features.iter().map(|feature| {
            let names = if feature.names.is_empty() { Value::Null } else { json!(feature.names) };
            let info = if feature.is_video() { self.of_video(feature) } else { Value::Null };
            let file =
                FeatureFile { dtype: feature.dtype.name().into(), shape: feature.shape.clone(), names, info };
            (feature.name.clone(), file)
        });
        let file = InfoFile {
            codebase_version: VERSION.into(),
            robot_type: self.robot_type.clone(),
            total_episodes: self.total_episodes,
            total_frames: self.total_frames,
            total_tasks: self.tasks.len(),
            chunks_size: self.chunks_size,
            data_files_size_in_mb: Some(100),
            video_files_size_in_mb: Some(200),
            fps: self.fps,
            splits: json!({"train": format!("0:{}", self.total_episodes)}),
            data_path: self.data_path.clone(),
            video_path: self.video_path.clone(),
            features: Ordered(features.collect()),
        };
        let text = serde_json::to_string_pretty(&file)
            .map_err(|error| refuse(ErrorKind::Value, &folder.join(PATH), error.to_string()))?;
        replace(&folder.join(PATH), (text + "\n").as_bytes())
    }

    /// What lerobot keeps of a video.
    fn of_video(&self, feature: &Feature) -> Value {
        let fps = whole(&self.fps, serde_json::value::Serializer).unwrap_or_default();
        json!({
            "video.height": feature.shape[0],
            "video.width": feature.shape[1],
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": false,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": false,
        })
    }

    /// Where a video is, by the number of its folder and its number in it.
    pub(crate) fn video_file(
        &self,
        folder: &Path,
        camera: &str,
        (chunk, file): (usize, usize),
    ) -> Result<PathBuf> {
        let info = &folder.join(PATH);
        let Some(template) = &self.video_path else {
            let message = format!("feature `{camera}` is a video, and there is no video_path");
            return Err(refuse(ErrorKind::Structure, info, message).allowed(format!("e.g. `{VIDEO_PATH}`")));
        };
        let name = fill(&template.replace("{video_key}", camera), chunk, file);
        confined(info, "video_path", template, &name)?;
        if Path::new(&name).extension().is_some_and(|extension| extension == "mp4") {
            return Ok(folder.join(name));
        }
        let message = format!("video_path `{template}` names no MP4 files");
        Err(refuse(ErrorKind::Unsupported, info, message).allowed(format!("e.g. `{VIDEO_PATH}`")))
    }

    /// Where the frames of a file are.
    pub(crate) fn data_file(&self, folder: &Path, chunk: usize, file: usize) -> Result<PathBuf> {
        let name = fill(&self.data_path, chunk, file);
        let info = &folder.join(PATH);
        confined(info, "data_path", &self.data_path, &name)?;
        match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => Ok(folder.join(name)),
            Some("pkl" | "pickle" | "pt" | "pth") => {
                let message = format!(
                    "data_path `{}` names pickles; reading one runs what it says, and keiko does not",
                    self.data_path
                );
                Err(refuse(ErrorKind::Unsupported, info, message).allowed("parquet files"))
            }
            _ => {
                let message = format!("data_path `{}` names no parquet files", self.data_path);
                Err(refuse(ErrorKind::Unsupported, info, message).allowed(format!("e.g. `{DATA_PATH}`")))
            }
        }
    }
}

/// Refuses a file outside the dataset.
fn confined(info: &Path, what: &str, template: &str, name: &str) -> Result<()> {
    let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if inside && !name.contains('\\') {
        return Ok(());
    }
    let message = format!("{what} `{template}` leads out of the dataset: `{name}`");
    Err(refuse(ErrorKind::Confinement, info, message))
}

/// Features that every dataset has.
pub const COUNTERS: [(&str, Dtype); 5] = [
    ("timestamp", Dtype::Float32),
    ("frame_index", Dtype::Int64),
    ("episode_index", Dtype::Int64),
    ("index", Dtype::Int64),
    ("task_index", Dtype::Int64),
];

impl FeatureFile {
    fn read(self, name: String) -> std::result::Result<Feature, (ErrorKind, String)> {
        let known = || Dtype::NAMES.map(|(_, name)| name).join(", ");
        let found = Dtype::NAMES.into_iter().find(|(_, dtype)| *dtype == self.dtype);
        let Some((dtype, _)) = found else {
            let message = format!("feature `{name}` is of dtype `{}`; read are {}", self.dtype, known());
            return Err((ErrorKind::Unsupported, message));
        };
        let size = self.shape.iter().try_fold(1, |size: usize, n| size.checked_mul(*n));
        if size.is_none_or(|size| size == 0 || size > MAX_SIZE) || self.shape.is_empty() {
            let message =
                format!("feature `{name}` has shape {:?}; allowed: 1 to {MAX_SIZE} numbers", self.shape);
            return Err((ErrorKind::Limit, message));
        }
        let names = flat_names(&self.names);
        let mut shape = self.shape;
        if matches!(dtype, Dtype::Image | Dtype::Video) {
            // Some old datasets have channels first, and say so.
            if names.first().is_some_and(|first| first.starts_with("channel")) && shape.len() == 3 {
                shape.rotate_left(1);
            }
            if shape.len() != 3 || shape[2] != 3 {
                let message =
                    format!("feature `{name}` has shape {shape:?}; read are images [height, width, 3]");
                return Err((ErrorKind::Unsupported, message));
            }
            return Ok(Feature { name, dtype, shape, names });
        }
        if !names.is_empty() && names.len() != shape.iter().product::<usize>() {
            let (count, size) = (names.len(), shape.iter().product::<usize>());
            return Err((
                ErrorKind::Structure,
                format!("feature `{name}` has {count} names for {size} numbers"),
            ));
        }
        Ok(Feature { name, dtype, shape, names })
    }
}

/// Names as a list, or as the only list of a map: `{"motors": [..]}`.
fn flat_names(names: &Value) -> Vec<String> {
    let list = match names {
        Value::Array(list) => list,
        Value::Object(map) if map.len() == 1 => match map.values().next() {
            Some(Value::Array(list)) => list,
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    list.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>().unwrap_or_default()
}

/// Puts numbers into a template of Python's `format`, of which widths such as `:03d` are known.
fn fill(template: &str, chunk: usize, file: usize) -> String {
    let mut text = template.to_owned();
    for (name, number) in [("chunk_index", chunk), ("file_index", file)] {
        text = text.replace(&format!("{{{name}:03d}}"), &format!("{number:03}"));
        text = text.replace(&format!("{{{name}}}"), &number.to_string());
    }
    text
}

/// Says what a path is that is no dataset.
fn no_dataset(path: &Path) -> Error {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    if path.is_file() && matches!(extension.as_deref(), Some("pkl" | "pickle" | "pt" | "pth")) {
        let message = "this is a file of pickles; reading one runs what it says, and keiko does not";
        return refuse(ErrorKind::Unsupported, path, message).allowed("a folder of LeRobotDataset v3.0");
    }
    if path.join("meta/episodes.jsonl").is_file() {
        return refuse(ErrorKind::Unsupported, path, "a dataset of an older version without meta/info.json");
    }
    let what = match (path.is_dir(), path.exists()) {
        (true, _) => "this folder is no dataset: it has no meta/info.json",
        (false, true) => "this is a file, not the folder of a dataset",
        (false, false) => "there is no such folder",
    };
    refuse(ErrorKind::Structure, path, what).allowed("a folder of LeRobotDataset v3.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        assert_eq!(fill(DATA_PATH, 0, 12), "data/chunk-000/file-012.parquet");
        assert_eq!(fill("{chunk_index}/{file_index}", 1, 2), "1/2");
    }

    #[test]
    fn names_are_read_in_both_forms() {
        assert_eq!(flat_names(&json!(["a", "b"])), ["a", "b"]);
        assert_eq!(flat_names(&json!({"motors": ["a"]})), ["a"]);
        assert!(flat_names(&json!(null)).is_empty() && flat_names(&json!([1])).is_empty());
    }
}
