//! T20: a chain with a light and with a heavy end.

use glam::DVec3;

use super::harness::{GRAVITY, Settings, Sim, read};
use super::measure::mechanics;
use super::{CheckError, Engine, Row};

const LINKS: usize = 20;
const LENGTH: f64 = 0.1;
const MASS: f64 = 0.1;

/// Capsules on ball joints along x, the last one `end` times as heavy as the others.
fn chain(end: f64) -> String {
    let mut text = String::from("<mujoco><worldbody>");
    for k in 0..LINKS {
        let (x, mass) = (if k == 0 { 0.0 } else { LENGTH }, if k + 1 == LINKS { end * MASS } else { MASS });
        text += &format!(
            r#"<body pos="{x} 0 0"><joint type="ball"/><geom type="capsule" size="0.01" fromto="0 0 0 {LENGTH} 0 0" mass="{mass}" contype="0" conaffinity="0"/>"#
        );
    }
    text + &"</body>".repeat(LINKS) + "</worldbody></mujoco>"
}

/// Stretch and gain of energy \[1\] of a chain let go horizontally, over 10 s.
fn swing(engine: &dyn Engine, end: f64, solver_iterations: usize) -> Result<[f64; 2], CheckError> {
    let settings = Settings { solver_iterations, ..Settings::default() };
    let mut sim = Sim::with(engine, read(&chain(end))?, 1, settings)?;
    let arm = |k: usize| (k as f64 + 0.5) * LENGTH;
    let scale = GRAVITY * MASS * ((0..LINKS - 1).map(arm).sum::<f64>() + end * arm(LINKS - 1));
    let start = mechanics(&sim, 0).energy();
    let (mut stretch, mut gain) = (0.0_f64, 0.0_f64);
    sim.run(10.0, |sim| {
        let mut anchor = DVec3::ZERO;
        let mut gaps = 0.0;
        for body in 1..=LINKS {
            gaps += sim.position(body, 0).distance(anchor);
            anchor = sim.point(body, 0, DVec3::X * LENGTH);
        }
        stretch = stretch.max(gaps / (LINKS as f64 * LENGTH));
        gain = gain.max((mechanics(sim, 0).energy() - start) / scale);
    })?;
    Ok([stretch, gain])
}

/// The energy may not rise: what is allowed is a thousandth of the fall from horizontal to hanging.
pub fn heavy_end(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::new();
    for (end, solver_iterations, demand) in [(1.0, 4, 1e-3), (1000.0, 16, 0.02)] {
        let [stretch, gain] = match swing(engine, end, solver_iterations) {
            // A chain that explodes has neither a length nor an energy; the other chain is measured still.
            Err(CheckError::Fault { .. }) => [f64::NAN; 2],
            result => result?,
        };
        let name = |what: &str| format!("{what}, end x{end}");
        rows.push(Row::at_most("T20", name("stretch"), stretch, demand, "1"));
        rows.push(Row::at_most("T20", name("energy gained"), gain, 1e-3, "1"));
    }
    Ok(rows)
}
