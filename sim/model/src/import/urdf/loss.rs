//! The last look at the tree: whatever no reader asked for goes into the report.

use crate::error::nearest_name;
use crate::import::LossReport;
use crate::import::xml::Element;
use crate::robot::{JointKind, RobotModel};

/// Elements that are read, wherever they stand: for a hint at misspelt ones.
const KNOWN: [&str; 27] = [
    "robot",
    "link",
    "joint",
    "material",
    "inertial",
    "origin",
    "mass",
    "inertia",
    "visual",
    "collision",
    "geometry",
    "box",
    "cylinder",
    "sphere",
    "capsule",
    "plane",
    "mesh",
    "color",
    "texture",
    "parent",
    "child",
    "axis",
    "limit",
    "dynamics",
    "mimic",
    "contact",
    "safety_controller",
];

/// Records every element that was not handled and every attribute of handled ones that was not read.
pub(super) fn report_unread(element: &Element, report: &mut LossReport) {
    for attribute in element.unread() {
        report.dropped(element, format!("`{}`", attribute.name), "not an attribute that is read");
    }
    for child in &element.children {
        if child.was_visited() {
            report_unread(child, report);
        } else {
            let (visual, reason) = reason(child, element);
            if visual {
                report.dropped_visual(child, "", reason);
            } else {
                report.dropped(child, "", reason);
            }
        }
    }
}

/// Whether an unread element only concerns what is seen, and why it is left out.
fn reason(child: &Element, parent: &Element) -> (bool, String) {
    let text = match (parent.name.as_str(), child.name.as_str()) {
        ("robot", "gazebo") => "settings of Gazebo are not read",
        ("robot", "transmission") => "motors come from the joints' effort limits",
        ("joint", "safety_controller" | "calibration") => {
            "for the controller of the real robot, which is not simulated"
        }
        ("joint", "axis" | "limit" | "dynamics" | "mimic") => "a joint of this type has none",
        ("contact", _) => "contact softness is not read from URDF",
        ("material", _) => return (true, "only the colour is read".to_owned()),
        ("collision" | "geometry", "material") | ("link", "material") => {
            return (true, "only visuals have materials".to_owned());
        }
        (_, name) if element_repeats(parent, name) => "only the first one is read",
        (_, name) => {
            let hint =
                nearest_name(name, KNOWN).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return (false, format!("not an element that is read here{hint}"));
        }
    };
    (false, text.to_owned())
}

fn element_repeats(parent: &Element, name: &str) -> bool {
    parent.children_named(name).take(2).count() == 2
}

/// Counts what is in the model.
pub(super) fn count_kept(model: &RobotModel, report: &mut LossReport) {
    let free = model.joints.iter().filter(|j| j.kind == JointKind::Free).count();
    for (kind, count) in [
        ("body", model.bodies.len() - 1),
        ("joint", model.joints.len() - free),
        ("free joint", free),
        ("geom", model.geoms.len()),
        ("mesh", model.meshes.len()),
        ("actuator (motor from effort limit)", model.actuators.len()),
        ("equality (from mimic)", model.equalities.len()),
    ] {
        if count > 0 {
            report.keep_many(kind, count);
        }
    }
}
