//! The same bits whatever the width, the batch, the threads, and what was before.

use keiko_dynamics::lane::Isa;
use keiko_model::RobotModel;
use keiko_world::lanes::{LanesExecutor, Width};
use keiko_world::verify::bits::{Claim, Trial, digests};
use keiko_world::{Executor, PhysicsOptions};

use super::robot;

fn options() -> PhysicsOptions {
    PhysicsOptions { timestep: 0.004, decimation: 2, ..PhysicsOptions::default() }
}

/// Robots with contacts: they lie on the floor, are driven at random, and touch themselves.
fn robots() -> Vec<RobotModel> {
    ["quadruped/quadruped.xml", "ant/ant.xml", "arm/arm.xml"].map(robot).to_vec()
}

fn on<T>(
    model: &RobotModel,
    width: Width,
    steps: usize,
    work: impl FnOnce(&Trial<'_>) -> Result<T, String>,
) -> T {
    let start: Vec<f32> = match model.keyframes.first() {
        Some(key) => key.qpos.iter().map(|q| *q as f32).collect(),
        None => model.reference_qpos().iter().map(|q| *q as f32).collect(),
    };
    let build = |num_envs: usize| {
        let executor = LanesExecutor::with_width(model, num_envs, options(), width);
        executor.map(|e| Box::new(e) as Box<dyn Executor>).map_err(|e| e.to_string())
    };
    let trial = Trial { model, start: &start, steps, build: &build };
    work(&trial).unwrap_or_else(|why| panic!("{} in {width:?}: {why}", model.name))
}

#[test]
fn all_widths_give_the_same_bits() {
    for model in robots() {
        let reference = on(&model, Width::Single, 60, |trial| digests(trial, 37));
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            let found = on(&model, Width::Vectors(isa), 60, |trial| digests(trial, 37));
            for env in 0..37 {
                assert_eq!(reference[env], found[env], "{}, {isa:?}, environment {env}", model.name);
            }
        }
        let double = on(&model, Width::Double, 60, |trial| digests(trial, 37));
        assert_ne!(reference, double, "{}: the digest does not see the numbers", model.name);
    }
}

#[test]
fn runs_repeat() {
    for model in robots() {
        on(&model, Width::Detected, 60, |trial| Claim::Determinism.check(trial));
    }
}

#[test]
fn a_member_of_a_large_batch_equals_itself_alone() {
    for model in robots() {
        on(&model, Width::Detected, 40, |trial| Claim::Batch.check(trial));
    }
}

#[test]
fn threads_do_not_matter() {
    for model in robots() {
        on(&model, Width::Detected, 40, |trial| Claim::Threads.check(trial));
    }
}

#[test]
fn reset_equals_fresh() {
    for model in robots() {
        on(&model, Width::Detected, 40, |trial| Claim::Reset.check(trial));
    }
}

/// The checks themselves can fail: an engine that is not deterministic is caught by all of them.
#[test]
fn an_engine_that_drifts_is_caught() {
    let model = robot("cartpole/cartpole.xml");
    let start: Vec<f32> = model.reference_qpos().iter().map(|q| *q as f32).collect();
    let count = std::sync::atomic::AtomicU32::new(0);
    let build = |num_envs: usize| {
        // Every executor steps a little longer than the one before.
        let made = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let timestep = 0.002 * (1.0 + 1e-4 * made as f32);
        let executor =
            LanesExecutor::new(&model, num_envs, PhysicsOptions { timestep, ..PhysicsOptions::default() });
        executor.map(|e| Box::new(e) as Box<dyn Executor>).map_err(|e| e.to_string())
    };
    let trial = Trial { model: &model, start: &start, steps: 10, build: &build };
    for claim in [Claim::Determinism, Claim::Batch, Claim::Threads, Claim::Reset] {
        let verdict = claim.check(&trial);
        assert!(verdict.is_err(), "{claim:?} said {verdict:?}");
    }
}
