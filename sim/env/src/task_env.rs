//! The vectorised environment of a task.

use std::path::PathBuf;
use std::sync::Arc;

use bevy_ecs::prelude::*;
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::error::{Error, ErrorKind};
use keiko_model::task::{PhysicsEngine, PhysicsLaw};
use keiko_world::engine::{self, EngineChoice};
use keiko_world::replay::{ReplayInfo, ReplayRing, write_replay};
use keiko_world::schedule::{Control, Faults, Phase, Physics, ResetMask};
use keiko_world::{
    BatchState, ContactLaw, EnvParameters, Field, PhysicsOptions, Simulation, SnapshotError, Stopwatch,
};
use serde::{Deserialize, Serialize};

use crate::contract::{EnvSpec, StepOutput, VecEnv};
use crate::episodes::{Episodes, FaultCounts, Running};
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
    pub first_env: u32,
    /// What steps the physics; what the scene says when absent.
    pub physics: Option<EngineChoice>,
}

impl Default for EnvOptions {
    fn default() -> Self {
        Self { num_envs: 1, seed: 0, threads: None, replay_dir: None, first_env: 0, physics: None }
    }
}

/// Actions of the next step `[num_actions, num_envs]`.
#[derive(Resource)]
struct Actions(Field);

/// Where replays of broken environments go, and what is said in them.
#[derive(Resource)]
struct ReplayTo {
    folder: Option<PathBuf>,
    info: ReplayInfo,
    sizes: [usize; 3],
    written: usize,
    lost: Vec<String>,
}

/// Replay files that are written at most: a scene that breaks all the time must not fill the disk.
const MAX_REPLAYS: usize = 100;

/// `num_envs` copies of a task that step together: a [`Simulation`] with the task's systems in its schedule.
pub struct TaskEnv {
    simulation: Simulation,
    pool: Option<Arc<rayon::ThreadPool>>,
    scene: Scene,
    notes: Vec<String>,
    engine: String,
}

impl TaskEnv {
    /// Loads the robot, composes the scene, resolves all names, builds the physics and starts all episodes.
    ///
    /// # Errors
    /// What is wrong with the scene or the robot file, with its place; what the physics cannot do, by name.
    pub fn new(task: &TaskSpec, options: &EnvOptions) -> Result<Self, Error> {
        let (scene, report) = Scene::load(task)?;
        let mut env = Self::with_scene(task, scene, options)?;
        env.notes.extend(report.entries.iter().filter(|loss| !loss.visual).map(ToString::to_string));
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
        let rules = Rules::bind(task, &scene, options.num_envs)?;
        let choice = options.physics.unwrap_or_else(|| engine_choice(task));
        let engine = engine::build(&scene.model, options.num_envs, &physics_options(task), choice)
            .map_err(|error| refuse(ErrorKind::Unsupported, error.to_string()))?;
        let notes =
            engine.unsupported.iter().map(|note| format!("{}: {}", note.element, note.what)).collect();
        let pool = match options.threads {
            Some(threads) => Some(Arc::new(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .map_err(|error| refuse(ErrorKind::Limit, error.to_string()))?,
            )),
            None => None,
        };
        let mut simulation = Simulation::new(Arc::new(scene.model.clone()), engine.executor);
        simulation.world.insert_resource(Actions(Field::zeros(rules.spec.actions.len(), options.num_envs)));
        simulation.world.insert_resource(replay_to(task, &scene, options));
        simulation.world.insert_resource(Episodes::new(rules, task, &scene, options.seed, options.first_env));
        simulation.schedule.add_systems((
            act.in_set(Phase::Act),
            (judge, restart).chain().in_set(Phase::Reward),
            observe.in_set(Phase::Observe),
        ));
        let mut env = Self { simulation, pool, scene, notes, engine: engine.reason };
        env.reset(None);
        Ok(env)
    }

    /// The composed scene.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The state of the physics.
    pub fn state(&self) -> &BatchState {
        self.simulation.state()
    }

    /// The world: entities, resources and the schedule, for recorders and plug-ins.
    pub fn simulation_mut(&mut self) -> &mut Simulation {
        &mut self.simulation
    }

    /// Counts from now on where the time of control steps goes; see [`TaskEnv::times`].
    pub fn start_timing(&mut self) {
        self.simulation.world.resource_mut::<Stopwatch>().start();
    }

    /// Seconds by part of the control steps since [`TaskEnv::start_timing`].
    pub fn times(&self) -> &[(&'static str, f64)] {
        self.simulation.world.resource::<Stopwatch>().laps()
    }

    /// Commands, three rows each, in the order of the scene file `[3 num_commands, num_envs]`.
    pub fn commands(&self) -> &Field {
        &self.episodes().running.memory.command
    }

    /// Parameters that are drawn for each environment.
    pub fn parameters(&self) -> &EnvParameters {
        self.simulation.world.resource::<EnvParameters>()
    }

    /// What steps the physics, and why: `lanes (16 environments at once)`.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// What steps the physics: the name that a scene's `physics.engine` gives it.
    pub fn engine_choice(&self) -> PhysicsEngine {
        match self.simulation.world.resource::<Physics>().0.name() {
            "lanes" => PhysicsEngine::Lanes,
            _ => PhysicsEngine::Rapier,
        }
    }

    /// What the robot file or the physics leaves out or approximates, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Replay files that could not be written, for people.
    pub fn lost_replays(&self) -> &[String] {
        &self.simulation.world.resource::<ReplayTo>().lost
    }

    /// Environments that broke, by cause.
    pub fn faults(&self) -> FaultCounts {
        self.episodes().running.faults
    }

    /// Names of the robot's joints, in order: they travel with a policy.
    pub fn joint_names(&self) -> Vec<String> {
        let joints = &self.scene.model.joints[..self.scene.num_robot_joints];
        joints.iter().map(|joint| joint.name.clone()).collect()
    }

    /// Where replay files of environments that break are written from now on.
    pub fn set_replay_dir(&mut self, folder: Option<PathBuf>) {
        self.simulation.world.resource_mut::<ReplayTo>().folder = folder;
    }

    fn episodes(&self) -> &Episodes {
        self.simulation.world.resource::<Episodes>()
    }
}

/// Phase act: controls from actions, and pushes.
fn act(
    mut episodes: ResMut<Episodes>,
    actions: Res<Actions>,
    mut control: ResMut<Control>,
    mut physics: ResMut<Physics>,
    mut state: ResMut<BatchState>,
    parameters: Res<EnvParameters>,
    mut watch: ResMut<Stopwatch>,
) {
    let due = episodes.act(&actions.0, &state, &parameters, &mut control.0);
    if let Some((mask, delta)) = due.velocity {
        physics.0.add_velocity(&mask, &delta, &mut state);
    }
    if let Some((mask, wrench)) = due.wrench {
        physics.0.set_wrench(&mask, &wrench);
    }
    watch.lap("act");
}

/// Phase reward: rewards, ends, and replays of what broke; a full disk must not stop the others.
fn judge(
    mut episodes: ResMut<Episodes>,
    state: Res<BatchState>,
    faults: Res<Faults>,
    ring: Res<ReplayRing>,
    mut to: ResMut<ReplayTo>,
    mut watch: ResMut<Stopwatch>,
) {
    let broke = episodes.judge(&state, &faults.0);
    watch.lap("terms");
    let Some(folder) = to.folder.clone() else { return };
    for (env, breakage) in broke {
        if to.written == MAX_REPLAYS {
            to.lost.push(format!("{MAX_REPLAYS} replays are in {}; no more are written", folder.display()));
        }
        to.written += 1;
        if to.written > MAX_REPLAYS {
            continue;
        }
        let path = folder.join(format!("{}.safetensors", episodes.episode_name(env)));
        let info = ReplayInfo {
            env: u64::from(episodes.first_env) + env as u64,
            cause: format!("{breakage:?}"),
            seed: episodes.seed,
            step: state.steps[env],
            ..to.info.clone()
        };
        let written = std::fs::create_dir_all(&folder).map_err(|error| error.to_string()).and_then(|()| {
            write_replay(&path, &ring.extract(env, info), to.sizes).map_err(|error| error.to_string())
        });
        to.lost.extend(written.err());
    }
}

/// Still phase reward: marks what restarts, and where.
fn restart(
    mut episodes: ResMut<Episodes>,
    mut reset: ResMut<ResetMask>,
    mut parameters: ResMut<EnvParameters>,
    mut watch: ResMut<Stopwatch>,
) {
    episodes.draw_starts(&mut reset, &mut parameters);
    watch.lap("reset");
}

/// Phase observe.
fn observe(mut episodes: ResMut<Episodes>, state: Res<BatchState>, mut watch: ResMut<Stopwatch>) {
    episodes.observe(&state);
    watch.lap("observe");
}

fn replay_to(task: &TaskSpec, scene: &Scene, options: &EnvOptions) -> ReplayTo {
    let model = &scene.model;
    ReplayTo {
        folder: options.replay_dir.clone(),
        info: ReplayInfo {
            scene: task.to_toml(),
            joints: model.joints.iter().map(|joint| joint.name.clone()).collect(),
            ..ReplayInfo::default()
        },
        sizes: [model.num_qpos(), model.num_dofs(), model.actuators.len()],
        written: 0,
        lost: Vec::new(),
    }
}

fn within<T: Send>(pool: Option<&rayon::ThreadPool>, work: impl FnOnce() -> T + Send) -> T {
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

fn engine_choice(task: &TaskSpec) -> EngineChoice {
    match task.physics.engine {
        PhysicsEngine::Auto => EngineChoice::Auto,
        PhysicsEngine::Lanes => EngineChoice::Lanes,
        PhysicsEngine::Rapier => EngineChoice::Rapier,
    }
}

/// How a task steps its physics.
pub fn physics_options(task: &TaskSpec) -> PhysicsOptions {
    PhysicsOptions {
        timestep: task.physics.timestep as f32,
        decimation: task.physics.decimation as usize,
        solver_iterations: task.physics.solver_iterations as usize,
        contact_frequency: task.physics.contact_frequency as f32,
        max_velocity: task.physics.max_speed as f32,
        law: match task.physics.law {
            PhysicsLaw::Soft => ContactLaw::Soft,
            PhysicsLaw::Mujoco => ContactLaw::Mujoco,
        },
        sweeps: task.physics.sweeps as usize,
        ..PhysicsOptions::default()
    }
}

impl VecEnv for TaskEnv {
    fn spec(&self) -> &EnvSpec {
        &self.episodes().rules.spec
    }

    fn reset(&mut self, mask: Option<&[bool]>) {
        let Self { simulation, pool, .. } = self;
        within(pool.as_deref(), || {
            simulation.world.resource_scope(|world, mut episodes: Mut<Episodes>| {
                match mask {
                    Some(mask) => episodes.restart.copy_from_slice(mask),
                    None => episodes.restart.fill(true),
                }
                world.resource_scope(|world, mut reset: Mut<ResetMask>| {
                    episodes.draw_starts(&mut reset, &mut world.resource_mut::<EnvParameters>());
                });
            });
            simulation.reset_marked();
            simulation.world.resource_scope(|world, mut episodes: Mut<Episodes>| {
                episodes.observe_reset(world.resource::<BatchState>());
            });
        });
    }

    fn step(&mut self, actions: &Field) {
        let Self { simulation, pool, .. } = self;
        simulation.world.resource_mut::<Actions>().0.as_mut_slice().copy_from_slice(actions.as_slice());
        within(pool.as_deref(), || simulation.step());
    }

    fn output(&self) -> &StepOutput {
        &self.episodes().running.output
    }

    fn save(&self) -> Vec<u8> {
        let episodes = self.episodes();
        let snapshot = Snapshot {
            spec: self.spec().clone(),
            seed: episodes.seed,
            first_env: episodes.first_env,
            physics: self.simulation.world.resource::<Physics>().0.save(),
            state: StateParts::of(self.state()),
            parameters: self.parameters().clone(),
            running: episodes.running.clone(),
        };
        postcard::to_stdvec(&snapshot).expect("a snapshot holds only what postcard can hold")
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let refuse = |message: &str| SnapshotError(message.to_owned());
        let snapshot: Snapshot =
            postcard::from_bytes(bytes).map_err(|error| SnapshotError(error.to_string()))?;
        let episodes = self.episodes();
        if snapshot.spec != *self.spec() {
            return Err(refuse("it is of another task, or of another number of environments"));
        }
        if (snapshot.seed, snapshot.first_env) != (episodes.seed, episodes.first_env) {
            return Err(refuse("it is of another seed"));
        }
        if !snapshot.running.memory.same_layout(&episodes.running.memory)
            || !same_outputs(&snapshot.running.output, &episodes.running.output)
            || !snapshot.state.same_layout(&StateParts::of(self.state()))
            || !same_parameters(&snapshot.parameters, self.parameters())
        {
            return Err(refuse("its arrays have other shapes"));
        }
        let world = &mut self.simulation.world;
        world.resource_mut::<Physics>().0.load(&snapshot.physics)?;
        *world.resource_mut::<BatchState>() = snapshot.state.into_state();
        *world.resource_mut::<EnvParameters>() = snapshot.parameters;
        world.resource_mut::<Episodes>().running = snapshot.running;
        let all = vec![true; snapshot.spec.num_envs];
        world.resource_mut::<ReplayRing>().reset(&all);
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
    first_env: u32,
    physics: Vec<u8>,
    state: StateParts,
    parameters: EnvParameters,
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

fn same_parameters(a: &EnvParameters, b: &EnvParameters) -> bool {
    let sizes = |p: &EnvParameters| p.fields().map(|field| (field.num_envs(), field.as_slice().len()));
    sizes(a) == sizes(b)
}
