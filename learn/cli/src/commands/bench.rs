//! `keiko bench`: figures as lines `scene.metric value`.

use std::time::Instant;

use cpu_time::ProcessTime;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::task::{TaskSpec, list_scenes, resolve_scene};
use serde_json::json;

use super::random_actions::RandomActions;
use crate::args::{Bench, BenchWhat};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Bench, output: &mut Output) -> CommandResult {
    let BenchWhat::Rapier { scenes, envs, seconds } = &args.what;
    let files = if scenes.is_empty() {
        list_scenes().into_iter().map(|(_, file)| file).collect()
    } else {
        scenes.iter().map(|scene| resolve_scene(scene)).collect::<Result<Vec<_>, _>>()?
    };
    let mut figures = serde_json::Map::new();
    for file in files {
        let spec = TaskSpec::load(&file, &[])?;
        for (metric, value) in measure(&spec, *envs, *seconds).or_exit(Code::Scene)? {
            let key = format!("{}.{metric}", spec.name);
            output.say(format!("{key} {value:.6}"));
            figures.insert(key, json!(value));
        }
    }
    output.set("figures", figures);
    Ok(Code::Done)
}

/// Speed, memory and start-up of one scene.
fn measure(spec: &TaskSpec, num_envs: usize, seconds: f64) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let started = Instant::now();
    let mut single = build(spec, 1)?;
    single.reset(None);
    single.step(RandomActions::new(1, single.spec().actions.len(), 1).next());
    let first_step = started.elapsed().as_secs_f64();
    drop(single);

    let before = resident_bytes();
    let mut env = build(spec, num_envs)?;
    let mut actions = RandomActions::new(1, env.spec().actions.len(), num_envs);
    env.reset(None);
    // The first steps allocate contact and warm-start buffers.
    for _ in 0..20 {
        env.step(actions.next());
    }
    let memory = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));

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
    if let Some(bytes) = memory {
        figures.push(("kib_per_env", bytes as f64 / 1024.0 / num_envs as f64));
    }
    Ok(figures)
}

fn build(spec: &TaskSpec, num_envs: usize) -> anyhow::Result<TaskEnv> {
    Ok(TaskEnv::new(spec, &EnvOptions { num_envs, seed: 1, ..EnvOptions::default() })?)
}

/// Resident memory of the process, where the system tells (Linux).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
