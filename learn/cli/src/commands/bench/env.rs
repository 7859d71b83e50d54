//! `keiko bench env`: whole control steps per CPU-second, and where their time goes.

use std::path::PathBuf;

use cpu_time::ProcessTime;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, list_scenes, resolve_scene};
use keiko_world::Field;
use serde_json::{Map, json};

use crate::args::BenchEnv;
use crate::commands::random_actions::RandomActions;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Different actions, taken in turn: drawing them is not what is measured.
const ACTIONS: usize = 16;
/// Control steps before the measurement: robots fall to the ground, buffers grow to their size.
const WARM_UP: usize = 100;

/// Runs the command.
pub fn run(args: &BenchEnv, output: &mut Output) -> CommandResult {
    let files: Vec<PathBuf> = if args.scenes.is_empty() {
        list_scenes().into_iter().map(|(_, file)| file).collect()
    } else {
        args.scenes.iter().map(|scene| resolve_scene(scene)).collect::<Result<_, _>>()?
    };
    // Threads that wait for each other would be counted as work.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().or_exit(Code::Machine)?;
    let mut figures = Map::new();
    for file in files {
        let spec = TaskSpec::load(&file, &args.changes.list())?;
        let (engine, of_scene) = pool.install(|| measure(&spec, args)).or_exit(Code::Scene)?;
        output.say(format!("# {}: {} environments, {engine}", spec.name, args.envs));
        for (metric, value) in of_scene {
            let key = format!("{}.{metric}", spec.name);
            output.say(format!("{key} {value:.6}"));
            figures.insert(key, json!(value));
        }
    }
    output.set("figures", figures);
    Ok(Code::Done)
}

/// What steps the scene, and its figures.
fn measure(spec: &TaskSpec, args: &BenchEnv) -> anyhow::Result<(String, Vec<(String, f64)>)> {
    let options = EnvOptions { num_envs: args.envs, seed: args.seed, ..EnvOptions::default() };
    let mut env = TaskEnv::new(spec, &options)?;
    let mut random = RandomActions::new(args.seed, env.spec().actions.len(), args.envs);
    let actions: Vec<Field> = (0..ACTIONS).map(|_| random.next().clone()).collect();
    for step in 0..WARM_UP {
        env.step(&actions[step % ACTIONS]);
    }
    // Twice: reading the clock between the parts costs time of its own.
    let faults = env.num_faults();
    let (steps, cpu) = steps(&mut env, &actions, args.seconds);
    let env_steps = (steps * args.envs) as f64;
    let mut figures = vec![
        ("env_steps_per_cpu_second".to_owned(), env_steps / cpu),
        ("microseconds_per_env_step".to_owned(), cpu / env_steps * 1e6),
        ("faults".to_owned(), (env.num_faults() - faults) as f64),
    ];
    env.start_timing();
    self::steps(&mut env, &actions, args.seconds);
    let total: f64 = env.times().iter().map(|(_, seconds)| seconds).sum();
    figures.extend(env.times().iter().map(|(part, seconds)| (format!("share_{part}"), seconds / total)));
    Ok((env.engine().to_owned(), figures))
}

/// Steps for some CPU time; gives control steps of the batch and the CPU time they took \[s\].
fn steps(env: &mut TaskEnv, actions: &[Field], seconds: f64) -> (usize, f64) {
    let (start, mut count) = (ProcessTime::now(), 0);
    loop {
        env.step(&actions[count % ACTIONS]);
        count += 1;
        let cpu = start.elapsed().as_secs_f64();
        if cpu >= seconds {
            return (count, cpu);
        }
    }
}
