//! Level B: one step of the executor from random states, without contacts, limits, dry friction and equalities.

use keiko_model::RobotModel;
use serde_json::json;

use super::{Card, Progress, Row, Source, load, random_states};
use crate::args::VerifyMujoco;
use crate::commands::dynamics::States;
use crate::engine::{Batch, EngineArgs, columns};
use crate::mujoco::{Message, Peer};
use crate::numpy::Array;
use crate::output::Output;
use crate::states::{self, QuaternionOrder};

/// The step \[s\]: short, so that what the integrators do to second order does not count.
const TIMESTEP: f64 = 5e-5;
/// Velocity after the step, relative to the largest one of the state.
const DEMAND: f64 = 1e-3;

/// Compares every file that both load and the executor steps.
pub fn run(files: &[Source], args: &VerifyMujoco, peer: &mut Peer, card: &mut Card, output: &Output) {
    // As many evaluations of the dynamics as MuJoCo makes.
    let mut engine = args.engine.clone();
    engine.substeps.get_or_insert(1);
    let (mut worst, mut compared, mut beyond, mut refused) = ((0.0, String::new()), 0, 0, 0);
    let mut progress = Progress::new('B', files.len());
    for source in files {
        progress.step(output);
        let Ok(model) = load(source, peer) else { continue };
        if model.num_dofs() == 0 {
            continue;
        }
        let model = without_constraints(model);
        let states = random_states(&model, args.states, args.seed);
        match compare(&model, &states, &engine, peer) {
            Ok(Some((error, state))) => {
                compared += 1;
                if error > DEMAND {
                    beyond += 1;
                    card.note(
                        output,
                        format!("{}: one step is off by {error:.3e} in state {state}", source.name()),
                    );
                }
                if error > worst.0 {
                    worst = (error, format!("{}, state {state}", source.name()));
                }
            }
            Ok(None) => {}
            Err(_) => refused += 1,
        }
    }
    if compared > 0 {
        card.rows.push(Row {
            level: 'B',
            name: "velocity after one step without constraints".to_owned(),
            value: worst.0,
            demand: DEMAND,
            unit: "1",
            mujoco: None,
            worst: Some(worst.1),
            counts: Some([compared, beyond]),
        });
    }
    card.counts.push(("robots stepped once", compared));
    card.counts.push(("robots that the executor refuses", refused));
}

/// The same machine, free to pass through everything.
fn without_constraints(mut model: RobotModel) -> RobotModel {
    model.options.timestep = TIMESTEP;
    model.geoms.iter_mut().for_each(|geom| (geom.contype, geom.conaffinity) = (0, 0));
    model.contact_pairs.clear();
    model.equalities.clear();
    for joint in &mut model.joints {
        joint.range = None;
        joint.friction_loss = 0.0;
        joint.mimic = false;
    }
    for tendon in &mut model.tendons {
        tendon.range = None;
        tendon.friction_loss = 0.0;
    }
    model
}

/// The largest error and its state; `None` where the actuators are not the same, and in air or water.
fn compare(
    model: &RobotModel,
    states: &States,
    engine: &EngineArgs,
    peer: &mut Peer,
) -> anyhow::Result<Option<(f64, usize)>> {
    let facts = peer.ask(&Message::request("facts", json!({})))?;
    let nu = model.actuators.len();
    let in_medium = facts.fields.get("medium") == Some(&json!(true));
    if facts.number("nu")? as usize != nu || in_medium {
        return Ok(None);
    }
    let num_states = states.len();
    let mut batch = Batch::new(model, num_states, engine, 1)?;
    batch.reset(&vec![true; num_states], &columns(&states.qpos), &columns(&states.qvel));
    let faults = batch.step(&columns(&states.ctrl));

    let mut qpos = states.qpos.clone();
    states::reorder(model, &mut qpos, QuaternionOrder::XyzwToWxyz);
    let fields = json!({
        "hold": 1, "integrator": "implicitfast", "timestep": TIMESTEP, "unconstrained": true,
    });
    let ctrl = Array::new(&[num_states, 1, nu], states.ctrl.data.clone());
    let request = Message::request("rollout", fields);
    let mut answer = peer.ask(&request.with("qpos", &qpos).with("qvel", &states.qvel).with("ctrl", &ctrl))?;
    let theirs = answer.array("qvel")?;
    let nv = model.num_dofs();
    let errors = (0..num_states).map(|k| {
        let row = &theirs.data[k * nv..(k + 1) * nv];
        let size = row.iter().fold(1.0, |most: f64, v| most.max(v.abs()));
        let off = batch.state.qvel.column(k).zip(row).map(|(a, b)| (f64::from(a) - b).abs());
        let off = off.fold(0.0, |most: f64, e| if e.is_nan() { f64::INFINITY } else { most.max(e) });
        let broken = faults.iter().any(|fault| fault.env == k);
        (if broken { f64::INFINITY } else { off / size }, k)
    });
    Ok(errors.max_by(|a, b| a.0.total_cmp(&b.0)))
}
