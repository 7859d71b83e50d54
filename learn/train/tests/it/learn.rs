//! Both dialects learn tasks whose best return is known.

use crate::toy::{CartPole, PointMass, SeenPoint, Toy};
use keiko_model::TrainSpec;
use keiko_model::train_spec::{Activation, Convolution, Dialect, Schedule};
use keiko_train::{Device, EvalReport, IterationReport, Trainer, evaluate};

/// What a run of [`PointMass`] must reach: the best controller gets 19.4 on average, no action 10.
const POINT_MASS_RETURN: f64 = 19.0;

fn point_mass(dialect: Dialect) -> TrainSpec {
    TrainSpec {
        dialect,
        iterations: 40,
        horizon: 20,
        epochs: 4,
        minibatches: 4,
        gamma: 0.9,
        learning_rate: 3e-3,
        actor_hidden: vec![16],
        critic_hidden: vec![16],
        activation: if dialect == Dialect::Brax { Activation::Swish } else { Activation::Elu },
        schedule: if dialect == Dialect::Brax { Schedule::Fixed } else { Schedule::Adaptive },
        init_std: 0.6,
        ..TrainSpec::default()
    }
}

fn train(mut trainer: Trainer) -> (Trainer, IterationReport) {
    let mut report = IterationReport::default();
    while !trainer.is_finished() {
        report = trainer.iterate().expect("stays finite");
    }
    (trainer, report)
}

fn judge(trainer: &Trainer, seed: u64) -> EvalReport {
    let policy = trainer.policy().expect("fits");
    evaluate(&policy, &mut Toy::<PointMass>::new(25, seed), 200).expect("the same task")
}

#[test]
fn both_dialects_learn_to_hold_a_point() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        for seed in [1, 2] {
            let env = Toy::<PointMass>::boxed(64, seed);
            let trainer = Trainer::new(env, point_mass(dialect), seed, Device::cpu()).expect("valid");
            let before = judge(&trainer, 99).mean_return;
            let (trainer, report) = train(trainer);
            let after = judge(&trainer, 99);
            println!(
                "{dialect:?} seed {seed}: {before:.2} -> {:.2}, {:?}",
                after.mean_return, after.success_rate
            );
            assert!(
                before < 12.0 && after.mean_return > POINT_MASS_RETURN,
                "{dialect:?}: {before} {after:?}"
            );
            assert!(after.success_rate > Some(0.9) && after.episodes == 200 && after.mean_length == 20.0);
            assert_eq!((report.iteration, report.env_steps), (40, 40 * 20 * 64));
            assert!(report.mean_return.is_some_and(|mean| mean > 15.0) && report.success_rate.is_some());
        }
    }
}

#[test]
fn a_point_that_is_only_seen_is_held_too() {
    let convolutions = vec![Convolution { channels: 4, kernel: 3, stride: 1 }];
    let spec = TrainSpec { convolutions, ..point_mass(Dialect::RslRl) };
    let trainer = Trainer::new(Toy::<SeenPoint>::boxed(64, 1), spec, 1, Device::cpu()).expect("valid");
    let judge = |trainer: &Trainer| {
        let policy = trainer.policy().expect("fits");
        assert_eq!(
            (policy.config().images.as_slice(), policy.config().num_numbers()),
            (&[SeenPoint::IMAGE][..], 1)
        );
        evaluate(&policy, &mut Toy::<SeenPoint>::new(25, 99), 200).expect("the same task").mean_return
    };
    let before = judge(&trainer);
    let after = judge(&train(trainer).0);
    assert!(before < 12.0 && after > POINT_MASS_RETURN, "{before} {after}");
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        let parameters = |seed: u64| {
            let spec = TrainSpec { iterations: 3, ..point_mass(dialect) };
            let trainer =
                Trainer::new(Toy::<PointMass>::boxed(8, 5), spec, seed, Device::cpu()).expect("valid");
            train(trainer).0.state().expect("serialises").remove("policy.safetensors").expect("present")
        };
        assert_eq!(parameters(4), parameters(4), "{dialect:?}");
        assert_ne!(parameters(4), parameters(5), "{dialect:?}");
    }
}

#[test]
fn an_environment_that_breaks_does_not_spoil_the_run() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        let mut env = Toy::<PointMass>::new(16, 1);
        env.broken = (0..200).map(|i| (i, (i as usize * 7) % 16)).collect();
        let trainer = Trainer::new(
            Box::new(env),
            TrainSpec { iterations: 10, ..point_mass(dialect) },
            1,
            Device::cpu(),
        );
        let (trainer, _) = train(trainer.expect("valid"));
        assert!(trainer.iteration() == 10 && judge(&trainer, 3).mean_return.is_finite());
    }
}

/// Control steps within which a pole must be balanced.
const CARTPOLE_STEPS: u64 = 200_000;

/// Hyperparameters for balancing on a processor: small networks, few environments, much learning from each step.
fn cartpole() -> TrainSpec {
    TrainSpec {
        iterations: 200,
        horizon: 32,
        epochs: 8,
        minibatches: 4,
        learning_rate: 3e-3,
        actor_hidden: vec![32, 32],
        critic_hidden: vec![32, 32],
        entropy_coef: 0.0,
        init_std: 0.5,
        stop_at_return: Some(475.0),
        ..TrainSpec::default()
    }
}

#[test]
fn balances_a_pole_within_the_budget() {
    for seed in [1, 2, 3] {
        let started = std::time::Instant::now();
        let env = Toy::<CartPole>::boxed(32, seed);
        let mut trainer = Trainer::new(env, cartpole(), seed, Device::cpu()).expect("valid");
        let mut held_out = Toy::<CartPole>::new(50, 1000 + seed);
        let (mut collecting, mut learning, mut evaluated) = (0.0, 0.0, None);
        while !trainer.is_finished() {
            let report = trainer.iterate().expect("stays finite");
            (collecting, learning) = (collecting + report.collection_secs, learning + report.learning_secs);
            if report.mean_return.is_some_and(|mean| mean > 300.0) && report.iteration.is_multiple_of(5) {
                let report =
                    evaluate(&trainer.policy().expect("fits"), &mut held_out, 50).expect("same task");
                let reached = trainer.reached(&report);
                evaluated = Some(report);
                if reached {
                    break;
                }
            }
        }
        let wall = started.elapsed().as_secs_f64();
        println!(
            "seed {seed}: {} steps, wall {wall:.2} s, collecting {collecting:.2} s, learning {learning:.2} s, {evaluated:?}",
            trainer.env_steps()
        );
        let report = evaluated.expect("the running mean rises above 300");
        assert!(report.mean_return >= 475.0, "seed {seed}: {report:?}");
        assert!(trainer.env_steps() <= CARTPOLE_STEPS, "seed {seed}: {} steps", trainer.env_steps());
    }
}
