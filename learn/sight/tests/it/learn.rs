//! From ray to loss nothing of an image is read: every number that is read is counted, and what is learned is what images on
//! the host teach.

use keiko_model::TaskSpec;
use keiko_model::train_spec::{Dialect, Schedule};
use keiko_train::agent::{self, numbers_read};
use keiko_train::{Device, Trainer, evaluate, evaluate_seeing};

use crate::support::{backend, sighted, task, told, with_device};

const NUM_ENVS: usize = 4;
const HORIZON: usize = 10;
const EPOCHS: usize = 2;
const MINIBATCHES: usize = 2;
/// Two orders of adding up, over some gradient steps.
const TOLERANCE: f64 = 1e-4;

/// A camera with noise, slow and late, that is mounted and lit otherwise in each episode, and shows what moves.
const REAL: &[&str] = &[
    "observe.policy.frames.channels=[\"grey\", \"flow\"]",
    "cameras.0.color_sensor={ gain = 2.0, full_well = 2000 }",
    "cameras.0.every=2",
    "cameras.0.latency=1",
    "randomize.mount={ term = \"camera_pose\", position = [-0.1, 0.1], rotation = [-0.05, 0.05] }",
    "randomize.sun={ term = \"sun\", azimuth = [-3.0, 3.0] }",
];

fn tiny(more: &[&str]) -> TaskSpec {
    let set = [
        "train.horizon=10",
        "train.epochs=2",
        "train.minibatches=2",
        "episode.seconds=0.16",
        "cameras.0.width=24",
        "cameras.0.height=12",
    ];
    task("cartpole-pixels", &[&set, more].concat())
}

fn seeing(device: &Device, task: &TaskSpec) -> Trainer {
    let (env, sight) = sighted(device, task, NUM_ENVS);
    let images = Some(Box::new(sight) as Box<_>);
    Trainer::seeing(Box::new(env), images, task.train.clone(), 7, device.clone()).expect("valid")
}

fn being_told(device: &Device, task: &TaskSpec) -> Trainer {
    let env = told(&backend(device), task, NUM_ENVS);
    Trainer::new(Box::new(env), task.train.clone(), 7, device.clone()).expect("valid")
}

/// Greatest difference between what two trainers have learned.
fn apart(a: &Trainer, b: &Trainer) -> f64 {
    let [a, b] = [a, b].map(|trainer| trainer.policy().expect("fits").parameters().to_vec());
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

#[test]
fn only_actions_and_scalars_are_read() {
    with_device("learn::only_actions_and_scalars_are_read", |device| {
        let gpu = device.gpu().expect("a GPU");
        for more in [
            &[][..],
            &["train.dialect=brax"],
            REAL,
            &["observe.critic.angle={ term = \"joint_position\", joints = [\"hinge\"] }"],
        ] {
            let task = tiny(more);
            let mut trainer = seeing(device, &task);
            let spec = trainer.spec().clone();
            assert_eq!((spec.horizon, spec.epochs, spec.minibatches), (HORIZON, EPOCHS, MINIBATCHES));
            let parameters = num_parameters(&trainer);
            let (bytes, mut numbers) = (gpu.bytes_read(), numbers_read());
            let mut timed_out = 0;
            for _ in 0..3 {
                let report = trainer.iterate().expect("finite");
                let share = report.terminations.iter().find(|(name, _)| name == "time_out");
                let ended = share.map_or(0, |(_, share)| (share * report.episodes as f64).round() as usize);
                timed_out += ended;
                let brax = spec.dialect == Dialect::Brax;
                // Of each step what the actor says of one action, and the critic of what it sees.
                let step = NUM_ENVS * if brax { 3 } else { 2 };
                let collected = HORIZON * step + ended + NUM_ENVS;
                let scalars = match (spec.dialect, spec.schedule) {
                    // Values of every segment, and after it.
                    (Dialect::Brax, _) => EPOCHS * (HORIZON + 1) * NUM_ENVS,
                    (Dialect::RslRl, Schedule::Adaptive) => EPOCHS * MINIBATCHES,
                    (Dialect::RslRl, Schedule::Fixed) => 0,
                };
                let expected = collected + scalars + 6 + parameters;
                let found = numbers_read() - numbers;
                assert_eq!(found, expected as u64, "{more:?}");
                numbers += found;
            }
            assert!(timed_out > NUM_ENVS, "no time-outs, no last sights");
            assert_eq!(gpu.bytes_read(), bytes, "{more:?}");
            println!("{more:?}: {numbers} numbers, no byte of an image");
        }
    });
}

/// Of actor and critic together.
fn num_parameters(trainer: &Trainer) -> usize {
    let (spec, env) = (trainer.spec(), trainer.env().spec());
    let (actor, critic) = agent::views(env, spec.normalize_observations).expect("it observes");
    agent::network_shape(spec, &actor, &critic, env.actions.len()).expect("it fits").num_parameters()
}

#[test]
fn tensors_teach_what_images_on_the_host_teach() {
    with_device("learn::tensors_teach_what_images_on_the_host_teach", |device| {
        for more in [&[], REAL] {
            compare_learning(device, &tiny(more));
        }
    });
}

fn compare_learning(device: &Device, task: &TaskSpec) {
    let (mut seen, mut told) = (seeing(device, task), being_told(device, task));
    for iteration in 0..5 {
        let (a, b) = (seen.iterate().expect("finite"), told.iterate().expect("finite"));
        assert_eq!((a.episodes, a.env_steps), (b.episodes, b.env_steps), "{iteration}");
        let returns = [a.mean_return, b.mean_return].map(|mean| mean.expect("episodes end"));
        assert!((returns[0] - returns[1]).abs() < TOLERANCE, "{iteration}: {returns:?}");
        for (a, b) in [(a.update.value, b.update.value), (a.update.surrogate, b.update.surrogate)] {
            assert!((a - b).abs() < TOLERANCE, "{iteration}: {a} {b}");
        }
        assert!(apart(&seen, &told) < TOLERANCE, "{iteration}: {}", apart(&seen, &told));
    }
    println!("apart by {:.1e}", apart(&seen, &told));

    let policy = seen.policy().expect("fits");
    let (mut env, sight) = sighted(device, task, NUM_ENVS);
    let a = evaluate_seeing(&policy, &mut env, &sight, device, 10).expect("it ends");
    let b = evaluate(&policy, &mut crate::support::told(&backend(device), task, NUM_ENVS), 10);
    let b = b.expect("it ends");
    assert!((a.mean_return - b.mean_return).abs() < TOLERANCE, "{a:?} {b:?}");
}

#[test]
fn stopped_and_resumed_goes_on_as_it_would_have() {
    with_device("learn::stopped_and_resumed_goes_on_as_it_would_have", |device| {
        let task = tiny(&[]);
        let mut whole = seeing(device, &task);
        (0..4).for_each(|_| drop(whole.iterate().expect("finite")));
        let mut first = seeing(device, &task);
        (0..2).for_each(|_| drop(first.iterate().expect("finite")));
        let saved = first.state().expect("it reads");
        drop(first);
        let mut second = seeing(device, &task);
        second.iterate().expect("finite");
        second.restore(&saved).expect("the same task");
        assert_eq!(second.state().expect("it reads"), saved);
        // And where images go through the host.
        let mut on_host = being_told(device, &task);
        on_host.restore(&saved).expect("the same task");
        for _ in 0..2 {
            second.iterate().expect("finite");
            on_host.iterate().expect("finite");
        }
        println!(
            "resumed: apart by {:.1e}, on the host by {:.1e}",
            apart(&whole, &second),
            apart(&whole, &on_host)
        );
        assert!(apart(&whole, &second) < TOLERANCE && apart(&whole, &on_host) < TOLERANCE);
        let mut on_cpu = {
            let env = told(&keiko_camera::Backend::Cpu, &task, NUM_ENVS);
            Trainer::new(Box::new(env), task.train.clone(), 7, Device::cpu()).expect("valid")
        };
        on_cpu.restore(&saved).expect("a checkpoint is of no device");
        on_cpu.iterate().expect("finite");
    });
}
