//! The last look at the tree: whatever no reader asked for goes into the report.

use crate::import::report::LossReport;
use crate::import::xml::Element;
use crate::robot::{JointKind, RobotModel};

/// Records every element that was not handled and every attribute of handled ones that was not read.
pub fn report_unread(root: &Element, report: &mut LossReport) {
    for child in &root.children {
        element(child, &[], report);
    }
    for attribute in root.unread() {
        report.dropped_visual(root, format!("`{}`", attribute.name), "not used");
    }
}

fn element(e: &Element, path: &[&str], report: &mut LossReport) {
    if !e.was_visited() {
        let in_default = path.contains(&"default");
        if in_default {
            // Nothing in the file is of this kind and class, so nothing is lost with it.
            return;
        }
        let (visual, reason) = unvisited_reason(e, path);
        if visual {
            report.dropped_visual(e, "", reason);
        } else {
            report.dropped(e, "", reason);
        }
        return;
    }
    for attribute in e.unread() {
        let what = format!("`{}`", attribute.name);
        match unread_reason(e, &attribute.name, &attribute.value) {
            Unread::Harmless => {}
            Unread::Visual(reason) => report.dropped_visual(e, what, reason),
            Unread::Approximated(reason) => report.approximated(e, what, reason),
            Unread::Dropped(reason) => report.dropped(e, what, reason),
        }
    }
    if e.has_text {
        report.dropped_visual(e, "text", "the format has no text between tags");
    }
    let below: Vec<&str> = path.iter().copied().chain([e.name.as_str()]).collect();
    e.children.iter().for_each(|child| element(child, &below, report));
}

fn unvisited_reason(e: &Element, path: &[&str]) -> (bool, &'static str) {
    match (e.name.as_str(), path.last().copied()) {
        ("visual" | "statistic", _) | (_, Some("visual")) => (true, "settings of MuJoCo's own viewer"),
        ("size", _) => (true, "bounds of MuJoCo's own memory"),
        ("skin", _) | ("deformable", _) => (true, "skins are not supported"),
        ("custom", _) | (_, Some("custom")) => (true, "data for other programs"),
        ("lengthrange", Some("compiler")) => (true, "only muscles need it, and they are left out"),
        _ => (false, "not supported"),
    }
}

enum Unread {
    Harmless,
    Visual(&'static str),
    Approximated(&'static str),
    Dropped(&'static str),
}

fn unread_reason(e: &Element, name: &str, value: &str) -> Unread {
    use Unread::{Approximated, Dropped, Harmless, Visual};
    let zero = value.split_ascii_whitespace().all(|word| word.parse::<f64>() == Ok(0.0));
    match (e.name.as_str(), name) {
        ("default", "class") => Harmless,
        (_, "user") => Visual("data for other programs"),
        (_, "group" | "material" | "rgba" | "width") => Visual("only for drawing"),
        ("light", _) => Visual("lamps have no such property"),
        ("texture", _) => Visual("another kind of texture uses it"),
        ("camera", "ipd" | "output") => Visual("not for cameras of one eye and channels of keiko's own"),
        ("site", "size" | "type") => Visual("sites are points with axes; their shape is not kept"),
        ("compiler", "discardvisual" | "fusestatic") => {
            Visual("visual shapes and welded bodies are kept as they are")
        }
        ("compiler", _) => Approximated("not used"),
        (
            "option",
            "integrator" | "solver" | "iterations" | "tolerance" | "jacobian" | "noslip_iterations",
        ) => Approximated("keiko integrates and solves in its own way"),
        ("option", name) if name.ends_with("_iterations") || name.ends_with("_tolerance") => {
            Approximated("keiko integrates and solves in its own way")
        }
        ("option", "collision" | "apirate" | "sdf_initpoints") => {
            Approximated("keiko has its own settings for this")
        }
        ("flag", _) if value == "enable" && !matches!(name, "override") => Harmless,
        (
            "flag",
            "warmstart" | "sensor" | "midphase" | "eulerdamp" | "autoreset" | "nativeccd" | "island"
            | "multiccd",
        ) => Approximated("keiko solves in its own way"),
        ("flag", "energy" | "fwdinv" | "invdiscrete" | "sleep" | "diagexact" | "override" | "refsafe")
            if value == "disable" =>
        {
            Harmless
        }
        ("joint", "solreffriction" | "solimpfriction")
        | ("fixed" | "tendon", "solreffriction" | "solimpfriction") => {
            Approximated("dry friction has one softness for all joints")
        }
        (_, "delay" | "interval" | "nsample" | "interp") if zero => Harmless,
        (_, "adhesion" | "surfacevel" | "armature" | "damping" | "tausmooth" | "margin") if zero => Harmless,
        ("geom", "fluidshape" | "fluidcoef") => Dropped("there is no medium; bodies move in a vacuum"),
        ("body", "sleep") => Visual("bodies do not sleep"),
        ("body", "simple") => Visual("a hint for MuJoCo"),
        _ => Dropped("not supported"),
    }
}

/// Counts what is in the model.
pub fn count_kept(model: &RobotModel, report: &mut LossReport) {
    let free = model.joints.iter().filter(|j| j.kind == JointKind::Free).count();
    for (kind, count) in [
        ("body", model.bodies.len() - 1),
        ("joint", model.joints.len() - free),
        ("free joint", free),
        ("geom", model.geoms.len()),
        ("site", model.sites.len()),
        ("camera", model.cameras.len()),
        ("light", model.file_light.lamps.len()),
        ("mesh", model.meshes.len()),
        ("material", model.materials.len()),
        ("texture", model.textures.len()),
        ("height field", model.height_fields.len()),
        ("tendon", model.tendons.len()),
        ("actuator", model.actuators.len()),
        ("sensor", model.sensors.len()),
        ("equality", model.equalities.len()),
        ("contact pair", model.contact_pairs.len()),
        ("contact exclude", model.contact_excludes.len()),
        ("keyframe", model.keyframes.len()),
    ] {
        if count > 0 {
            report.keep_many(kind, count);
        }
    }
}
