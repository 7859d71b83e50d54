//! What two fingers hold: against the friction cone, and for seconds.

use std::path::Path;

use glam::{DQuat, DVec3};
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::TaskSpec;

use crate::common::{options, repository};

const GRAVITY: f64 = 9.81;
/// Of the fingers' geoms in `arm_gripper.xml`.
const FRICTION: f64 = 1.0;
/// Half of the cube's side [m].
const HALF: f64 = 0.025;

/// Fingers that touch a cube of a mass, over nothing; steps of 0.04 s.
fn about_a_cube(mass: f64, physics: &str) -> TaskEnv {
    let file = repository().join("assets/robots/arm/arm_gripper.xml");
    let text = format!(
        r#"
name = "grasp"
[robot]
file = "{}"
[[props]]
name = "cube"
shape = {{ kind = "box", half_size = [{HALF}, {HALF}, {HALF}] }}
position = [0.5798773, 0.0, 0.3982688]
mass = {mass}
friction = 0.1
[physics]
timestep = 0.005
decimation = 8
solver_iterations = 2
{physics}
[action]
kind = "position_delta"
scale = 0.06
[initial]
positions = {{ left_finger = {HALF}, right_finger = {HALF} }}
[observe.policy]
q = {{ term = "joint_position" }}
"#,
        file.display()
    );
    let spec = TaskSpec::parse(&text, Path::new("grasp.toml"), &[]).unwrap_or_else(|e| panic!("{e}"));
    TaskEnv::new(&spec, &options(1, 1)).unwrap_or_else(|e| panic!("{e}"))
}

/// The cube's middle from the point of the grasp, in the hand's frame [m].
fn in_hand(env: &TaskEnv) -> DVec3 {
    let (state, frame) = (env.state(), env.scene().end_effector);
    let three =
        |body: usize| DVec3::from([0, 1, 2].map(|k| f64::from(state.body_position.get(3 * body + k, 0))));
    let turned = [0, 1, 2, 3].map(|k| f64::from(state.body_rotation.get(4 * frame.body + k, 0)));
    let cube = env.scene().num_robot_bodies;
    DQuat::from_array(turned).inverse() * (three(cube) - three(frame.body)) - frame.point
}

/// Closes the gripper for some seconds; the arm stays where it is.
fn close(env: &mut TaskEnv, seconds: f64) {
    let mut actions = Field::zeros(8, 1);
    actions.set(7, 0, -1.0);
    for _ in 0..(seconds / 0.04).round() as usize {
        env.step(&actions);
    }
    assert_eq!(env.num_faults(), 0);
}

/// Force of each finger [N]: half of what pulls at the tendon.
fn finger_force(env: &TaskEnv) -> f64 {
    let gripper = env.scene().model.actuators.iter().position(|actuator| actuator.name == "gripper");
    0.5 * f64::from(env.state().actuator_force.get(gripper.unwrap(), 0)).abs()
}

#[test]
fn a_cube_is_held_for_seconds_without_slip() {
    // Rapier lets it creep; the batched engine, which these scenes run on, does not.
    for (engine, most) in [("lanes", 2e-4), ("rapier", 2e-2)] {
        let mut env = about_a_cube(0.2, &format!("engine = \"{engine}\""));
        close(&mut env, 0.4);
        let before = in_hand(&env);
        close(&mut env, 5.0);
        let slip = (in_hand(&env) - before).length();
        println!("{engine}: {:.3} mm in 5 s at {:.1} N", 1e3 * slip, finger_force(&env));
        assert!(before.length() < 3e-3, "{engine}: the cube is {before} m from where it was taken");
        assert!(slip < most, "{engine}: slipped by {slip} m");
    }
}

#[test]
fn two_fingers_hold_what_the_friction_cone_holds() {
    let force = {
        let mut env = about_a_cube(0.2, "engine = \"lanes\"");
        close(&mut env, 1.0);
        finger_force(&env)
    };
    // Friction of two fingers carries the weight.
    let most = 2.0 * FRICTION * force / GRAVITY;
    let slip = |mass: f64| {
        let mut env = about_a_cube(mass, "engine = \"lanes\"");
        close(&mut env, 0.12);
        let now = finger_force(&env);
        assert!((now / force - 1.0).abs() < 0.05, "{now} N, with little weight {force} N");
        // The arm gives way under the load, and bounces back.
        close(&mut env, 0.6);
        let before = in_hand(&env);
        close(&mut env, 0.6);
        (in_hand(&env) - before).length()
    };
    let parts = [0.6, 0.7, 0.8, 1.1];
    let slips = parts.map(|part| slip(part * most));
    println!("{most:.2} kg are the most; {parts:?} of it slip {slips:.4?} m in 0.6 s");
    assert!(slips[..3].iter().all(|slip| *slip < 1e-3), "{slips:?} m");
    assert!(slips[3] > 0.05, "{slips:?} m");
}
