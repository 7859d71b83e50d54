//! `keiko eval`: a trained policy over many episodes.

use keiko_env::{EnvOptions, TaskEnv};
use keiko_train::find_run;

use super::run_files::{describe_report, eval_seed, evaluate_blind, load_policy, load_task, set_report};
use crate::args::Eval;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Eval, output: &mut Output) -> CommandResult {
    if args.policy.is_some() {
        return super::eval_policy::run(args, output);
    }
    let run = find_run(&args.runs, &args.run)?;
    let task = load_task(&run, &args.changes.list())?;
    let policy = load_policy(&run)?;
    let num_envs = args.envs.clamp(1, args.episodes.max(1));
    let options = EnvOptions { num_envs, seed: eval_seed(args.seed), ..EnvOptions::default() };
    let mut env = TaskEnv::new(&task, &options).or_exit(Code::Scene)?;
    output.say(format!("physics: {}", env.engine()));
    let report = evaluate_blind(&policy, &mut env, args.episodes, args.device)?;
    output.say(format!("{}: {}", task.name, describe_report(&report)));
    output.say("mean of each reward term in a step, before its weight:");
    for (name, mean) in &report.reward_means {
        output.say(format!("  {name:<24} {mean:.4}"));
    }
    set_report(output, &report);
    output.set("env_steps", (report.mean_length * report.episodes as f64).round());
    output.set("run_dir", run.display().to_string());
    Ok(Code::Done)
}
