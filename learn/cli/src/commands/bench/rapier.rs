//! `keiko bench rapier`: speed, memory and start-up of the rapier executor on whole tasks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use cpu_time::ProcessTime;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, list_scenes, resolve_scene};
use keiko_world::EngineChoice;
use serde_json::{Map, Value, json};

use crate::args::BenchRapier;
use crate::commands::random_actions::RandomActions;
use crate::commands::soak::resident_kib;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &BenchRapier, output: &mut Output) -> CommandResult {
    let BenchRapier { scenes, envs, seconds, started } = args;
    let files: Vec<PathBuf> = if scenes.is_empty() {
        list_scenes().into_iter().map(|(_, file)| file).collect()
    } else {
        scenes.iter().map(|scene| resolve_scene(scene)).collect::<Result<_, _>>()?
    };
    let mut figures = Map::new();
    for file in files {
        let of_scene = match started {
            Some(started) => {
                let spec = TaskSpec::load(&file, &[])?;
                measure(&spec, *envs, *seconds, *started).or_exit(Code::Scene)?
            }
            None => {
                // Errors in the scene are found here, with the right exit code.
                TaskSpec::load(&file, &[])?;
                measure_in_child(&file, *envs, *seconds).or_exit(Code::Machine)?
            }
        };
        for (key, value) in of_scene {
            output.say(format!("{key} {:.6}", value.as_f64().unwrap_or(f64::NAN)));
            figures.insert(key, value);
        }
    }
    output.set("figures", figures);
    Ok(Code::Done)
}

/// Measures one scene in a process of its own: start-up includes loading the program, and memory that another
/// scene gave back hides nothing.
fn measure_in_child(file: &Path, num_envs: usize, seconds: f64) -> anyhow::Result<Map<String, Value>> {
    let child = Command::new(std::env::current_exe()?)
        .args(["--json", "--threads", &rayon::current_num_threads().to_string(), "bench", "rapier"])
        .arg(file)
        .args(["--envs", &num_envs.to_string(), "--seconds", &seconds.to_string()])
        .args(["--started", &format!("{:.6}", unix_seconds())])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&child.stdout);
    let result =
        text.lines().find_map(|line| line.strip_prefix("RESULT ")).context("the child gave no result")?;
    let mut result: Value = serde_json::from_str(result)?;
    match result.get_mut("figures").map(Value::take) {
        Some(Value::Object(figures)) => Ok(figures),
        _ => bail!("the child gave no figures: {result}"),
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Speed, memory and start-up of one scene; keys are `scene.metric`.
fn measure(
    spec: &TaskSpec,
    num_envs: usize,
    seconds: f64,
    started: f64,
) -> anyhow::Result<Map<String, Value>> {
    let mut single = build(spec, 1)?;
    single.reset(None);
    single.step(RandomActions::new(1, single.spec().actions.len(), 1).next());
    let first_step = unix_seconds() - started;
    drop(single);

    let before = resident_kib();
    let mut env = build(spec, num_envs)?;
    let mut actions = RandomActions::new(1, env.spec().actions.len(), num_envs);
    env.reset(None);
    // The first steps allocate contact and warm-start buffers.
    for _ in 0..20 {
        env.step(actions.next());
    }
    let memory = resident_kib().zip(before).map(|(after, before)| after.saturating_sub(before));

    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let mut control_steps = 0u64;
    while cpu.elapsed().as_secs_f64() < seconds {
        env.step(actions.next());
        control_steps += num_envs as u64;
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let physics_steps = control_steps as f64 * f64::from(spec.physics.decimation);
    let mut figures = vec![
        ("physics_steps_per_cpu_second", physics_steps / cpu),
        ("control_steps_per_cpu_second", control_steps as f64 / cpu),
        ("control_steps_per_second", control_steps as f64 / wall),
        ("first_step_seconds", first_step),
    ];
    if let Some(kib) = memory {
        figures.push(("kib_per_env", kib as f64 / num_envs as f64));
    }
    Ok(figures.into_iter().map(|(metric, value)| (format!("{}.{metric}", spec.name), json!(value))).collect())
}

fn build(spec: &TaskSpec, num_envs: usize) -> anyhow::Result<TaskEnv> {
    Ok(TaskEnv::new(
        spec,
        &EnvOptions { num_envs, seed: 1, physics: Some(EngineChoice::Rapier), ..EnvOptions::default() },
    )?)
}
