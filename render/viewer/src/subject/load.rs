//! How a subject is loaded: from a scene, a robot file, a replay, or a run in another process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keiko_camera::{Observer, TracerOptions};
use keiko_env::{EnvOptions, Picture, TaskEnv, VecEnv, physics_options};
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::error::{Error, ErrorKind, Location};
use keiko_model::import::{self, ImportOptions};
use keiko_model::robot::{Actuator, RobotModel, Transmission};
use keiko_world::replay::{ReplayFile, read_replay};
use keiko_world::{ContactLaw, PhysicsOptions};

use super::{Input, LoadOptions, Plant, Source, Subject, tracer_options};
use crate::ViewError;
use crate::bare::{Bare, Start};
use crate::remote::Remote;

impl Subject {
    /// Loads it, all environments at their start.
    ///
    /// # Errors
    /// What is wrong with a file, with its place; what the physics or the renderer cannot do.
    pub fn load(source: &Source, options: &LoadOptions) -> Result<Self, ViewError> {
        match source {
            Source::Scene { file, overrides } => Self::scene(&TaskSpec::load(file, overrides)?, options),
            Source::Robot { file, root } => Self::robot(file, root.clone(), options),
            Source::Replay { file } => Self::replay(file, options),
            Source::Live { socket } => Ok(Self::live(Remote::attach(socket)?)),
        }
    }

    fn scene(task: &TaskSpec, options: &LoadOptions) -> Result<Self, ViewError> {
        let LoadOptions { num_envs, seed, physics, ref backend } = *options;
        let env_options = EnvOptions { num_envs, seed, physics, ..EnvOptions::default() };
        let mut env = TaskEnv::new(task, &env_options)?;
        let pictures: Vec<Picture> = env.images().iter().map(|image| image.picture.clone()).collect();
        if !pictures.is_empty() {
            let looks = tracer_options(env.scene().num_robot_bodies);
            let looks = TracerOptions { varied: env.looks_vary(), ..looks };
            let observer = Observer::new(backend, &env.scene().model, num_envs, &pictures, &looks)?;
            env.see_with(Box::new(observer));
        }
        let inputs = env.spec().actions.iter();
        let inputs = inputs.map(|name| Input { name: name.clone(), range: [-1.0, 1.0], unit: "" }).collect();
        Ok(Self {
            name: task.name.clone(),
            model: Arc::new(env.scene().model.clone()),
            notes: env.notes().to_vec(),
            engine: env.engine().to_owned(),
            files: vec![task.source.file().to_owned(), task.robot.file.clone()],
            neutral: vec![0.0; env.spec().actions.len()],
            inputs,
            control_dt: env.spec().control_dt,
            num_robot_bodies: env.scene().num_robot_bodies,
            plant: Plant::Task(Box::new(env)),
        })
    }

    fn robot(file: &Path, root: Option<PathBuf>, options: &LoadOptions) -> Result<Self, ViewError> {
        let import = import::load(file, &ImportOptions { root, ..ImportOptions::default() })?;
        let physics = PhysicsOptions {
            timestep: import.model.options.timestep as f32,
            law: ContactLaw::Mujoco,
            ..PhysicsOptions::default()
        };
        let start = Start::of(&import.model);
        let mut notes: Vec<String> = import.report.entries.iter().map(ToString::to_string).collect();
        let place = || Location::file(file);
        let bare = Bare::new(import.model, options.num_envs, &physics, options.physics, start, &place)?;
        notes.extend(bare.notes.iter().cloned());
        Ok(Self::bare(bare, notes, vec![file.to_owned()], usize::MAX))
    }

    fn replay(file: &Path, options: &LoadOptions) -> Result<Self, ViewError> {
        let replay = read_replay(file)?;
        // A scene as it was resolved names its robot by an absolute path.
        let task = TaskSpec::parse(&replay.info.scene, &file.with_extension("scene.toml"), &[])?;
        let (scene, _) = Scene::load(&task)?;
        check_replay(file, &replay, &scene.model)?;
        let (physics, num_robot_bodies) = (physics_options(&task), scene.num_robot_bodies);
        let start = Start { qpos: scene.default_qpos.clone(), ctrl: scene.default_ctrl.clone() };
        let place = || Location::file(file);
        let mut bare = Bare::new(scene.model, 1, &physics, options.physics, start, &place)?;
        let notes = bare.notes.clone();
        let name = format!("replay of {}", task.name);
        bare.record(replay);
        let files = vec![file.to_owned()];
        Ok(Self { name, ..Self::bare(bare, notes, files, num_robot_bodies) })
    }

    fn bare(bare: Bare, notes: Vec<String>, files: Vec<PathBuf>, num_robot_bodies: usize) -> Self {
        let model = bare.model.clone();
        Self {
            name: model.name.clone(),
            inputs: model.actuators.iter().map(|actuator| input_of(&model, actuator)).collect(),
            neutral: bare.neutral(),
            notes,
            engine: bare.engine.clone(),
            files,
            control_dt: bare.control_dt,
            num_robot_bodies,
            plant: Plant::Bare(Box::new(bare)),
            model,
        }
    }

    fn live(remote: Remote) -> Self {
        Self {
            name: remote.name.clone(),
            model: remote.model.clone(),
            notes: Vec::new(),
            engine: remote.hello.engine.clone(),
            files: Vec::new(),
            inputs: Vec::new(),
            neutral: Vec::new(),
            control_dt: remote.spec().control_dt,
            num_robot_bodies: remote.num_robot_bodies,
            plant: Plant::Live(Box::new(remote)),
        }
    }
}

/// The control of an actuator, with a unit where its kind says one.
fn input_of(model: &RobotModel, actuator: &Actuator) -> Input {
    use keiko_model::robot::{ActuatorKind, JointKind};
    let turns = match actuator.transmission {
        Transmission::Joint { joint } => model.joints[joint].kind == JointKind::Revolute,
        _ => false,
    };
    let slides = match actuator.transmission {
        Transmission::Joint { joint } => model.joints[joint].kind == JointKind::Prismatic,
        _ => false,
    };
    let unit = match actuator.kind {
        ActuatorKind::Position if turns => "rad",
        ActuatorKind::Position if slides => "m",
        ActuatorKind::Velocity if turns => "rad/s",
        ActuatorKind::Velocity if slides => "m/s",
        _ => "",
    };
    Input { name: actuator.name.clone(), range: actuator.ctrl_range.unwrap_or([-1.0, 1.0]), unit }
}

/// Refuses a replay that is not of this model.
fn check_replay(file: &Path, replay: &ReplayFile, model: &RobotModel) -> Result<(), Error> {
    let refuse = |message: String| Error::new(ErrorKind::Structure, Location::file(file), message);
    if replay.num_steps == 0 {
        return Err(refuse("the replay has no steps".to_owned()));
    }
    let names = model.joints.iter().map(|joint| joint.name.as_str());
    if !names.eq(replay.info.joints.iter().map(String::as_str)) {
        return Err(refuse("the replay has other joints than its robot file has now".to_owned()));
    }
    let parts = [
        ("qpos", replay.qpos.len(), model.num_qpos()),
        ("qvel", replay.qvel.len(), model.num_dofs()),
        ("ctrl", replay.ctrl.len(), model.actuators.len()),
    ];
    match parts.into_iter().find(|(_, len, rows)| *len != rows * replay.num_steps) {
        Some((name, len, rows)) => {
            let steps = replay.num_steps;
            Err(refuse(format!("`{name}` has {len} numbers; the model has {rows} in each of {steps} steps")))
        }
        None => Ok(()),
    }
}
