//! What is done to one environment by hand.

use glam::DVec3;
use keiko_env::{TaskEnv, VecEnv};
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;

use crate::common::{actions, env, options};

const ENGINES: [&str; 2] = ["physics.engine=lanes", "physics.engine=rapier"];
const HAND: usize = 1;

/// The quadruped at rest, 5 m above ground.
fn aloft(env: &mut TaskEnv) {
    let mut qpos: Vec<f32> = env.scene().default_qpos.iter().map(|q| *q as f32).collect();
    qpos[2] = 5.0;
    let qvel = vec![0.0; env.scene().model.num_dofs()];
    env.place(HAND, &qpos, &qvel);
}

fn walk(engine: &str) -> TaskEnv {
    let overrides = [
        "episode.seconds=1.0",
        "randomize.trunk_mass.factor=[1.0, 1.0]",
        "randomize.push.speed=[0.0, 0.0]",
        engine,
    ];
    env("walk", &overrides, &options(3, 5))
}

/// Sum of mass times velocity of all bodies [kg m/s].
fn momentum(model: &RobotModel, state: &BatchState, env: usize) -> DVec3 {
    let vector = |field: &keiko_world::Field, body: usize| {
        DVec3::from_array([0, 1, 2].map(|k| f64::from(field.get(3 * body + k, env))))
    };
    let of = |(body, part): (usize, &keiko_model::robot::Body)| {
        let xyzw = [0, 1, 2, 3].map(|k| f64::from(state.body_rotation.get(4 * body + k, env)));
        let arm = glam::DQuat::from_array(xyzw) * part.inertial.pose.position;
        let spin = vector(&state.body_angular_velocity, body);
        part.inertial.mass * (vector(&state.body_linear_velocity, body) + spin.cross(arm))
    };
    model.bodies.iter().enumerate().map(of).sum()
}

#[test]
fn an_environment_is_where_it_was_put_and_its_neighbours_are_where_they_were() {
    for engine in ENGINES {
        let mut env = walk(engine);
        for step in 0..5 {
            env.step(&actions(&env, step, 0));
        }
        let (before, sums) = (env.state().clone(), env.reward_sums(HAND));
        let commands: Vec<f32> = env.commands().column(HAND).collect();
        aloft(&mut env);
        assert_eq!(env.reward_sums(HAND), sums, "{engine}: sums stay");
        assert!(env.commands().column(HAND).eq(commands), "{engine}: commands stay");
        let state = env.state();
        let qpos: Vec<f64> = state.qpos.column(HAND).map(f64::from).collect();
        for (body, pose) in forward_kinematics(&env.scene().model, &qpos).into_iter().enumerate() {
            let found = [0, 1, 2].map(|k| f64::from(state.body_position.get(3 * body + k, HAND)));
            assert!(pose.position.distance(DVec3::from_array(found)) < 1e-5, "{engine}: body {body}");
        }
        assert!(state.qpos.get(2, HAND) == 5.0 && state.qvel.column(HAND).all(|v| v == 0.0), "{engine}");
        for other in [0, 2] {
            assert!(state.qpos.column(other).eq(before.qpos.column(other)), "{engine}: {other}");
        }
        assert_eq!(state.steps[HAND], before.steps[HAND], "{engine}: the episode goes on");
        env.step(&actions(&env, 5, 0));
        assert!(env.state().qpos.get(2, HAND) > 4.9 && env.output().episodes.is_empty(), "{engine}");
    }
}

#[test]
fn a_force_by_hand_changes_the_momentum_by_force_times_time() {
    let force = DVec3::new(30.0, -20.0, 50.0);
    for engine in ENGINES {
        let mut env = walk(engine);
        aloft(&mut env);
        let (trunk, num_bodies, dt) =
            (env.scene().base, env.scene().model.bodies.len(), env.spec().control_dt);
        let mut wrench = vec![0.0; 6 * num_bodies];
        for (k, f) in force.to_array().into_iter().enumerate() {
            wrench[6 * trunk + k] = f as f32;
        }
        let weight = env.scene().model.total_mass() * env.scene().model.options.gravity;
        let mut expected = momentum(&env.scene().model, env.state(), HAND);
        for (steps, pulled) in [(4, true), (4, false)] {
            env.set_wrench(HAND, &if pulled { wrench.clone() } else { vec![0.0; 6 * num_bodies] });
            let idle = keiko_world::Field::zeros(env.spec().actions.len(), 3);
            (0..steps).for_each(|_| env.step(&idle));
            let all = if pulled { force + weight } else { weight };
            expected += f64::from(steps) * dt * all;
            let found = momentum(&env.scene().model, env.state(), HAND);
            // 12.7 kg that fall for 0.16 s have 20 kg m/s.
            assert!(found.distance(expected) < 0.02, "{engine}: {found} instead of {expected}");
        }
    }
}

#[test]
fn sums_of_terms_make_the_reward_and_start_again_with_the_episode() {
    for engine in ENGINES {
        let mut env = walk(engine);
        let factors = env.reward_factors();
        assert_eq!(factors.len(), env.spec().rewards.len());
        let mut ends = 0;
        let mut before = vec![vec![0.0; factors.len()]; 3];
        for step in 0..120 {
            env.step(&actions(&env, step, 0));
            let ended: Vec<usize> = env.output().episodes.iter().map(|end| end.env).collect();
            for index in 0..3 {
                let sums = env.reward_sums(index);
                if ended.contains(&index) {
                    assert!(sums.iter().all(|sum| *sum == 0.0), "{engine}: {sums:?}");
                } else {
                    let terms = sums.iter().zip(&before[index]).zip(&factors);
                    let reward: f64 = terms.map(|((now, before), factor)| factor * (now - before)).sum();
                    let found = f64::from(env.output().reward[index]);
                    assert!((reward - found).abs() < 1e-5, "{engine}: {reward} instead of {found}");
                }
                before[index] = sums;
            }
            ends += ended.len();
        }
        assert!(ends > 0, "{engine}: no episode ended");
    }
}
