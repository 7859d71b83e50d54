//! The loop: collect, learn, report; and everything needed to continue it bit for bit.

use crate::TrainError;
use crate::agent::{self, Forward, View};
use crate::device::Device;
use crate::eval::EvalReport;
use crate::observed::DeviceImages;
use crate::ppo::{Learner, UpdateReport};
use crate::rollout::{Collector, Rollout};
use burn::tensor::{Tensor, TensorData};
use keiko_env::VecEnv;
use keiko_model::TrainSpec;
use keiko_policy::policy::{CONFIG_FILE, WEIGHTS_FILE};
use keiko_policy::shape::{from_safetensors, to_safetensors};
use keiko_policy::{NetworkShape, Policy, RunningNormalizer, TensorSlot};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Optimiser state in a saved state.
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Environment in a saved state.
const ENV_FILE: &str = "env.bin";
/// Counters, normalisers and recent episodes in a saved state (postcard).
const TRAINER_FILE: &str = "trainer.bin";
/// Version of [`TRAINER_FILE`].
const STATE_VERSION: u32 = 2;
/// Episodes that reported means run over, as in rsl_rl.
const WINDOW: usize = 100;

/// What happened in an iteration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IterationReport {
    /// Iterations done, this one included.
    pub iteration: u64,
    /// Control steps done in all environments together.
    pub env_steps: u64,
    /// Mean return of the last 100 episodes; `None` before the first end of one.
    pub mean_return: Option<f64>,
    /// Mean length of the last 100 episodes \[control steps\].
    pub mean_length: Option<f64>,
    /// Share of successes in the last 100 episodes, where the task has a success condition.
    pub success_rate: Option<f64>,
    /// Episodes that ended in this iteration.
    pub episodes: usize,
    /// Loss terms and gradient norm.
    pub update: UpdateReport,
    /// Learning rate after the iteration.
    pub learning_rate: f64,
    /// Mean standard deviation of the actions.
    pub mean_std: f64,
    /// Mean of each weighted reward term per episode that ended in this iteration, by name.
    pub reward_terms: Named,
    /// Share of the episodes that ended in this iteration by each termination, `time_out` last.
    pub terminations: Named,
    /// Environments that broke and were reset, since the start.
    pub faults: u64,
    /// Wall time of stepping and acting \[s\].
    pub collection_secs: f64,
    /// Wall time of learning \[s\].
    pub learning_secs: f64,
    /// Control steps per second of this iteration, all environments together.
    pub steps_per_sec: f64,
}

impl IterationReport {
    /// Scalars under the names that rsl_rl and Isaac Lab use.
    pub fn scalars(&self) -> Named {
        let mut scalars: Named = [
            ("Loss/surrogate", self.update.surrogate),
            ("Loss/value", self.update.value),
            ("Loss/entropy", self.update.entropy),
            ("Loss/learning_rate", self.learning_rate),
            ("Loss/kl", self.update.kl),
            ("Loss/clip_fraction", self.update.clip_fraction),
            ("Loss/grad_norm", self.update.grad_norm),
            ("Policy/mean_std", self.mean_std),
            ("Perf/total_fps", self.steps_per_sec),
            ("Perf/collection_time", self.collection_secs),
            ("Perf/learning_time", self.learning_secs),
            ("Perf/faults", self.faults as f64),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into();
        let optional = [
            ("Train/mean_reward", self.mean_return),
            ("Train/mean_episode_length", self.mean_length),
            ("Train/success_rate", self.success_rate),
        ];
        scalars
            .extend(optional.iter().filter_map(|(name, value)| value.map(|value| (name.to_string(), value))));
        scalars
            .extend(self.reward_terms.iter().map(|(name, value)| (format!("Episode_Reward/{name}"), *value)));
        let terminations = self.terminations.iter();
        scalars.extend(terminations.map(|(name, value)| (format!("Episode_Termination/{name}"), *value)));
        scalars
    }
}

/// Numbers under names.
pub type Named = Vec<(String, f64)>;

/// Return, length and success of a finished episode.
type Episode = (f64, u32, Option<bool>);

/// What continues across a stop, besides parameters and environment. Serialised with postcard: floats are
/// kept to the bit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    version: u32,
    seed: u64,
    iteration: u64,
    env_steps: u64,
    optimizer_steps: u64,
    learning_rate: f64,
    normalizers: [Option<RunningNormalizer>; 2],
    recent: VecDeque<Episode>,
}

/// A training run in memory.
pub struct Trainer {
    env: Box<dyn VecEnv>,
    spec: TrainSpec,
    seed: u64,
    device: Device,
    actor: View,
    critic: View,
    /// Where the images are, if the environment's output does not hold them.
    images: Option<Box<dyn DeviceImages>>,
    learner: Learner,
    /// The learner's parameters on the host.
    flat: Vec<f32>,
    iteration: u64,
    env_steps: u64,
    recent: VecDeque<Episode>,
}

impl Trainer {
    /// Starts a run: resets the environment and draws initial weights. `seed` decides both weights and noise;
    /// `spec.num_envs` is not read, the environment has its own number.
    pub fn new(env: Box<dyn VecEnv>, spec: TrainSpec, seed: u64, device: Device) -> Result<Self, TrainError> {
        Self::seeing(env, None, spec, seed, device)
    }

    /// The same of an environment whose images are not in its output, but there as tensors of the device.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn seeing(
        mut env: Box<dyn VecEnv>,
        images: Option<Box<dyn DeviceImages>>,
        spec: TrainSpec,
        seed: u64,
        device: Device,
    ) -> Result<Self, TrainError> {
        let spec = TrainSpec { num_envs: env.spec().num_envs, ..spec };
        let (actor, critic) = agent::views(env.spec(), spec.normalize_observations)?;
        spec.validate()?;
        let shape = agent::network_shape(&spec, &actor, &critic, env.spec().actions.len())?;
        let flat = agent::initial_parameters(&shape, &spec, seed);
        let learner = Learner::new(shape, &flat, spec.learning_rate, device.clone());
        env.reset(None);
        let recent = VecDeque::with_capacity(WINDOW);
        let (iteration, env_steps) = (0, 0);
        Ok(Self {
            env,
            spec,
            seed,
            device,
            actor,
            critic,
            images,
            learner,
            flat,
            iteration,
            env_steps,
            recent,
        })
    }

    /// Collects `horizon` steps and learns from them.
    pub fn iterate(&mut self) -> Result<IterationReport, TrainError> {
        let started = Instant::now();
        let mut seen = [&self.actor, &self.critic].map(|view| RunningNormalizer::new(view.num_numbers()));
        let rollout = self.collect(&mut seen);
        check_trust(self.env.as_ref())?;
        let rollout = rollout?;
        let collection_secs = started.elapsed().as_secs_f64();

        let started = Instant::now();
        let update = self.learner.update(&rollout, &self.spec, self.seed, self.iteration)?;
        self.flat = agent::read(self.learner.parameters.clone());
        if !self.flat.iter().all(|x| x.is_finite()) {
            return Err(TrainError::Diverged { iteration: self.iteration });
        }
        // Statistics change between iterations only: what was collected was seen, and is learned from, under one.
        for (view, seen) in [&mut self.actor, &mut self.critic].into_iter().zip(&seen) {
            if let Some(normalizer) = &mut view.normalizer {
                normalizer.merge(seen);
            }
        }
        let learning_secs = started.elapsed().as_secs_f64();

        self.iteration += 1;
        self.env_steps += rollout.num_samples() as u64;
        Ok(self.report(&rollout, update, collection_secs, learning_secs))
    }

    fn collect(&mut self, seen: &mut [RunningNormalizer; 2]) -> Result<Rollout, TrainError> {
        let shape = self.learner.shape();
        let collector = Collector {
            forward: &Forward::new(shape, &self.flat, &self.device),
            shape,
            log_std: &self.flat[shape.log_std()],
            spec: &self.spec,
            actor: &self.actor,
            critic: &self.critic,
            images: self.images.as_deref(),
            device: &self.device,
            seed: self.seed,
            iteration: self.iteration,
        };
        collector.collect(self.env.as_mut(), seen)
    }

    fn report(
        &mut self,
        rollout: &Rollout,
        update: UpdateReport,
        collection_secs: f64,
        learning_secs: f64,
    ) -> IterationReport {
        for end in &rollout.episodes {
            if self.recent.len() == WINDOW {
                self.recent.pop_front();
            }
            self.recent.push_back((end.return_sum, end.length, end.success));
        }
        let judged = || self.recent.iter().filter_map(|&(_, _, success)| success.map(f64::from));
        let (reward_terms, terminations) = self.by_name(rollout);
        IterationReport {
            iteration: self.iteration,
            env_steps: self.env_steps,
            mean_return: mean(self.recent.iter().map(|&(return_sum, ..)| return_sum)),
            mean_length: mean(self.recent.iter().map(|&(_, length, _)| f64::from(length))),
            success_rate: mean(judged()),
            episodes: rollout.episodes.len(),
            update,
            learning_rate: self.learner.learning_rate,
            mean_std: mean(rollout.log_std.iter().map(|&x| f64::from(x).exp())).unwrap_or(0.0),
            reward_terms,
            terminations,
            faults: self.env.num_faults(),
            collection_secs,
            learning_secs,
            steps_per_sec: rollout.num_samples() as f64 / (collection_secs + learning_secs).max(1e-9),
        }
    }

    /// Reward terms and terminations of the episodes that ended, under their names.
    fn by_name(&self, rollout: &Rollout) -> (Named, Named) {
        let (spec, ends) = (self.env.spec(), &rollout.episodes);
        if ends.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let count = ends.len() as f64;
        let term = |i: usize| ends.iter().filter_map(|end| end.reward_sums.get(i)).sum::<f64>() / count;
        let share =
            |by: Option<usize>| ends.iter().filter(|end| end.termination == by).count() as f64 / count;
        let rewards = spec.rewards.iter().enumerate().map(|(i, name)| (name.clone(), term(i))).collect();
        let named = spec.terminations.iter().enumerate().map(|(i, name)| (name.clone(), share(Some(i))));
        (rewards, named.chain([("time_out".to_string(), share(None))]).collect())
    }

    /// The policy as it is now.
    pub fn policy(&self) -> Result<Policy, TrainError> {
        agent::policy(self.env.spec(), &self.spec, self.learner.shape(), &self.actor, &self.flat)
    }

    /// Hyperparameters, with the environment's `num_envs`.
    pub fn spec(&self) -> &TrainSpec {
        &self.spec
    }

    /// The environment.
    pub fn env(&self) -> &dyn VecEnv {
        self.env.as_ref()
    }

    /// Where learning computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Iterations done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Control steps done in all environments together.
    pub fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// Whether all iterations of the spec are done.
    pub fn is_finished(&self) -> bool {
        self.iteration >= self.spec.iterations as u64
    }

    /// Whether the spec asks for an evaluation now: after the last iteration, and every `eval_every`.
    pub fn wants_evaluation(&self) -> bool {
        self.is_finished() || self.falls_on(self.spec.eval_every)
    }

    /// Whether the spec asks for a checkpoint now: after the last iteration, and every `checkpoint_every`.
    pub fn wants_checkpoint(&self) -> bool {
        self.is_finished() || self.falls_on(self.spec.checkpoint_every)
    }

    /// Whether the spec asks for a video now: every `video_every`, and after the last iteration if there are any.
    pub fn wants_video(&self) -> bool {
        let every = self.spec.video_every;
        every > 0 && (self.is_finished() || self.falls_on(every))
    }

    /// Whether what is done every `every` iterations, or never for 0, is due.
    fn falls_on(&self, every: usize) -> bool {
        every > 0 && self.iteration > 0 && self.iteration.is_multiple_of(every as u64)
    }

    /// Whether an evaluation is good enough to stop early: all targets that are set are reached.
    pub fn reached(&self, report: &EvalReport) -> bool {
        let returned = self.spec.stop_at_return.map(|target| report.mean_return >= target);
        let succeeded =
            self.spec.stop_at_success.map(|target| report.success_rate.is_some_and(|rate| rate >= target));
        let mut targets = returned.into_iter().chain(succeeded).peekable();
        targets.peek().is_some() && targets.all(|reached| reached)
    }

    /// Everything needed to continue bit for bit on the CPU device, as named files. `policy.safetensors` and
    /// `config.json` are also a policy that can be played.
    pub fn state(&self) -> Result<BTreeMap<String, Vec<u8>>, TrainError> {
        let progress = Progress {
            version: STATE_VERSION,
            seed: self.seed,
            iteration: self.iteration,
            env_steps: self.env_steps,
            optimizer_steps: self.learner.num_steps,
            learning_rate: self.learner.learning_rate,
            normalizers: [self.actor.normalizer.clone(), self.critic.normalizer.clone()],
            recent: self.recent.clone(),
        };
        let progress =
            postcard::to_stdvec(&progress).map_err(|error| TrainError::state(TRAINER_FILE, error))?;
        let slots = self.learner.shape().slots();
        let moments =
            [agent::read(self.learner.moment_1.clone()), agent::read(self.learner.moment_2.clone())].concat();
        let env = self.env.save().map_err(|error| TrainError::state(ENV_FILE, error))?;
        Ok(BTreeMap::from([
            (WEIGHTS_FILE.into(), to_safetensors(&slots, &self.flat)?),
            (CONFIG_FILE.into(), self.policy()?.config_json()?),
            (OPTIMIZER_FILE.into(), to_safetensors(&moment_slots(self.learner.shape()), &moments)?),
            (ENV_FILE.into(), env),
            (TRAINER_FILE.into(), progress),
        ]))
    }

    /// Continues from what [`Trainer::state`] gave to a run of the same task and spec. After an error the
    /// trainer must not be used.
    pub fn restore(&mut self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), TrainError> {
        let file = |name: &str| files.get(name).ok_or_else(|| TrainError::state(name, "missing"));
        let progress: Progress = postcard::from_bytes(file(TRAINER_FILE)?)
            .map_err(|error| TrainError::state(TRAINER_FILE, error))?;
        if progress.version != STATE_VERSION {
            let message = format!("version {}, this program reads {STATE_VERSION}", progress.version);
            return Err(TrainError::state(TRAINER_FILE, message));
        }
        agent::check_policy(&Policy::from_files(files)?, self.env.spec())?;
        for (view, saved) in [&self.actor, &self.critic].into_iter().zip(&progress.normalizers) {
            let sizes = |normalizer: &Option<RunningNormalizer>| {
                normalizer.as_ref().map(|normalizer| [normalizer.mean.len(), normalizer.m2.len()])
            };
            if sizes(saved) != sizes(&view.normalizer) {
                return Err(TrainError::state(TRAINER_FILE, "normalisers of other observations"));
            }
        }

        let shape = self.learner.shape().clone();
        let len = shape.num_parameters();
        let flat = from_safetensors(WEIGHTS_FILE, file(WEIGHTS_FILE)?, &shape.slots(), len)?;
        let moments =
            from_safetensors(OPTIMIZER_FILE, file(OPTIMIZER_FILE)?, &moment_slots(&shape), 2 * len)?;
        self.env.load(file(ENV_FILE)?).map_err(|error| TrainError::state(ENV_FILE, error))?;

        let vector = |data: &[f32]| {
            Tensor::from_data(TensorData::new(data.to_vec(), [data.len()]), self.device.tensors())
        };
        self.learner.parameters = vector(&flat);
        self.learner.moment_1 = vector(&moments[..len]);
        self.learner.moment_2 = vector(&moments[len..]);
        self.learner.num_steps = progress.optimizer_steps;
        self.learner.learning_rate = progress.learning_rate;
        self.flat = flat;
        let [actor, critic] = progress.normalizers;
        (self.actor.normalizer, self.critic.normalizer) = (actor, critic);
        (self.seed, self.iteration, self.env_steps) = (progress.seed, progress.iteration, progress.env_steps);
        self.recent = progress.recent;
        Ok(())
    }
}

/// Refuses to go on with an environment whose output is no longer what it should be.
pub(crate) fn check_trust(env: &dyn VecEnv) -> Result<(), TrainError> {
    match env.failure() {
        Some(failure) => Err(TrainError::Device(failure.to_owned())),
        None => Ok(()),
    }
}

/// Adam's two moments, one after the other, as tensors named after the parameters.
fn moment_slots(shape: &NetworkShape) -> Vec<TensorSlot> {
    let len = shape.num_parameters();
    let moment = |number: usize| {
        shape.slots().into_iter().map(move |slot| TensorSlot {
            name: format!("moment_{}.{}", number + 1, slot.name),
            shape: slot.shape,
            range: slot.range.start + number * len..slot.range.end + number * len,
        })
    };
    moment(0).chain(moment(1)).collect()
}

/// Mean, or `None` of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}
