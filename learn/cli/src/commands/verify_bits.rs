//! `keiko verify determinism|batch|threads|reset`: bit equality on scenes.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, anyhow};
use keiko_env::physics_options;
use keiko_model::compose::Scene;
use keiko_model::task::{TaskSpec, list_scenes, resolve_scene};
use keiko_world::engine;
use keiko_world::verify::bits::{Claim, Trial};
use serde_json::json;

use crate::args::VerifyBits;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::{Output, complain};

/// Runs the command: a line for each scene. [`Code::Failed`] if any scene fails.
pub fn run(claim: Claim, args: &VerifyBits, output: &mut Output) -> CommandResult {
    let mut scenes: Vec<PathBuf> = Vec::new();
    for scene in &args.scenes {
        scenes.push(resolve_scene(scene)?);
    }
    if args.scenes.is_empty() {
        scenes.extend(list_scenes().into_iter().map(|(_, file)| file));
    }
    if scenes.is_empty() {
        output.say("no scene found: a scene is a folder with a scene.toml");
        return Ok(Code::Nothing);
    }
    let (mut passed, mut failed, mut results) = (0, 0, Vec::new());
    for file in &scenes {
        let spec = TaskSpec::load(file, &args.overrides)?;
        let started = Instant::now();
        let (engine, verdict) = check(claim, &spec, args).or_exit(Code::Scene)?;
        let seconds = started.elapsed().as_secs_f64();
        let (ok, text) = match &verdict {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        let word = if ok { "ok" } else { "FAILED" };
        output.say(format!("{:<20} {engine:<8} {word:<7} {seconds:6.2} s  {text}", spec.name));
        if !ok {
            complain(format!("error: {}: {text}", spec.name));
        }
        results.push(json!({ "scene": spec.name, "engine": engine, "passed": ok, "what": text }));
        passed += usize::from(ok);
        failed += usize::from(!ok);
    }
    output.say(format!("{passed} passed, {failed} failed"));
    output.set("passed", passed);
    output.set("failed", failed);
    output.set("scenes", results);
    Ok(if failed == 0 { Code::Done } else { Code::Failed })
}

/// The engine that the scene got, and what the check says.
fn check(
    claim: Claim,
    spec: &TaskSpec,
    args: &VerifyBits,
) -> anyhow::Result<(&'static str, Result<String, String>)> {
    let (scene, _) = Scene::load(spec).with_context(|| spec.name.clone())?;
    let options = physics_options(spec);
    let choice = args.physics.choice();
    let probe = engine::build(&scene.model, 1, &options, choice)
        .map_err(|error| anyhow!("{}: {error}", spec.name))?;
    let name = probe.executor.name();
    let build = |num_envs: usize| {
        engine::build(&scene.model, num_envs, &options, choice)
            .map(|engine| engine.executor)
            .map_err(|error| error.to_string())
    };
    let start: Vec<f32> = scene.default_qpos.iter().map(|q| *q as f32).collect();
    let trial = Trial { model: &scene.model, start: &start, steps: args.steps, build: &build };
    Ok((name, claim.check(&trial)))
}
