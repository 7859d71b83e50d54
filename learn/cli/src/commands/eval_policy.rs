//! `keiko eval --policy`: a policy that sees and reads, over many episodes of a scene.

use anyhow::{Context, anyhow};
use keiko_camera::Camera;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::config::FeatureType;
use keiko_policy::vla::{Checkpoint, VlaConfig, VlaPolicy};
use keiko_train::TrainError;
use keiko_train::chunk_eval::{Seen, Stage, evaluate_chunks};
use keiko_train::eval::EvalReport;
use keiko_train::finetune::data::Robot;
use keiko_train::finetune::dir::policy_folder;
use keiko_train::finetune::start::{check_robot, read_robot};

use super::run_files::{build_env, describe_report, eval_seed, set_report};
use super::train::open_device;
use crate::args::{DeviceArg, Eval};
use crate::embodiment::Embodiment;
use crate::engine::with_engine;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;
use crate::studio::Studio;

/// What comes before a camera's name in the name of its feature.
const IMAGES: &str = keiko_data::IMAGES;

/// Runs the command.
pub fn run(args: &Eval, output: &mut Output) -> CommandResult {
    let path = args.policy.as_deref().context("--policy is needed").or_exit(Code::Usage)?;
    let scene = args.task.as_deref().context("--policy needs --task, a scene").or_exit(Code::Usage)?;
    let task = TaskSpec::load(&resolve_scene(scene)?, &with_engine(&args.overrides, args.physics))?;
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
        let embodiment = Embodiment::of(self.task, &env).or_exit(Code::Usage)?;
        let there = Robot {
            robot_type: Some(embodiment.robot_type.clone()),
            fps: embodiment.fps.into(),
            state: embodiment.state.clone(),
            action: embodiment.action.clone(),
        };
        if let Some(robot) = robot {
            check_robot(robot, &there)?;
        }
        let dims = [checkpoint.config.state_dim(), checkpoint.config.action_dim()];
        if dims != [there.state.len(), there.action.len()] {
            let error = anyhow!(
                "the policy has a state of {} and actions of {} numbers, the robot {} and {}",
                dims[0],
                dims[1],
                there.state.len(),
                there.action.len()
            );
            return Err(error).or_exit(Code::Usage);
        }
        let cameras = cameras(&checkpoint.config, &env).or_exit(Code::Usage)?;
        let studio = Studio::new(&env, &cameras, self.device).or_exit(Code::Machine)?;
        let texts = match &self.task.language {
            Some(language) => language.instructions().into_iter().map(|sentence| sentence.text).collect(),
            None => vec![self.task.description.clone()],
        };
        let policy = VlaPolicy::new(checkpoint, self.seed).or_exit(Code::Usage)?;
        let mut stage = Theatre {
            names: cameras.iter().map(|camera| format!("{IMAGES}{}", camera.name)).collect(),
            shuffle: self.shuffled.then(|| Stream::new(self.seed, Purpose::Shuffle)),
            env,
            embodiment,
            studio,
            texts,
        };
        Ok(evaluate_chunks(&policy, &mut stage, self.episodes)?)
    }
}

/// The scene's cameras that a policy looks through, in its sizes.
fn cameras(config: &VlaConfig, env: &TaskEnv) -> anyhow::Result<Vec<Camera>> {
    let known = &env.scene().model.cameras;
    let features = config.input_features.0.iter().filter(|(_, feature)| feature.kind == FeatureType::Visual);
    features
        .map(|(feature, of)| {
            let name = feature.strip_prefix(IMAGES).unwrap_or(feature);
            let camera = known.iter().find(|camera| camera.name == name).with_context(|| {
                let there = known.iter().map(|camera| camera.name.as_str()).collect::<Vec<_>>().join(", ");
                format!("the policy looks through a camera `{name}`; the scene has {there}")
            })?;
            match of.shape[..] {
                [_, height, width] => Ok(camera.clone().resized([width as u32, height as u32])),
                _ => Err(anyhow!("the policy's `{feature}` has the shape {:?}", of.shape)),
            }
        })
        .collect()
}

/// A scene whose cameras and words a policy is given.
struct Theatre {
    env: TaskEnv,
    embodiment: Embodiment,
    studio: Studio,
    /// Of the cameras, as the policy has them.
    names: Vec<String>,
    /// Instructions by number.
    texts: Vec<String>,
    shuffle: Option<Stream>,
}

impl Stage for Theatre {
    fn env(&mut self) -> &mut dyn VecEnv {
        &mut self.env
    }

    fn look(&mut self, envs: &[usize], episodes: &[u64]) -> Result<Seen, TrainError> {
        let lost = |error: keiko_camera::CameraError| TrainError::Device(error.to_string());
        let shots = self.studio.shoot(&self.env).map_err(lost)?;
        let images = self.names.iter().zip(&shots).map(|(name, shots)| {
            let pixels = envs.iter().flat_map(|&env| &shots[env].pixels).copied().collect();
            let (width, height) = shots.first().map_or((0, 0), |image| (image.width, image.height));
            (name.clone(), width, height, pixels)
        });
        let images = images.collect();
        let asked = self.env.instructions();
        let text = |(&env, &episode): (&usize, &u64)| {
            let own = asked.as_ref().map_or(0, |asked| asked[env]);
            // One for the whole episode.
            let number = match &self.shuffle {
                Some(stream) => (stream.bits(env as u64, episode, 0) % self.texts.len() as u64) as usize,
                None => own,
            };
            self.texts.get(number).or(self.texts.first()).cloned().unwrap_or_default()
        };
        let instructions = envs.iter().zip(episodes).map(text).collect();
        let state = self.env.state();
        let states = envs.iter().flat_map(|&env| self.embodiment.state_of(state, env)).collect();
        Ok(Seen { images, instructions, states })
    }
}
