//! Bit equality: what an environment does depends on nothing but its state and its controls.
//!
//! Every check steps copies of a model under random controls, folds every number of every step of an environment into
//! one digest, and compares digests. A digest that differs names its environment.

use keiko_model::RobotModel;
use keiko_model::robot::JointKind;

use crate::{BatchState, EnvParameters, EnvRng, Executor, Field};

/// Numbers of threads that must agree.
const THREADS: [usize; 3] = [1, 2, 7];
/// The batch that its members must equal.
const LARGE_BATCH: usize = 1000;
/// Members of it that are stepped alone as well: the ends, and places within and at the edge of a block.
const MEMBERS: [usize; 5] = [0, 7, 16, 501, 999];

/// Streams of random numbers.
const CONTROLS: u32 = 0x6269;
const STARTS: u32 = 0x6274;

/// Makes an executor for a number of environments.
pub type Build<'a> = dyn Fn(usize) -> Result<Box<dyn Executor>, String> + Sync + 'a;

/// What is stepped.
pub struct Trial<'a> {
    /// The model that `build` makes copies of.
    pub model: &'a RobotModel,
    /// Where environments start, up to small differences between them `[nq]`.
    pub start: &'a [f32],
    /// Control steps.
    pub steps: usize,
    /// Makes executors.
    pub build: &'a Build<'a>,
}

/// The claims that can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The same again gives the same.
    Determinism,
    /// An environment alone equals itself in a batch, whatever happens to its neighbours.
    Batch,
    /// The number of threads changes nothing.
    Threads,
    /// A reset environment equals a fresh one.
    Reset,
}

impl Claim {
    /// Checks it: what was compared, or what differs.
    ///
    /// # Errors
    /// The first environment that differs, or that the model cannot be built.
    pub fn check(self, trial: &Trial<'_>) -> Result<String, String> {
        match self {
            Self::Determinism => determinism(trial),
            Self::Batch => batch(trial).and_then(|batch| Ok(format!("{batch}; {}", neighbours(trial)?))),
            Self::Threads => threads(trial),
            Self::Reset => reset(trial),
        }
    }
}

fn determinism(trial: &Trial<'_>) -> Result<String, String> {
    let first = Run::new(trial, 33, 0)?.digests(0..trial.steps);
    let second = Run::new(trial, 33, 0)?.digests(0..trial.steps);
    compare("the second run", &first, &second)?;
    Ok(format!("33 environments, {} steps, twice", trial.steps))
}

fn batch(trial: &Trial<'_>) -> Result<String, String> {
    let all = Run::new(trial, LARGE_BATCH, 0)?.digests(0..trial.steps);
    for member in MEMBERS {
        let alone = Run::new(trial, 1, member)?.digests(0..trial.steps);
        compare(&format!("environment {member} alone"), &all[member..=member], &alone)?;
    }
    Ok(format!("{} members of a batch of {LARGE_BATCH} alone, {} steps", MEMBERS.len(), trial.steps))
}

/// One environment becomes NaN half way; the others must not notice.
fn neighbours(trial: &Trial<'_>) -> Result<String, String> {
    const NUM_ENVS: usize = 19;
    const SICK: usize = 5;
    let half = trial.steps / 2;
    let mut calm = Run::new(trial, NUM_ENVS, 0)?;
    let mut sick = Run::new(trial, NUM_ENVS, 0)?;
    calm.digests(0..half);
    sick.digests(0..half);
    if trial.model.num_dofs() > 0 {
        let mut delta = Field::zeros(trial.model.num_dofs(), NUM_ENVS);
        delta.set(0, SICK, f32::NAN);
        let mask: Vec<bool> = (0..NUM_ENVS).map(|env| env == SICK).collect();
        sick.executor.add_velocity(&mask, &delta, &mut sick.state);
    }
    let (calm, sick) = (calm.digests(half..trial.steps), sick.digests(half..trial.steps));
    for env in (0..NUM_ENVS).filter(|&env| env != SICK) {
        compare("the neighbour of NaN", &calm[env..=env], &sick[env..=env])
            .map_err(|why| format!("{why} (environment {env})"))?;
    }
    Ok(format!("{} neighbours of NaN", NUM_ENVS - 1))
}

fn threads(trial: &Trial<'_>) -> Result<String, String> {
    let mut first: Option<Vec<u64>> = None;
    for num in THREADS {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(num).build().map_err(|e| e.to_string())?;
        let digests = pool.install(|| Ok::<_, String>(Run::new(trial, 100, 0)?.digests(0..trial.steps)))?;
        match &first {
            None => first = Some(digests),
            Some(first) => compare(&format!("{num} threads"), first, &digests)?,
        }
    }
    Ok(format!("100 environments, {} steps, {THREADS:?} threads", trial.steps))
}

fn reset(trial: &Trial<'_>) -> Result<String, String> {
    const NUM_ENVS: usize = 21;
    let fresh = Run::new(trial, NUM_ENVS, 0)?.digests(0..trial.steps);
    let mut used = Run::new(trial, NUM_ENVS, 0)?;
    // Other controls, another number of steps, then the same again.
    used.digests(1000..1000 + trial.steps / 2 + 1);
    used.start();
    compare("the reset environment", &fresh, &used.digests(0..trial.steps))?;
    // Resets of some leave the others alone.
    let calm = Run::new(trial, NUM_ENVS, 0)?.digests(0..trial.steps);
    let mut stormy = Run::new(trial, NUM_ENVS, 0)?;
    let mask: Vec<bool> = (0..NUM_ENVS).map(|env| env % 3 == 1).collect();
    let mut digests = vec![SEED; NUM_ENVS];
    for step in 0..trial.steps {
        if step % 4 == 2 {
            stormy.reset(&mask);
        }
        stormy.step(step, &mut digests);
    }
    for env in (0..NUM_ENVS).filter(|&env| !mask[env]) {
        compare("the neighbour of resets", &calm[env..=env], &digests[env..=env])
            .map_err(|why| format!("{why} (environment {env})"))?;
    }
    Ok(format!("{NUM_ENVS} environments after a reset, {} steps", trial.steps))
}

/// Digests of all environments after a run: for comparing engines with each other.
///
/// # Errors
/// What `build` says.
pub fn digests(trial: &Trial<'_>, num_envs: usize) -> Result<Vec<u64>, String> {
    Ok(Run::new(trial, num_envs, 0)?.digests(0..trial.steps))
}

fn compare(what: &str, expected: &[u64], found: &[u64]) -> Result<(), String> {
    match expected.iter().zip(found).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(env) => Err(format!("{what} gave other bits, first in environment {env} of {}", expected.len())),
    }
}

/// A batch under random controls.
struct Run<'a> {
    trial: &'a Trial<'a>,
    /// Environment `i` starts and is driven as environment `first_env + i`.
    first_env: usize,
    executor: Box<dyn Executor>,
    state: BatchState,
    ctrl: Field,
    parameters: EnvParameters,
}

/// Start of a digest (FNV-1a, 64 bits).
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

impl<'a> Run<'a> {
    fn new(trial: &'a Trial<'a>, num_envs: usize, first_env: usize) -> Result<Self, String> {
        let mut run = Self {
            executor: (trial.build)(num_envs)?,
            state: BatchState::new(trial.model, num_envs),
            ctrl: Field::zeros(trial.model.actuators.len(), num_envs),
            parameters: EnvParameters::identity(trial.model, num_envs),
            trial,
            first_env,
        };
        run.start();
        Ok(run)
    }

    fn rng(&self, env: usize, stream: u32) -> EnvRng {
        EnvRng::new(17, (self.first_env + env) as u32, 0, stream)
    }

    fn start(&mut self) {
        self.reset(&vec![true; self.executor.num_envs()]);
    }

    fn reset(&mut self, mask: &[bool]) {
        let model = self.trial.model;
        let num_envs = self.executor.num_envs();
        let mut qpos = Field::zeros(model.num_qpos(), num_envs);
        let mut qvel = Field::zeros(model.num_dofs(), num_envs);
        for env in 0..num_envs {
            let mut rng = self.rng(env, STARTS);
            let mut q = self.trial.start.to_vec();
            for joint in model.joints.iter().filter(|j| j.kind == JointKind::Revolute) {
                q[joint.qpos_index] += rng.uniform(-0.1, 0.1) as f32;
            }
            qpos.set_column(env, q);
            qvel.set_column(env, (0..model.num_dofs()).map(|_| rng.uniform(-0.5, 0.5) as f32));
            // Parameters and delays differ too.
            self.parameters.mass_scale.set_column(
                env,
                (0..model.bodies.len()).map(|_| rng.uniform(0.9, 1.1) as f32).collect::<Vec<_>>(),
            );
            self.parameters.friction_scale.set(0, env, rng.uniform(0.5, 1.0) as f32);
            let delays = (0..model.actuators.len()).map(|_| rng.uniform(0.0, 3.0).floor() as f32);
            self.parameters.delay.set_column(env, delays.collect::<Vec<_>>());
        }
        self.executor.reset(mask, &qpos, &qvel, &self.parameters, &mut self.state);
    }

    /// Steps through `steps`, and what every number was.
    fn digests(&mut self, steps: std::ops::Range<usize>) -> Vec<u64> {
        let mut digests = vec![SEED; self.executor.num_envs()];
        for step in steps {
            self.step(step, &mut digests);
        }
        digests
    }

    fn step(&mut self, step: usize, digests: &mut [u64]) {
        for env in 0..digests.len() {
            let mut rng = self.rng(env, CONTROLS).at(step as u32 * 256);
            for (a, actuator) in self.trial.model.actuators.iter().enumerate() {
                let [low, high] = actuator.ctrl_range.unwrap_or([-1.0, 1.0]);
                self.ctrl.set(a, env, rng.uniform(low, high) as f32);
            }
        }
        let faults = self.executor.step(&self.ctrl, &mut self.state);
        let fold = |digest: u64, bits: u32| (digest ^ u64::from(bits)).wrapping_mul(0x0000_0100_0000_01b3);
        for fault in faults {
            digests[fault.env] = fold(digests[fault.env], fault.cause as u32 + 1);
        }
        let s = &self.state;
        for field in [
            &s.qpos,
            &s.qvel,
            &s.body_position,
            &s.body_rotation,
            &s.body_linear_velocity,
            &s.body_angular_velocity,
            &s.actuator_force,
            &s.contact_force,
            &s.sensors,
        ] {
            for row in 0..field.num_rows() {
                for (digest, value) in digests.iter_mut().zip(field.row(row)) {
                    *digest = fold(*digest, value.to_bits());
                }
            }
        }
    }
}
