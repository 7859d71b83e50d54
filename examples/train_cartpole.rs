//! A policy in thirty lines: load a task, train until it is good enough, evaluate, save.

use keiko::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let task = TaskSpec::load(&resolve_scene("cartpole")?, &[])?;
    let envs = |num_envs, seed| TaskEnv::new(&task, &EnvOptions { num_envs, seed, ..EnvOptions::default() });

    let mut trainer = Trainer::new(Box::new(envs(32, 7)?), task.train.clone(), 7, Device::cpu())?;
    while !trainer.is_finished() {
        let report = trainer.iterate()?;
        if trainer.wants_evaluation() {
            println!("{:6} steps, mean return {:.1?}", report.env_steps, report.mean_return);
            if trainer.reached(&evaluate(&trainer.policy()?, &mut envs(50, 8)?, 50)?) {
                break;
            }
        }
    }

    // Judged on other episodes than those that decided when to stop.
    let policy = trainer.policy()?;
    let report = evaluate(&policy, &mut envs(50, 9)?, 50)?;
    println!("mean return {:.1} of 500 over {} episodes", report.mean_return, report.episodes);
    assert!(report.mean_return >= 475.0, "the pole stays up");

    let folder = std::env::temp_dir().join(format!("keiko-example-{}", std::process::id()));
    policy.save(&folder)?;
    assert_eq!(Policy::load(&folder)?.config().actions, trainer.env().spec().actions);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
