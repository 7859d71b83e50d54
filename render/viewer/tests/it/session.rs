//! Time, rewards and environments.

use std::time::Duration;

use keiko_env::{EnvOptions, Field, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_viewer::{Driver, SPEEDS, Source, Thing};

use crate::support::{numbers, robot, scene, scene_source};

const PATIENT: Duration = Duration::from_secs(3600);

#[test]
fn time_goes_by_at_the_speed_that_was_chosen() {
    // 0.02 s a control step.
    let mut session = scene("cartpole", &[], 1);
    assert_eq!(session.advance(0.1, PATIENT), 0, "it begins paused");
    session.play(true);
    assert_eq!(session.advance(0.1, PATIENT), 5);
    assert_eq!((session.step_count(), session.time()), (5, 0.1));
    session.set_speed(0.25);
    let steps: Vec<u64> = (0..8).map(|_| session.advance(0.02, PATIENT)).collect();
    assert_eq!(steps.iter().sum::<u64>(), 2, "{steps:?}");
    session.set_speed(f64::NAN);
    assert_eq!(session.speed(), 0.25);
    for _ in 0..20 {
        session.faster(true);
    }
    assert_eq!(session.speed(), SPEEDS[SPEEDS.len() - 1]);
    // What the machine has no time for is not made up for later.
    assert_eq!(session.advance(0.1, Duration::ZERO), 1);
    assert!(session.kept_up() < 1.0);
    session.play(false);
    assert_eq!(session.advance(10.0, PATIENT), 0);
}

#[test]
fn a_step_is_that_of_the_environment_itself() {
    let Source::Scene { file, .. } = scene_source("walk", &[]) else { panic!("a scene") };
    let task = TaskSpec::load(&file, &[]).unwrap();
    let mut env = TaskEnv::new(&task, &EnvOptions { num_envs: 3, seed: 3, ..EnvOptions::default() }).unwrap();
    let mut session = scene("walk", &[], 3);
    session.set_input(2, 0.5);
    session.show(1);
    for _ in 0..30 {
        let mut actions = Field::zeros(12, 3);
        actions.row_mut(2).fill(0.5);
        env.step(&actions);
        session.single_step();
    }
    assert!(numbers(&session).into_iter().eq(env.state().qpos.column(1).chain(env.state().qvel.column(1))));
    let sample = session.history().last().unwrap();
    assert_eq!((sample.step, sample.reward), (30, env.output().reward[1]));
}

#[test]
fn the_past_comes_back_bit_for_bit_and_goes_on_the_same() {
    for (scene_name, engine) in [("walk", "lanes"), ("cartpole", "rapier"), ("cartpole-pixels", "lanes")] {
        let mut session = scene(scene_name, &[&format!("physics.engine={engine}")], 2);
        session.set_input(0, 0.3);
        let mut then = Vec::new();
        for step in 0..40 {
            if step == 25 {
                then = numbers(&session);
            }
            session.single_step();
        }
        let (now, samples) = (numbers(&session), session.history().iter().len());
        assert_ne!(then, now);
        assert_eq!(session.moments(), (41, 40));
        session.play(true);
        session.scrub(25);
        assert!(!session.is_playing() && session.step_count() == 25);
        assert_eq!(numbers(&session), then, "{scene_name}");
        assert_eq!(session.history().iter().len(), 25);
        assert_eq!(session.moments(), (41, 25), "what came after can still be reached");
        for _ in 25..40 {
            session.single_step();
        }
        assert_eq!(numbers(&session), now, "{scene_name}");
        assert_eq!((session.moments(), session.history().iter().len()), ((41, 40), samples));
        session.scrub(1000);
        assert_eq!(session.step_count(), 40, "there is no such moment");
    }
}

#[test]
fn terms_add_up_to_the_reward_also_where_episodes_end() {
    let mut session = scene("walk", &["episode.seconds=1.0"], 2);
    session.show(1);
    session.drive(Driver::Random);
    let mut ends = 0;
    for _ in 0..200 {
        session.single_step();
        let sample = session.history().last().unwrap();
        let sum: f64 = sample.terms.iter().sum();
        assert!((sum - f64::from(sample.reward)).abs() < 1e-5, "{sum} instead of {}", sample.reward);
        ends += u32::from(sample.ended);
    }
    assert!(ends > 0 && session.tally().endings().iter().sum::<u32>() == ends);
    let end = session.tally().last().unwrap();
    let words = session.tally().describe(session.subject(), end);
    assert!(session.log().lines().any(|(_, line)| line.contains(&words)), "{words}");
}

#[test]
fn environments_are_walked_through_around_the_ends() {
    let mut session = scene("cartpole", &[], 3);
    let shown: Vec<usize> = (0..4)
        .map(|_| {
            session.show_next(true);
            session.env()
        })
        .collect();
    assert_eq!(shown, [1, 2, 0, 1]);
    session.show_next(false);
    session.show_next(false);
    assert_eq!(session.env(), 2);
    session.show(7);
    assert_eq!(session.env(), 2, "there is no such environment");
    let others: Vec<f32> = session.state().qpos.column(0).collect();
    session.single_step();
    let stepped: Vec<f32> = session.state().qpos.column(0).collect();
    session.reset();
    assert_ne!(others, stepped);
    assert!(session.state().qpos.column(0).eq(stepped), "the others are not reset");
    assert_eq!(session.state().steps[2], 0);
}

#[test]
fn curves_are_the_numbers_of_the_thing_that_is_selected() {
    let mut session = scene("cartpole", &[], 1);
    session.set_input(0, 0.1);
    let mut positions = Vec::new();
    for step in 1..=10 {
        session.single_step();
        positions.push([f64::from(step) * 0.02, f64::from(session.state().qpos.get(0, 0))]);
    }
    let curves = session.history().curves(session.model(), Thing::Joint(0), 0.02);
    assert_eq!((curves[0].unit, curves[1].unit, curves.len()), ("m", "m/s", 2));
    for (found, expected) in curves[0].points.iter().zip(&positions) {
        assert!((found[0] - expected[0]).abs() < 1e-9 && found[1] == expected[1]);
    }
    // Every thing of a model with all kinds of them has curves or none, and rows with names.
    let session = scene("walk", &[], 1);
    for thing in Thing::all(session.model()) {
        session.history().curves(session.model(), thing, 0.02);
        let rows = keiko_viewer::properties(session.model(), session.state(), 0, thing);
        assert!(!rows.is_empty() && rows.iter().all(|row| !row.name.is_empty()), "{thing:?}");
    }
}

/// No executor knows both: a height field under an ellipsoid, and a coupling of degree 2.
const UNKNOWN: &str = r#"<mujoco><asset>
    <hfield name="hills" nrow="2" ncol="2" size="1 1 .1 .1" elevation="0 1 0 1"/></asset>
  <worldbody><geom type="hfield" hfield="hills"/><body name="b" pos="0 0 1">
    <joint name="a" type="hinge" axis="0 1 0"/><geom type="ellipsoid" size=".1 .2 .3"/>
    <body pos="0 0 .5"><joint name="c" type="hinge" axis="0 1 0"/><geom type="sphere" size=".1"/></body>
  </body></worldbody>
  <equality><joint joint1="a" joint2="c" polycoef="0 1 .5 0 0"/></equality></mujoco>"#;

#[test]
fn a_robot_that_nothing_can_step_stands_where_it_is_put() {
    let mut session = robot(UNKNOWN);
    let why = session.log().lines().find(|(_, line)| line.contains("stands still")).unwrap();
    assert!(why.1.contains("ellipsoid") && why.1.contains("polynomial"), "{}", why.1);
    assert!(session.subject().engine.contains("no physics"));
    let start = numbers(&session);
    session.single_step();
    assert_eq!(numbers(&session), start);
    session.set_position(0, 0.5);
    assert_eq!(session.state().qpos.get(0, 0), 0.5);
    let child = session.model().bodies.len() - 1;
    let at = keiko_viewer::body_pose(session.state(), 0, child).position;
    let expected = glam::DVec3::new(0.5 * 0.5f64.sin(), 0.0, 1.0 + 0.5 * 0.5f64.cos());
    assert!(at.distance(expected) < 1e-6, "{at}");
    session.scrub(0);
    assert_eq!(numbers(&session), start);
}
