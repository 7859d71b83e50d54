//! `keiko view`: a window on a scene, a robot file, a run or a replay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use keiko_data::Image;
use keiko_model::task::resolve_scene;
use keiko_train::find_run;
use keiko_train::metrics::{MetricsLine, read_metrics};
use keiko_viewer::{Casting, Curve, Given, LoadOptions, Painter, Session, Source, ViewError, WindowOptions};

use super::render::is_robot_file;
use super::run_files::ENV_STEPS;
use super::view_actors::{reader, reads, trained};
use crate::args::View;
use crate::engine::PhysicsArg;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::eyes;
use crate::output::{Output, complain};

/// Configuration of a run, by which it is known.
const CONFIG: &str = "config.toml";

/// Runs the command.
pub fn run(args: &View, output: &mut Output) -> CommandResult {
    let (source, run) = source(args)?;
    if let (Some(what), Some(_)) = (&args.what, &args.policy)
        && !matches!(source, Source::Scene { .. })
    {
        let error = anyhow!("--policy: {what} has no task that a policy could act in");
        return Err(error).or_exit(Code::Usage);
    }
    let (casting, run) = casting(args, &source, run)?;
    let options = LoadOptions {
        num_envs: args.envs,
        seed: args.seed,
        physics: args.changes.physics.map(PhysicsArg::choice),
        backend: eyes::backend(args.device).or_exit(Code::Machine)?,
    };
    let renderer = options.backend.name();
    let learned = run.as_deref().map(learned).unwrap_or_default();
    let play = args.play || casting.is_some() || args.attach.is_some();
    let session = Session::new(source, options, casting)?;
    output.say(format!("physics: {}; picture: {renderer}", session.subject().engine));
    output.set("subject", session.subject().name.clone());
    output.set("engine", session.subject().engine.clone());
    output.set("renderer", renderer);
    let size = args.size.map(|side| side as f32);
    let given = Given { painter: painter(), learned, layout: keiko_viewer::layout::file() };
    let report = keiko_viewer::run(session, WindowOptions { size, play, frames: args.frames }, given);
    let report = report.map_err(|error| match error {
        ViewError::Window(_) => {
            let what = args.what.as_deref().unwrap_or("SCENE");
            let advice = format!("`keiko render {what} --out picture.png` needs neither display nor window");
            Failure { code: Code::Machine, error: anyhow!("{error}; {advice}") }
        }
        other => other.into(),
    })?;
    if let Some(why) = &report.forgotten {
        complain(format!("warning: where the panels are is not remembered: {why}"));
    }
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
    if let Some(socket) = &args.attach {
        return Ok((Source::Live { socket: socket.clone() }, None));
    }
    let what = args.what.as_deref().unwrap_or_default();
    let path = Path::new(what);
    if is_robot_file(what) {
        return Ok((Source::Robot { file: path.to_owned(), root: args.root.clone() }, None));
    }
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        return Ok((Source::Replay { file: path.to_owned() }, None));
    }
    let overrides = args.changes.overrides.clone();
    if what == "last" || path.join(CONFIG).is_file() {
        let run = find_run(&args.runs, what)?;
        return Ok((Source::Scene { file: run.join(CONFIG), overrides }, Some(run)));
    }
    if reads(path) {
        let error = anyhow!(
            "{what} is a policy that sees and reads; name a scene for it: keiko view SCENE --policy {what}"
        );
        return Err(error).or_exit(Code::Usage);
    }
    Ok((Source::Scene { file: resolve_scene(what)?, overrides }, None))
}

/// Who acts, and the run that it learned in.
fn casting(
    args: &View,
    source: &Source,
    run: Option<PathBuf>,
) -> CommandResult<(Option<Casting>, Option<PathBuf>)> {
    let run = match &args.policy {
        Some(policy) if reads(Path::new(policy)) => {
            let Source::Scene { file, overrides } = source else { return Ok((None, None)) };
            let casting = reader(Path::new(policy), file.clone(), overrides.clone(), args.seed, args.device);
            return Ok((Some(casting), None));
        }
        Some(policy) => Some(find_run(&args.runs, policy)?),
        None => run,
    };
    Ok((run.clone().map(trained), run))
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

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        let code = match error {
            ViewError::File(_) | ViewError::Replay(_) => Code::Scene,
            ViewError::Policy(_) => Code::Usage,
            ViewError::Camera(_) | ViewError::Window(_) | ViewError::Live(_) => Code::Machine,
        };
        Self { code, error: error.into() }
    }
}
