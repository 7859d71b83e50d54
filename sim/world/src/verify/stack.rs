//! T9, T19, T23: cubes that must come to rest and stay there.

use std::fmt::Write;

use glam::DVec3;

use super::harness::Sim;
use super::{CheckError, Engine, Row};

/// A tower of cubes of 0.1 m, friction 1, with the given masses from the ground up.
fn tower(masses: &[f64]) -> String {
    let mut bodies = String::new();
    for (k, mass) in masses.iter().enumerate() {
        let height = 0.05 + 0.1 * k as f64;
        let _ = write!(
            bodies,
            r#"<body pos="0 0 {height}"><freejoint/><geom type="box" size="0.05 0.05 0.05" mass="{mass}" friction="1"/></body>"#
        );
    }
    format!(
        r#"<mujoco><worldbody><geom type="plane" size="0 0 1" friction="1"/>{bodies}</worldbody></mujoco>"#
    )
}

/// What the worst cube does.
struct Moved {
    /// How deep it stands under its start in the end \[m\].
    drop: f64,
    /// How far it was to the side at any time \[m\].
    lateral: f64,
    /// Its speed in the end \[m/s\].
    speed: f64,
}

fn stand(engine: &dyn Engine, masses: &[f64], duration: f64) -> Result<Moved, CheckError> {
    let mut sim = Sim::new(engine, &tower(masses))?;
    let mut moved = Moved { drop: 0.0, lateral: 0.0, speed: 0.0 };
    sim.run(duration, |sim| {
        (moved.drop, moved.speed) = (0.0, 0.0);
        for body in 1..=masses.len() {
            let position = sim.position(body, 0);
            moved.drop = moved.drop.max(0.05 + 0.1 * (body - 1) as f64 - position.z);
            moved.lateral = moved.lateral.max(position.truncate().length());
            moved.speed = moved.speed.max(sim.velocity(body, 0).length());
        }
    })?;
    Ok(moved)
}

/// Ten cubes stand for 60 s.
pub fn ten_cubes(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let moved = stand(engine, &[1.0; 10], 60.0)?;
    Ok(vec![
        Row::at_most("T9", "drop after 60 s", moved.drop, 1e-3, "m"),
        Row::at_most("T9", "sideways", moved.lateral, 1e-3, "m"),
        Row::at_most("T9", "speed at the end", moved.speed, 1e-3, "m/s"),
    ])
}

/// A heavy cube on a light one, and on a tower of nine, for 60 s.
pub fn mass_ratio(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut tall = [1.0; 10];
    tall[9] = 100.0;
    let cases: [(&str, &[f64], f64); 3] = [
        ("1:100", &[1.0, 100.0], 1e-3),
        ("1:1000", &[1.0, 1000.0], 1e-2),
        ("nine below 100 kg", &tall, 1e-2),
    ];
    let mut rows = Vec::new();
    for (name, masses, demand) in cases {
        let moved = stand(engine, masses, 60.0)?;
        rows.push(Row::at_most("T19", format!("drop after 60 s, {name}"), moved.drop, demand, "m"));
        // Half a cube to the side is a fall.
        rows.push(Row::at_most("T19", format!("sideways, {name}"), moved.lateral, 0.05, "m"));
    }
    Ok(rows)
}

/// A box thrown askew from 0.5 m.
const TUMBLE: &str = r#"<mujoco><worldbody><geom type="plane" size="0 0 1" friction="1"/>
  <body name="box" pos="0 0 0.5" quat="0.983793 0.149188 0.0994590 0"><freejoint/>
    <geom type="box" size="0.1 0.1 0.1" mass="1" friction="1"/>
  </body>
</worldbody></mujoco>"#;

/// Where MuJoCo 4.0.0 leaves the box with its default (pyramidal) cone at 2 ms \[m\].
const TUMBLE_REST: [f64; 2] = [0.252865, 0.059199];

/// A box falls askew with 1 m/s, tumbles, and lies flat after 3 s.
pub fn tumble(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut sim = Sim::new(engine, TUMBLE)?;
    sim.start_moving(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    sim.run(3.0, |_| ())?;
    let body = sim.body("box");
    let (position, rotation) = (sim.position(body, 0), sim.rotation(body, 0));
    let up = rotation.conjugate() * DVec3::Z;
    let tilt = up.abs().max_element().min(1.0).acos().to_degrees();
    let away = (position.x - TUMBLE_REST[0]).hypot(position.y - TUMBLE_REST[1]);
    Ok(vec![
        Row::at_most("T23", "height at rest, error", (position.z - 0.1).abs(), 5e-4, "m"),
        Row::at_most("T23", "distance to MuJoCo's place of rest", away, 0.02, "m"),
        Row::at_most("T23", "tilt at rest", tilt, 0.5, "deg"),
    ])
}
