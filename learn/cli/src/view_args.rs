//! What can be typed after `keiko view`, and after the benchmarks of what it does.

use std::path::PathBuf;

use clap::Args;

use crate::args::{DeviceArg, at_least_one, positive_seconds};
use crate::commands::render::parse_size;
use crate::engine::Changes;

/// `keiko view`.
#[derive(Args, Clone, Debug)]
pub struct View {
    /// Scene name (see `keiko envs`), folder, or `scene.toml`; robot file (.xml, .urdf); run folder or `last`, whose policy acts
    /// then; replay of an environment that broke (.safetensors).
    #[arg(value_name = "SCENE|ROBOT|RUN|REPLAY", required_unless_present = "attach")]
    pub what: Option<String>,

    /// Instead: look at a run that `keiko train --live SOCKET` shows, one of its environments at a time.
    #[arg(long, value_name = "SOCKET", conflicts_with_all = ["what", "policy", "envs", "overrides", "root", "physics"])]
    pub attach: Option<PathBuf>,

    /// A trained policy acts in the scene: run folder, name of a task (its newest run), or `last`; or the folder of a policy
    /// that sees and reads, or of the fine-tuning run that made it.
    #[arg(long, value_name = "RUN|DIR")]
    pub policy: Option<String>,

    /// Folder for run folders, where `last` and `--policy` are looked up.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,

    /// Number of environments; one is shown at a time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub envs: usize,

    /// Seed of the episodes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// What is changed of the scene; of a robot file its executor alone.
    #[command(flatten)]
    pub changes: Changes,

    /// Folder that a robot file's includes and meshes may not leave; the file's own folder by default.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Where cameras and the picture are traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Begin playing; otherwise the space key does.
    #[arg(long)]
    pub play: bool,

    /// Size of the window.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size, default_value = "1280x720")]
    pub size: [u32; 2],

    /// Close after so many frames, and say how many were drawn in a second.
    #[arg(long, value_name = "N")]
    pub frames: Option<u64>,
}

/// `keiko bench live`.
#[derive(Args, Clone, Debug)]
pub struct BenchLive {
    /// Scenes.
    #[arg(default_value = "walk")]
    pub scenes: Vec<String>,
    /// Number of environments.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = at_least_one)]
    pub envs: usize,
    /// Slices that a viewer looks at, and as many between them that nobody does.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    pub slices: usize,
    /// CPU-seconds of a slice.
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = positive_seconds)]
    pub seconds: f64,
    /// Look at the run of this socket, one environment after the other: what the command does to itself.
    #[arg(long, hide = true, value_name = "SOCKET")]
    pub look: Option<PathBuf>,
}

/// `keiko bench open`.
#[derive(Args, Clone, Debug)]
pub struct BenchOpen {
    /// Robot files (.xml, .urdf), or folders that are searched for them; what does not import is left out.
    #[arg(required = true, value_name = "FILE|FOLDER")]
    pub paths: Vec<PathBuf>,
    /// Size of the picture.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size, default_value = "1280x720")]
    pub size: [u32; 2],
    /// Time that none may need \[s\].
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = positive_seconds)]
    pub demand: f64,
    /// Print so many, slowest first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub worst: usize,
    /// Where the picture is traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
}
