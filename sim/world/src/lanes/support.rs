//! What the batched engine leaves out of a model that it steps.

use keiko_model::robot::RobotModel;

use crate::executor::Unsupported;

/// Lists what is left out or approximated.
pub(super) fn notes(model: &RobotModel) -> Vec<Unsupported> {
    let mut notes = Vec::new();
    for geom in model.geoms.iter().filter(|g| g.collides() && g.condim > 4) {
        notes.push(Unsupported::new(format!("geom `{}`", geom.name), "left out: rolling friction"));
    }
    for joint in model.joints.iter().filter(|j| j.velocity_limit.is_some()) {
        notes.push(Unsupported::new(
            format!("joint `{}`", joint.name),
            "the actuator's speed limit is left out",
        ));
    }
    for body in model.bodies.iter().filter(|b| b.mocap) {
        notes.push(Unsupported::new(
            format!("body `{}`", body.name),
            "a mocap body stays where the file puts it",
        ));
    }
    notes
}
