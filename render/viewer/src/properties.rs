//! What is known of a thing, as rows of name, value and unit.

use glam::DVec3;
use keiko_model::robot::{JointKind, RobotModel, Shape, Transmission};
use keiko_world::BatchState;

use crate::thing::{Thing, body_pose, body_poses, body_vector};
use crate::units;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// What it is.
    pub name: String,
    /// As text.
    pub value: String,
    /// Empty for plain numbers and words.
    pub unit: &'static str,
}

/// The rows of a thing in an environment: what the file says, then how it is now.
pub fn properties(model: &RobotModel, state: &BatchState, env: usize, thing: Thing) -> Vec<Property> {
    let mut rows = Rows::default();
    match thing {
        Thing::Body(index) => body(&mut rows, model, state, env, index),
        Thing::Joint(index) => joint(&mut rows, model, state, env, index),
        Thing::Geom(index) => geom(&mut rows, model, index),
        Thing::Site(index) => {
            let site = &model.sites[index];
            rows.word("body", &model.bodies[site.body].name);
            let pose = body_pose(state, env, site.body).compose(site.pose);
            rows.vector("position", pose.position, "m");
        }
        Thing::Camera(index) => {
            let camera = &model.cameras[index];
            rows.word("body", &model.bodies[camera.body].name);
            rows.word("image", format!("{} x {}", camera.size[0], camera.size[1]));
            rows.number("vertical field of view", camera.fov_y(), "rad");
            let pose = camera.world_pose(model, &body_poses(model, state, env));
            rows.vector("position", pose.position, "m");
            rows.vector("looks along", pose.rotation * DVec3::Z, "");
        }
        Thing::Actuator(index) => actuator(&mut rows, model, state, env, index),
        Thing::Sensor(index) => {
            let sensor = &model.sensors[index];
            let first: usize = model.sensors[..index].iter().map(|sensor| sensor.kind.size()).sum();
            let unit = units::sensor(&sensor.kind);
            for k in 0..sensor.kind.size() {
                let value = state.sensors.get(first + k, env).into();
                rows.number(units::sensor_part(&sensor.kind, k), value, unit);
            }
        }
    }
    rows.0
}

fn body(rows: &mut Rows, model: &RobotModel, state: &BatchState, env: usize, index: usize) {
    let body = &model.bodies[index];
    if index > 0 {
        rows.word("parent", &model.bodies[body.parent].name);
    }
    rows.number("mass", body.inertial.mass, "kg");
    rows.vector("inertia, principal", body.inertial.moments, "kg·m²");
    rows.vector("centre of mass", body.inertial.pose.position, "m");
    let pose = body_pose(state, env, index);
    rows.vector("position", pose.position, "m");
    rows.word("rotation xyzw", pose.rotation.to_array().map(short).join("  "));
    rows.vector("velocity", body_vector(&state.body_linear_velocity, env, index), "m/s");
    rows.vector("angular velocity", body_vector(&state.body_angular_velocity, env, index), "rad/s");
    rows.vector("contact force", body_vector(&state.contact_force, env, index), "N");
}

fn joint(rows: &mut Rows, model: &RobotModel, state: &BatchState, env: usize, index: usize) {
    let joint = &model.joints[index];
    let kind = match joint.kind {
        JointKind::Free => "free",
        JointKind::Ball => "ball",
        JointKind::Revolute => "revolute",
        JointKind::Prismatic => "prismatic",
    };
    rows.word("kind", kind);
    rows.word("moves", &model.bodies[joint.body].name);
    let (_, unit) = units::position(joint.kind, 0);
    if joint.kind.num_dofs() == 1 {
        rows.vector("axis, in its body", joint.axis, "");
        let world_axis = body_pose(state, env, joint.body).rotation * joint.axis;
        rows.vector("axis, in the world", world_axis, "");
        match joint.range {
            Some([low, high]) => rows.push("range", format!("{} to {}", short(low), short(high)), unit),
            None => rows.word("range", "none"),
        }
        let effort = units::effort(joint.kind);
        match joint.effort_range {
            Some([low, high]) => rows.push("effort", format!("{} to {}", short(low), short(high)), effort),
            None => rows.word("effort", "no limit"),
        }
        rows.number(
            "armature",
            joint.armature,
            if joint.kind == JointKind::Revolute { "kg·m²" } else { "kg" },
        );
    }
    rows.number("damping", joint.damping, "");
    rows.number("dry friction", joint.friction_loss, units::effort(joint.kind));
    rows.number("stiffness", joint.stiffness, "");
    for k in 0..joint.kind.num_qpos() {
        let (name, unit) = units::position(joint.kind, k);
        rows.number(name, state.qpos.get(joint.qpos_index + k, env).into(), unit);
    }
    for k in 0..joint.kind.num_dofs() {
        let (name, unit) = units::velocity(joint.kind, k);
        rows.number(name, state.qvel.get(joint.dof_index + k, env).into(), unit);
    }
}

fn geom(rows: &mut Rows, model: &RobotModel, index: usize) {
    let geom = &model.geoms[index];
    rows.word("body", &model.bodies[geom.body].name);
    match &geom.shape {
        Shape::Plane { .. } => rows.word("shape", "plane"),
        Shape::Sphere { radius } => rows.push("shape", format!("sphere, radius {}", short(*radius)), "m"),
        Shape::Capsule { radius, half_length } => {
            let text = format!("capsule, radius {}, half length {}", short(*radius), short(*half_length));
            rows.push("shape", text, "m");
        }
        Shape::Cylinder { radius, half_length } => {
            let text = format!("cylinder, radius {}, half height {}", short(*radius), short(*half_length));
            rows.push("shape", text, "m");
        }
        Shape::Box { half_size } => {
            let text = half_size.to_array().map(short).join(" x ");
            rows.push("shape", format!("box, half sizes {text}"), "m");
        }
        Shape::Ellipsoid { radii } => {
            let text = radii.to_array().map(short).join(" x ");
            rows.push("shape", format!("ellipsoid, radii {text}"), "m");
        }
        Shape::Mesh { mesh } => {
            let mesh = &model.meshes[*mesh];
            rows.word("shape", format!("mesh {}, {} triangles", mesh.name, mesh.triangles.len()));
        }
        Shape::HeightField { height_field } => {
            rows.word("shape", format!("height field {}", model.height_fields[*height_field].name));
        }
    }
    rows.word("collides", if geom.collides() { "yes" } else { "no" });
    rows.vector("friction", geom.friction, "");
    rows.word("contype, conaffinity", format!("{}, {}", geom.contype, geom.conaffinity));
    rows.word("group", geom.group.to_string());
}

fn actuator(rows: &mut Rows, model: &RobotModel, state: &BatchState, env: usize, index: usize) {
    let actuator = &model.actuators[index];
    rows.word("kind", format!("{:?}", actuator.kind).to_lowercase());
    match actuator.transmission {
        Transmission::Joint { joint } => rows.word("joint", &model.joints[joint].name),
        Transmission::Tendon { tendon } => rows.word("tendon", &model.tendons[tendon].name),
        Transmission::Site { site } => rows.word("site", &model.sites[site].name),
    }
    rows.number("gear", actuator.gear[0], "");
    rows.number("gain", actuator.gain, "");
    rows.word("bias", actuator.bias.map(short).join("  "));
    for (name, range) in [("control range", actuator.ctrl_range), ("force range", actuator.force_range)] {
        let text = range.map(|[low, high]| format!("{} to {}", short(low), short(high)));
        rows.word(name, text.unwrap_or_else(|| "none".to_owned()));
    }
    rows.number("force", state.actuator_force.get(index, env).into(), "N, N·m");
}

/// A number with as many digits as a person reads.
pub fn short(value: f64) -> String {
    let text = match value.abs() {
        0.0 => return "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.3e}"),
        size if size < 10.0 => format!("{value:.4}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('e') || !text.contains('.') {
        text
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[derive(Default)]
struct Rows(Vec<Property>);

impl Rows {
    fn push(&mut self, name: impl Into<String>, value: String, unit: &'static str) {
        self.0.push(Property { name: name.into(), value, unit });
    }

    fn word(&mut self, name: &str, value: impl Into<String>) {
        self.push(name, value.into(), "");
    }

    fn number(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.push(name, short(value), unit);
    }

    fn vector(&mut self, name: &str, value: DVec3, unit: &'static str) {
        self.push(name, value.to_array().map(short).join("  "), unit);
    }
}
