//! T21: a slab is pushed askew over the ground and carries 25 balls.
//!
//! The published scene is "rolling" of SimBenchmark (Robotic Systems Lab, ETH Zurich).

use std::fmt::Write;

use glam::{DVec2, DVec3};

use super::harness::{GRAVITY, Settings, Sim, read};
use super::{CheckError, Engine, Row};

const BALLS: usize = 25;
const SLAB_MASS: f64 = 10.0;
const BALL_MASS: f64 = 1.0;
const FORCE: f64 = 150.0;
/// Between slab and ground; between slab and balls it is 0.8.
const FRICTION: f64 = 0.4;

/// The larger friction of two geoms holds.
fn scene() -> String {
    let mut balls = String::new();
    for k in 0..BALLS {
        let (x, y) = ((k % 5) as f64 - 2.0, (k / 5) as f64 - 2.0);
        let _ = write!(
            balls,
            r#"<body pos="{x} {y} 0.2"><freejoint/><geom type="sphere" size="0.1" mass="{BALL_MASS}" friction="0.8"/></body>"#
        );
    }
    format!(
        r#"<mujoco><worldbody><geom type="plane" size="0 0 1" friction="{FRICTION}"/>
  <body pos="0 0 0.05"><freejoint name="slab"/>
    <geom type="box" size="10 10 0.05" mass="{SLAB_MASS}" friction="{FRICTION}"/>
  </body>{balls}
</worldbody><actuator>
  <motor joint="slab" gear="1 0 0 0 0 0"/><motor joint="slab" gear="0 1 0 0 0 0"/>
</actuator></mujoco>"#
    )
}

/// 150 N at 60 degrees for 4 s at 1 ms. The slab slides, the balls roll on it: both accelerate evenly.
pub fn slab_with_balls(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let settings = Settings { timestep: 0.001, ..Settings::default() };
    let mut sim = Sim::with(engine, read(&scene())?, 1, settings)?;
    let direction = DVec2::from_angle(60.0_f64.to_radians());
    sim.ctrl.set(0, 0, (FORCE * direction.x) as f32);
    sim.ctrl.set(1, 0, (FORCE * direction.y) as f32);
    let n = BALLS as f64;
    let left = FORCE - FRICTION * (SLAB_MASS + n * BALL_MASS) * GRAVITY;
    // Force on each ball: its contact point follows the slab, with 3.5 / m for a ball that rolls.
    let on_ball = left / SLAB_MASS / (3.5 / BALL_MASS + n / SLAB_MASS);
    let slab_truth = (left - n * on_ball) / SLAB_MASS;
    let ball_truth = on_ball / BALL_MASS;
    let (mut slab_error, mut ball_error, mut steps) = (0.0, 0.0, 0.0);
    sim.run(4.0, |sim| {
        let off = |body, truth: f64| {
            (sim.velocity(body, 0) - (direction * truth * sim.time()).extend(0.0)).length_squared()
        };
        slab_error += off(1, slab_truth);
        ball_error += (2..2 + BALLS).map(|body| off(body, ball_truth)).sum::<f64>() / n;
        steps += 1.0;
    })?;
    let askew = |body| {
        let velocity: DVec3 = sim.velocity(body, 0);
        velocity.truncate().angle_to(direction).to_degrees().abs()
    };
    let balls_askew = (2..2 + BALLS).map(askew).fold(0.0, f64::max);
    Ok(vec![
        Row::at_most("T21", "mean squared velocity error, slab", slab_error / steps, 1e-4, "m2/s2"),
        Row::at_most("T21", "mean squared velocity error, balls", ball_error / steps, 1e-4, "m2/s2"),
        Row::at_most("T21", "direction error, slab", askew(1), 0.5, "deg"),
        Row::at_most("T21", "direction error, balls", balls_askew, 0.5, "deg"),
    ])
}
