//! The truth card on the rapier executor: every row must pass, and must fail where the scene is spoiled.

use keiko_model::RobotModel;
use keiko_world::Executor;
use keiko_world::verify::{CHECKS, CheckError, Engine, Rapier, Settings, find};

/// Runs a check and asserts that each of its rows meets its demand.
fn passes(id: &str) {
    let rows = (find(id).expect("the card has the row").run)(&Rapier).expect("the check runs");
    assert!(!rows.is_empty(), "{id} measures nothing");
    for row in &rows {
        println!(
            "{:4} {:60} {:12.3e} {:10.1e} {:4} {}",
            row.id, row.name, row.value, row.demand, row.unit, row.passed
        );
    }
    let failed: Vec<_> = rows.iter().filter(|row| !row.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

macro_rules! card {
    ($($test:ident $id:literal,)*) => {
        $(#[test] fn $test() { passes($id); })*

        #[test]
        fn every_row_of_the_card_has_its_test() {
            let tested = [$($id),*];
            assert_eq!(tested.to_vec(), CHECKS.iter().map(|check| check.id).collect::<Vec<_>>());
        }
    };
}

card! {
    t01_free_fall "T1",
    t02_projectile "T2",
    t03_pendulum "T3",
    t04_double_pendulum_energy "T4",
    t05_intermediate_axis "T5",
    t06_slope "T6",
    t07_rolling "T7",
    t08_restitution "T8",
    t08b_elastic_balls "T8b",
    t09_ten_cubes "T9",
    t13_joint_limit "T13",
    t14_pd_step "T14",
    t15_four_bar "T15",
    t16_friction_cone "T16",
    t17_grip "T17",
    t19_mass_ratio "T19",
    t22_double_pendulum_trajectory "T22",
    t23_tumble "T23",
}

/// The same engine with something wrong in each scene.
struct Spoiled(fn(&mut RobotModel));

impl Engine for Spoiled {
    fn build(
        &self,
        model: &RobotModel,
        num_envs: usize,
        settings: &Settings,
    ) -> Result<Box<dyn Executor>, CheckError> {
        let mut model = model.clone();
        (self.0)(&mut model);
        Rapier.build(&model, num_envs, settings)
    }

    fn substep(&self, settings: &Settings) -> f64 {
        Rapier.substep(settings)
    }
}

/// What spoils a scene.
type Spoil = fn(&mut RobotModel);

#[test]
fn a_wrong_scene_fails() {
    let gravity: Spoil = |m| m.options.gravity *= 1.0005;
    let damping: Spoil = |m| m.joints.iter_mut().for_each(|j| j.damping = 0.01);
    let friction: Spoil = |m| m.geoms.iter_mut().for_each(|g| g.friction.x *= 0.9);
    let cases: [(&str, Spoil); 12] = [
        ("T1", gravity),
        ("T2", gravity),
        ("T3", damping),
        ("T5", |m| m.bodies[1].inertial.moments.z *= 1.5),
        ("T6", friction),
        ("T7", friction),
        ("T8", |m| m.geoms.iter_mut().for_each(|g| g.restitution *= 0.95)),
        ("T13", |m| m.joints[0].range = Some([-0.8, 0.8])),
        ("T14", |m| m.actuators[0].bias[2] *= 1.2),
        ("T15", |m| m.equalities.clear()),
        ("T16", friction),
        ("T17", |m| m.geoms.iter_mut().for_each(|g| g.friction.x = 0.3)),
    ];
    for (id, spoil) in cases {
        let rows = (find(id).expect("the card has the row").run)(&Spoiled(spoil));
        assert!(
            rows.map_or(true, |rows| rows.iter().any(|row| !row.passed)),
            "{id} does not see what is wrong"
        );
    }
}
