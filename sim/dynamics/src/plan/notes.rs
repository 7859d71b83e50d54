//! What the step leaves out or approximates, for whoever prints it.

use keiko_model::robot::{Geom, RobotModel, Shape, Softness};

use super::options::{Law, StepOptions};
use crate::collide::hull_table::MAX_VERTICES;

/// Element, and what of it.
pub(super) fn notes(model: &RobotModel, options: &StepOptions) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for geom in model.geoms.iter().filter(|g| g.collides()) {
        let left_out = of_geom(geom, options.law);
        if !left_out.is_empty() {
            out.push((format!("geom `{}`", geom.name), left_out.join("; ")));
        }
    }
    for pair in &model.contact_pairs {
        if pair.friction.is_some_and(|f| f[0] != f[1]) {
            let names = pair.geoms.map(|g| model.geoms[g].name.as_str());
            let text = "the first of its two sliding frictions holds in all directions";
            out.push((format!("contact pair `{}`, `{}`", names[0], names[1]), text.to_owned()));
        }
    }
    if options.law == Law::Mujoco {
        for joint in model.joints.iter().filter(|j| j.range.is_some() && !power_is_known(&j.limit_softness)) {
            out.push((format!("joint `{}`", joint.name), POWER.to_owned()));
        }
        for equality in model.equalities.iter().filter(|e| e.active && !power_is_known(&e.softness)) {
            out.push((format!("equality `{}`", equality.name), POWER.to_owned()));
        }
    }
    if super::rays::sees(model) {
        for geom in model.geoms.iter().filter(|geom| matches!(geom.shape, Shape::Mesh { .. })) {
            let text = format!(
                "rays of sensors meet its convex hull of at most {MAX_VERTICES} vertices, or pass through if it has no volume"
            );
            out.push((format!("geom `{}`", geom.name), text));
        }
    }
    for body in model.bodies.iter().filter(|b| b.mocap) {
        out.push((format!("body `{}`", body.name), "a mocap body stays where the file puts it".to_owned()));
    }
    out
}

/// A power of the impedance curve that has no formula here.
const POWER: &str = "the power of its impedance curve (solimp) is taken as 2";

fn power_is_known(softness: &Softness) -> bool {
    [1.0, 2.0].contains(&softness.solimp[4])
}

fn of_geom(geom: &Geom, law: Law) -> Vec<&'static str> {
    let mut out = Vec::new();
    if geom.condim > 4 && geom.friction.z > 0.0 {
        out.push("rolling friction is left out");
    }
    match law {
        Law::Soft { .. } => {
            if geom.softness != Softness::default() {
                out.push("its own softness is left out: the scene's contact softness acts");
            }
        }
        Law::Mujoco => {
            if geom.condim > 3 && geom.friction.y > 0.0 {
                out.push("torsional friction is bounded apart from sliding friction, not in one cone");
            }
            if !power_is_known(&geom.softness) {
                out.push(POWER);
            }
            if geom.restitution != 0.0 {
                out.push("restitution is left out");
            }
        }
    }
    out
}
