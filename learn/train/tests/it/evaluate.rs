//! Evaluation counts the right episodes.

use crate::toy::{Dynamics, PointMass, Toy};
use keiko_env::{Field, GroupSpec, VecEnv};
use keiko_model::TrainSpec;
use keiko_policy::Policy;
use keiko_train::{Device, Trainer, evaluate};

/// Episodes whose length is drawn from 1 to 20 and whose return is that length, whatever is done.
struct Lottery;

impl Dynamics for Lottery {
    const NAME: &'static str = "lottery";
    const MAX_STEPS: u32 = 50;

    fn groups() -> Vec<GroupSpec> {
        PointMass::groups()
    }

    fn initial(uniform: &mut dyn FnMut() -> f64) -> [f64; 4] {
        [(10.0 * (uniform() + 1.0)).floor() + 1.0, 0.0, 0.0, 0.0]
    }

    fn step(state: &mut [f64; 4], _action: f64) -> (f64, bool) {
        state[1] += 1.0;
        (1.0, state[1] >= state[0])
    }

    fn observe(state: &[f64; 4], _group: usize) -> Vec<f64> {
        vec![state[0], state[1]]
    }
}

fn policy() -> Policy {
    let trainer = Trainer::new(Toy::<Lottery>::boxed(2, 1), TrainSpec::default(), 1, Device::cpu());
    trainer.expect("valid").policy().expect("fits")
}

/// The same environments stepped by hand until each has ended as often as it should.
fn by_hand(num_envs: usize, seed: u64, quota: impl Fn(usize) -> usize) -> Vec<f64> {
    let mut env = Toy::<Lottery>::new(num_envs, seed);
    let mut ends = vec![Vec::new(); num_envs];
    env.reset(None);
    for _ in 0..2000 {
        env.step(&Field::zeros(1, num_envs));
        for end in &env.output().episodes {
            ends[end.env].push(end.return_sum);
        }
    }
    ends.iter().enumerate().flat_map(|(n, ends)| ends[..quota(n)].to_vec()).collect()
}

#[test]
fn every_environment_gives_its_first_episodes() {
    for (num_envs, episodes) in [(8, 50), (16, 16), (16, 5), (1, 3)] {
        let quota = |n: usize| episodes / num_envs + usize::from(n < episodes % num_envs);
        let expected = by_hand(num_envs, 5, quota);
        let mut env = Toy::<Lottery>::new(num_envs, 5);
        let report = evaluate(&policy(), &mut env, episodes).expect("the same task");
        let mean = expected.iter().sum::<f64>() / episodes as f64;
        let variance = expected.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / episodes as f64;
        assert_eq!((report.episodes, expected.len()), (episodes, episodes));
        // by_hand started its episodes anew as evaluate does: both saw `reset` twice.
        assert!(
            (report.mean_return - mean).abs() < 1e-9 && (report.std_return - variance.sqrt()).abs() < 1e-9
        );
        assert!((report.mean_length - mean).abs() < 1e-9 && report.success_rate.is_none());
    }
}

/// The first 160 of 160 x many episodes to end would have a mean near 5; the unbiased mean is 10.5.
#[test]
fn short_episodes_are_not_favoured() {
    let report = evaluate(&policy(), &mut Toy::<Lottery>::new(160, 9), 160).expect("the same task");
    // Standard error of the mean of 160 lengths uniform on 1..20 is 0.46; four of them.
    assert!((report.mean_return - 10.5).abs() < 1.9, "{report:?}");
}
