//! Level A: one state at a time, no time step.

use serde_json::json;

use super::{Card, NotCompared, Progress, Row, Source, load, random_states};
use crate::args::VerifyMujoco;
use crate::commands::dynamics::{States, compute};
use crate::mujoco::{Message, Peer};
use crate::numpy::Array;
use crate::output::Output;
use crate::states::{self, QuaternionOrder};

/// What is compared, and how far it may be off. Each value is relative to the largest entry of the same state in
/// MuJoCo; of positions to at least 1 m, of forces to at least what accelerates by 1e-3.
const QUANTITIES: [(&str, &str, f64); 6] = [
    ("xpos", "body positions, of 1 m or the farthest body", 1e-6),
    ("xquat", "body rotations, quaternion components", 1e-6),
    ("qM", "mass matrix", 1e-6),
    ("qfrc_bias", "bias force", 1e-6),
    ("qfrc_actuator", "actuator force", 1e-6),
    // As the force that it would take: the acceleration itself is as ill-conditioned as the mass matrix.
    ("qacc_smooth", "unconstrained acceleration, as force", 1e-6),
];

/// Failures that are written out; the rest is counted.
const MAX_LISTED: usize = 40;

#[derive(Clone, Default)]
struct Worst {
    error: f64,
    at: String,
    compared: usize,
    beyond: usize,
}

/// Compares every file that both load.
pub fn run(files: &[Source], args: &VerifyMujoco, peer: &mut Peer, card: &mut Card, output: &Output) {
    let mut worst = vec![Worst::default(); QUANTITIES.len()];
    let (mut compared, mut only_here, mut only_mujoco, mut neither, mut still) = (0, 0, 0, 0, 0);
    let mut unknown = 0;
    let mut progress = Progress::new('A', files.len());
    for source in files {
        progress.step(output);
        let model = match load(source, peer) {
            Ok(model) => model,
            Err(NotCompared::OnlyHere) => {
                only_here += 1;
                continue;
            }
            Err(NotCompared::OnlyMujoco) => {
                only_mujoco += 1;
                continue;
            }
            Err(NotCompared::Neither) => {
                neither += 1;
                continue;
            }
            Err(NotCompared::Different(line)) => {
                card.note(output, line);
                unknown += 1;
                continue;
            }
        };
        if model.num_dofs() == 0 {
            still += 1;
            continue;
        }
        let states = random_states(&model, args.states, args.seed);
        let errors = compute(&model, &states).and_then(|ours| {
            let mut qpos = states.qpos.clone();
            states::reorder(&model, &mut qpos, QuaternionOrder::XyzwToWxyz);
            let nu = facts_nu(peer)?;
            let theirs = ask(peer, &qpos, &states, nu)?;
            Ok(compare(&ours, theirs, model.num_dofs()))
        });
        let errors = match errors {
            Ok(errors) => errors,
            Err(error) => {
                card.note(output, format!("{}: {error:#}", source.name()));
                unknown += 1;
                continue;
            }
        };
        compared += 1;
        for ((slot, (name, _, demand)), found) in worst.iter_mut().zip(QUANTITIES).zip(errors) {
            let Some((error, state)) = found else { continue };
            slot.compared += 1;
            if error > demand {
                slot.beyond += 1;
                if card.failures.len() < MAX_LISTED {
                    card.note(
                        output,
                        format!("{}: {name} is off by {error:.3e} in state {state}", source.name()),
                    );
                }
            }
            if error > slot.error {
                (slot.error, slot.at) = (error, format!("{}, state {state}", source.name()));
            }
        }
    }
    for ((_, name, demand), worst) in QUANTITIES.iter().zip(worst) {
        if worst.compared > 0 {
            card.rows.push(Row {
                level: 'A',
                name: (*name).to_owned(),
                value: worst.error,
                demand: *demand,
                unit: "1",
                mujoco: None,
                worst: Some(worst.at),
                counts: Some([worst.compared, worst.beyond]),
            });
        }
    }
    let counts = [
        ("robots compared", compared),
        ("not compared", unknown),
        ("without joints", still),
        ("loaded here only", only_here),
        ("loaded by MuJoCo only", only_mujoco),
        ("loaded by neither", neither),
    ];
    card.counts.extend(counts);
}

fn facts_nu(peer: &mut Peer) -> anyhow::Result<usize> {
    Ok(peer.ask(&Message::request("facts", json!({})))?.number("nu")? as usize)
}

/// MuJoCo's dynamics at the states. Controls are those of the model here; where MuJoCo has more actuators, which were
/// dropped at import, it gets zeros, and what depends on them is left out. So is the acceleration in air or water.
fn ask(peer: &mut Peer, qpos: &Array, states: &States, nu: usize) -> anyhow::Result<Message> {
    let num_states = states.len();
    let same = states.ctrl.shape[1] == nu;
    let ctrl =
        if same { states.ctrl.clone() } else { Array::new(&[num_states, nu], vec![0.0; num_states * nu]) };
    let request = Message::request("dynamics", json!({}))
        .with("qpos", qpos)
        .with("qvel", &states.qvel)
        .with("ctrl", &ctrl);
    let mut answer = peer.ask(&request)?;
    if !same {
        answer.arrays.remove("qfrc_actuator");
        answer.arrays.remove("qacc_smooth");
    }
    // The import report says that there is no medium here.
    if answer.fields.get("medium") == Some(&json!(true)) {
        answer.arrays.remove("qacc_smooth");
    }
    Ok(answer)
}

/// The largest error of each quantity and the state it was found in; `None` where it cannot be compared.
fn compare(ours: &[(&str, Array); 6], theirs: Message, nv: usize) -> [Option<(f64, usize)>; 6] {
    let get = |name: &str| theirs.arrays.get(name);
    std::array::from_fn(|i| {
        let (name, ours) = (&ours[i].0, &ours[i].1);
        let theirs = get(name)?;
        let mass = get("qM")?;
        let bias = get("qfrc_bias")?;
        let errors = (0..ours.shape[0]).map(|k| {
            let (a, b, mass) = (ours.row(k), theirs.row(k), mass.row(k));
            let error = match *name {
                "xpos" => relative(a, b, 1.0),
                "xquat" => quaternions(a, b),
                "qM" => relative(a, b, 0.0),
                "qacc_smooth" => {
                    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
                    let force = times(mass, &difference, nv);
                    let of = largest(&times(mass, b, nv)).max(largest(bias.row(k)));
                    largest(&force) / of.max(1e-3 * largest(mass)).max(f64::MIN_POSITIVE)
                }
                _ => relative(a, b, 1e-3 * largest(mass)),
            };
            // NaN is no agreement.
            (if error.is_nan() { f64::INFINITY } else { error }, k)
        });
        errors.max_by(|a, b| a.0.total_cmp(&b.0))
    })
}

/// Largest magnitude; NaN if there is one.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, x| if x.is_nan() { f64::NAN } else { most.max(x.abs()) })
}

/// Largest difference over the larger of `floor` and the largest magnitude of `b`; infinite for NaN.
fn relative(a: &[f64], b: &[f64], floor: f64) -> f64 {
    let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let difference =
        difference.fold(0.0, |most: f64, e| if e.is_nan() { f64::INFINITY } else { most.max(e) });
    difference / largest(b).max(floor).max(f64::MIN_POSITIVE)
}

/// Largest difference of components; a quaternion and its negative are one rotation.
fn quaternions(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0);
    let one = |(a, b): (&[f64; 4], &[f64; 4])| {
        let off = |sign: f64| {
            let differences: [f64; 4] = std::array::from_fn(|k| (a[k] - sign * b[k]).abs());
            differences.iter().fold(0.0, |m: f64, e| if e.is_nan() { f64::INFINITY } else { m.max(*e) })
        };
        off(1.0).min(off(-1.0))
    };
    pairs.map(one).fold(0.0, f64::max)
}

/// A square matrix `[n, n]` times a vector.
fn times(matrix: &[f64], vector: &[f64], n: usize) -> Vec<f64> {
    matrix.chunks_exact(n).map(|row| row.iter().zip(vector).map(|(m, x)| m * x).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_and_nan_is_no_agreement() {
        assert_eq!(relative(&[1.0, 2.5], &[1.0, 2.0], 0.0), 0.25);
        assert_eq!(relative(&[0.5], &[0.0], 2.0), 0.25);
        assert_eq!(relative(&[0.0], &[0.0], 0.0), 0.0);
        assert_eq!(relative(&[f64::NAN], &[1.0], 0.0), f64::INFINITY);
        assert_eq!(quaternions(&[1.0, 0.0, 0.0, 0.0], &[-1.0, 0.0, 0.0, 0.0]), 0.0);
        assert_eq!(quaternions(&[f64::NAN, 0.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 0.0]), f64::INFINITY);
        assert_eq!(times(&[1.0, 2.0, 3.0, 4.0], &[1.0, 1.0], 2), [3.0, 7.0]);
    }
}
