//! Images as observations: the whole way from a scene to what a policy is given.

use std::path::Path;

use keiko_camera::{Backend, Channel, Observer, Tracer, TracerOptions};
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_model::imager::{ColorSensor, DepthSensor};
use keiko_world::{Field, Picture};

use crate::support::{render, with_each};

const NUM_ENVS: usize = 5;
const SIZE: [usize; 2] = [20, 12];
const STACK: usize = 2;
const SAMPLES: usize = 2;
/// Red, green, blue, depth.
const CHANNELS: usize = 4;

/// The cartpole, which besides its numbers sees, in short episodes.
fn task() -> TaskSpec {
    task_with(&[])
}

fn task_with(more: &[&str]) -> TaskSpec {
    let sees = "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"rgb\", \"depth\"], \
                size = [20, 12], samples = 2, stack = 2, clip = 6.0, scale = 0.5 }";
    task_that_sees(sees, more)
}

fn task_that_sees(sees: &str, more: &[&str]) -> TaskSpec {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/cartpole/scene.toml");
    let overrides = [&[sees, "episode.seconds=0.3"], more].concat();
    let overrides: Vec<String> = overrides.into_iter().map(str::to_owned).collect();
    TaskSpec::load(&file, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// The same through a real camera that is slow, and that is mounted and lit otherwise in each episode.
fn task_of_real_cameras() -> TaskSpec {
    let mut task = task_with(&[
        "randomize.mount={ term = \"camera_pose\", position = [-0.1, 0.1], rotation = [-0.05, 0.05] }",
        "randomize.zoom={ term = \"focal_length\", factor = [0.9, 1.1] }",
        "randomize.sun={ term = \"sun\", azimuth = [-3.0, 3.0] }",
        "randomize.paint={ term = \"color\", bodies = [\"*\"], offset = [-0.2, 0.2] }",
    ]);
    task.cameras[0].color_sensor =
        Some(ColorSensor { gain: 4.0, full_well: 500.0, ..ColorSensor::default() });
    task.cameras[0].depth_sensor =
        Some(DepthSensor { noise: [0.01, 0.0, 0.01], dropout: 0.1, ..DepthSensor::default() });
    (task.cameras[0].every, task.cameras[0].latency) = (2, 1);
    task
}

/// The same that sees what moves, and which thing each pixel shows.
fn task_of_motion() -> TaskSpec {
    let sees = "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"flow\", \"segmentation\", \
                \"link\"], size = [20, 12], stack = 2 }";
    task_that_sees(sees, &["randomize.zoom={ term = \"focal_length\", factor = [0.9, 1.1] }"])
}

fn seeing(backend: &Backend, num_envs: usize, first_env: u32) -> TaskEnv {
    seeing_task(backend, &task(), num_envs, first_env)
}

fn seeing_task(backend: &Backend, task: &TaskSpec, num_envs: usize, first_env: u32) -> TaskEnv {
    let options = EnvOptions { num_envs, seed: 4, first_env, ..EnvOptions::default() };
    let mut env = TaskEnv::new(task, &options).unwrap_or_else(|error| panic!("{error}"));
    let pictures: Vec<Picture> = env.images().iter().map(|image| image.picture.clone()).collect();
    let looks = TracerOptions { varied: env.looks_vary(), ..TracerOptions::default() };
    let observer = Observer::new(backend, &env.scene().model, num_envs, &pictures, &looks).expect("it fits");
    env.see_with(Box::new(observer));
    env
}

/// Pushes that differ by step and environment.
fn push(step: usize, first_env: usize, num_envs: usize) -> Field {
    let mut actions = Field::zeros(1, num_envs);
    for env in 0..num_envs {
        actions.set(0, env, ((7 * step + 5 * (first_env + env)) % 13) as f32 / 6.0 - 1.0);
    }
    actions
}

#[test]
fn classes_are_seen_as_shares_of_a_pixel() {
    with_each("observed::classes_are_seen_as_shares_of_a_pixel", |backend| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/cartpole/scene.toml");
        let sees = "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"class\"], \
                    size = [20, 12], samples = 2 }";
        let task = TaskSpec::load(&file, &[sees.to_owned()]).unwrap_or_else(|error| panic!("{error}"));
        let mut env = seeing_task(backend, &task, 1, 0);
        env.step(&push(0, 0, 1));
        let seen: Vec<f32> = env.output().observations[0].column(0).collect();
        let seen = &seen[seen.len() - 3 * SIZE[0] * SIZE[1]..];
        let image = env.images()[0].picture.clone();
        let camera = image.camera.clone().resized(image.camera.size.map(|side| side * 2));
        let tracer = Tracer::new(backend, &env.scene().model, 1, &TracerOptions::default()).expect("it fits");
        let group = tracer.group(&[camera], &[Channel::Class]).expect("it fits");
        tracer.pose(env.state());
        tracer.render(&group);
        let images = tracer.read(&group).expect("the device answers");
        let ids = images.ids(Channel::Class).expect("asked for");
        let [width, height] = SIZE;
        let mut mixed = 0;
        for (class, y, x) in
            (0..3).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))))
        {
            let rays =
                [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| ids[(2 * y + dy) * 2 * width + 2 * x + dx]);
            let share = rays.iter().filter(|id| **id == class as i32).count() as f32 / 4.0;
            assert_eq!(seen[(class * height + y) * width + x], share, "class {class} at {x}, {y}");
            mixed += usize::from(share > 0.0 && share < 1.0);
        }
        assert!(mixed > 5, "edges fall within pixels");
    });
}

#[test]
fn what_moves_is_measured_from_the_step_before() {
    with_each("observed::what_moves_is_measured_from_the_step_before", |backend| {
        let sees = "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"flow\", \"segmentation\", \
                    \"link\"], size = [20, 12] }";
        let mut env = seeing_task(backend, &task_that_sees(sees, &[]), NUM_ENVS, 0);
        let area = SIZE[0] * SIZE[1];
        let options = TracerOptions { flow: true, ..TracerOptions::default() };
        let tracer = Tracer::new(backend, &env.scene().model, NUM_ENVS, &options).expect("it fits");
        let channels = [Channel::Flow, Channel::Segmentation, Channel::Link];
        let group = tracer.group(&[env.images()[0].picture.camera.clone()], &channels).expect("it fits");
        let (mut ends, mut moving) = (0, 0);
        for step in 0..40 {
            let before = env.state().clone();
            env.step(&push(step, 0, NUM_ENVS));
            tracer.pose_before(&before).expect("it was planned");
            tracer.pose(env.state());
            tracer.render(&group);
            let images = tracer.read(&group).expect("the device answers");
            let flow = images.floats(Channel::Flow).expect("asked for");
            let [geoms, links] =
                [Channel::Segmentation, Channel::Link].map(|channel| images.ids(channel).expect("asked for"));
            for i in 0..NUM_ENVS {
                let seen: Vec<f32> = env.output().observations[0].column(i).collect();
                let seen = &seen[seen.len() - 4 * area..];
                let ended = env.output().terminated[i] || env.output().truncated[i];
                ends += usize::from(ended);
                let expected = &flow[2 * i * area..2 * (i + 1) * area];
                match ended {
                    // What was seen last belongs to another episode.
                    true => assert!(seen[..2 * area].iter().all(|x| *x == 0.0), "step {step}, {i}"),
                    false => assert_eq!(&seen[..2 * area], expected, "step {step}, {i}"),
                }
                moving += expected.iter().filter(|x| x.abs() > 0.05).count();
                for at in 0..area {
                    assert_eq!(seen[2 * area + at], geoms[i * area + at] as f32);
                    assert_eq!(seen[3 * area + at], links[i * area + at] as f32);
                }
            }
        }
        assert!(ends >= NUM_ENVS && moving > 20, "{ends} episodes ended, {moving} numbers moved");
    });
}

#[test]
fn numbers_of_things_have_no_mean() {
    let sees =
        "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"link\"], samples = 2 }";
    let task = task_that_sees(sees, &[]);
    let error = TaskEnv::new(&task, &EnvOptions::default()).err().expect("what is between two bodies?");
    assert!(error.to_string().contains("`samples` must be 1"), "{error}");
}

#[test]
fn an_environment_sees_in_a_batch_what_it_sees_alone() {
    with_each("observed::an_environment_sees_in_a_batch_what_it_sees_alone", |backend| {
        for task in [task(), task_of_real_cameras(), task_of_motion()] {
            let mut batch = seeing_task(backend, &task, NUM_ENVS, 0);
            let mut alone: Vec<TaskEnv> =
                (0..NUM_ENVS).map(|i| seeing_task(backend, &task, 1, i as u32)).collect();
            let mut ends = 0;
            for step in 0..40 {
                batch.step(&push(step, 0, NUM_ENVS));
                for (i, alone) in alone.iter_mut().enumerate() {
                    alone.step(&push(step, i, 1));
                    let [a, b] = [batch.output(), alone.output()];
                    assert!(a.observations[0].column(i).eq(b.observations[0].column(0)), "step {step}, {i}");
                    assert!(a.final_observations[0].column(i).eq(b.final_observations[0].column(0)));
                }
                ends += batch.output().episodes.len();
            }
            assert!(ends >= NUM_ENVS && batch.failure().is_none());
        }
    });
}

#[test]
fn what_is_resumed_sees_what_goes_on_sees() {
    with_each("observed::what_is_resumed_sees_what_goes_on_sees", |backend| {
        let task = task_of_real_cameras();
        let mut slow = task_of_motion();
        (slow.cameras[0].every, slow.cameras[0].latency) = (3, 1);
        let mut saved = Vec::new();
        for task in [&slow, &task_of_motion(), &task] {
            let mut env = seeing_task(backend, task, NUM_ENVS, 0);
            (0..7).for_each(|step| env.step(&push(step, 0, NUM_ENVS)));
            saved = env.save().unwrap();
            let mut resumed = seeing_task(backend, task, NUM_ENVS, 0);
            resumed.load(&saved).unwrap_or_else(|error| panic!("{error}"));
            for step in 7..40 {
                env.step(&push(step, 0, NUM_ENVS));
                resumed.step(&push(step, 0, NUM_ENVS));
                assert_eq!(env.output(), resumed.output(), "step {step}");
            }
        }
        let mut quick = task.clone();
        quick.cameras[0].latency = 2;
        let error = seeing_task(backend, &quick, NUM_ENVS, 0).load(&saved).expect_err("another latency");
        assert!(error.to_string().contains("shapes"), "{error}");
    });
}

#[test]
fn what_is_seen_is_what_the_camera_shows() {
    with_each("observed::what_is_seen_is_what_the_camera_shows", |backend| {
        let mut env = seeing(backend, NUM_ENVS, 0);
        assert_eq!(env.spec().observations[0].images, [[STACK, CHANNELS, SIZE[1], SIZE[0]]]);
        let [width, height] = SIZE;
        let large = SIZE.map(|n| (SAMPLES * n) as u32);
        let mut before: Vec<f32> = Vec::new();
        for step in 0..6 {
            let scene = env.scene();
            let camera =
                scene.model.cameras.iter().find(|camera| camera.name == "side").expect("it is there");
            let camera = camera.clone().resized(large);
            let images =
                render(backend, &scene.model, env.state(), &[camera], &[Channel::Rgb, Channel::Depth]);
            let (rgba, depth) =
                (images.rgb().expect("asked for"), images.floats(Channel::Depth).expect("asked for"));
            let field = &env.output().observations[0];
            let newest = 4 + (STACK - 1) * CHANNELS * width * height;
            let mut edges = 0;
            for (i, y, x) in
                (0..NUM_ENVS).flat_map(|i| (0..height).flat_map(move |y| (0..width).map(move |x| (i, y, x))))
            {
                let rays =
                    (0..SAMPLES).flat_map(|j| (0..SAMPLES).map(move |k| (y * SAMPLES + j, x * SAMPLES + k)));
                let places: Vec<usize> =
                    rays.map(|(y, x)| (i * height * SAMPLES + y) * width * SAMPLES + x).collect();
                let mean =
                    |value: &dyn Fn(usize) -> f32| places.iter().map(|at| value(*at)).sum::<f32>() / 4.0;
                for channel in 0..CHANNELS {
                    let mean = match channel {
                        3 => mean(&|at| depth[at]),
                        color => mean(&|at| f32::from(rgba[4 * at + color]) / 255.0),
                    };
                    let found = field.get(newest + (channel * height + y) * width + x, i);
                    assert!((found - 0.5 * mean.min(6.0)).abs() < 1e-5, "{step} {channel}: {found} {mean}");
                }
                edges += usize::from(places.iter().any(|at| (depth[*at] - depth[places[0]]).abs() > 1.0));
            }
            assert!(edges > 20, "nothing to see");
            // The older frame is what was the newest.
            let frame = CHANNELS * width * height * NUM_ENVS;
            let older = &field.as_slice()[4 * NUM_ENVS..][..frame];
            assert!(before.is_empty() || older == before);
            before = field.as_slice()[newest * NUM_ENVS..].to_vec();
            env.step(&push(step, 0, NUM_ENVS));
        }
    });
}
