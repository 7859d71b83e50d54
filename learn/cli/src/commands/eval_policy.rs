//! `keiko eval --policy`: a policy that sees and reads, over many episodes of a scene.

use anyhow::Context;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::{Checkpoint, VlaPolicy};
use keiko_train::TrainError;
use keiko_train::chunk_eval::{Seen, Stage, evaluate_chunks};
use keiko_train::eval::EvalReport;
use keiko_train::finetune::data::Robot;
use keiko_train::finetune::dir::policy_folder;
use keiko_train::finetune::start::read_robot;

use super::run_files::{build_env, describe_report, eval_seed, set_report};
use super::train::open_device;
use crate::args::{DeviceArg, Eval};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;
use crate::senses::Senses;

/// Runs the command.
pub fn run(args: &Eval, output: &mut Output) -> CommandResult {
    let path = args.policy.as_deref().context("--policy is needed").or_exit(Code::Usage)?;
    let scene = args.task.as_deref().context("--policy needs --task, a scene").or_exit(Code::Usage)?;
    let task = TaskSpec::load(&resolve_scene(scene)?, &args.changes.list())?;
    let device = open_device(args.device, output)?;
    let folder = policy_folder(path);
    let checkpoint = Checkpoint::load(&folder, device.tensors()).or_exit(Code::Usage)?;
    let robot = read_robot(&folder)?;
    let scenario = Scenario {
        task: &task,
        episodes: args.episodes,
        num_envs: args.envs.min(args.episodes),
        seed: args.seed,
        shuffled: args.shuffle_instructions,
        device: args.device,
    };
    let report = scenario.play(checkpoint, robot.as_ref())?;
    output.say(format!("{}: {}", task.name, describe_report(&report)));
    set_report(output, &report);
    output.set("policy", folder.display().to_string());
    output.set("shuffled", args.shuffle_instructions);
    Ok(Code::Done)
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<'a> {
    /// The scene.
    pub task: &'a TaskSpec,
    /// Episodes.
    pub episodes: usize,
    /// Environments that share them.
    pub num_envs: usize,
    /// Seed of episodes and noise.
    pub seed: u64,
    /// Whether each environment is told any of the instructions rather than its own.
    pub shuffled: bool,
    /// Where cameras are traced.
    pub device: DeviceArg,
}

impl Scenario<'_> {
    /// Plays with a policy of a robot.
    ///
    /// # Errors
    /// A policy that does not fit the scene, or a machine that cannot render.
    pub fn play(&self, checkpoint: Checkpoint, robot: Option<&Robot>) -> CommandResult<EvalReport> {
        let options =
            EnvOptions { num_envs: self.num_envs, seed: eval_seed(self.seed), ..EnvOptions::default() };
        let env = build_env(self.task, options, self.device)?;
        let senses = Senses::new(&checkpoint, robot, self.task, &env, self.device)?;
        let policy = VlaPolicy::new(checkpoint, self.seed).or_exit(Code::Usage)?;
        let shuffle = self.shuffled.then(|| Stream::new(self.seed, Purpose::Shuffle));
        let mut stage = Theatre { env, senses, shuffle };
        Ok(evaluate_chunks(&policy, &mut stage, self.episodes)?)
    }
}

/// A scene whose cameras and words a policy is given.
struct Theatre {
    env: TaskEnv,
    senses: Senses,
    shuffle: Option<Stream>,
}

impl Stage for Theatre {
    fn env(&mut self) -> &mut dyn VecEnv {
        &mut self.env
    }

    fn look(&mut self, envs: &[usize], episodes: &[u64]) -> Result<Seen, TrainError> {
        let text = |(&env, &episode): (&usize, &u64)| match &self.shuffle {
            // One for the whole episode.
            Some(stream) => {
                let number = stream.bits(env as u64, episode, 0) % self.senses.texts().len() as u64;
                self.senses.text(number as usize).to_owned()
            }
            None => self.senses.text_of(&self.env, env).to_owned(),
        };
        let told = envs.iter().zip(episodes).map(text).collect();
        let lost = |error: keiko_camera::CameraError| TrainError::Device(error.to_string());
        self.senses.look(&self.env, envs, told).map_err(lost)
    }
}
