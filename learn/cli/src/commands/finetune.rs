//! `keiko finetune`: a vision-language-action policy learns from demonstrations.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use keiko_data::Dataset;
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_policy::vla::Preset;
use keiko_train::CheckpointStore;
use keiko_train::finetune::data::Demonstrations;
use keiko_train::finetune::dir::{FineTuneRun, Trial, read_run};
use keiko_train::finetune::provenance::{DataRecord, FileRecord};
use keiko_train::finetune::start::{Origin, start};
use keiko_train::finetune::{
    FineTuneDir, FineTuneSpec, FineTuner, Learn, Losses, Mixture, Provenance, StepReport,
};
use keiko_train::metrics::MetricsLog;
use keiko_train::progress::{Progress, ProgressMode, ProgressUpdate};

use super::eval_policy::Scenario;
use super::run_files::{CPU_SECONDS, describe_report};
use super::train::{info, open_device};
use crate::args::{FineTune, LearnArg};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::{Output, complain};
use crate::signals::Signals;

/// Checkpoints kept of a run.
const KEEP_CHECKPOINTS: usize = 2;
/// Steps between two lines of `metrics.jsonl`.
const LOG_EVERY: u64 = 10;
/// Environments that share the episodes of a trial, at most.
const MOST_ENVS: usize = 64;

/// A run and everything it writes to.
struct Run {
    dir: FineTuneDir,
    tuner: FineTuner,
    checkpoints: CheckpointStore,
    metrics: MetricsLog,
    progress: Progress,
    trial: Option<(Trial, TaskSpec)>,
}

/// Runs the command.
pub fn run(args: &FineTune, output: &mut Output) -> CommandResult {
    let signals = Signals::listen()?;
    let mut run = match &args.resume {
        Some(path) => resume(path, args, output)?,
        None => begin(args, output)?,
    };
    let interrupted = run.train(&signals, output)?;
    run.progress.finish();
    let steps = run.tuner.steps();
    output.set("steps", steps);
    output.set("run_dir", run.dir.path().display().to_string());
    let folder = run.dir.path().display().to_string();
    if let Some(code) = interrupted {
        output.say(format!("stopped after step {steps}; go on with: keiko finetune --resume {folder}"));
        return Ok(code);
    }
    let loss = run.tuner.validate()?;
    let policy = run.export()?;
    output.set("validation_loss", serde_json::json!(loss.as_ref().map(|loss| loss.flow)));
    output.set("validation_probe", serde_json::json!(loss.as_ref().and_then(Losses::of_probe)));
    output.set("policy", policy.clone());
    output.set("parameters", run.tuner.start().weights.num_parameters());
    output.set("learned_parameters", run.tuner.learned().num_parameters());
    let held_out = loss.map(|loss| format!(", {}", held_out(&loss))).unwrap_or_default();
    output.say(format!(
        "{steps} steps in {:.1} s ({:.1} CPU-seconds){held_out}\nthe policy is in {policy}",
        output.wall_seconds(),
        output.cpu_seconds()
    ));
    Ok(Code::Done)
}

/// A new run.
fn begin(args: &FineTune, output: &Output) -> CommandResult<Run> {
    if args.datasets.is_empty() {
        return Err(anyhow::anyhow!("a dataset is needed")).or_exit(Code::Usage);
    }
    let out = args.out.as_deref().context("--out is needed").or_exit(Code::Usage)?;
    if read_run(out).is_ok() {
        let error =
            anyhow::anyhow!("{0} holds a run; go on with it: keiko finetune --resume {0}", out.display());
        return Err(error).or_exit(Code::Usage);
    }
    let spec = spec_of(args);
    spec.validate()?;
    let trial = args.task.as_ref().map(|scene| Trial {
        scene: scene.clone(),
        every: args.eval_every,
        episodes: args.eval_episodes,
    });
    load_trial(trial.as_ref())?;
    let sets = Sets::open(&args.datasets)?;
    let data = Mixture::new(sets.demonstrations())?;
    let device = open_device(args.device, output)?;
    let origin = match &args.base {
        Some(folder) => Origin::Base { folder, new_robot: args.new_robot },
        None => Origin::Scratch { size: args.size.unwrap_or(Preset::Nano), cameras: &args.cameras },
    };
    let (policy, base) = start(&origin, &data, args.seed, &device)?;
    let robot = data.robot();
    let tuner = FineTuner::new(policy, Arc::new(data), spec.clone(), args.seed, device)?;
    let record = sets.records(&tuner.split().held_out)?;
    let size = args.base.is_none().then(|| args.size.unwrap_or(Preset::Nano).name().to_owned());
    let started = info(args.seed, tuner.device());
    let provenance = Provenance::new(base, record, size, spec.clone(), started);
    let absolute = args.datasets.iter().map(std::path::absolute);
    let datasets = absolute.collect::<Result<_, _>>().or_exit(Code::Machine)?;
    let run = FineTuneRun { datasets, seed: args.seed, spec, trial };
    let dir = FineTuneDir::create(out, run, provenance, robot, tuner.start())?;
    assemble(dir, tuner, None, output)
}

/// A run that goes on from its newest intact checkpoint.
fn resume(path: &Path, args: &FineTune, output: &Output) -> CommandResult<Run> {
    let dir = FineTuneDir::resume(path)?;
    let FineTuneRun { datasets, seed, spec, .. } = dir.run().clone();
    let sets = Sets::open(if args.datasets.is_empty() { &datasets } else { &args.datasets })?;
    let data = Mixture::new(sets.demonstrations())?;
    dir.provenance().check_data(&sets.files()?)?;
    let device = open_device(args.device, output)?;
    let policy = dir.start(&device)?;
    let mut tuner = FineTuner::new(policy, Arc::new(data), spec, seed, device)?;
    let latest = dir.checkpoints(KEEP_CHECKPOINTS)?.load_latest()?;
    for refused in &latest.refused {
        complain(format!("warning: {refused}"));
    }
    // A run that was killed before its first checkpoint goes on from its beginning.
    if let Some(checkpoint) = &latest.checkpoint {
        tuner.restore(&checkpoint.files)?;
    }
    output.say(format!("resumed at step {}", tuner.steps()));
    let step = tuner.steps();
    assemble(dir, tuner, Some(step), output)
}

fn assemble(dir: FineTuneDir, tuner: FineTuner, resumed: Option<u64>, output: &Output) -> CommandResult<Run> {
    let mut checkpoints = dir.checkpoints(KEEP_CHECKPOINTS)?;
    if let Some(step) = resumed {
        checkpoints.discard_after(step)?;
    }
    let metrics = dir.metrics(resumed)?;
    let mode = ProgressMode::choose(output.json(), std::io::stderr().is_terminal());
    let spec = tuner.spec();
    let samples = tuner.steps() * spec.batch as u64;
    let progress = Progress::new(Box::new(std::io::stderr()), mode, spec.steps, tuner.steps(), samples);
    let split = tuner.split();
    output.say(format!(
        "{} of {} parameters learn from {} frames; {} frames of {} episodes are held out",
        tuner.learned().num_parameters(),
        tuner.start().weights.num_parameters(),
        split.training.len(),
        split.validation.len(),
        split.held_out.len()
    ));
    let trial = load_trial(dir.run().trial.as_ref())?;
    Ok(Run { dir, tuner, checkpoints, metrics, progress, trial })
}

impl Run {
    /// Steps until done or interrupted; then everything is saved.
    fn train(&mut self, signals: &Signals, output: &Output) -> CommandResult<Option<Code>> {
        while !self.tuner.is_finished() {
            let report = self.tuner.step()?;
            let spec = self.tuner.spec();
            let (validate, save) = (spec.validate_every, spec.checkpoint_every);
            let validation = match self.tuner.is_time_for(validate) {
                true => self.tuner.validate()?,
                false => None,
            };
            let success = self.try_out()?;
            let told = validation.is_some() || success.is_some();
            if told || report.step % LOG_EVERY == 0 || self.tuner.is_finished() {
                self.log(&report, validation, success, output);
            }
            let interrupted = signals.received();
            if interrupted.is_some() || self.tuner.is_time_for(save) {
                self.save_checkpoint()?;
            }
            if interrupted.is_some() {
                return Ok(interrupted);
            }
        }
        Ok(None)
    }

    /// Success rate in the scene of the trial, when it is time for one.
    fn try_out(&mut self) -> CommandResult<Option<f64>> {
        let Some((Trial { every, episodes, .. }, task)) = &self.trial else { return Ok(None) };
        if !self.tuner.is_time_for(*every) {
            return Ok(None);
        }
        let (episodes, seed) = (*episodes, self.dir.run().seed);
        let scenario = Scenario {
            task,
            episodes,
            num_envs: episodes.min(MOST_ENVS),
            seed,
            shuffled: false,
            device: self.tuner.device().into(),
        };
        let report = scenario.play(self.tuner.policy(), Some(self.dir.robot()))?;
        self.progress.message(&format!("step {}: {}", self.tuner.steps(), describe_report(&report)));
        Ok(report.success_rate)
    }

    fn log(
        &mut self,
        report: &StepReport,
        validation: Option<Losses>,
        success: Option<f64>,
        output: &Output,
    ) {
        let samples = report.step * self.tuner.spec().batch as u64;
        let mut scalars = vec![
            ("Loss/flow", report.loss.flow),
            ("Loss/grad_norm", report.grad_norm),
            ("Loss/learning_rate", report.learning_rate),
            ("Perf/step_time", report.secs),
            (CPU_SECONDS, output.cpu_seconds()),
        ];
        scalars.extend(report.loss.of_probe().map(|loss| ("Loss/probe", loss)));
        scalars.extend(validation.as_ref().map(|loss| ("Eval/flow", loss.flow)));
        let names: Vec<String> =
            self.tuner.probed().iter().map(|name| format!("Eval/probe/{name}")).collect();
        if let Some(validation) = &validation {
            scalars.extend(names.iter().map(String::as_str).zip(validation.probe.iter().copied()));
        }
        scalars.extend(success.map(|rate| ("Eval/success_rate", rate)));
        self.metrics.append(report.step, &scalars);
        if let Some(warning) = self.metrics.take_warning() {
            self.progress.message(&warning);
        }
        if let Some(loss) = &validation {
            self.progress.message(&format!("step {}: {}", report.step, held_out(loss)));
        }
        let shown = [("loss", report.loss.flow), ("norm", report.grad_norm), ("rate", report.learning_rate)];
        self.progress.update(&ProgressUpdate { iteration: report.step, env_steps: samples, scalars: &shown });
    }

    /// A disk that is full now may not be later: a failed checkpoint is a warning, older ones stay.
    fn save_checkpoint(&mut self) -> CommandResult<()> {
        let step = self.tuner.steps();
        let mut files = self.tuner.state()?;
        let name = keiko_train::finetune::provenance::PROVENANCE_FILE;
        files.insert(name.to_owned(), self.dir.provenance_at(step)?);
        if let Err(error) = self.checkpoints.save(step, &files) {
            if self.tuner.is_finished() {
                return Err(error.into());
            }
            self.progress.message(&format!("warning: no checkpoint at step {step}: {error}"));
        }
        Ok(())
    }

    /// Writes the policy of the mean parameters.
    fn export(&mut self) -> CommandResult<String> {
        let base = self.dir.provenance().base.as_ref().map(|base| base.sha256.clone());
        let delta = base.and_then(|sha256| self.tuner.delta(&sha256));
        let folder = self.dir.export(&self.tuner.policy(), delta.as_ref(), self.tuner.steps())?;
        Ok(folder.display().to_string())
    }
}

/// What a validation found, in words.
fn held_out(loss: &Losses) -> String {
    let probe = loss.of_probe().map(|probe| format!(", the probe's {probe:.4}")).unwrap_or_default();
    format!("held-out loss {:.4}{probe}", loss.flow)
}

/// The scene of a trial: what is wrong with it is said before any time is spent.
fn load_trial(trial: Option<&Trial>) -> CommandResult<Option<(Trial, TaskSpec)>> {
    let Some(trial) = trial else { return Ok(None) };
    let task = TaskSpec::load(&resolve_scene(&trial.scene)?, &[])?;
    Ok(Some((trial.clone(), task)))
}

/// The recipe, changed as the command line says.
fn spec_of(args: &FineTune) -> FineTuneSpec {
    let learn = args.learn.map(|learn| match learn {
        LearnArg::Full => Learn::Full,
        LearnArg::Expert => Learn::Expert,
        LearnArg::Lora => Learn::Lora,
    });
    let recipe = match (&args.base, learn) {
        (None, _) => FineTuneSpec { learn: learn.unwrap_or(Learn::Full), ..FineTuneSpec::from_scratch() },
        (Some(_), learn) => FineTuneSpec::published(learn.unwrap_or(Learn::Expert)),
    };
    let learning_rate = args.learning_rate.unwrap_or(recipe.learning_rate);
    FineTuneSpec {
        steps: args.steps.unwrap_or(recipe.steps),
        batch: args.batch.unwrap_or(recipe.batch),
        draws: args.draws.unwrap_or(recipe.draws),
        learning_rate,
        final_learning_rate: recipe.final_learning_rate.min(learning_rate),
        lora_rank: args.lora_rank.unwrap_or(recipe.lora_rank),
        lora_alpha: args.lora_rank.map_or(recipe.lora_alpha, |rank| rank as f64),
        probe: args.probe.unwrap_or(recipe.probe),
        ema: args.ema.unwrap_or(recipe.ema),
        augment_shift: args.augment_shift.unwrap_or(recipe.augment_shift),
        augment_colour: args.augment_colour.unwrap_or(recipe.augment_colour),
        validation: args.validation.unwrap_or(recipe.validation),
        validate_every: args.validate_every.unwrap_or(recipe.validate_every),
        checkpoint_every: args.checkpoint_every.unwrap_or(recipe.checkpoint_every),
        ..recipe
    }
}

/// The datasets of a run, in the order in which they were named.
struct Sets(Vec<(PathBuf, Arc<Dataset>)>);

impl Sets {
    fn open(folders: &[PathBuf]) -> CommandResult<Self> {
        let open = |folder: &PathBuf| Ok((folder.clone(), Arc::new(Dataset::open(folder)?)));
        folders.iter().map(open).collect::<CommandResult<_>>().map(Self)
    }

    fn demonstrations(&self) -> Vec<Arc<dyn Demonstrations>> {
        self.0.iter().map(|(_, set)| Arc::clone(set) as Arc<dyn Demonstrations>).collect()
    }

    /// Every file of each.
    fn files(&self) -> CommandResult<Vec<Vec<FileRecord>>> {
        let of = |set: &Dataset| -> CommandResult<Vec<FileRecord>> {
            let files = set.file_hashes()?.into_iter();
            Ok(files
                .map(|file| FileRecord { path: file.path, bytes: file.bytes, sha256: file.sha256 })
                .collect())
        };
        self.0.iter().map(|(_, set)| of(set)).collect()
    }

    /// What is recorded of each; `held_out` counts the episodes of all, one set after the other.
    fn records(&self, held_out: &[usize]) -> CommandResult<Vec<DataRecord>> {
        let mut first = 0;
        let mut records = Vec::new();
        for ((folder, set), files) in self.0.iter().zip(self.files()?) {
            let episodes = first..first + set.episodes().len();
            let own = held_out.iter().filter(|number| episodes.contains(number)).map(|number| number - first);
            records.push(DataRecord {
                folder: folder.display().to_string(),
                files,
                origins: set.origins()?,
                held_out_episodes: own.collect(),
            });
            first = episodes.end;
        }
        Ok(records)
    }
}
