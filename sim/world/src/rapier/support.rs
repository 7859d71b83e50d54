//! What the rapier executor cannot do: errors where the motion would be another one, notes where it is close.

use keiko_model::robot::{EqualityKind, JointKind, RobotModel, SensorKind, Softness};

use super::{BuildError, Unsupported};

/// Refuses what cannot be simulated; lists what is left out or approximated.
pub(crate) fn check_support(model: &RobotModel) -> Result<Vec<Unsupported>, BuildError> {
    refuse_equalities(model)?;
    refuse_massless(model)?;
    refuse_sensors(model)?;
    let mut notes = Vec::new();
    note_joints(model, &mut notes);
    note_contacts(model, &mut notes);
    for tendon in &model.tendons {
        if tendon.range.is_some() || tendon.friction_loss != 0.0 {
            notes.push(Unsupported::new(
                format!("tendon `{}`", tendon.name),
                "limit and dry friction are left out",
            ));
        }
    }
    for body in model.bodies.iter().filter(|b| b.mocap) {
        notes.push(Unsupported::new(
            format!("body `{}`", body.name),
            "a mocap body stays where the file puts it",
        ));
    }
    Ok(notes)
}

fn refuse_equalities(model: &RobotModel) -> Result<(), BuildError> {
    for equality in model.equalities.iter().filter(|e| e.active) {
        let element = format!("equality `{}`", equality.name);
        match &equality.kind {
            EqualityKind::Tendon { .. } => return Err(BuildError::new(&element, "a tendon equality")),
            EqualityKind::Joint { polynomial, other, .. } => {
                if other.is_some() && polynomial[2..].iter().any(|c| *c != 0.0) {
                    return Err(BuildError::new(&element, "a joint polynomial of degree above 1"));
                }
            }
            EqualityKind::Connect { .. } | EqualityKind::Weld { .. } => {}
        }
    }
    Ok(())
}

/// rapier tells neither the forces of all constraints on a joint nor where in its substeps friction acted.
fn refuse_sensors(model: &RobotModel) -> Result<(), BuildError> {
    for sensor in &model.sensors {
        let what = match sensor.kind {
            SensorKind::JointForce(_) => "the whole force on a joint",
            SensorKind::ContactWrench { .. } => "the wrench of contacts",
            _ => continue,
        };
        return Err(BuildError::new(&format!("sensor `{}`", sensor.name), what));
    }
    Ok(())
}

/// A joint that moves nothing heavy has no acceleration.
fn refuse_massless(model: &RobotModel) -> Result<(), BuildError> {
    let mut mass: Vec<f64> = model.bodies.iter().map(|b| b.inertial.mass).collect();
    for b in (1..model.bodies.len()).rev() {
        mass[model.bodies[b].parent] += mass[b];
    }
    for (body, mass) in model.bodies.iter().zip(mass) {
        let moves =
            !body.joints.is_empty() && model.joints[body.joints.clone()].iter().any(|j| j.armature <= 0.0);
        if moves && mass <= 0.0 {
            return Err(BuildError::new(&format!("body `{}`", body.name), "a moving body without mass"));
        }
    }
    Ok(())
}

fn note_joints(model: &RobotModel, notes: &mut Vec<Unsupported>) {
    for joint in &model.joints {
        let element = || format!("joint `{}`", joint.name);
        let scalar = matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic);
        if !scalar && joint.range.is_some() {
            notes.push(Unsupported::new(element(), "the limit of a ball joint is left out"));
        }
        if !scalar && joint.stiffness != 0.0 {
            notes.push(Unsupported::new(element(), "the spring of a ball or free joint is left out"));
        }
        if joint.kind == JointKind::Free && (joint.damping != 0.0 || joint.friction_loss != 0.0) {
            let only = !model.bodies.iter().any(|b| b.parent == joint.body && !b.joints.is_empty());
            if only {
                notes.push(Unsupported::new(
                    element(),
                    "damping and dry friction of a lone free body are left out",
                ));
            }
        }
        if joint.limit_margin != 0.0 {
            notes.push(Unsupported::new(element(), "the limit acts at its value, not at its margin"));
        }
    }
}

fn note_contacts(model: &RobotModel, notes: &mut Vec<Unsupported>) {
    let default = Softness::default();
    for geom in model.geoms.iter().filter(|g| g.collides()) {
        let mut left_out = Vec::new();
        if geom.condim > 3 {
            left_out.push("torsional and rolling friction");
        }
        if geom.margin != 0.0 || geom.gap != 0.0 {
            left_out.push("margin and gap");
        }
        if geom.softness != default {
            left_out.push("its own softness (the scene's contact softness acts)");
        }
        if !left_out.is_empty() {
            let text = format!("left out: {}", left_out.join("; "));
            notes.push(Unsupported::new(format!("geom `{}`", geom.name), &text));
        }
    }
}
