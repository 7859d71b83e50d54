//! T18, T18b: our quadruped stands on its servos, falls freely, and is hit by a ball.

use glam::{DMat3, DVec3};
use keiko_model::RobotModel;

use super::harness::{GRAVITY, Settings, Sim, read};
use super::measure::mechanics;
use super::{CheckError, Engine, Row};

/// The robot of this project; it has no ground.
const ROBOT: &str = include_str!("../../../../assets/robots/quadruped/quadruped.xml");
const LEGS: [&str; 4] = ["FR", "FL", "RR", "RL"];
/// Angles of abduction, hip and knee of a standing leg \[rad\].
pub(super) const STANCE: [f64; 3] = [0.0, 0.9, -1.8];
/// Centre of a foot in its calf's frame \[m\].
const FOOT: DVec3 = DVec3::new(0.0, 0.0, -0.213);

/// The robot with more things in its world, before it in the state. Its keyframes, which say nothing of other things, are
/// left out.
pub(super) fn robot_with(things: &str) -> Result<RobotModel, CheckError> {
    let (robot, keyframes) = ROBOT.split_once("<keyframe>").unwrap_or((ROBOT, ""));
    let rest = keyframes.split_once("</keyframe>").map_or("", |(_, rest)| rest);
    read(&format!("{robot}{rest}").replacen("<worldbody>", &format!("<worldbody>{things}"), 1))
}

/// `qpos` with bent legs, the feet near the ground if the trunk's origin is at `base`.
pub(super) fn stance(base: DVec3) -> Vec<f64> {
    let mut qpos = vec![base.x, base.y, base.z, 0.0, 0.0, 0.0, 1.0];
    (0..4).for_each(|_| qpos.extend(STANCE));
    qpos
}

/// The robot alone, its joints without friction, damping, rotors and limits, nothing to collide with.
fn frictionless() -> Result<RobotModel, CheckError> {
    let mut model = robot_with("")?;
    for joint in &mut model.joints {
        (joint.damping, joint.friction_loss, joint.armature) = (0.0, 0.0, 0.0);
        joint.range = None;
    }
    for geom in &mut model.geoms {
        (geom.contype, geom.conaffinity) = (0, 0);
    }
    model.actuators.clear();
    Ok(model)
}

/// Servos of 35 N·m/rad hold the stance for 60 s at 5 ms. The joints are without dry friction, so that what the servos
/// give way is what the weight asks of them.
pub fn stand(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut model = robot_with(r#"<geom type="plane" size="0 0 1" friction="0.8"/>"#)?;
    model.joints.iter_mut().for_each(|joint| joint.friction_loss = 0.0);
    let settings = Settings { timestep: 0.005, ..Settings::default() };
    let mut sim = Sim::with(engine, model, 1, settings)?;
    let ctrl = [STANCE; 4].concat();
    sim.start(&stance(DVec3::Z * 0.29), &[0.0; 18]);
    for (k, &target) in ctrl.iter().enumerate() {
        sim.ctrl.set(k, 0, target as f32);
    }
    let trunk = sim.body("trunk");
    let calves = LEGS.map(|leg| sim.body(&format!("{leg}_calf")));
    let feet = |sim: &Sim| calves.map(|calf| sim.point(calf, 0, FOOT));
    sim.run(5.0, |_| ())?;
    let (height, places) = (sim.position(trunk, 0).z, feet(&sim));
    let (mut drift, mut slip) = (0.0_f64, 0.0_f64);
    sim.run(60.0, |sim| {
        drift = drift.max((sim.position(trunk, 0).z - height).abs());
        for (foot, place) in feet(sim).iter().zip(places) {
            slip = slip.max((*foot - place).truncate().length());
        }
    })?;
    let work = servo_work(&sim, &ctrl) / weight_work(&sim);
    Ok(vec![
        Row::at_least("T18", "trunk height after 65 s", sim.position(trunk, 0).z, 0.22, "m"),
        Row::at_most("T18", "height drift in 60 s", drift, 3e-3, "m"),
        Row::at_most("T18", "slip of a foot in 60 s", slip, 1e-3, "m"),
        Row::at_most("T18", "joint error against weight / kp", (work - 1.0).abs(), 0.05, "1"),
    ])
}

/// How the joints of a leg turn when the trunk rises by a metre a second without turning and the feet stay:
/// joint index and speed \[rad/s\].
fn rising(sim: &Sim) -> Vec<(usize, f64)> {
    let mut speeds = Vec::new();
    for leg in LEGS {
        let parts = ["hip", "thigh", "calf"].map(|part| sim.body(&format!("{leg}_{part}")));
        let foot = sim.point(parts[2], 0, FOOT);
        let joints = parts.map(|part| sim.model.bodies[part].joints.start);
        let columns = joints.map(|joint| lever(sim, joint, foot));
        let turn = DMat3::from_cols(columns[0], columns[1], columns[2]).inverse() * -DVec3::Z;
        speeds.extend(joints.into_iter().zip(turn.to_array()));
    }
    speeds
}

/// Velocity of a point fixed to a hinge's body when the hinge turns with 1 rad/s \[m/s\].
fn lever(sim: &Sim, joint: usize, point: DVec3) -> DVec3 {
    let joint = &sim.model.joints[joint];
    let axis = sim.rotation(joint.body, 0) * joint.axis;
    axis.cross(point - sim.point(joint.body, 0, joint.anchor))
}

/// Power of the servos, stiffness times error, under [`rising`] \[W\]. Virtual work: at rest it is [`weight_work`],
/// whatever the ground does, because the feet do not move.
fn servo_work(sim: &Sim, ctrl: &[f64]) -> f64 {
    let torque = |joint: usize| {
        let servo = sim
            .model
            .actuators
            .iter()
            .position(|servo| servo.transmission == keiko_model::robot::Transmission::Joint { joint });
        servo.map_or(0.0, |k| {
            let servo = &sim.model.actuators[k];
            servo.gain * ctrl[k] + servo.bias[1] * sim.qpos(sim.model.joints[joint].qpos_index, 0)
        })
    };
    rising(sim).into_iter().map(|(joint, speed)| torque(joint) * speed).sum()
}

/// Power that lifting all bodies takes under [`rising`] \[W\].
fn weight_work(sim: &Sim) -> f64 {
    let speeds = rising(sim);
    let mut power = 0.0;
    for (index, body) in sim.model.bodies.iter().enumerate().skip(1) {
        let com = sim.point(index, 0, body.inertial.pose.position);
        let mut rise = 1.0;
        let mut link = index;
        while link != 0 {
            for &(joint, speed) in speeds.iter().filter(|(joint, _)| sim.model.joints[*joint].body == link) {
                rise += speed * lever(sim, joint, com).z;
            }
            link = sim.model.bodies[link].parent;
        }
        power += body.inertial.mass * GRAVITY * rise;
    }
    power
}

/// The limp robot, thrown with turning trunk and swinging legs, keeps its energy; hit by a ball, it takes over the
/// ball's momentum. At 1 ms, 2 s each.
pub fn energy_and_momentum(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    Ok(vec![
        Row::at_most("T18b", "mean squared energy error in free fall", free_fall(engine)?, 4.0, "J2"),
        Row::at_most("T18b", "mean squared momentum error, hit by a ball", hit(engine)?, 1e-3, "N2s2"),
    ])
}

fn free_fall(engine: &dyn Engine) -> Result<f64, CheckError> {
    let settings = Settings { timestep: 0.001, ..Settings::default() };
    let mut sim = Sim::with(engine, frictionless()?, 1, settings)?;
    let mut qvel = vec![0.0, 0.0, 0.0, 1.0, 2.0, 3.0];
    qvel.extend((0..12).map(|k| 3.0 * f64::from(k * k).sin()));
    sim.start_moving(&qvel);
    let start = mechanics(&sim, 0).energy();
    let (mut sum, mut steps) = (0.0, 0.0);
    sim.run(2.0, |sim| {
        sum += (mechanics(sim, 0).energy() - start).powi(2);
        steps += 1.0;
    })?;
    Ok(sum / steps)
}

/// A ball of 10 kg flies with 5 m/s at the flank; no gravity.
fn hit(engine: &dyn Engine) -> Result<f64, CheckError> {
    let ball = r#"<body name="ball" pos="0.1 -1 0.29"><freejoint/><geom type="sphere" size="0.1" mass="10"/></body>"#;
    let mut model = robot_with(ball)?;
    model.options.gravity = DVec3::ZERO;
    model.actuators.clear();
    let settings = Settings { timestep: 0.001, ..Settings::default() };
    let mut sim = Sim::with(engine, model, 1, settings)?;
    // The ball stands first in the world, and in the state.
    let ball = [0.1, -1.0, 0.29, 0.0, 0.0, 0.0, 1.0];
    let mut qvel = vec![0.0; sim.model.num_dofs()];
    qvel[1] = 5.0;
    sim.start(&[ball.to_vec(), stance(DVec3::Z * 0.29)].concat(), &qvel);
    let start = mechanics(&sim, 0).momentum;
    let (mut sum, mut steps) = (0.0, 0.0);
    sim.run(2.0, |sim| {
        sum += (mechanics(sim, 0).momentum - start).length_squared();
        steps += 1.0;
    })?;
    if sim.velocity(sim.body("ball"), 0).y > 4.0 {
        return Err(CheckError::Nothing("the ball misses the robot".into()));
    }
    Ok(sum / steps)
}
