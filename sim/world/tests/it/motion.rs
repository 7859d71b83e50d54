//! Closed forms of mechanics: pendulum, momentum, several joints on a body.

use glam::{DQuat, DVec3};
use keiko_model::robot::JointKind;

use crate::bench::{Bench, options};
use crate::robots::{Builder, GRAVITY, pendulum};

/// Period of small swings, `2π sqrt(I / m g L)` with the first amplitude correction; tolerance 1e-4 (T3).
#[test]
fn a_pendulum_swings_with_its_period() {
    let amplitude = 5f64.to_radians();
    let mut bench = Bench::new(&pendulum(), 1, options(0.002, 1));
    bench.reset_all(|_| vec![amplitude as f32], |_| vec![0.0]);
    let period = 2.0 * std::f64::consts::PI * (1.001 / GRAVITY).sqrt() * (1.0 + amplitude * amplitude / 16.0);
    let mut crossings = Vec::new();
    let mut last = bench.qpos(0);
    for k in 0..10_000 {
        bench.run(1);
        let now = bench.qpos(0);
        if last > 0.0 && now <= 0.0 {
            crossings.push((k as f64 + last / (last - now)) * 0.002);
        }
        last = now;
    }
    let measured = (crossings[crossings.len() - 1] - crossings[0]) / (crossings.len() - 1) as f64;
    assert!((measured / period - 1.0).abs() < 1e-4, "period {measured}, expected {period}");
}

/// Energy of a pendulum from the horizontal stays within 0.5 % for 100 s (T3).
#[test]
fn a_pendulum_keeps_its_energy() {
    let mut bench = Bench::new(&pendulum(), 1, options(0.002, 10));
    bench.reset_all(|_| vec![std::f32::consts::FRAC_PI_2], |_| vec![0.0]);
    for _ in 0..5_000 {
        bench.run(1);
        let (q, v) = (bench.qpos(0), bench.qvel(0));
        let energy = 0.5 * 1.001 * v * v - GRAVITY * q.cos();
        assert!(energy.abs() < 0.005 * GRAVITY, "energy {energy}");
    }
}

/// A trunk with two arms, each a hinge and a slide held by servos, floating.
fn floating() -> keiko_model::RobotModel {
    let mut b = Builder::new("floating").without_gravity();
    let trunk = b.body(0, [0.0, 0.0, 1.0], 3.0, [0.05, -0.02, 0.03], [0.02, 0.03, 0.04]);
    b.joint(trunk, JointKind::Free, [0.0; 3], [0.0; 3]);
    for side in [-1.0, 1.0] {
        let upper = b.body(trunk, [0.1, 0.2 * side, 0.0], 0.8, [0.0, 0.1 * side, 0.0], [0.003, 0.001, 0.003]);
        let hinge = b.joint(upper, JointKind::Revolute, [1.0, 0.0, 0.0], [0.0; 3]);
        let lower = b.body(upper, [0.0, 0.2 * side, 0.0], 0.5, [0.0, 0.1 * side, 0.0], [0.002, 0.001, 0.002]);
        let slide = b.joint(lower, JointKind::Prismatic, [0.0, 1.0, 0.0], [0.0; 3]);
        b.position_servo(hinge, 20.0, 0.5);
        b.position_servo(slide, 50.0, 1.0);
    }
    b.0
}

/// How far motors move the centre of mass in 2 s, and the largest angle of the first hinge.
fn drift_of_the_centre(timestep: f32) -> (f64, f64) {
    let model = floating();
    let mut bench = Bench::at_reference(&model, options(timestep, (0.01 / timestep).round() as usize));
    let total = model.total_mass();
    let center = |bench: &Bench| -> DVec3 {
        let mut sum = DVec3::ZERO;
        for (index, body) in model.bodies.iter().enumerate() {
            let p = DVec3::from_array(std::array::from_fn(|k| {
                bench.state.body_position.get(3 * index + k, 0) as f64
            }));
            let q = DQuat::from_array(std::array::from_fn(|k| {
                bench.state.body_rotation.get(4 * index + k, 0) as f64
            }));
            sum += body.inertial.mass / total * (p + q * body.inertial.pose.position);
        }
        sum
    };
    let (start, mut swing) = (center(&bench), 0f64);
    for k in 0..200 {
        let phase = k as f32 * 0.05;
        bench.ctrl.set_column(0, [phase.sin(), 0.03 * phase.cos(), -(1.3 * phase).sin(), 0.02]);
        bench.run(1);
        swing = swing.max(bench.qpos(7).abs());
    }
    ((center(&bench) - start).length(), swing)
}

/// Motors cannot move the centre of mass of a floating body; the integrator does, by a term of first order in
/// the time step (Coriolis forces are taken semi-implicitly).
#[test]
fn motors_do_not_move_the_centre_of_mass() {
    let (coarse, swing) = drift_of_the_centre(0.002);
    let (fine, _) = drift_of_the_centre(0.001);
    assert!(swing > 0.5, "the motors did not move: {swing} rad");
    assert!(coarse < 3e-3, "centre of mass moved by {coarse} m");
    assert!(fine < 0.6 * coarse, "no first-order error: {fine} m at half the step, {coarse} m");
}

/// Two slides and a hinge on one body: a thrown and spun stick in the plane, and each joint on its own.
#[test]
fn several_joints_on_one_body_act_in_order() {
    let mut b = Builder::new("planar");
    let body = b.body(0, [0.0, 0.0, 1.0], 2.0, [0.0; 3], [0.1; 3]);
    b.joint(body, JointKind::Prismatic, [1.0, 0.0, 0.0], [0.0; 3]);
    b.joint(body, JointKind::Prismatic, [0.0, 0.0, 1.0], [0.0; 3]);
    b.joint(body, JointKind::Revolute, [0.0, 1.0, 0.0], [0.0; 3]);
    let mut bench = Bench::new(&b.0, 1, options(0.002, 1));
    bench.reset_all(|_| vec![0.1, 0.2, 0.3], |_| vec![1.0, 2.0, 3.0]);
    let place: Vec<f32> = bench.state.body_position.column(0).collect();
    assert!((place[3] - 0.1).abs() < 1e-6 && (place[5] - 1.2).abs() < 1e-6, "{place:?}");
    bench.run(500);
    let substep = 0.0005;
    assert!((bench.qpos(0) - 1.1).abs() < 1e-4, "x {}", bench.qpos(0));
    let fall = 0.2 + 2.0 - 0.5 * GRAVITY - 0.5 * GRAVITY * substep;
    assert!((bench.qpos(1) - fall).abs() < 1e-3, "z {}, expected {fall}", bench.qpos(1));
    assert!((bench.qpos(2) - 3.3).abs() < 1e-4, "angle {}", bench.qpos(2));
}

/// Three hinges about orthogonal axes through the centre of mass of a sphere are a free rotation in Euler angles:
/// with only the first turning, its speed is constant; with all three, the angular momentum is.
#[test]
fn three_hinges_keep_angular_momentum() {
    let mut b = Builder::new("gimbal").without_gravity();
    let body = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.1, 0.2, 0.3]);
    for axis in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] {
        b.joint(body, JointKind::Revolute, axis, [0.0; 3]);
    }
    let mut bench = Bench::new(&b.0, 1, options(0.001, 1));
    bench.reset_all(|_| vec![0.1, 0.2, 0.3], |_| vec![0.4, -0.3, 0.5]);
    let momentum = |bench: &Bench| {
        let q = DQuat::from_array(std::array::from_fn(|k| bench.state.body_rotation.get(4 + k, 0) as f64));
        let w = DVec3::from_array(std::array::from_fn(|k| {
            bench.state.body_angular_velocity.get(3 + k, 0) as f64
        }));
        q * (DVec3::new(0.1, 0.2, 0.3) * (q.conjugate() * w))
    };
    let start = momentum(&bench);
    bench.run(1000);
    let change = (momentum(&bench) - start).length() / start.length();
    assert!(change < 5e-3, "angular momentum changed by {change}");
}

/// `ref` shifts qpos only: the pendulum with reference 1 at qpos 1 hangs, and rests there.
#[test]
fn a_reference_shifts_positions() {
    let mut model = pendulum();
    model.joints[0].reference = 1.0;
    let mut bench = Bench::at_reference(&model, options(0.002, 1));
    bench.run(100);
    assert!((bench.qpos(0) - 1.0).abs() < 1e-6, "{}", bench.qpos(0));
}

/// A ball joint reports the quaternion of the child and its angular velocity in the child's frame.
#[test]
fn a_ball_joint_turns_as_told() {
    let mut b = Builder::new("ball").without_gravity();
    let body = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.1; 3]);
    b.joint(body, JointKind::Ball, [0.0; 3], [0.0; 3]);
    let mut bench = Bench::new(&b.0, 1, options(0.002, 1));
    let start = crate::robots::turn(DVec3::X, 90.0);
    let qpos: Vec<f32> = start.to_array().iter().map(|v| *v as f32).collect();
    bench.reset_all(|_| qpos.clone(), |_| vec![0.0, 0.0, 1.0]);
    bench.run(250);
    let expected = start * DQuat::from_rotation_z(0.5);
    let found = DQuat::from_array(std::array::from_fn(|k| bench.qpos(k)));
    assert!(expected.angle_between(found) < 1e-3, "{found:?}, expected {expected:?}");
    assert!((bench.qvel(2) - 1.0).abs() < 1e-4 && bench.qvel(0).abs() < 1e-4);
}
