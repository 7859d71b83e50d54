//! `keiko render SCENE --out FILE.mp4`: an episode as a video.

use anyhow::anyhow;
use keiko_camera::Channel;
use keiko_env::{EnvOptions, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_train::find_run;
use serde_json::json;

use super::actor::Actor;
use super::film::{Film, FilmOptions};
use super::render::is_robot_file;
use super::run_files::{build_env, load_policy};
use crate::args::{ActionsArg, Render};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Render, output: &mut Output) -> CommandResult {
    if is_robot_file(&args.what) {
        let error = anyhow!("{}: a robot file has no episode to film; name a scene", args.what);
        return Err(error).or_exit(Code::Usage);
    }
    if let Some(other) = args.channels.iter().find(|channel| **channel != Channel::Rgb) {
        let error = anyhow!("--channels {}: a video shows colour; allowed: rgb", other.name());
        return Err(error).or_exit(Code::Usage);
    }
    let task = TaskSpec::load(&resolve_scene(&args.what)?, &args.overrides)?;
    let first_env = u32::try_from(args.env).or_exit(Code::Usage)?;
    let options = EnvOptions { num_envs: 1, seed: args.seed, first_env, ..EnvOptions::default() };
    let mut env = build_env(&task, options, args.device)?;
    let mut actor = match &args.policy {
        Some(run) => Actor::policy(load_policy(&find_run(&args.runs, run)?)?, &env)?,
        None => Actor::of(args.actions.unwrap_or(ActionsArg::Zero), args.seed, &task, &env)?,
    };
    let options = FilmOptions {
        camera: args.camera.as_deref(),
        size: args.size,
        no_shadows: args.no_shadows,
        device: args.device,
    };
    let mut film = Film::create(&args.out, &task, &env, options)?;
    film.episode(&mut env, &mut actor)?;
    let (camera, renderer) = (film.camera.clone(), film.renderer.clone());
    let frames = film.finish()?;
    let ([width, height], seconds) = (camera.size, frames as f64 * env.spec().control_dt);
    output.say(format!("camera `{}`, {width} x {height}, on {renderer}", camera.name));
    output.say(format!("wrote {}: {frames} frames, {seconds:.2} s", args.out.display()));
    output.set("camera", camera.name);
    output.set("size", json!(camera.size));
    output.set("renderer", renderer);
    output.set("files", json!([args.out]));
    output.set("frames", frames);
    Ok(Code::Done)
}
