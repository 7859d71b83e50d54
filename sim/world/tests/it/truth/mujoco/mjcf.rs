//! Writes a model as MJCF, so that MuJoCo steps what keiko's executors step. Only what the card's scenes use.

use std::fmt::Write;

use glam::DQuat;
use keiko_model::robot::{Actuator, EqualityKind, Geom, Joint, JointKind, Shape, Softness, Transmission};
use keiko_model::{Pose, RobotModel};

/// The scene under the options `option` (attributes of `<option>`), or what MJCF cannot say.
pub fn write(model: &RobotModel, timestep: f64, option: &str) -> Result<String, String> {
    let g = model.options.gravity;
    let mut text = format!(
        r#"<mujoco><compiler angle="radian" autolimits="true" inertiafromgeom="false"/>
<option timestep="{timestep}" gravity="{} {} {}" {option}/><asset>"#,
        g.x, g.y, g.z
    );
    for mesh in &model.meshes {
        let corners: Vec<String> = mesh.vertices.iter().flatten().map(f32::to_string).collect();
        let _ = write!(text, r#"<mesh name="{}" vertex="{}"/>"#, mesh.name, corners.join(" "));
    }
    text += "</asset>";
    body(model, 0, &mut text)?;
    text += "<contact>";
    for &[a, b] in &model.contact_excludes {
        let _ =
            write!(text, r#"<exclude body1="{}" body2="{}"/>"#, model.bodies[a].name, model.bodies[b].name);
    }
    text += "</contact><equality>";
    for equality in &model.equalities {
        let EqualityKind::Connect { body_a, body_b, anchor_in_a: at, .. } = equality.kind else {
            return Err(format!("equality {}: only connect is written", equality.name));
        };
        let _ = write!(
            text,
            r#"<connect body1="{}" body2="{}" anchor="{} {} {}" {}/>"#,
            model.bodies[body_a].name,
            model.bodies[body_b].name,
            at.x,
            at.y,
            at.z,
            softness(&equality.softness, "")
        );
    }
    text += "</equality><actuator>";
    for drive in &model.actuators {
        actuator(model, drive, &mut text)?;
    }
    Ok(text + "</actuator></mujoco>")
}

fn body(model: &RobotModel, index: usize, text: &mut String) -> Result<(), String> {
    let part = &model.bodies[index];
    if index == 0 {
        *text += "<worldbody>";
    } else {
        let _ = write!(text, r#"<body name="{}" {}>"#, part.name, pose(&part.pose));
        let inertial = &part.inertial;
        if inertial.mass > 0.0 {
            let (mass, i) = (inertial.mass, inertial.moments);
            let _ = write!(
                text,
                r#"<inertial {} mass="{mass}" diaginertia="{} {} {}"/>"#,
                pose(&inertial.pose),
                i.x,
                i.y,
                i.z
            );
        }
    }
    model.joints[part.joints.clone()].iter().for_each(|axis| joint(axis, text));
    for shape in model.geoms.iter().filter(|geom| geom.body == index) {
        geom(model, shape, text)?;
    }
    for child in (index + 1..model.bodies.len()).filter(|&child| model.bodies[child].parent == index) {
        body(model, child, text)?;
    }
    *text += if index == 0 { "</worldbody>" } else { "</body>" };
    Ok(())
}

fn joint(joint: &Joint, text: &mut String) {
    let kind = match joint.kind {
        JointKind::Free => {
            let _ = write!(text, r#"<freejoint name="{}"/>"#, joint.name);
            return;
        }
        JointKind::Ball => "ball",
        JointKind::Revolute => "hinge",
        JointKind::Prismatic => "slide",
    };
    let (axis, anchor) = (joint.axis, joint.anchor);
    let _ = write!(
        text,
        r#"<joint name="{}" type="{kind}" axis="{} {} {}" pos="{} {} {}" ref="{}" stiffness="{}" springref="{}" damping="{}" armature="{}" frictionloss="{}" margin="{}" {}"#,
        joint.name,
        axis.x,
        axis.y,
        axis.z,
        anchor.x,
        anchor.y,
        anchor.z,
        joint.reference,
        joint.stiffness,
        joint.spring_reference,
        joint.damping,
        joint.armature,
        joint.friction_loss,
        joint.limit_margin,
        softness(&joint.limit_softness, "limit")
    );
    for (name, range) in [("range", joint.range), ("actuatorfrcrange", joint.effort_range)] {
        if let Some([low, high]) = range {
            let _ = write!(text, r#" {name}="{low} {high}""#);
        }
    }
    *text += "/>";
}

fn geom(model: &RobotModel, geom: &Geom, text: &mut String) -> Result<(), String> {
    if geom.restitution != 0.0 {
        return Err("MuJoCo has no coefficient of restitution".into());
    }
    let shape = match &geom.shape {
        Shape::Plane { half_size: [x, y] } => format!(r#"type="plane" size="{x} {y} 1""#),
        Shape::Sphere { radius } => format!(r#"type="sphere" size="{radius}""#),
        Shape::Capsule { radius, half_length } => format!(r#"type="capsule" size="{radius} {half_length}""#),
        Shape::Cylinder { radius, half_length } => {
            format!(r#"type="cylinder" size="{radius} {half_length}""#)
        }
        Shape::Box { half_size: h } => format!(r#"type="box" size="{} {} {}""#, h.x, h.y, h.z),
        Shape::Mesh { mesh } => format!(r#"type="mesh" mesh="{}""#, model.meshes[*mesh].name),
        other => return Err(format!("geom {}: {other:?} is not written", geom.name)),
    };
    let friction = geom.friction;
    let _ = write!(
        text,
        r#"<geom name="{}" {shape} {} contype="{}" conaffinity="{}" condim="{}" friction="{} {} {}" priority="{}" solmix="{}" margin="{}" gap="{}" {}/>"#,
        geom.name,
        pose(&geom.pose),
        geom.contype,
        geom.conaffinity,
        geom.condim,
        friction.x,
        friction.y,
        friction.z,
        geom.priority,
        geom.solmix,
        geom.margin,
        geom.gap,
        softness(&geom.softness, "")
    );
    Ok(())
}

fn actuator(model: &RobotModel, actuator: &Actuator, text: &mut String) -> Result<(), String> {
    let Transmission::Joint { joint } = actuator.transmission else {
        return Err(format!("actuator {}: only joints are driven", actuator.name));
    };
    let gear: Vec<String> = actuator.gear.iter().map(f64::to_string).collect();
    let [constant, position, velocity] = actuator.bias;
    let _ = write!(
        text,
        r#"<general joint="{}" gear="{}" gainprm="{}" biastype="affine" biasprm="{constant} {position} {velocity}""#,
        model.joints[joint].name,
        gear.join(" "),
        actuator.gain
    );
    for (name, range) in [("ctrlrange", actuator.ctrl_range), ("forcerange", actuator.force_range)] {
        if let Some([low, high]) = range {
            let _ = write!(text, r#" {name}="{low} {high}""#);
        }
    }
    *text += "/>";
    Ok(())
}

fn pose(pose: &Pose) -> String {
    let (p, DQuat { x, y, z, w }) = (pose.position, pose.rotation);
    format!(r#"pos="{} {} {}" quat="{w} {x} {y} {z}""#, p.x, p.y, p.z)
}

fn softness(softness: &Softness, suffix: &str) -> String {
    let join = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    format!(r#"solref{suffix}="{}" solimp{suffix}="{}""#, join(&softness.solref), join(&softness.solimp))
}
