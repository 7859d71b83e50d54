//! `keiko view`: a window on a scene, a robot file, a run or a replay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use keiko_data::Image;
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::task::resolve_scene;
use keiko_policy::Policy;
use keiko_train::agent::check_policy;
use keiko_train::find_run;
use keiko_train::metrics::{MetricsLine, read_metrics};
use keiko_viewer::{
    Actor, Casting, Curve, Given, LoadOptions, Painter, Session, Source, ViewError, WindowOptions,
};

use super::render::is_robot_file;
use super::run_files::{ENV_STEPS, load_policy};
use crate::args::View;
use crate::engine::with_engine;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::eyes;
use crate::output::Output;

/// Configuration of a run, by which it is known.
const CONFIG: &str = "config.toml";

/// Runs the command.
pub fn run(args: &View, output: &mut Output) -> CommandResult {
    let (source, run) = source(args)?;
    if args.policy.is_some() && !matches!(source, Source::Scene { .. }) {
        let error = anyhow!("--policy: {} has no task that a policy could act in", args.what);
        return Err(error).or_exit(Code::Usage);
    }
    let policy = match &args.policy {
        Some(policy) => Some(find_run(&args.runs, policy)?),
        None => run,
    };
    let options = LoadOptions {
        num_envs: args.envs,
        seed: args.seed,
        physics: args.physics.map(crate::engine::PhysicsArg::choice),
        backend: eyes::backend(args.device).or_exit(Code::Machine)?,
    };
    let renderer = options.backend.name();
    let learned = policy.as_deref().map(learned).unwrap_or_default();
    let play = args.play || policy.is_some();
    let session = Session::new(source, options, policy.map(casting))?;
    output.say(format!("physics: {}; picture: {renderer}", session.subject().engine));
    output.set("subject", session.subject().name.clone());
    output.set("engine", session.subject().engine.clone());
    output.set("renderer", renderer);
    let size = args.size.map(|side| side as f32);
    let given = Given { painter: painter(), learned };
    let report = keiko_viewer::run(session, WindowOptions { size, play, frames: args.frames }, given);
    let report = report.map_err(|error| match error {
        ViewError::Window(_) => {
            let advice =
                format!("`keiko render {} --out picture.png` needs neither display nor window", args.what);
            Failure { code: Code::Machine, error: anyhow!("{error}; {advice}") }
        }
        other => other.into(),
    })?;
    if args.frames.is_some() {
        let [width, height] = args.size;
        let rate = report.frames_per_second();
        output.say(format!(
            "{} frames of {width} x {height} in {:.2} s: {rate:.1} a second",
            report.frames, report.seconds
        ));
    }
    output.set("frames", report.frames);
    output.set("frames_per_second", report.frames_per_second());
    output.set("control_steps", report.steps);
    Ok(Code::Done)
}

/// Writes screenshots as PNG files.
fn painter() -> Painter {
    Arc::new(|path, [width, height], rgb| {
        let png = Image { height, width, pixels: rgb.to_vec() }.to_png();
        std::fs::write(path, png).map_err(|error| format!("{}: {error}", path.display()))
    })
}

/// What is meant, and the run whose policy acts where that is a run.
fn source(args: &View) -> CommandResult<(Source, Option<PathBuf>)> {
    let path = Path::new(&args.what);
    if is_robot_file(&args.what) {
        return Ok((Source::Robot { file: path.to_owned(), root: args.root.clone() }, None));
    }
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        return Ok((Source::Replay { file: path.to_owned() }, None));
    }
    let overrides = with_engine(&args.overrides, None);
    if args.what == "last" || path.join(CONFIG).is_file() {
        let run = find_run(&args.runs, &args.what)?;
        return Ok((Source::Scene { file: run.join(CONFIG), overrides }, Some(run)));
    }
    Ok((Source::Scene { file: resolve_scene(&args.what)?, overrides }, None))
}

/// How a run learned: each of its metrics over environment steps. A run without metrics has none to show.
fn learned(run: &Path) -> Vec<Curve> {
    let lines = read_metrics(&run.join("metrics.jsonl")).unwrap_or_default();
    let names: BTreeSet<&String> = lines.iter().flat_map(|line| line.scalars.keys()).collect();
    let point =
        |line: &MetricsLine, name: &String| Some([*line.scalars.get(ENV_STEPS)?, *line.scalars.get(name)?]);
    let curve = |name: &String| Curve {
        name: name.clone(),
        unit: "",
        points: lines.iter().filter_map(|line| point(line, name)).collect(),
    };
    names.into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

/// Lets the policy of a run act, the newest that there is at every load.
fn casting(run: PathBuf) -> Casting {
    Box::new(move |env| {
        let policy = load_policy(&run).map_err(|failure| format!("{:#}", failure.error))?;
        let trained = Trained::new(policy, env, &run).map_err(|error| format!("{error:#}"))?;
        Ok(Box::new(trained) as Box<dyn Actor>)
    })
}

/// A policy that acts in all environments.
struct Trained {
    policy: Policy,
    /// Index of the group that it observes.
    group: usize,
    name: String,
}

impl Trained {
    fn new(policy: Policy, env: &TaskEnv, run: &Path) -> anyhow::Result<Self> {
        check_policy(&policy, env.spec())?;
        policy.config().check_joints(&env.joint_names())?;
        let groups = &env.spec().observations;
        let group = groups
            .iter()
            .position(|group| group.name == "policy")
            .context("no observation group `policy`")?;
        Ok(Self { policy, group, name: run.display().to_string() })
    }
}

impl Actor for Trained {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn act(&mut self, env: &TaskEnv, actions: &mut Field) -> Result<(), String> {
        let observations = env.output().observations[self.group].as_slice();
        self.policy.act(observations, env.spec().num_envs, actions.as_mut_slice());
        Ok(())
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        let code = match error {
            ViewError::File(_) | ViewError::Replay(_) => Code::Scene,
            ViewError::Policy(_) => Code::Usage,
            ViewError::Camera(_) | ViewError::Window(_) => Code::Machine,
        };
        Self { code, error: error.into() }
    }
}
