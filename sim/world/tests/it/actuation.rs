//! Actuators and sensors against closed forms.

use glam::{DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{Equality, EqualityKind, FrameRef, JointKind, RobotModel, SensorKind, Transmission};

use crate::bench::{Bench, options};
use crate::robots::{Builder, GRAVITY, pendulum, quadruped, standing};

/// A wheel of 0.1 kg·m² on a hinge, without gravity.
fn wheel() -> Builder {
    let mut b = Builder::new("wheel").without_gravity();
    let body = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.1; 3]);
    b.joint(body, JointKind::Revolute, [0.0, 0.0, 1.0], [0.0; 3]);
    b
}

fn values(bench: &Bench) -> Vec<f64> {
    bench.state.sensors.column(0).map(f64::from).collect()
}

fn near(found: &[f64], expected: [f64; 3], tolerance: f64) {
    assert!(
        found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= tolerance),
        "{found:?}, expected {expected:?}"
    );
}

/// Torque over inertia, and the gear's square in nothing but the length.
#[test]
fn a_motor_accelerates_by_torque_over_inertia() {
    let mut b = wheel();
    let motor = b.motor(0);
    b.0.actuators[motor].gear[0] = 2.0;
    let mut bench = Bench::at_reference(&b.0, options(0.002, 5));
    bench.ctrl.set(0, 0, 0.3);
    bench.run(50);
    let expected = 2.0 * 0.3 / 0.1 * 0.5;
    assert!((bench.qvel(0) / expected - 1.0).abs() < 1e-4, "{}, expected {expected}", bench.qvel(0));
    assert!((bench.state.actuator_force.get(0, 0) - 0.3).abs() < 1e-6);
}

/// A generalised force does not displace a joint's own spring: rest at `τ / k`.
#[test]
fn a_motor_against_a_spring_rests_at_torque_over_stiffness() {
    let mut b = wheel();
    (b.0.joints[0].stiffness, b.0.joints[0].damping, b.0.joints[0].spring_reference) = (5.0, 1.0, 0.1);
    b.motor(0);
    let mut bench = Bench::at_reference(&b.0, options(0.002, 10));
    bench.ctrl.set(0, 0, 2.0);
    bench.run(300);
    assert!((bench.qpos(0) - 0.5).abs() < 1e-4, "{}", bench.qpos(0));
}

/// A position servo under gravity rests where `kp (u - q)` equals `m g L sin q` (tolerance 1e-4 rad, T14).
#[test]
fn a_position_servo_has_its_steady_error() {
    let mut model = pendulum();
    let mut b = Builder(model.clone());
    b.position_servo(0, 40.0, 5.0);
    model = b.0;
    let mut bench = Bench::at_reference(&model, options(0.002, 10));
    bench.ctrl.set(0, 0, 1.0);
    bench.run(300);
    let q = bench.qpos(0);
    let torque = 40.0 * (1.0 - q);
    assert!(
        (torque - GRAVITY * q.sin()).abs() < 40.0 * 1e-4,
        "q {q}: servo {torque}, gravity {}",
        GRAVITY * q.sin()
    );
    let read = bench.state.actuator_force.get(0, 0) as f64;
    assert!((read - torque).abs() < 1e-3, "read {read}, law {torque}");
}

/// The step response of a servo: `exp(-π z / sqrt(1 - z²))` of overshoot (within 0.03, T14).
#[test]
fn a_position_servo_overshoots_as_its_damping_says() {
    for (kp, kd) in [(40.0, 1.0), (400.0, 4.0)] {
        let mut b = wheel();
        b.position_servo(0, kp, kd);
        let mut bench = Bench::at_reference(&b.0, options(0.002, 1));
        bench.ctrl.set(0, 0, 1.0);
        let mut peak = 0f64;
        for _ in 0..1000 {
            bench.run(1);
            peak = peak.max(bench.qpos(0));
        }
        let z = kd / (2.0 * (kp * 0.1f64).sqrt());
        let expected = (-std::f64::consts::PI * z / (1.0 - z * z).sqrt()).exp();
        assert!((peak - 1.0 - expected).abs() < 0.03, "kp {kp}: {}, expected {expected}", peak - 1.0);
    }
}

/// A velocity servo drives to its speed; all its laws in one scene of three joints is the sum of them alone.
#[test]
fn a_velocity_servo_reaches_its_speed() {
    let mut b = wheel();
    b.actuator(Transmission::Joint { joint: 0 }, 3.0, [0.0, 0.0, -3.0]);
    let mut bench = Bench::at_reference(&b.0, options(0.002, 10));
    bench.ctrl.set(0, 0, 1.5);
    bench.run(100);
    assert!((bench.qvel(0) - 1.5).abs() < 1e-4, "{}", bench.qvel(0));
}

/// `force_range` bounds servos and motors, strength scales what is left, effort bounds the sum on the joint.
#[test]
fn forces_are_clamped() {
    let speed = |edit: &dyn Fn(&mut RobotModel), strength: f32, servo: bool| {
        let mut b = wheel();
        if servo {
            b.position_servo(0, 1e4, 1.0);
        } else {
            b.motor(0);
        }
        edit(&mut b.0);
        let mut bench = Bench::new(&b.0, 1, options(0.002, 10));
        bench.parameters.strength_scale.row_mut(0).fill(strength);
        bench.reset_all(|_| vec![0.0], |_| vec![0.0]);
        bench.ctrl.set(0, 0, 100.0);
        bench.run(10);
        bench.qvel(0) * 0.1 / 0.2
    };
    for servo in [true, false] {
        let limited = |m: &mut RobotModel| m.actuators[0].force_range = Some([-2.0, 2.0]);
        let one_sided = |m: &mut RobotModel| m.actuators[0].force_range = Some([-1.0, 3.0]);
        let effort = |m: &mut RobotModel| m.joints[0].effort_range = Some([-0.5, 0.5]);
        let control =
            |m: &mut RobotModel| (m.actuators[0].ctrl_range, m.actuators[0].gain) = (Some([-1.0, 1.0]), 4.0);
        assert!((speed(&limited, 1.0, servo) - 2.0).abs() < 0.01, "force range, servo {servo}");
        assert!((speed(&limited, 0.5, servo) - 1.0).abs() < 0.01, "strength, servo {servo}");
        assert!(
            (speed(&one_sided, 1.0, servo) - 3.0).abs() < 0.02,
            "one-sided, servo {servo}: {}",
            speed(&one_sided, 1.0, servo)
        );
        assert!((speed(&effort, 1.0, servo) - 0.5).abs() < 0.01, "effort, servo {servo}");
        if !servo {
            assert!((speed(&control, 1.0, servo) - 4.0).abs() < 0.01, "control range");
        }
    }
}

/// A delay of three control steps is three control steps, and the first control stands for those before it.
#[test]
fn delays_count_control_steps() {
    let mut b = wheel();
    b.motor(0);
    let mut bench = Bench::new(&b.0, 1, options(0.002, 5));
    bench.parameters.delay.row_mut(0).fill(3.0);
    bench.reset_all(|_| vec![0.0], |_| vec![0.0]);
    let mut forces = Vec::new();
    for k in 0..8 {
        bench.ctrl.set(0, 0, k as f32);
        bench.run(1);
        forces.push(bench.state.actuator_force.get(0, 0));
    }
    assert_eq!(forces, [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
}

/// A first-order filter: `1 - exp(-t / T)` of the control after `t`.
#[test]
fn filters_follow_their_time_constant() {
    let mut b = wheel();
    let motor = b.motor(0);
    b.0.actuators[motor].time_constant = 0.05;
    let mut bench = Bench::at_reference(&b.0, options(0.001, 1));
    bench.ctrl.set(0, 0, 2.0);
    bench.run(51);
    let expected = 2.0 * (1.0 - (-1f64).exp());
    let found = bench.state.actuator_force.get(0, 0) as f64;
    assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
}

/// A tendon over two hinges divides its force by the coefficients; its sensors read their sum.
#[test]
fn tendons_pull_on_their_joints() {
    let mut b = Builder::new("tendon").without_gravity();
    for _ in 0..2 {
        let body = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.1; 3]);
        b.joint(body, JointKind::Revolute, [0.0, 0.0, 1.0], [0.0; 3]);
    }
    b.0.tendons.push(keiko_model::robot::FixedTendon {
        name: "tendon".into(),
        terms: vec![(0, 1.0), (1, -0.5)],
        range: None,
        stiffness: 0.0,
        damping: 0.0,
        friction_loss: 0.0,
        spring_length: [0.0; 2],
    });
    b.actuator(Transmission::Tendon { tendon: 0 }, 1.0, [0.0; 3]);
    b.sensor(SensorKind::TendonVelocity(0));
    let mut bench = Bench::at_reference(&b.0, options(0.002, 10));
    bench.ctrl.set(0, 0, 1.0);
    bench.run(10);
    assert!((bench.qvel(0) - 2.0).abs() < 1e-3 && (bench.qvel(1) + 1.0).abs() < 1e-3);
    assert!((values(&bench)[0] - (bench.qvel(0) - 0.5 * bench.qvel(1))).abs() < 1e-5);
}

/// A thruster at a site off the centre: `F/m` and `r × F / I`.
#[test]
fn site_forces_push_and_turn() {
    let mut b = Builder::new("thruster").without_gravity();
    let body = b.body(0, [0.0; 3], 2.0, [0.1, 0.0, 0.0], [0.1; 3]);
    b.joint(body, JointKind::Free, [0.0; 3], [0.0; 3]);
    let site = b.site(body, Pose::from_position(DVec3::new(0.1, 0.5, 0.0)));
    let thruster = b.actuator(Transmission::Site { site }, 1.0, [0.0; 3]);
    b.0.actuators[thruster].gear = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let mut bench = Bench::at_reference(&b.0, options(0.001, 1));
    bench.ctrl.set(0, 0, 0.2);
    bench.run(20);
    let turn = bench.qvel(5);
    assert!((turn / (-0.5 * 0.2 / 0.1 * 0.02) - 1.0).abs() < 1e-3, "turn rate {turn}");
    assert!((bench.qvel(0) / (0.2 / 2.0 * 0.02) - 1.0).abs() < 2e-3, "speed {}", bench.qvel(0));
}

/// `q2 = 0.5 - 2 q1`: the follower follows, below its leader or beside it on the world.
#[test]
fn coupled_joints_follow() {
    for beside in [false, true] {
        let mut b = Builder::new("coupled").without_gravity();
        let first = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.1; 3]);
        b.joint(first, JointKind::Revolute, [0.0, 0.0, 1.0], [0.0; 3]);
        let second = b.body(if beside { 0 } else { first }, [0.3, 0.0, 0.0], 1.0, [0.0; 3], [0.1; 3]);
        b.joint(second, JointKind::Revolute, [0.0, 0.0, 1.0], [0.0; 3]);
        let kind = EqualityKind::Joint { joint: 1, other: Some(0), polynomial: [0.5, -2.0, 0.0, 0.0, 0.0] };
        b.0.equalities.push(Equality {
            name: "mimic".into(),
            kind,
            softness: Default::default(),
            active: true,
        });
        b.position_servo(0, 50.0, 5.0);
        let mut bench = Bench::new(&b.0, 1, options(0.002, 10));
        bench.reset_all(|_| vec![0.1, 0.3], |_| vec![0.0; 2]);
        assert!((bench.qpos(0) - 0.1).abs() < 1e-6 && (bench.qpos(1) - 0.3).abs() < 1e-6);
        bench.ctrl.set(0, 0, 0.4);
        bench.run(200);
        let (q1, q2) = (bench.qpos(0), bench.qpos(1));
        assert!(
            (q1 - 0.4).abs() < 1e-3 && (q2 - (0.5 - 2.0 * q1)).abs() < 1e-3,
            "beside {beside}: {q1} {q2}"
        );
    }
}

/// What cannot be done is refused by name.
#[test]
fn unsupported_features_are_named() {
    let mut model = wheel().0;
    let kind = keiko_model::robot::EqualityKind::Joint {
        joint: 0,
        other: Some(0),
        polynomial: [0.0, 1.0, 1.0, 0.0, 0.0],
    };
    model.equalities.push(keiko_model::robot::Equality {
        name: "curve".into(),
        kind,
        softness: Default::default(),
        active: true,
    });
    let error = keiko_world::RapierExecutor::new(&model, 1, options(0.002, 1)).err().unwrap().to_string();
    assert!(error.contains("`curve`") && error.contains("degree"), "{error}");
    let mut model = pendulum();
    model.bodies[1].inertial.mass = 0.0;
    let error = keiko_world::RapierExecutor::new(&model, 1, options(0.002, 1)).err().unwrap().to_string();
    assert!(error.contains("`body1`") && error.contains("without mass"), "{error}");
}

/// At rest an accelerometer reads the pull of the floor, in free fall nothing; a turned site reads it turned.
#[test]
fn accelerometers_read_proper_acceleration() {
    let model = quadruped();
    let mut bench = Bench::new(&model, 1, options(0.002, 10));
    bench.reset_all(|_| standing(0.37), |_| vec![0.0; 18]);
    near(&values(&bench)[..3], [0.0, 0.0, GRAVITY], 1e-5);
    bench.ctrl.set_column(0, (0..12).map(|k| crate::robots::STANCE[k % 3]));
    bench.run(300);
    let pitch = DQuat::from_array(std::array::from_fn(|k| bench.state.body_rotation.get(4 + k, 0) as f64));
    near(&values(&bench)[..3], (pitch.conjugate() * DVec3::new(0.0, 0.0, GRAVITY)).to_array(), 0.02);

    bench.reset_all(|_| standing(5.0), |_| vec![0.0; 18]);
    bench.run(1);
    near(&values(&bench)[..3], [0.0; 3], 0.02);
}

/// A spinning body: the gyro reads the spin in the site's frame, the accelerometer of a site at radius r the
/// centripetal ω² r, frames and velocities agree with the closed form.
#[test]
fn a_spinning_body_reads_its_spin() {
    let mut b = wheel();
    let site =
        b.site(1, Pose::new(DVec3::new(0.5, 0.0, 0.0), DQuat::from_rotation_x(std::f64::consts::FRAC_PI_2)));
    let gyro = b.sensor(SensorKind::Gyro(site));
    let acceleration = b.sensor(SensorKind::Accelerometer(site));
    let velocity = b.sensor(SensorKind::Velocimeter(site));
    let place = b.sensor(SensorKind::FramePosition(FrameRef::Site(site), None));
    let linear = b.sensor(SensorKind::FrameLinearVelocity(FrameRef::Site(site), Some(FrameRef::Body(1))));
    let axis = b.sensor(SensorKind::FrameAxis(FrameRef::Site(site), 2, Some(FrameRef::Body(1))));
    let mut bench = Bench::new(&b.0, 1, options(0.001, 10));
    bench.reset_all(|_| vec![0.0], |_| vec![2.0]);
    bench.run(50);
    let v = values(&bench);
    // The site's y axis is the world's z.
    near(&v[gyro..gyro + 3], [0.0, 2.0, 0.0], 1e-4);
    near(&v[acceleration..acceleration + 3], [-2.0, 0.0, 0.0], 0.01);
    near(&v[velocity..velocity + 3], [0.0, 0.0, -1.0], 1e-4);
    near(&v[place..place + 3], [0.5 * 1f64.cos(), 0.5 * 1f64.sin(), 0.0], 1e-3);
    near(&v[linear..linear + 3], [0.0; 3], 1e-5);
    near(&v[axis..axis + 3], [0.0, -1.0, 0.0], 1e-6);
}
