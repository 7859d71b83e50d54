//! The truth card on the rapier executor: every row must pass or be known to miss, and must fail where the scene is
//! spoiled.

mod mujoco;

use keiko_model::RobotModel;
use keiko_world::Executor;
use keiko_world::verify::{
    AGREEMENT, CHECKS, CheckError, ENGINES, Engine, Lanes, Rapier, Row, Settings, engine, find, peer, reason,
};

/// Rows that take more than ten seconds: `keiko verify physics` runs them.
const BY_COMMAND_ONLY: [&str; 2] = ["T12a", "T20"];

/// Rows whose scenes need a coefficient of restitution, which MuJoCo lacks.
const NOT_IN_MUJOCO: [&str; 4] = ["T8", "T8b", "T11", "T12b"];

/// Runs a check and asserts that each of its rows meets its demand, or is listed as one that rapier misses and
/// does miss.
fn passes(id: &str) {
    let rows = (find(id).expect("the card has the row").run)(&Rapier).expect("the check runs");
    assert!(!rows.is_empty(), "{id} measures nothing");
    for row in &rows {
        println!(
            "{:4} {:50} {:11.3e} {:9.1e} {:4} {}",
            row.id, row.name, row.value, row.demand, row.unit, row.passed
        );
    }
    let unexpected: Vec<_> =
        rows.iter().filter(|row| row.passed == reason("rapier", row).is_some()).collect();
    assert!(unexpected.is_empty(), "missed without being listed, or listed and met: {unexpected:#?}");
    let unmeasured = |row: &&Row| peer(row.id, &row.name).is_none();
    let unmeasured: Vec<_> = rows.iter().filter(unmeasured).map(|row| &row.name).collect();
    assert_eq!(
        unmeasured.is_empty(),
        !NOT_IN_MUJOCO.contains(&id),
        "{id} without MuJoCo's value: {unmeasured:?}"
    );
}

#[test]
fn lanes_agree_with_rapier() {
    for check in AGREEMENT {
        let rows = (check.run)(&Lanes).expect("the check runs");
        assert!(!rows.is_empty(), "{} measures nothing", check.id);
        let beyond: Vec<_> = rows.iter().filter(|row| !row.passed).collect();
        assert!(beyond.is_empty(), "{beyond:#?}");
    }
}

/// What takes the batched engine's steps to be centred in time, and its sums to be whole.
#[test]
fn lanes_meet_the_card_in_smooth_motion() {
    for id in ["T1", "T2", "T3", "T4", "T5", "T10", "T14", "T22", "T26", "M1", "M2", "M3"] {
        let rows = (find(id).expect("the card has the row").run)(&Lanes).expect("the check runs");
        let unexpected: Vec<_> =
            rows.iter().filter(|row| row.passed == reason("lanes", row).is_some()).collect();
        assert!(unexpected.is_empty(), "missed without being listed, or listed and met: {unexpected:#?}");
    }
}

#[test]
fn engines_are_made_by_name() {
    for name in ENGINES {
        assert_eq!(engine(name).map(|engine| engine.name()), Some(*name));
    }
    assert!(engine("no such engine").is_none());
}

macro_rules! card {
    ($($test:ident $id:literal,)*) => {
        $(#[test] fn $test() { passes($id); })*

        #[test]
        fn every_row_of_the_card_has_its_test() {
            let tested = [$($id),*];
            let run_here = CHECKS.iter().map(|check| check.id).filter(|id| !BY_COMMAND_ONLY.contains(id));
            assert_eq!(tested.to_vec(), run_here.collect::<Vec<_>>());
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
    t10_top "T10",
    t11_cradle "T11",
    t12b_elastic_pile "T12b",
    t13_joint_limit "T13",
    t14_pd_step "T14",
    t15_four_bar "T15",
    t16_friction_cone "T16",
    t17_grip "T17",
    t18_quadruped_stands "T18",
    t18b_energy_and_momentum "T18b",
    t19_mass_ratio "T19",
    t21_slab_with_balls "T21",
    t22_double_pendulum_trajectory "T22",
    t23_tumble "T23",
    t24_dominoes "T24",
    t25_arch "T25",
    t26_order "T26",
    m1_afloat "M1",
    m2_moved "M2",
    m3_mirrored "M3",
    m4_passive_walker "M4",
}

/// The same engine with something wrong in each scene.
struct Spoiled(fn(&mut RobotModel));

impl Engine for Spoiled {
    fn name(&self) -> &'static str {
        "spoiled"
    }

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

    fn lag(&self, settings: &Settings) -> f64 {
        Rapier.lag(settings)
    }
}

/// What spoils a scene.
type Spoil = fn(&mut RobotModel);

#[test]
fn a_wrong_scene_fails() {
    // Gravity is told to each environment: bodies that it pulls at too much are the engine's own.
    let gravity: Spoil = |m| m.bodies.iter_mut().for_each(|b| b.gravity_compensation = -0.0005);
    let damping: Spoil = |m| m.joints.iter_mut().for_each(|j| j.damping = 0.01);
    let friction: Spoil = |m| m.geoms.iter_mut().for_each(|g| g.friction.x *= 0.9);
    let cases: [(&str, Spoil); 16] = [
        ("T1", gravity),
        ("T2", gravity),
        ("T3", damping),
        ("T5", |m| m.bodies[1].inertial.moments.z *= 1.5),
        ("T6", friction),
        ("T7", friction),
        ("T8", |m| m.geoms.iter_mut().for_each(|g| g.restitution *= 0.95)),
        ("T11", |m| m.geoms.iter_mut().for_each(|g| g.restitution *= 0.9)),
        ("T13", |m| m.joints[0].range = Some([-0.8, 0.8])),
        ("T14", |m| m.actuators[0].bias[2] *= 1.2),
        ("T15", |m| m.equalities.clear()),
        ("T16", friction),
        ("T17", |m| m.geoms.iter_mut().for_each(|g| g.friction.x = 0.3)),
        ("T21", friction),
        ("T26", damping),
        ("M3", |m| m.joints[1].damping *= 2.0),
    ];
    for (id, spoil) in cases {
        let rows = (find(id).expect("the card has the row").run)(&Spoiled(spoil));
        assert!(
            rows.map_or(true, |rows| rows.iter().any(|row| !row.passed)),
            "{id} does not see what is wrong"
        );
    }
}
