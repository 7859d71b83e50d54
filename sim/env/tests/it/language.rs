//! Instructions name things, things are placed, and the scripted expert does what it is asked.

use std::collections::{BTreeMap, BTreeSet};

use keiko_env::expert::ReachExpert;
use keiko_env::{EnvOptions, Field, TaskEnv, VecEnv};

use crate::common::{actions, env, options, scene};

/// Place of a prop [m].
fn place(env: &TaskEnv, prop: &str, column: usize) -> [f32; 3] {
    let joint = env.scene().model.joints.iter().find(|joint| joint.name == prop).unwrap();
    [0, 1, 2].map(|k| env.state().qpos.get(joint.qpos_index + k, column))
}

#[test]
fn the_command_is_over_the_thing_that_the_instruction_names() {
    let language = scene("reach-to", &[]).language.unwrap();
    let sentences = language.instructions();
    let texts: BTreeSet<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    assert_eq!((texts.len(), language.objects.len()), (36, 3));
    for engine in ["lanes", "rapier"] {
        let engine = format!("physics.engine={engine}");
        let num_envs = 300;
        let mut env = env("reach-to", &[&engine], &options(num_envs, 5));
        let mut asked = BTreeMap::new();
        let numbers = env.instructions().unwrap();
        for (column, number) in numbers.iter().enumerate() {
            let sentence = &sentences[*number];
            let object = &language.objects[sentence.object];
            assert!(object.names.iter().any(|name| sentence.text.contains(name)));
            let thing = place(&env, &object.prop, column);
            for (k, offset) in [0.0, 0.0, 0.1].into_iter().enumerate() {
                let error = env.commands().get(k, column) - thing[k] - offset;
                assert!(error.abs() < 1e-6, "{engine}: {error} m");
            }
            *asked.entry(sentence.object).or_insert(0) += 1;
        }
        // Three times a share of a third: 5 standard deviations are 41.
        assert!(asked.len() == 3 && asked.values().all(|count| (59..=141).contains(count)), "{asked:?}");
        // An episode keeps its instruction.
        for step in 0..5 {
            env.step(&actions(&env, step, 0));
        }
        assert_eq!(env.instructions().unwrap(), numbers);
    }
    assert_eq!(env("arm-reach", &[], &options(1, 1)).instructions(), None);
}

#[test]
fn an_environment_is_asked_the_same_alone_and_in_a_batch() {
    let batch = env("reach-to", &[], &options(20, 3));
    let numbers = batch.instructions().unwrap();
    for index in [0, 7, 19] {
        let alone = env("reach-to", &[], &EnvOptions { first_env: index as u32, ..options(1, 3) });
        assert_eq!(alone.instructions().unwrap(), [numbers[index]]);
        assert_eq!(place(&alone, "green_ball", 0), place(&batch, "green_ball", index));
    }
    assert_ne!(env("reach-to", &[], &options(20, 4)).instructions().unwrap(), numbers);
}

#[test]
fn things_lie_apart_in_their_ranges_and_at_rest() {
    let mut env = env("reach-to", &[], &options(200, 9));
    let props = ["red_cube", "green_ball", "blue_cylinder"];
    let all = |env: &TaskEnv, column| props.map(|prop| place(env, prop, column));
    let before: Vec<_> = (0..200).map(|column| all(&env, column)).collect();
    for places in &before {
        for (k, [x, y, _]) in places.iter().enumerate() {
            assert!((0.35..=0.6).contains(x) && (-0.3..=0.3).contains(y), "{x} {y}");
            for [a, b, _] in &places[..k] {
                assert!((x - a).hypot(y - b) > 0.18 - 1e-5, "{places:?}");
            }
        }
    }
    let still = Field::zeros(env.spec().actions.len(), 200);
    for _ in 0..29 {
        env.step(&still);
    }
    for (column, places) in before.iter().enumerate() {
        for (was, is) in places.iter().zip(all(&env, column)) {
            let moved = was.iter().zip(is).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(moved < 2e-3, "environment {column}: {moved} m");
        }
    }
}

/// Share of episodes in which the expert succeeds.
fn success_of_expert(name: &str, episodes: usize) -> f64 {
    let task = scene(name, &[]);
    let mut env = env(name, &[], &options(episodes, 11));
    let mut expert = ReachExpert::new(&task, &env).unwrap();
    let mut actions = Field::zeros(env.spec().actions.len(), episodes);
    for _ in 0..env.spec().max_episode_steps {
        expert.act(&env, &mut actions);
        env.step(&actions);
    }
    let ends = &env.output().episodes;
    assert_eq!(ends.len(), episodes);
    ends.iter().filter(|end| end.success == Some(true)).count() as f64 / episodes as f64
}

#[test]
fn the_scripted_expert_does_what_it_is_asked() {
    for name in ["reach-to", "arm-reach"] {
        let rate = success_of_expert(name, 200);
        assert!(rate >= 0.97, "{name}: {rate}");
    }
}

#[test]
fn the_experts_kinematics_reach_a_point_within_the_ranges_of_joints() {
    let task = scene("reach-to", &[]);
    let env = env("reach-to", &[], &options(1, 1));
    let expert = ReachExpert::new(&task, &env).unwrap();
    let scene = env.scene();
    for goal in [[0.35, -0.3, 0.14], [0.6, 0.3, 0.13], [0.45, 0.0, 0.3]] {
        let goal = glam::DVec3::from(goal);
        let qpos = expert.solve(goal);
        let poses = keiko_model::kinematics::forward_kinematics(&scene.model, &qpos);
        let tip = poses[scene.end_effector.body].transform_point(scene.end_effector.point);
        assert!(tip.distance(goal) < 5e-3, "{} m from {goal}", tip.distance(goal));
        for joint in &scene.model.joints[..scene.num_robot_joints] {
            let [low, high] = joint.range.unwrap();
            assert!((low..=high).contains(&qpos[joint.qpos_index]), "{}", joint.name);
        }
    }
}

#[test]
fn what_cannot_be_asked_or_done_is_an_error() {
    let refused = |name: &str, overrides: &[&str]| {
        let task = scene(name, overrides);
        let Err(error) = TaskEnv::new(&task, &options(1, 1)) else { panic!("{overrides:?} is taken") };
        error.to_string()
    };
    let text = refused("reach-to", &["language.templates=[\"look\"]"]);
    assert!(text.contains("`look` does not hold `{}` once"), "{text}");
    let text = refused("reach-to", &["language.objects=[{ prop = \"red_cub\", names = [\"cube\"] }]"]);
    assert!(text.contains("red_cub") && text.contains("did you mean `red_cube`?"), "{text}");
    let text = refused("arm-reach", &["command.target={ kind = \"named_object\" }"]);
    assert!(text.contains("no table `[language]`"), "{text}");
    let text = refused("reach-to", &["randomize.things.props=[\"table\"]"]);
    assert!(text.contains("prop with a mass"), "{text}");
    let text = refused("reach-to", &["randomize.things.apart=0.9"]);
    assert!(text.contains("no room for 3 things 0.9 m apart"), "{text}");
    let task = scene("cartpole", &[]);
    let cartpole = env("cartpole", &[], &options(1, 1));
    let error = ReachExpert::new(&task, &cartpole).unwrap_err().to_string();
    assert!(error.contains("scripted expert") && error.contains("position_delta"), "{error}");
}
