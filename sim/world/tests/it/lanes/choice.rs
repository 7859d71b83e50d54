//! Which engine a model gets, and what is said of it.

use keiko_model::RobotModel;
use keiko_model::robot::Shape;
use keiko_world::engine::build;
use keiko_world::{EngineChoice, PhysicsOptions};

use super::robot;
use crate::robots::Builder;

/// A plate that carries a plane over a floor: nobody has a routine for two planes, and rapier lets them pass.
fn two_planes() -> RobotModel {
    let mut builder = Builder::new("plate");
    builder.floor();
    let body = builder.body(0, [0.0, 0.0, 1.0], 1.0, [0.0; 3], [0.1; 3]);
    builder.joint(body, keiko_model::robot::JointKind::Prismatic, [0.0, 0.0, 1.0], [0.0; 3]);
    builder.geom(body, [0.0; 3], Shape::Plane { half_size: [1.0, 1.0] });
    builder.0
}

#[test]
fn auto_takes_the_batched_engine_where_it_can() {
    let options = PhysicsOptions::default();
    let engine = build(&robot("quadruped/quadruped.xml"), 3, &options, EngineChoice::Auto).unwrap();
    assert_eq!(engine.executor.name(), "lanes");
    assert!(engine.reason.starts_with("lanes (") && engine.reason.ends_with(" environments at once)"));
}

#[test]
fn auto_says_why_it_takes_rapier() {
    let options = PhysicsOptions::default();
    let engine = build(&two_planes(), 3, &options, EngineChoice::Auto).unwrap();
    assert_eq!(engine.executor.name(), "rapier");
    let reason = engine.reason;
    assert!(reason.starts_with("rapier, because geoms `"), "{reason}");
    assert!(reason.ends_with("contact between a plane and a plane is not supported by the batched engine"));
    let error = build(&two_planes(), 3, &options, EngineChoice::Lanes).unwrap_err().to_string();
    assert_eq!(reason.strip_prefix("rapier, because "), Some(error.as_str()));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let options = PhysicsOptions { sweeps: 0, ..PhysicsOptions::default() };
    for choice in [EngineChoice::Auto, EngineChoice::Lanes, EngineChoice::Rapier] {
        let error = build(&robot("cartpole/cartpole.xml"), 1, &options, choice).unwrap_err().to_string();
        assert!(error.contains("sweeps outside [1, 1000]"), "{error}");
    }
}
