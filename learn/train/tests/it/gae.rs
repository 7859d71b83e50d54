//! Advantages against their definitions as sums.

use keiko_train::gae::{Segments, Targets, normalize};
use keiko_train::noise::{Purpose, Stream};

const STEPS: usize = 13;
const ENVS: usize = 9;
const GAMMA: f32 = 0.93;
const LAMBDA: f32 = 0.81;
/// Single precision recursion against double precision sums of numbers near 1.
const TOLERANCE: f64 = 2e-6;

struct Data {
    reward: Vec<f32>,
    value: Vec<f32>,
    final_value: Vec<f32>,
    last_value: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    invalid: Vec<bool>,
}

fn data(seed: u64) -> Data {
    let stream = Stream::new(seed, Purpose::Actions);
    let draw = |array: u64, len: usize| {
        (0..len).map(|i| stream.normal(array, 0, i as u64) as f32).collect::<Vec<_>>()
    };
    let one_in = |array: u64, n: u64| {
        (0..STEPS * ENVS).map(|i| stream.bits(array, 1, i as u64).is_multiple_of(n)).collect::<Vec<_>>()
    };
    let terminated = one_in(4, 7);
    let truncated: Vec<bool> = one_in(5, 7).iter().zip(&terminated).map(|(&a, &b)| a && !b).collect();
    Data {
        reward: draw(0, STEPS * ENVS),
        value: draw(1, STEPS * ENVS),
        final_value: draw(2, STEPS * ENVS),
        last_value: draw(3, ENVS),
        terminated,
        truncated,
        invalid: one_in(6, 11),
    }
}

impl Data {
    fn segments(&self) -> Segments<'_> {
        Segments {
            num_envs: ENVS,
            reward: &self.reward,
            value: &self.value,
            final_value: &self.final_value,
            last_value: &self.last_value,
            terminated: &self.terminated,
            truncated: &self.truncated,
            invalid: &self.invalid,
            gamma: GAMMA,
            lambda: LAMBDA,
        }
    }

    fn at(&self, t: usize, n: usize) -> usize {
        t * ENVS + n
    }

    fn value_after(&self, t: usize, n: usize) -> f64 {
        f64::from(if t + 1 < STEPS { self.value[self.at(t + 1, n)] } else { self.last_value[n] })
    }
}

fn compare(found: &[f32], expected: impl Fn(usize, usize) -> f64) {
    for t in 0..STEPS {
        for n in 0..ENVS {
            let (found, expected) = (f64::from(found[t * ENVS + n]), expected(t, n));
            assert!(
                (found - expected).abs() < TOLERANCE * (1.0 + expected.abs()),
                "({t}, {n}): {found} {expected}"
            );
        }
    }
}

/// A_t = sum_k (gamma lambda)^k delta_{t+k} up to the end of the episode or of the segment.
#[test]
fn bootstrapped_advantages_are_discounted_sums_of_differences() {
    let data = data(3);
    let delta = |t: usize, n: usize| {
        let i = data.at(t, n);
        let next = match (data.terminated[i], data.truncated[i]) {
            (true, _) => 0.0,
            (_, true) => f64::from(data.final_value[i]),
            _ => data.value_after(t, n),
        };
        f64::from(data.reward[i]) + f64::from(GAMMA) * next - f64::from(data.value[i])
    };
    let advantage = |t: usize, n: usize| {
        let mut sum = 0.0;
        for later in t..STEPS {
            let i = data.at(later, n);
            if data.invalid[i] {
                break;
            }
            sum += f64::from(GAMMA * LAMBDA).powi((later - t) as i32) * delta(later, n);
            if data.terminated[i] || data.truncated[i] {
                break;
            }
        }
        sum
    };
    let Targets { advantage: found, value } = data.segments().bootstrapped();
    compare(&found, advantage);
    compare(&value, |t, n| advantage(t, n) + f64::from(data.value[data.at(t, n)]));
}

/// With lambda 1 and nothing but terminations the target is the plain discounted return.
#[test]
fn with_lambda_one_targets_are_discounted_returns() {
    let mut data = data(5);
    data.truncated.fill(false);
    data.invalid.fill(false);
    let expected = |t: usize, n: usize| {
        let (mut sum, mut discount) = (0.0, 1.0);
        for later in t..STEPS {
            sum += discount * f64::from(data.reward[data.at(later, n)]);
            discount *= f64::from(GAMMA);
            if data.terminated[data.at(later, n)] {
                return sum;
            }
        }
        sum + discount * f64::from(data.last_value[n])
    };
    let segments = Segments { lambda: 1.0, ..data.segments() };
    compare(&segments.bootstrapped().value, expected);
    compare(&segments.masked().value, expected);
}

/// vs_t - v_t = sum_k (gamma lambda)^k delta_{t+k}, cut after a termination and before a masked transition.
#[test]
fn masked_targets_are_sums_and_advantages_one_step_differences() {
    let data = data(9);
    let masked = |t: usize, n: usize| data.truncated[data.at(t, n)] || data.invalid[data.at(t, n)];
    let discount = |t: usize, n: usize| if data.terminated[data.at(t, n)] { 0.0 } else { f64::from(GAMMA) };
    let target = |t: usize, n: usize| {
        let mut sum = f64::from(data.value[data.at(t, n)]);
        let mut factor = 1.0;
        for later in t..STEPS {
            if masked(later, n) {
                break;
            }
            let i = data.at(later, n);
            let next = discount(later, n) * data.value_after(later, n);
            sum += factor * (f64::from(data.reward[i]) + next - f64::from(data.value[i]));
            factor *= discount(later, n) * f64::from(LAMBDA);
        }
        sum
    };
    let advantage = |t: usize, n: usize| {
        let next = if t + 1 < STEPS { target(t + 1, n) } else { f64::from(data.last_value[n]) };
        let i = data.at(t, n);
        let value = f64::from(data.reward[i]) + discount(t, n) * next - f64::from(data.value[i]);
        if masked(t, n) { 0.0 } else { value }
    };
    let found = data.segments().masked();
    compare(&found.value, target);
    compare(&found.advantage, advantage);
}

#[test]
fn normalised_advantages_have_mean_zero_and_deviation_one_where_they_count() {
    let data = data(1);
    let weight: Vec<f32> = data.invalid.iter().map(|&x| if x { 0.0 } else { 1.0 }).collect();
    let mut advantage = data.reward.clone();
    normalize(&mut advantage, &weight);
    let used: Vec<f64> =
        advantage.iter().zip(&weight).filter(|(_, w)| **w > 0.0).map(|(&a, _)| f64::from(a)).collect();
    let mean = used.iter().sum::<f64>() / used.len() as f64;
    let variance = used.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / used.len() as f64;
    assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "mean {mean}, variance {variance}");
    assert!(advantage.iter().zip(&weight).all(|(&a, &w)| w > 0.0 || a == 0.0));
    normalize(&mut advantage, &vec![0.0; weight.len()]);
    assert!(advantage.iter().all(|&a| a == 0.0), "nothing to learn from");
}
