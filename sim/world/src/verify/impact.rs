//! T8, T11, T12b: bounces. MJCF has no coefficient of restitution, so the scenes set it on the geoms.

use std::fmt::Write;

use glam::DVec3;

use super::harness::{GRAVITY, Settings, Sim, read};
use super::measure::mechanics;
use super::pile::lattice;
use super::{CheckError, Engine, Row};

const FLOOR: &str = r#"<geom type="plane" size="0 0 1" friction="0"/>"#;

fn elastic(engine: &dyn Engine, geoms: &str, restitution: f64, timestep: f64) -> Result<Sim, CheckError> {
    let mut model = read(&format!("<mujoco><worldbody>{geoms}</worldbody></mujoco>"))?;
    for geom in &mut model.geoms {
        geom.restitution = restitution;
    }
    Sim::with(engine, model, 1, Settings { timestep, ..Settings::default() })
}

/// A ball dropped from 1 m comes back to `e²` metres.
pub fn restitution(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let ball = format!(
        r#"{FLOOR}<body name="ball" pos="0 0 1.1"><freejoint/><geom type="sphere" size="0.1" mass="1"/></body>"#
    );
    let mut rows = Vec::new();
    for restitution in [0.0, 0.5, 0.8, 1.0] {
        let mut sim = elastic(engine, &ball, restitution, 0.002)?;
        let body = sim.body("ball");
        let fall = (2.0 / GRAVITY).sqrt();
        sim.run(fall + 0.05, |_| ())?;
        let mut apex = 0.0_f64;
        sim.run(2.0 * fall - 0.1, |sim| apex = apex.max(sim.position(body, 0).z - 0.1))?;
        let truth = restitution * restitution;
        let name = |what: &str| format!("{what}, restitution {restitution}");
        // A dead ball has no relative error: 1 mm of its 1 m instead.
        let (scale, demand) = if truth > 0.0 { (truth, 0.02) } else { (1.0, 1e-3) };
        rows.push(Row::at_most("T8", name("bounce height error"), (apex - truth).abs() / scale, demand, "1"));
        if truth > 0.0 {
            rows.push(Row::at_most("T8", name("bounce height over truth"), apex / truth, 1.005, "1"));
        }
    }
    Ok(rows)
}

/// 7 x 7 balls of 10 kg bounce without loss from 5 m for 20 s at 1 ms.
pub fn elastic_balls(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut bodies = FLOOR.to_owned();
    for k in 0..49 {
        let _ = write!(
            bodies,
            r#"<body pos="{} {} 5"><freejoint/><geom type="sphere" size="0.1" mass="10"/></body>"#,
            k % 7,
            k / 7
        );
    }
    let mut sim = elastic(engine, &bodies, 1.0, 0.001)?;
    let start = 49.0 * 10.0 * GRAVITY * 5.0;
    let (mut most, mut last) = (0.0_f64, 0.0);
    sim.run(20.0, |sim| {
        let energy =
            |body| 10.0 * (GRAVITY * sim.position(body, 0).z + 0.5 * sim.velocity(body, 0).length_squared());
        last = (1..=49).map(energy).sum::<f64>() / start;
        most = most.max(last);
    })?;
    Ok(vec![
        Row::at_most("T8b", "energy lost in 20 s", 1.0 - last, 0.06, "1"),
        Row::at_most("T8b", "energy gained", most - 1.0, 1e-3, "1"),
    ])
}

/// Newton's cradle: five balls of 1 kg in a row, gaps of 1 mm, no gravity; the first comes with 1 m/s.
///
/// Momentum and energy have one solution for equal balls that meet one after the other: the last leaves with
/// 1 m/s. Where gaps close within one step, at 2 ms already, an engine that solves all contacts of a step at once may
/// share the speed out; so the row is run at 1 ms.
pub fn cradle(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut balls = String::new();
    for k in 0..5 {
        let x = 0.101 * f64::from(k);
        let _ = write!(
            balls,
            r#"<body pos="{x} 0 0"><freejoint/><geom type="sphere" size="0.05" mass="1" friction="0"/></body>"#
        );
    }
    let mut model = read(&format!("<mujoco><worldbody>{balls}</worldbody></mujoco>"))?;
    model.options.gravity = DVec3::ZERO;
    for geom in &mut model.geoms {
        geom.restitution = 1.0;
    }
    let settings = Settings { timestep: 0.001, ..Settings::default() };
    let mut sim = Sim::with(engine, model, 1, settings)?;
    let mut qvel = vec![0.0; 30];
    qvel[0] = 1.0;
    sim.start_moving(&qvel);
    let (mut momentum_error, mut most_energy) = (0.0_f64, 0.0_f64);
    sim.run(1.0, |sim| {
        let now = mechanics(sim, 0);
        momentum_error = momentum_error.max((now.momentum - DVec3::X).length());
        most_energy = most_energy.max(now.kinetic / 0.5);
    })?;
    Ok(vec![
        Row::at_most("T11", "momentum error", momentum_error, 1e-6, "1"),
        Row::at_most("T11", "energy gained", most_energy - 1.0, 1e-6, "1"),
        Row::at_least("T11", "speed of the last ball", sim.velocity(5, 0).x, 0.9, "m/s"),
    ])
}

/// 6 x 6 x 6 balls of 10 kg fall from 1.1 m and bounce without loss and friction, for 10 s at 1 ms.
pub fn elastic_pile(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = elastic(engine, &format!("{FLOOR}{}", lattice(1.101)), 1.0, 0.001)?;
    let start = mechanics(&sim, 0).energy();
    let (mut most, mut last) = (0.0_f64, 0.0);
    sim.run(10.0, |sim| {
        last = mechanics(sim, 0).energy() / start;
        most = most.max(last);
    })?;
    Ok(vec![
        Row::at_most("T12b", "energy lost in 10 s", 1.0 - last, 0.1, "1"),
        Row::at_most("T12b", "energy gained", most - 1.0, 1e-3, "1"),
    ])
}
