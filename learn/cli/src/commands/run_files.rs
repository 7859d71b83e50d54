//! What the commands share about run folders: building environments, evaluating, loading policies.

use std::path::Path;

use anyhow::Context;
use keiko_env::{EnvOptions, TaskEnv};
use keiko_model::task::TaskSpec;
use keiko_policy::Policy;
use keiko_train::eval::{EvalReport, evaluate, evaluate_seeing};
use keiko_train::run_dir::{read_checkpoints, read_config};
use keiko_train::{StorageError, TrainError};

use crate::args::DeviceArg;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::eyes;
use crate::output::{Output, complain};

/// Environments that share the episodes of an evaluation.
const MAX_EVAL_ENVS: usize = 64;

/// Folder of the best policy in a run.
pub const POLICY_DIR: &str = "policy";

/// Beside the best policy: how good it was. Written last, so that a policy beside it is whole.
pub const SCORE_FILE: &str = "score.json";

/// Metric: control steps done in all environments together.
pub const ENV_STEPS: &str = "Train/env_steps";

/// Metric: CPU time of the process so far, all threads \[s\].
pub const CPU_SECONDS: &str = "Perf/cpu_seconds";

/// Evaluation episodes never repeat those of training: their seeds differ in the upper half.
pub fn eval_seed(seed: u64) -> u64 {
    seed ^ (0xE7A1 << 48)
}

/// Plays `episodes` episodes of a task with a policy.
pub fn evaluate_task(
    spec: &TaskSpec,
    policy: &Policy,
    episodes: usize,
    seed: u64,
    device: DeviceArg,
) -> CommandResult<EvalReport> {
    let num_envs = episodes.clamp(1, MAX_EVAL_ENVS);
    let options = EnvOptions { num_envs, seed: eval_seed(seed), ..EnvOptions::default() };
    let mut env = TaskEnv::new(spec, &options).or_exit(Code::Scene)?;
    evaluate_blind(policy, &mut env, episodes, device)
}

/// The same in an environment that does not see yet. Who needs images acts where they are traced; without any, a policy acts
/// in plain Rust, and no device is opened.
pub fn evaluate_blind(
    policy: &Policy,
    env: &mut TaskEnv,
    episodes: usize,
    device: DeviceArg,
) -> CommandResult<EvalReport> {
    policy.config().check_joints(&env.joint_names()).or_exit(Code::Usage)?;
    if !env.images().is_empty() {
        let device = eyes::device(device).or_exit(Code::Machine)?;
        if let Some(sight) = eyes::open_for(env, &device)? {
            return evaluate_seeing(policy, env, &sight, &device, episodes).or_exit(Code::Usage);
        }
    }
    evaluate(policy, env, episodes).or_exit(Code::Usage)
}

/// An environment that sees what its scene observes; what is wrong with its scene exits with the code for scenes.
pub fn build_env(spec: &TaskSpec, options: EnvOptions, device: DeviceArg) -> CommandResult<TaskEnv> {
    let mut env = TaskEnv::new(spec, &options).or_exit(Code::Scene)?;
    eyes::open(&mut env, device)?;
    Ok(env)
}

/// The task of a run, as it was resolved when the run began.
pub fn load_task(run: &Path, overrides: &[String]) -> CommandResult<TaskSpec> {
    let text = read_config(run)?;
    Ok(TaskSpec::parse(&text, &run.join("config.toml"), overrides)?)
}

/// The best policy of a run, or that of its newest intact checkpoint.
pub fn load_policy(run: &Path) -> CommandResult<Policy> {
    let best = run.join(POLICY_DIR);
    if best.join(SCORE_FILE).is_file() {
        return Policy::load(&best).or_exit(Code::Machine);
    }
    let latest = read_checkpoints(run).load_latest()?;
    for refused in &latest.refused {
        complain(format!("warning: {refused}"));
    }
    let checkpoint = latest
        .checkpoint
        .with_context(|| format!("{} holds no policy and no intact checkpoint yet", run.display()))
        .or_exit(Code::Machine)?;
    Policy::from_files(&checkpoint.files).or_exit(Code::Machine)
}

/// Puts an evaluation into the closing line.
pub fn set_report(output: &mut Output, report: &EvalReport) {
    output.set("mean_return", report.mean_return);
    output.set("std_return", report.std_return);
    output.set("success_rate", serde_json::json!(report.success_rate));
    output.set("episodes", report.episodes);
    output.set("mean_length", report.mean_length);
    let means = report.reward_means.iter().map(|(name, mean)| (name.clone(), (*mean).into()));
    output.set("reward_means", serde_json::Map::from_iter(means));
}

/// An evaluation in words.
pub fn describe_report(report: &EvalReport) -> String {
    let success = report
        .success_rate
        .map(|rate| {
            let (low, high) = wilson(rate, report.episodes);
            format!(
                ", success {:.1} % (95 % interval {:.1} to {:.1})",
                100.0 * rate,
                100.0 * low,
                100.0 * high
            )
        })
        .unwrap_or_default();
    format!(
        "mean return {:.2} +- {:.2} over {} episodes of {:.0} steps{success}",
        report.mean_return, report.std_return, report.episodes, report.mean_length
    )
}

/// Wilson's 95 % interval of a rate over `n` trials (Wilson 1927).
fn wilson(rate: f64, n: usize) -> (f64, f64) {
    let (n, z) = (n as f64, 1.959_964);
    let denominator = 1.0 + z * z / n;
    let centre = (rate + z * z / (2.0 * n)) / denominator;
    let half = z / denominator * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let code = if error.exit_code() == Code::Usage as u8 { Code::Usage } else { Code::Machine };
        Self { code, error: error.into() }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let code = match error {
            TrainError::Spec(_) | TrainError::Environment { .. } => Code::Scene,
            TrainError::State { .. } | TrainError::Device(_) => Code::Machine,
            TrainError::Policy(_) | TrainError::Diverged { .. } => Code::Failed,
            TrainError::FineTune { .. } => Code::Usage,
            TrainError::Data(_) => Code::Scene,
            TrainError::Storage(error) => return error.into(),
        };
        Self { code, error: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::wilson;

    #[test]
    fn wilson_interval_of_nine_in_ten() {
        let (low, high) = wilson(0.9, 10);
        assert!((low - 0.5958).abs() < 1e-3 && (high - 0.9821).abs() < 1e-3, "{low} {high}");
    }
}
