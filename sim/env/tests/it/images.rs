//! Images among observations: frames and stacks across resets, batches, snapshots; mistakes in scenes. The renderer here
//! shows numbers that are also observed as such: every pixel is where the cart is.

use keiko_env::{Moment, Picture, Renderer, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_world::{BatchState, Field, Looks};

use crate::common::{actions, options, repository, scene};

const STACK: usize = 3;
/// Pixels of a frame.
const FRAME: usize = 2 * 3;
/// Row of the cart's position, of the image, and how many there are.
const CART: usize = 0;
const IMAGE: usize = 4;
/// The pose of a body is rounded once more than the joint.
const TOLERANCE: f32 = 1e-6;

/// Shows the place of the cart, and which pixel it is.
struct Show {
    num_envs: usize,
    pictures: Vec<Picture>,
    pixels: Vec<Vec<f32>>,
    /// Renders until it fails.
    left: usize,
}

impl Renderer for Show {
    fn dress(&mut self, _: &Looks) -> Result<(), String> {
        Err("all look alike".to_owned())
    }

    fn render(&mut self, state: &BatchState, _: &[Moment]) -> Result<(), String> {
        if self.left == 0 {
            return Err("the device is gone".to_owned());
        }
        self.left -= 1;
        self.pixels.clear();
        for picture in &self.pictures {
            let frame: usize = picture.shape().iter().product();
            let x = state.body_position.row(3);
            let pixels = (0..self.num_envs).flat_map(|env| (0..frame).map(move |p| x[env] + p as f32));
            self.pixels.push(pixels.collect());
        }
        Ok(())
    }

    fn pixels(&self, picture: usize) -> &[f32] {
        &self.pixels[picture]
    }
}

fn show(env: &TaskEnv, left: usize) -> Box<Show> {
    let pictures = env.images().iter().map(|image| image.picture.clone()).collect();
    Box::new(Show { num_envs: env.spec().num_envs, pictures, pixels: Vec::new(), left })
}

/// Cartpole that also sees, with short episodes of which some end by themselves.
fn task(engine: &str) -> TaskSpec {
    let eye = "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"grey\"], size = [3, 2], \
               stack = 3, offset = 0.5, scale = 2.0 }";
    let engine = format!("physics.engine={engine}");
    scene("cartpole", &[eye, &engine, "episode.seconds=0.6", "action.scale=15"])
}

fn seeing(engine: &str, num_envs: usize) -> TaskEnv {
    let mut env = TaskEnv::new(&task(engine), &options(num_envs, 5)).unwrap();
    env.see_with(show(&env, usize::MAX));
    env
}

/// What the newest frame must show.
fn frame(x: f32) -> Vec<f32> {
    (0..FRAME).map(|p| 2.0 * (x + p as f32 - 0.5)).collect()
}

#[track_caller]
fn assert_stack(field: &Field, env: usize, places: &[f32]) {
    let expected = places.iter().flat_map(|x| frame(*x));
    for (found, expected) in field.column(env).skip(IMAGE).zip(expected) {
        assert!((found - expected).abs() < TOLERANCE, "{found} {expected}");
    }
}

#[test]
fn frames_move_up_a_stack_and_a_new_episode_begins_with_its_first() {
    for engine in ["lanes", "rapier"] {
        let mut env = seeing(engine, 5);
        assert_eq!(env.spec().observations[0].images, [[STACK, 1, 2, 3]]);
        assert_eq!(env.spec().observations[0].size(), IMAGE + STACK * FRAME);
        let now = |env: &TaskEnv, i: usize| env.output().observations[0].get(CART, i);
        let mut places: Vec<[f32; STACK]> = (0..5).map(|i| [now(&env, i); STACK]).collect();
        let (mut timed_out, mut fell) = (0, 0);
        for step in 0..200 {
            if step == 100 {
                let mask = [true, false, true, false, false];
                env.reset(Some(&mask));
                (0..5).filter(|i| mask[*i]).for_each(|i| places[i] = [now(&env, i); STACK]);
                assert_eq!(env.output().observations, env.output().final_observations);
            }
            for (i, places) in places.iter().enumerate() {
                assert_stack(&env.output().observations[0], i, places);
            }
            env.step(&actions(&env, step, 0));
            let output = env.output();
            for (i, places) in places.iter_mut().enumerate() {
                places.rotate_left(1);
                places[STACK - 1] = output.final_observations[0].get(CART, i);
                assert_stack(&output.final_observations[0], i, places);
                if output.terminated[i] || output.truncated[i] {
                    *places = [output.observations[0].get(CART, i); STACK];
                }
            }
            timed_out += output.truncated.iter().filter(|ended| **ended).count();
            fell += output.terminated.iter().filter(|ended| **ended).count();
        }
        assert!(timed_out > 5 && fell > 5, "{engine}: {timed_out} {fell}");
    }
}

/// A frame every third step, seen two frames later: what is shown is where the cart was then.
#[test]
fn a_slow_camera_shows_what_it_saw_then() {
    let (every, latency) = (3usize, 2usize);
    for engine in ["lanes", "rapier"] {
        let mut task = task(engine);
        (task.cameras[0].every, task.cameras[0].latency) = (every as u32, latency as u32);
        let mut env = TaskEnv::new(&task, &options(5, 5)).unwrap();
        env.see_with(show(&env, usize::MAX));
        let now = |env: &TaskEnv, i: usize| env.output().observations[0].get(CART, i);
        // Where the cart was at each step of the episode.
        let mut places: Vec<Vec<f32>> = (0..5).map(|i| vec![now(&env, i)]).collect();
        let seen = |places: &[f32]| {
            let newest = (places.len() - 1) / every;
            let frame = |age: usize| places[newest.saturating_sub(latency + age) * every];
            (0..STACK).rev().map(frame).collect::<Vec<_>>()
        };
        let mut ends = 0;
        for step in 0..120 {
            if step == 50 {
                env.reset(Some(&[true, false, true, false, false]));
                [0, 2].into_iter().for_each(|i| places[i] = vec![now(&env, i)]);
            }
            for (i, places) in places.iter().enumerate() {
                assert_stack(&env.output().observations[0], i, &seen(places));
            }
            env.step(&actions(&env, step, 0));
            let output = env.output();
            for (i, places) in places.iter_mut().enumerate() {
                places.push(output.final_observations[0].get(CART, i));
                assert_stack(&output.final_observations[0], i, &seen(places));
                if output.terminated[i] || output.truncated[i] {
                    *places = vec![output.observations[0].get(CART, i)];
                    ends += 1;
                }
            }
        }
        assert!(ends > 10, "{engine}: {ends}");
    }
}

#[test]
fn what_broke_is_last_seen_as_it_was_before() {
    let mut env = seeing("lanes", 3);
    for step in 0..4 {
        env.step(&actions(&env, step, 0));
    }
    let before: Vec<f32> = env.output().observations[0].column(1).collect();
    let mut bad = actions(&env, 4, 0);
    bad.set(0, 1, f32::NAN);
    env.step(&bad);
    let output = env.output();
    assert_eq!(output.invalid, [false, true, false]);
    assert!(output.final_observations[0].column(1).eq(before));
    let first = output.observations[0].get(CART, 1);
    assert_stack(&output.observations[0], 1, &[first; STACK]);
}

#[test]
fn an_environment_sees_in_a_batch_what_it_sees_alone() {
    let mut batch = seeing("lanes", 6);
    let mut alone: Vec<TaskEnv> = (0..6)
        .map(|first_env| {
            let options = keiko_env::EnvOptions { first_env, ..options(1, 5) };
            let mut env = TaskEnv::new(&task("lanes"), &options).unwrap();
            env.see_with(show(&env, usize::MAX));
            env
        })
        .collect();
    for step in 0..60 {
        batch.step(&actions(&batch, step, 0));
        for (i, alone) in alone.iter_mut().enumerate() {
            alone.step(&actions(alone, step, i));
            assert!(batch.output().observations[0].column(i).eq(alone.output().observations[0].column(0)));
            let last = &batch.output().final_observations[0];
            assert!(last.column(i).eq(alone.output().final_observations[0].column(0)));
        }
    }
}

#[test]
fn a_snapshot_holds_the_stack() {
    let mut env = seeing("lanes", 4);
    for step in 0..13 {
        env.step(&actions(&env, step, 0));
    }
    let saved = env.save().unwrap();
    let mut other = seeing("lanes", 4);
    other.step(&actions(&other, 77, 0));
    other.load(&saved).unwrap();
    assert_eq!(other.output(), env.output());
    for step in 13..40 {
        env.step(&actions(&env, step, 0));
        other.step(&actions(&other, step, 0));
        assert_eq!(other.output(), env.output(), "step {step}");
    }
    let mut blind = TaskEnv::new(&task("lanes"), &options(4, 5)).unwrap();
    assert!(blind.load(&saved).is_err());
}

#[test]
fn who_sees_nothing_says_so_and_moves_all_the_same() {
    let mut blind = TaskEnv::new(&task("lanes"), &options(4, 5)).unwrap();
    let mut env = seeing("lanes", 4);
    assert_eq!(blind.spec().observations[0].size(), IMAGE);
    assert_eq!(&blind.seeing_spec(), env.spec());
    for step in 0..50 {
        env.step(&actions(&env, step, 0));
        blind.step(&actions(&blind, step, 0));
        assert_eq!(blind.output().reward, env.output().reward);
        for row in 0..IMAGE {
            assert_eq!(blind.output().observations[0].row(row), env.output().observations[0].row(row));
        }
    }
    assert_eq!(env.failure(), None);
    env.see_with(show(&env, 3));
    (0..9).for_each(|step| env.step(&actions(&env, step, 0)));
    assert_eq!(env.failure(), Some("the device is gone"));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let path = repository().join("scenes/cartpole/scene.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let refused = |term: &str| {
        let text = text.replace("[observe.policy]\n", &format!("[observe.policy]\n{term}\n"));
        let task = match TaskSpec::parse(&text, &path, &[]) {
            Ok(task) => task,
            Err(error) => return error.to_string(),
        };
        TaskEnv::new(&task, &options(1, 1)).err().unwrap_or_else(|| panic!("{term}")).to_string()
    };
    for (term, pieces) in [
        (
            r#"eye = { term = "camera", camera = "sid" }"#,
            ["scene.toml:", "unknown camera `sid`", "did you mean `side`?"],
        ),
        (
            r#"eye = { term = "camera", camera = "side", channels = ["gray"] }"#,
            ["scene.toml:", "unknown word `gray`", "did you mean `grey`?"],
        ),
        (r#"eye = { term = "camera", camera = "side", noise = 0.1 }"#, ["scene.toml:", "no noise", ""]),
        (r#"eye = { term = "camera", camera = "side", channels = [] }"#, ["scene.toml:", "channels", ""]),
        (
            "eye = { term = \"camera\", camera = \"side\" }\n[[cameras]]\nname = \"far\"\nlook_at = [1, 0, 0]\n\
             depth_sensor = { range = [2.0, 1.0] }\n[observe.critic]\n",
            ["scene.toml:", "the range [2, 1] is empty", ""],
        ),
        (
            r#"eye = { term = "camera", camera = "side", stack = 0 }"#,
            ["scene.toml:", "`observe.policy.eye.stack` is `0`", "at least 1"],
        ),
        (
            r#"eye = { term = "camera", camera = "side", size = [64, 0] }"#,
            ["scene.toml:", "`observe.policy.eye.size.1` is `0`", "at least 1"],
        ),
        (r#"eye = { term = "camera" }"#, ["scene.toml:", "needs the key `camera`", ""]),
    ] {
        let error = refused(term);
        assert!(pieces.iter().all(|piece| error.contains(piece)), "{term}: {error}");
    }
}
