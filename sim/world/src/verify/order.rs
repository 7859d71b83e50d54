//! T26: the error of smooth motion falls with the time step.

use std::f64::consts::FRAC_PI_2;

use glam::{DQuat, DVec3};

use super::harness::{Settings, Sim, read, slope_of};
use super::pendulum::{DOUBLE, runge_kutta, tip};
use super::spin::{MOMENTS, SCENE as FREE_BOX};
use super::{CheckError, Engine, Row};

const TIMESTEPS: [f64; 4] = [0.008, 0.004, 0.002, 0.001];

/// Errors below this are the rounding of the state's `f32` numbers in the thousand steps of a run \[m or rad\].
const RESOLUTION: f64 = 3e-6;

/// Order of convergence, and how often halving the step does not make the error smaller; errors that cannot be told
/// from none are left out. The order is infinite where there is no error to follow.
fn rows(name: &str, errors: [f64; 4]) -> [Row; 2] {
    let seen = errors.iter().zip(TIMESTEPS).filter(|(error, _)| error.is_nan() || **error >= RESOLUTION);
    let samples: Vec<_> = seen.map(|(error, timestep)| (timestep.log2(), error.log2())).collect();
    let order = if samples.len() < 2 { f64::INFINITY } else { slope_of(&samples) };
    let rises = samples.windows(2).filter(|pair| pair[1].1.is_nan() || pair[1].1 >= pair[0].1).count();
    [
        Row::at_least("T26", format!("order of convergence, {name}"), order, 0.8, "1"),
        Row::at_most("T26", format!("halvings that do not help, {name}"), rises as f64, 0.0, "1"),
    ]
}

fn errors(error: impl Fn(Settings) -> Result<f64, CheckError>) -> Result<[f64; 4], CheckError> {
    let mut errors = [0.0; 4];
    for (timestep, at) in TIMESTEPS.into_iter().zip(&mut errors) {
        *at = error(Settings { timestep, ..Settings::default() })?;
    }
    Ok(errors)
}

/// A double pendulum and a tumbling box against fourth-order Runge-Kutta solutions, at 8, 4, 2 and 1 ms.
pub fn convergence(engine: &dyn Engine) -> Result<Vec<Row>, CheckError> {
    let pendulum = errors(|settings| double_pendulum(engine, settings))?;
    let tumbling = errors(|settings| tumbling_box(engine, settings))?;
    Ok([rows("double pendulum", pendulum), rows("tumbling box", tumbling)].concat())
}

/// Distance of the lower ball from the truth, 0.4 s after both rods were horizontal \[m\].
fn double_pendulum(engine: &dyn Engine, settings: Settings) -> Result<f64, CheckError> {
    let mut sim = Sim::with(engine, read(DOUBLE)?, 1, settings)?;
    sim.start(&[FRAC_PI_2, 0.0], &[0.0, 0.0]);
    sim.run(0.4, |_| ())?;
    let mut truth = [FRAC_PI_2, FRAC_PI_2, 0.0, 0.0];
    for _ in 0..4000 {
        truth = runge_kutta(truth, 1e-4);
    }
    Ok(sim.position(sim.body("lower"), 0).distance(tip(truth)))
}

/// Angle between the box and the truth after 1 s of free rotation \[rad\].
fn tumbling_box(engine: &dyn Engine, settings: Settings) -> Result<f64, CheckError> {
    let mut sim = Sim::with(engine, read(FREE_BOX)?, 1, settings)?;
    let spin = DVec3::new(4.0, 8.0, 12.0);
    sim.start_moving(&[0.0, 0.0, 0.0, spin.x, spin.y, spin.z]);
    sim.run(1.0, |_| ())?;
    let mut truth = (DQuat::IDENTITY, spin);
    for _ in 0..10_000 {
        truth = turn(truth, 1e-4);
    }
    let off = sim.rotation(sim.body("box"), 0) * truth.0.conjugate();
    Ok(2.0 * off.xyz().length().asin())
}

/// One step of the free rotation, `world_from_body` and angular velocity in the body, by Runge-Kutta.
fn turn(state: (DQuat, DVec3), h: f64) -> (DQuat, DVec3) {
    let derivative = |(rotation, spin): (DQuat, DVec3)| {
        let turning = rotation * DQuat::from_vec4((0.5 * spin).extend(0.0));
        (turning, (MOMENTS * spin).cross(spin) / MOMENTS)
    };
    let add = |(rotation, spin): (DQuat, DVec3), (turning, bending): (DQuat, DVec3), h: f64| {
        (rotation + turning * h, spin + h * bending)
    };
    let k1 = derivative(state);
    let k2 = derivative(add(state, k1, 0.5 * h));
    let k3 = derivative(add(state, k2, 0.5 * h));
    let k4 = derivative(add(state, k3, h));
    let end = [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)]
        .into_iter()
        .fold(state, |state, (slope, weight)| add(state, slope, weight * h / 6.0));
    (end.0.normalize(), end.1)
}
