//! The ECS map, the schedule, and replay files.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use keiko_world::components::{ActuatorRef, JointRef, Link, SensorRef};
use keiko_world::replay::{ReplayInfo, ReplayRing, read_replay};
use keiko_world::schedule::{Phase, ResetMask};
use keiko_world::{BatchState, FaultCause, RapierExecutor, Simulation};

use crate::bench::options;
use crate::robots::{cartpole, quadruped};

fn cartpoles(num_envs: usize) -> Simulation {
    let model = cartpole();
    let executor = RapierExecutor::new(&model, num_envs, options(0.002, 5)).unwrap();
    Simulation::new(Arc::new(model), Box::new(executor))
}

#[test]
fn entities_point_into_the_columns() {
    let model = quadruped();
    let executor = RapierExecutor::new(&model, 2, options(0.002, 5)).unwrap();
    let mut simulation = Simulation::new(Arc::new(model.clone()), Box::new(executor));
    let world = &mut simulation.world;
    assert_eq!(world.query::<&Link>().iter(world).count(), model.bodies.len());
    assert_eq!(world.query::<&ActuatorRef>().iter(world).count(), 12);
    let mut joints = world.query::<(&Name, &JointRef, &ChildOf)>();
    let (_, joint, parent) = joints.iter(world).find(|(name, ..)| name.as_str() == "joint4").unwrap();
    let body = world.get::<Link>(parent.parent()).unwrap().body;
    assert_eq!((joint.dof_index, body), (model.joints[4].dof_index, model.joints[4].body));
    let rows: usize = world.query::<&SensorRef>().iter(world).map(|s| s.num_values).sum();
    assert_eq!(rows, world.resource::<BatchState>().sensors.num_rows());
}

#[derive(Resource, Default)]
struct Seen(Vec<&'static str>);

#[test]
fn phases_run_in_their_order_and_resets_come_before_observations() {
    let mut simulation = cartpoles(3);
    simulation.world.insert_resource(Seen::default());
    let schedule = &mut simulation.schedule;
    schedule.add_systems((|mut seen: ResMut<Seen>| seen.0.push("observe")).in_set(Phase::Observe));
    schedule.add_systems((|mut seen: ResMut<Seen>| seen.0.push("act")).in_set(Phase::Act));
    schedule.add_systems(
        (|mut seen: ResMut<Seen>, state: Res<BatchState>, mut reset: ResMut<ResetMask>| {
            seen.0.push("reward");
            reset.mask[1] = state.steps[1] >= 10;
        })
        .in_set(Phase::Reward),
    );
    simulation.control_mut().as_mut_slice().fill(1.0);
    assert!(simulation.step().is_empty());
    assert_eq!(simulation.state().steps, [5, 5, 5]);
    simulation.step();
    assert_eq!(simulation.state().steps, [10, 0, 10]);
    assert_eq!(simulation.state().qpos.get(0, 1), 0.0);
    assert!(simulation.state().qpos.get(0, 0) > 0.0);
    assert_eq!(
        simulation.world.resource::<Seen>().0,
        ["act", "reward", "observe", "act", "reward", "observe"]
    );
}

#[test]
fn a_broken_environment_leaves_a_replay_and_starts_again() {
    let mut simulation = cartpoles(2);
    for k in 0..60 {
        simulation.control_mut().as_mut_slice().fill(0.01 * k as f32);
        assert!(simulation.step().is_empty());
    }
    let before = simulation.state().qpos.get(0, 1);
    simulation.control_mut().set(0, 1, f32::NAN);
    let ring = simulation.world.resource::<ReplayRing>().clone();
    let faults = simulation.step();
    assert_eq!((faults.len(), faults[0].env, faults[0].cause), (1, 1, FaultCause::NonFinite));
    assert_eq!(simulation.state().steps, [305, 0], "the broken one was reset");

    let info = ReplayInfo {
        scene: "cartpole".into(),
        seed: 7,
        joints: vec!["slide".into(), "hinge".into()],
        ..Default::default()
    };
    let path = std::env::temp_dir().join(format!("keiko-replay-{}.safetensors", std::process::id()));
    ring.write_replay(&path, 1, FaultCause::NonFinite, info).unwrap();
    let replay = read_replay(&path).unwrap();
    assert_eq!((replay.num_steps, replay.info.env, replay.info.cause.as_str()), (50, 1, "NonFinite"));
    assert_eq!(replay.info.joints, ["slide", "hinge"]);
    assert!(replay.qpos[2 * 49] < before && replay.qpos[2 * 49] > replay.qpos[0], "oldest first");
    assert!((replay.ctrl[49] - 0.59).abs() < 1e-6 && (replay.ctrl[0] - 0.10).abs() < 1e-6);

    let mut damaged = std::fs::read(&path).unwrap();
    damaged.truncate(damaged.len() - 3);
    std::fs::write(&path, damaged).unwrap();
    let error = read_replay(&path).unwrap_err().to_string();
    assert!(error.contains("keiko-replay"), "{error}");
    std::fs::remove_file(&path).unwrap();
}
