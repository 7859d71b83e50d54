//! Stopping and continuing changes nothing; another task's state is refused.

use crate::toy::{CartPole, Dynamics, PointMass, SeenPoint, Toy};
use keiko_env::VecEnv;
use keiko_model::TrainSpec;
use keiko_model::train_spec::{Convolution, Dialect};
use keiko_policy::{Policy, PolicyError};
use keiko_train::{Device, TrainError, Trainer, evaluate};
use std::collections::BTreeMap;

fn spec(dialect: Dialect) -> TrainSpec {
    TrainSpec {
        dialect,
        horizon: 12,
        epochs: 2,
        actor_hidden: vec![8],
        critic_hidden: vec![8],
        convolutions: vec![Convolution { channels: 3, kernel: 3, stride: 2 }],
        ..TrainSpec::default()
    }
}

fn trainer(dialect: Dialect, seed: u64) -> Trainer {
    trainer_of::<PointMass>(dialect, seed)
}

fn trainer_of<D: Dynamics>(dialect: Dialect, seed: u64) -> Trainer {
    Trainer::new(Toy::<D>::boxed(8, 3), spec(dialect), seed, Device::cpu()).expect("valid")
}

#[test]
fn restored_and_continued_equals_uninterrupted_bit_for_bit() {
    continued_equals_uninterrupted::<PointMass>();
}

#[test]
fn so_it_is_with_images() {
    continued_equals_uninterrupted::<SeenPoint>();
    let state = trainer_of::<SeenPoint>(Dialect::RslRl, 7).state().expect("serialises");
    let policy = Policy::from_files(&state).expect("reads");
    assert_eq!(policy.config().format, "keiko-cnn-1");
    let refused = evaluate(&policy, &mut Toy::<PointMass>::new(2, 1), 4);
    assert!(matches!(refused, Err(TrainError::Policy(PolicyError::Mismatch { .. }))), "{refused:?}");
    let mut turned = Toy::<SeenPoint>::new(2, 1);
    turned.spec_mut().observations[0].images[0] = [1, 1, 12, 3];
    let refused = evaluate(&policy, &mut turned, 4).expect_err("another shape").to_string();
    assert!(refused.contains("12 x 3") && refused.contains("3 x 12"), "{refused}");
}

#[test]
fn convolutions_that_use_an_image_up_are_refused() {
    let large = Convolution { channels: 4, kernel: 4, stride: 1 };
    let spec = TrainSpec { convolutions: vec![large], ..spec(Dialect::RslRl) };
    let refused = Trainer::new(Toy::<SeenPoint>::boxed(4, 1), spec, 1, Device::cpu()).err().expect("refused");
    let refused = refused.to_string();
    assert!(refused.contains("train.convolutions") && refused.contains("12 x 3"), "{refused}");
}

fn continued_equals_uninterrupted<D: Dynamics>() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        let trainer = trainer_of::<D>;
        let mut whole = trainer(dialect, 7);
        let mut first = trainer(dialect, 7);
        for _ in 0..3 {
            whole.iterate().expect("finite");
            first.iterate().expect("finite");
        }
        let saved = first.state().expect("serialises");
        drop(first);
        // Another seed and some iterations more: everything that matters must come from the state.
        let mut second = trainer(dialect, 8);
        second.iterate().expect("finite");
        second.restore(&saved).expect("the same task");
        assert_eq!(second.state().expect("serialises"), saved, "{dialect:?}");
        for _ in 0..3 {
            let (mut a, mut b) = (whole.iterate().expect("finite"), second.iterate().expect("finite"));
            for report in [&mut a, &mut b] {
                (report.collection_secs, report.learning_secs, report.steps_per_sec) = (0.0, 0.0, 0.0);
            }
            assert_eq!(a, b, "{dialect:?}");
        }
        assert_eq!(second.state().expect("serialises"), whole.state().expect("serialises"), "{dialect:?}");
    }
}

#[test]
fn a_saved_state_is_a_policy_too() {
    let mut trainer = trainer(Dialect::RslRl, 1);
    trainer.iterate().expect("finite");
    let policy = Policy::from_files(&trainer.state().expect("serialises")).expect("reads");
    assert_eq!(policy, trainer.policy().expect("fits"));
}

#[test]
fn another_task_or_network_is_refused_with_the_difference() {
    let saved = trainer(Dialect::RslRl, 1).state().expect("serialises");
    let mut other =
        Trainer::new(Toy::<CartPole>::boxed(8, 3), spec(Dialect::RslRl), 1, Device::cpu()).expect("valid");
    let error = other.restore(&saved).expect_err("another task").to_string();
    assert!(error.contains("position[1]") && error.contains("cart[2]"), "{error}");

    let wider = TrainSpec { actor_hidden: vec![9], ..spec(Dialect::RslRl) };
    let mut other = Trainer::new(Toy::<PointMass>::boxed(8, 3), wider, 1, Device::cpu()).expect("valid");
    let error = other.restore(&saved).expect_err("another network").to_string();
    assert!(error.contains("actor.0.weight") && error.contains("[2, 9]"), "{error}");

    for name in saved.keys() {
        let mut part: BTreeMap<_, _> = saved.clone();
        part.remove(name);
        let error = trainer(Dialect::RslRl, 1).restore(&part).expect_err("incomplete").to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_policy_is_not_evaluated_on_another_task() {
    let policy = trainer(Dialect::RslRl, 1).policy().expect("fits");
    let refused = evaluate(&policy, &mut Toy::<CartPole>::new(2, 1), 4);
    assert!(matches!(refused, Err(TrainError::Policy(PolicyError::Mismatch { .. }))), "{refused:?}");
}

#[test]
fn tasks_and_specs_that_cannot_be_learned_are_refused() {
    let refused = |change: &dyn Fn(&mut Toy<PointMass>), spec: TrainSpec| {
        let mut env = Toy::<PointMass>::new(4, 1);
        change(&mut env);
        Trainer::new(Box::new(env), spec, 1, Device::cpu()).err().expect("refused").to_string()
    };
    let brax = spec(Dialect::Brax);
    assert!(refused(&|env| env.spec_mut().actions.clear(), spec(Dialect::RslRl)).contains("no actions"));
    let rename = |env: &mut Toy<PointMass>| env.spec_mut().observations[0].name = "other".into();
    assert!(refused(&rename, spec(Dialect::RslRl)).contains("`policy`"));
    assert!(refused(&|_| (), TrainSpec { minibatches: 5, ..brax }).contains("train.minibatches"));
    assert!(refused(&|_| (), TrainSpec { gamma: 2.0, ..spec(Dialect::RslRl) }).contains("train.gamma"));
}

#[test]
fn a_refused_environment_state_names_its_file() {
    let mut saved = trainer(Dialect::RslRl, 1).state().expect("serialises");
    saved.insert("env.bin".into(), vec![1, 2, 3]);
    let error = trainer(Dialect::RslRl, 1).restore(&saved).expect_err("damaged").to_string();
    assert!(error.contains("env.bin"), "{error}");
    let env = Toy::<PointMass>::new(2, 1);
    assert_eq!(env.spec().num_envs, 2);
}
