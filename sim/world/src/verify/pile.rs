//! T12a: 216 balls without friction in a box with four walls.

use std::fmt::Write;

use glam::DVec3;

use super::harness::{Settings, Sim, read};
use super::{CheckError, Engine, Row};

const RADIUS: f64 = 0.1;
/// Distance of balls at the start \[m\].
const PITCH: f64 = 0.21;
/// Distance of the walls from the axis of the pile \[m\]: 25 mm from the outer balls.
const WALL: f64 = 2.5 * PITCH + RADIUS + 0.025;

/// 6 x 6 x 6 balls of 10 kg and 0.1 m radius, the lowest centres at `height` \[m\], moved sideways by up to 1 mm so that
/// no ball stands on another. MJCF bodies.
pub fn lattice(height: f64) -> String {
    let mut bodies = String::new();
    let mut random = 42_u64;
    let mut jitter = || {
        // Knuth's linear congruential generator; its upper bits are random enough for a start position.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((random >> 40) as f64 / (1_u64 << 24) as f64 - 0.5) * 2e-3
    };
    for k in 0..216 {
        let at = |index: u32| PITCH * (f64::from(index) - 2.5);
        let (x, y) = (at(k % 6) + jitter(), at(k / 6 % 6) + jitter());
        let z = height + PITCH * f64::from(k / 36);
        let _ = write!(
            bodies,
            r#"<body pos="{x} {y} {z}"><freejoint/><geom type="sphere" size="{RADIUS}" mass="10" friction="0"/></body>"#
        );
    }
    bodies
}

fn boxed() -> String {
    let wall = |position: &str, inwards: &str| {
        format!(r#"<geom type="plane" size="0 0 1" friction="0" pos="{position}" zaxis="{inwards}"/>"#)
    };
    [
        "<mujoco><worldbody>".to_owned(),
        wall("0 0 0", "0 0 1"),
        wall(&format!("{WALL} 0 0"), "-1 0 0"),
        wall(&format!("-{WALL} 0 0"), "1 0 0"),
        wall(&format!("0 {WALL} 0"), "0 -1 0"),
        wall(&format!("0 -{WALL} 0"), "0 1 0"),
        lattice(RADIUS + 1e-3),
        "</worldbody></mujoco>".to_owned(),
    ]
    .concat()
}

/// How deep any two balls, or a ball and the floor, are in each other \[m\].
fn deepest(centres: &[DVec3]) -> f64 {
    let mut depth = 0.0_f64;
    for (k, a) in centres.iter().enumerate() {
        depth = depth.max(RADIUS - a.z);
        for b in &centres[k + 1..] {
            let distance_squared = a.distance_squared(*b);
            if distance_squared < 4.0 * RADIUS * RADIUS {
                depth = depth.max(2.0 * RADIUS - distance_squared.sqrt());
            }
        }
    }
    depth
}

/// The balls settle for 10 s: how deep they are in each other at any time, and whether the walls hold them.
pub fn in_a_box(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::new();
    for (timestep, demand) in [(0.001, 2e-3), (0.004, 1e-2)] {
        let settings = Settings { timestep, ..Settings::default() };
        let mut sim = Sim::with(engine, read(&boxed())?, 1, settings)?;
        let (mut depth, mut outside) = (0.0_f64, 0.0_f64);
        sim.run(10.0, |sim| {
            let centres: Vec<_> = (1..=216).map(|body| sim.position(body, 0)).collect();
            depth = depth.max(deepest(&centres));
            for centre in centres {
                outside = outside.max(centre.truncate().abs().max_element() + RADIUS - WALL);
            }
        })?;
        let name = |what: &str| format!("{what}, {} ms", 1000.0 * timestep);
        rows.push(Row::at_most("T12a", name("deepest penetration"), depth, demand, "m"));
        rows.push(Row::at_most("T12a", name("furthest into a wall"), outside, demand, "m"));
    }
    Ok(rows)
}
