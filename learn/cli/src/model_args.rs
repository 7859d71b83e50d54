//! What can be typed after `keiko finetune`, `keiko bench model` and `keiko verify smolvla`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use keiko_policy::vla::Preset;

use crate::args::{DeviceArg, at_least_one, positive_seconds};

/// Which parameters learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LearnArg {
    /// All.
    Full,
    /// The action expert and the projections of states, actions and times.
    Expert,
    /// Low-rank factors beside the base: a small file.
    Lora,
}

/// `keiko finetune`.
#[derive(Args, Clone, Debug)]
pub struct FineTune {
    /// Folders of LeRobotDatasets v3.0 of one robot, whose frames are learned from alike: a new one, and some of what a base
    /// learned before, so that it is not forgotten.
    #[arg(value_name = "DATASET", required_unless_present = "resume")]
    pub datasets: Vec<PathBuf>,

    /// Folder of the run; the policy comes into its folder `policy`.
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    pub out: Option<PathBuf>,

    /// Policy to go on from: a folder of keiko or lerobot. From nothing by default.
    #[arg(long, value_name = "DIR", conflicts_with = "size")]
    pub base: Option<PathBuf>,

    /// Size of a policy from nothing: nano, micro, tiny, small, smolvla; nano by default.
    #[arg(long, value_name = "NAME")]
    pub size: Option<Preset>,

    /// Camera that a policy from nothing looks through; all of the dataset by default. Repeatable.
    #[arg(long = "camera", value_name = "NAME", conflicts_with = "base")]
    pub cameras: Vec<String>,

    /// Which parameters learn; of a base the expert by default, from nothing all.
    #[arg(long, value_enum)]
    pub learn: Option<LearnArg>,

    /// Let the base learn another robot: cameras, state, action and their statistics become those of the dataset.
    #[arg(long, requires = "base")]
    pub new_robot: bool,

    /// Gradient steps.
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,

    /// Frames of a gradient step.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub batch: Option<usize>,

    /// Draws of noise and time for each frame.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub draws: Option<usize>,

    /// Highest learning rate.
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,

    /// Rank of the factors of `--learn lora`, and their scale.
    #[arg(long, value_name = "R", value_parser = at_least_one)]
    pub lora_rank: Option<usize>,

    /// Decay of the mean of parameters, which is what is written; 0 for none.
    #[arg(long, value_name = "DECAY")]
    pub ema: Option<f64>,

    /// Weight of the error with which a probe tells where the named things are, where the dataset knows: it makes the
    /// model look and read, and is no part of it.
    #[arg(long, value_name = "WEIGHT")]
    pub probe: Option<f64>,

    /// Share of their side that images are moved by at most.
    #[arg(long, value_name = "SHARE")]
    pub augment_shift: Option<f64>,

    /// Share that brightness and contrast of images change by at most.
    #[arg(long, value_name = "SHARE")]
    pub augment_colour: Option<f64>,

    /// Share of the episodes that are held out.
    #[arg(long, value_name = "SHARE")]
    pub validation: Option<f64>,

    /// Steps between two validations; 0 for one at the end.
    #[arg(long, value_name = "N")]
    pub validate_every: Option<u64>,

    /// Steps between two checkpoints; 0 for one at the end.
    #[arg(long, value_name = "N")]
    pub checkpoint_every: Option<u64>,

    /// Scene to try the policy in while it learns: a success rate with its interval.
    #[arg(long, value_name = "SCENE")]
    pub task: Option<String>,

    /// Steps between two trials; 0 for one at the end.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "task")]
    pub eval_every: u64,

    /// Episodes of a trial.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one, requires = "task")]
    pub eval_episodes: usize,

    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Where the network runs.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Go on with a run: its folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "base", "size", "learn", "steps", "batch", "seed"])]
    pub resume: Option<PathBuf>,
}

/// `keiko bench model`.
#[derive(Args, Clone, Debug)]
pub struct BenchModel {
    /// Sizes: nano, micro, tiny, small, smolvla; the first three by default.
    pub sizes: Vec<Preset>,
    /// Environments that decide together, and frames of a gradient step.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub batch: usize,
    /// Cameras of the robot.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub cameras: usize,
    /// Draws of noise and time for each frame of a gradient step.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    pub draws: usize,
    /// Seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 4.0, value_parser = positive_seconds)]
    pub seconds: f64,
    /// Seed of weights and noise.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the network runs.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
}

/// `keiko verify smolvla`.
#[derive(Args, Clone, Debug)]
pub struct VerifySmolVla {
    /// Folder with `config.json` and `model.safetensors`.
    pub folder: PathBuf,
    /// Where the network runs.
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
}
