//! `meta/info.json`: what a dataset holds.

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
}

impl Info {
    /// The feature with a name.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Features that are images, in file order.
    pub fn cameras(&self) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(|feature| feature.dtype == Dtype::Image)
    }
}
