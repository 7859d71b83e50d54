//! `keiko bench physics`: steps per CPU-second and their error, beside MuJoCo on the same files in the same run.

use anyhow::{Context, ensure};
use keiko_model::RobotModel;
use serde_json::{Map, Value, json};

use super::models::{self, Scene};
use super::race::{self, Keiko};
use super::truth::{self, request};
use super::workload::Workload;
use crate::args::BenchPhysics;
use crate::engine::{Batch, EngineArgs, columns, describe};
use crate::exit::{Code, CommandResult, OrExit};
use crate::mujoco::{self, Message, Peer};
use crate::output::{Output, complain};
use crate::states::{self, QuaternionOrder};

/// Physics steps under one control.
const HOLD: usize = 5;
/// Simulated time of a lap: then the environments go back to the start \[s\].
const LAP: f64 = 1.0;
/// Simulated time before the start, in which robots fall to the ground \[s\].
const SETTLE: f64 = 1.0;
/// Division of the time step while robots settle in the peer.
const SETTLE_REFINE: usize = 4;

/// Runs the command.
pub fn run(args: &BenchPhysics, output: &mut Output) -> CommandResult {
    let scenes = models::find(&args.models, args.peer_args.assets.as_deref()).or_exit(Code::Usage)?;
    let mut peer = None;
    if args.peer.is_some() {
        let started = Peer::start(&args.peer_args.python).or_exit(Code::Machine)?;
        output.set("mujoco_version", started.version.clone());
        if started.version != mujoco::VERSION {
            complain(format!("MuJoCo is {}; published figures are for {}", started.version, mujoco::VERSION));
        }
        peer = Some(started);
    }
    // One evaluation of the dynamics a step on both sides, unless something else is asked for.
    let mut args = args.clone();
    args.engine.substeps.get_or_insert(1);
    let args = &args;
    // Like the peer; a second thread would also burn time in waiting.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().or_exit(Code::Machine)?;
    let (mut figures, mut settings, mut failed) = (Map::new(), Map::new(), 0);
    for scene in &scenes {
        let card = pool.install(|| measure(scene, args, peer.as_mut()));
        match card.with_context(|| scene.name.clone()) {
            Ok(card) => {
                card.notes.iter().for_each(|note| output.say(format!("# {} {note}", scene.name)));
                for (metric, value) in card.figures.into_iter().filter(|(_, value)| value.is_finite()) {
                    let key = format!("{}.{metric}", scene.name);
                    output.say(format!("{key} {value:.6}"));
                    figures.insert(key, json!(value));
                }
                settings.insert(scene.name.clone(), Value::Object(card.settings));
            }
            Err(error) => {
                failed += 1;
                complain(format!("error: {error:#}"));
                settings.insert(scene.name.clone(), json!({ "error": format!("{error:#}") }));
            }
        }
    }
    output.set("figures", figures);
    output.set("settings", settings);
    output.set("failed", failed);
    Ok(if failed == 0 { Code::Done } else { Code::Failed })
}

/// What is said of a scene.
struct Card {
    notes: Vec<String>,
    figures: truth::Figures,
    settings: Map<String, Value>,
}

fn measure(scene: &Scene, args: &BenchPhysics, mut peer: Option<&mut Peer>) -> anyhow::Result<Card> {
    let model = states::load_model(&scene.file, scene.root.as_deref())?;
    let controls = |seconds: f64| {
        (seconds / (HOLD as f64 * model.options.timestep)).round().clamp(1.0, 10_000.0) as usize
    };
    if let Some(peer) = peer.as_deref_mut() {
        let facts = peer.load(&scene.file)?;
        same_sizes(&model, &facts)?;
    }
    let settling = Workload::near_home(&model, args.envs, controls(SETTLE), args.seed);
    let lap = Workload::near_home(&model, args.envs, controls(LAP), args.seed.wrapping_add(1));
    let mut work = settle(&model, settling, lap, &args.engine, peer.as_deref_mut())?;

    let mut card = Card { notes: Vec::new(), figures: Vec::new(), settings: Map::new() };
    let mut integrator = String::new();
    if let Some(peer) = peer.as_deref_mut() {
        let answer = peer.ask(&request("prepare", json!({ "hold": HOLD }), &model, &work))?;
        integrator = answer.text("integrator")?.to_owned();
        let bad = answer.flags("bad")?;
        let good: Vec<usize> = (0..bad.len()).filter(|env| !bad[*env]).collect();
        ensure!(!good.is_empty(), "MuJoCo becomes unstable in every environment");
        // Both step the same environments: those in which MuJoCo does not restart by itself.
        work = work.select(&good);
        describe_peer(&mut card, peer, scene, &answer, bad.len() - good.len())?;
    }
    let mut keiko = Keiko::new(&model, &work, &args.engine, HOLD)?;
    let result = race::run(&mut keiko, peer.as_deref_mut(), args.seconds)?;
    describe_keiko(&mut card, &keiko, work.num_envs());

    let figure = |name: &str, value: f64| (name.to_owned(), value);
    card.figures.push(figure("keiko_steps_per_cpu_second", result.keiko));
    card.figures.push(figure("keiko_faults", keiko.faults as f64));
    card.figures.extend(result.peer.map(|speed| figure("mujoco_steps_per_cpu_second", speed)));
    if let Some([low, median, high]) = result.ratio {
        card.figures.push(figure("ratio", median));
        card.figures.push(figure("ratio_lower_quartile", low));
        card.figures.push(figure("ratio_upper_quartile", high));
    }
    drop(keiko);
    if let Some(peer) = peer {
        card.figures.extend(truth::measure(&model, &work, &args.engine, HOLD, &integrator, peer)?);
    }
    Ok(card)
}

fn describe_keiko(card: &mut Card, keiko: &Keiko, num_envs: usize) {
    let engine = keiko.engine();
    card.notes.push(format!("keiko: {num_envs} environments; {}", describe(&engine.settings)));
    card.notes.extend(engine.left_out.iter().map(|what| format!("keiko leaves out {what}")));
    card.settings.insert("keiko".to_owned(), json!(engine.settings));
    card.settings.insert("left_out".to_owned(), json!(engine.left_out));
    card.settings.insert("num_envs".to_owned(), json!(num_envs));
}

fn describe_peer(
    card: &mut Card,
    peer: &mut Peer,
    scene: &Scene,
    prepared: &Message,
    unstable: usize,
) -> anyhow::Result<()> {
    let facts = peer.ask(&Message::request("facts", json!({})))?;
    let mut settings = Map::new();
    settings.insert("version".to_owned(), json!(peer.version));
    settings.insert("integrator".to_owned(), json!(prepared.text("integrator")?));
    settings.insert("solver".to_owned(), json!("newton"));
    settings.insert("sensors".to_owned(), json!("off"));
    for key in ["timestep", "iterations", "ls_iterations", "tolerance", "cone"] {
        settings.insert(key.to_owned(), facts.fields.get(key).cloned().unwrap_or(Value::Null));
    }
    card.notes.push(format!("file: {}", scene.file.display()));
    card.notes.push(format!("mujoco: {}", describe(&settings)));
    card.settings.insert("mujoco".to_owned(), Value::Object(settings));
    card.figures.push(("mujoco_contacts_per_step".to_owned(), prepared.number("contacts")?));
    card.figures.push(("mujoco_max_contacts".to_owned(), prepared.number("max_contacts")?));
    card.figures.push(("mujoco_unstable_envs".to_owned(), unstable as f64));
    Ok(())
}

/// Where the environments are after falling to the ground: in the peer where there is one, else in keiko. Those that
/// break on the way start at home.
fn settle(
    model: &RobotModel,
    settling: Workload,
    mut lap: Workload,
    engine: &EngineArgs,
    peer: Option<&mut Peer>,
) -> anyhow::Result<Workload> {
    let (num_envs, num_controls) = (settling.num_envs(), settling.num_controls());
    let (nq, nv, nu) = (model.num_qpos(), model.num_dofs(), model.actuators.len());
    let Some(peer) = peer else {
        let mut batch = Batch::new(model, num_envs, engine, HOLD)?;
        batch.reset(&vec![true; num_envs], &columns(&settling.qpos), &columns(&settling.qvel));
        let mut ctrl = keiko_world::Field::zeros(nu, num_envs);
        let mut broken = vec![false; num_envs];
        for k in 0..num_controls {
            for env in 0..num_envs {
                ctrl.set_column(env, settling.ctrl.row(env)[k * nu..(k + 1) * nu].iter().map(|u| *u as f32));
            }
            batch.step(&ctrl).iter().for_each(|fault| broken[fault.env] = true);
        }
        for env in (0..num_envs).filter(|env| !broken[*env]) {
            let copy = |to: &mut [f64], from: &keiko_world::Field| {
                to.iter_mut().zip(from.column(env)).for_each(|(to, from)| *to = from.into());
            };
            copy(&mut lap.qpos.data[env * nq..(env + 1) * nq], &batch.state.qpos);
            copy(&mut lap.qvel.data[env * nv..(env + 1) * nv], &batch.state.qvel);
        }
        return Ok(lap);
    };
    let fields = json!({ "hold": HOLD, "refine": SETTLE_REFINE, "integrator": "implicitfast" });
    let mut answer = peer.ask(&request("rollout", fields, model, &settling))?;
    let (mut qpos, qvel) = (answer.array("qpos")?, answer.array("qvel")?);
    states::reorder(model, &mut qpos, QuaternionOrder::WxyzToXyzw);
    for (env, bad) in answer.flags("bad")?.into_iter().enumerate() {
        if !bad {
            let last = (num_controls - 1) * nq..num_controls * nq;
            lap.qpos.data[env * nq..(env + 1) * nq].copy_from_slice(&qpos.row(env)[last]);
            let last = (num_controls - 1) * nv..num_controls * nv;
            lap.qvel.data[env * nv..(env + 1) * nv].copy_from_slice(&qvel.row(env)[last]);
        }
    }
    Ok(lap)
}

/// Refuses a race between different machines.
fn same_sizes(model: &RobotModel, facts: &Message) -> anyhow::Result<()> {
    let ours = [model.num_qpos(), model.num_dofs(), model.actuators.len()];
    let theirs = [facts.number("nq")? as usize, facts.number("nv")? as usize, facts.number("nu")? as usize];
    ensure!(ours == theirs, "[nq, nv, nu] is {ours:?} here and {theirs:?} in MuJoCo");
    Ok(())
}
