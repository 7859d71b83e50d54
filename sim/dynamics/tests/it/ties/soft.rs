//! The soft law: limits are met and not overshot, loops stay closed, dry friction has a threshold.

use keiko_dynamics::plan::StepOptions;

use super::{One, read};

const HINGE: &str = r#"<mujoco><option gravity="0 0 0"/><worldbody>
  <body name="arm"><joint name="hinge" type="hinge" axis="0 1 0" limited="true" range="-45 45"/>
  <geom type="box" size=".25 .05 .05" pos=".25 0 0" mass="1"/></body></worldbody>
  <actuator><motor joint="hinge" gear="1"/></actuator></mujoco>"#;

/// 10 N·m against a limit at 45 degrees.
#[test]
fn a_limit_is_met_and_not_overshot() {
    let mut one = One::soft(HINGE);
    one.control(&[10.0]);
    let mut peak = 0.0_f64;
    one.run(1.0, |one| peak = peak.max(one.qpos(0).to_degrees() - 45.0));
    let rest = one.qpos(0).to_degrees() - 45.0;
    println!("peak {peak:.2e}, rest {rest:.2e} degrees");
    assert!(peak < 0.02 && rest.abs() < 0.005, "{peak} {rest}");
    assert!(one.qvel(0).abs() < 1e-6);
}

/// Torque and inertia about the hinge say how fast it goes once dry friction of 2 N·m lets it go.
#[test]
fn dry_friction_holds_up_to_its_threshold() {
    let inertia = (0.5_f64.powi(2) + 0.1_f64.powi(2)) / 12.0 + 0.25_f64.powi(2);
    let text = HINGE.replace("range=\"-45 45\"", "range=\"-45 45\" frictionloss=\"2\"");
    for (torque, moves) in [(1.9, 0.0), (-1.9, 0.0), (2.1, 0.1), (-2.2, -0.2)] {
        let mut one = One::soft(&text);
        one.control(&[torque]);
        one.run(0.5, |_| ());
        let expected = 0.5 * moves / inertia * 0.5_f64.powi(2);
        // One substep more or less of the way.
        let error = one.qpos(0) - expected;
        assert!(error.abs() < 1e-9 + 0.002 * expected.abs(), "{torque} N·m: {} for {expected}", one.qpos(0));
    }
}

#[test]
fn a_joint_is_not_faster_than_its_limit() {
    let mut model = read(&HINGE.replace("range=\"-45 45\"", "range=\"-180 180\""));
    model.joints[0].velocity_limit = Some(2.0);
    let mut one = One::new(model, StepOptions::default());
    one.control(&[10.0]);
    let mut fastest = 0.0_f64;
    one.run(0.5, |one| fastest = fastest.max(one.qvel(0)));
    assert!((1.999..2.0001).contains(&fastest), "{fastest}");
}

const FOLLOWERS: &str = r#"<mujoco><worldbody>
  <body><joint name="a" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
    <body pos=".3 0 0"><joint name="b" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 .2 0 0" size=".03" contype="0" conaffinity="0"/></body></body>
  </worldbody><equality><joint joint1="b" joint2="a" polycoef=".1 -.7 0 0 0"/></equality></mujoco>"#;

/// A mimic joint starts off its ratio, finds it and keeps it while the arm swings.
#[test]
fn a_joint_follows_another() {
    let mut one = One::soft(FOLLOWERS);
    let (mut gap, mut swing) = (0.0_f64, 0.0_f64);
    one.run(0.1, |_| ());
    one.run(2.0, |one| {
        gap = gap.max((one.qpos(1) - 0.1 + 0.7 * one.qpos(0)).abs());
        swing = swing.max(one.qpos(0));
    });
    println!("gap {gap:.1e} rad, swing {swing}");
    assert!(swing > 1.0 && gap < 1e-4, "{gap} {swing}");
}

const FOUR_BAR: &str = r#"<mujoco><worldbody>
  <body pos="0 0 1"><joint axis="0 1 0"/><geom type="capsule" fromto="0 0 0 .2 0 .3" size=".03" contype="0" conaffinity="0"/>
    <body name="coupler" pos=".2 0 .3"><joint axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 .5 0 0" size=".03" contype="0" conaffinity="0"/>
      <body name="end" pos=".5 0 0"/></body></body>
  <body name="rocker" pos=".6 0 1"><joint axis="0 1 0"/>
    <geom type="capsule" fromto="0 0 0 .1 0 .3" size=".03" contype="0" conaffinity="0"/><body name="pin" pos=".1 0 .3"/></body>
 </worldbody><equality><connect body1="coupler" body2="rocker" anchor=".5 0 0"/></equality></mujoco>"#;

/// A planar loop closed by three rows in space, of which one has nothing to move.
#[test]
fn a_four_bar_linkage_stays_closed() {
    let mut one = One::soft(FOUR_BAR);
    one.start(&[0.0; 3], &[0.0; 3]);
    let (mut gap, mut way) = (0.0_f64, 0.0_f64);
    one.run(3.0, |one| {
        gap = gap.max((one.position("end") - one.position("pin")).length());
        way = way.max(one.qpos(0).abs());
    });
    println!("gap {gap:.1e} m, way {way}");
    assert!(way > 0.5 && gap < 5e-4, "{gap} {way}");
}

#[test]
fn a_welded_body_hangs() {
    let mut one = One::soft(
        r#"<mujoco><worldbody><body name="a" pos="0 0 1"><freejoint/>
        <geom type="box" size=".1 .07 .05" pos=".2 0 0"/></body></worldbody>
        <equality><weld body1="a"/></equality></mujoco>"#,
    );
    one.run(1.0, |_| ());
    let place = one.position("a");
    assert!((place - glam::DVec3::Z).length() < 1e-4 && one.qpos(6) > 1.0 - 1e-7, "{place}");
}

/// A ball that spins about the vertical is slowed by torsional friction: coefficient times weight.
#[test]
fn torsional_friction_slows_a_spin() {
    let mut one = One::soft(
        r#"<mujoco><worldbody><geom type="plane" size="1 1 1" condim="4" friction="1 .005 0"/>
        <body pos="0 0 .1"><freejoint/><geom size=".1" mass="1" condim="4" friction="1 .005 0"/></body>
        </worldbody></mujoco>"#,
    );
    one.start(&one.model.reference_qpos(), &[0.0, 0.0, 0.0, 0.0, 0.0, 10.0]);
    one.run(0.4, |_| ());
    let expected = 10.0 - 0.005 * 9.81 / (0.4 * 0.01) * 0.4;
    assert!((one.qvel(5) - expected).abs() < 0.01 * expected, "{} for {expected}", one.qvel(5));
    one.run(0.6, |_| ());
    assert!(one.qvel(5).abs() < 1e-9, "{}", one.qvel(5));
}
