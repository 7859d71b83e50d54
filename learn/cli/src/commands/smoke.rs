//! `keiko smoke`: does every scene load, step, stay finite, and repeat itself? Do its cameras see something?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use keiko_camera::{Backend, Channel, Tracer, TracerOptions};
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};

use super::junit::{self, Check};
use super::random_actions::RandomActions;
use super::soak;
use crate::args::Smoke;
use crate::exit::{Code, CommandResult, OrExit};
use crate::eyes;
use crate::output::{Output, complain};

/// Batch sizes: alone, an odd number, a full block.
const BATCH_SIZES: [usize; 3] = [1, 7, 32];

/// Observations and rewards beyond this are not in the bounds of any sane scene.
const BOUND: f32 = 1e6;

/// Runs the command.
pub fn run(args: &Smoke, output: &mut Output) -> CommandResult {
    let scenes = find_scenes(&args.paths)?;
    if scenes.is_empty() {
        output.say("no scene found: a scene is a folder with a scene.toml");
        output.set("passed", 0);
        output.set("failed", 0);
        return Ok(Code::Nothing);
    }
    let mut suites = Vec::new();
    let mut soaks = Vec::new();
    let mut invalid = false;
    let renderer = eyes::backend(args.device).or_exit(Code::Machine)?;
    for file in &scenes {
        let (name, checks) = match TaskSpec::load(file, &args.changes.list()) {
            Ok(spec) => {
                let checks = match args.soak {
                    Some(total) => soak::run(&spec, total.div_ceil(scenes.len()), args).map(|soak| {
                        output.say(soak.line());
                        let check = soak.check();
                        soaks.push(soak);
                        vec![check]
                    }),
                    None => check_scene(&spec, args, &renderer),
                };
                (spec.name.clone(), checks)
            }
            Err(error) => (file.display().to_string(), Err(error.into())),
        };
        let checks = checks.unwrap_or_else(|error: anyhow::Error| {
            invalid = true;
            complain(format!("error: {error:#}"));
            vec![Check {
                name: "load".to_owned(),
                duration: Duration::ZERO,
                failure: Some(format!("{error:#}")),
            }]
        });
        for check in &checks {
            let verdict = if check.failure.is_some() { "FAILED" } else { "ok" };
            output.say(format!(
                "{name:<20} {:<32} {verdict:<7} {:6.2} s",
                check.name,
                check.duration.as_secs_f64()
            ));
            if let Some(failure) = check.failure.as_ref().filter(|_| check.name != "load") {
                complain(format!("error: {name}: {}: {failure}", check.name));
            }
        }
        suites.push((name, checks));
    }
    if let Some(path) = &args.junit {
        junit::write(path, "keiko smoke", &suites).or_exit(Code::Machine)?;
    }
    let checks = || suites.iter().flat_map(|(_, checks)| checks);
    let failed = checks().filter(|check| check.failure.is_some()).count();
    let passed = checks().count() - failed;
    if !soaks.is_empty() {
        let steps: u64 = soaks.iter().map(|soak| soak.steps).sum();
        let faults: u64 = soaks.iter().map(|soak| soak.faults.total()).sum();
        output.say(format!("{steps} environment steps, {faults} faults"));
        output.set("steps", steps);
        output.set("faults", faults);
        output.set("scenes", soaks.iter().map(soak::Soak::json).collect::<Vec<_>>());
    }
    output.say(format!("{passed} passed, {failed} failed"));
    output.set("passed", passed);
    output.set("failed", failed);
    Ok(match (invalid, failed) {
        (true, _) => Code::Scene,
        (false, 0) => Code::Done,
        (false, _) => Code::Failed,
    })
}

/// Scene files named directly, by name, or found below a folder.
fn find_scenes(paths: &[String]) -> CommandResult<Vec<PathBuf>> {
    let mut scenes = Vec::new();
    for path in paths {
        let folder = Path::new(path);
        if folder.is_dir() && !folder.join("scene.toml").is_file() {
            let mut below = scenes_below(folder).or_exit(Code::Machine)?;
            below.sort();
            scenes.extend(below);
        } else {
            scenes.push(resolve_scene(path)?);
        }
    }
    Ok(scenes)
}

/// The scenes in a folder: as everywhere, one folder each; deeper ones are not looked for.
fn scenes_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut scenes = Vec::new();
    for entry in entries {
        scenes.push(entry?.path().join("scene.toml"));
    }
    scenes.retain(|scene| scene.is_file());
    Ok(scenes)
}

fn check_scene(spec: &TaskSpec, args: &Smoke, renderer: &Backend) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    let mut first_env = Vec::new();
    let mut digests = Vec::new();
    for num_envs in BATCH_SIZES {
        let started = Instant::now();
        let outcome = rollout(spec, num_envs, args, renderer)?;
        first_env.push(outcome.first_env);
        digests.push(outcome.all);
        checks.push(Check {
            name: format!("{num_envs} environments"),
            duration: started.elapsed(),
            failure: outcome.failure,
        });
    }
    let started = Instant::now();
    let again = rollout(spec, BATCH_SIZES[1], args, renderer)?;
    checks.push(Check {
        name: "same seed, same digest".to_owned(),
        duration: started.elapsed(),
        failure: (again.all != digests[1])
            .then(|| "a second run with the same seed gave other numbers".to_owned()),
    });
    let differing = first_env.iter().any(|digest| *digest != first_env[0]);
    checks.push(Check {
        name: "alone as in a batch".to_owned(),
        duration: Duration::ZERO,
        failure: differing.then(|| "environment 0 depends on the size of the batch".to_owned()),
    });
    checks.extend(check_cameras(spec, args, renderer)?);
    Ok(checks)
}

/// Environments in which cameras are checked, and random steps before.
const SEEN_ENVS: usize = 2;
const SEEN_AFTER: usize = 10;

/// Renders each camera of the scene twice, in several environments.
fn check_cameras(spec: &TaskSpec, args: &Smoke, renderer: &Backend) -> anyhow::Result<Vec<Check>> {
    let options = EnvOptions { num_envs: SEEN_ENVS, seed: args.seed, ..EnvOptions::default() };
    let mut env = TaskEnv::new(spec, &options)?;
    if env.scene().model.cameras.is_empty() {
        return Ok(Vec::new());
    }
    let mut actions = RandomActions::new(args.seed, env.spec().actions.len(), SEEN_ENVS);
    env.reset(None);
    let mut before = env.state().clone();
    for _ in 0..args.steps.min(SEEN_AFTER) {
        env.state().clone_into(&mut before);
        env.step(actions.next());
    }
    let scene = env.scene();
    let options = TracerOptions { flow: true, ..eyes::options(scene) };
    let tracer = Tracer::new(renderer, &scene.model, SEEN_ENVS, &options)?;
    tracer.pose_before(&before)?;
    tracer.pose(env.state());
    let mut checks = Vec::new();
    for camera in &scene.model.cameras {
        let started = Instant::now();
        let group = tracer.group(std::slice::from_ref(camera), &Channel::ALL)?;
        tracer.render(&group);
        let images = tracer.read(&group)?;
        tracer.render(&group);
        let again = tracer.read(&group)?;
        let ids = images.ids(Channel::Segmentation).unwrap_or_default();
        use Channel::{Depth, Distance, Flow, Normals, Radiance, RgbFloat};
        let floats = [RgbFloat, Depth, Distance, Normals, Radiance, Flow];
        let finite = |channel| images.floats(channel).is_some_and(|v| v.iter().all(|x| x.is_finite()));
        let failure = if !floats.into_iter().all(finite) {
            Some("a pixel is NaN or infinite")
        } else if images != again {
            Some("a second image of the same state differs")
        } else if ids.chunks(ids.len() / SEEN_ENVS).any(|view| view.iter().all(|id| *id < 0)) {
            Some("it sees nothing")
        } else {
            None
        };
        checks.push(Check {
            name: format!("camera {}", camera.name),
            duration: started.elapsed(),
            failure: failure.map(str::to_owned),
        });
    }
    Ok(checks)
}

/// What a random rollout gave.
struct Outcome {
    /// Digest of all observations and rewards.
    all: u64,
    /// Digest of those of environment 0.
    first_env: u64,
    /// The first thing found wrong.
    failure: Option<String>,
}

fn rollout(spec: &TaskSpec, num_envs: usize, args: &Smoke, renderer: &Backend) -> anyhow::Result<Outcome> {
    let options = EnvOptions { num_envs, seed: args.seed, ..EnvOptions::default() };
    let mut env = TaskEnv::new(spec, &options)?;
    if !env.images().is_empty() {
        eyes::see_with(&mut env, renderer)?;
    }
    let mut actions = RandomActions::new(args.seed, env.spec().actions.len(), num_envs);
    let mut outcome = Outcome { all: FNV_OFFSET, first_env: FNV_OFFSET, failure: None };
    env.reset(None);
    inspect(&env, 0, &mut outcome);
    for step in 1..=args.steps {
        env.step(actions.next());
        inspect(&env, step, &mut outcome);
    }
    if let Some(failure) = env.failure() {
        outcome.failure.get_or_insert_with(|| failure.to_owned());
    }
    if env.num_faults() > 0 && outcome.failure.is_none() {
        outcome.failure = Some(format!("{} environments became NaN or diverged", env.num_faults()));
    }
    Ok(outcome)
}

/// Folds the last output into the digests and looks for what must not be.
fn inspect(env: &TaskEnv, step: usize, outcome: &mut Outcome) {
    let (spec, out) = (env.spec(), env.output());
    let mut fail = |text: anyhow::Error| {
        outcome.failure.get_or_insert_with(|| format!("step {step}: {text}"));
    };
    if out.observations.len() != spec.observations.len() || out.reward.len() != spec.num_envs {
        fail(anyhow!("shapes differ from the specification"));
        return;
    }
    for (group, values) in spec.observations.iter().zip(&out.observations) {
        if values.num_rows() != group.size() || values.num_envs() != spec.num_envs {
            fail(anyhow!(
                "group `{}` has {} x {} numbers instead of {} x {}",
                group.name,
                values.num_rows(),
                values.num_envs(),
                group.size(),
                spec.num_envs
            ));
        }
        if let Some(index) = values.as_slice().iter().position(|v| !in_bounds(*v)) {
            let (row, env_idx) = (index / spec.num_envs, index % spec.num_envs);
            fail(anyhow!(
                "observation {row} of group `{}` is {} in environment {env_idx}",
                group.name,
                values.as_slice()[index]
            ));
        }
    }
    if let Some(env_idx) = out.reward.iter().position(|v| !in_bounds(*v)) {
        fail(anyhow!("the reward is {} in environment {env_idx}", out.reward[env_idx]));
    }
    for values in &out.observations {
        outcome.all = digest(outcome.all, values.as_slice().iter().copied());
        outcome.first_env = digest(outcome.first_env, values.column(0));
    }
    outcome.all = digest(outcome.all, out.reward.iter().copied());
    outcome.first_env = digest(outcome.first_env, out.reward.iter().take(1).copied());
}

fn in_bounds(value: f32) -> bool {
    value.is_finite() && value.abs() <= BOUND
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over the bits: any changed bit changes the digest.
fn digest(mut hash: u64, values: impl Iterator<Item = f32>) -> u64 {
    for value in values {
        for byte in value.to_bits().to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}
