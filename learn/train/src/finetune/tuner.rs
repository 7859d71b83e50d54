//! The loop's body: a gradient step on demonstrations, and everything needed to continue bit for bit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::{Checkpoint, Delta, Weights};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::augment::Augment;
use super::data::{Batch, Change, Demonstrations, Split, Surroundings, frames_of_step};
use super::draws::Draws;
use super::learned::Learned;
use super::optimizer::Optimizer;
use super::probe;
use super::spec::FineTuneSpec;
use crate::TrainError;
use crate::agent::read;
use crate::device::Device;

/// Frames that a thread of the CPU works on at a time. Fixed, so that sums have the same order on any machine.
const SHARD: usize = 8;
/// Most held-out frames of a validation, evenly spaced over all of them.
const VALIDATION_FRAMES: usize = 256;
/// Counter of the noise of validations, which is the same each time; training steps never get there.
const VALIDATION: u64 = 1 << 63;
/// Counters in a saved state (postcard).
const STATE_FILE: &str = "finetune.bin";
/// Version of [`STATE_FILE`].
const STATE_VERSION: u32 = 1;

/// How far off a model is.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// Mean squared error of the velocity.
    pub flow: f64,
    /// Mean squared error of each number that the probe tells, in squares of its deviation; empty without a probe.
    pub probe: Vec<f64>,
}

impl Losses {
    /// Mean over what the probe tells; `None` without a probe.
    pub fn of_probe(&self) -> Option<f64> {
        let count = self.probe.len();
        (count > 0).then(|| self.probe.iter().sum::<f64>() / count as f64)
    }
}

/// What happened in a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Before the step.
    pub loss: Losses,
    /// Norm of the gradient before it was limited.
    pub grad_norm: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Wall time \[s\].
    pub secs: f64,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    version: u32,
    seed: u64,
    steps: u64,
}

/// A model that learns from demonstrations.
pub struct FineTuner {
    start: Checkpoint,
    spec: FineTuneSpec,
    seed: u64,
    device: Device,
    data: Arc<dyn Demonstrations>,
    /// Places of the policy's cameras among those of the data.
    cameras: Vec<usize>,
    split: Split,
    learned: Learned,
    /// Of what a probe tells; `None` where there is none.
    surroundings: Option<Surroundings>,
    optimizer: Optimizer,
}

impl FineTuner {
    /// A run from the policy `start`, whose tensors are on `device`.
    ///
    /// # Errors
    /// A number of the spec out of range; demonstrations that do not fit the policy.
    pub fn new(
        start: Checkpoint,
        data: Arc<dyn Demonstrations>,
        spec: FineTuneSpec,
        seed: u64,
        device: Device,
    ) -> Result<Self, TrainError> {
        spec.validate()?;
        let cameras = places(&start, data.as_ref())?;
        let split = Split::new(&data.episodes(), spec.validation, seed)?;
        let surroundings = data.surroundings().filter(|_| spec.probe > 0.0);
        let probed = surroundings.as_ref().map_or(0, |of| of.mean.len());
        let learned = Learned::new(&spec, &start.sizes, start.weights.specs(), probed);
        let optimizer = Optimizer::new(&learned.initial(&start.weights, seed), device.tensors());
        Ok(Self { start, spec, seed, device, data, cameras, split, learned, surroundings, optimizer })
    }

    /// One gradient step.
    ///
    /// # Errors
    /// A frame that cannot be read; a loss that is not finite.
    pub fn step(&mut self) -> Result<StepReport, TrainError> {
        let started = Instant::now();
        let step = self.optimizer.steps;
        let frames = frames_of_step(&self.split, &self.spec, self.seed, step);
        let augment = Augment { shift: self.spec.augment_shift, colour: self.spec.augment_colour };
        let images = Stream::new(self.seed, Purpose::Images);
        let chunk = self.start.sizes.chunk;
        let shards = self.shards(frames.len());
        let work = |range: std::ops::Range<usize>| {
            let first = range.start;
            let change = Change { augment, stream: &images, step, first };
            let batch = Batch::read(self.data.as_ref(), &self.cameras, &frames[range], chunk, Some(change))?;
            self.gradient(&batch, step, first)
        };
        let parts: Vec<Part> = shards.into_par_iter().map(work).collect::<Result<_, TrainError>>()?;
        let count: usize = parts.iter().map(|part| part.count).sum();
        let loss = mean(parts.iter().map(|part| (&part.loss, part.count)));
        let mut gradient: Option<Tensor<1>> = None;
        for part in parts {
            // Each part is a mean over its own actions; together they are the mean over all.
            let share = part.count as f64 / count.max(1) as f64;
            let part = part.gradient * share;
            gradient = Some(match gradient {
                Some(sum) => sum + part,
                None => part,
            });
        }
        let learning_rate = self.spec.learning_rate_at(step);
        let norm = match gradient {
            Some(gradient) => f64::from(self.optimizer.step(gradient, &self.spec).into_scalar::<f32>()),
            None => 0.0,
        };
        if !(loss.flow.is_finite() && loss.of_probe().is_none_or(f64::is_finite) && norm.is_finite()) {
            return Err(TrainError::Diverged { iteration: step });
        }
        let secs = started.elapsed().as_secs_f64();
        Ok(StepReport { step: self.optimizer.steps, loss, grad_norm: norm, learning_rate, secs })
    }

    /// On the CPU, whose tensors are computed by one thread each, several parts side by side; elsewhere one.
    fn shards(&self, frames: usize) -> Vec<std::ops::Range<usize>> {
        let size = if self.device.is_gpu() { frames.max(1) } else { SHARD };
        (0..frames).step_by(size).map(|start| start..(start + size).min(frames)).collect()
    }

    /// Loss and gradient of some frames; the first has number `first` in its step.
    fn gradient(&self, batch: &Batch, step: u64, first: usize) -> Result<Part, TrainError> {
        let leaves = self.learned.cut(&self.optimizer.parameters).leaves(|_| true);
        let (flow, probe) = self.losses(&leaves, batch, step, first)?;
        let loss = values(flow.clone().inner(), probe.clone().map(Tensor::inner));
        let sum = match probe {
            Some(probe) => flow + probe.mean() * self.spec.probe,
            None => flow,
        };
        let mut gradients = sum.backward();
        let flat = self.learned.specs().iter().map(|spec| {
            let leaf = leaves.get(&spec.name);
            let gradient =
                leaf.grad_remove(&mut gradients).unwrap_or_else(|| leaf.clone().inner().zeros_like());
            gradient.reshape([spec.num_elements()])
        });
        Ok(Part { loss, gradient: Tensor::cat(flat.collect(), 0), count: batch.num_actions() })
    }

    /// Error of the velocity `[1]`, a mean over the draws of noise and time, and of the probe `[numbers]`.
    fn losses(
        &self,
        learned: &Weights,
        batch: &Batch,
        step: u64,
        first: usize,
    ) -> Result<(Tensor<1>, Option<Tensor<1>>), TrainError> {
        let model = self.start.model(&self.learned.weights(&self.start.weights, learned))?;
        let instructions: Vec<&str> = batch.instructions.iter().map(AsRef::as_ref).collect();
        let inputs = self.start.inputs(&batch.views(), &instructions, &batch.states)?;
        let memory = model.remember(model.embed_prefix(&inputs));
        let actions = self.actions(batch)?;
        let [frames, chunk, dims] = actions.dims();
        let draws = Draws::new(self.seed, self.spec.draws, step);
        let all =
            || (0..frames).flat_map(|frame| (0..self.spec.draws).map(move |draw| (first + frame, draw)));
        let noise: Vec<f32> =
            all().flat_map(|(frame, draw)| draws.noise(frame, draw, chunk * dims)).collect();
        let noise = TensorData::new(noise, [frames, self.spec.draws * chunk, dims]);
        let noise = Tensor::from_data(noise, self.device.tensors());
        let time: Vec<f32> = all().map(|(frame, draw)| draws.time(frame, draw)).collect();
        let probe = self.surroundings.as_ref().map(|of| {
            let mut truth = batch.surroundings.clone();
            of.apply(&mut truth);
            let errors = probe::errors(learned, memory.state.clone(), truth);
            // A frame counts as its actions do.
            let actions = |padded: &Vec<bool>| padded.iter().filter(|&&padded| !padded).count() as f32;
            let counts: Vec<f32> = batch.padded.iter().map(actions).collect();
            let counts = TensorData::new(counts, [frames]);
            let counts = Tensor::<1>::from_data(counts, self.device.tensors()).unsqueeze_dim::<2>(1);
            (errors * counts).sum_dim(0).squeeze_dim::<1>(0) / batch.num_actions().max(1) as f64
        });
        let errors = model.errors_from(&memory, actions, noise, &time);
        Ok((model.loss(errors, &batch.padded), probe))
    }

    /// Actions normalised and padded with zeros `[batch, chunk, max_action_dim]`.
    fn actions(&self, batch: &Batch) -> Result<Tensor<3>, TrainError> {
        let mut actions = batch.actions.clone();
        self.start.action_scale()?.apply(&mut actions);
        let (dims, width, chunk) =
            (self.start.config.action_dim(), self.start.sizes.action, self.start.sizes.chunk);
        let padded = actions
            .chunks_exact(dims)
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, width - dims)));
        let data = TensorData::new(padded.collect::<Vec<f32>>(), [batch.len(), chunk, width]);
        Ok(Tensor::from_data(data, self.device.tensors()))
    }

    /// Loss of the mean parameters on held-out frames, always the same and with the same noise; `None` where nothing
    /// is held out.
    ///
    /// # Errors
    /// A frame that cannot be read.
    pub fn validate(&self) -> Result<Option<Losses>, TrainError> {
        let all = &self.split.validation;
        if all.is_empty() {
            return Ok(None);
        }
        let count = all.len().min(VALIDATION_FRAMES);
        let frames: Vec<usize> = (0..count).map(|i| all[i * all.len() / count]).collect();
        let learned = self.learned.cut(&self.optimizer.mean);
        let work = |range: std::ops::Range<usize>| {
            let first = range.start;
            let chunk = self.start.sizes.chunk;
            let batch = Batch::read(self.data.as_ref(), &self.cameras, &frames[range], chunk, None)?;
            let (flow, probe) = self.losses(&learned, &batch, VALIDATION, first)?;
            Ok((values(flow, probe), batch.num_actions()))
        };
        let parts: Vec<(Losses, usize)> =
            self.shards(count).into_par_iter().map(work).collect::<Result<_, TrainError>>()?;
        Ok(Some(mean(parts.iter().map(|(losses, count)| (losses, *count)))))
    }

    /// The whole model's weights, learned ones by their mean.
    pub fn weights(&self) -> Weights {
        self.learned.weights(&self.start.weights, &self.learned.cut(&self.optimizer.mean))
    }

    /// The policy as it is now.
    pub fn policy(&self) -> Checkpoint {
        Checkpoint { weights: self.weights(), ..self.start.clone() }
    }

    /// What was learned on top of the base with that SHA-256, where low-rank factors are learned.
    pub fn delta(&self, base_sha256: &str) -> Option<Delta> {
        let rank = self.learned.lora()?;
        let factors = self.learned.cut_model(&self.optimizer.mean);
        Some(Delta { rank, base_sha256: base_sha256.to_owned(), factors })
    }

    /// The policy the run began with.
    pub fn start(&self) -> &Checkpoint {
        &self.start
    }

    /// Where learning computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Hyperparameters.
    pub fn spec(&self) -> &FineTuneSpec {
        &self.spec
    }

    /// What the probe tells, by name; empty without a probe.
    pub fn probed(&self) -> &[String] {
        self.surroundings.as_ref().map_or(&[], |of| &of.names)
    }

    /// What is learned.
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Frames learned from and held out.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.optimizer.steps
    }

    /// Whether all steps of the spec are done.
    pub fn is_finished(&self) -> bool {
        self.optimizer.steps >= self.spec.steps
    }

    /// Whether `every` steps have passed, or all are done.
    pub fn is_time_for(&self, every: u64) -> bool {
        let steps = self.optimizer.steps;
        self.is_finished() || (every > 0 && steps > 0 && steps.is_multiple_of(every))
    }

    /// Everything needed to continue bit for bit on the CPU device, as named files.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn state(&self) -> Result<BTreeMap<String, Vec<u8>>, TrainError> {
        let progress = Progress { version: STATE_VERSION, seed: self.seed, steps: self.optimizer.steps };
        let progress =
            postcard::to_stdvec(&progress).map_err(|error| TrainError::state(STATE_FILE, error))?;
        let mut files = BTreeMap::from([(STATE_FILE.to_owned(), progress)]);
        for (name, flat) in self.tensors() {
            files.insert(name.to_owned(), self.learned.cut(flat).to_bytes(&[])?);
        }
        Ok(files)
    }

    /// Continues from what [`FineTuner::state`] gave to a run of the same start, data, spec and seed.
    ///
    /// # Errors
    /// A part that is missing, or of another run.
    pub fn restore(&mut self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), TrainError> {
        let file = |name: &str| files.get(name).ok_or_else(|| TrainError::state(name, "missing"));
        let progress: Progress =
            postcard::from_bytes(file(STATE_FILE)?).map_err(|error| TrainError::state(STATE_FILE, error))?;
        if progress.version != STATE_VERSION || progress.seed != self.seed {
            let message = format!(
                "version {} and seed {}; this run reads version {STATE_VERSION} and has seed {}",
                progress.version, progress.seed, self.seed
            );
            return Err(TrainError::state(STATE_FILE, message));
        }
        let specs = self.learned.specs();
        let mut flat = Vec::new();
        for (name, _) in self.tensors() {
            let weights = Weights::from_bytes(name, file(name)?, specs, self.device.tensors())?;
            flat.push(weights.to_flat(specs));
        }
        let vector = |data: &Vec<f32>| {
            Tensor::<1>::from_data(TensorData::new(data.clone(), [data.len()]), self.device.tensors())
        };
        self.optimizer = Optimizer {
            parameters: vector(&flat[0]),
            mean: vector(&flat[1]),
            moment_1: vector(&flat[2]),
            moment_2: vector(&flat[3]),
            steps: progress.steps,
        };
        Ok(())
    }

    /// The optimiser's tensors by file.
    fn tensors(&self) -> [(&'static str, &Tensor<1>); 4] {
        [
            ("learned.safetensors", &self.optimizer.parameters),
            ("mean.safetensors", &self.optimizer.mean),
            ("moment_1.safetensors", &self.optimizer.moment_1),
            ("moment_2.safetensors", &self.optimizer.moment_2),
        ]
    }

    /// The parameters as they are, for tests of equality.
    pub fn parameters(&self) -> Vec<f32> {
        read(self.optimizer.parameters.clone())
    }
}

/// Loss and gradient of a part of a batch.
struct Part {
    loss: Losses,
    /// `[num_parameters]`.
    gradient: Tensor<1>,
    /// Actions that count.
    count: usize,
}

/// The numbers of two losses.
fn values(flow: Tensor<1>, probe: Option<Tensor<1>>) -> Losses {
    let probe = probe.map(|probe| probe.into_data().iter::<f64>().collect()).unwrap_or_default();
    Losses { flow: f64::from(flow.into_scalar::<f32>()), probe }
}

/// Mean of losses over their actions.
fn mean<'a>(parts: impl Iterator<Item = (&'a Losses, usize)> + Clone) -> Losses {
    let actions: usize = parts.clone().map(|(_, count)| count).sum();
    let shares = parts.map(|(loss, count)| (loss, count as f64 / actions.max(1) as f64));
    let numbers = shares.clone().map(|(loss, _)| loss.probe.len()).next().unwrap_or(0);
    let probe = |k: usize| shares.clone().map(|(loss, share)| loss.probe[k] * share).sum();
    Losses {
        flow: shares.clone().map(|(loss, share)| loss.flow * share).sum(),
        probe: (0..numbers).map(probe).collect(),
    }
}

/// Where the data has the policy's cameras.
fn places(policy: &Checkpoint, data: &dyn Demonstrations) -> Result<Vec<usize>, TrainError> {
    let refuse = |message: String| TrainError::FineTune { what: "dataset".into(), message };
    let there = data.cameras();
    let config = &policy.config;
    let dims = data.dims();
    if dims != [config.state_dim(), config.action_dim()] {
        return Err(refuse(format!(
            "states of {} and actions of {} numbers; the policy has {} and {}",
            dims[0],
            dims[1],
            config.state_dim(),
            config.action_dim()
        )));
    }
    let find = |name: &str| there.iter().position(|(camera, _)| camera == name);
    let names = || there.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    config
        .cameras()
        .map(|name| {
            find(name).ok_or_else(|| {
                refuse(format!("no camera `{name}`, which the policy looks through; there are: {}", names()))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
