//! T15, T17: mechanisms that hold by constraint and by friction.

use std::f64::consts::TAU;

use glam::DVec3;

use super::harness::{GRAVITY, Sim};
use super::{CheckError, Engine, Row};

/// Crank 0.3 m, coupler 0.9 m, rocker 0.6 m on a ground of 1.0 m, in the plane y = 0, with the crank along x at
/// the start. The loop is closed between coupler and rocker.
struct FourBar {
    /// From the crank's end to the loop's joint at the start.
    coupler: DVec3,
    /// From the rocker's ground joint to the loop's joint at the start.
    rocker: DVec3,
}

impl FourBar {
    fn new() -> Self {
        let between: f64 = 1.0 - 0.3;
        let x = (0.9 * 0.9 - 0.6 * 0.6 + between * between) / (2.0 * between);
        let coupler = DVec3::new(x, 0.0, (0.9 * 0.9 - x * x).sqrt());
        Self { coupler, rocker: coupler - DVec3::X * between }
    }

    fn mjcf(&self) -> String {
        let (c, r) = (self.coupler, self.rocker);
        format!(
            r#"<mujoco><default><geom type="capsule" size="0.02" contype="0" conaffinity="0"/><joint type="hinge" axis="0 -1 0"/></default>
<worldbody>
  <body name="crank"><joint name="drive"/><geom fromto="0 0 0 0.3 0 0" mass="0.3"/>
    <body name="coupler" pos="0.3 0 0"><joint/><geom fromto="0 0 0 {} 0 {}" mass="0.9"/></body>
  </body>
  <body name="rocker" pos="1 0 0"><joint/><geom fromto="0 0 0 {} 0 {}" mass="0.6"/></body>
</worldbody>
<equality><connect body1="coupler" body2="rocker" anchor="{} 0 {}"/></equality>
<actuator><velocity joint="drive" kv="100"/></actuator></mujoco>"#,
            c.x, c.z, r.x, r.z, c.x, c.z
        )
    }
}

/// A crank drives the linkage at one turn a second for 60 s.
pub fn four_bar(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let linkage = FourBar::new();
    let mut sim = Sim::new(engine, &linkage.mjcf())?;
    sim.ctrl.set(0, 0, TAU as f32);
    let (coupler, rocker) = (sim.body("coupler"), sim.body("rocker"));
    let (mut closure, mut out_of_plane) = (0.0_f64, 0.0_f64);
    let (mut turns, mut last_angle) = (0.0_f64, 0.0_f64);
    sim.run(60.0, |sim| {
        let ends = [sim.point(coupler, 0, linkage.coupler), sim.point(rocker, 0, linkage.rocker)];
        closure = closure.max(ends[0].distance(ends[1]));
        out_of_plane = out_of_plane.max(ends[0].y.abs()).max(ends[1].y.abs());
        let arm = sim.position(coupler, 0);
        let angle = arm.z.atan2(arm.x);
        turns += (angle - last_angle + 0.5 * TAU).rem_euclid(TAU) / TAU - 0.5;
        last_angle = angle;
    })?;
    Ok(vec![
        Row::at_most("T15", "loop gap", closure, 1e-3, "m"),
        Row::at_most("T15", "out of plane", out_of_plane, 1e-6, "m"),
        Row::at_most("T15", "turns off 60", (turns - 60.0).abs(), 0.6, "1"),
    ])
}

/// A cube between two fingers that touch it at the start.
const GRIP: &str = r#"<mujoco><default><geom type="box" friction="0.5"/></default><worldbody>
  <body name="cube" pos="0 0 1"><freejoint/><geom size="0.05 0.05 0.05" mass="0.5"/></body>
  <body name="left" pos="-0.07 0 1"><joint name="left" type="slide" axis="1 0 0"/><geom size="0.02 0.02 0.02" mass="0.1"/></body>
  <body name="right" pos="0.07 0 1"><joint name="right" type="slide" axis="-1 0 0"/><geom size="0.02 0.02 0.02" mass="0.1"/></body>
</worldbody><actuator><motor joint="left"/><motor joint="right"/></actuator></mujoco>"#;

/// Two fingers hold a cube with 1.5 times the least force and drop it with 0.8 times.
pub fn grip(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let least = 0.5 * GRAVITY / (2.0 * 0.5);
    let fall = |factor: f64, duration: f64| {
        let mut sim = Sim::new(engine, GRIP)?;
        let cube = sim.body("cube");
        sim.ctrl.row_mut(0).fill((factor * least) as f32);
        sim.ctrl.row_mut(1).fill((factor * least) as f32);
        let mut dropped_at = f64::INFINITY;
        sim.run(duration, |sim| {
            // Half of the cube: it has left the fingers' faces.
            if sim.position(cube, 0).z < 0.95 {
                dropped_at = dropped_at.min(sim.time());
            }
        })?;
        Ok::<_, CheckError>((sim.position(cube, 0).distance(DVec3::Z), dropped_at))
    };
    Ok(vec![
        Row::at_most("T17", "slip in 10 s at 1.5 times the least force", fall(1.5, 10.0)?.0, 1e-3, "m"),
        Row::at_most("T17", "time to drop it at 0.8 times", fall(0.8, 1.0)?.1, 0.5, "s"),
    ])
}
