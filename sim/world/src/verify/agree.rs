//! R1 to R5: an engine beside rapier, which is judged by many others.
//!
//! Single steps from the same states, without the angular damping that rapier gives its joints; then what comes to
//! rest. Long trajectories with contacts are not compared: no two engines agree on them.

use glam::{DQuat, DVec3};
use keiko_dynamics::inspect::Inspector;
use keiko_model::RobotModel;
use keiko_model::robot::JointKind;

use super::harness::{GRAVITY, Settings, Sim, read};
use super::quadruped::{STANCE, robot_with, stance};
use super::{Check, CheckError, Engine, Rapier, Row, check};
use crate::{EnvRng, Field};

/// The rows, in order.
pub const AGREEMENT: &[Check] = &[
    check("R1", "joints", "one step from rest", step_from_rest),
    check("R2", "joints", "one step in motion, at shorter and shorter steps", step_in_motion),
    check("R3", "joints", "limit, servos and dry friction of one joint", one_joint),
    check("R4", "contact", "box at rest", box_at_rest),
    check("R5", "robot", "standing quadruped", standing),
];

/// One integration step for each physics step.
fn single(timestep: f64) -> Settings {
    Settings { timestep, solver_iterations: 1 }
}

/// Stream of random numbers of the states.
const STREAM: u32 = 0xA62E;

/// The quadruped afloat and pushed by gravity alone: rotors, but nothing that holds, rubs or touches.
fn afloat() -> Result<RobotModel, CheckError> {
    let mut model = robot_with("")?;
    model.actuators.clear();
    for joint in &mut model.joints {
        (joint.damping, joint.friction_loss, joint.range) = (0.0, 0.0, None);
    }
    for geom in &mut model.geoms {
        (geom.contype, geom.conaffinity) = (0, 0);
    }
    Ok(model)
}

/// Random `qpos` `[nq]`: joints within 1 rad of the reference, any rotation.
fn random_qpos(model: &RobotModel, rng: &mut EnvRng) -> Vec<f64> {
    let mut qpos = model.reference_qpos();
    for joint in &model.joints {
        let numbers = &mut qpos[joint.qpos_index..];
        match joint.kind {
            JointKind::Free | JointKind::Ball => {
                let first = if joint.kind == JointKind::Free { 3 } else { 0 };
                let random = DQuat::from_array([0; 4].map(|_| rng.normal()));
                numbers[first..first + 4].copy_from_slice(&random.normalize().to_array());
            }
            JointKind::Revolute | JointKind::Prismatic => numbers[0] += rng.uniform(-1.0, 1.0),
        }
    }
    qpos
}

/// Accelerations `[num_envs][nv]` over one step of random states whose speeds are within `speed`.
fn accelerations(
    engine: &dyn Engine,
    model: &RobotModel,
    timestep: f64,
    speed: f64,
) -> Result<Vec<Vec<f64>>, CheckError> {
    let num_envs = 256;
    let (nq, nv) = (model.num_qpos(), model.num_dofs());
    let (mut qpos, mut qvel) = (Field::zeros(nq, num_envs), Field::zeros(nv, num_envs));
    for env in 0..num_envs {
        let mut rng = EnvRng::new(1, env as u32, 0, STREAM);
        qpos.set_column(env, random_qpos(model, &mut rng).into_iter().map(|q| q as f32));
        qvel.set_column(env, (0..nv).map(|_| rng.uniform(-speed, speed) as f32));
    }
    let mut sim = Sim::with(engine, model.clone(), num_envs, single(timestep))?;
    sim.start_each(&qpos, &qvel);
    sim.step()?;
    let gained = |env: usize, d: usize| (sim.qvel(d, env) - f64::from(qvel.get(d, env))) / timestep;
    Ok((0..num_envs).map(|env| (0..nv).map(|d| gained(env, d)).collect()).collect())
}

/// R1: from rest there are no velocity products, and the accelerations are equal. Compared is the force that the
/// difference would take: accelerations themselves are as ill-conditioned as the mass matrix.
fn step_from_rest(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let model = afloat()?;
    let ours = accelerations(engine, &model, 0.002, 0.0)?;
    let theirs = accelerations(&Rapier, &model, 0.002, 0.0)?;
    let mut inspector = Inspector::new(&model).map_err(|error| CheckError::Build(error.to_string()))?;
    let mut worst = 0.0_f64;
    for (env, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        let qpos = random_qpos(&model, &mut EnvRng::new(1, env as u32, 0, STREAM));
        let mass = inspector.dynamics(&qpos, &vec![0.0; b.len()], &[]).mass_matrix;
        let largest = |acceleration: &[f64]| {
            let force = |row: &[f64]| row.iter().zip(acceleration).map(|(m, a)| m * a).sum::<f64>();
            mass.chunks(acceleration.len()).map(|row| force(row).abs()).fold(0.0, f64::max)
        };
        let off: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        worst = worst.max(largest(&off) / largest(b));
    }
    Ok(vec![Row::at_most("R1", "acceleration from rest, as force", worst, 1e-6, "1")])
}

/// R2: rapier takes velocity products half implicitly, so that in motion accelerations differ by a term that is
/// proportional to the step: halved with it. Speeds keep `h max|v|` below 1e-3, where rapier's guard on energy, which
/// is not smooth, sleeps.
fn step_in_motion(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut model = afloat()?;
    model.options.gravity = DVec3::ZERO;
    let mut differences = Vec::new();
    for timestep in [0.008, 0.004, 0.002, 0.001] {
        let ours = accelerations(engine, &model, timestep, 0.12)?;
        let theirs = accelerations(&Rapier, &model, timestep, 0.12)?;
        let pairs = ours.into_iter().flatten().zip(theirs.into_iter().flatten());
        differences.push(pairs.map(|(a, b)| a - b).collect::<Vec<f64>>());
    }
    let mut rows = Vec::new();
    // Sizes along the difference at 8 ms: that is where the term lies, and rounding lies anywhere.
    let along =
        |difference: &[f64]| -> f64 { difference.iter().zip(&differences[0]).map(|(a, b)| a * b).sum() };
    let sizes: Vec<f64> = differences[1..].iter().map(|difference| along(difference)).collect();
    for (pair, name) in sizes.windows(2).zip(["4 to 2 ms", "2 to 1 ms"]) {
        let error = (pair[0] / pair[1] / 2.0 - 1.0).abs();
        rows.push(Row::at_most("R2", format!("ratio of differences over 2, {name}"), error, 0.05, "1"));
    }
    Ok(rows)
}

/// An arm of 1 kg that turns about its middle, so that nothing depends on its angle.
fn arm(joint: &str, actuator: &str) -> String {
    format!(
        r#"<mujoco><compiler autolimits="true"/><option gravity="0 0 0"/><worldbody>
  <body><joint name="hinge" type="hinge" axis="0 1 0" {joint}/><geom type="box" size="0.25 0.05 0.05" mass="1"/></body>
</worldbody><actuator>{actuator}</actuator></mujoco>"#
    )
}

/// Angle and speed of an arm after steps of 2 ms from an angle and a speed under a control.
fn turn(
    engine: &dyn Engine,
    text: &str,
    [angle, speed, control]: [f64; 3],
    steps: usize,
) -> Result<[f64; 2], CheckError> {
    let mut sim = Sim::with(engine, read(text)?, 1, single(0.002))?;
    sim.start(&[angle], &[speed]);
    sim.ctrl.set(0, 0, control as f32);
    for _ in 0..steps {
        sim.step()?;
    }
    Ok([sim.qpos(0, 0), sim.qvel(0, 0)])
}

/// R3: one joint. An engine may take its forces, and so its angles, in the middle of a step, where rapier takes them at
/// its start: a position servo steps from rest; what does not depend on the angle steps in motion; angles are compared
/// at rest.
fn one_joint(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let motor = r#"<motor joint="hinge"/>"#;
    let servo = r#"<position joint="hinge" kp="40" kv="1"/>"#;
    let weak = r#"<position joint="hinge" kp="40" kv="1" forcerange="-3 3"/>"#;
    let brake = r#"<velocity joint="hinge" kv="0.5"/>"#;
    // Name, scene, starts as angle, speed and control, and the number of steps.
    let cases: [(&str, String, &[[f64; 3]], usize); 6] = [
        ("position servo from rest", arm("", servo), &[[0.3, 0.0, 0.0], [-0.2, 0.0, 0.1]], 1),
        ("position servo at its force limit", arm("", weak), &[[0.3, 0.0, 0.0], [0.3, 1.0, 0.0]], 1),
        ("speed servo", arm("", brake), &[[0.0, 2.0, 0.0], [0.0, -1.0, 3.0]], 1),
        (
            "dry friction",
            arm(r#"frictionloss="0.2""#, motor),
            &[[0.0, 2.0, 0.0], [0.0, 0.0, 0.15], [0.0, 0.0, 0.5], [0.0, 1e-3, 0.1]],
            1,
        ),
        ("rotor and damper", arm(r#"armature="0.02" damping="0.3""#, motor), &[[0.0, 2.0, 0.5]], 1),
        (
            "at rest at its limit",
            arm(r#"range="-30 30""#, motor),
            &[[0.5, 0.0, 1.0], [-0.5, 0.0, -1.0]],
            1000,
        ),
    ];
    let mut rows = Vec::new();
    for (name, text, starts, steps) in cases {
        let mut worst = [0.0_f64; 2];
        for &start in starts {
            let (a, b) = (turn(engine, &text, start, steps)?, turn(&Rapier, &text, start, steps)?);
            worst = [0, 1].map(|k| worst[k].max((a[k] - b[k]).abs()));
        }
        if steps > 1 {
            rows.push(Row::at_most("R3", format!("angle, {name}"), worst[0], 1e-5, "rad"));
        }
        rows.push(Row::at_most("R3", format!("speed, {name}"), worst[1], 1e-5, "rad/s"));
    }
    Ok(rows)
}

/// R4: a box lies on a plane. Both carry its weight, and it lies equally deep.
fn box_at_rest(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    const MASS: f64 = 2.0;
    let text = format!(
        r#"<mujoco><worldbody><geom type="plane" size="0 0 1"/>
  <body name="box" pos="0 0 0.1"><freejoint/><geom type="box" size="0.1 0.1 0.1" mass="{MASS}"/></body>
</worldbody></mujoco>"#
    );
    let run = |engine: &dyn Engine| {
        let mut sim = Sim::new(engine, &text)?;
        sim.run(2.0, |_| ())?;
        let body = sim.body("box");
        let push = f64::from(sim.state.contact_force.get(3 * body + 2, 0));
        Ok::<_, CheckError>((push / (MASS * GRAVITY), 0.1 - sim.position(body, 0).z))
    };
    let ((push, depth), (_, theirs)) = (run(engine)?, run(&Rapier)?);
    Ok(vec![
        Row::at_most("R4", "contact force of the weight", (push - 1.0).abs(), 1e-3, "1"),
        Row::at_most("R4", "penetration beside rapier's", (depth - theirs).abs(), 1e-4, "m"),
    ])
}

/// R5: our quadruped on its servos after 6 s. Creep of feet and softness are not unique, hence the room.
fn standing(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let model = robot_with(r#"<geom type="plane" size="0 0 1" friction="0.8"/>"#)?;
    let run = |engine: &dyn Engine| {
        let mut sim = Sim::with(engine, model.clone(), 1, Settings::default())?;
        sim.start(&stance(DVec3::Z * 0.29), &[0.0; 18]);
        for (k, &target) in [STANCE; 4].concat().iter().enumerate() {
            sim.ctrl.set(k, 0, target as f32);
        }
        sim.run(6.0, |_| ())?;
        let height = sim.position(sim.body("trunk"), 0).z;
        Ok::<_, CheckError>((height, (7..19).map(|k| sim.qpos(k, 0)).collect::<Vec<f64>>()))
    };
    let ((height, angles), (their_height, their_angles)) = (run(engine)?, run(&Rapier)?);
    let off = angles.iter().zip(&their_angles).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    Ok(vec![
        Row::at_most("R5", "trunk height beside rapier's", (height - their_height).abs(), 0.01, "m"),
        Row::at_most("R5", "joint angles beside rapier's", off, 0.02, "rad"),
    ])
}
