//! What is looked at: a batch that can be stepped, and what is known about it. A scene runs its task; a robot file and a replay
//! have the physics alone; a run in another process has been stepped already.

mod load;

use std::path::PathBuf;
use std::sync::Arc;

use keiko_camera::{Backend, TracerOptions};
use keiko_env::{EnvSpec, EpisodeEnd, TaskEnv, VecEnv};
use keiko_model::robot::RobotModel;
use keiko_world::engine::EngineChoice;
use keiko_world::replay::ReplayFile;
use keiko_world::{BatchState, Field, SnapshotError, Touch, World};

use crate::bare::{Bare, BareSnapshot};
use crate::live::Frame;
use crate::remote::Remote;
use crate::wardrobe;

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
    /// The environment of a scene; `None` for robots, replays and runs of other processes.
    pub fn task(&self) -> Option<&TaskEnv> {
        match &self.plant {
            Plant::Task(env) => Some(env),
            Plant::Bare(_) | Plant::Live(_) => None,
        }
    }

    /// Its world; of a run in another process one with the same entities.
    pub fn world(&self) -> &World {
        match &self.plant {
            Plant::Task(env) => env.world(),
            Plant::Bare(bare) => bare.world(),
            Plant::Live(remote) => &remote.world,
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
        TracerOptions { varied: wardrobe::varies(self), ..tracer_options(self.num_robot_bodies) }
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
