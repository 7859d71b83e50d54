//! The loss and its gradients against a second implementation: scalar loops in double precision, and central
//! differences of it.

use super::*;
use crate::agent;
use crate::device::DeviceChoice;
use keiko_policy::{Activation, Convolution, EncoderShape, Head, MlpShape, NetShape};

const ENVS: usize = 3;
const STEPS: usize = 5;
const ACTIONS: usize = 2;

/// Loss terms in single precision against double.
const LOSS_TOLERANCE: f64 = 2e-5;
/// Gradients in single precision against central differences in double.
const GRADIENT_TOLERANCE: f64 = 5e-5;
/// Two backends in single precision.
const BACKEND_TOLERANCE: f64 = 1e-4;

fn shape(dialect: Dialect) -> NetworkShape {
    let head = if dialect == Dialect::Brax { Head::TanhGaussian } else { Head::Gaussian };
    NetworkShape {
        actor: MlpShape::new(3, &[5, 4], head.num_outputs(ACTIONS), Activation::Tanh).into(),
        critic: MlpShape::new(2, &[6], 1, Activation::Swish).into(),
        head,
        num_actions: ACTIONS,
    }
}

fn spec(dialect: Dialect) -> TrainSpec {
    TrainSpec { dialect, entropy_coef: 0.03, value_coef: 0.7, num_envs: ENVS, ..TrainSpec::default() }
}

fn draw(array: u64, len: usize, scale: f64) -> Vec<f32> {
    let stream = Stream::new(11, Purpose::Actions);
    (0..len).map(|i| (scale * stream.normal(array, 0, i as u64)) as f32).collect()
}

fn rollout() -> Rollout {
    let samples = ENVS * STEPS;
    let log_std = draw(3, samples * ACTIONS, 0.2);
    let mean = draw(4, samples * ACTIONS, 0.5);
    let z = draw(5, samples * ACTIONS, 1.0);
    let action: Vec<f32> = (0..samples * ACTIONS).map(|i| mean[i] + log_std[i].exp() * z[i]).collect();
    let density = |i: usize| -0.5 * z[i] * z[i] - log_std[i] - 0.918_938_5;
    Rollout {
        num_envs: ENVS,
        actor_observation: draw(0, samples * 3, 1.0).into(),
        critic_observation: draw(1, samples * 2, 1.0).into(),
        log_prob: (0..samples).map(|s| (s * ACTIONS..(s + 1) * ACTIONS).map(density).sum()).collect(),
        action,
        mean,
        log_std,
        reward: draw(6, samples, 1.0),
        value: draw(7, samples, 0.4),
        final_value: vec![0.0; samples],
        terminated: (0..samples).map(|i| i == 4).collect(),
        truncated: (0..samples).map(|i| i == 8).collect(),
        invalid: (0..samples).map(|i| i == 6 || i == 11).collect(),
        last_observation: draw(8, ENVS * 2, 1.0).into(),
        last_value: draw(9, ENVS, 0.4),
        episodes: Vec::new(),
    }
}

/// What the loss is taken at, with targets and entropy noise fixed.
struct Case {
    spec: TrainSpec,
    shape: NetworkShape,
    flat: Vec<f32>,
    rollout: Rollout,
    advantage: Vec<f32>,
    target: Vec<f32>,
    noise: Vec<f32>,
}

fn case(dialect: Dialect) -> Case {
    let (spec, shape, rollout) = (spec(dialect), shape(dialect), rollout());
    // Far enough from the start that ratios leave the clipping interval on both sides.
    let flat = draw(10, shape.num_parameters(), 0.4);
    let samples = rollout.num_samples();
    let (advantage, target) = (draw(12, samples, 1.0), draw(13, samples, 1.0));
    Case { spec, shape, flat, advantage, target, noise: draw(14, samples * ACTIONS, 1.0), rollout }
}

/// The same of an actor and a critic that see one image beside one number.
fn seeing_case() -> Case {
    let mut case = case(Dialect::RslRl);
    let layers =
        [(3, 3, 2), (4, 2, 1)].map(|(channels, kernel, stride)| Convolution { channels, kernel, stride });
    let encoder = EncoderShape::new([2, 1, 8, 7], &layers, Activation::Elu).expect("it fits");
    let net = |outputs| NetShape::new(1, vec![encoder.clone()], &[5], outputs, Activation::Elu);
    (case.shape.actor, case.shape.critic) = (net(ACTIONS), net(1));
    case.flat = draw(20, case.shape.num_parameters(), 0.4);
    case.rollout.actor_observation =
        draw(21, case.rollout.num_samples() * case.shape.actor.num_inputs(), 1.0).into();
    case.rollout.critic_observation = Rows::default();
    case
}

/// Value and gradient of the loss on a device, and its terms in the order of [`Terms`].
fn learned(case: &Case, device: Device) -> (f64, Vec<f32>, Vec<f64>) {
    let learner = Learner::new(case.shape.clone(), &case.flat, 1e-3, device);
    let rows: Vec<usize> = (0..case.rollout.num_samples()).collect();
    let batch = learner.minibatch(&case.rollout, &case.rollout.weight(), &rows);
    let network = ActorCritic::leaves(&case.shape, &learner.parameters);
    let values = network.value(batch.critic_observation.clone());
    let noise = (case.spec.dialect == Dialect::Brax).then(|| learner.matrix(case.noise.clone(), ACTIONS));
    let (advantage, target) = (learner.column(case.advantage.clone()), learner.column(case.target.clone()));
    let terms = losses(&network, &batch, values, advantage, target, &case.spec, noise);
    let loss = total(&terms, &case.spec);
    let number = |term: Tensor<2>| f64::from(read(term)[0]);
    let value = number(loss.clone());
    let gradient = read(network.gradients(loss.backward()));
    let terms = [terms.surrogate, terms.value, terms.entropy, terms.kl, terms.clip_fraction].map(number);
    (value, gradient, terms.into())
}

/// A perceptron on one sample.
fn slow_mlp(shape: &MlpShape, mut parameters: &[f64], input: &[f32]) -> Vec<f64> {
    let mut x: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
    let last = shape.layers().len() - 1;
    for (layer, (inputs, outputs)) in shape.layers().enumerate() {
        let (weight, bias) = parameters.split_at(inputs * outputs);
        let sum = |o: usize| bias[o] + (0..inputs).map(|i| weight[i * outputs + o] * x[i]).sum::<f64>();
        let activate = |x: f64| match shape.activation {
            _ if layer == last => x,
            Activation::Tanh => x.tanh(),
            _ => x / (1.0 + (-x).exp()),
        };
        x = (0..outputs).map(|o| activate(sum(o))).collect();
        parameters = &parameters[(inputs + 1) * outputs..];
    }
    x
}

/// Loss, then surrogate, value, entropy, KL and clip fraction.
fn slow_loss(case: &Case, flat: &[f64]) -> (f64, Vec<f64>) {
    let (rollout, shape, clip) = (&case.rollout, &case.shape, case.spec.clip);
    let valid: Vec<usize> = (0..rollout.num_samples()).filter(|&s| !rollout.invalid[s]).collect();
    let mut sums = vec![0.0; 5];
    for &s in &valid {
        let outputs = slow_mlp(&shape.actor.mlp, flat, &rollout.actor_observation.host()[3 * s..3 * s + 3]);
        let (mut log_prob, mut entropy, mut kl) = (0.0, 0.0, 0.0);
        for a in 0..ACTIONS {
            let i = s * ACTIONS + a;
            let (old_mean, old_std) = (f64::from(rollout.mean[i]), f64::from(rollout.log_std[i]).exp());
            let std = match shape.head {
                Head::Gaussian => flat[shape.log_std().start + a].exp(),
                Head::TanhGaussian => outputs[ACTIONS + a].exp().ln_1p() + 1e-3,
            };
            let z = (f64::from(rollout.action[i]) - outputs[a]) / std;
            log_prob += -0.5 * z * z - std.ln() - 0.5 * std::f64::consts::TAU.ln();
            entropy += 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + std.ln();
            if shape.head == Head::TanhGaussian {
                let sample: f64 = outputs[a] + std * f64::from(case.noise[i]);
                entropy += (1.0 - sample.tanh().powi(2)).ln();
            }
            let variances = old_std * old_std + (old_mean - outputs[a]).powi(2);
            kl += (std / old_std).ln() + variances / (2.0 * std * std) - 0.5;
        }
        let ratio = (log_prob - f64::from(rollout.log_prob[s])).exp();
        let advantage = f64::from(case.advantage[s]);
        let clipped = ratio.clamp(1.0 - clip, 1.0 + clip);
        let value = slow_mlp(
            &shape.critic.mlp,
            &flat[shape.critic_range()],
            &rollout.critic_observation.host()[2 * s..2 * s + 2],
        )[0];
        let (old, target) = (f64::from(rollout.value[s]), f64::from(case.target[s]));
        let plain = (value - target).powi(2);
        let near = (old + (value - old).clamp(-clip, clip) - target).powi(2);
        sums[0] -= (ratio * advantage).min(clipped * advantage);
        sums[1] += if case.spec.dialect == Dialect::Brax { 0.5 * plain } else { plain.max(near) };
        sums[2] += entropy;
        sums[3] += kl;
        sums[4] += f64::from(u8::from(ratio != clipped));
    }
    sums.iter_mut().for_each(|sum| *sum /= valid.len() as f64);
    (sums[0] + case.spec.value_coef * sums[1] - case.spec.entropy_coef * sums[2], sums)
}

#[test]
fn loss_and_gradient_equal_the_slow_ones_in_both_dialects() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        let case = case(dialect);
        let (loss, gradient, terms) = learned(&case, Device::cpu());
        let flat: Vec<f64> = case.flat.iter().map(|&x| f64::from(x)).collect();
        let (slow, slow_terms) = slow_loss(&case, &flat);
        let near = |a: f64, b: f64, tolerance: f64| (a - b).abs() < tolerance * (1.0 + b.abs());
        assert!(near(loss, slow, LOSS_TOLERANCE), "{dialect:?}: {loss} {slow}");
        for (term, slow) in terms.iter().zip(&slow_terms) {
            assert!(near(*term, *slow, LOSS_TOLERANCE), "{dialect:?}: {terms:?} {slow_terms:?}");
        }
        assert!(slow_terms[4] > 0.2 && slow_terms[4] < 1.0, "some ratios are clipped, some not");
        for (i, &found) in gradient.iter().enumerate() {
            let at = |step: f64| {
                let mut flat = flat.clone();
                flat[i] += step;
                slow_loss(&case, &flat).0
            };
            let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!(
                near(f64::from(found), expected, GRADIENT_TOLERANCE),
                "{dialect:?} {i}: {found} {expected}"
            );
        }
    }
}

#[test]
fn adam_follows_its_definition() {
    let mut learner = Learner::new(shape(Dialect::RslRl), &[0.5, -2.0], 1e-2, Device::cpu());
    let (mut x, mut m, mut v) = ([0.5f64, -2.0], [0.0; 2], [0.0; 2]);
    for step in 1..=7 {
        let gradient = [0.3 * f64::from(step), 1e-3 - 0.1 / f64::from(step)];
        learner.adam(vector(&gradient.map(|g| g as f32), &Device::cpu()));
        for i in 0..2 {
            m[i] = 0.9 * m[i] + 0.1 * gradient[i];
            v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
            let (m_hat, v_hat) = (m[i] / (1.0 - 0.9f64.powi(step)), v[i] / (1.0 - 0.999f64.powi(step)));
            x[i] -= 1e-2 * m_hat / (v_hat.sqrt() + 1e-8);
        }
    }
    for (found, expected) in read(learner.parameters).iter().zip(x) {
        assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} {expected}");
    }
}

#[test]
fn long_gradients_are_shortened_group_by_group() {
    let gradient = vector(&[3.0, 4.0, 0.3, 0.4], &Device::cpu());
    let apart = read(limit_norm(gradient.clone(), &[0..2, 2..4], 1.0));
    let together = read(limit_norm(gradient, std::slice::from_ref(&(0..4)), 1.0));
    let near = |a: &[f32], b: [f64; 4]| a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5);
    assert!(near(&apart, [0.6, 0.8, 0.3, 0.4]), "{apart:?}");
    let norm = 25.25f64.sqrt();
    assert!(near(&together, [3.0, 4.0, 0.3, 0.4].map(|x| x / norm)), "{together:?}");
}

#[test]
fn an_invalid_transition_teaches_nothing() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        let parameters = |garbage: f32| {
            let mut rollout = rollout();
            for s in (0..rollout.num_samples()).filter(|&s| rollout.invalid[s]).collect::<Vec<_>>() {
                rollout.reward[s] += garbage;
                rollout.action[s * ACTIONS] += 0.1 * garbage;
            }
            let shape = shape(dialect);
            let flat = agent::initial_parameters(&shape, &spec(dialect), 3);
            let mut learner = Learner::new(shape, &flat, 1e-3, Device::cpu());
            let spec = TrainSpec { minibatches: 3, epochs: 2, ..spec(dialect) };
            learner.update(&rollout, &spec, 1, 0).expect("finite");
            read(learner.parameters)
        };
        assert_eq!(parameters(0.0), parameters(1.0), "{dialect:?}");
    }
}

/// Runs in a child process: the software driver of some distributions needs its vector width set before the
/// process starts.
#[test]
fn a_gpu_computes_the_same_loss_and_gradient() {
    const CHILD: &str = "KEIKO_TEST_GPU_CHILD";
    if std::env::var_os(CHILD).is_none() {
        if keiko_gpu::adapters().is_empty() {
            assert!(std::env::var_os("CI").is_none(), "no adapter; install the package mesa-vulkan-drivers");
            println!("skipped: no adapter; install the package mesa-vulkan-drivers");
            return;
        }
        let output = std::process::Command::new(std::env::current_exe().expect("this test has a file"))
            .args(["--exact", "ppo::tests::a_gpu_computes_the_same_loss_and_gradient", "--nocapture"])
            .env(CHILD, "1")
            .env("LP_NATIVE_VECTOR_WIDTH", "128")
            .output()
            .expect("this test runs again");
        let text =
            String::from_utf8_lossy(&output.stdout).to_string() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("compared on"), "{text}");
        return;
    }
    let device = Device::open(DeviceChoice::Gpu).expect("an adapter was found");
    println!("compared on {}", device.reason());
    for case in [case(Dialect::RslRl), case(Dialect::Brax), seeing_case()] {
        let (cpu, cpu_gradient, _) = learned(&case, Device::cpu());
        let (gpu, gpu_gradient, _) = learned(&case, device.clone());
        let (dialect, encoders) = (case.spec.dialect, case.shape.actor.encoders.len());
        assert!((cpu - gpu).abs() < BACKEND_TOLERANCE, "{dialect:?} {encoders}: {cpu} {gpu}");
        for (cpu, gpu) in cpu_gradient.iter().zip(&gpu_gradient) {
            let near = f64::from((cpu - gpu).abs()) < BACKEND_TOLERANCE;
            assert!(near, "{dialect:?} {encoders}: {cpu} {gpu}");
        }
    }
}
