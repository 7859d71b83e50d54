//! T3, T4, T22: one and two pendulums, balls of 1 kg and 50 mm radius on massless rods of 1 m.

use std::f64::consts::FRAC_PI_2;

use glam::DVec3;

use super::harness::{GRAVITY, Sim, read, slope_of};
use super::{CheckError, Engine, Row, Settings};

const ROD: f64 = 1.0;
const MASS: f64 = 1.0;
/// Inertia of a ball about its centre \[kg·m²\].
const BALL_INERTIA: f64 = 0.4 * MASS * 0.05 * 0.05;

/// Hangs along -z at `qpos` 0.
const SINGLE: &str = r#"<mujoco><worldbody>
  <body name="ball" pos="0 0 -1">
    <joint type="hinge" axis="0 1 0" pos="0 0 1"/><geom type="sphere" size="0.05" mass="1"/>
  </body>
</worldbody></mujoco>"#;

/// Both rods hang along -z at `qpos` 0.
pub(super) const DOUBLE: &str = r#"<mujoco><worldbody>
  <body name="upper" pos="0 0 -1">
    <joint type="hinge" axis="0 -1 0" pos="0 0 1"/><geom type="sphere" size="0.05" mass="1"/>
    <body name="lower" pos="0 0 -1">
      <joint type="hinge" axis="0 -1 0" pos="0 0 1"/><geom type="sphere" size="0.05" mass="1"/>
    </body>
  </body>
</worldbody></mujoco>"#;

/// Period, energy and anchor of a pendulum over 100 s, from 5 and from 90 degrees.
pub fn simple(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::new();
    for degrees in [5.0_f64, 90.0] {
        let amplitude = degrees.to_radians();
        let mut sim = Sim::new(engine, SINGLE)?;
        sim.start(&[amplitude], &[0.0]);
        let ball = sim.body("ball");
        let inertia = MASS * ROD * ROD + BALL_INERTIA;
        let energy = |angle: f64, speed: f64| {
            MASS * GRAVITY * ROD * (1.0 - angle.cos()) + 0.5 * inertia * speed * speed
        };
        let start = energy(amplitude, 0.0);
        let (mut worst_energy, mut worst_gap) = (0.0_f64, 0.0_f64);
        let (mut crossings, mut previous) = (Vec::new(), (0.0, amplitude));
        sim.run(100.0, |sim| {
            let (time, angle) = (sim.time(), sim.qpos(0, 0));
            if previous.1 < 0.0 && angle >= 0.0 {
                crossings.push(previous.0 + (time - previous.0) * previous.1 / (previous.1 - angle));
            }
            previous = (time, angle);
            worst_energy = worst_energy.max((energy(angle, sim.qvel(0, 0)) / start - 1.0).abs());
            worst_gap = worst_gap.max(sim.point(ball, 0, DVec3::Z * ROD).length());
        })?;
        let (Some(first), Some(last)) = (crossings.first(), crossings.last()) else {
            return Err(CheckError::Nothing("the pendulum does not swing".into()));
        };
        let measured = (last - first) / (crossings.len() - 1) as f64;
        let truth = period(amplitude, inertia);
        let name = |what: &str| format!("{what} from {degrees} deg");
        rows.push(Row::at_most("T3", name("period error"), (measured / truth - 1.0).abs(), 1e-4, "1"));
        rows.push(Row::at_most("T3", name("energy error"), worst_energy, 5e-3, "1"));
        rows.push(Row::at_most("T3", name("anchor gap"), worst_gap, 1e-5, "m"));
    }
    Ok(rows)
}

/// `4 sqrt(I / m g L) K(sin(amplitude / 2))`, with the complete elliptic integral by the arithmetic-geometric mean.
fn period(amplitude: f64, inertia: f64) -> f64 {
    let (mut a, mut b) = (1.0_f64, (0.5 * amplitude).cos());
    for _ in 0..40 {
        (a, b) = (0.5 * (a + b), (a * b).sqrt());
    }
    4.0 * (inertia / (MASS * GRAVITY * ROD)).sqrt() * FRAC_PI_2 / a
}

/// Energy of the double pendulum, both rods horizontal at the start, over 30 s, in parts of the largest fall of
/// its potential energy, 3 m g L.
pub fn double_energy(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::new();
    for (solver_iterations, demand) in [(4, 0.08), (16, 0.02)] {
        let settings = Settings { solver_iterations, ..Settings::default() };
        let mut sim = Sim::with(engine, read(DOUBLE)?, 1, settings)?;
        sim.start(&[FRAC_PI_2, 0.0], &[0.0, 0.0]);
        let balls = [sim.body("upper"), sim.body("lower")];
        let (mut worst, mut samples) = (0.0_f64, Vec::new());
        sim.run(30.0, |sim| {
            let energy: f64 = balls.iter().map(|&ball| ball_energy(sim, ball)).sum();
            let error = energy / (3.0 * MASS * GRAVITY * ROD);
            worst = worst.max(error.abs());
            samples.push((sim.time(), error));
        })?;
        let name = |what: &str| format!("{what}, {solver_iterations} iterations");
        rows.push(Row::at_most("T4", name("energy error"), worst, demand, "1"));
        if solver_iterations == 4 {
            rows.push(Row::at_most(
                "T4",
                name("energy trend per 10 s"),
                10.0 * slope_of(&samples).abs(),
                0.02,
                "1",
            ));
        }
    }
    Ok(rows)
}

fn ball_energy(sim: &Sim, ball: usize) -> f64 {
    MASS * GRAVITY * sim.position(ball, 0).z
        + 0.5 * MASS * sim.velocity(ball, 0).length_squared()
        + 0.5 * BALL_INERTIA * sim.angular_velocity(ball, 0).length_squared()
}

/// The same start for 5 s: how far the lower ball is from where a fourth-order Runge-Kutta of 0.1 ms puts it.
pub fn double_trajectory(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::new(engine, DOUBLE)?;
    sim.start(&[FRAC_PI_2, 0.0], &[0.0, 0.0]);
    let lower = sim.body("lower");
    let mut truth = [FRAC_PI_2, FRAC_PI_2, 0.0, 0.0];
    let (mut at_one_second, mut off_since) = (0.0_f64, None);
    sim.run(5.0, |sim| {
        for _ in 0..20 {
            truth = runge_kutta(truth, 1e-4);
        }
        let gap = sim.position(lower, 0).distance(tip(truth));
        if sim.time() <= 1.0 {
            at_one_second = at_one_second.max(gap);
        }
        if gap > 0.01 && off_since.is_none() {
            off_since = Some(sim.time());
        }
    })?;
    let lead = 3.0 - off_since.unwrap_or(5.0);
    Ok(vec![
        Row::at_most("T22", "distance to Runge-Kutta in the first second", at_one_second, 2e-3, "m"),
        Row::at_most("T22", "3 s less the time to a distance of 1 cm", lead, 0.0, "s"),
    ])
}

/// Lower ball of a double pendulum whose rods stand at angles from -z towards x.
pub(super) fn tip(state: [f64; 4]) -> DVec3 {
    DVec3::new(state[0].sin() + state[1].sin(), 0.0, -state[0].cos() - state[1].cos()) * ROD
}

/// Derivative of (angle 1, angle 2, speed 1, speed 2), angles from the vertical: Lagrange's equations.
fn derivative([q1, q2, w1, w2]: [f64; 4]) -> [f64; 4] {
    let couple = MASS * ROD * ROD;
    let (sin, cos) = (q1 - q2).sin_cos();
    let (m11, m12, m22) = (2.0 * couple + BALL_INERTIA, couple * cos, couple + BALL_INERTIA);
    let f1 = -couple * sin * w2 * w2 - 2.0 * MASS * GRAVITY * ROD * q1.sin();
    let f2 = couple * sin * w1 * w1 - MASS * GRAVITY * ROD * q2.sin();
    let det = m11 * m22 - m12 * m12;
    [w1, w2, (m22 * f1 - m12 * f2) / det, (m11 * f2 - m12 * f1) / det]
}

pub(super) fn runge_kutta(state: [f64; 4], h: f64) -> [f64; 4] {
    let add = |a: [f64; 4], b: [f64; 4], scale: f64| std::array::from_fn(|i| a[i] + scale * b[i]);
    let k1 = derivative(state);
    let k2 = derivative(add(state, k1, 0.5 * h));
    let k3 = derivative(add(state, k2, 0.5 * h));
    let k4 = derivative(add(state, k3, h));
    std::array::from_fn(|i| state[i] + h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}
