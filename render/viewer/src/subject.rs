//! What is looked at: a batch that can be stepped, and what is known about it. A scene runs its task; a robot file and a replay
//! have the physics alone; a run in another process has been stepped already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keiko_camera::{Backend, Observer, TracerOptions};
use keiko_env::{EnvOptions, EnvSpec, EpisodeEnd, Picture, TaskEnv, VecEnv, physics_options};
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::error::{Error, ErrorKind, Location};
use keiko_model::import::{self, ImportOptions};
use keiko_model::robot::{Actuator, RobotModel, Transmission};
use keiko_world::engine::EngineChoice;
use keiko_world::replay::{ReplayFile, read_replay};
use keiko_world::{BatchState, ContactLaw, Field, PhysicsOptions, SnapshotError, Touch};

use crate::ViewError;
use crate::bare::{Bare, BareSnapshot, Start};
use crate::live::Frame;
use crate::remote::Remote;

/// Where a subject comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A scene file, or the configuration of a run, and changes of it.
    Scene {
        /// `scene.toml`.
        file: PathBuf,
        /// `KEY=VALUE`.
        overrides: Vec<String>,
    },
    /// An MJCF or URDF file.
    Robot {
        /// It.
        file: PathBuf,
        /// Folder that includes and meshes may not leave.
        root: Option<PathBuf>,
    },
    /// The last steps of an environment that broke.
    Replay {
        /// It.
        file: PathBuf,
    },
    /// A run that another process shows.
    Live {
        /// Its socket.
        socket: PathBuf,
    },
}

/// How it is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Environments in the batch, at least 1; a replay has one, a run its own.
    pub num_envs: usize,
    /// Seed of the episodes.
    pub seed: u64,
    /// What steps the physics; what the scene says when absent.
    pub physics: Option<EngineChoice>,
    /// Who renders what a scene observes.
    pub backend: Backend,
}

/// A number that somebody sets at every control step.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name of the action or actuator.
    pub name: String,
    /// Least and largest value.
    pub range: [f64; 2],
    /// Unit: empty for the actions of a task, which are nominal.
    pub unit: &'static str,
}

/// What happened in a control step.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Episodes that ended.
    pub episodes: Vec<EpisodeEnd>,
    /// Environments that broke, and why, for people.
    pub faults: Vec<(usize, String)>,
}

/// Everything needed to go back to a moment.
#[derive(Clone, Debug)]
pub struct Snapshot(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Task(Vec<u8>),
    Bare(Box<BareSnapshot>),
    Live(Option<Box<Frame>>),
}

impl Snapshot {
    /// Memory that it takes \[byte\].
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Kept::Task(bytes) => bytes.len(),
            Kept::Bare(snapshot) => snapshot.bytes(),
            Kept::Live(frame) => frame.as_ref().map_or(0, |frame| frame.bytes()),
        }
    }
}

/// A batch and what is known about it.
pub struct Subject {
    /// Name of the scene or robot.
    pub name: String,
    /// The composed model.
    pub model: Arc<RobotModel>,
    /// What the robot file or the physics leaves out or approximates.
    pub notes: Vec<String>,
    /// What steps the physics, and why.
    pub engine: String,
    /// Files that it was made of.
    pub files: Vec<PathBuf>,
    /// What is set at every control step.
    pub inputs: Vec<Input>,
    /// What they are at the start `[num_inputs]`.
    pub neutral: Vec<f32>,
    /// Time of a control step \[s\].
    pub control_dt: f64,
    /// The robot's bodies are `1..num_robot_bodies`.
    pub num_robot_bodies: usize,
    plant: Plant,
}

enum Plant {
    Task(Box<TaskEnv>),
    Bare(Box<Bare>),
    Live(Box<Remote>),
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

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

    /// The environment of a scene; `None` for robots, replays and runs of other processes.
    pub fn task(&self) -> Option<&TaskEnv> {
        match &self.plant {
            Plant::Task(env) => Some(env),
            Plant::Bare(_) | Plant::Live(_) => None,
        }
    }

    /// The run of another process.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.plant {
            Plant::Live(remote) => Some(remote),
            Plant::Task(_) | Plant::Bare(_) => None,
        }
    }

    /// The same, to see more of it.
    pub(crate) fn remote_mut(&mut self) -> Option<&mut Remote> {
        match &mut self.plant {
            Plant::Live(remote) => Some(remote),
            Plant::Task(_) | Plant::Bare(_) => None,
        }
    }

    /// Shapes and names of the task, where there is one.
    pub fn spec(&self) -> Option<&EnvSpec> {
        self.task().map(VecEnv::spec).or_else(|| self.remote().map(Remote::spec))
    }

    /// The robot's base, or the first body.
    pub fn base(&self) -> usize {
        let of_run = || self.remote().map(|remote| remote.base);
        let of_task = self.task().map(|env| env.scene().base);
        of_task.or_else(of_run).unwrap_or(usize::from(self.model.bodies.len() > 1))
    }

    /// Reward of the last step of an environment.
    pub fn reward(&self, env: usize) -> f32 {
        let of_run = || self.frame(env).map(|frame| frame.reward);
        self.task().map(|task| task.output().reward[env]).or_else(of_run).unwrap_or_default()
    }

    /// Numbers of an observation group in an environment, without images.
    pub fn observed(&self, group: usize, env: usize) -> Vec<f32> {
        let of_run = || self.frame(env).map(|frame| frame.observations[group].clone());
        let of_task = self.task().map(|task| {
            let numbers = task.spec().observations[group].num_numbers();
            (0..numbers).map(|row| task.output().observations[group].get(row, env)).collect()
        });
        of_task.or_else(of_run).unwrap_or_default()
    }

    /// Commands of an environment, three numbers each.
    pub fn commands(&self, env: usize) -> Vec<f32> {
        let of_run = || self.frame(env).map(|frame| frame.commands.clone());
        self.task().map(|task| task.commands_of(env)).or_else(of_run).unwrap_or_default()
    }

    /// What has come of an environment of another process's run.
    fn frame(&self, env: usize) -> Option<&Frame> {
        self.remote()?.frame().filter(|frame| frame.env == env)
    }

    /// The points at which an environment presses on something.
    pub fn touches(&self, env: usize) -> Vec<Touch> {
        match &self.plant {
            Plant::Task(task) => task.touches(env),
            Plant::Bare(bare) => bare.touches(env),
            Plant::Live(_) => {
                let points = self.frame(env).map(|frame| frame.touches.as_slice()).unwrap_or_default();
                points.iter().map(|point| (*point).into()).collect()
            }
        }
    }

    /// What was recorded, and which of its steps is shown.
    pub fn recorded(&self) -> Option<(&ReplayFile, usize)> {
        match &self.plant {
            Plant::Bare(bare) => bare.recorded(),
            Plant::Task(_) | Plant::Live(_) => None,
        }
    }

    /// Environments.
    pub fn num_envs(&self) -> usize {
        self.state().steps.len()
    }

    /// Where all environments are.
    pub fn state(&self) -> &BatchState {
        match &self.plant {
            Plant::Task(env) => env.state(),
            Plant::Bare(bare) => bare.state(),
            Plant::Live(remote) => remote.state(),
        }
    }

    /// How a model of it is traced.
    pub fn looks(&self) -> TracerOptions {
        tracer_options(self.num_robot_bodies)
    }

    /// One control step under `inputs` `[num_inputs, num_envs]`; a run of another process makes its own.
    pub fn step(&mut self, inputs: &Field) -> News {
        match &mut self.plant {
            Plant::Bare(bare) => News { episodes: Vec::new(), faults: bare.step(inputs) },
            Plant::Live(_) => News::default(),
            Plant::Task(env) => {
                env.step(inputs);
                let broken = env.output().invalid.iter().enumerate().filter(|(_, broken)| **broken);
                let faults = broken.map(|(index, _)| (index, "broke, and was reset".to_owned())).collect();
                News { episodes: env.output().episodes.clone(), faults }
            }
        }
    }

    /// Starts one environment again.
    pub fn reset(&mut self, env: usize) {
        let mut mask = vec![false; self.num_envs()];
        mask[env] = true;
        match &mut self.plant {
            Plant::Task(task) => task.reset(Some(&mask)),
            Plant::Bare(bare) => bare.reset(&mask),
            Plant::Live(_) => {}
        }
    }

    /// Puts an environment at `qpos` `[nq]` and `qvel` `[nv]`.
    pub fn place(&mut self, env: usize, qpos: &[f32], qvel: &[f32]) {
        match &mut self.plant {
            Plant::Task(task) => task.place(env, qpos, qvel),
            Plant::Bare(bare) => bare.place(env, qpos, qvel),
            Plant::Live(_) => {}
        }
    }

    /// Force and torque on the bodies of an environment from now on `[6 nb]`; see
    /// [`EnvParameters::wrench`](keiko_world::EnvParameters::wrench).
    pub fn set_wrench(&mut self, env: usize, wrench: &[f32]) {
        match &mut self.plant {
            Plant::Task(task) => task.set_wrench(env, wrench),
            Plant::Bare(bare) => bare.set_wrench(env, wrench),
            Plant::Live(_) => {}
        }
    }

    /// What [`Subject::restore`] goes back to.
    ///
    /// # Errors
    /// A device that lost what is to be kept.
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        Ok(Snapshot(match &self.plant {
            Plant::Task(env) => Kept::Task(env.save()?),
            Plant::Bare(bare) => Kept::Bare(Box::new(bare.snapshot())),
            Plant::Live(remote) => Kept::Live(remote.frame().cloned().map(Box::new)),
        }))
    }

    /// Goes back.
    ///
    /// # Errors
    /// The snapshot is of another subject.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        match (&mut self.plant, &snapshot.0) {
            (Plant::Task(env), Kept::Task(bytes)) => env.load(bytes),
            (Plant::Bare(bare), Kept::Bare(snapshot)) => bare.restore(snapshot),
            (Plant::Live(remote), Kept::Live(frame)) => {
                if let Some(frame) = frame {
                    remote.show((**frame).clone());
                }
                Ok(())
            }
            _ => Err(SnapshotError("it is of another kind of subject".to_owned())),
        }
    }
}

/// How a model is traced: segmentation tells its robot from its things.
fn tracer_options(num_robot_bodies: usize) -> TracerOptions {
    TracerOptions { num_robot_bodies, ..TracerOptions::default() }
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
