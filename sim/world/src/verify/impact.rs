//! T8: bounces. MJCF has no coefficient of restitution, so the scenes set it on the geoms.

use std::fmt::Write;

use super::harness::{GRAVITY, Settings, Sim, read};
use super::{CheckError, Engine, Row};

fn balls(bodies: &str) -> String {
    format!(r#"<mujoco><worldbody><geom type="plane" size="0 0 1"/>{bodies}</worldbody></mujoco>"#)
}

fn elastic(engine: &dyn Engine, bodies: &str, restitution: f64, timestep: f64) -> Result<Sim, CheckError> {
    let mut model = read(&balls(bodies))?;
    for geom in &mut model.geoms {
        geom.restitution = restitution;
    }
    Sim::with(engine, model, 1, Settings { timestep, ..Settings::default() })
}

/// A ball dropped from 1 m comes back to `e²` metres.
pub fn restitution(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let ball =
        r#"<body name="ball" pos="0 0 1.1"><freejoint/><geom type="sphere" size="0.1" mass="1"/></body>"#;
    let mut rows = Vec::new();
    for restitution in [0.0, 0.5, 0.8, 1.0] {
        let mut sim = elastic(engine, ball, restitution, 0.002)?;
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
    let mut bodies = String::new();
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
