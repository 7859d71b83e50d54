//! Which engine a model gets, and what is said of it.

use keiko_model::RobotModel;
use keiko_model::robot::Shape;
use keiko_world::engine::build;
use keiko_world::verify::read;
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

/// A mesh of more vertices than a hull keeps says so, with the millimetres that it loses; a box-like one says nothing.
#[test]
fn hulls_that_lose_vertices_are_named() {
    let notes = |vertices: &str| {
        let xml = format!(
            r#"<mujoco><asset><mesh name="m" vertex="{vertices}"/></asset><worldbody>
                 <geom type="plane" size="1 1 1"/>
                 <body pos="0 0 1"><freejoint/><geom name="stone" type="mesh" mesh="m" mass="1"/></body>
               </worldbody></mujoco>"#
        );
        let engine = build(&read(&xml).unwrap(), 1, &PhysicsOptions::default(), EngineChoice::Lanes).unwrap();
        engine.unsupported.iter().map(|note| format!("{note:?}")).collect::<Vec<_>>()
    };
    // A spiral over a ball of 10 cm.
    let round: String = (0..200)
        .map(|k| {
            let z = 1.0 - (2.0 * f64::from(k) + 1.0) / 200.0;
            let (turn, r) = (2.399_963 * f64::from(k), (1.0_f64 - z * z).sqrt());
            format!("{} {} {} ", 0.1 * r * turn.cos(), 0.1 * r * turn.sin(), 0.1 * z)
        })
        .collect();
    let found = notes(&round);
    assert_eq!(found.len(), 1, "{found:?}");
    for part in ["geom `stone`", "keeps 64 of 200 vertices", "mm inside"] {
        assert!(found[0].contains(part), "{found:?}");
    }
    assert_eq!(notes("0 0 0  1 0 0  0 1 0  0 0 1"), Vec::<String>::new());
}
