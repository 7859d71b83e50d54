//! What speed is bought with: both engines' trajectories beside MuJoCo's own at a sixteenth of the time step.

use keiko_model::RobotModel;
use keiko_model::robot::{Cone, JointKind};
use serde_json::json;

use super::workload::Workload;
use crate::engine::{Batch, EngineArgs, columns};
use crate::mujoco::{Message, Peer};
use crate::numpy::Array;
use crate::states::{self, QuaternionOrder};

/// Environments that are compared, at most.
const MAX_ENVS: usize = 16;
/// The reference divides the time step by this; half of it says how far the reference itself has converged.
const REFINE: usize = 16;
/// When errors are taken \[s\], and how their lines say so.
const TIMES: [(f64, &str); 2] = [(0.25, "250ms"), (1.0, "1s")];

/// Lines `metric value`, without the scene's name.
pub type Figures = Vec<(String, f64)>;

/// Errors against the reference after a quarter of a second and a second.
///
/// # Errors
/// If the peer fails.
pub fn measure(
    model: &RobotModel,
    work: &Workload,
    engine: &EngineArgs,
    hold: usize,
    integrator: &str,
    peer: &mut Peer,
) -> anyhow::Result<Figures> {
    let envs: Vec<usize> = (0..work.num_envs().min(MAX_ENVS)).collect();
    let work = work.select(&envs);
    let mut ask = |settings: serde_json::Value| theirs(model, &work, hold, settings, peer);
    let fine = |refine: usize| json!({ "refine": refine, "integrator": "implicitfast" });
    let reference = ask(fine(REFINE))?;
    let mut others = vec![
        ("keiko", ours(model, &work, engine, hold)?),
        ("mujoco", ask(json!({ "integrator": integrator }))?),
        ("reference", ask(fine(REFINE / 2))?),
    ];
    if model.options.cone == Cone::Pyramidal {
        // What the file's cut-off cone alone changes; keiko's is round.
        let mut round = fine(REFINE);
        round["cone"] = json!("elliptic");
        others.push(("round_cone", ask(round)?));
    }
    // The same environments for all: those that nobody broke in.
    let is_whole = |env: &usize| {
        std::iter::once(&reference).chain(others.iter().map(|(_, run)| run)).all(|run| !run.broken[*env])
    };
    let whole: Vec<usize> = envs.iter().copied().filter(is_whole).collect();
    let mut figures = vec![("truth_envs".to_owned(), whole.len() as f64)];
    for (time, label) in TIMES {
        let step = (time / (hold as f64 * model.options.timestep)).round().max(1.0) as usize;
        if step > work.num_controls() || whole.is_empty() {
            continue;
        }
        for (who, run) in &others {
            let errors = Errors::of(model, &reference, run, &whole, step - 1);
            figures.extend(errors.joints.map(|rms| (format!("{who}_joint_rms_at_{label}"), rms)));
            figures.extend(errors.base.map(|rms| (format!("{who}_base_rms_at_{label}"), rms)));
        }
    }
    Ok(figures)
}

/// Positions `[N, K, nq]` after each control, quaternions xyzw.
struct Run {
    qpos: Array,
    broken: Vec<bool>,
}

/// Root mean squares over environments.
struct Errors {
    /// Of the positions of hinges and slides \[rad, m\], if there are any.
    joints: Option<f64>,
    /// Of the distance of floating bases \[m\], if there are any.
    base: Option<f64>,
}

impl Errors {
    fn of(model: &RobotModel, reference: &Run, run: &Run, envs: &[usize], at: usize) -> Self {
        let (mut joints, mut bases) = (Vec::new(), Vec::new());
        let nq = model.num_qpos();
        for env in envs {
            let row = |run: &'_ Run| run.qpos.row(*env)[at * nq..(at + 1) * nq].to_vec();
            let (a, b) = (row(reference), row(run));
            let squared = |i: usize| (a[i] - b[i]).powi(2);
            for joint in &model.joints {
                let i = joint.qpos_index;
                match joint.kind {
                    JointKind::Revolute | JointKind::Prismatic => joints.push(squared(i)),
                    JointKind::Free => bases.push((i..i + 3).map(squared).sum()),
                    JointKind::Ball => {}
                }
            }
        }
        let rms = |squares: Vec<f64>| {
            let n = squares.len() as f64;
            (n > 0.0).then(|| (squares.into_iter().sum::<f64>() / n).sqrt())
        };
        Self { joints: rms(joints), base: rms(bases) }
    }
}

fn theirs(
    model: &RobotModel,
    work: &Workload,
    hold: usize,
    mut settings: serde_json::Value,
    peer: &mut Peer,
) -> anyhow::Result<Run> {
    settings["hold"] = json!(hold);
    let mut answer = peer.ask(&request("rollout", settings, model, work))?;
    let mut qpos = answer.array("qpos")?;
    states::reorder(model, &mut qpos, QuaternionOrder::WxyzToXyzw);
    Ok(Run { qpos, broken: answer.flags("bad")? })
}

/// A request about a workload, in the peer's order.
pub fn request(what: &str, fields: serde_json::Value, model: &RobotModel, work: &Workload) -> Message {
    let mut qpos = work.qpos.clone();
    states::reorder(model, &mut qpos, QuaternionOrder::XyzwToWxyz);
    Message::request(what, fields).with("qpos", &qpos).with("qvel", &work.qvel).with("ctrl", &work.ctrl)
}

fn ours(model: &RobotModel, work: &Workload, engine: &EngineArgs, hold: usize) -> anyhow::Result<Run> {
    let (num_envs, nq, nu) = (work.num_envs(), model.num_qpos(), model.actuators.len());
    let mut batch = Batch::new(model, num_envs, engine, hold)?;
    batch.reset(&vec![true; num_envs], &columns(&work.qpos), &columns(&work.qvel));
    let num_controls = work.num_controls();
    let mut qpos = Array::new(&[num_envs, num_controls, nq], vec![0.0; num_envs * num_controls * nq]);
    let mut broken = vec![false; num_envs];
    let mut ctrl = keiko_world::Field::zeros(nu, num_envs);
    for k in 0..num_controls {
        for env in 0..num_envs {
            ctrl.set_column(env, work.ctrl.row(env)[k * nu..(k + 1) * nu].iter().map(|u| *u as f32));
        }
        batch.step(&ctrl).iter().for_each(|fault| broken[fault.env] = true);
        for env in 0..num_envs {
            let start = (env * num_controls + k) * nq;
            let row = batch.state.qpos.column(env).map(f64::from);
            qpos.data[start..start + nq].iter_mut().zip(row).for_each(|(to, from)| *to = from);
        }
    }
    Ok(Run { qpos, broken })
}
