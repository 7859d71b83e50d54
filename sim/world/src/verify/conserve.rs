//! M1 to M4: what must stay the same whatever a robot does.

use glam::DVec3;
use keiko_model::RobotModel;

use super::harness::{GRAVITY, Settings, Sim, read};
use super::measure::mechanics;
use super::quadruped::{STANCE, robot_with, stance};
use super::{CheckError, Engine, Row};

const AT_1_MS: Settings = Settings { timestep: 0.001, solver_iterations: 4 };

/// The quadruped afloat: no gravity, nothing to collide with. Rotors have no place in the sums over bodies, so there
/// are none.
fn afloat() -> Result<RobotModel, CheckError> {
    let mut model = robot_with("")?;
    model.options.gravity = DVec3::ZERO;
    model.joints.iter_mut().for_each(|joint| joint.armature = 0.0);
    for geom in &mut model.geoms {
        (geom.contype, geom.conaffinity) = (0, 0);
    }
    Ok(model)
}

/// Targets of the servos at a time: each leg swings in its own way. With `mirrored`, the legs of the other side do.
fn targets(sim: &mut Sim, mirrored: bool) {
    for leg in 0..4 {
        let acting = if mirrored { leg ^ 1 } else { leg };
        for (part, stance) in STANCE.iter().enumerate() {
            let phase = sim.time() * (4.0 + acting as f64) + part as f64;
            let swing = stance + 0.3 * (phase.sin() - f64::from(part as u32).sin());
            let sign = if mirrored && part == 0 { -1.0 } else { 1.0 };
            sim.ctrl.set(3 * leg + part, 0, (sign * swing) as f32);
        }
    }
}

/// Starts in the stance with the trunk at `base` and runs for a time \[s\] under [`targets`].
fn swim(
    sim: &mut Sim,
    base: DVec3,
    mirrored: bool,
    duration: f64,
    mut see: impl FnMut(&Sim),
) -> Result<(), CheckError> {
    sim.start(&stance(base), &vec![0.0; sim.model.num_dofs()]);
    for _ in 0..(duration / sim.timestep()).round() as u64 {
        targets(sim, mirrored);
        sim.step()?;
        see(sim);
    }
    Ok(())
}

/// M1: a robot afloat moves its legs for 10 s. Neither momentum nor angular momentum may come of it.
pub fn afloat_by_its_motors(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::with(engine, afloat()?, 1, AT_1_MS)?;
    let duration = 10.0;
    let (mut scale, mut spin_scale) = (0.0_f64, 0.0_f64);
    let mut start = None;
    swim(&mut sim, DVec3::ZERO, false, duration, |sim| {
        let now = mechanics(sim, 0);
        start.get_or_insert(now.com);
        scale = scale.max(now.momentum_scale);
        spin_scale = spin_scale.max(now.spin_scale);
    })?;
    let end = mechanics(&sim, 0);
    let moved = end.com.distance(start.unwrap_or(end.com));
    Ok(vec![
        Row::at_most("M1", "momentum drift", end.momentum.length() / scale / duration, 1e-6, "1/s"),
        Row::at_most("M1", "angular momentum drift", end.spin.length() / spin_scale / duration, 1e-5, "1/s"),
        Row::at_most("M1", "centre of mass moved in 10 s", moved, 1e-4, "m"),
    ])
}

/// Two runs of 2 s of the same robot: largest difference of joint angles \[rad\] and of trunk places \[m\].
fn compare(
    engine: &dyn Engine,
    model: &RobotModel,
    base: DVec3,
    mirrored: bool,
) -> Result<[f64; 2], CheckError> {
    let run = |base: DVec3, mirrored: bool| {
        let mut sim = Sim::with(engine, model.clone(), 1, AT_1_MS)?;
        let mut path = Vec::new();
        let trunk = sim.body("trunk");
        swim(&mut sim, base, mirrored, 2.0, |sim| {
            let mut angles: Vec<f64> = (7..19).map(|k| sim.qpos(k, 0)).collect();
            let mut place = sim.position(trunk, 0) - base;
            if mirrored {
                place.y = -place.y;
                for leg in [0, 6] {
                    (0..3).for_each(|part| angles.swap(leg + part, leg + 3 + part));
                }
                (0..4).for_each(|leg| angles[3 * leg] = -angles[3 * leg]);
            }
            path.push((angles, place));
        })?;
        Ok::<_, CheckError>(path)
    };
    let home = DVec3::Z * 0.3;
    let mut worst = [0.0_f64; 2];
    for (a, b) in run(home, false)?.iter().zip(run(base, mirrored)?) {
        let angle = a.0.iter().zip(&b.0).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        worst = [worst[0].max(angle), worst[1].max(a.1.distance(b.1))];
    }
    Ok(worst)
}

/// M2: a robot moved by 100 m moves as before, afloat and on the ground.
pub fn moved(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let ground = robot_with(r#"<geom type="plane" size="0 0 1" friction="0.8"/>"#)?;
    let mut rows = Vec::new();
    for (name, model) in [("afloat", afloat()?), ("on the ground", ground)] {
        let [angle, place] = compare(engine, &model, DVec3::new(100.0, 0.0, 0.3), false)?;
        rows.push(Row::at_most("M2", format!("joint angles, {name}"), angle, 1e-3, "rad"));
        rows.push(Row::at_most("M2", format!("place of the trunk, {name}"), place, 1e-3, "m"));
    }
    Ok(rows)
}

/// M3: mirrored commands give the mirrored motion.
pub fn mirrored(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let [angle, place] = compare(engine, &afloat()?, DVec3::Z * 0.3, true)?;
    Ok(vec![
        Row::at_most("M3", "joint angles, mirrored", angle, 1e-3, "rad"),
        Row::at_most("M3", "place of the trunk, mirrored", place, 1e-3, "m"),
    ])
}

/// Two legs of 1 m and 5 kg on a hip of 10 kg that slides in its plane, on ball feet.
const WALKER: &str = r#"<mujoco><default><geom contype="0" conaffinity="0" friction="1"/></default><worldbody>
  <geom type="plane" size="0 0 1" contype="1" conaffinity="1"/>
  <body name="hip"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
    <geom type="sphere" size="0.1" mass="10" contype="1" conaffinity="2"/>
    <body name="stance"><joint type="hinge" axis="0 1 0"/>
      <geom type="capsule" size="0.02" fromto="0 0 -0.3 0 0 -0.7" mass="5"/>
      <geom type="sphere" size="0.05" pos="0 0 -1" mass="0" contype="2" conaffinity="1"/>
    </body>
    <body name="swing"><joint type="hinge" axis="0 1 0"/>
      <geom type="capsule" size="0.02" fromto="0 0 -0.3 0 0 -0.7" mass="5"/>
      <geom type="sphere" size="0.05" pos="0 0 -1" mass="0" contype="2" conaffinity="1"/>
    </body>
  </body>
</worldbody></mujoco>"#;

/// M4: a passive walker on a slope of 3 degrees gains no energy, whether it steps, scuffs or falls, in 5 s.
pub fn passive_walker(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut model = read(WALKER)?;
    let slope = 3.0_f64.to_radians();
    model.options.gravity = GRAVITY * DVec3::new(slope.sin(), 0.0, -slope.cos());
    let mut sim = Sim::with(engine, model, 1, Settings::default())?;
    // Just after a step: the front leg takes the weight and swings back over its foot.
    let (front, back) = (-0.22_f64, 0.32);
    sim.start(&[0.0, front.cos() + 0.05, front, back], &[1.05, -0.24, 1.09, 0.38]);
    let mut least = mechanics(&sim, 0).energy();
    let (start, mut gain) = (least, 0.0_f64);
    sim.run(5.0, |sim| {
        let energy = mechanics(sim, 0).energy();
        gain = gain.max(energy - least);
        least = least.min(energy);
    })?;
    if start - least < 1.0 {
        return Err(CheckError::Nothing("the walker never sets a foot down".into()));
    }
    Ok(vec![Row::at_most("M4", "energy gained, of m g L", gain / (20.0 * GRAVITY), 1e-3, "1")])
}
