//! T25: a round arch of nine stones without mortar.
//!
//! Limit analysis (Heyman: no tension, no sliding) finds a line of thrust inside nine straight-sided stones only for a
//! thickness of at least 0.102 radii; for a smooth arch it is Milankovitch's 0.1075.

use std::f64::consts::PI;
use std::fmt::Write;

use super::harness::{Settings, Sim, read};
use super::{CheckError, Engine, Row};

const STONES: usize = 9;
/// Radius of the middle line \[m\].
const RADIUS: f64 = 1.0;
/// Half of the arch's depth along y \[m\].
const DEPTH: f64 = 0.15;

fn arch(thickness: f64) -> String {
    let mut meshes = String::new();
    let mut bodies = String::new();
    for k in 0..STONES {
        let middle = PI * (k as f64 + 0.5) / STONES as f64;
        let (x, z) = (RADIUS * middle.cos(), RADIUS * middle.sin());
        let mut corners = String::new();
        for side in [0.0, 1.0] {
            let (sin, cos) = (PI * (k as f64 + side) / STONES as f64).sin_cos();
            for radius in [RADIUS - 0.5 * thickness, RADIUS + 0.5 * thickness] {
                for y in [-DEPTH, DEPTH] {
                    let _ = write!(corners, "{} {y} {} ", radius * cos - x, radius * sin - z);
                }
            }
        }
        let _ = write!(meshes, r#"<mesh name="stone{k}" vertex="{corners}"/>"#);
        let _ = write!(
            bodies,
            r#"<body pos="{x} 0 {z}"><freejoint/><geom type="mesh" mesh="stone{k}" density="2000" friction="0.7"/></body>"#
        );
    }
    format!(
        r#"<mujoco><asset>{meshes}</asset><worldbody><geom type="plane" size="0 0 1" friction="0.7"/>{bodies}</worldbody></mujoco>"#
    )
}

/// How far the worst stone is from its place after each step, until one has fallen by 0.3 m.
fn stand(engine: &dyn Engine, thickness: f64, duration: f64) -> Result<(f64, f64), CheckError> {
    let mut sim = Sim::with(engine, read(&arch(thickness))?, 1, Settings::default())?;
    let places: Vec<_> = (1..=STONES).map(|body| sim.position(body, 0)).collect();
    let (mut drift, mut collapsed_at) = (0.0_f64, f64::INFINITY);
    sim.run(duration, |sim| {
        let off = |(k, place): (usize, &glam::DVec3)| sim.position(k + 1, 0).distance(*place);
        drift = drift.max(places.iter().enumerate().map(off).fold(0.0, f64::max));
        if drift > 0.3 {
            collapsed_at = collapsed_at.min(sim.time());
        }
    })?;
    Ok((drift, collapsed_at))
}

/// An arch of 0.13 radii stands for 30 s, one of 0.09 collapses within 10 s.
pub fn stones(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    Ok(vec![
        Row::at_most("T25", "drift in 30 s, thickness 0.13", stand(engine, 0.13, 30.0)?.0, 2e-3, "m"),
        Row::at_most("T25", "time to collapse, thickness 0.09", stand(engine, 0.09, 10.0)?.1, 10.0, "s"),
    ])
}
