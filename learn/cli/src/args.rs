//! What can be typed after `keiko`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use keiko_camera::Channel;
use keiko_train::{Device, DeviceChoice};

use crate::commands::render::{parse_channel, parse_size};
use crate::engine::{Changes, EngineArgs, PhysicsArg};
pub use crate::model_args::{BenchModel, FineTune, LearnArg, VerifySmolVla};
use crate::mujoco::PeerArgs;
pub use crate::view_args::{BenchLive, BenchOpen, View};

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
    /// Teach a vision-language-action policy from demonstrations.
    #[command(name = "finetune")]
    FineTune(FineTune),
    /// Run a trained policy and print what it does.
    Play(Play),
    /// Measure a trained policy over many episodes.
    Eval(Eval),
    /// How runs learned, side by side: a table.
    Curve(Curve),
    /// Record demonstrations of a task: a dataset to learn from.
    Record(Record),
    /// Say what a dataset holds, and whether it is sound.
    Data(Data),
    /// Load scenes and step them at random: a check for CI.
    Smoke(Smoke),
    /// Measure speed: lines `scene.metric value`.
    Bench(Bench),
    /// Write poses, mass matrix and forces of a robot file at given states.
    Dynamics(Dynamics),
    /// Step a robot file under given controls and write the trajectory.
    Rollout(Rollout),
    /// Render what a camera of a scene or robot file sees.
    Render(Render),
    /// Open a window on a scene, a robot file, a run or a replay.
    View(View),
    /// Say what a robot file holds, and what keiko makes of it.
    Import(Import),
    /// List the scenes, or describe one.
    Envs(Envs),
    /// Hold the program to known answers.
    Verify(Verify),
}

/// Where networks run and cameras are traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through Vulkan, Metal or DirectX.
    Gpu,
}

impl From<DeviceArg> for DeviceChoice {
    fn from(device: DeviceArg) -> Self {
        match device {
            DeviceArg::Auto => Self::Auto,
            DeviceArg::Cpu => Self::Cpu,
            DeviceArg::Gpu => Self::Gpu,
        }
    }
}

/// The one that is open already.
impl From<&Device> for DeviceArg {
    fn from(device: &Device) -> Self {
        if device.is_gpu() { Self::Gpu } else { Self::Cpu }
    }
}

/// `keiko train`.
#[derive(Args, Clone, Debug)]
pub struct Train {
    /// Scene name (see `keiko envs`), folder, or `scene.toml`; left out with `--resume`.
    #[arg(required_unless_present = "resume")]
    pub scene: Option<String>,

    /// What is changed of the scene.
    #[command(flatten)]
    pub changes: Changes,

    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Number of environments; the scene's own number by default.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub envs: Option<usize>,

    /// Iterations; the scene's own number by default.
    #[arg(long, value_name = "N")]
    pub iterations: Option<u32>,

    /// Iterations between videos of the policy, an episode each, in the run folder; none by default.
    #[arg(long, value_name = "N")]
    pub video_every: Option<usize>,

    /// Where networks run and cameras are traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Folder for run folders.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,

    /// Let `keiko view --attach SOCKET` look at one environment at a time, over a local socket of this name; off by default.
    #[arg(long, value_name = "SOCKET")]
    pub live: Option<PathBuf>,

    /// Go on with a run: its folder, the name of its task, or `last`.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["scene", "overrides", "seed", "envs"])]
    pub resume: Option<String>,
}

/// Who shows how a task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpertArg {
    /// Inverse kinematics: brings the end effector to the point of the task.
    Scripted,
}

/// `keiko record`.
#[derive(Args, Clone, Debug)]
pub struct Record {
    /// Scene name (see `keiko envs`), folder, or `scene.toml`.
    pub scene: String,

    /// What is changed of it.
    #[command(flatten)]
    pub changes: Changes,

    /// Episodes that the dataset is to hold in the end; those that it holds already count.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub episodes: usize,

    /// Folder of the dataset; one that is there is gone on with.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// A trained policy shows it: run folder, name of a task (its newest run), or `last`.
    #[arg(long, value_name = "RUN", conflicts_with = "expert")]
    pub policy: Option<String>,

    /// A script shows it; the default.
    #[arg(long, value_enum)]
    pub expert: Option<ExpertArg>,

    /// Keep failures too, and label each frame with whether its episode has reached its goal.
    #[arg(long)]
    pub failures: bool,

    /// Cameras of the scene or the robot; those of the scene by default. Repeatable.
    #[arg(long = "camera", value_name = "NAME")]
    pub cameras: Vec<String>,

    /// Size of the images; that of each camera by default.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    pub size: Option<[u32; 2]>,

    /// Keep what cameras see as H.264 videos rather than PNG files: a third of the space, but one colour for four pixels.
    #[arg(long)]
    pub video: bool,

    /// What is to be done, in words; what the scene says by default.
    #[arg(long, value_name = "TEXT")]
    pub instruction: Option<String>,

    /// Environments that record side by side.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub envs: usize,

    /// Seed of the episodes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Where cameras are traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Folder for run folders, where `--policy` is looked up.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

/// `keiko data`.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// What to do.
    #[command(subcommand)]
    pub what: DataWhat,
}

/// What `keiko data` does.
#[derive(Clone, Debug, Subcommand)]
pub enum DataWhat {
    /// Read every byte of a dataset: tables, images, counters, statistics.
    Check {
        /// Folder of a LeRobotDataset v3.0.
        dir: PathBuf,
    },
}

/// `keiko curve`.
#[derive(Args, Clone, Debug)]
pub struct Curve {
    /// Run folders, names of tasks (the newest run of each), or `last`: one run a seed.
    #[arg(required = true)]
    pub runs: Vec<String>,

    /// What to show: a name of `metrics.jsonl`.
    #[arg(long, value_name = "NAME", default_value = "Train/mean_reward")]
    pub metric: String,

    /// Rows of the table, evenly spaced.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    pub rows: usize,

    /// Folder of run folders.
    #[arg(long = "runs", value_name = "DIR", default_value = "runs")]
    pub folder: PathBuf,
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

    /// Where cameras are traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Film the episodes, in real time.
    #[arg(long, value_name = "FILE.mp4", value_parser = mp4_file)]
    pub video: Option<PathBuf>,

    /// Camera of the video: of the scene or of its robot file, or `overview`, which follows the robot; the scene's first by
    /// default, else `overview`.
    #[arg(long, value_name = "NAME", requires = "video")]
    pub camera: Option<String>,

    /// Size of the video, even numbers; by default the camera's own, times a whole number where it is low.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size, requires = "video")]
    pub size: Option<[u32; 2]>,

    /// What is changed of the scene.
    #[command(flatten)]
    pub changes: Changes,

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

    /// Instead of a run: folder of a policy that sees and reads, or of the fine-tuning run that made it.
    #[arg(long, value_name = "DIR", requires = "task", conflicts_with = "run")]
    pub policy: Option<PathBuf>,

    /// Scene that the policy acts in; it needs the policy's cameras.
    #[arg(long, value_name = "SCENE", requires = "policy")]
    pub task: Option<String>,

    /// Tell the policy any of the task's instructions rather than the episode's own: what it does without words.
    #[arg(long, requires = "policy")]
    pub shuffle_instructions: bool,

    /// Where cameras are traced, and the network of `--policy` runs.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Episodes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub episodes: usize,

    /// Number of environments that share the episodes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub envs: usize,

    /// Seed of the episodes.
    #[arg(long, default_value_t = 1000)]
    pub seed: u64,

    /// What is changed of the scene.
    #[command(flatten)]
    pub changes: Changes,

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

    /// Instead of the checks: that many random environment steps over all scenes together. Fails on faults and on memory
    /// that grows.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub soak: Option<usize>,

    /// Number of environments of a soak.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub envs: usize,

    /// Seed of actions and episodes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Where cameras are traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// What is changed of the scene.
    #[command(flatten)]
    pub changes: Changes,
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
    Rapier(BenchRapier),
    /// Whole control steps of scenes: steps per CPU-second, and where their time goes.
    Env(BenchEnv),
    /// Physics steps per CPU-second and their error on robot files, beside a peer on the same files.
    Physics(BenchPhysics),
    /// Images per CPU-second of robot files with all that they show, colour and depth, with and without shadows.
    Cameras(BenchCameras),
    /// Decisions and training samples per second of vision-language-action policies.
    Model(BenchModel),
    /// What it costs a batch that one of its environments is looked at.
    Live(BenchLive),
    /// Time from a robot file to its first picture in the viewer.
    Open(BenchOpen),
}

/// `keiko bench rapier`.
#[derive(Args, Clone, Debug)]
pub struct BenchRapier {
    /// Scenes; all of them by default.
    pub scenes: Vec<String>,
    /// Number of environments.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub envs: usize,
    /// CPU-seconds to measure for each scene.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    pub seconds: f64,
    /// Measure in this process, started at this Unix time: what the command does to itself for each scene.
    #[arg(long, hide = true, value_name = "UNIX_SECONDS")]
    pub started: Option<f64>,
}

/// `keiko bench env`.
#[derive(Args, Clone, Debug)]
pub struct BenchEnv {
    /// Scenes; all of them by default.
    pub scenes: Vec<String>,
    /// Number of environments.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = at_least_one)]
    pub envs: usize,
    /// CPU-seconds to measure for each scene, and once more to see where they go.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = positive_seconds)]
    pub seconds: f64,
    /// Seed of actions and episodes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What is changed of the scene.
    #[command(flatten)]
    pub changes: Changes,
}

/// Who races beside keiko.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PeerName {
    /// MuJoCo's C engine through its Python package.
    Mujoco,
}

/// `keiko bench physics`.
#[derive(Args, Clone, Debug)]
pub struct BenchPhysics {
    /// Also step and judge by this engine, in slices that take turns.
    #[arg(long, value_enum)]
    pub peer: Option<PeerName>,
    /// A known model (inverted-pendulum, ant, humanoid, half-cheetah, go1, panda) or an MJCF file. Repeatable; all
    /// known ones by default.
    #[arg(long = "model", value_name = "NAME|FILE")]
    pub models: Vec<String>,
    /// How keiko steps.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Number of environments that keiko steps together.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub envs: usize,
    /// CPU-seconds of each engine for each model.
    #[arg(long, value_name = "S", default_value_t = 4.0, value_parser = positive_seconds)]
    pub seconds: f64,
    /// Seed of states and controls.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the peer and the robot files are.
    #[command(flatten)]
    pub peer_args: PeerArgs,
}

/// `keiko bench cameras`.
#[derive(Args, Clone, Debug)]
pub struct BenchCameras {
    /// A known model or a robot file, as `bench physics` takes them. Repeatable; panda by default.
    #[arg(long = "model", value_name = "NAME|FILE")]
    pub models: Vec<String>,
    /// Sizes of the images. Repeatable.
    #[arg(long = "size", value_name = "WIDTHxHEIGHT", value_parser = parse_size, default_values = ["64x64", "128x128"])]
    pub sizes: Vec<[u32; 2]>,
    /// Number of environments that are rendered together.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub envs: usize,
    /// CPU-seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 4.0, value_parser = positive_seconds)]
    pub seconds: f64,
    /// Which of the tracers: that of the CPU, that of GPUs on the best adapter even if that is software, or both.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
    /// Also render the same views by this renderer.
    #[arg(long, value_enum)]
    pub peer: Option<CameraPeer>,
    /// Where the peer and the robot files are.
    #[command(flatten)]
    pub peer_args: PeerArgs,
}

/// Who renders beside keiko.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CameraPeer {
    /// The ray caster of `mujoco_warp` on the CPU.
    MujocoWarp,
}

/// `keiko rollout`.
#[derive(Args, Clone, Debug)]
pub struct Rollout {
    /// MJCF or URDF file; it says the time step.
    pub file: PathBuf,
    /// Controls of every physics step, `[T, nu]` or `[N, T, nu]`, `float32` or `float64`.
    #[arg(long, value_name = "IN.npy")]
    pub ctrl: PathBuf,
    /// Where to write `time [T+1]`, `qpos [N, T+1, nq]` and `qvel [N, T+1, nv]`.
    #[arg(long, value_name = "OUT.npz")]
    pub out: PathBuf,
    /// Initial states: `qpos [N, nq]` and optionally `qvel [N, nv]`, quaternions wxyz; the reference configuration at
    /// rest by default.
    #[arg(long, value_name = "IN.npz")]
    pub states: Option<PathBuf>,
    /// How keiko steps.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Number of environments, where the files hold one.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub envs: Option<usize>,
    /// Folder that includes and meshes may not leave; the file's own folder by default.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// What is done where no policy acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActionsArg {
    /// The middle of every action's range.
    Zero,
    /// Uniform in every action's range.
    Random,
    /// What the scripted expert of the task does, who also records.
    Expert,
}

/// The name of a video.
fn mp4_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("mp4") => Ok(path),
        _ => Err("a file that ends in .mp4 is expected".to_owned()),
    }
}

/// `keiko render`.
#[derive(Args, Clone, Debug)]
pub struct Render {
    /// Scene name (see `keiko envs`), folder, or `scene.toml`; or a robot file (.xml, .urdf).
    #[arg(value_name = "SCENE|ROBOT")]
    pub what: String,

    /// Picture (.png, one file a channel), arrays (.npz, all channels), or an episode of a scene as a video in real time
    /// (.mp4).
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Camera of the scene or of its robot file, or `overview`; the scene's first by default, else `overview`. In a video an
    /// overview follows the robot.
    #[arg(long, value_name = "NAME")]
    pub camera: Option<String>,

    /// Channels: rgb, rgb_float, radiance, depth, distance, segmentation, link, class, normals, flow (of a first control step
    /// without actions); the camera's own by default.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_channel)]
    pub channels: Vec<Channel>,

    /// Size of the image; the camera's own by default. Videos have even numbers; a camera's own low size is multiplied.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    pub size: Option<[u32; 2]>,

    /// What is done in a video; zero by default.
    #[arg(long, value_enum, conflicts_with = "policy")]
    pub actions: Option<ActionsArg>,

    /// A trained policy acts in a video: run folder, name of a task (its newest run), or `last`.
    #[arg(long, value_name = "RUN")]
    pub policy: Option<String>,

    /// Folder for run folders, where `--policy` is looked up.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,

    /// Environment of the scene that is seen, at the start of its first episode.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub env: usize,

    /// Seed of the episode.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Change a value of the scene. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// Folder that a robot file's includes and meshes may not leave; the file's own folder by default.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Leave out the sun's shadows.
    #[arg(long)]
    pub no_shadows: bool,

    /// Light a robot file as it says itself, by its `<light>` and `<headlight>`, instead of by day. In a scene the key
    /// `robot.lights` does that.
    #[arg(long)]
    pub lights: bool,

    /// Where cameras are traced.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
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
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

/// `keiko dynamics`.
#[derive(Args, Clone, Debug)]
pub struct Dynamics {
    /// MJCF or URDF file.
    pub file: PathBuf,
    /// States: `qpos [K, nq]`, and optionally `qvel [K, nv]` and `ctrl [K, nu]`, quaternions wxyz.
    #[arg(long, value_name = "IN.npz")]
    pub states: PathBuf,
    /// Where to write `xpos`, `xquat` (wxyz), `qM`, `qfrc_bias`, `qfrc_actuator` and `qacc_smooth`.
    #[arg(long, value_name = "OUT.npz")]
    pub out: PathBuf,
    /// Folder that includes and meshes may not leave; the file's own folder by default.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// A duration that is worth measuring.
pub fn positive_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e6 => Ok(seconds),
        Ok(_) => Err("more than 0 and at most 1000000 seconds".to_owned()),
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
    Physics(VerifyPhysics),
    /// The batched engine beside rapier: single steps, and what comes to rest.
    Rapier(VerifyRapier),
    /// The same again gives the same bits.
    Determinism(VerifyBits),
    /// An environment alone has the bits of itself in a batch of 1000, whatever its neighbours do.
    Batch(VerifyBits),
    /// One, two and seven threads give the same bits.
    Threads(VerifyBits),
    /// A reset environment has the bits of a fresh one.
    Reset(VerifyBits),
    /// Robot files here and in MuJoCo: dynamics at random states, one step, trajectories.
    Mujoco(VerifyMujoco),
    /// A folder of SmolVLA: hash, tensors beside the manifest, actions of a fixed seed.
    #[command(name = "smolvla")]
    SmolVla(VerifySmolVla),
}

/// `keiko verify physics`.
#[derive(Args, Clone, Debug)]
pub struct VerifyPhysics {
    /// Rows, e.g. `T6`; all of them by default.
    pub rows: Vec<String>,
    /// Executor that is held to the card: lanes or rapier.
    #[arg(long, value_name = "ENGINE", default_value = "rapier")]
    pub physics: String,
    /// Only one part of the card: contact, joints, spin, impact, stack, robot.
    #[arg(long)]
    pub group: Option<String>,
}

/// `keiko verify rapier`.
#[derive(Args, Clone, Debug)]
pub struct VerifyRapier {
    /// Rows, e.g. `R2`; all of them by default.
    pub rows: Vec<String>,
}

/// `keiko verify determinism`, `batch`, `threads` and `reset`.
#[derive(Args, Clone, Debug)]
pub struct VerifyBits {
    /// Scenes; all of them by default.
    pub scenes: Vec<String>,
    /// Executor.
    #[arg(long, value_enum, default_value_t = PhysicsArg::Auto)]
    pub physics: PhysicsArg,
    /// Control steps under random controls.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub steps: usize,
    /// Change a value of every scene. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// How deep `keiko verify mujoco` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// All levels.
    All,
    /// Poses, mass matrix, bias, actuators and acceleration at random states.
    A,
    /// One step of the executor without constraints.
    B,
    /// Trajectories of a few scenes.
    C,
}

/// `keiko verify mujoco`.
#[derive(Args, Clone, Debug)]
pub struct VerifyMujoco {
    /// MJCF files, or folders of them; the folder of packages by default.
    pub paths: Vec<PathBuf>,
    /// How deep.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Level::All)]
    pub level: Level,
    /// Random states of each robot.
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = at_least_one)]
    pub states: usize,
    /// How keiko steps in levels B and C.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Seed of the states.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where MuJoCo and the robot files are.
    #[command(flatten)]
    pub peer_args: PeerArgs,
}
