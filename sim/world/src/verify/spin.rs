//! T5: a free box that spins about its middle axis of inertia turns over and over (Dzhanibekov).

use glam::DVec3;

use super::harness::Sim;
use super::{CheckError, Engine, Row};

const SCENE: &str = r#"<mujoco><option gravity="0 0 0"/><worldbody>
  <body name="box"><freejoint/><geom type="box" size="0.1 0.2 0.3" mass="1"/></body>
</worldbody></mujoco>"#;

/// Moments of inertia of the box \[kg·m²\]: `m (b² + c²) / 3` of the half sizes.
const MOMENTS: DVec3 = DVec3::new(0.13 / 3.0, 0.10 / 3.0, 0.05 / 3.0);

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
