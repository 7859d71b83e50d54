//! T24: a row of dominoes.

use std::fmt::Write;

use glam::{DQuat, DVec3};

use super::harness::{Settings, Sim, read};
use super::{CheckError, Engine, Row};

const COUNT: usize = 20;
const PITCH: f64 = 0.04;
/// Half sizes \[m\], centre at rest at half height.
const HALF: DVec3 = DVec3::new(0.005, 0.025, 0.05);
/// The first one leans this far over its lower edge: the balance ends at 5.7 degrees.
const LEAN_DEGREES: f64 = 8.0;

/// Speed of the wave in MuJoCo 4.0.0 with the elliptic cone at 0.5 ms and at 1 ms \[m/s\].
const WAVE_SPEED: f64 = 1.0569;

fn row_of_dominoes() -> String {
    let lean = DQuat::from_rotation_y(LEAN_DEGREES.to_radians());
    let first = DVec3::X * HALF.x + lean * DVec3::new(-HALF.x, 0.0, HALF.z);
    let mut bodies = String::new();
    for k in 0..COUNT {
        let (at, turn) = match k {
            0 => (first, lean),
            _ => (DVec3::new(PITCH * k as f64, 0.0, HALF.z), DQuat::IDENTITY),
        };
        let _ = write!(
            bodies,
            r#"<body pos="{} {} {}" quat="{} {} {} {}"><freejoint/><geom type="box" size="{} {} {}" mass="0.05" friction="0.5"/></body>"#,
            at.x, at.y, at.z, turn.w, turn.x, turn.y, turn.z, HALF.x, HALF.y, HALF.z
        );
    }
    format!(
        r#"<mujoco><worldbody><geom type="plane" size="0 0 1" friction="0.5"/>{bodies}</worldbody></mujoco>"#
    )
}

/// What the row does in 3 s.
struct Wave {
    /// Dominoes that do not lie in the end.
    standing: usize,
    /// Dominoes that pass 20 degrees before the one in front of them.
    out_of_order: usize,
    /// Speed from the sixth to the nineteenth \[m/s\]; NaN if it does not come through.
    speed: f64,
}

fn wave(engine: &dyn Engine, timestep: f64) -> Result<Wave, CheckError> {
    let settings = Settings { timestep, ..Settings::default() };
    let mut sim = Sim::with(engine, read(&row_of_dominoes())?, 1, settings)?;
    let tilt = |sim: &Sim, k: usize| (sim.rotation(k + 1, 0) * DVec3::Z).angle_between(DVec3::Z).to_degrees();
    let mut falls_at = [f64::NAN; COUNT];
    sim.run(3.0, |sim| {
        for (k, time) in falls_at.iter_mut().enumerate() {
            if time.is_nan() && tilt(sim, k) > 20.0 {
                *time = sim.time();
            }
        }
    })?;
    Ok(Wave {
        standing: (0..COUNT).filter(|&k| tilt(&sim, k) < 45.0).count(),
        out_of_order: falls_at.windows(2).filter(|times| times[1] < times[0]).count(),
        speed: 13.0 * PITCH / (falls_at[18] - falls_at[5]),
    })
}

/// All fall, in order, at MuJoCo's speed, whatever the time step.
pub fn dominoes(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::new();
    let mut speeds = Vec::new();
    for timestep in [0.001, 0.002, 0.004] {
        let wave = wave(engine, timestep)?;
        let name = |what: &str| format!("{what}, {} ms", 1000.0 * timestep);
        rows.push(Row::at_most("T24", name("dominoes left standing"), wave.standing as f64, 0.0, "1"));
        rows.push(Row::at_most("T24", name("dominoes out of order"), wave.out_of_order as f64, 0.0, "1"));
        let error = (wave.speed / WAVE_SPEED - 1.0).abs();
        rows.push(Row::at_most("T24", name("wave speed, off MuJoCo's"), error, 0.1, "1"));
        speeds.push(wave.speed);
    }
    let spread = (speeds[1] / speeds[0] - 1.0).abs().max((speeds[2] / speeds[0] - 1.0).abs());
    rows.push(Row::at_most("T24", "wave speed, off that at 1 ms", spread, 0.1, "1"));
    Ok(rows)
}
