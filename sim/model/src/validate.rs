//! The last check of a finished robot model, whatever it was read from.
//!
//! Readers refuse what they can place in a file. What passes here holds the promises in [`crate::robot`], so that
//! kinematics and executors index and divide without asking again.

mod elements;

use std::collections::HashMap;
use std::fmt;

use glam::{DMat3, DQuat, DVec3};

use crate::Pose;
use crate::error::{Error, ErrorKind, Location};
use crate::inertia::principal_axes;
use crate::robot::{Inertial, JointKind, RobotModel};

/// A broken promise of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it concerns: ``joint `elbow` ``.
    pub element: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.element, self.message)
    }
}

impl Problem {
    /// The problem as an error of the file at `location`.
    pub fn at(&self, location: Location) -> Error {
        Error::new(ErrorKind::Value, location, self.to_string())
    }
}

/// Distance of a quaternion or axis from unit length that rounding explains.
pub const UNIT_TOLERANCE: f64 = 1e-6;
/// Share by which the largest moment may exceed the sum of the others: thin plates written with few digits do.
pub const MOMENT_TOLERANCE: f64 = 1e-4;

/// Everything that is wrong with a model; empty for a good one.
pub fn validate(model: &RobotModel) -> Vec<Problem> {
    let mut check = Check { model, problems: Vec::new() };
    check.names();
    check.options();
    check.bodies();
    if check.problems.is_empty() {
        // The tree is sound, so walking it is.
        check.moving_mass();
    }
    check.joints();
    check.shapes();
    check.geoms_and_sites();
    check.cameras();
    check.lamps();
    check.tendons();
    check.actuators();
    check.sensors();
    check.equalities();
    check.contacts();
    check.keyframes();
    check.problems
}

/// What a set of bodies welded together weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovingGroup {
    /// The body whose joints move the group.
    pub body: usize,
    /// Mass of the group \[kg\].
    pub mass: f64,
    /// Principal moments of the group about its centre of mass \[kg·m²\], descending.
    pub moments: DVec3,
}

/// For each body with joints, the mass of it and all that is welded to it. Dynamics needs each of these numbers
/// greater than zero. Needs a tree in which parents come before their children.
pub fn moving_groups(model: &RobotModel) -> Vec<MovingGroup> {
    // Leader of each body's group and the body's pose in the leader.
    let mut leader: Vec<(usize, Pose)> = Vec::with_capacity(model.bodies.len());
    let mut parts: HashMap<usize, Vec<(Pose, Inertial)>> = HashMap::new();
    for (index, body) in model.bodies.iter().enumerate() {
        let own = if index == 0 || !body.joints.is_empty() || body.mocap {
            (index, Pose::IDENTITY)
        } else {
            let (group, leader_from_parent) = leader[body.parent];
            (group, leader_from_parent.compose(body.pose))
        };
        leader.push(own);
        if body.inertial.mass > 0.0 {
            parts.entry(own.0).or_default().push((own.1.compose(body.inertial.pose), body.inertial));
        }
    }
    let moving = model.bodies.iter().enumerate().filter(|(_, body)| !body.joints.is_empty());
    moving.map(|(index, _)| weigh(index, parts.get(&index).map_or(&[], Vec::as_slice))).collect()
}

fn weigh(body: usize, parts: &[(Pose, Inertial)]) -> MovingGroup {
    let mass: f64 = parts.iter().map(|(_, part)| part.mass).sum();
    if mass <= 0.0 {
        return MovingGroup { body, mass: 0.0, moments: DVec3::ZERO };
    }
    let com = parts.iter().map(|(pose, part)| part.mass * pose.position).sum::<DVec3>() / mass;
    let mut inertia = DMat3::ZERO;
    for (pose, part) in parts {
        let axes = DMat3::from_quat(pose.rotation);
        let r = pose.position - com;
        let shift = DMat3::from_diagonal(DVec3::splat(r.length_squared()))
            - DMat3::from_cols(r * r.x, r * r.y, r * r.z);
        inertia += axes * DMat3::from_diagonal(part.moments) * axes.transpose() + shift * part.mass;
    }
    MovingGroup { body, mass, moments: principal_axes(inertia).0 }
}

/// Why three principal moments cannot be those of a body, if they cannot.
pub fn moments_problem(moments: DVec3) -> Option<String> {
    let [a, b, c] = moments.to_array();
    let largest = moments.max_element();
    if !moments.is_finite() || moments.min_element() < 0.0 {
        Some(format!("principal moments of inertia {a} {b} {c} are not all finite and at least 0"))
    } else if a + b + c - largest < largest * (1.0 - MOMENT_TOLERANCE) {
        Some(format!("principal moments of inertia {a} {b} {c}: the largest exceeds the sum of the others"))
    } else {
        None
    }
}

/// Whether a length is 1 within rounding; NaN is not.
fn is_unit(length: f64) -> bool {
    (length - 1.0).abs() <= UNIT_TOLERANCE
}

struct Check<'a> {
    model: &'a RobotModel,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn fail(&mut self, kind: &str, name: &str, message: impl Into<String>) {
        self.problems.push(Problem { element: format!("{kind} `{name}`"), message: message.into() });
    }

    fn finite(&mut self, kind: &str, name: &str, what: &str, numbers: &[f64]) {
        if let Some(bad) = numbers.iter().find(|x| !x.is_finite()) {
            self.fail(kind, name, format!("{what} holds {bad}"));
        }
    }

    fn at_least_zero(&mut self, kind: &str, name: &str, what: &str, number: f64) {
        if !(number.is_finite() && number >= 0.0) {
            self.fail(kind, name, format!("{what} is {number}, not a finite number of at least 0"));
        }
    }

    fn positive(&mut self, kind: &str, name: &str, what: &str, number: f64) {
        if !(number.is_finite() && number > 0.0) {
            self.fail(kind, name, format!("{what} is {number}, not a finite number greater than 0"));
        }
    }

    fn range(&mut self, kind: &str, name: &str, what: &str, range: Option<[f64; 2]>) {
        if let Some([low, high]) = range
            && !(low <= high && low.is_finite() && high.is_finite())
        {
            self.fail(kind, name, format!("{what} is {low} to {high}"));
        }
    }

    fn index(&mut self, kind: &str, name: &str, what: &str, index: usize, len: usize) -> bool {
        if index >= len {
            self.fail(kind, name, format!("refers to {what} {index} of {len}"));
        }
        index < len
    }

    fn unit_quat(&mut self, kind: &str, name: &str, rotation: DQuat) {
        if !is_unit(rotation.length()) {
            self.fail(kind, name, format!("quaternion {rotation} is not of length 1"));
        }
    }

    fn pose(&mut self, kind: &str, name: &str, pose: Pose) {
        self.finite(kind, name, "position", &pose.position.to_array());
        self.unit_quat(kind, name, pose.rotation);
    }

    fn names(&mut self) {
        let m = self.model;
        let of = |kind, names: Vec<String>| (kind, names);
        let all = [
            of("body", m.bodies.iter().map(|x| x.name.clone()).collect()),
            of("joint", m.joints.iter().map(|x| x.name.clone()).collect()),
            of("geom", m.geoms.iter().map(|x| x.name.clone()).collect()),
            of("site", m.sites.iter().map(|x| x.name.clone()).collect()),
            of("camera", m.cameras.iter().map(|x| x.name.clone()).collect()),
            of("lamp", m.lamps.iter().map(|x| x.name.clone()).collect()),
            of("tendon", m.tendons.iter().map(|x| x.name.clone()).collect()),
            of("actuator", m.actuators.iter().map(|x| x.name.clone()).collect()),
            of("sensor", m.sensors.iter().map(|x| x.name.clone()).collect()),
            of("equality", m.equalities.iter().map(|x| x.name.clone()).collect()),
            of("keyframe", m.keyframes.iter().map(|x| x.name.clone()).collect()),
            of("mesh", m.meshes.iter().map(|x| x.name.clone()).collect()),
            of("material", m.materials.iter().map(|x| x.name.clone()).collect()),
            of("texture", m.textures.iter().map(|x| x.name.clone()).collect()),
            of("height field", m.height_fields.iter().map(|x| x.name.clone()).collect()),
        ];
        for (kind, names) in all {
            let mut first: HashMap<&str, usize> = HashMap::new();
            for (index, name) in names.iter().enumerate() {
                if name.is_empty() {
                    self.fail(kind, &format!("#{index}"), "has no name");
                } else if let Some(other) = first.insert(name, index) {
                    self.fail(kind, name, format!("has number {index} and number {other} under one name"));
                }
            }
        }
    }

    fn options(&mut self) {
        let options = &self.model.options;
        self.positive("option", "timestep", "time step", options.timestep);
        self.positive("option", "impratio", "impedance ratio", options.impratio);
        self.finite("option", "gravity", "gravity", &options.gravity.to_array());
    }

    fn bodies(&mut self) {
        let m = self.model;
        let Some(world) = m.bodies.first() else {
            return self.fail("body", "world", "is missing: body 0 is the world");
        };
        if world.parent != 0 || !world.joints.is_empty() || world.pose != Pose::IDENTITY {
            self.fail("body", &world.name, "is the world, which has no joints and stands at the origin");
        }
        let mut next_joint = 0;
        for (index, body) in m.bodies.iter().enumerate() {
            let name = &body.name;
            if index > 0 && body.parent >= index {
                self.fail("body", name, format!("has number {index} and the later parent {}", body.parent));
            }
            self.pose("body", name, body.pose);
            self.inertial(name, &body.inertial);
            self.finite("body", name, "gravity compensation", &[body.gravity_compensation]);
            if body.joints.start > body.joints.end || body.joints.end > m.joints.len() {
                self.fail("body", name, format!("has joints {:?} of {}", body.joints, m.joints.len()));
            } else if !body.joints.is_empty() {
                if body.joints.start != next_joint {
                    self.fail(
                        "body",
                        name,
                        format!("has joints {:?} where {next_joint} is next", body.joints),
                    );
                }
                next_joint = body.joints.end;
            }
            if body.mocap && (body.parent != 0 || !body.joints.is_empty()) {
                self.fail("body", name, "is posed by the user, so it is a child of the world without joints");
            }
        }
        if next_joint != m.joints.len() {
            self.fail(
                "body",
                "world",
                format!("and all others own {next_joint} of {} joints", m.joints.len()),
            );
        }
    }

    fn inertial(&mut self, name: &str, inertial: &Inertial) {
        self.at_least_zero("body", name, "mass", inertial.mass);
        self.pose("body", name, inertial.pose);
        if let Some(problem) = moments_problem(inertial.moments) {
            self.fail("body", name, problem);
        }
    }

    fn moving_mass(&mut self) {
        for group in moving_groups(self.model) {
            let name = &self.model.bodies[group.body].name;
            if group.mass <= 0.0 {
                self.fail("body", name, "moves, but neither it nor what is welded to it has mass");
            } else if group.moments.min_element() <= 0.0 {
                self.fail("body", name, format!("moves, but its moments of inertia are {}", group.moments));
            }
        }
    }

    fn joints(&mut self) {
        let (mut qpos_index, mut dof_index) = (0, 0);
        for (index, joint) in self.model.joints.iter().enumerate() {
            let name = &joint.name;
            if (joint.qpos_index, joint.dof_index) != (qpos_index, dof_index) {
                let found = (joint.qpos_index, joint.dof_index);
                self.fail(
                    "joint",
                    name,
                    format!("starts at {found:?} in qpos and qvel, not ({qpos_index}, {dof_index})"),
                );
            }
            qpos_index += joint.kind.num_qpos();
            dof_index += joint.kind.num_dofs();
            if self.index("joint", name, "body", joint.body, self.model.bodies.len())
                && !self.model.bodies[joint.body].joints.contains(&index)
            {
                self.fail("joint", name, "is not among the joints of its body");
            }
            if joint.kind == JointKind::Free && !self.is_only_joint_below_world(joint.body) {
                self.fail("joint", name, "is free: its body is a child of the world and has no other joint");
            }
            if matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic) {
                let length = joint.axis.length();
                if !is_unit(length) {
                    self.fail("joint", name, format!("has an axis of length {length}"));
                }
            }
            self.finite("joint", name, "anchor", &joint.anchor.to_array());
            let springs = [joint.reference, joint.spring_reference, joint.limit_margin];
            self.finite("joint", name, "reference, spring reference or margin", &springs);
            self.range("joint", name, "range", joint.range);
            self.range("joint", name, "effort range", joint.effort_range);
            for (what, number) in [
                ("stiffness", joint.stiffness),
                ("damping", joint.damping),
                ("armature", joint.armature),
                ("friction loss", joint.friction_loss),
            ] {
                self.at_least_zero("joint", name, what, number);
            }
            if let Some(limit) = joint.velocity_limit {
                self.positive("joint", name, "velocity limit", limit);
            }
            let softness = joint.limit_softness;
            self.finite("joint", name, "limit softness", &softness.solref);
            self.finite("joint", name, "limit softness", &softness.solimp);
        }
    }

    fn is_only_joint_below_world(&self, body: usize) -> bool {
        self.model.bodies.get(body).is_none_or(|b| b.parent == 0 && b.joints.len() == 1)
    }
}
