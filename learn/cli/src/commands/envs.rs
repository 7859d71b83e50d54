//! `keiko envs`: the scenes that there are.

use keiko_env::{EnvOptions, TaskEnv};
use keiko_model::task::{CameraSpec, TaskSpec, list_scenes, resolve_scene};
use serde_json::json;

use crate::args::Envs;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Envs, output: &mut Output) -> CommandResult {
    let files = match &args.scene {
        Some(scene) => vec![resolve_scene(scene)?],
        None => list_scenes().into_iter().map(|(_, file)| file).collect(),
    };
    if args.scene.is_none() {
        output.say("scene            observations  actions  control [Hz]  episode [s]  description");
    }
    let mut described = Vec::new();
    for file in files {
        let spec = TaskSpec::load(&file, &[])?;
        let env =
            TaskEnv::new(&spec, &EnvOptions { num_envs: 1, ..EnvOptions::default() }).or_exit(Code::Scene)?;
        let shapes = &env.seeing_spec();
        let num_observations = shapes.group("policy").map_or(0, keiko_env::GroupSpec::size);
        if args.scene.is_some() {
            describe(&spec, shapes, output);
        } else {
            output.say(format!(
                "{:<16} {num_observations:>12}  {:>7}  {:>12.0}  {:>11.1}  {}",
                spec.name,
                shapes.actions.len(),
                1.0 / shapes.control_dt,
                f64::from(shapes.max_episode_steps) * shapes.control_dt,
                spec.description
            ));
        }
        described.push(json!({ "file": file, "description": spec.description, "spec": shapes }));
    }
    output.set("envs", described);
    Ok(Code::Done)
}

fn describe(spec: &TaskSpec, shapes: &keiko_env::EnvSpec, output: &Output) {
    output.say(format!("{}: {}", spec.name, spec.description));
    output.say(format!(
        "one action each {} s, at most {} actions an episode",
        shapes.control_dt, shapes.max_episode_steps
    ));
    for group in &shapes.observations {
        output.say(format!("observations `{}` [{}]", group.name, group.size()));
        let numbers = group.terms.len() - group.images.len();
        for (term, size) in &group.terms[..numbers] {
            output.say(format!("  {term:<24} {size}"));
        }
        for ((term, _), [frames, channels, height, width]) in group.terms[numbers..].iter().zip(&group.images)
        {
            output.say(format!(
                "  {term:<24} {frames} frames of {channels} channels, {width} x {height} pixels"
            ));
        }
    }
    output.say(format!("actions [{}]\n  {}", shapes.actions.len(), shapes.actions.join(", ")));
    for camera in &spec.cameras {
        let channels: Vec<&str> = camera.channels.iter().map(|channel| channel.name()).collect();
        let CameraSpec { name, mount, width, height, .. } = camera;
        output.say(format!("camera `{name}` on {mount}: {width} x {height}, {}", channels.join(", ")));
    }
    output.say(format!("rewards\n  {}", shapes.rewards.join(", ")));
    output.say(format!("terminations\n  {}", shapes.terminations.join(", ")));
}
