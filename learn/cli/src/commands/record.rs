//! `keiko record`: demonstrations of a task, by many environments into one dataset.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use keiko_camera::Camera;
use keiko_data::{Demonstration, Finished, Image, Moment, Recorder, Spec};
use keiko_env::expert::Expert as Script;
use keiko_env::{EnvOptions, Field, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_policy::Policy;
use keiko_train::storage::sha256_hex;
use keiko_train::{RunInfo, find_run};
use rayon::prelude::*;
use serde_json::json;

use super::data::refused;
use super::run_files::{build_env, load_policy};
use crate::args::Record;
use crate::embodiment::Embodiment;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::output::Output;
use crate::signals::Signals;
use crate::studio::Studio;
use crate::viewpoint;

/// Time between two lines about progress.
const REPORT: Duration = Duration::from_secs(5);
/// Episodes of which none may succeed before the recording gives up.
const HOPELESS: usize = 200;

/// Runs the command.
pub fn run(args: &Record, output: &mut Output) -> CommandResult {
    let file = resolve_scene(&args.scene)?;
    let task = TaskSpec::load(&file, &args.changes.list())?;
    // One environment to look at before anything is opened.
    let probe = build_env(&task, EnvOptions::default(), args.device)?;
    let cameras = cameras(args, &task, &probe).or_exit(Code::Usage)?;
    let embodiment = Embodiment::of(&task, &probe).or_exit(Code::Usage)?;
    Expert::choose(args, &task, &probe)?;
    let spec = Spec {
        fps: embodiment.fps,
        robot_type: embodiment.robot_type.clone(),
        state: embodiment.state.clone(),
        surroundings: embodiment.surroundings.clone(),
        action: embodiment.action.clone(),
        cameras: cameras
            .iter()
            .map(|camera| (camera.name.clone(), camera.size[1] as usize, camera.size[0] as usize))
            .collect(),
        video: args.video,
        label_success: args.failures,
    };
    let there = args.out.join("meta/info.json").is_file();
    let recorder =
        if there { Recorder::append(&args.out, &spec) } else { Recorder::create(&args.out, &spec) };
    let mut recorder = recorder.map_err(refused)?;
    let before = recorder.num_episodes();
    output.set("out", args.out.display().to_string());
    if before >= args.episodes {
        output.say(format!("{} holds {before} episodes already", args.out.display()));
        output.set("episodes", before);
        output.set("recorded", 0);
        return Ok(Code::Done);
    }
    let wanted = args.episodes - before;
    let num_envs = args.envs.min(wanted);
    // What is added later must be other episodes than those that are there.
    let seed = args.seed ^ ((before as u64) << 32);
    let env = build_env(&task, EnvOptions { num_envs, seed, ..EnvOptions::default() }, args.device)?;
    let expert = Expert::choose(args, &task, &env)?;
    let studio = Studio::new(&env, &cameras, args.device).or_exit(Code::Machine)?;
    output.say(format!(
        "{}: {} episodes into {}, by {}, {num_envs} at a time, on {}",
        task.name,
        wanted,
        args.out.display(),
        expert.name(),
        studio.renderer
    ));
    let started = RunInfo::of_this_process(
        seed,
        "cpu",
        Some(studio.renderer.clone()),
        option_env!("KEIKO_GIT_REVISION"),
        option_env!("KEIKO_RUSTC_VERSION"),
    );
    recorder
        .add_origin(json!({
            "first_episode": before,
            "task": task.name,
            "scene_sha256": sha256_hex(task.to_toml().as_bytes()),
            "expert": expert.name(),
            "started": started,
        }))
        .map_err(refused)?;
    let signals = Signals::listen()?;
    // What was typed, what the scene says in words, or what it says of itself.
    let texts: Vec<String> = match (&args.instruction, &task.language) {
        (Some(text), _) => vec![text.clone()],
        (None, Some(language)) => language.instructions().into_iter().map(|sentence| sentence.text).collect(),
        (None, None) => vec![task.description.clone()],
    };
    let mut recording = Recording {
        demonstrations: (0..num_envs).map(|_| Some(Demonstration::new(recorder.spec()))).collect(),
        left: (0..num_envs).map(|n| wanted / num_envs + usize::from(n < wanted % num_envs)).collect(),
        embodiment,
        expert,
        studio,
        texts,
        failures: args.failures,
        env,
        tried: 0,
        succeeded: 0,
        broken: 0,
    };
    let mut reported = Instant::now();
    let code = loop {
        if recording.left.iter().all(|left| *left == 0) {
            break Code::Done;
        }
        if let Some(code) = signals.received() {
            output.say("interrupted: what was recorded is saved, and the same command goes on");
            break code;
        }
        recording.step(&mut recorder)?;
        if recording.succeeded == 0 && recording.tried >= HOPELESS && !args.failures {
            let message = format!("none of {} episodes succeeded; nothing is recorded", recording.tried);
            return Err(Failure { code: Code::Failed, error: anyhow!(message) });
        }
        if reported.elapsed() > REPORT {
            reported = Instant::now();
            output.say(format!(
                "{} of {} episodes, {}",
                recorder.num_episodes(),
                args.episodes,
                recording.rate()
            ));
        }
    };
    let (episodes, frames) = (recorder.num_episodes(), recorder.num_frames());
    output.say(format!(
        "{episodes} episodes, {frames} frames in {}; {}",
        args.out.display(),
        recording.rate()
    ));
    if recording.broken > 0 {
        output.say(format!("{} episodes broke and are not kept", recording.broken));
    }
    output.set("episodes", episodes);
    output.set("frames", frames);
    output.set("recorded", episodes - before);
    output.set("tried", recording.tried);
    output.set("succeeded", recording.succeeded);
    output.set("cameras", json!(cameras.iter().map(|camera| &camera.name).collect::<Vec<_>>()));
    Ok(code)
}

/// Who acts.
enum Expert {
    Policy { policy: Box<Policy>, group: usize },
    Script(Script),
}

impl Expert {
    fn choose(args: &Record, task: &TaskSpec, env: &TaskEnv) -> CommandResult<Self> {
        let Some(run) = &args.policy else {
            return Script::new(task, env).map(Self::Script).or_exit(Code::Usage);
        };
        let policy = load_policy(&find_run(&args.runs, run)?)?;
        let spec = env.spec();
        let group = spec.observations.iter().position(|group| group.name == "policy").unwrap_or(0);
        policy.config().check(&spec.observations[group].terms, &spec.actions).or_exit(Code::Usage)?;
        policy.config().check_joints(&env.joint_names()).or_exit(Code::Usage)?;
        Ok(Self::Policy { policy: Box::new(policy), group })
    }

    fn name(&self) -> String {
        match self {
            Self::Policy { policy, .. } => format!("a policy for {}", policy.config().task),
            Self::Script(_) => "script".into(),
        }
    }

    /// Actions in [-1, 1], as the environments take them and the dataset keeps them.
    fn act(&mut self, env: &TaskEnv, actions: &mut Field) {
        match self {
            Self::Policy { policy, group } => {
                let observations = env.output().observations[*group].as_slice();
                policy.act(observations, actions.num_envs(), actions.as_mut_slice());
            }
            Self::Script(expert) => expert.act(env, actions),
        }
        actions.as_mut_slice().iter_mut().for_each(|action| *action = action.clamp(-1.0, 1.0));
    }
}

/// A recording under way.
struct Recording {
    env: TaskEnv,
    embodiment: Embodiment,
    expert: Expert,
    studio: Studio,
    /// What is asked for, by the number of the instruction; one that counts for all, where there is but one.
    texts: Vec<String>,
    failures: bool,
    /// The episode in flight of each environment that still records.
    demonstrations: Vec<Option<Demonstration>>,
    /// Episodes that each environment still has to give: the first to finish anywhere would be short ones.
    left: Vec<usize>,
    tried: usize,
    succeeded: usize,
    broken: usize,
}

impl Recording {
    /// One control step of all environments, and what ended with it.
    fn step(&mut self, recorder: &mut Recorder) -> CommandResult<()> {
        let num_envs = self.demonstrations.len();
        let mut actions = Field::zeros(self.embodiment.action.len(), num_envs);
        self.expert.act(&self.env, &mut actions);
        let images = self.studio.shoot(&self.env).or_exit(Code::Machine)?;
        let (embodiment, state) = (&self.embodiment, self.env.state());
        let named = self.env.named_bodies();
        self.demonstrations
            .par_iter_mut()
            .enumerate()
            .filter_map(|(env, demonstration)| Some((env, demonstration.as_mut()?)))
            .try_for_each(|(env, demonstration)| {
                let seen: Vec<Image> = images.iter().map(|camera| camera[env].clone()).collect();
                let action: Vec<f32> = actions.column(env).collect();
                let around = embodiment.surroundings_of(state, named.as_ref().map(|named| named[env]), env);
                demonstration.push(Moment {
                    state: &embodiment.state_of(state, env),
                    surroundings: &around,
                    action: &action,
                    images: &seen,
                })
            })
            .map_err(refused)?;
        let asked = self.env.instructions();
        self.env.step(&actions);
        let spec = Arc::clone(recorder.spec());
        let result = self.env.output();
        for (env, demonstration) in self.demonstrations.iter_mut().enumerate() {
            if result.invalid[env] && demonstration.is_some() {
                *demonstration = Some(Demonstration::new(&spec));
                self.broken += 1;
            }
        }
        let mut ended = Vec::new();
        for end in &result.episodes {
            let Some(slot) = self.demonstrations.get_mut(end.env) else { continue };
            let Some(demonstration) = slot.take() else { continue };
            // A task that does not say what success is has only successes.
            let success = end.success.unwrap_or(true);
            self.tried += 1;
            self.succeeded += usize::from(success);
            if success || self.failures {
                let number = asked.as_ref().map_or(0, |asked| asked[end.env]);
                let task = self.texts.get(number).unwrap_or(&self.texts[0]).clone();
                ended.push(Finished { demonstration, task, success });
                self.left[end.env] -= 1;
            }
            if self.left[end.env] > 0 {
                *slot = Some(Demonstration::new(&spec));
            }
        }
        recorder.save_all(ended).map_err(refused)?;
        Ok(())
    }

    /// How the expert does, in words.
    fn rate(&self) -> String {
        let rate = 100.0 * self.succeeded as f64 / self.tried.max(1) as f64;
        format!("{} of {} tries succeeded ({rate:.1} %)", self.succeeded, self.tried)
    }
}

/// Cameras that were named, or those of the scene.
fn cameras(args: &Record, task: &TaskSpec, env: &TaskEnv) -> anyhow::Result<Vec<Camera>> {
    let model = &env.scene().model;
    let names: Vec<&str> = match args.cameras.is_empty() {
        false => args.cameras.iter().map(String::as_str).collect(),
        true => task.cameras.iter().map(|camera| camera.name.as_str()).collect(),
    };
    if names.is_empty() {
        return Err(anyhow!(
            "the scene has no camera; name one of the robot's with --camera, or give the scene `[[cameras]]`"
        ));
    }
    names.into_iter().map(|name| viewpoint::find(model, name, args.size, &[])).collect()
}
