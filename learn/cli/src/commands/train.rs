//! `keiko train`: the loop around the trainer, its run folder, its signals.

use std::io::IsTerminal;
use std::path::Path;

use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_policy::Policy;
use keiko_train::device::Device;
use keiko_train::eval::EvalReport;
use keiko_train::metrics::MetricsLog;
use keiko_train::progress::{Progress, ProgressMode, ProgressUpdate};
use keiko_train::tfevents::EventLog;
use keiko_train::trainer::{IterationReport, Trainer};
use keiko_train::{CheckpointStore, DeviceImages, RunDir, RunInfo, find_run};
use keiko_viewer::live::{Host, LiveError};
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::film::{Film, FilmOptions};
use super::run_files::{
    CPU_SECONDS, ENV_STEPS, SCORE_FILE, build_env, describe_report, eval_seed, evaluate_task, load_policy,
    load_task, set_report,
};
use crate::args::{DeviceArg, Train};
use crate::engine::PhysicsArg;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::eyes;
use crate::output::{Output, complain};
use crate::signals::Signals;

/// Checkpoints kept of a run.
const KEEP_CHECKPOINTS: usize = 3;

/// Folder of replay files of environments that broke.
const REPLAY_DIR: &str = "replays";

/// Folder of videos, each named by its iteration.
const VIDEO_DIR: &str = "videos";

/// What makes one policy better than another: success first, then return.
#[derive(Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Score {
    success_rate: f64,
    mean_return: f64,
}

/// A run and everything it writes to.
struct Run {
    task: TaskSpec,
    seed: u64,
    dir: RunDir,
    trainer: Trainer,
    checkpoints: CheckpointStore,
    metrics: MetricsLog,
    events: EventLog,
    progress: Progress,
    /// The score of the policy that stands in `policy/`.
    best: Option<Score>,
    /// Joint order of the robot, recorded in policies.
    joints: Vec<String>,
    /// Broken environments that the user knows of.
    faults: u64,
}

/// Runs the command.
pub fn run(args: &Train, output: &mut Output) -> CommandResult {
    let signals = Signals::listen()?;
    // Removes its socket when it goes, however this ends.
    let mut live = args.live.as_deref().map(Host::open).transpose()?;
    let mut run = match &args.resume {
        Some(which) => resume(&find_run(&args.runs, which)?, args, live.as_mut(), output)?,
        None => start(args, live.as_mut(), output)?,
    };
    output.say(format!("run folder: {}", run.dir.path().display()));
    if let Some(live) = &live {
        output.say(format!("look at it with: keiko view --attach {}", live.path().display()));
    }
    let interrupted = run.train(&signals, output)?;
    run.progress.finish();
    let steps = run.trainer.env_steps();
    output.set("env_steps", steps);
    output.set("iterations", run.trainer.iteration());
    output.set("run_dir", run.dir.path().display().to_string());
    if let Some(code) = interrupted {
        for field in ["mean_return", "success_rate", "episodes"] {
            output.set(field, serde_json::Value::Null);
        }
        output.say(format!(
            "stopped after iteration {}; go on with: keiko train --resume {}",
            run.trainer.iteration(),
            run.dir.path().display()
        ));
        return Ok(code);
    }
    // The policy that is kept was picked by an evaluation; it is judged on episodes that picked nothing.
    let policy = load_policy(run.dir.path())?;
    let report = run.judge(&policy, run.seed.wrapping_add(1))?;
    set_report(output, &report);
    output.say(format!(
        "{}: {}\n{} steps in {:.1} s ({:.1} CPU-seconds)\nplay it with: keiko play {}",
        run.task.name,
        describe_report(&report),
        steps,
        output.wall_seconds(),
        output.cpu_seconds(),
        run.dir.path().display()
    ));
    Ok(Code::Done)
}

/// A new run.
fn start(args: &Train, live: Option<&mut Host>, output: &Output) -> CommandResult<Run> {
    let scene = args.scene.as_deref().unwrap_or_default();
    let file = resolve_scene(scene)?;
    let mut overrides = args.changes.overrides.clone();
    overrides.push(format!("train.seed={}", args.seed));
    overrides.extend(args.envs.map(|envs| format!("train.num_envs={envs}")));
    overrides.extend(args.iterations.map(|iterations| format!("train.iterations={iterations}")));
    overrides.extend(args.video_every.map(|every| format!("train.video_every={every}")));
    overrides.extend(args.changes.physics.map(PhysicsArg::as_override));
    let mut task = TaskSpec::load(&file, &overrides)?;
    let device = open_device(args.device, output)?;
    // The folder comes after all that can be wrong with the scene, so that no empty ones are left behind.
    let (mut env, images) = seeing_env(&task, args.seed, &device)?;
    // The run goes on with what it began with, on whatever machine.
    task.physics.engine = env.engine_choice();
    let dir = RunDir::create(&args.runs, &task.name, &task.to_toml(), info(args.seed, &device))?;
    env.set_replay_dir(Some(dir.path().join(REPLAY_DIR)));
    say_notes(&env, output);
    let joints = env.joint_names();
    let env = shown(env, live, &task)?;
    let trainer = Trainer::seeing(env, images, task.train.clone(), args.seed, device)?;
    let mut run = assemble(task, args.seed, dir, trainer, output, joints, None)?;
    // A run that is killed before its first checkpoint can be resumed too.
    run.save_checkpoint()?;
    Ok(run)
}

/// A run that goes on from its newest intact checkpoint.
fn resume(path: &Path, args: &Train, live: Option<&mut Host>, output: &Output) -> CommandResult<Run> {
    let mut dir = RunDir::resume(path)?;
    let mut overrides: Vec<String> =
        args.iterations.map(|iterations| format!("train.iterations={iterations}")).into_iter().collect();
    overrides.extend(args.video_every.map(|every| format!("train.video_every={every}")));
    overrides.extend(args.changes.physics.map(PhysicsArg::as_override));
    let task = load_task(path, &overrides)?;
    let seed = dir.record().start.seed;
    let device = open_device(args.device, output)?;
    let store = CheckpointStore::open(path.join("checkpoints"), KEEP_CHECKPOINTS)?;
    let latest = store.load_latest()?;
    for refused in &latest.refused {
        complain(format!("warning: {refused}"));
    }
    if latest.checkpoint.is_none() && !latest.refused.is_empty() {
        let error = anyhow::anyhow!("{} holds no intact checkpoint to go on from", path.display());
        return Err(error).or_exit(Code::Machine);
    }
    // A run that was killed before its first checkpoint has none at all: it goes on from its beginning.
    let step = latest.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
    if !latest.refused.is_empty() {
        complain(format!("warning: going on from the newest intact checkpoint, iteration {step}"));
    }
    let (mut env, images) = seeing_env(&task, seed, &device)?;
    env.set_replay_dir(Some(path.join(REPLAY_DIR)));
    output.say(format!("physics: {}", env.engine()));
    let joints = env.joint_names();
    let env = shown(env, live, &task)?;
    let mut trainer = Trainer::seeing(env, images, task.train.clone(), seed, device)?;
    if let Some(checkpoint) = &latest.checkpoint {
        trainer.restore(&checkpoint.files)?;
    }
    dir.record_resume(step, info(seed, trainer.device()))?;
    output.say(format!("resumed at iteration {step}"));
    assemble(task, seed, dir, trainer, output, joints, Some(step))
}

fn assemble(
    task: TaskSpec,
    seed: u64,
    dir: RunDir,
    trainer: Trainer,
    output: &Output,
    joints: Vec<String>,
    resumed_at: Option<u64>,
) -> CommandResult<Run> {
    let mut checkpoints = dir.checkpoints(KEEP_CHECKPOINTS)?;
    if let Some(step) = resumed_at {
        checkpoints.discard_after(step)?;
    }
    let (metrics, events) = dir.logs(resumed_at)?;
    let mode = ProgressMode::choose(output.json(), std::io::stderr().is_terminal());
    let iterations = trainer.spec().iterations as u64;
    let progress = Progress::new(
        Box::new(std::io::stderr()),
        mode,
        iterations,
        trainer.iteration(),
        trainer.env_steps(),
    );
    let faults = trainer.env().num_faults();
    let best = resumed_at.and_then(|_| read_best(&dir));
    Ok(Run { task, seed, dir, trainer, checkpoints, metrics, events, progress, best, joints, faults })
}

/// The score of the policy that a run kept so far.
fn read_best(dir: &RunDir) -> Option<Score> {
    let text = std::fs::read_to_string(dir.policy_dir().join(SCORE_FILE)).ok()?;
    serde_json::from_str(&text).ok()
}

impl Run {
    /// Iterates until done, good enough, or interrupted; then everything is saved.
    fn train(&mut self, signals: &Signals, output: &Output) -> CommandResult<Option<Code>> {
        while !self.trainer.is_finished() {
            let report = self.trainer.iterate()?;
            let mut scalars = report.scalars();
            scalars.push((ENV_STEPS.to_owned(), report.env_steps as f64));
            scalars.push((CPU_SECONDS.to_owned(), output.cpu_seconds()));
            let mut reached = false;
            if self.trainer.wants_evaluation() {
                let evaluation = self.evaluate()?;
                scalars.push(("Eval/mean_return".to_owned(), evaluation.mean_return));
                scalars.extend(evaluation.success_rate.map(|rate| ("Eval/success_rate".to_owned(), rate)));
                let means = evaluation.reward_means.iter();
                scalars.extend(means.map(|(name, mean)| (format!("Eval/{name}"), *mean)));
                reached = self.trainer.reached(&evaluation);
            }
            self.log(&report, &scalars);
            if self.trainer.wants_video() {
                self.film()?;
            }
            let interrupted = signals.received();
            if reached || interrupted.is_some() || self.trainer.wants_checkpoint() {
                self.save_checkpoint()?;
            }
            if interrupted.is_some() {
                return Ok(interrupted);
            }
            if reached {
                self.progress.message("the target is reached");
                break;
            }
        }
        Ok(None)
    }

    /// Evaluates a policy as often as the task says.
    fn judge(&self, policy: &Policy, seed: u64) -> CommandResult<EvalReport> {
        let device = self.trainer.device().into();
        evaluate_task(&self.task, policy, self.trainer.spec().eval_episodes, seed, device)
    }

    /// Evaluates the policy as it is, and keeps it if it is the best yet.
    fn evaluate(&mut self) -> CommandResult<EvalReport> {
        let policy = self.trainer.policy()?.with_joints(self.joints.clone());
        let seed = self.seed.wrapping_add(self.trainer.iteration() << 32);
        let report = self.judge(&policy, seed)?;
        self.progress.message(&format!(
            "iteration {}: {}",
            self.trainer.iteration(),
            describe_report(&report)
        ));
        let score =
            Score { success_rate: report.success_rate.unwrap_or(0.0), mean_return: report.mean_return };
        if self.best.is_none_or(|best| score >= best) {
            self.keep(&policy, score).or_exit(Code::Machine)?;
            self.best = Some(score);
        }
        Ok(report)
    }

    /// Films the policy as it is, always in the same episode. A disk that is full costs the video, not the run.
    fn film(&mut self) -> CommandResult<()> {
        let policy = self.trainer.policy()?.with_joints(self.joints.clone());
        let folder = self.dir.path().join(VIDEO_DIR);
        let path = folder.join(format!("{:06}.mp4", self.trainer.iteration()));
        let options = EnvOptions { num_envs: 1, seed: eval_seed(self.seed), ..EnvOptions::default() };
        let device = self.trainer.device().into();
        let mut env = build_env(&self.task, options, device)?;
        let mut actor = Actor::policy(policy, &env)?;
        let filmed = std::fs::create_dir_all(&folder).or_exit(Code::Machine).and_then(|()| {
            let mut film =
                Film::create(&path, &self.task, &env, FilmOptions { device, ..FilmOptions::default() })?;
            film.episode(&mut env, &mut actor)?;
            film.finish()
        });
        self.progress.message(&match filmed {
            Ok(frames) => format!("wrote {}: {frames} frames", path.display()),
            Err(failure) => format!("warning: no video {}: {:#}", path.display(), failure.error),
        });
        Ok(())
    }

    /// Writes the policy, then its score: one that a crash left torn has no score, and is not kept for better.
    fn keep(&self, policy: &Policy, score: Score) -> anyhow::Result<()> {
        let folder = self.dir.policy_dir();
        let mark = folder.join(SCORE_FILE);
        if mark.exists() {
            std::fs::remove_file(&mark)?;
        }
        policy.save(&folder)?;
        std::fs::write(&mark, serde_json::to_string(&score)?)?;
        Ok(())
    }

    fn log(&mut self, report: &IterationReport, scalars: &[(String, f64)]) {
        self.metrics.append(report.iteration, scalars);
        self.events.append(report.iteration, scalars);
        if let Some(warning) = self.metrics.take_warning() {
            self.progress.message(&warning);
        }
        if report.faults > self.faults {
            self.progress.message(&format!(
                "warning: {} environments became NaN or diverged and were reset; replay files are in {}",
                report.faults - self.faults,
                self.dir.path().join(REPLAY_DIR).display()
            ));
            self.faults = report.faults;
        }
        let mut shown = Vec::new();
        shown.extend(report.mean_return.map(|value| ("return", value)));
        shown.extend(report.mean_length.map(|value| ("length", value)));
        shown.extend(report.success_rate.map(|value| ("success", value)));
        shown.push(("std", report.mean_std));
        self.progress.update(&ProgressUpdate {
            iteration: report.iteration,
            env_steps: report.env_steps,
            scalars: &shown,
        });
    }

    /// A disk that is full now may not be later: a failed checkpoint is a warning, older ones stay.
    fn save_checkpoint(&mut self) -> CommandResult<()> {
        let files = self.trainer.state()?;
        if let Err(error) = self.checkpoints.save(self.trainer.iteration(), &files) {
            if self.trainer.iteration() == 0 || self.trainer.is_finished() {
                return Err(error.into());
            }
            self.progress.message(&format!(
                "warning: no checkpoint at iteration {}: {error}",
                self.trainer.iteration()
            ));
        }
        Ok(())
    }
}

/// What the robot file or the physics leaves out, in short.
fn say_notes(env: &TaskEnv, output: &Output) {
    const SHOWN: usize = 3;
    output.say(format!("physics: {}", env.engine()));
    for image in env.images() {
        let [frames, channels, height, width] = image.shape();
        let camera = &image.picture.camera.name;
        output.say(format!(
            "image `{}`: {frames} frames of {channels} channels, {width} x {height} pixels, camera `{camera}`",
            image.name
        ));
    }
    for note in env.notes().iter().take(SHOWN) {
        output.say(format!("note: {note}"));
    }
    if env.notes().len() > SHOWN {
        output.say(format!("note: and {} more like these", env.notes().len() - SHOWN));
    }
}

/// The environments of a run, and where their images are if not in their output.
fn seeing_env(
    task: &TaskSpec,
    seed: u64,
    device: &Device,
) -> CommandResult<(TaskEnv, Option<Box<dyn DeviceImages>>)> {
    let options = EnvOptions { num_envs: task.train.num_envs, seed, ..EnvOptions::default() };
    let mut env = TaskEnv::new(task, &options).or_exit(Code::Scene)?;
    let sight = eyes::open_for(&mut env, device)?;
    Ok((env, sight.map(|sight| Box::new(sight) as Box<dyn DeviceImages>)))
}

/// The environments of a run, of which one can be looked at where somebody may.
fn shown(env: TaskEnv, live: Option<&mut Host>, task: &TaskSpec) -> CommandResult<Box<dyn VecEnv>> {
    match live {
        Some(live) => Ok(Box::new(live.show(env, task)?)),
        None => Ok(Box::new(env)),
    }
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Self {
        Self { code: Code::Machine, error: error.into() }
    }
}

/// The device that was asked for; says which it is.
pub fn open_device(choice: DeviceArg, output: &Output) -> CommandResult<Device> {
    let device = eyes::device(choice).or_exit(Code::Machine)?;
    output.say(device.reason());
    Ok(device)
}

/// Facts of this process for records of runs.
pub fn info(seed: u64, device: &Device) -> RunInfo {
    RunInfo::of_this_process(
        seed,
        device.name(),
        device.adapter().map(ToString::to_string),
        option_env!("KEIKO_GIT_REVISION"),
        option_env!("KEIKO_RUSTC_VERSION"),
    )
}
