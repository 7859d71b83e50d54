//! T13, T14: joint limits and position servos.

use std::f64::consts::FRAC_PI_4;

use super::harness::Sim;
use super::{CheckError, Engine, Row};

const LIMIT: &str = r#"<mujoco><option gravity="0 0 0"/><worldbody>
  <body name="arm"><joint name="hinge" type="hinge" axis="0 1 0" limited="true" range="-45 45"/>
    <geom type="box" pos="0.25 0 0" size="0.25 0.05 0.05" mass="1"/>
  </body>
</worldbody><actuator><motor joint="hinge"/></actuator></mujoco>"#;

/// 10 N·m drive a hinge into its limit at 45 degrees and keep it there.
pub fn limit(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::new(engine, LIMIT)?;
    sim.ctrl.set(0, 0, 10.0);
    let mut peak = 0.0_f64;
    sim.run(3.0, |sim| peak = peak.max(sim.qpos(0, 0)))?;
    let over = |angle: f64| (angle - FRAC_PI_4).to_degrees();
    Ok(vec![
        Row::at_most("T13", "beyond the limit, peak", over(peak).abs(), 0.5, "deg"),
        Row::at_most("T13", "off the limit at rest", over(sim.qpos(0, 0)).abs(), 0.05, "deg"),
    ])
}

const INERTIA: f64 = 0.1;

/// A servo of stiffness and damping on an inertia of 0.1 kg·m² follows a step of 1 rad as the second-order
/// system says.
pub fn pd_step(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::new();
    for (stiffness, damping, demand) in [(40.0_f64, 1.0_f64, 0.02), (400.0, 4.0, 0.03), (4000.0, 40.0, 0.03)]
    {
        let mut sim = Sim::new(
            engine,
            &format!(
                r#"<mujoco><option gravity="0 0 0"/><worldbody>
  <body><inertial pos="0 0 0" mass="1" diaginertia="{INERTIA} {INERTIA} {INERTIA}"/>
    <joint name="hinge" type="hinge" axis="0 1 0"/>
  </body>
</worldbody><actuator><position joint="hinge" kp="{stiffness}" kv="{damping}"/></actuator></mujoco>"#
            ),
        )?;
        sim.ctrl.set(0, 0, 1.0);
        let (mut worst, mut peak) = (0.0_f64, 0.0_f64);
        sim.run(3.0, |sim| {
            let angle = sim.qpos(0, 0);
            worst = worst.max((angle - step_response(stiffness, damping, sim.time())).abs());
            peak = peak.max(angle);
        })?;
        let ratio = damping / (2.0 * (stiffness * INERTIA).sqrt());
        let overshoot = if ratio < 1.0 {
            (-std::f64::consts::PI * ratio / (1.0 - ratio * ratio).sqrt()).exp()
        } else {
            0.0
        };
        let name = |what: &str| format!("{what}, kp {stiffness} kv {damping}");
        rows.push(Row::at_most("T14", name("error"), worst, demand, "rad"));
        rows.push(Row::at_most(
            "T14",
            name("overshoot error"),
            ((peak - 1.0).max(0.0) - overshoot).abs(),
            0.03,
            "rad",
        ));
        rows.push(Row::at_most("T14", name("error at rest"), (sim.qpos(0, 0) - 1.0).abs(), 1e-4, "rad"));
    }
    Ok(rows)
}

/// Angle of a damped oscillator released at distance 1 from its target, at time `t`.
fn step_response(stiffness: f64, damping: f64, t: f64) -> f64 {
    let frequency = (stiffness / INERTIA).sqrt();
    let decay = damping / (2.0 * INERTIA);
    let damped = (frequency * frequency - decay * decay).max(0.0).sqrt();
    if damped < 1e-6 * frequency {
        return 1.0 - (-decay * t).exp() * (1.0 + decay * t);
    }
    1.0 - (-decay * t).exp() * ((damped * t).cos() + decay / damped * (damped * t).sin())
}
