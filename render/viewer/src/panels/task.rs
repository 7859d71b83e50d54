//! The task of the environment that is shown: rewards, endings, observations, what was drawn for it.

use eframe::egui::{CollapsingHeader, Grid, ScrollArea, Ui};
use keiko_env::EnvSpec;
use keiko_model::robot::RobotModel;
use keiko_world::EnvParameters;

use crate::properties::short;
use crate::session::Session;

/// Numbers of an observation that are written out.
const MOST_NUMBERS: usize = 48;

/// Draws it.
pub fn show(ui: &mut Ui, session: &Session) {
    let (subject, task) = (session.subject(), session.subject().task());
    let Some(spec) = subject.spec() else {
        ui.weak("A robot file has no task. A scene has one: keiko view SCENE.");
        return;
    };
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        episode(ui, session, spec);
        CollapsingHeader::new("Rewards").default_open(true).show(ui, |ui| rewards(ui, session, spec));
        CollapsingHeader::new("Terminations").default_open(true).show(ui, |ui| endings(ui, session, spec));
        for index in 0..spec.observations.len() {
            let name = format!("Observations: {}", spec.observations[index].name);
            CollapsingHeader::new(name).show(ui, |ui| observations(ui, session, spec, index));
        }
        let asked = subject.commands(session.env());
        let instruction = task.and_then(|env| env.instructions()?.get(session.env()).copied());
        if !asked.is_empty() || instruction.is_some() {
            CollapsingHeader::new("Commands")
                .default_open(true)
                .show(ui, |ui| commands(ui, &asked, instruction));
        }
        let Some(env) = task else { return };
        CollapsingHeader::new("Drawn for this episode").show(ui, |ui| {
            Grid::new("drawn").striped(true).show(ui, |ui| {
                let rows = drawn(session.model(), env.parameters(), session.env());
                for (name, value) in &rows {
                    ui.label(name);
                    ui.monospace(value);
                    ui.end_row();
                }
                if rows.is_empty() {
                    ui.weak("everything is as the file says");
                }
            });
        });
    });
}

fn episode(ui: &mut Ui, session: &Session, spec: &EnvSpec) {
    let decimation = (spec.control_dt / session.model().options.timestep).round().max(1.0);
    let steps = session.state().steps[session.env()] as f64 / decimation;
    let dt = spec.control_dt;
    let length = f64::from(spec.max_episode_steps);
    ui.label(format!("episode: step {steps:.0} of {length:.0}, {:.2} of {:.2} s", steps * dt, length * dt));
    if let Some(end) = session.tally().last() {
        ui.label(format!("last episode: {}", session.tally().describe(session.subject(), end)));
    }
    let broken = session.subject().task().map_or(0, |env| env.faults().total());
    if broken > 0 {
        ui.label(format!("environments that broke so far: {broken}"));
    }
}

fn rewards(ui: &mut Ui, session: &Session, spec: &EnvSpec) {
    let tally = session.tally();
    let numbers = tally.terms().iter().zip(tally.factors()).zip(tally.totals());
    Grid::new("rewards").striped(true).min_col_width(52.0).show(ui, |ui| {
        for title in ["term", "value", "factor", "adds", "sum"] {
            ui.strong(title);
        }
        ui.end_row();
        for (name, ((adds, factor), total)) in spec.rewards.iter().zip(numbers) {
            ui.label(name);
            let value = if *factor == 0.0 { 0.0 } else { adds / factor };
            for number in [value, *factor, *adds, total] {
                ui.monospace(short(number));
            }
            ui.end_row();
        }
        ui.strong("reward");
        ui.label("");
        ui.label("");
        ui.monospace(short(session.subject().reward(session.env()).into()));
        ui.monospace(short(tally.totals().iter().sum()));
        ui.end_row();
    });
}

fn endings(ui: &mut Ui, session: &Session, spec: &EnvSpec) {
    let last = session.tally().last();
    let names = spec.terminations.iter().map(String::as_str).chain(["time is up"]);
    let count = spec.terminations.len();
    Grid::new("endings").striped(true).show(ui, |ui| {
        for (index, (name, ended)) in names.zip(session.tally().endings()).enumerate() {
            let is_last = last.is_some_and(|end| end.termination.unwrap_or(count) == index);
            if is_last {
                ui.strong(name)
            } else {
                ui.label(name)
            };
            ui.monospace(format!("{ended} episodes"));
            ui.label(if is_last { "ended the last one" } else { "" });
            ui.end_row();
        }
    });
}

fn observations(ui: &mut Ui, session: &Session, spec: &EnvSpec, group: usize) {
    let spec = &spec.observations[group];
    let observed = session.subject().observed(group, session.env());
    let numbers = spec.terms.len() - spec.images.len();
    let mut row = 0;
    Grid::new(("observations", group)).num_columns(2).striped(true).show(ui, |ui| {
        for (index, (name, size)) in spec.terms.iter().enumerate() {
            ui.label(name);
            if index < numbers {
                let values: Vec<String> = observed
                    .iter()
                    .skip(row)
                    .take((*size).min(MOST_NUMBERS))
                    .map(|value| format!("{value:8.4}"))
                    .collect();
                let lines: Vec<String> = values.chunks(6).map(|line| line.join(" ")).collect();
                let more = if *size > MOST_NUMBERS {
                    format!("\n{} more", size - MOST_NUMBERS)
                } else {
                    String::new()
                };
                ui.monospace(lines.join("\n") + &more);
            } else {
                let [frames, channels, height, width] = spec.images[index - numbers];
                ui.label(format!("image {frames} x {channels} x {height} x {width}: see Cameras"));
            }
            row += size;
            ui.end_row();
        }
    });
}

fn commands(ui: &mut Ui, asked: &[f32], instruction: Option<usize>) {
    for three in asked.chunks(3) {
        ui.monospace(three.iter().map(|value| short((*value).into())).collect::<Vec<_>>().join("  "));
    }
    if let Some(number) = instruction {
        ui.label(format!("instruction {number} of the scene"));
    }
}

/// Parameters of an environment that are not as the file says.
pub fn drawn(model: &RobotModel, parameters: &EnvParameters, env: usize) -> Vec<(String, String)> {
    let plain = EnvParameters::identity(model, 1);
    let names = [
        "mass",
        "inertia",
        "centre of mass",
        "armature",
        "friction",
        "stiffness",
        "damping",
        "strength",
        "delay",
        "gravity",
        "force and torque",
        "terrain",
    ];
    let body = |row: usize, per: usize| model.bodies.get(row / per).map(|body| body.name.clone());
    let actuator = |row: usize| model.actuators.get(row).map(|actuator| actuator.name.clone());
    let axis = |row: usize| ["x", "y", "z"][row % 3];
    let mut rows = Vec::new();
    for ((which, field), same) in parameters.fields().into_iter().enumerate().zip(plain.fields()) {
        for row in 0..field.num_rows() {
            let value = field.get(row, env);
            if value == same.get(row, 0) {
                continue;
            }
            let of = match which {
                0 | 1 => body(row, 1),
                2 => body(row, 3).map(|name| format!("{name} {}", axis(row))),
                3 => Some(format!("degree of freedom {row}")),
                5..=8 => actuator(row),
                9 | 11 => Some(axis(row).to_owned()),
                10 => body(row, 6).map(|name| format!("{name} {}", row % 6)),
                _ => None,
            };
            let unit = match which {
                0 | 1 | 3..=7 => " x",
                2 | 11 => " m",
                8 => " control steps",
                9 => " m/s²",
                _ => " N, N·m",
            };
            let name = [names[which], of.as_deref().unwrap_or_default()].join(" ");
            rows.push((name.trim().to_owned(), format!("{}{unit}", short(value.into()))));
        }
    }
    rows
}
