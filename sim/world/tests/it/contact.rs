//! Contact: forces, friction, masks.

use glam::DVec3;
use keiko_model::Pose;
use keiko_model::robot::{JointKind, SensorKind, Shape};

use crate::bench::{Bench, options};
use crate::robots::{Builder, GRAVITY, quadruped, standing, turn};

fn cube(b: &mut Builder, position: [f64; 3]) -> usize {
    let body = b.body(0, position, 1.0, [0.0; 3], [0.04 / 6.0; 3]);
    b.joint(body, JointKind::Free, [0.0; 3], [0.0; 3]);
    b.geom(body, [0.0; 3], Shape::Box { half_size: DVec3::splat(0.1) });
    body
}

/// The floor carries the weight of a resting robot and of a resting box, within 1 %.
#[test]
fn contact_forces_carry_the_weight() {
    let mut b = Builder::new("cube");
    b.floor();
    let body = cube(&mut b, [0.0, 0.0, 0.1]);
    let site = b.site(body, Pose::IDENTITY);
    b.sensor(SensorKind::Touch(site));
    b.sensor(SensorKind::ContactForce(body));
    let mut bench = Bench::at_reference(&b.0, options(0.002, 10));
    bench.run(100);
    let force: Vec<f32> = bench.state.contact_force.column(0).collect();
    assert!((force[5] as f64 / GRAVITY - 1.0).abs() < 0.01, "{force:?}");
    assert!((force[2] as f64 / GRAVITY + 1.0).abs() < 0.01, "the floor feels the reaction: {force:?}");
    let sensors: Vec<f32> = bench.state.sensors.column(0).collect();
    assert!((sensors[0] as f64 / GRAVITY - 1.0).abs() < 0.01 && sensors[3] == force[5], "{sensors:?}");

    let model = quadruped();
    let mut bench = Bench::new(&model, 1, options(0.002, 10));
    bench.reset_all(|_| standing(0.37), |_| vec![0.0; 18]);
    bench.ctrl.set_column(0, (0..12).map(|k| crate::robots::STANCE[k % 3]));
    bench.run(200);
    let vertical: f64 =
        (1..model.bodies.len()).map(|b| bench.state.contact_force.get(3 * b + 2, 0) as f64).sum();
    let weight = model.total_mass() * GRAVITY;
    assert!((vertical / weight - 1.0).abs() < 0.01, "{vertical} N, weight {weight} N");
}

/// On a slope the contact force is the weight, straight up: friction is in it, with the right sign.
#[test]
fn friction_is_part_of_the_contact_force() {
    for articulated in [false, true] {
        let mut b = Builder::new("slope");
        let floor = b.floor();
        b.0.geoms[floor].pose.rotation = turn(DVec3::Y, 20.0);
        let body = cube(&mut b, [0.0; 3]);
        if articulated {
            let child = b.body(body, [0.0, 0.0, 0.05], 0.001, [0.0; 3], [1e-6; 3]);
            b.joint(child, JointKind::Revolute, [0.0, 1.0, 0.0], [0.0; 3]);
        }
        let up = turn(DVec3::Y, 20.0) * DVec3::new(0.0, 0.0, 0.1);
        let rotation = turn(DVec3::Y, 20.0);
        let mut bench = Bench::new(&b.0, 1, options(0.002, 5));
        let mut qpos: Vec<f32> =
            up.to_array().iter().chain(&rotation.to_array()).map(|v| *v as f32).collect();
        qpos.resize(b.0.num_qpos(), 0.0);
        bench.reset_all(|_| qpos.clone(), |_| vec![0.0; b.0.num_dofs()]);
        bench.run(100);
        let force: Vec<f64> = (3..6).map(|k| bench.state.contact_force.get(k, 0) as f64).collect();
        let weight = b.0.total_mass() * GRAVITY;
        assert!((force[2] / weight - 1.0).abs() < 0.02, "articulated {articulated}: {force:?}");
        assert!(
            force[0].abs() < 0.02 * weight && force[1].abs() < 0.02 * weight,
            "articulated {articulated}: {force:?}"
        );
    }
}

/// Friction 0.5: a block slides at `g (sin - cos/2)` on 30 degrees; half the friction, faster (tolerance 1 %, T6).
#[test]
fn friction_and_its_scale_set_the_slide() {
    let slide = |scale: f32| {
        let mut b = Builder::new("slope");
        let floor = b.floor();
        b.0.geoms[floor].pose.rotation = turn(DVec3::Y, 30.0);
        cube(&mut b, [0.0; 3]);
        b.0.geoms.iter_mut().for_each(|g| g.friction.x = 0.5);
        let rotation = turn(DVec3::Y, 30.0);
        let place = rotation * DVec3::new(0.0, 0.0, 0.1);
        let qpos: Vec<f32> = place.to_array().iter().chain(&rotation.to_array()).map(|v| *v as f32).collect();
        let mut bench = Bench::new(&b.0, 1, options(0.002, 1));
        bench.parameters.friction_scale.row_mut(0).fill(scale);
        bench.reset_all(|_| qpos.clone(), |_| vec![0.0; 6]);
        bench.run(100);
        let speed = |bench: &Bench| DVec3::new(bench.qvel(0), bench.qvel(1), bench.qvel(2)).length();
        let early = speed(&bench);
        bench.run(500);
        speed(&bench) - early
    };
    let (sin, cos) = 30f64.to_radians().sin_cos();
    for scale in [1.0, 0.5] {
        let expected = GRAVITY * (sin - 0.5 * scale as f64 * cos);
        let found = slide(scale);
        assert!((found / expected - 1.0).abs() < 0.01, "scale {scale}: {found}, expected {expected}");
    }
}

/// Which of two boxes rest on the floor, by masks, exclusion and named pairs.
#[test]
fn masks_exclusions_and_pairs_decide() {
    let falls = |edit: &dyn Fn(&mut Builder)| {
        let mut b = Builder::new("masks");
        b.floor();
        cube(&mut b, [0.0, 0.0, 0.1]);
        edit(&mut b);
        let mut bench = Bench::at_reference(&b.0, options(0.002, 10));
        bench.run(25);
        bench.qpos(2) < 0.0
    };
    assert!(!falls(&|_| ()));
    // The floor is 1/1; a box 2/2 passes through it, a box 2/1 rests: one direction is enough.
    assert!(falls(&|b| (b.0.geoms[1].contype, b.0.geoms[1].conaffinity) = (2, 2)));
    assert!(!falls(&|b| (b.0.geoms[1].contype, b.0.geoms[1].conaffinity) = (2, 1)));
    assert!(falls(&|b| b.0.contact_excludes.push([0, 1])));
    assert!(!falls(&|b| {
        (b.0.geoms[1].contype, b.0.geoms[1].conaffinity) = (0, 0);
        b.0.contact_pairs.push(keiko_model::robot::ContactPair {
            geoms: [0, 1],
            condim: None,
            friction: None,
            softness: None,
            margin: None,
            gap: None,
        });
    }));
}
