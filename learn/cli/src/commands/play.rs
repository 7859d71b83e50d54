//! `keiko play`: watch a policy act, as text, as a trace of every step and as a video.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_train::find_run;
use keiko_world::Field;

use super::actor::Actor;
use super::film::{Film, FilmOptions};
use super::run_files::{build_env, eval_seed, load_policy, load_task};
use crate::args::Play;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Simulated time between two printed lines \[s\].
const PRINT_EVERY: f64 = 0.5;

/// Runs the command.
pub fn run(args: &Play, output: &mut Output) -> CommandResult {
    let run = find_run(&args.runs, &args.run)?;
    let task = load_task(&run, &args.changes.list())?;
    let policy = load_policy(&run)?;
    let options = EnvOptions { num_envs: 1, seed: eval_seed(args.seed), ..EnvOptions::default() };
    let mut env = build_env(&task, options, args.device)?;
    output.say(format!("physics: {}", env.engine()));
    let mut actor = Actor::policy(policy, &env)?;
    let options = FilmOptions {
        camera: args.camera.as_deref(),
        size: args.size,
        no_shadows: false,
        device: args.device,
    };
    let film = args.video.as_deref().map(|path| Film::create(path, &task, &env, options));
    let mut film = film.transpose()?;
    let mut trace =
        args.trace.as_deref().map(|path| Trace::create(path, &env)).transpose().or_exit(Code::Machine)?;

    let control_dt = env.spec().control_dt;
    let print_every = ((PRINT_EVERY / control_dt).round() as u32).max(1);
    let mut actions = Field::zeros(env.spec().actions.len(), 1);
    let (mut returns, mut successes, mut steps) = (Vec::new(), Vec::new(), 0u64);
    for episode in 1..=args.episodes {
        output.say(format!("episode {episode}\n  time [s]    reward  joint positions [rad, m]"));
        for step in 1u32.. {
            if let Some(film) = &mut film {
                film.frame(&env)?;
            }
            actor.act(&env, &mut actions);
            env.step(&actions);
            if let Some(failure) = env.failure() {
                return Err(anyhow::anyhow!("{failure}")).or_exit(Code::Machine);
            }
            steps += 1;
            let time = f64::from(step) * control_dt;
            if let Some(trace) = &mut trace {
                trace.row(episode, time, &actions, &env).or_exit(Code::Machine)?;
            }
            if let Some(end) = env.output().episodes.first() {
                let why =
                    end.termination.map_or("time is up", |index| env.spec().terminations[index].as_str());
                let success =
                    end.success.map_or("", |success| if success { ", success" } else { ", no success" });
                output.say(format!(
                    "  {time:8.2}  {why}: return {:.3} in {} steps{success}",
                    end.return_sum, end.length
                ));
                returns.push(end.return_sum);
                successes.extend(end.success.map(f64::from));
                break;
            }
            if step % print_every == 0 {
                let joints: Vec<String> =
                    env.state().qpos.column(0).take(12).map(|q| format!("{q:7.3}")).collect();
                output.say(format!("  {time:8.2}  {:8.3}  {}", env.output().reward[0], joints.join(" ")));
            }
        }
    }
    if let Some(trace) = trace {
        trace.finish().or_exit(Code::Machine)?;
    }
    if let (Some(film), Some(path)) = (film, &args.video) {
        let frames = film.finish()?;
        output.say(format!("wrote {}: {frames} frames", path.display()));
        output.set("video", path.display().to_string());
        output.set("frames", frames);
    }
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    output.set("mean_return", serde_json::json!(mean(&returns)));
    output.set("success_rate", serde_json::json!(mean(&successes)));
    output.set("episodes", returns.len());
    output.set("env_steps", steps);
    output.set("run_dir", run.display().to_string());
    Ok(Code::Done)
}

/// Every step as a row of comma-separated values.
struct Trace {
    file: BufWriter<File>,
}

impl Trace {
    fn create(path: &Path, env: &TaskEnv) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut file = BufWriter::new(file);
        write!(file, "episode,time,reward")?;
        for action in &env.spec().actions {
            write!(file, ",action:{action}")?;
        }
        for row in 0..env.state().qpos.num_rows() {
            write!(file, ",qpos:{row}")?;
        }
        for row in 0..env.state().qvel.num_rows() {
            write!(file, ",qvel:{row}")?;
        }
        writeln!(file)?;
        Ok(Self { file })
    }

    /// The state is that after the step; at the end of an episode it is the next episode's first.
    fn row(&mut self, episode: usize, time: f64, actions: &Field, env: &TaskEnv) -> anyhow::Result<()> {
        write!(self.file, "{episode},{time:.6},{}", env.output().reward[0])?;
        for value in actions.column(0).chain(env.state().qpos.column(0)).chain(env.state().qvel.column(0)) {
            write!(self.file, ",{value}")?;
        }
        writeln!(self.file)?;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().context("the trace could not be written to the end")
    }
}
