//! T6, T7, T16: dry friction.

use super::harness::{GRAVITY, Settings, Sim, read, slope_of};
use super::{CheckError, Engine, Row};

/// A block that lies on a plane tilted about y; the block slides towards +x of the plane.
fn block_on_slope(degrees: f64) -> String {
    let angle = degrees.to_radians();
    let (x, z) = (0.1 * angle.sin(), 0.1 * angle.cos());
    format!(
        r#"<mujoco><worldbody>
  <geom type="plane" size="0 0 1" friction="0.5" axisangle="0 1 0 {degrees}"/>
  <body name="block" pos="{x} 0 {z}" axisangle="0 1 0 {degrees}"><freejoint/>
    <geom type="box" size="0.1 0.1 0.1" mass="1" friction="0.5"/>
  </body>
</worldbody></mujoco>"#
    )
}

/// Stick below the friction angle, `g (sin - mu cos)` above it.
pub fn slope(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let moved = |degrees: f64, duration: f64| {
        let mut sim = Sim::new(engine, &block_on_slope(degrees))?;
        let block = sim.body("block");
        let start = sim.position(block, 0);
        sim.run(duration, |_| ())?;
        Ok::<f64, CheckError>(sim.position(block, 0).distance(start))
    };
    let mut rows = vec![Row::at_most("T6", "creep in 10 s at 25.5 deg", moved(25.5, 10.0)?, 1e-3, "m")];
    for degrees in [27.5_f64, 30.0] {
        let mut sim = Sim::new(engine, &block_on_slope(degrees))?;
        let (block, angle) = (sim.body("block"), degrees.to_radians());
        let mut speeds = Vec::new();
        sim.run(2.0, |sim| speeds.push((sim.time(), sim.velocity(block, 0).length())))?;
        let truth = GRAVITY * (angle.sin() - 0.5 * angle.cos());
        let error = (slope_of(&speeds[250..]) / truth - 1.0).abs();
        rows.push(Row::at_most("T6", format!("acceleration error at {degrees} deg"), error, 0.01, "1"));
    }
    let (mut sticks, mut slides) = (25.5, 27.5);
    for _ in 0..7 {
        let middle = 0.5 * (sticks + slides);
        if moved(middle, 3.0)? > 2e-3 { slides = middle } else { sticks = middle }
    }
    let threshold = 0.5_f64.atan().to_degrees();
    let error = (0.5 * (sticks + slides) - threshold).abs();
    rows.push(Row::at_most("T6", "angle at which it slides", error, 0.25, "deg"));
    Ok(rows)
}

/// A ball that slides at 5 m/s rolls at 5/7 of it; a ball rolls down 20 degrees with 5/7 g sin.
pub fn rolling(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let ball = |friction: f64, degrees: f64| {
        let angle = degrees.to_radians();
        let (x, z) = (0.1 * angle.sin(), 0.1 * angle.cos());
        format!(
            r#"<mujoco><worldbody>
  <geom type="plane" size="0 0 1" friction="{friction}" axisangle="0 1 0 {degrees}"/>
  <body name="ball" pos="{x} 0 {z}"><freejoint/><geom type="sphere" size="0.1" mass="1" friction="{friction}"/></body>
</worldbody></mujoco>"#
        )
    };
    let mut sim = Sim::new(engine, &ball(0.3, 0.0))?;
    sim.start_moving(&[5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let body = sim.body("ball");
    let mut rolls_since = None;
    sim.run(1.0, |sim| {
        let slip = sim.velocity(body, 0).x - 0.1 * sim.angular_velocity(body, 0).y;
        if slip.abs() < 5e-3 && rolls_since.is_none() {
            rolls_since = Some(sim.time());
        }
    })?;
    let speed = sim.velocity(body, 0).x;
    let Some(rolls_since) = rolls_since else {
        return Err(CheckError::Nothing("the ball never rolls".into()));
    };
    let mut sim = Sim::new(engine, &ball(0.6, 20.0))?;
    let mut speeds = Vec::new();
    sim.run(2.0, |sim| speeds.push((sim.time(), sim.velocity(body, 0).length())))?;
    let acceleration = slope_of(&speeds[250..]);
    let (speed_truth, time_truth) = (5.0 / 7.0 * 5.0, 2.0 * 5.0 / (7.0 * 0.3 * GRAVITY));
    let acceleration_truth = 5.0 / 7.0 * GRAVITY * 20.0_f64.to_radians().sin();
    Ok(vec![
        Row::at_most("T7", "rolling speed error", (speed / speed_truth - 1.0).abs(), 2e-3, "1"),
        Row::at_most("T7", "time at which it rolls, error", (rolls_since - time_truth).abs(), 0.01, "s"),
        Row::at_most(
            "T7",
            "acceleration error at 20 deg",
            (acceleration / acceleration_truth - 1.0).abs(),
            2e-3,
            "1",
        ),
    ])
}

const PUSHED: &str = r#"<mujoco><worldbody>
  <geom type="plane" size="0 0 1" friction="0.5"/>
  <body name="block" pos="0 0 0.1"><freejoint name="free"/>
    <geom type="box" size="0.1 0.1 0.1" mass="1" friction="0.5"/>
  </body>
</worldbody><actuator>
  <motor joint="free" gear="1 0 0 0 0 0"/><motor joint="free" gear="0 1 0 0 0 0"/>
</actuator></mujoco>"#;

/// A block pushed with 1.5 times its friction, at 0 to 90 degrees in steps of 15, each in its environment.
pub fn friction_cone(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let directions: Vec<f64> = (0..7).map(|k| (15.0 * f64::from(k)).to_radians()).collect();
    let mut sim = Sim::with(engine, read(PUSHED)?, directions.len(), Settings::default())?;
    let force = 1.5 * 0.5 * GRAVITY;
    for (env, direction) in directions.iter().enumerate() {
        sim.ctrl.set(0, env, (force * direction.cos()) as f32);
        sim.ctrl.set(1, env, (force * direction.sin()) as f32);
    }
    let block = sim.body("block");
    let mut speeds = vec![Vec::new(); directions.len()];
    sim.run(1.0, |sim| {
        for (env, speeds) in speeds.iter_mut().enumerate() {
            speeds.push((sim.time(), sim.velocity(block, env).truncate().length()));
        }
    })?;
    let (mut error, mut drift) = (0.0_f64, 0.0_f64);
    for (env, direction) in directions.iter().enumerate() {
        let acceleration = slope_of(&speeds[env][100..]);
        error = error.max((acceleration / (0.5 * 0.5 * GRAVITY) - 1.0).abs());
        let moved = sim.position(block, env);
        drift = drift.max((moved.y.atan2(moved.x) - direction).to_degrees().abs());
    }
    Ok(vec![
        Row::at_most("T16", "acceleration error in any direction", error, 0.01, "1"),
        Row::at_most("T16", "direction error", drift, 0.5, "deg"),
    ])
}
