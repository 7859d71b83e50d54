//! `keiko import`: what a robot file holds, and what keiko makes of it.

use keiko_model::RobotModel;
use keiko_model::import::{self, ImportOptions, LossReport, Verdict};
use keiko_model::robot::{JointKind, Transmission};
use serde_json::json;

use crate::args::Import;
use crate::exit::{Code, CommandResult};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Import, output: &mut Output) -> CommandResult {
    let options = ImportOptions {
        root: args.root.clone(),
        floating_base: args.floating_base,
        ..ImportOptions::default()
    };
    let imported = import::load(&args.file, &options)?;
    let (model, report) = (&imported.model, &imported.report);

    describe(model, output);
    describe_losses(report, output);

    let names = |names: Vec<&str>| json!(names);
    output.set("name", model.name.clone());
    output.set("bodies", model.bodies.len());
    output.set("body_names", names(model.bodies.iter().map(|b| b.name.as_str()).collect()));
    output.set("joints", model.joints.len());
    output.set("joint_names", names(model.joints.iter().map(|j| j.name.as_str()).collect()));
    output.set("dofs", model.num_dofs());
    output.set("actuators", names(model.actuators.iter().map(|a| a.name.as_str()).collect()));
    output.set("sensors", names(model.sensors.iter().map(|s| s.name.as_str()).collect()));
    output.set("geoms", model.geoms.len());
    output.set("mass", model.total_mass());
    output.set("lost", report.entries.len());
    output.set("losses", json!(report.entries));
    Ok(if args.strict && !report.entries.is_empty() { Code::Failed } else { Code::Done })
}

fn describe(model: &RobotModel, output: &Output) {
    output.say(format!(
        "{}: {} bodies, {} joints, {} dofs, {} actuators, {} geoms, {} sensors, {:.4} kg",
        model.name,
        model.bodies.len(),
        model.joints.len(),
        model.num_dofs(),
        model.actuators.len(),
        model.geoms.len(),
        model.sensors.len(),
        model.total_mass(),
    ));
    output.say("\nbody                             parent                           mass [kg]");
    for body in &model.bodies {
        let parent = &model.bodies[body.parent].name;
        output.say(format!("{:<32} {:<32} {:>9.4}", body.name, parent, body.inertial.mass));
    }
    if !model.joints.is_empty() {
        output.say("\njoint                            kind       range [rad, m]         damping  armature  friction");
    }
    for joint in &model.joints {
        let kind = match joint.kind {
            JointKind::Free => "free",
            JointKind::Ball => "ball",
            JointKind::Revolute => "revolute",
            JointKind::Prismatic => "prismatic",
        };
        let range =
            joint.range.map_or("unlimited".to_owned(), |[low, high]| format!("{low:.4} .. {high:.4}"));
        output.say(format!(
            "{:<32} {kind:<10} {range:<22} {:>7.4} {:>9.5} {:>9.4}",
            joint.name, joint.damping, joint.armature, joint.friction_loss
        ));
    }
    if !model.actuators.is_empty() {
        output.say("\nactuator                         kind       on                        control              force");
    }
    for actuator in &model.actuators {
        let on = match actuator.transmission {
            Transmission::Joint { joint } => &model.joints[joint].name,
            Transmission::Tendon { tendon } => &model.tendons[tendon].name,
            Transmission::Site { site } => &model.sites[site].name,
        };
        let range = |r: Option<[f64; 2]>| {
            r.map_or("unlimited".to_owned(), |[low, high]| format!("{low:.4} .. {high:.4}"))
        };
        output.say(format!(
            "{:<32} {:<10} {on:<25} {:<20} {}",
            actuator.name,
            format!("{:?}", actuator.kind).to_lowercase(),
            range(actuator.ctrl_range),
            range(actuator.force_range)
        ));
    }
    if !model.sensors.is_empty() {
        output.say("\nsensor                           numbers");
    }
    for sensor in &model.sensors {
        output.say(format!("{:<32} {}", sensor.name, sensor.kind.size()));
    }
}

fn describe_losses(report: &LossReport, output: &Output) {
    let visual = report.entries.iter().filter(|loss| loss.visual).count();
    output.say(format!(
        "\nkept as written, except {} losses ({} concern only looks)",
        report.entries.len(),
        visual
    ));
    for loss in &report.entries {
        let verdict = match loss.verdict {
            Verdict::Approximated => "approximated",
            Verdict::Dropped => "dropped",
        };
        // Without its folder: `file:line:column`.
        let place = loss.location.rsplit(std::path::is_separator).next().unwrap_or_default();
        output.say(format!("  {verdict:<13} {place} {}: {}", loss.element, loss.reason));
    }
}
