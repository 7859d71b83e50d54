//! What a tensor shows is what the host would have seen: every channel, stack and sample, across resets, breaks and
//! snapshots.

use keiko_camera::Backend;
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_model::imager::{ColorSensor, DepthSensor};
use keiko_sight::Sight;
use keiko_train::{Device, DeviceImages};

use crate::support::{backend, numbers, push, sighted, task, told, with_device};

const NUM_ENVS: usize = 5;
/// The kernel multiplies and adds as the host does; compilers may join the two.
const TOLERANCE: f32 = 1e-5;

/// Numbers and three images in two groups: every channel, with and without frames and samples, limits and shifts.
fn all_channels() -> TaskSpec {
    task(
        "cartpole",
        &[
            "observe.policy.near={ term = \"camera\", camera = \"side\", channels = [\"rgb\", \"depth\"], \
             size = [20, 12], samples = 2, stack = 3, clip = 2.0, scale = 0.5, offset = 4.0 }",
            "observe.policy.far={ term = \"camera\", camera = \"side\", channels = [\"normals\", \"grey\", \"distance\", \"class\", \
             \"segmentation\", \"link\", \"flow\"], \
             size = [9, 7], offset = 0.25 }",
            "observe.critic.eye={ term = \"camera\", camera = \"side\", channels = [\"grey\"], size = [16, 10], \
             samples = 3, stack = 2, scale = -3.0 }",
            "episode.seconds=0.3",
            "action.scale=15",
            "terminate.pole_fell.range=[-0.1, 0.1]",
        ],
    )
}

/// The same through two cameras that are real: they have noise, gaps and latency, are slower than control, and differ by episode, as
/// does what they look at; and what moves is seen.
fn real_cameras() -> TaskSpec {
    let mut task = task(
        "cartpole",
        &[
            "observe.policy.near={ term = \"camera\", camera = \"side\", channels = [\"rgb\", \"depth\", \"distance\"], \
             size = [20, 12], samples = 2, stack = 3, clip = 2.0, scale = 0.5, offset = 4.0 }",
            "observe.policy.moves={ term = \"camera\", camera = \"side\", channels = [\"flow\", \"class\"], size = [16, 8], \
             samples = 2, stack = 2 }",
            "observe.critic.eye={ term = \"camera\", camera = \"back\", channels = [\"grey\", \"flow\", \"depth\"], \
             size = [16, 10], scale = -3.0 }",
            "randomize.mount={ term = \"camera_pose\", position = [-0.1, 0.1], rotation = [-0.05, 0.05] }",
            "randomize.zoom={ term = \"focal_length\", factor = [0.9, 1.1] }",
            "randomize.sun={ term = \"sun\", azimuth = [-3.0, 3.0] }",
            "randomize.paint={ term = \"color\", bodies = [\"*\"], offset = [-0.2, 0.2] }",
            "randomize.made={ term = \"finish\", bodies = [\"*\"], roughness = [0.2, 0.8] }",
            "episode.seconds=0.3",
            "action.scale=15",
            "terminate.pole_fell.range=[-0.1, 0.1]",
        ],
    );
    let mut back = task.cameras[0].clone();
    (back.name, back.every, back.latency) = ("back".to_owned(), 3, 2);
    back.depth_sensor = Some(DepthSensor { noise: [0.02, 0.001, 0.0], ..DepthSensor::default() });
    let side = &mut task.cameras[0];
    (side.every, side.latency) = (2, 1);
    side.color_sensor = Some(ColorSensor { gain: 4.0, full_well: 500.0, ..ColorSensor::default() });
    side.depth_sensor = Some(DepthSensor {
        noise: [0.01, 0.0, 0.01],
        step: 0.002,
        dropout: 0.1,
        range: Some([1.0, 6.0]),
        ..DepthSensor::default()
    });
    task.cameras.push(back);
    task
}

/// Greatest difference between some environments' rows of images and what the host was told, and how many differ by more
/// than [`TOLERANCE`].
fn off(env: &TaskEnv, group: usize, envs: &[usize], seen: &[f32], told: &[Field]) -> (f32, usize) {
    let first = env.spec().observations[group].num_numbers();
    let expected = envs.iter().flat_map(|env| told[group].column(*env).skip(first));
    assert_eq!(seen.len(), envs.len() * (told[group].num_rows() - first));
    let differences = seen.iter().zip(expected).map(|(seen, told)| (seen - told).abs());
    differences.fold((0.0, 0), |(most, count), x| (x.max(most), count + usize::from(x > TOLERANCE)))
}

/// Both after the same step or reset: numbers are the same, and images; gives what [`off`] gives of all of them.
fn compare(env: &TaskEnv, sight: &Sight, other: &TaskEnv) -> (f32, usize) {
    let (a, b) = (env.output(), other.output());
    assert_eq!((&a.reward, &a.terminated, &a.truncated), (&b.reward, &b.terminated, &b.truncated));
    let all: Vec<usize> = (0..NUM_ENVS).collect();
    let ended: Vec<usize> =
        all.iter().copied().filter(|env| a.terminated[*env] || a.truncated[*env]).collect();
    let mut sum = (0.0f32, 0);
    for group in 0..2 {
        let rows = env.spec().observations[group].num_numbers();
        assert_eq!(a.observations[group].num_rows(), rows);
        let told = &b.observations[group].as_slice()[..rows * NUM_ENVS];
        assert_eq!(a.observations[group].as_slice(), told);
        let mut add = |(most, count): (f32, usize)| sum = (sum.0.max(most), sum.1 + count);
        let now = numbers(sight.now(group).expect("it sees"));
        add(off(env, group, &all, &now, &b.observations));
        if !ended.is_empty() {
            let last = numbers(sight.last(group, &ended).expect("they ended"));
            add(off(env, group, &ended, &last, &b.final_observations));
        }
    }
    sum
}

/// Greatest difference and how many numbers differ, over steps with ends, resets and a break.
fn follow(device: &Device, backend: &Backend, task: &TaskSpec) -> (f32, usize) {
    let (mut env, sight) = sighted(device, task, NUM_ENVS);
    let mut other = told(backend, task, NUM_ENVS);
    assert_eq!(env.spec(), other.spec());
    let mut worst = compare(&env, &sight, &other);
    let (mut timed_out, mut fell, mut broke) = (0, 0, 0);
    for step in 0..60 {
        let mut actions = push(step, NUM_ENVS);
        if step == 20 {
            actions.set(0, 1, f32::NAN);
        }
        for env in [&mut env, &mut other] {
            if step == 33 {
                env.reset(Some(&[true, false, true, false, false]));
            }
            env.step(&actions);
        }
        let found = compare(&env, &sight, &other);
        worst = (worst.0.max(found.0), worst.1 + found.1);
        let output = env.output();
        timed_out += output.truncated.iter().filter(|flag| **flag).count();
        fell += output.terminated.iter().filter(|flag| **flag).count();
        broke += output.invalid.iter().filter(|flag| **flag).count();
        if step == 45 {
            for env in [&mut env, &mut other] {
                env.reset(Some(&[false, true, true, false, false]));
            }
            let found = compare(&env, &sight, &other);
            worst = (worst.0.max(found.0), worst.1 + found.1);
        }
    }
    assert!(timed_out > 2 && fell > 2 && broke == 1, "{timed_out} {fell} {broke}");
    assert_eq!((env.failure(), other.failure()), (None, None));
    worst
}

#[test]
fn tensors_show_what_the_host_is_told() {
    with_device("images::tensors_show_what_the_host_is_told", |device| {
        let (most, count) = follow(device, &backend(device), &all_channels());
        println!("off by {most} at most");
        assert_eq!(count, 0, "off by {most}");
        // The other tracer meets edges by their last digit: few numbers differ.
        let (most, count) = follow(device, &Backend::Cpu, &all_channels());
        let frame = 3 * 4 * 20 * 12 + 12 * 9 * 7 + 2 * 16 * 10;
        let all = 60 * NUM_ENVS * frame;
        println!("of {all} numbers {count} differ from the CPU's, by {most} at most");
        assert!(count * 1000 < all, "{count} of {all}");
    });
}

#[test]
fn tensors_show_what_real_cameras_show_the_host() {
    with_device("images::tensors_show_what_real_cameras_show_the_host", |device| {
        let task = real_cameras();
        let (most, count) = follow(device, &backend(device), &task);
        let frame = 3 * 5 * 20 * 12 + 2 * 5 * 16 * 8 + 4 * 16 * 10;
        let all = 60 * NUM_ENVS * frame;
        println!("of {all} numbers {count} differ, by {most} at most");
        // Where the last digit of a logarithm decides between two steps of a sensor.
        assert!(count * 2000 < all, "{count} of {all}");
    });
}

#[test]
fn a_snapshot_holds_the_frames_wherever_they_are() {
    with_device("images::a_snapshot_holds_the_frames_wherever_they_are", |device| {
        for (task, most_off) in [(all_channels(), 0), (real_cameras(), 10)] {
            go_on_from_snapshots(device, &task, most_off);
        }
    });
}

fn go_on_from_snapshots(device: &Device, task: &TaskSpec, most_off: usize) {
    let (mut env, sight) = sighted(device, task, NUM_ENVS);
    let mut other = told(&backend(device), task, NUM_ENVS);
    for step in 0..13 {
        env.step(&push(step, NUM_ENVS));
        other.step(&push(step, NUM_ENVS));
    }
    let saved = env.save().expect("it reads");
    // On with another pair: of what was saved on the device one goes on there, the other on the host.
    let (mut again, again_sight) = sighted(device, task, NUM_ENVS);
    again.step(&push(77, NUM_ENVS));
    again.load(&saved).expect("the same task");
    assert_eq!(again.save().expect("it reads"), saved);
    let mut on_host = told(&backend(device), task, NUM_ENVS);
    on_host.load(&saved).expect("the same task");
    let told_before = other.save().expect("it is plain");
    let (mut from_host, from_host_sight) = sighted(device, task, NUM_ENVS);
    from_host.load(&told_before).expect("the same task");
    for step in 13..40 {
        for env in [&mut env, &mut other, &mut again, &mut on_host, &mut from_host] {
            env.step(&push(step, NUM_ENVS));
        }
        for (env, sight) in [(&env, &sight), (&again, &again_sight), (&from_host, &from_host_sight)] {
            for other in [&other, &on_host] {
                let (most, count) = compare(env, sight, other);
                assert!(count <= most_off, "step {step}: {count} off by {most}");
            }
        }
    }
    assert!(again.load(&saved[..saved.len() / 2]).is_err());
}
