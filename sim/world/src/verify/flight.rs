//! T1, T2: bodies that touch nothing.
//!
//! Semi-implicit Euler with step `h` lags a constant acceleration by exactly `g h t / 2`; the rows take what is known of
//! an engine's error off, so what is left is rounding and mistakes.

use super::harness::{GRAVITY, Sim};
use super::{CheckError, Engine, Row, Settings};

const BALL: &str = r#"<mujoco><worldbody>
  <body name="ball" pos="0 0 Z"><freejoint/><geom type="sphere" size="0.1" mass="1"/></body>
</worldbody></mujoco>"#;

/// A ball falls for 2 s from 100 m.
pub fn free_fall(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::new(engine, &BALL.replace('Z', "100"))?;
    sim.run(2.0, |_| ())?;
    let (ball, t) = (sim.body("ball"), sim.time());
    let truth = 100.0 - 0.5 * GRAVITY * t * t - lag(engine, t);
    Ok(vec![
        Row::at_most("T1", "height error", (sim.position(ball, 0).z - truth).abs(), 2e-4, "m"),
        Row::at_most("T1", "velocity error", (sim.velocity(ball, 0).z + GRAVITY * t).abs(), 1e-3, "m/s"),
    ])
}

/// A ball thrown at 45 degrees, back at its height after 2.0387 s.
pub fn projectile(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::new(engine, &BALL.replace('Z', "0"))?;
    sim.start_moving(&[10.0, 0.0, 10.0, 0.0, 0.0, 0.0]);
    sim.run(2.0 * 10.0 / GRAVITY, |_| ())?;
    let (position, t) = (sim.position(sim.body("ball"), 0), sim.time());
    let height = 10.0 * t - 0.5 * GRAVITY * t * t - lag(engine, t);
    Ok(vec![
        Row::at_most("T2", "distance error", (position.x - 10.0 * t).abs(), 1e-3, "m"),
        Row::at_most("T2", "height error", (position.z - height).abs(), 2e-4, "m"),
    ])
}

fn lag(engine: &dyn Engine, t: f64) -> f64 {
    0.5 * GRAVITY * engine.lag(&Settings::default()) * t
}
