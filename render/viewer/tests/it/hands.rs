//! Sliders, and the spring that pulls.

use glam::DVec3;
use keiko_model::kinematics::forward_kinematics;
use keiko_viewer::{Thing, body_pose, properties};

use crate::support::{numbers, robot, scene};

const BRICK: &str = r#"<mujoco><option timestep="0.002"/><worldbody>
  <body name="brick" pos="0 0 1"><freejoint/><geom type="box" size=".1 .2 .05" mass="3"/></body>
</worldbody></mujoco>"#;

const PENDULUM: &str = r#"<mujoco><option timestep="0.002"/><worldbody>
  <body name="post"><geom type="box" size=".02 .02 .5" contype="0" conaffinity="0"/>
    <body name="rod" pos="0 0 .5"><joint name="swing" axis="0 1 0" range="-90 90"/>
      <geom type="capsule" fromto="0 0 0 0 0 -.4" size=".02" mass="1"/></body></body>
</worldbody><actuator><motor name="push" joint="swing" ctrlrange="-2 2"/></actuator></mujoco>"#;

#[test]
fn a_held_brick_comes_to_rest_below_the_hand_by_gravity_over_stiffness() {
    let mut session = robot(BRICK);
    let hand = DVec3::new(0.3, -0.2, 1.5);
    assert!(session.grab(1, body_pose(session.state(), 0, 1).position));
    session.pull_to(hand);
    for _ in 0..2000 {
        session.single_step();
    }
    // The spring has 100 N/m for each kg: it gives by 9.81 / 100 m.
    let expected = hand - DVec3::new(0.0, 0.0, 0.0981);
    let found = body_pose(session.state(), 0, 1).position;
    assert!(found.distance(expected) < 1e-3, "{found}");

    session.release();
    let before = f64::from(session.state().qvel.get(2, 0));
    for _ in 0..50 {
        session.single_step();
    }
    let fallen = f64::from(session.state().qvel.get(2, 0)) - before;
    assert!((fallen + 0.981).abs() < 1e-3, "0.1 s of free fall: {fallen} m/s");
}

#[test]
fn a_pull_at_a_corner_turns_the_brick() {
    let mut session = robot(BRICK);
    let corner = DVec3::new(0.1, 0.2, 1.05);
    assert!(session.grab(1, corner));
    session.pull_to(corner + DVec3::new(0.0, 0.0, 0.5));
    session.single_step();
    // Up at +y turns around +x, up at +x around -y; the law is torque over moment: (0.2, -0.1) x 3 kg x 50 m/s².
    let spin = [3, 4].map(|row| f64::from(session.state().qvel.get(row, 0)));
    let moments = [3.0 / 3.0 * (0.04 + 0.0025), 3.0 / 3.0 * (0.01 + 0.0025)];
    let expected = [0.2 * 150.0 / moments[0] * 0.002, -0.1 * 150.0 / moments[1] * 0.002];
    for (found, expected) in spin.into_iter().zip(expected) {
        assert!((found - expected).abs() < 0.02 * expected.abs(), "{found} instead of {expected}");
    }
}

#[test]
fn what_nothing_moves_cannot_be_held() {
    let mut session = robot(PENDULUM);
    assert!(!session.grab(0, DVec3::ZERO) && !session.grab(1, DVec3::ZERO) && session.pull().is_none());
    assert!(session.grab(2, DVec3::new(0.0, 0.0, 0.1)));
}

#[test]
fn a_slider_puts_a_joint_where_it_says() {
    for engine in ["lanes", "rapier"] {
        let mut session = scene("walk", &[&format!("physics.engine={engine}")], 2);
        session.show(1);
        for _ in 0..5 {
            session.single_step();
        }
        let other: Vec<f32> = session.state().qpos.column(0).collect();
        let row = session.model().joints.iter().find(|joint| joint.name == "FR_knee").unwrap().qpos_index;
        session.set_position(row, -1.2);
        assert_eq!(session.state().qpos.get(row, 1), -1.2);
        assert!(session.state().qvel.column(1).all(|v| v == 0.0), "it rests");
        assert!(session.state().qpos.column(0).eq(other), "{engine}: the neighbour stays");
        let qpos: Vec<f64> = session.state().qpos.column(1).map(f64::from).collect();
        for (body, pose) in forward_kinematics(session.model(), &qpos).into_iter().enumerate() {
            assert!(body_pose(session.state(), 1, body).position.distance(pose.position) < 1e-5, "{engine}");
        }
        // It is a moment of its own: one can go back before it.
        let placed = numbers(&session);
        let (_, now) = session.moments();
        session.scrub(now - 1);
        assert_ne!(numbers(&session), placed);
        session.scrub(now);
        assert_eq!(numbers(&session), placed);
    }
}

#[test]
fn controls_of_a_robot_file_have_its_ranges_and_push() {
    let mut session = robot(PENDULUM);
    let input = session.subject().inputs[0].clone();
    assert_eq!((input.name.as_str(), input.range), ("push", [-2.0, 2.0]));
    session.set_input(0, 2.0);
    session.single_step();
    assert!(session.state().qvel.get(0, 0) > 0.0);
    session.neutral_inputs();
    assert_eq!(session.input(0), 0.0);
    let rows = properties(session.model(), session.state(), 0, Thing::Joint(0));
    let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!((row("kind").value.as_str(), row("position").unit), ("revolute", "rad"));
    assert_eq!(row("range").value, "-1.5708 to 1.5708");
    assert_eq!(row("axis, in its body").value, "0  1  0");
}
