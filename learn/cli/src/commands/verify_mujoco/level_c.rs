//! Level C: trajectories beside MuJoCo's at a finer step: scenes that are written here, and a real robot that stands.

use std::path::PathBuf;

use anyhow::Context;
use glam::DVec3;
use keiko_model::RobotModel;
use keiko_model::kinematics::forward_kinematics;
use keiko_world::Field;
use serde_json::json;

use super::scenes::{Ask, SCENES, Scene};
use super::{Card, Row, files};
use crate::args::VerifyMujoco;
use crate::engine::{Batch, EngineArgs, columns};
use crate::mujoco::{Message, Peer};
use crate::numpy::Array;
use crate::output::Output;
use crate::states::{self, QuaternionOrder};

/// MuJoCo divides the time step by this.
const REFINE: usize = 4;
/// Substeps of the scenes' 2 ms, where nothing else is asked for.
const SUBSTEPS: usize = 8;
/// Half the side of the cube \[m\].
const HALF_SIDE: f64 = 0.1;
/// The robot that stands: the end of its file's path below the folder of packages.
const STANDING: &str = "unitree_go1/scene.xml";
/// For how long \[s\].
const STANDING_SECONDS: f64 = 6.0;
/// Share of the end over which the contact force is averaged.
const REST_SHARE: f64 = 0.1;

/// Runs every scene.
///
/// # Errors
/// If there is no temporary folder, or the peer fails.
pub fn run(args: &VerifyMujoco, peer: &mut Peer, card: &mut Card, output: &Output) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let mut engine = args.engine.clone();
    engine.substeps.get_or_insert(SUBSTEPS);
    for scene in &SCENES {
        let file = folder.0.join(format!("{}.xml", scene.name.replace(' ', "-")));
        std::fs::write(&file, scene.xml).with_context(|| file.display().to_string())?;
        let model = states::load_model(&file, None).with_context(|| scene.name)?;
        let work = Work::new(&model, scene);
        let ours = match ours(&model, &work, &engine) {
            Ok(ours) => ours,
            Err(error) => {
                card.note(output, format!("{}: {error:#}", scene.name));
                continue;
            }
        };
        peer.load(&file)?;
        let theirs =
            [json!({ "refine": REFINE, "integrator": "rk4" }), json!({ "integrator": "implicitfast" })]
                .map(|settings| theirs(&model, &work, settings, peer));
        let [fine, coarse] = theirs;
        let (fine, coarse) = (fine?, coarse?);
        for ask in scene.asks {
            match ask {
                Ask::Tip { until, most } => {
                    let off = |run: &Run| tip_error(&model, run, &fine, *until);
                    let name = format!("{}: tip, first {until} s", scene.name);
                    card.rows.push(Row { mujoco: Some(off(&coarse)), ..row(name, off(&ours), *most, "m") });
                }
                Ask::Rest => card.rows.extend(rest(&model, scene, &ours, &fine)),
            }
        }
    }
    standing(args, &engine, peer, card, output)
}

/// The real Go1 holds the pose of its keyframe by its own servos.
fn standing(
    args: &VerifyMujoco,
    engine: &EngineArgs,
    peer: &mut Peer,
    card: &mut Card,
    output: &Output,
) -> anyhow::Result<()> {
    let sources =
        if args.paths.is_empty() && args.peer_args.assets.is_none() { Vec::new() } else { files(args)? };
    let Some(source) = sources.iter().find(|source| source.path.ends_with(STANDING)) else {
        card.note(output, format!("standing: no file `{STANDING}` below --assets"));
        return Ok(());
    };
    let model = states::load_model(&source.path, Some(&source.root))?;
    let key = model.keyframes.first().with_context(|| format!("{}: no keyframe", source.name()))?;
    let steps = (STANDING_SECONDS / model.options.timestep).round() as usize;
    let work = Work {
        qpos: Array::new(&[1, model.num_qpos()], key.qpos.clone()),
        qvel: Array::new(&[1, model.num_dofs()], key.qvel.clone()),
        ctrl: Array::new(&[1, steps, model.actuators.len()], key.ctrl.repeat(steps)),
    };
    let ours = ours(&model, &work, engine)?;
    peer.load(&source.path)?;
    let settings = json!({ "refine": REFINE, "integrator": "implicitfast" });
    let fine = theirs(&model, &work, settings, peer)?;
    let coarse = theirs(&model, &work, json!({ "integrator": "implicitfast" }), peer)?;
    let last = |run: &Run| run.qpos.last().cloned().unwrap_or_default();
    let off = |run: &Run, range: std::ops::Range<usize>| {
        let (a, b) = (last(run), last(&fine));
        range.map(|k| (a[k] - b[k]).abs()).fold(0.0, f64::max)
    };
    for (what, range, demand, unit) in
        [("base height", 2..3, 10e-3, "m"), ("joint angles", 7..model.num_qpos(), 0.02, "rad")]
    {
        let name = format!("Go1 stands: {what} after {STANDING_SECONDS} s");
        let mujoco = Some(off(&coarse, range.clone()));
        card.rows.push(Row { mujoco, ..row(name, off(&ours, range), demand, unit) });
    }
    Ok(())
}

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("keiko-verify-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Start and controls of every step.
struct Work {
    qpos: Array,
    qvel: Array,
    /// `[1, T, nu]`.
    ctrl: Array,
}

impl Work {
    /// Sinusoids of another frequency and phase for each actuator.
    fn new(model: &RobotModel, scene: &Scene) -> Self {
        let (nv, nu, dt) = (model.num_dofs(), model.actuators.len(), model.options.timestep);
        let steps = (scene.seconds / dt).round() as usize;
        let value = |step: usize, actuator: usize| {
            let (time, index) = (step as f64 * dt, actuator as f64);
            (std::f64::consts::TAU * (0.5 + 0.2 * index) * time + 0.7 * index).sin()
        };
        let ctrl = (0..steps).flat_map(|step| (0..nu).map(move |actuator| value(step, actuator))).collect();
        let mut qvel = vec![0.0; nv];
        qvel[0] = scene.first_velocity;
        Self {
            qpos: Array::new(&[1, model.num_qpos()], model.reference_qpos()),
            qvel: Array::new(&[1, nv], qvel),
            ctrl: Array::new(&[1, steps, nu], ctrl),
        }
    }

    fn num_steps(&self) -> usize {
        self.ctrl.shape[1]
    }
}

/// `qpos` after every step, xyzw; and what pushed the tip's body, mean over the last steps \[N\].
struct Run {
    qpos: Vec<Vec<f64>>,
    force: DVec3,
}

fn ours(model: &RobotModel, work: &Work, engine: &EngineArgs) -> anyhow::Result<Run> {
    let mut batch = Batch::new(model, 1, engine, 1)?;
    batch.reset(&[true], &columns(&work.qpos), &columns(&work.qvel));
    let nu = model.actuators.len();
    let mut ctrl = Field::zeros(nu, 1);
    let body = tip_site(model).0;
    let last = ((REST_SHARE * work.num_steps() as f64) as usize).max(1);
    let mut run = Run { qpos: Vec::new(), force: DVec3::ZERO };
    for step in 0..work.num_steps() {
        ctrl.set_column(0, work.ctrl.data[step * nu..(step + 1) * nu].iter().map(|u| *u as f32));
        let faults = batch.step(&ctrl);
        anyhow::ensure!(faults.is_empty(), "unusable in step {step}: {:?}", faults[0].cause);
        run.qpos.push(batch.state.qpos.column(0).map(f64::from).collect());
        if step + last >= work.num_steps() {
            let force = |k: usize| f64::from(batch.state.contact_force.get(3 * body + k, 0));
            run.force += DVec3::new(force(0), force(1), force(2)) / last as f64;
        }
    }
    Ok(run)
}

fn theirs(
    model: &RobotModel,
    work: &Work,
    mut settings: serde_json::Value,
    peer: &mut Peer,
) -> anyhow::Result<Run> {
    let mut qpos = work.qpos.clone();
    states::reorder(model, &mut qpos, QuaternionOrder::XyzwToWxyz);
    settings["hold"] = json!(1);
    let request = Message::request("rollout", settings);
    let mut answer =
        peer.ask(&request.with("qpos", &qpos).with("qvel", &work.qvel).with("ctrl", &work.ctrl))?;
    let mut qpos = answer.array("qpos")?;
    states::reorder(model, &mut qpos, QuaternionOrder::WxyzToXyzw);
    let rows = qpos.data.chunks_exact(model.num_qpos().max(1)).map(<[f64]>::to_vec).collect();
    Ok(Run { qpos: rows, force: DVec3::ZERO })
}

/// The body that carries the site `tip`, and where on it; the last body's origin without one.
fn tip_site(model: &RobotModel) -> (usize, DVec3) {
    let site = model.sites.iter().find(|site| site.name == "tip");
    site.map_or((model.bodies.len() - 1, DVec3::ZERO), |site| (site.body, site.pose.position))
}

fn tip_position(model: &RobotModel, qpos: &[f64]) -> DVec3 {
    let (body, point) = tip_site(model);
    forward_kinematics(model, qpos)[body].transform_point(point)
}

/// Largest distance of the tip from where it is in another run.
fn tip_error(model: &RobotModel, run: &Run, fine: &Run, until: f64) -> f64 {
    let steps = (until / model.options.timestep).round() as usize;
    let distance = |(a, b): (&Vec<f64>, &Vec<f64>)| tip_position(model, a).distance(tip_position(model, b));
    run.qpos.iter().zip(&fine.qpos).take(steps).map(distance).fold(0.0, f64::max)
}

/// A cube that came to rest.
fn rest(model: &RobotModel, scene: &Scene, ours: &Run, theirs: &Run) -> Vec<Row> {
    let (Some(a), Some(b)) = (ours.qpos.last(), theirs.qpos.last()) else { return Vec::new() };
    let body = tip_site(model).0;
    let pose = forward_kinematics(model, a)[body];
    let beside = tip_position(model, a) - tip_position(model, b);
    // The face that is nearest to the ground says how far from flat the cube lies.
    let up = pose.rotation.inverse() * DVec3::Z;
    let tilt = up.abs().max_element().min(1.0).acos().to_degrees();
    let weight = model.options.gravity.length() * model.total_mass();
    let name = |what: &str| format!("{}: {what}", scene.name);
    vec![
        row(name("height at rest"), (pose.position.z - HALF_SIDE).abs(), 0.5e-3, "m"),
        row(name("place at rest, beside MuJoCo's"), beside.truncate().length(), 20e-3, "m"),
        row(name("tilt at rest"), tilt, 0.5, "degree"),
        row(name("contact force at rest, of the weight"), (ours.force.z / weight - 1.0).abs(), 0.01, "1"),
    ]
}

fn row(name: String, value: f64, demand: f64, unit: &'static str) -> Row {
    Row { level: 'C', name, value, demand, unit, mujoco: None, worst: None, counts: None }
}
