//! What can be typed after `keiko`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A robot simulator with a learning loop.
#[derive(Debug, Parser)]
#[command(name = "keiko", version, propagate_version = true)]
pub struct Cli {
    /// Print one line `RESULT {...}` at the end, and JSON lines instead of progress.
    #[arg(long, global = true)]
    pub json: bool,

    /// Threads for physics; 0 takes one per core.
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub threads: usize,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a policy on a scene.
    Train(Train),
    /// Run a trained policy and print what it does.
    Play(Play),
    /// Measure a trained policy over many episodes.
    Eval(Eval),
    /// Load scenes and step them at random: a check for CI.
    Smoke(Smoke),
    /// Measure speed: lines `scene.metric value`.
    Bench(Bench),
    /// Say what a robot file holds, and what keiko makes of it.
    Import(Import),
    /// List the scenes, or describe one.
    Envs(Envs),
    /// Hold the program to known answers.
    Verify(Verify),
}

/// A scene and how to change it.
#[derive(Args, Clone, Debug)]
pub struct SceneArgs {
    /// Scene name (see `keiko envs`), folder, or `scene.toml`.
    pub scene: String,

    /// Change a value of the scene: `--set reward.alive.weight=2`. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// Where the networks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A real GPU if there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through Vulkan, Metal or DirectX.
    Gpu,
}

/// `keiko train`.
#[derive(Args, Clone, Debug)]
pub struct Train {
    /// Scene name (see `keiko envs`), folder, or `scene.toml`; left out with `--resume`.
    #[arg(required_unless_present = "resume")]
    pub scene: Option<String>,

    /// Change a value of the scene: `--set train.gamma=0.98`. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Number of environments; the scene's own number by default.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub envs: Option<usize>,

    /// Iterations; the scene's own number by default.
    #[arg(long, value_name = "N")]
    pub iterations: Option<u32>,

    /// Where the networks run.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Folder for run folders.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,

    /// Go on with a run: its folder, the name of its task, or `last`.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["scene", "overrides", "seed", "envs"])]
    pub resume: Option<String>,
}

/// `keiko play`.
#[derive(Args, Clone, Debug)]
pub struct Play {
    /// Run folder, name of a task (its newest run), or `last`.
    #[arg(default_value = "last")]
    pub run: String,

    /// Episodes to play.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub episodes: usize,

    /// Seed of the episodes.
    #[arg(long, default_value_t = 1000)]
    pub seed: u64,

    /// Write every step as a row: time, reward, actions, joint positions and velocities.
    #[arg(long, value_name = "FILE.csv")]
    pub trace: Option<PathBuf>,

    /// Change a value of the scene. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// Folder for run folders, where `last` is looked up.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

/// `keiko eval`.
#[derive(Args, Clone, Debug)]
pub struct Eval {
    /// Run folder, name of a task (its newest run), or `last`.
    #[arg(default_value = "last")]
    pub run: String,

    /// Episodes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub episodes: usize,

    /// Number of environments that share the episodes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub envs: usize,

    /// Seed of the episodes.
    #[arg(long, default_value_t = 1000)]
    pub seed: u64,

    /// Change a value of the scene. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// Folder for run folders, where `last` is looked up.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

/// `keiko smoke`.
#[derive(Args, Clone, Debug)]
pub struct Smoke {
    /// Scenes, or folders that hold scenes.
    #[arg(required = true)]
    pub paths: Vec<String>,

    /// Write a JUnit report.
    #[arg(long, value_name = "FILE.xml")]
    pub junit: Option<PathBuf>,

    /// Random control steps for each batch size.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub steps: usize,

    /// Seed of actions and episodes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Change a value of every scene. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// `keiko bench`.
#[derive(Args, Clone, Debug)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub what: BenchWhat,
}

/// What `keiko bench` can measure.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchWhat {
    /// The rapier executor on every scene: steps per CPU-second, memory, start-up.
    Rapier {
        /// Scenes; all of them by default.
        scenes: Vec<String>,
        /// Number of environments.
        #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
        envs: usize,
        /// CPU-seconds to measure for each scene.
        #[arg(long, value_name = "S", default_value_t = 2.0)]
        seconds: f64,
        /// Measure in this process, started at this Unix time: what the command does to itself for each scene.
        #[arg(long, hide = true, value_name = "UNIX_SECONDS")]
        started: Option<f64>,
    },
}

/// `keiko import`.
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// MJCF or URDF file.
    pub file: PathBuf,

    /// Exit with 1 if anything was approximated or dropped.
    #[arg(long)]
    pub strict: bool,

    /// Folder that includes and meshes may not leave; the file's own folder by default.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Let the root link of a URDF float instead of standing fixed.
    #[arg(long)]
    pub floating_base: bool,
}

/// `keiko envs`.
#[derive(Args, Clone, Debug)]
pub struct Envs {
    /// Scene to describe; all are listed by default.
    pub scene: Option<String>,
}

/// A count of things of which none makes no sense.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

/// `keiko verify`.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// What to verify.
    #[command(subcommand)]
    pub what: VerifyWhat,
}

/// What `keiko verify` can verify.
#[derive(Clone, Debug, Subcommand)]
pub enum VerifyWhat {
    /// The physics truth card: scenes with closed-form answers, value beside demand.
    Physics {
        /// Rows, e.g. `T6`; all of them by default.
        rows: Vec<String>,
        /// Only one part of the card: contact, joints, spin, impact, stack, robot.
        #[arg(long)]
        group: Option<String>,
    },
}
