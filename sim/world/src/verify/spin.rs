//! T5, T10: a free box that spins about its middle axis of inertia turns over and over (Dzhanibekov); a top
//! precesses.

use std::f64::consts::TAU;

use glam::{DQuat, DVec3};

use super::harness::{GRAVITY, Sim, read};
use super::measure::mechanics;
use super::{CheckError, Engine, Row, Settings};

pub(super) const SCENE: &str = r#"<mujoco><option gravity="0 0 0"/><worldbody>
  <body name="box"><freejoint/><geom type="box" size="0.1 0.2 0.3" mass="1"/></body>
</worldbody></mujoco>"#;

/// Moments of inertia of the box \[kg·m²\]: `m (b² + c²) / 3` of the half sizes.
pub(super) const MOMENTS: DVec3 = DVec3::new(0.13 / 3.0, 0.10 / 3.0, 0.05 / 3.0);

/// Angular momentum and energy over 60 s.
pub fn intermediate_axis(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::new(engine, SCENE)?;
    let spin = DVec3::new(0.05, 5.0, 0.05);
    sim.start_moving(&[0.0, 0.0, 0.0, spin.x, spin.y, spin.z]);
    let body = sim.body("box");
    let momentum = MOMENTS * spin;
    let (mut size_error, mut angle) = (0.0_f64, 0.0_f64);
    let mut energies = vec![0.5 * momentum.dot(spin)];
    let mut turned_over = false;
    sim.run(60.0, |sim| {
        let rotation = sim.rotation(body, 0);
        let spin_in_body = rotation.conjugate() * sim.angular_velocity(body, 0);
        let now = rotation * (MOMENTS * spin_in_body);
        size_error = size_error.max((now.length() / momentum.length() - 1.0).abs());
        angle = angle.max(now.angle_between(momentum).to_degrees());
        energies.push(0.5 * (MOMENTS * spin_in_body).dot(spin_in_body));
        turned_over |= spin_in_body.y < -4.0;
    })?;
    if !turned_over {
        return Err(CheckError::Nothing("the box does not turn over".into()));
    }
    let gain =
        energies.chunks(5000).map(|window| window.iter().copied().fold(0.0, f64::max) / window[0] - 1.0);
    Ok(vec![
        Row::at_most("T5", "angular momentum error", size_error, 0.03, "1"),
        Row::at_most("T5", "angular momentum direction", angle, 1.0, "deg"),
        Row::at_most("T5", "energy gain in any 10 s", gain.fold(0.0, f64::max), 0.01, "1"),
    ])
}

/// A disc of 1 kg, radius 0.1 m and half height 10 mm, 0.2 m above a ball joint.
const TOP: &str = r#"<mujoco><worldbody>
  <body name="top"><joint type="ball"/><geom type="cylinder" size="0.1 0.01" pos="0 0 0.2" mass="1"/></body>
</worldbody></mujoco>"#;

/// Speed of the top about its own axis \[rad/s\].
const TOP_SPIN: f64 = 200.0;
/// Angle of its axis to the vertical at the start.
const TOP_TILT: f64 = std::f64::consts::FRAC_PI_6;

/// Steady precession of the top \[rad/s\]: the slow root of `I cos(tilt) w² - I3 spin w + m g l = 0`, with the
/// moment `I` about the joint across the axis and `I3` along it.
fn steady_precession() -> f64 {
    let (along, across) = (0.5 * 0.1 * 0.1, (3.0 * 0.1 * 0.1 + 0.02 * 0.02) / 12.0 + 0.2 * 0.2);
    let (a, b, c) = (across * TOP_TILT.cos(), along * TOP_SPIN, GRAVITY * 0.2);
    2.0 * c / (b + (b * b - 4.0 * a * c).sqrt())
}

/// A fast top started in steady precession, for 5 s at 1 ms.
pub fn top(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let settings = Settings { timestep: 0.001, ..Settings::default() };
    let mut sim = Sim::with(engine, read(TOP)?, 1, settings)?;
    let truth = steady_precession();
    let start = DQuat::from_rotation_y(TOP_TILT);
    let spin = start.conjugate() * DVec3::Z * truth + DVec3::Z * (TOP_SPIN - truth * TOP_TILT.cos());
    sim.start(&start.to_array(), &spin.to_array());
    let body = sim.body("top");
    let before = mechanics(&sim, 0).energy();
    let (mut turned, mut last, mut nutation, mut gain) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    sim.run(5.0, |sim| {
        let axis = sim.rotation(body, 0) * DVec3::Z;
        let azimuth = axis.y.atan2(axis.x);
        turned += (azimuth - last + 0.5 * TAU).rem_euclid(TAU) - 0.5 * TAU;
        last = azimuth;
        nutation = nutation.max((axis.z.clamp(-1.0, 1.0).acos() - TOP_TILT).abs().to_degrees());
        gain = gain.max(mechanics(sim, 0).energy() / before - 1.0);
    })?;
    Ok(vec![
        Row::at_most("T10", "precession rate error", (turned / sim.time() / truth - 1.0).abs(), 0.02, "1"),
        Row::at_most("T10", "tilt, furthest from 30 deg", nutation, 12.0, "deg"),
        Row::at_most("T10", "energy gained", gain, 1e-3, "1"),
    ])
}
