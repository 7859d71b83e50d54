//! `keiko verify mujoco`: robot files of other projects, here and in MuJoCo.
//!
//! Level A compares one state at a time: poses, mass matrix, bias, actuators, acceleration. Level B compares one step of
//! the executor without constraints, level C trajectories of a few scenes with MuJoCo at a finer step.

mod level_a;
mod level_b;
mod level_c;
mod scenes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use keiko_model::RobotModel;
use keiko_model::robot::JointKind;
use keiko_world::EnvRng;
use serde_json::{Value, json};

use super::dynamics::States;
use crate::args::{Level, VerifyMujoco};
use crate::exit::{Code, CommandResult, OrExit};
use crate::mujoco::{Message, Peer};
use crate::numpy::Array;
use crate::output::{Output, complain};

/// Stream number of the random states.
const STREAM: u32 = 0xA11A;

/// Time between lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn run(args: &VerifyMujoco, output: &mut Output) -> CommandResult {
    let needs_files = matches!(args.level, Level::All | Level::A | Level::B);
    let files = if needs_files { files(args).or_exit(Code::Usage)? } else { Vec::new() };
    let mut peer = Peer::start(&args.peer_args.python).or_exit(Code::Machine)?;
    output.set("mujoco_version", peer.version.clone());
    let mut card = Card::default();
    if matches!(args.level, Level::All | Level::A) {
        level_a::run(&files, args, &mut peer, &mut card, output);
    }
    if matches!(args.level, Level::All | Level::B) {
        level_b::run(&files, args, &mut peer, &mut card, output);
    }
    if matches!(args.level, Level::All | Level::C) {
        level_c::run(args, &mut peer, &mut card, output).or_exit(Code::Machine)?;
    }
    card.finish(output)
}

/// A number beside its demand.
#[derive(Clone, Debug)]
struct Row {
    level: char,
    name: String,
    value: f64,
    demand: f64,
    unit: &'static str,
    /// MuJoCo's own error with the file's time step.
    mujoco: Option<f64>,
    /// File and state where the value was found, if it is the worst of many.
    worst: Option<String>,
    /// How many were compared, and how many of them were beyond the demand.
    counts: Option<[usize; 2]>,
}

/// All rows, and what was not compared.
#[derive(Default)]
struct Card {
    rows: Vec<Row>,
    failures: Vec<String>,
    counts: Vec<(&'static str, usize)>,
}

impl Card {
    fn finish(self, output: &mut Output) -> CommandResult {
        let head = ["level", "error", "value", "demand", "MuJoCo"];
        output.say(format!(
            "\n{:<5} {:<46} {:>11} {:>11} {:>11} unit",
            head[0], head[1], head[2], head[3], head[4]
        ));
        let mut failed = 0;
        for row in &self.rows {
            let passed = row.value <= row.demand;
            failed += usize::from(!passed);
            let verdict = if passed { "" } else { "  FAILED" };
            let counts = row.counts.map_or(String::new(), |[n, bad]| format!("  {bad} of {n} beyond"));
            let worst = row.worst.as_ref().map_or(String::new(), |at| format!("  worst {at}"));
            let mujoco = row.mujoco.map_or(String::new(), |value| format!("{value:.3e}"));
            output.say(format!(
                "{:<5} {:<46} {:>11.3e} {:>11.3e} {mujoco:>11} {}{verdict}{counts}{worst}",
                row.level, row.name, row.value, row.demand, row.unit
            ));
        }
        for failure in &self.failures {
            output.say(failure);
        }
        for (what, count) in &self.counts {
            output.say(format!("{count:>6} {what}"));
            output.set(&what.replace(' ', "_"), *count);
        }
        output.say(format!("{} passed, {failed} failed", self.rows.len() - failed));
        let rows = self.rows.iter().map(|row| {
            json!({
                "level": row.level.to_string(), "name": row.name, "value": row.value, "demand": row.demand,
                "unit": row.unit, "passed": row.value <= row.demand, "mujoco": row.mujoco, "worst": row.worst,
                "compared": row.counts.map(|c| c[0]), "beyond": row.counts.map(|c| c[1]),
            })
        });
        output.set("rows", rows.collect::<Vec<Value>>());
        output.set("failures", self.failures);
        output.set("passed", self.rows.len() - failed);
        output.set("failed", failed);
        Ok(match (self.rows.is_empty(), failed) {
            (true, _) => Code::Nothing,
            (false, 0) => Code::Done,
            _ => Code::Failed,
        })
    }

    fn note(&mut self, output: &Output, line: String) {
        if !output.json() {
            complain(&line);
        }
        self.failures.push(line);
    }
}

/// A file and the folder that its meshes may lie in.
struct Source {
    path: PathBuf,
    root: PathBuf,
}

impl Source {
    /// The path below its root, for people.
    fn name(&self) -> String {
        self.path.strip_prefix(&self.root).unwrap_or(&self.path).display().to_string()
    }
}

/// The MJCF files that were named, or that lie in folders that were named, or in the folder of packages.
fn files(args: &VerifyMujoco) -> anyhow::Result<Vec<Source>> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        let assets = args.peer_args.assets.clone();
        paths.push(assets.context(
            "name robot files, folders of them, or the folder of packages with --assets DIR or KEIKO_ASSETS",
        )?);
    }
    let mut out = Vec::new();
    for path in paths {
        // Files may refer to meshes anywhere in the folder of packages.
        let packages = args.peer_args.assets.clone().filter(|assets| path.starts_with(assets));
        if path.is_dir() {
            let mut found = Vec::new();
            collect(&path, &mut found).with_context(|| path.display().to_string())?;
            found.sort();
            let root = packages.unwrap_or(path);
            out.extend(found.into_iter().map(|file| Source { path: file, root: root.clone() }));
        } else {
            ensure!(path.is_file(), "{}: no such file", path.display());
            let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
            out.push(Source { root: packages.unwrap_or(folder), path });
        }
    }
    ensure!(!out.is_empty(), "no MJCF files");
    Ok(out)
}

/// All files below a folder whose root element is `<mujoco>`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Links are not followed: they could lead round in a circle.
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|x| x == "xml") {
            let text = std::fs::read(&path)?;
            let text = String::from_utf8_lossy(&text);
            if text.contains("<mujoco>") || text.contains("<mujoco ") {
                files.push(path);
            }
        }
    }
    Ok(())
}

/// Says now and then how far a walk over many files is.
struct Progress {
    level: char,
    total: usize,
    done: usize,
    said: Instant,
}

impl Progress {
    fn new(level: char, total: usize) -> Self {
        Self { level, total, done: 0, said: Instant::now() }
    }

    fn step(&mut self, output: &Output) {
        if !output.json() && self.said.elapsed() > PROGRESS_EVERY {
            complain(format!("level {}: {} of {} files", self.level, self.done, self.total));
            self.said = Instant::now();
        }
        self.done += 1;
    }
}

/// A robot that both load, with its names checked.
fn load(source: &Source, peer: &mut Peer) -> Result<RobotModel, NotCompared> {
    let ours = crate::states::load_model(&source.path, Some(&source.root));
    let theirs = peer.load(&source.path);
    let (model, facts) = match (ours, theirs) {
        (Ok(model), Ok(facts)) => (model, facts),
        (Ok(_), Err(_)) => return Err(NotCompared::OnlyHere),
        (Err(_), Ok(_)) => return Err(NotCompared::OnlyMujoco),
        (Err(_), Err(_)) => return Err(NotCompared::Neither),
    };
    same_machine(&model, &facts)
        .map_err(|error| NotCompared::Different(format!("{}: {error:#}", source.name())))?;
    Ok(model)
}

/// Why a file was not compared.
enum NotCompared {
    OnlyHere,
    OnlyMujoco,
    Neither,
    Different(String),
}

/// Refuses models whose bodies or degrees of freedom are others; actuators may be fewer.
fn same_machine(model: &RobotModel, facts: &Message) -> anyhow::Result<()> {
    let ours = [model.num_qpos(), model.num_dofs(), model.bodies.len()];
    let theirs =
        [facts.number("nq")? as usize, facts.number("nv")? as usize, facts.number("nbody")? as usize];
    ensure!(ours == theirs, "[nq, nv, nbody] is {ours:?} here and {theirs:?} in MuJoCo");
    Ok(())
}

/// Random states: joints within their ranges where they have one, else within 1 rad or m; speeds of order 1; controls
/// within their ranges.
fn random_states(model: &RobotModel, num_states: usize, seed: u64) -> States {
    let (mut qpos, mut qvel, mut ctrl) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..num_states {
        let mut rng = EnvRng::new(seed, k as u32, 0, STREAM);
        for joint in &model.joints {
            if joint.kind == JointKind::Free {
                qpos.extend((0..3).map(|_| rng.uniform(-1.0, 1.0)));
            }
            match joint.kind {
                JointKind::Free | JointKind::Ball => qpos.extend(random_rotation(&mut rng)),
                JointKind::Revolute | JointKind::Prismatic => {
                    let [low, high] = joint.range.unwrap_or([-1.0, 1.0]);
                    qpos.push(rng.uniform(low, high));
                }
            }
        }
        qvel.extend((0..model.num_dofs()).map(|_| rng.normal()));
        ctrl.extend(model.actuators.iter().map(|actuator| {
            let [low, high] = actuator.ctrl_range.unwrap_or([-1.0, 1.0]);
            rng.uniform(low, high)
        }));
    }
    let rows = |width, data| Array::new(&[num_states, width], data);
    States {
        qpos: rows(model.num_qpos(), qpos),
        qvel: rows(model.num_dofs(), qvel),
        ctrl: rows(model.actuators.len(), ctrl),
    }
}

fn random_rotation(rng: &mut EnvRng) -> [f64; 4] {
    loop {
        let q: [f64; 4] = std::array::from_fn(|_| rng.normal());
        let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 1e-3 {
            return q.map(|x| x / length);
        }
    }
}
