//! The vectorised environment of a task.

use std::path::PathBuf;
use std::sync::Arc;

use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::error::{Error, ErrorKind};
use keiko_world::rapier::{PhysicsOptions, RapierExecutor};
use keiko_world::{BatchState, Executor, Fault, Field, SnapshotError};
use serde::{Deserialize, Serialize};

use crate::contract::{EnvSpec, StepOutput, VecEnv};
use crate::episodes::{Episodes, FaultCounts, Running};
use crate::replay::Replay;
use crate::rules::Rules;

/// How many environments, and how they are run.
#[derive(Clone, Debug)]
pub struct EnvOptions {
    /// Environments in the batch, at least 1.
    pub num_envs: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Threads that step physics; those of the process when absent.
    pub threads: Option<usize>,
    /// Folder for the replay files of environments that break; none are written when absent.
    pub replay_dir: Option<PathBuf>,
    /// Index over the whole run of the first environment: environment `i` of this batch draws what
    /// environment `first_env + i` of one large batch draws.
    pub first_env: u64,
}

impl Default for EnvOptions {
    fn default() -> Self {
        Self { num_envs: 1, seed: 0, threads: None, replay_dir: None, first_env: 0 }
    }
}

/// `num_envs` copies of a task that step together.
pub struct TaskEnv {
    episodes: Episodes,
    executor: Box<dyn Executor>,
    state: BatchState,
    ctrl: Field,
    pool: Option<Arc<rayon::ThreadPool>>,
    replay_dir: Option<PathBuf>,
    scene: Scene,
    scene_toml: String,
    notes: Vec<String>,
}

impl TaskEnv {
    /// Loads the robot, composes the scene, resolves all names, builds the physics and starts all episodes.
    ///
    /// # Errors
    /// What is wrong with the scene or the robot file, with its place; what the physics cannot do, by name.
    pub fn new(task: &TaskSpec, options: &EnvOptions) -> Result<Self, Error> {
        let (scene, report) = Scene::load(task)?;
        let mut env = Self::with_scene(task, scene, options)?;
        env.notes.extend(report.entries.iter().map(ToString::to_string));
        Ok(env)
    }

    /// The same from a scene that is already composed.
    ///
    /// # Errors
    /// As [`TaskEnv::new`].
    pub fn with_scene(task: &TaskSpec, scene: Scene, options: &EnvOptions) -> Result<Self, Error> {
        let refuse = |kind, message: String| Error::new(kind, task.source.location("robot.file"), message);
        if options.num_envs == 0 {
            return Err(refuse(ErrorKind::Value, "a batch of 0 environments".to_owned()));
        }
        let physics = physics_options(task);
        let executor = RapierExecutor::new(&scene.model, options.num_envs, physics)
            .map_err(|error| refuse(ErrorKind::Unsupported, error.to_string()))?;
        let notes =
            executor.unsupported().iter().map(|note| format!("{}: {}", note.element, note.what)).collect();
        let pool = match options.threads {
            Some(threads) => Some(Arc::new(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .map_err(|error| refuse(ErrorKind::Limit, error.to_string()))?,
            )),
            None => None,
        };
        let rules = Rules::bind(task, &scene, options.num_envs)?;
        let record = options.replay_dir.is_some();
        let mut env = Self {
            episodes: Episodes::new(rules, task, &scene, options.seed, options.first_env, record),
            executor: Box::new(executor),
            state: BatchState::new(&scene.model, options.num_envs),
            ctrl: Field::zeros(scene.model.actuators.len(), options.num_envs),
            pool,
            replay_dir: options.replay_dir.clone(),
            scene,
            scene_toml: task.to_toml(),
            notes,
        };
        env.reset(None);
        Ok(env)
    }

    /// The composed scene.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The state of the physics.
    pub fn state(&self) -> &BatchState {
        &self.state
    }

    /// Commands, three rows each, in the order of the scene file `[3 num_commands, num_envs]`.
    pub fn commands(&self) -> &Field {
        &self.episodes.running.memory.command
    }

    /// What the robot file or the physics leaves out or approximates, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Environments that broke, by cause.
    pub fn faults(&self) -> FaultCounts {
        self.episodes.running.faults
    }

    /// Sets the episode counter of an environment and starts that episode: the start of a replay.
    pub fn start_episode(&mut self, env: usize, episode: u64) {
        self.episodes.running.memory.episode[env] = episode.saturating_sub(1);
        let mut mask = vec![false; self.episodes.num_envs()];
        mask[env] = true;
        self.reset(Some(&mask));
    }

    /// Restarts the environments in `episodes.restart`.
    fn restart(&mut self) {
        if !self.episodes.restart.iter().any(|restart| *restart) {
            return;
        }
        self.episodes.draw_starts();
        let Self { episodes, executor, state, pool, .. } = self;
        let Episodes { restart, start_qpos, start_qvel, running, .. } = episodes;
        within(pool.as_deref(), || {
            executor.reset(restart, start_qpos, start_qvel, &running.parameters, state)
        });
    }

    fn step_physics(&mut self, pushes: Option<(Vec<bool>, Field)>) -> Vec<Fault> {
        let Self { executor, state, ctrl, pool, .. } = self;
        within(pool.as_deref(), || {
            if let Some((mask, delta)) = pushes {
                executor.add_velocity(&mask, &delta, state);
            }
            executor.step(ctrl, state)
        })
    }

    /// Writes the replays of environments that broke; a disk that is full must not stop the others.
    fn write_replays(&mut self, replays: Vec<Replay>) {
        let Some(folder) = &self.replay_dir else { return };
        for mut replay in replays {
            replay.scene.clone_from(&self.scene_toml);
            if let Err(error) = replay.write(folder) {
                self.notes.push(format!("replay lost: {error}"));
            }
        }
    }
}

fn within<T: Send>(pool: Option<&rayon::ThreadPool>, work: impl FnOnce() -> T + Send) -> T {
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

fn physics_options(task: &TaskSpec) -> PhysicsOptions {
    PhysicsOptions {
        timestep: task.physics.timestep as f32,
        decimation: task.physics.decimation as usize,
        solver_iterations: task.physics.solver_iterations as usize,
        contact_frequency: task.physics.contact_frequency as f32,
        max_velocity: task.physics.max_speed as f32,
        ..PhysicsOptions::default()
    }
}

impl VecEnv for TaskEnv {
    fn spec(&self) -> &EnvSpec {
        &self.episodes.rules.spec
    }

    fn reset(&mut self, mask: Option<&[bool]>) {
        match mask {
            Some(mask) => self.episodes.restart.copy_from_slice(mask),
            None => self.episodes.restart.fill(true),
        }
        self.restart();
        self.episodes.observe_reset(&self.state);
    }

    fn step(&mut self, actions: &Field) {
        let pushes = self.episodes.act(actions, &self.state, &mut self.ctrl);
        let faults = self.step_physics(pushes);
        let replays = self.episodes.judge(&self.state, &faults);
        self.write_replays(replays);
        self.restart();
        self.episodes.observe(&self.state);
    }

    fn output(&self) -> &StepOutput {
        &self.episodes.running.output
    }

    fn save(&self) -> Vec<u8> {
        let snapshot = Snapshot {
            spec: self.spec().clone(),
            seed: self.episodes.seed,
            first_env: self.episodes.first_env,
            physics: self.executor.save(),
            state: StateParts::of(&self.state),
            running: self.episodes.running.clone(),
        };
        postcard::to_stdvec(&snapshot).expect("a snapshot holds only what postcard can hold")
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let refuse = |message: &str| SnapshotError(message.to_owned());
        let snapshot: Snapshot =
            postcard::from_bytes(bytes).map_err(|error| SnapshotError(error.to_string()))?;
        if snapshot.spec != *self.spec() {
            return Err(refuse("it is of another task, or of another number of environments"));
        }
        if (snapshot.seed, snapshot.first_env) != (self.episodes.seed, self.episodes.first_env) {
            return Err(refuse("it is of another seed"));
        }
        let mut running = snapshot.running;
        if !running.memory.same_layout(&self.episodes.running.memory)
            || !same_outputs(&running.output, &self.episodes.running.output)
            || !snapshot.state.same_layout(&StateParts::of(&self.state))
            || running.recorder.as_ref().is_some_and(|r| r.num_envs() != self.spec().num_envs)
        {
            return Err(refuse("its arrays have other shapes"));
        }
        // Whether episodes are recorded is this run's choice; what was recorded before is kept.
        running.recorder = match (&self.replay_dir, running.recorder) {
            (None, _) => None,
            (Some(_), Some(recorder)) => Some(recorder),
            (Some(_), None) => Some(crate::replay::Recorder::new(self.spec().num_envs)),
        };
        self.executor.load(&snapshot.physics)?;
        self.state = snapshot.state.into_state();
        self.episodes.running = running;
        Ok(())
    }

    fn num_faults(&self) -> u64 {
        self.faults().total()
    }
}

/// What [`VecEnv::save`] writes.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    spec: EnvSpec,
    seed: u64,
    first_env: u64,
    physics: Vec<u8>,
    state: StateParts,
    running: Running,
}

/// A [`BatchState`], field by field.
#[derive(Serialize, Deserialize)]
struct StateParts {
    fields: [Field; 9],
    steps: Vec<u64>,
}

impl StateParts {
    fn of(state: &BatchState) -> Self {
        let s = state.clone();
        Self {
            fields: [
                s.qpos,
                s.qvel,
                s.body_position,
                s.body_rotation,
                s.body_linear_velocity,
                s.body_angular_velocity,
                s.actuator_force,
                s.contact_force,
                s.sensors,
            ],
            steps: s.steps,
        }
    }

    fn same_layout(&self, other: &Self) -> bool {
        let sizes =
            |parts: &Self| parts.fields.each_ref().map(|field| (field.num_envs(), field.as_slice().len()));
        sizes(self) == sizes(other) && self.steps.len() == other.steps.len()
    }

    fn into_state(self) -> BatchState {
        let [
            qpos,
            qvel,
            body_position,
            body_rotation,
            linear,
            angular,
            actuator_force,
            contact_force,
            sensors,
        ] = self.fields;
        BatchState {
            qpos,
            qvel,
            body_position,
            body_rotation,
            body_linear_velocity: linear,
            body_angular_velocity: angular,
            actuator_force,
            contact_force,
            sensors,
            steps: self.steps,
        }
    }
}

fn same_outputs(a: &StepOutput, b: &StepOutput) -> bool {
    let sizes = |output: &StepOutput| {
        let fields = output.observations.iter().chain(&output.final_observations);
        let fields: Vec<_> = fields.map(|field| (field.num_envs(), field.as_slice().len())).collect();
        let flags =
            [output.terminated.len(), output.truncated.len(), output.invalid.len(), output.reward.len()];
        (fields, flags)
    };
    sizes(a) == sizes(b)
}
