//! Demonstrations on disk: folders of the format LeRobotDataset v3.0, read and written.
//!
//! A dataset is a list of *episodes*, each a list of *frames*: what the robot measured (`observation.state`), what its
//! cameras saw (`observation.images.NAME`), what it was then told to do (`action`), and the task in words. A [`Dataset`]
//! reads such a folder, whoever wrote it; a [`Recorder`] writes one, and an episode that it has saved stays
//! whatever happens afterwards. [`check`] goes through every byte of a folder.
//!
//! ```text
//! meta/info.json                                features, frames per second, totals
//! meta/stats.json                               statistics of every feature
//! meta/tasks.parquet                            task texts and their numbers
//! meta/keiko_origin.json                        who recorded: keiko's own, where keiko did
//! meta/episodes/chunk-000/file-000.parquet      a row an episode: where its frames are, its statistics
//! data/chunk-000/file-000.parquet               a row a frame; images are PNG files in a column
//! videos/CAMERA/chunk-000/file-000.mp4          or frames of videos, where the feature's kind is `video`
//! ```
//!
//! Videos are written as H.264, and read where they are H.264. Files of pickles are refused by name: reading one runs what it says.

mod cache;
mod check;
mod chunk;
mod dataset;
mod demonstration;
mod episodes;
mod film;
mod image;
mod info;
mod lock;
mod origin;
mod parquet;
mod recorder;
mod stats;
mod store;
mod tasks;

pub use check::{Report, check};
pub use chunk::ActionChunk;
pub use dataset::{Dataset, Episode, FileHash, Frame};
pub use demonstration::{Demonstration, Finished, Moment, Spec};
pub use image::Image;
pub use info::{Dtype, Feature, Info};
pub use keiko_model::error::{Error, ErrorKind, Result};
pub use recorder::Recorder;
pub use stats::{FeatureStats, Stats};

/// The robot's measurements, in the order of the feature's names.
pub const STATE: &str = "observation.state";
/// The state of the surroundings: what a simulator knows and no sensor tells. For learning only; policies act without it.
pub const SURROUNDINGS: &str = "observation.environment_state";
/// What the robot is told, in the order of the feature's names.
pub const ACTION: &str = "action";
/// What comes before a camera's name in the name of its feature.
pub const IMAGES: &str = "observation.images.";
/// Whether the episode of a frame reached its goal: keiko's own feature, there only where failures are kept too.
pub const SUCCESS: &str = "next.success";
