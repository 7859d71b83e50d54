//! The vectorised environment of a task.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};

use bevy_ecs::prelude::*;
use keiko_dynamics::any::{AnyBatch, any_rows};
use keiko_dynamics::batch;
use keiko_dynamics::plan::Plan;
use keiko_dynamics::record::{self, Kernel};
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::error::{Error, ErrorKind};
use keiko_model::task::{PhysicsEngine, PhysicsLaw, Randomization};
use keiko_world::engine::{self, EngineChoice};
use keiko_world::replay::{ReplayInfo, ReplayRing};
use keiko_world::schedule::{Phase, Physics, phases};
use keiko_world::{
    BatchState, ContactLaw, EnvParameters, Field, Looks, PhysicsOptions, Renderer, Simulation, SnapshotError,
};
use serde::{Deserialize, Serialize};

use crate::bind::Rows;
use crate::contract::{EnvSpec, GroupSpec, StepOutput, VecEnv};
use crate::episodes::FaultCounts;
use crate::eyes::{Eyes, Onlooker, widen};
use crate::images::{ImageTerm, OwnEyes, widened};
use crate::looks::Wardrobe;
use crate::rules::{Act, After, Rules};
use crate::running::{ReplayTo, Running, copy_state_row, publish_state, slots_mut};

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

/// `num_envs` copies of a task that step together: a [`Simulation`] whose control step is the task's.
pub struct TaskEnv {
    pub(crate) simulation: Simulation,
    pool: Option<Arc<rayon::ThreadPool>>,
    scene: Scene,
    notes: Vec<String>,
    engine: String,
    /// Physics steps in a control step.
    decimation: u32,
    /// What has been asked for since the last step.
    pub(crate) seen: Seen,
    /// What sees the images that the scene observes, once there is one.
    eyes: Option<Eyes>,
}

/// Copies of the state of all environments, made when somebody asks.
#[derive(Default)]
pub(crate) struct Seen {
    state: OnceLock<BatchState>,
    commands: OnceLock<Field>,
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
        // Names first: the rows that terms need are counted before they have a place.
        let rows = Rules::bind(task, &scene, options.num_envs, Rows::default())?.rows;
        let choice = options.physics.unwrap_or_else(|| engine_choice(task));
        let physics = physics_options(task);
        let engine = engine::build_with_task(&scene.model, options.num_envs, &physics, choice, rows)
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
        // The rings of the blocks are smaller and at hand.
        simulation.world.remove_resource::<ReplayRing>();
        simulation.schedule = phases();
        simulation.schedule.add_systems(step_task.in_set(Phase::Step));
        let lanes = simulation.world.resource::<Physics>().0.lanes();
        let own_rows = match lanes {
            Some(_) => None,
            None => Some(any_rows(&scene.model, options.num_envs, Plan::rows(&scene.model, rows))),
        };
        let core = lanes.map(|lanes| lanes.core()).or(own_rows.as_deref());
        let (plan, width) = core.map_or_else(Default::default, |core| (Rows::of(core.plan()), core.width()));
        let rules = Rules::bind(task, &scene, options.num_envs, plan)?;
        let key = (options.seed, options.first_env);
        let running =
            Running::new(rules, &scene.model, own_rows, width.max(1), replay_to(task, &scene, options), key);
        simulation.world.insert_resource(running);
        let seen = Seen::default();
        let mut env = Self {
            simulation,
            pool,
            scene,
            notes,
            engine: engine.reason,
            decimation: task.physics.decimation,
            seen,
            eyes: None,
        };
        env.reset(None);
        Ok(env)
    }

    /// The composed scene.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The state of the physics, copied from it at the first call after a step.
    pub fn state(&self) -> &BatchState {
        self.seen.state.get_or_init(|| {
            let running = self.running();
            let mut state = BatchState::new(&self.scene.model, running.rules.spec.num_envs);
            publish_state(self.core(), &running.rules, self.decimation(), &mut state);
            state
        })
    }

    /// The images that the scene observes. They are in the specification and in the output from
    /// [`TaskEnv::see_with`] on; an environment that never saw has groups without them.
    pub fn images(&self) -> &[ImageTerm] {
        &self.running().rules.images
    }

    /// Whether environments differ in more than where bodies are: in light, colours or cameras.
    pub fn looks_vary(&self) -> bool {
        !self.running().rules.randomizer.looks.is_empty()
    }

    /// The looks of all environments in the episodes that they are in.
    pub fn looks(&self) -> Looks {
        let running = self.running();
        let moments = running.moments(&self.state().steps, self.decimation());
        self.wardrobe().change(&moments).cloned().unwrap_or_default()
    }

    /// Looks, none of which is drawn yet.
    fn wardrobe(&self) -> Wardrobe {
        let rules = &self.running().rules;
        Wardrobe::new(rules.randomizer.looks.clone(), rules.spec.num_envs)
    }

    /// The specification with the images, whether or not there is anything that renders them.
    pub fn seeing_spec(&self) -> EnvSpec {
        let mut spec = self.spec().clone();
        for group in &mut spec.observations {
            group.terms.truncate(group.terms.len() - group.images.len());
            group.images.clear();
        }
        for image in self.images() {
            let shape = image.shape();
            spec.observations[image.group].terms.push((image.name.clone(), shape.iter().product()));
            spec.observations[image.group].images.push(shape);
        }
        spec
    }

    /// Renders the images of the scene with `renderer` from now on, which makes the pictures of [`TaskEnv::images`] in
    /// their order. All stacks begin with what is seen now.
    pub fn see_with(&mut self, renderer: Box<dyn Renderer>) {
        let (spec, images) = (self.seeing_spec(), self.images().to_vec());
        let numbers = widen(&spec.observations, &mut self.running_mut().output);
        let eyes = OwnEyes::new(renderer, images, &numbers, self.wardrobe(), spec.num_envs);
        self.see(spec, Eyes::own(eyes));
    }

    /// Leaves the images of [`TaskEnv::images`] to an onlooker from now on. They are in the specification, but in no field of the
    /// output, which are then the numbers alone; a snapshot holds both. All stacks begin with what is seen now.
    pub fn see_through(&mut self, onlooker: Box<dyn Onlooker>) {
        let spec = self.seeing_spec();
        let output = &mut self.running_mut().output;
        for fields in [&mut output.observations, &mut output.final_observations] {
            for (field, group) in fields.iter_mut().zip(&spec.observations) {
                *field = widened(field, group.num_numbers(), group.num_numbers());
            }
        }
        let wardrobe = self.wardrobe();
        self.see(spec, Eyes::onlooker(onlooker, wardrobe));
    }

    fn see(&mut self, spec: EnvSpec, eyes: Eyes) {
        let everywhere = vec![true; spec.num_envs];
        self.running_mut().rules.spec = spec;
        self.eyes = Some(eyes);
        self.look(Some(&everywhere));
    }

    /// Images after a step, or where episodes have begun outside one.
    fn look(&mut self, begun: Option<&[bool]>) {
        let Some(mut eyes) = self.eyes.take() else { return };
        self.state();
        let state = self.seen.state.take();
        if let Some(state) = &state {
            let moments = self.running().moments(&state.steps, self.decimation());
            let running = self.running_mut();
            match begun {
                Some(mask) => eyes.begin(state, &moments, mask, &mut running.output),
                None => eyes.step(state, &moments, &running.last, &mut running.output),
            }
        }
        self.seen.state = state.map(OnceLock::from).unwrap_or_default();
        self.eyes = Some(eyes);
    }

    /// The world, to look at.
    pub fn world(&self) -> &World {
        &self.simulation.world
    }

    /// The world: entities, resources and the schedule, for recorders and plug-ins. From then on the batch state in the
    /// world follows every control step, for systems in phases after [`Phase::Step`], in which all of the task's step
    /// happens.
    pub fn simulation_mut(&mut self) -> &mut Simulation {
        let state = self.state().clone();
        *self.simulation.world.resource_mut::<BatchState>() = state;
        self.running_mut().follow = true;
        &mut self.simulation
    }

    /// Counts from now on where the time of control steps goes; see [`TaskEnv::times`].
    pub fn start_timing(&mut self) {
        self.running_mut().start_timing();
    }

    /// Seconds by part of the control steps since [`TaskEnv::start_timing`], summed over threads.
    pub fn times(&self) -> Vec<(&'static str, f64)> {
        self.running().times()
    }

    /// The whole control step with its terms as a kernel, where the batched engine steps the scene. Its `control` is
    /// what the policy asks for and behind it draws in [-1, 1] for the noise; the output ends with what
    /// [`StepOutput`] holds. Commands and resets are left to who runs it.
    pub fn kernel(&self) -> Option<Kernel> {
        let lanes = self.simulation.world.resource::<Physics>().0.lanes()?;
        Some(record::task_kernel::<Rules, Act, After>(lanes.core().plan(), &self.running().rules))
    }

    /// Commands, three rows each, in the order of the scene file `[3 num_commands, num_envs]`.
    pub fn commands(&self) -> &Field {
        self.seen.commands.get_or_init(|| {
            let rules = &self.running().rules;
            let mut commands = Field::zeros(3 * rules.commands.len(), rules.spec.num_envs);
            for row in 0..commands.num_rows() {
                copy_state_row(self.core(), rules.command + row, commands.row_mut(row));
            }
            commands
        })
    }

    /// Numbers of the instructions of all environments, of those of [`keiko_model::task::Language::instructions`]; `None`
    /// where the task has no words.
    pub fn instructions(&self) -> Option<Vec<usize>> {
        let rules = &self.running().rules;
        let mut numbers = vec![0.0; rules.spec.num_envs];
        copy_state_row(self.core(), rules.language.as_ref()?.row, &mut numbers);
        Some(numbers.into_iter().map(|number| number as usize).collect())
    }

    /// Bodies of the thing and of the target that the instruction of each environment names; `None` where the task has no
    /// words.
    pub fn named_bodies(&self) -> Option<Vec<(usize, Option<usize>)>> {
        let language = self.running().rules.language.as_ref()?;
        self.instructions()?.into_iter().map(|number| language.bodies(number as u32)).collect()
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
        &self.running().replay.lost
    }

    /// Environments that broke, by cause.
    pub fn faults(&self) -> FaultCounts {
        self.running().faults
    }

    /// Names of the robot's joints, in order: they travel with a policy.
    pub fn joint_names(&self) -> Vec<String> {
        let joints = &self.scene.model.joints[..self.scene.num_robot_joints];
        joints.iter().map(|joint| joint.name.clone()).collect()
    }

    /// Where replay files of environments that break are written from now on.
    pub fn set_replay_dir(&mut self, folder: Option<PathBuf>) {
        let Self { simulation, scene, .. } = self;
        let mut running = simulation.world.resource_mut::<Running>();
        running.replay.folder = folder;
        running.keep_replays(&scene.model);
    }

    pub(crate) fn running(&self) -> &Running {
        self.simulation.world.resource::<Running>()
    }

    fn running_mut(&mut self) -> &mut Running {
        self.simulation.world.resource_mut::<Running>().into_inner()
    }

    /// The rows of all environments.
    pub(crate) fn core(&self) -> &dyn AnyBatch {
        match (&self.running().rows, self.simulation.world.resource::<Physics>().0.lanes()) {
            (Some(rows), _) => &**rows,
            (None, Some(lanes)) => lanes.core(),
            (None, None) => unreachable!("a task has rows of its own where the executor has none"),
        }
    }

    pub(crate) fn decimation(&self) -> u64 {
        u64::from(self.decimation)
    }
}

/// Phase step: all of it.
fn step_task(world: &mut World) {
    world.resource_scope(|world, mut running: Mut<Running>| running.step(world));
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
    let delays = task.randomize.iter().filter_map(|(_, entry)| match &entry.term {
        Randomization::Delay { steps } => Some(steps[1] as usize),
        _ => None,
    });
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
        max_delay: delays.max().unwrap_or(0),
        ..PhysicsOptions::default()
    }
}

impl VecEnv for TaskEnv {
    fn spec(&self) -> &EnvSpec {
        &self.running().rules.spec
    }

    fn reset(&mut self, mask: Option<&[bool]>) {
        self.seen = Seen::default();
        let everywhere = vec![true; self.spec().num_envs];
        let mask = mask.unwrap_or(&everywhere);
        let Self { simulation, pool, .. } = self;
        within(pool.as_deref(), || {
            simulation.world.resource_scope(|world, mut running: Mut<Running>| running.reset(world, mask));
        });
        self.look(Some(mask));
    }

    fn step(&mut self, actions: &Field) {
        self.seen = Seen::default();
        self.running_mut().actions.as_mut_slice().copy_from_slice(actions.as_slice());
        let Self { simulation, pool, .. } = self;
        within(pool.as_deref(), || simulation.run());
        self.look(None);
    }

    fn output(&self) -> &StepOutput {
        &self.running().output
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        let running = self.running();
        let (output, waiting) = match &self.eyes {
            Some(eyes) => eyes
                .save(&running.rules.images, &running.rules.spec.observations, &running.output)
                .map_err(SnapshotError)?,
            None => (running.output.clone(), Vec::new()),
        };
        let mut snapshot = Snapshot {
            spec: self.spec().clone(),
            seed: running.seed,
            first_env: running.first_env,
            physics: self.simulation.world.resource::<Physics>().0.save(),
            rows: Vec::new(),
            parameters: self.parameters().clone(),
            episode: Vec::new(),
            next_push: Vec::new(),
            push_end: Vec::new(),
            push_force: Vec::new(),
            output,
            waiting,
            faults: running.faults,
        };
        for slot in &running.slots {
            let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            snapshot.episode.extend(&slot.episode);
            snapshot.next_push.extend(slot.next_push.iter().cloned());
            snapshot.push_end.extend(slot.push_end.iter().cloned());
            snapshot.push_force.extend(slot.push_force.iter().cloned());
        }
        if let Some(rows) = &running.rows {
            for (part, row) in row_places(&**rows) {
                let mut numbers = vec![0.0; snapshot.spec.num_envs];
                rows.copy(part, row, &mut numbers);
                snapshot.rows.push(numbers);
            }
        }
        postcard::to_stdvec(&snapshot).map_err(|error| SnapshotError(error.to_string()))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let refuse = |message: &str| SnapshotError(message.to_owned());
        let mut snapshot: Snapshot =
            postcard::from_bytes(bytes).map_err(|error| SnapshotError(error.to_string()))?;
        let running = self.running();
        if snapshot.spec != running.rules.spec {
            return Err(refuse("it is of another task, or of another number of environments"));
        }
        if (snapshot.seed, snapshot.first_env) != (running.seed, running.first_env) {
            return Err(refuse("it is of another seed"));
        }
        let (num_envs, num_pushes) = (snapshot.spec.num_envs, running.rules.randomizer.pushes.len());
        let seen = self.eyes.as_ref().map_or(&[] as &[ImageTerm], |_| &running.rules.images);
        let waiting = seen.iter().map(|image| num_envs * image.waiting());
        let num_rows = running.rows.as_deref().map_or(0, |rows| row_places(rows).count());
        if !fits(&snapshot.output, &running.rules.spec)
            || !same_parameters(&snapshot.parameters, self.parameters())
            || snapshot.episode.len() != num_envs
            || snapshot.next_push.len() != num_envs
            || snapshot.push_end.len() != num_envs
            || snapshot.push_force.len() != num_envs
            || snapshot.next_push.iter().chain(&snapshot.push_end).any(|steps| steps.len() != num_pushes)
            || snapshot.push_force.iter().any(|forces| forces.len() != num_pushes)
            || !snapshot.waiting.iter().map(Vec::len).eq(waiting)
            || snapshot.rows.len() != num_rows
            || snapshot.rows.iter().any(|row| row.len() != num_envs)
        {
            return Err(refuse("its arrays have other shapes"));
        }
        self.seen = Seen::default();
        let Self { simulation, scene, eyes, .. } = self;
        simulation.world.resource_mut::<Physics>().0.load(&snapshot.physics)?;
        if let Some(eyes) = eyes {
            let rules = &simulation.world.resource::<Running>().rules;
            let waiting = snapshot.waiting;
            eyes.load(&rules.images, &rules.spec.observations, &mut snapshot.output, waiting)
                .map_err(SnapshotError)?;
        }
        let mut wrenches =
            (0..num_envs).map(|env| snapshot.parameters.wrench.column(env).collect::<Vec<_>>());
        let running = simulation.world.resource_mut::<Running>().into_inner();
        running.output = snapshot.output;
        running.faults = snapshot.faults;
        let mut episodes = snapshot.episode.into_iter();
        let mut pushes = snapshot.next_push.into_iter();
        let mut ends = snapshot.push_end.into_iter();
        let mut forces = snapshot.push_force.into_iter();
        for slot in slots_mut(&mut running.slots) {
            slot.episode.iter_mut().zip(&mut episodes).for_each(|(to, from)| *to = from);
            slot.next_push.iter_mut().zip(&mut pushes).for_each(|(to, from)| *to = from);
            slot.push_end.iter_mut().zip(&mut ends).for_each(|(to, from)| *to = from);
            slot.push_force.iter_mut().zip(&mut forces).for_each(|(to, from)| *to = from);
            slot.wrench.iter_mut().zip(&mut wrenches).for_each(|(to, from)| *to = from);
        }
        running.keep_replays(&scene.model);
        if let Some(rows) = &mut running.rows {
            let places: Vec<_> = row_places(&**rows).collect();
            for ((part, row), numbers) in places.into_iter().zip(&snapshot.rows) {
                let numbers: Vec<f64> = numbers.iter().map(|x| f64::from(*x)).collect();
                rows.restore(part, row, &numbers);
            }
        }
        drop(wrenches);
        *simulation.world.resource_mut::<EnvParameters>() = snapshot.parameters;
        let state = self.state().clone();
        let moments = self.running().moments(&state.steps, self.decimation());
        if let Some(eyes) = &mut self.eyes {
            eyes.remember(&state, &moments);
        }
        *self.simulation.world.resource_mut::<BatchState>() = state;
        Ok(())
    }

    fn num_faults(&self) -> u64 {
        self.faults().total()
    }

    fn failure(&self) -> Option<&str> {
        self.eyes.as_ref()?.failure.as_deref()
    }
}

/// What [`VecEnv::save`] writes.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    spec: EnvSpec,
    seed: u64,
    first_env: u32,
    /// What the executor wrote; its rows, and those of the task where they are the executor's.
    physics: Vec<u8>,
    /// The rows where they are not.
    rows: Vec<Vec<f32>>,
    parameters: EnvParameters,
    episode: Vec<u64>,
    next_push: Vec<Vec<u32>>,
    push_end: Vec<Vec<u32>>,
    push_force: Vec<Vec<[f32; 2]>>,
    output: StepOutput,
    /// Frames that are taken and not seen yet, of each image.
    waiting: Vec<Vec<f32>>,
    faults: FaultCounts,
}

/// All rows that are kept from step to step.
fn row_places(rows: &dyn AnyBatch) -> impl Iterator<Item = (batch::Part, usize)> + use<> {
    let (state, output) = (rows.plan().state_len, rows.plan().output_len);
    let state = (0..state).map(|row| (batch::Part::State, row));
    state.chain((0..output).map(|row| (batch::Part::Output, row)))
}

/// Whether an output has the shapes of a specification, with its images.
fn fits(output: &StepOutput, spec: &EnvSpec) -> bool {
    let n = spec.num_envs;
    let fields = |fields: &[Field]| {
        let right = |(field, group): (&Field, &GroupSpec)| {
            field.num_envs() == n && field.as_slice().len() == group.size() * n
        };
        fields.len() == spec.observations.len() && fields.iter().zip(&spec.observations).all(right)
    };
    let flags = [output.terminated.len(), output.truncated.len(), output.invalid.len(), output.reward.len()];
    fields(&output.observations) && fields(&output.final_observations) && flags == [n; 4]
}

fn same_parameters(a: &EnvParameters, b: &EnvParameters) -> bool {
    let sizes = |p: &EnvParameters| p.fields().map(|field| (field.num_envs(), field.as_slice().len()));
    sizes(a) == sizes(b)
}
