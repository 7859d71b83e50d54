//! From the names of a task to indices of its model, once, when the environment is built.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;

use keiko_dynamics::plan::{Plan, TaskRows};
use keiko_model::compose::{self, Scene};
use keiko_model::error::ErrorKind;
use keiko_model::robot::{Joint, JointKind, Transmission};
use keiko_model::task::{Command, TaskSpec, matches_pattern};
use keiko_model::{Error, Result};

use crate::language::{BoundLanguage, Meant};

/// A joint with one position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScalarJoint {
    /// Index into the model's joints.
    pub joint: usize,
    /// Row in qpos.
    pub q: usize,
    /// Row in qvel.
    pub v: usize,
    /// Position in the default pose.
    pub default: f32,
    /// Range of the position, if it has one.
    pub range: Option<[f32; 2]>,
}

/// Rows of qpos that a joint has.
pub(crate) fn qpos_rows(joint: &Joint) -> Range<usize> {
    joint.qpos_index..joint.qpos_index + joint.kind.num_qpos()
}

/// Rows of qvel that a joint has.
pub(crate) fn dof_rows(joint: &Joint) -> Range<usize> {
    joint.dof_index..joint.dof_index + joint.kind.num_dofs()
}

/// First of the four rows of a joint's quaternion in qpos, if it has one.
pub(crate) fn quaternion_row(joint: &Joint) -> Option<usize> {
    match joint.kind {
        JointKind::Free => Some(joint.qpos_index + 3),
        JointKind::Ball => Some(joint.qpos_index),
        JointKind::Revolute | JointKind::Prismatic => None,
    }
}

/// Where the numbers of an environment lie in the memory of a pass, and where the task's own begin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rows {
    pub qpos: usize,
    pub qvel: usize,
    pub control: usize,
    pub fault: usize,
    pub body_position: usize,
    pub body_rotation: usize,
    pub body_linear: usize,
    pub body_angular: usize,
    pub actuator_force: usize,
    pub contact_force: usize,
    pub sensed: usize,
    state: usize,
    input: usize,
    output: usize,
    work: usize,
}

impl Rows {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            qpos: plan.qpos,
            qvel: plan.qvel,
            control: plan.control,
            fault: plan.fault,
            body_position: plan.body_position,
            body_rotation: plan.body_rotation,
            body_linear: plan.body_linear,
            body_angular: plan.body_angular,
            actuator_force: plan.actuator_force,
            contact_force: plan.contact_force,
            sensed: plan.sensed,
            state: plan.task_state,
            input: plan.input,
            output: plan.task_output,
            work: plan.task_work,
        }
    }
}

/// Rows of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// Origin in the world `[3]`.
    pub position: usize,
    /// `world_from_body`, xyzw `[4]`.
    pub rotation: usize,
    /// Velocity of the origin, world axes `[3]`.
    pub linear: usize,
    /// Angular velocity, world axes `[3]`.
    pub angular: usize,
    /// Net contact force, world axes `[3]`.
    pub contact_force: usize,
}

/// A point on a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub body: Body,
    /// In the body's frame \[m\].
    pub point: [f64; 3],
}

/// How long a body has been in the air: rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AirTime {
    pub body: Body,
    /// Time since it was last touched \[s\]; 0 while it is.
    pub air: usize,
    /// Time that it had been in the air when it landed in the last step, else 0 \[s\].
    pub landed: usize,
}

/// Looks names up, and gives the terms rows of their own; all errors point at the value with a dotted path.
pub(crate) struct Binder<'a> {
    pub spec: &'a TaskSpec,
    pub scene: &'a Scene,
    pub rows: Rows,
    taken: Cell<TaskRows>,
    /// Rows, and where their values are kept when a step begins.
    pub remembered: RefCell<Vec<(usize, usize)>>,
    /// Bodies whose time in the air is counted.
    pub air_times: RefCell<Vec<AirTime>>,
    /// The task's words, bound before its terms.
    pub language: OnceCell<BoundLanguage>,
}

impl<'a> Binder<'a> {
    /// For a task on a scene, whose numbers lie where `rows` says.
    pub fn new(spec: &'a TaskSpec, scene: &'a Scene, rows: Rows) -> Self {
        Self {
            spec,
            scene,
            rows,
            taken: Cell::default(),
            remembered: RefCell::default(),
            air_times: RefCell::default(),
            language: OnceCell::new(),
        }
    }

    /// How many rows have been taken.
    pub fn taken(&self) -> TaskRows {
        self.taken.get()
    }

    fn take(&self, part: fn(&mut TaskRows) -> &mut usize, start: usize, len: usize) -> usize {
        let mut taken = self.taken.get();
        let first = start + *part(&mut taken);
        *part(&mut taken) += len;
        self.taken.set(taken);
        first
    }

    /// Rows that are kept from step to step; 0 when an episode begins.
    pub fn take_state(&self, len: usize) -> usize {
        self.take(|rows| &mut rows.state, self.rows.state, len)
    }

    /// Rows that a step gets.
    pub fn take_input(&self, len: usize) -> usize {
        self.take(|rows| &mut rows.input, self.rows.input, len)
    }

    /// Rows that a step gives.
    pub fn take_output(&self, len: usize) -> usize {
        self.take(|rows| &mut rows.output, self.rows.output, len)
    }

    /// Rows of scratch.
    pub fn take_work(&self, len: usize) -> usize {
        self.take(|rows| &mut rows.work, self.rows.work, len)
    }

    /// Where rows are found as they were before the step.
    pub fn before(&self, rows: Range<usize>) -> usize {
        let first = self.take_state(rows.len());
        self.remembered.borrow_mut().extend(rows.enumerate().map(|(k, row)| (row, first + k)));
        first
    }

    /// Counts the time that a body is in the air.
    pub fn air_time(&self, body: usize) -> AirTime {
        let first = self.take_state(2);
        let air_time = AirTime { body: self.body_rows(body), air: first, landed: first + 1 };
        self.air_times.borrow_mut().push(air_time);
        air_time
    }

    /// Rows of a body.
    pub fn body_rows(&self, body: usize) -> Body {
        Body {
            position: self.rows.body_position + 3 * body,
            rotation: self.rows.body_rotation + 4 * body,
            linear: self.rows.body_linear + 3 * body,
            angular: self.rows.body_angular + 3 * body,
            contact_force: self.rows.contact_force + 3 * body,
        }
    }

    /// Rows of the robot's base.
    pub fn base(&self) -> Body {
        self.body_rows(self.scene.base)
    }

    fn frame_rows(&self, frame: compose::Frame) -> Frame {
        Frame { body: self.body_rows(frame.body), point: frame.point.to_array() }
    }
}

impl Binder<'_> {
    /// Scalar joints of the robot that match, in model order.
    pub fn joints(&self, patterns: &[String], path: &str) -> Result<Vec<ScalarJoint>> {
        let joints = &self.scene.model.joints[..self.scene.num_robot_joints];
        let scalar =
            |index: &usize| matches!(joints[*index].kind, JointKind::Revolute | JointKind::Prismatic);
        let candidates: Vec<(usize, &str)> =
            (0..joints.len()).filter(scalar).map(|index| (index, joints[index].name.as_str())).collect();
        let chosen = self.select(&candidates, patterns, "joint", path)?;
        Ok(chosen.into_iter().map(|index| self.scalar_joint(index)).collect())
    }

    /// One scalar joint by index.
    pub fn scalar_joint(&self, joint: usize) -> ScalarJoint {
        let data = &self.scene.model.joints[joint];
        ScalarJoint {
            joint,
            q: data.qpos_index,
            v: data.dof_index,
            default: self.scene.default_qpos[data.qpos_index] as f32,
            range: data.range.map(|range| range.map(|x| x as f32)),
        }
    }

    /// Joints of the robot of any kind that match, in model order.
    pub fn any_joints(&self, patterns: &[String], path: &str) -> Result<Vec<&Joint>> {
        let joints = &self.scene.model.joints[..self.scene.num_robot_joints];
        let candidates: Vec<(usize, &str)> =
            joints.iter().enumerate().map(|(index, joint)| (index, joint.name.as_str())).collect();
        let chosen = self.select(&candidates, patterns, "joint", path)?;
        Ok(chosen.into_iter().map(|index| &joints[index]).collect())
    }

    /// A body by name, or the robot's base.
    pub fn body(&self, name: Option<&str>, path: &str) -> Result<usize> {
        let Some(name) = name else { return Ok(self.scene.base) };
        let bodies = &self.scene.model.bodies;
        bodies.iter().position(|body| body.name == name).ok_or_else(|| {
            let names = bodies.iter().skip(1).map(|body| body.name.as_str());
            self.spec.source.unknown(path, "body", name, names)
        })
    }

    /// The body of a prop.
    pub fn prop(&self, name: &str, path: &str) -> Result<usize> {
        let props = &self.scene.model.bodies[self.scene.num_robot_bodies..];
        let found = props.iter().position(|body| body.name == name);
        found.map(|at| self.scene.num_robot_bodies + at).ok_or_else(|| {
            let names = props.iter().map(|body| body.name.as_str());
            self.spec.source.unknown(path, "prop", name, names)
        })
    }

    /// First rows in qpos of the props that match and have a mass, in model order.
    pub fn loose_props(&self, patterns: &[String], path: &str) -> Result<Vec<usize>> {
        let joints = &self.scene.model.joints[self.scene.num_robot_joints..];
        let candidates: Vec<(usize, &str)> =
            joints.iter().map(|joint| (joint.qpos_index, joint.name.as_str())).collect();
        self.select(&candidates, patterns, "prop with a mass", path)
    }

    /// Bodies that match, in model order; `*` alone means the robot's own.
    pub fn bodies(&self, patterns: &[String], path: &str) -> Result<Vec<usize>> {
        let bodies = self.scene.model.bodies[..self.scene.num_robot_bodies].iter().enumerate().skip(1);
        let candidates: Vec<(usize, &str)> =
            bodies.map(|(index, body)| (index, body.name.as_str())).collect();
        self.select(&candidates, patterns, "body", path)
    }

    /// Bodies that match, in model order, those of props and the world too.
    pub fn all_bodies(&self, patterns: &[String], path: &str) -> Result<Vec<usize>> {
        let bodies = self.scene.model.bodies.iter().enumerate();
        let candidates: Vec<(usize, &str)> =
            bodies.map(|(index, body)| (index, body.name.as_str())).collect();
        self.select(&candidates, patterns, "body", path)
    }

    /// Cameras that match, in model order.
    pub fn cameras(&self, patterns: &[String], path: &str) -> Result<Vec<usize>> {
        let cameras = self.scene.model.cameras.iter().enumerate();
        let candidates: Vec<(usize, &str)> =
            cameras.map(|(index, camera)| (index, camera.name.as_str())).collect();
        self.select(&candidates, patterns, "camera", path)
    }

    /// Lamps that match, in model order.
    pub fn lamps(&self, patterns: &[String], path: &str) -> Result<Vec<usize>> {
        let lamps = self.scene.model.lamps.iter().enumerate();
        let candidates: Vec<(usize, &str)> = lamps.map(|(index, lamp)| (index, lamp.name.as_str())).collect();
        self.select(&candidates, patterns, "lamp", path)
    }

    /// Actuators that match, in model order.
    pub fn actuators(&self, patterns: &[String], path: &str) -> Result<Vec<usize>> {
        let actuators = self.scene.model.actuators.iter().enumerate();
        let candidates: Vec<(usize, &str)> =
            actuators.map(|(index, actuator)| (index, actuator.name.as_str())).collect();
        self.select(&candidates, patterns, "actuator", path)
    }

    /// Sites, or without any match bodies, that match.
    pub fn frames(&self, patterns: &[String], path: &str) -> Result<Vec<Frame>> {
        let model = &self.scene.model;
        let mut frames = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let sites = model.sites.iter().map(|site| site.name.as_str());
            let bodies = model.bodies.iter().skip(1).map(|body| body.name.as_str());
            let matching = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
                names.filter(|name| matches_pattern(pattern, name)).map(str::to_owned).collect()
            };
            let mut found = matching(&mut sites.clone());
            if found.is_empty() {
                found = matching(&mut bodies.clone());
            }
            if found.is_empty() {
                return Err(self.spec.source.unknown(
                    &format!("{path}.{index}"),
                    "site or body",
                    pattern,
                    sites.chain(bodies),
                ));
            }
            let named = found.iter().filter_map(|name| compose::Frame::named(model, name));
            frames.extend(named.map(|frame| self.frame_rows(frame)));
        }
        Ok(frames)
    }

    /// A site or body by name, or the end effector.
    pub fn frame(&self, name: Option<&str>, path: &str) -> Result<Frame> {
        let Some(name) = name else { return Ok(self.frame_rows(self.scene.end_effector)) };
        let model = &self.scene.model;
        compose::Frame::named(model, name).map(|frame| self.frame_rows(frame)).ok_or_else(|| {
            let sites = model.sites.iter().map(|site| site.name.as_str());
            let bodies = model.bodies.iter().skip(1).map(|body| body.name.as_str());
            self.spec.source.unknown(path, "site or body", name, sites.chain(bodies))
        })
    }

    /// Index of a sensor's first number and how many it gives.
    pub fn sensor(&self, name: &str, path: &str) -> Result<(usize, usize)> {
        let mut start = 0;
        for sensor in &self.scene.model.sensors {
            if sensor.name == name {
                return Ok((start, sensor.kind.size()));
            }
            start += sensor.kind.size();
        }
        let names = self.scene.model.sensors.iter().map(|sensor| sensor.name.as_str());
        Err(self.spec.source.unknown(path, "sensor", name, names))
    }

    /// Rows of the sensors that a term reads, which the scene made for it.
    pub fn term_sensors(&self, path: &str) -> Vec<usize> {
        let sensors = &self.scene.model.sensors;
        let first = |index: usize| sensors[..index].iter().map(|sensor| sensor.kind.size()).sum::<usize>();
        let chosen = self.scene.term_sensors.get(path).into_iter().flatten();
        chosen.flat_map(|&index| first(index)..first(index) + sensors[index].kind.size()).collect()
    }

    /// Index of a command.
    pub fn command(&self, name: &str, path: &str) -> Result<usize> {
        self.spec
            .command
            .position(name)
            .ok_or_else(|| self.spec.source.unknown(path, "command", name, self.spec.command.names()))
    }

    /// Index of a velocity command.
    pub fn velocity_command(&self, name: &str, path: &str) -> Result<usize> {
        let index = self.command(name, path)?;
        match self.spec.command.get(name) {
            Some(Command::Velocity { .. }) => Ok(index),
            _ => Err(self
                .spec
                .source
                .error(ErrorKind::Value, path, format!("the command `{name}` is a point"))
                .allowed("allowed: a command of kind velocity")),
        }
    }

    /// Index of a point command.
    pub fn point_command(&self, name: &str, path: &str) -> Result<usize> {
        let index = self.command(name, path)?;
        match self.spec.command.get(name) {
            Some(Command::Velocity { .. }) => Err(self
                .spec
                .source
                .error(ErrorKind::Value, path, format!("the command `{name}` is a velocity"))
                .allowed("allowed: a command of kind point_in_box, point_in_shell, reachable_point or named_object")),
            _ => Ok(index),
        }
    }

    /// The thing that the instruction names.
    pub fn named_object(&self, path: &str) -> Result<Meant> {
        self.language.get().map(BoundLanguage::meant_object).ok_or_else(|| {
            let message = "no instruction names a thing: the scene has no table `[language]`";
            self.error(ErrorKind::Structure, path, message)
        })
    }

    /// The target that the instruction names.
    pub fn named_target(&self, path: &str) -> Result<Meant> {
        self.language.get().and_then(BoundLanguage::meant_target).ok_or_else(|| {
            let message = "no instruction names a target: the scene has no `[[language.targets]]`";
            self.error(ErrorKind::Structure, path, message)
        })
    }

    /// Each actuator on a scalar joint, the joint and the gear.
    pub fn actuated_joints(&self) -> Vec<(usize, ScalarJoint, f32)> {
        let model = &self.scene.model;
        let actuators = model.actuators.iter().enumerate();
        actuators
            .filter_map(|(index, actuator)| match actuator.transmission {
                Transmission::Joint { joint } if model.joints[joint].kind.num_dofs() == 1 => {
                    Some((index, self.scalar_joint(joint), actuator.gear[0] as f32))
                }
                _ => None,
            })
            .collect()
    }

    /// A range whose ends are in order.
    pub fn ordered(&self, [low, high]: [f64; 2], path: &str) -> Result<[f64; 2]> {
        if low <= high {
            return Ok([low, high]);
        }
        Err(self
            .error(ErrorKind::Value, path, &format!("the range [{low}, {high}] is empty"))
            .allowed("allowed: [low, high]"))
    }

    /// An error at a value.
    pub fn error(&self, kind: ErrorKind, path: &str, message: &str) -> Error {
        self.spec.source.error(kind, path, message)
    }

    fn select(
        &self,
        candidates: &[(usize, &str)],
        patterns: &[String],
        what: &str,
        path: &str,
    ) -> Result<Vec<usize>> {
        let names = || candidates.iter().map(|(_, name)| *name);
        for (index, pattern) in patterns.iter().enumerate() {
            // `*` may match nothing: a robot without that kind of thing.
            if pattern != "*" && !names().any(|name| matches_pattern(pattern, name)) {
                return Err(self.spec.source.unknown(&format!("{path}.{index}"), what, pattern, names()));
            }
        }
        let matching = |name: &str| patterns.iter().any(|pattern| matches_pattern(pattern, name));
        Ok(candidates.iter().filter(|(_, name)| matching(name)).map(|(index, _)| *index).collect())
    }
}
