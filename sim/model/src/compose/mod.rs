//! From a task to one model: the robot where the scene wants it, its actuators, the props.

mod actuators;
mod base;
mod cameras;
mod end_effector;
mod lamps;
mod materials;
mod props;
mod sensors;

use std::collections::BTreeMap;

use glam::{DQuat, DVec3};

use crate::error::{ErrorKind, Result};
use crate::import::{self, ImportOptions, LossReport};
use crate::robot::{JointKind, RobotModel};
use crate::task::InitialPose;
use crate::{Pose, TaskSpec};

pub use end_effector::Frame;
pub use materials::{DrawnFinishes, NUM_FINISHES};

/// A task's scene as one model, with what the task needs to know about it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Robot first, then the props.
    pub model: RobotModel,
    /// Default pose: where episodes start and what joint observations are relative to `[nq]`.
    pub default_qpos: Vec<f64>,
    /// Controls that hold the default pose `[nu]`.
    pub default_ctrl: Vec<f64>,
    /// The robot's base: its floating body, or its first body.
    pub base: usize,
    /// What the robot reaches with.
    pub end_effector: Frame,
    /// The robot's own bodies are `1..num_robot_bodies`.
    pub num_robot_bodies: usize,
    /// The robot's own joints are `0..num_robot_joints`.
    pub num_robot_joints: usize,
    /// Sensors of the model that observation terms read, by the terms' dotted paths (`observe.policy.feet`).
    pub term_sensors: BTreeMap<String, Vec<usize>>,
    /// Finishes that the task draws.
    pub finishes: DrawnFinishes,
}

impl Scene {
    /// Loads the robot file of a task and composes the scene.
    ///
    /// # Errors
    /// What is wrong with the robot file, or with a name of the task.
    pub fn load(spec: &TaskSpec) -> Result<(Self, LossReport)> {
        let mut options = ImportOptions::default();
        options.root.clone_from(&spec.robot.root);
        let import = import::load(&spec.robot.file, &options)?;
        Ok((Self::compose(spec, import.model)?, import.report))
    }

    /// Composes the scene from a robot that is already loaded.
    ///
    /// # Errors
    /// Names of the task that the robot does not have, name clashes, unusable values.
    pub fn compose(spec: &TaskSpec, mut model: RobotModel) -> Result<Self> {
        if model.bodies.len() < 2 {
            return Err(spec.source.error(ErrorKind::Structure, "robot.file", "the robot has no bodies"));
        }
        if spec.robot.lights {
            model.shine_as_file();
        }
        base::set_floating(&mut model, spec.robot.floating_base);
        base::place(&mut model, robot_pose(spec)?);
        actuators::replace(&mut model, spec)?;
        model.options.timestep = spec.physics.timestep;

        let num_robot_bodies = model.bodies.len();
        if !spec.robot.self_collision {
            let pairs = (1..num_robot_bodies).flat_map(|a| (1..a).map(move |b| [b, a]));
            model.contact_excludes.extend(pairs);
        }
        let num_robot_joints = model.joints.len();
        let end_effector = end_effector::find(&model, spec)?;
        let (mut default_qpos, keyframe) = default_pose(&model, spec)?;
        let default_ctrl = actuators::holding_controls(&model, &default_qpos, keyframe);

        for (index, material) in spec.materials.iter().enumerate() {
            materials::append(&mut model, material, index, &spec.source)?;
        }
        for (index, prop) in spec.props.iter().enumerate() {
            default_qpos.extend(props::append(&mut model, prop, index, &spec.source)?);
        }
        for (index, camera) in spec.cameras.iter().enumerate() {
            cameras::append(&mut model, camera, index, &spec.source)?;
        }
        for (index, lamp) in spec.lamps.iter().enumerate() {
            lamps::append(&mut model, lamp, index, &spec.source)?;
        }
        let finishes = materials::append_drawn(&mut model, spec);
        model.daylight = spec.daylight;
        model.name.clone_from(&spec.name);
        let base = base::base_body(&model, num_robot_bodies);
        let term_sensors = sensors::append(&mut model, spec, base, num_robot_joints)?;
        Ok(Self {
            model,
            default_qpos,
            default_ctrl,
            base,
            end_effector,
            num_robot_bodies,
            num_robot_joints,
            term_sensors,
            finishes,
        })
    }
}

/// `world_from_robot`.
fn robot_pose(spec: &TaskSpec) -> Result<Pose> {
    let rotation = unit_rotation(spec.robot.rotation).ok_or_else(|| {
        spec.source.error(ErrorKind::Value, "robot.rotation", "the quaternion has no length")
    })?;
    Ok(Pose::new(DVec3::from(spec.robot.position), rotation))
}

fn unit_rotation(xyzw: [f64; 4]) -> Option<DQuat> {
    let quat = DQuat::from_array(xyzw);
    (quat.length() > 1e-9).then(|| quat.normalize())
}

/// The default pose `[nq]`, and the keyframe that it comes from.
fn default_pose(model: &RobotModel, spec: &TaskSpec) -> Result<(Vec<f64>, Option<usize>)> {
    let as_written = spec.initial.pose == InitialPose::Reference;
    let keyframe = match &spec.robot.keyframe {
        Some(name) if as_written => {
            let message =
                format!("the default pose is the reference, but the keyframe `{name}` is named too");
            return Err(spec
                .source
                .error(ErrorKind::Structure, "robot.keyframe", message)
                .allowed("allowed: a keyframe, or `initial.pose = \"reference\"`"));
        }
        None if as_written => None,
        Some(name) => Some(model.keyframes.iter().position(|key| key.name == *name).ok_or_else(|| {
            let names = model.keyframes.iter().map(|key| key.name.as_str());
            spec.source.unknown("robot.keyframe", "keyframe", name, names)
        })?),
        None => (!model.keyframes.is_empty()).then_some(0),
    };
    let mut qpos = match keyframe {
        Some(index) => model.keyframes[index].qpos.clone(),
        None => model.reference_qpos(),
    };
    if keyframe.is_none() && !as_written {
        for joint in model.joints.iter().filter(|joint| joint.kind.num_dofs() == 1) {
            let Some([low, high]) = joint.range else { continue };
            let q = &mut qpos[joint.qpos_index];
            if *q < low || *q > high {
                *q = 0.5 * (low + high);
            }
        }
    }
    for (name, value) in spec.initial.positions.iter() {
        let path = format!("initial.positions.{name}");
        let joint = model.joints.iter().find(|joint| joint.name == *name).ok_or_else(|| {
            spec.source.unknown(&path, "joint", name, model.joints.iter().map(|joint| joint.name.as_str()))
        })?;
        if !matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic) {
            return Err(spec
                .source
                .error(ErrorKind::Value, &path, format!("joint `{name}` has no single position"))
                .allowed("allowed: revolute and prismatic joints"));
        }
        qpos[joint.qpos_index] = *value;
    }
    Ok((qpos, keyframe))
}
