//! `keiko rollout` and `keiko dynamics`: files that numpy writes and reads, numbers that MuJoCo gives.

use std::fs;

use keiko_testkit as testkit;
use serde_json::{Value, json};

use crate::support::{TempDir, keiko, workspace_file};

/// A brick that floats and turns, with nothing to act on.
const BRICK: &str = r#"<mujoco model="brick">
  <option timestep="0.002"/>
  <worldbody>
    <body name="brick" pos="0 0 3">
      <freejoint/>
      <inertial pos="0 0 0" mass="2" diaginertia="0.01 0.02 0.03"/>
    </body>
  </worldbody>
</mujoco>
"#;

/// Writes the arrays of a question with numpy: each is [file, kind, order, arrays].
const WRITE: &str = r#"
import json, sys
import numpy as np
for path, kind, dtype, order, arrays in json.load(sys.stdin):
    made = {k: np.array(v["data"], dtype=dtype).reshape(v["shape"]) for k, v in arrays.items()}
    made = {k: np.asarray(v, order=order) for k, v in made.items()}
    if kind == "npy":
        (array,) = made.values()
        np.save(path, array)
    elif kind == "npz":
        np.savez(path, **made)
    else:
        np.savez_compressed(path, **made)
print("null")
"#;

/// Reads a `.npz` with numpy.
const READ: &str = r#"
import json, sys
import numpy as np
f = np.load(json.load(sys.stdin))
print(json.dumps({k: {"shape": f[k].shape, "dtype": str(f[k].dtype), "data": f[k].ravel().tolist()} for k in f.files}))
"#;

fn array(shape: &[usize], data: Vec<f64>) -> Value {
    assert_eq!(shape.iter().product::<usize>(), data.len());
    json!({ "shape": shape, "data": data })
}

fn numbers(value: &Value) -> Vec<f64> {
    value["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn a_free_brick_falls_and_turns_as_the_formula_says() {
    let dir = TempDir::new("rollout-brick");
    let (model, ctrl, states, out) =
        (dir.file("brick.xml"), dir.file("ctrl.npy"), dir.file("states.npz"), dir.file("out.npz"));
    fs::write(&model, BRICK).unwrap();
    // Turned by a quarter about x, spinning about its own z, which then points along -y.
    let half = 0.5_f64.sqrt();
    let spin = 2.0;
    let files = json!([
        [ctrl, "npy", "float64", "C", { "ctrl": array(&[500, 0], vec![]) }],
        [states, "npz", "float64", "C", {
            "qpos": array(&[1, 7], vec![1.0, 2.0, 3.0, half, half, 0.0, 0.0]),
            "qvel": array(&[1, 6], vec![0.5, 0.0, 1.0, 0.0, 0.0, spin]),
        }],
    ]);
    if testkit::available(testkit::ask_python(WRITE, &files)).is_none() {
        return;
    }
    keiko(&["rollout", &model, "--ctrl", &ctrl, "--states", &states, "--out", &out]).expect(0);
    let read = testkit::ask_python(READ, &json!(out)).unwrap();
    assert_eq!(read["time"]["shape"], json!([501]));
    assert_eq!(read["qpos"]["shape"], json!([1, 501, 7]));
    assert_eq!(read["qvel"]["shape"], json!([1, 501, 6]));
    assert_eq!(read["qpos"]["dtype"], "float64");
    let (time, qpos, qvel) = (numbers(&read["time"]), numbers(&read["qpos"]), numbers(&read["qvel"]));
    assert!((time[500] - 1.0).abs() < 1e-12);
    let (last, last_velocity) = (&qpos[500 * 7..], &qvel[500 * 6..]);
    // A semi-implicit step of h falls g h t / 2 too far; no step here is longer than the file's.
    let fallen = 3.0 + 1.0 - 0.5 * 9.81;
    assert!((last[0] - 1.5).abs() < 1e-4 && (last[1] - 2.0).abs() < 1e-4, "{last:?}");
    assert!(last[2] <= fallen + 2e-4 && last[2] >= fallen - 9.81 * 0.002 / 2.0 - 2e-4, "{last:?}");
    assert!((last_velocity[2] - (1.0 - 9.81)).abs() < 1e-3, "{last_velocity:?}");
    // wxyz: the quarter about x and then the angle about the own z.
    let angle: f64 = spin * 1.0;
    let (c, s) = ((angle / 2.0).cos(), (angle / 2.0).sin());
    let expected = [half * c, half * c, -half * s, half * s];
    let sign = if last[3] * expected[0] < 0.0 { -1.0 } else { 1.0 };
    for (a, b) in last[3..].iter().zip(expected) {
        assert!((sign * a - b).abs() < 1e-3, "{:?} instead of {expected:?}", &last[3..]);
    }
    assert!(
        (last_velocity[5] - spin).abs() < 1e-3,
        "angular velocity is in the body frame: {last_velocity:?}"
    );
}

/// Trajectories in MuJoCo with as many substeps as keiko takes: `qpos` after the last step.
const ROLL: &str = r#"
import json, sys
import mujoco, numpy as np
q = json.load(sys.stdin)
m = mujoco.MjModel.from_xml_path(q["model"])
m.opt.timestep /= 4
out = []
for c in np.load(q["ctrl"]):
    d = mujoco.MjData(m)
    for u in c:
        d.ctrl[:] = u
        mujoco.mj_step(m, d, 4)
    out.append(d.qpos.tolist())
print(json.dumps(out))
"#;

/// Relative difference after 0.3 s of two integrators of the same order and step, one in single precision.
const ROLLOUT: f64 = 2e-3;

#[test]
fn batches_in_single_precision_and_fortran_order_follow_mujoco() {
    let dir = TempDir::new("rollout-batch");
    let model = workspace_file("assets/robots/cartpole/cartpole.xml");
    let model = fs::canonicalize(model).unwrap().to_str().unwrap().to_owned();
    let (ctrl, out) = (dir.file("ctrl.npy"), dir.file("out.npz"));
    let (envs, steps) = (3, 30);
    let push: Vec<f64> =
        (0..envs * steps).map(|i| [0.5, -1.0, 2.0][i / steps] * (1.0 + (i % 7) as f64)).collect();
    let files = json!([[ctrl, "npy", "float32", "F", { "ctrl": array(&[envs, steps, 1], push) }]]);
    if testkit::available(testkit::ask_python(WRITE, &files)).is_none() {
        return;
    }
    let result = keiko(&["rollout", &model, "--ctrl", &ctrl, "--out", &out, "--json"]).expect(0).result();
    assert_eq!((result["num_envs"].as_u64(), result["num_steps"].as_u64()), (Some(3), Some(30)));
    assert!(result["settings"]["executor"].is_string(), "{result}");
    let read = testkit::ask_python(READ, &json!(out)).unwrap();
    let qpos = numbers(&read["qpos"]);
    let theirs = testkit::ask_python(ROLL, &json!({ "model": model, "ctrl": ctrl })).unwrap();
    for env in 0..envs {
        let at = (env * (steps + 1) + steps) * 2;
        for joint in 0..2 {
            let (a, b) = (qpos[at + joint], theirs[env][joint].as_f64().unwrap());
            assert!((a - b).abs() < ROLLOUT * b.abs(), "environment {env}, joint {joint}: {a} and {b}");
        }
    }
}

/// States for a robot at random, and then MuJoCo's answer to each array of the output: largest relative differences.
const DYNAMICS: &str = r#"
import json, sys
import mujoco, numpy as np
q = json.load(sys.stdin)
m = mujoco.MjModel.from_xml_path(q["model"])
d = mujoco.MjData(m)
if q["do"] == "write":
    rng = np.random.default_rng(5)
    K = 10
    qpos = np.tile(m.qpos0, (K, 1)) + rng.uniform(-1, 1, (K, m.nq))
    # As long as MuJoCo has them: keiko also takes others.
    for row in qpos:
        mujoco.mj_normalizeQuat(m, row)
    np.savez_compressed(q["states"], qpos=qpos, qvel=rng.normal(size=(K, m.nv)), ctrl=rng.uniform(-1, 1, (K, m.nu)))
    print("null")
else:
    states, ours, worst = np.load(q["states"]), np.load(q["out"]), {}
    dense = np.zeros((m.nv, m.nv))
    for k in range(len(states["qpos"])):
        d.qpos[:], d.qvel[:], d.ctrl[:] = (states[n][k] for n in ("qpos", "qvel", "ctrl"))
        mujoco.mj_forward(m, d)
        mujoco.mj_fullM(m, d, dense)
        theirs = {"qM": dense, "xpos": d.xpos, "xquat": d.xquat, "qfrc_bias": d.qfrc_bias,
                  "qfrc_actuator": d.qfrc_actuator, "qacc_smooth": d.qacc_smooth}
        for name, b in theirs.items():
            a = ours[name][k]
            assert a.shape == b.shape, (name, a.shape, b.shape)
            if name == "xquat":
                a = a * np.where((a * b).sum(1, keepdims=True) < 0, -1, 1)
            size = max(np.abs(b).max(), 1e-9 if name != "xpos" else 1.0)
            worst[name] = max(worst.get(name, 0), float(np.abs(a - b).max() / size))
    print(json.dumps(worst))
"#;

/// Relative error of poses, mass matrix and forces.
const DYNAMICS_DEMAND: f64 = 1e-6;
/// Of the acceleration, whose mass matrix is ill-conditioned.
const ACCELERATION_DEMAND: f64 = 1e-5;

#[test]
fn dynamics_of_our_robots_are_those_of_mujoco() {
    let dir = TempDir::new("dynamics");
    for robot in ["cartpole", "ant", "arm", "quadruped"] {
        let model = workspace_file(&format!("assets/robots/{robot}/{robot}.xml"));
        let model = fs::canonicalize(model).unwrap().to_str().unwrap().to_owned();
        let (states, out) = (dir.file(&format!("{robot}-in.npz")), dir.file(&format!("{robot}-out.npz")));
        let ask = |what: &str| json!({ "do": what, "model": model, "states": states, "out": out });
        if testkit::available(testkit::ask_python(DYNAMICS, &ask("write"))).is_none() {
            return;
        }
        keiko(&["dynamics", &model, "--states", &states, "--out", &out]).expect(0);
        let worst = testkit::ask_python(DYNAMICS, &ask("compare")).unwrap();
        for (name, error) in worst.as_object().unwrap() {
            let demand = if name == "qacc_smooth" { ACCELERATION_DEMAND } else { DYNAMICS_DEMAND };
            assert!(error.as_f64().unwrap() <= demand, "{robot}: {worst}");
        }
        assert_eq!(worst.as_object().unwrap().len(), 6);
    }
}

/// A `.npy` of `float64` as its format says: magic, version 1.0, length, dictionary.
fn npy(shape: &str, data: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

#[test]
fn files_that_do_not_fit_are_refused_with_what_is_wrong() {
    let dir = TempDir::new("rollout-errors");
    let model = workspace_file("assets/robots/cartpole/cartpole.xml");
    let (ctrl, out) = (dir.file("ctrl.npy"), dir.file("out.npz"));
    let text = b"1 2 3\n".to_vec();
    let integers = String::from_utf8_lossy(&npy("(2, 1)", &[])).replace("<f8", "<i8");
    let mut integers = integers.into_bytes();
    integers.splice(..3, [0x93]);
    let cases: [(Vec<u8>, &[&str]); 6] = [
        (text, &["ctrl.npy", "not a NumPy array"]),
        (npy("(4, 2)", &[0.0; 8]), &["[4, 2]", "[T, 1]", "[N, T, 1]"]),
        (npy("(4, 1)", &[0.0; 3]), &["does not fit 24 bytes"]),
        (npy("(4, 1)", &[0.0, 1.0, f64::NAN, 0.0]), &["ctrl[0, 2, 0] is NaN"]),
        (integers, &["ctrl.npy"]),
        (npy("(99999999999, 99999999999, 1)", &[]), &["does not fit 0 bytes"]),
    ];
    for (bytes, pieces) in cases {
        fs::write(&ctrl, bytes).unwrap();
        keiko(&["rollout", &model, "--ctrl", &ctrl, "--out", &out]).expect(2).stderr_has(pieces);
        assert!(!fs::exists(&out).unwrap());
    }
    fs::write(&ctrl, npy("(2, 4, 1)", &[0.0; 8])).unwrap();
    let args = ["rollout", &model, "--ctrl", &ctrl, "--out", &out, "--envs", "3"];
    keiko(&args).expect(2).stderr_has(&["3 by --envs", "2 environments by ctrl"]);
    let not_zip = ["dynamics", &model, "--states", &ctrl, "--out", &out];
    keiko(&not_zip).expect(2).stderr_has(&["ctrl.npy", "not a .npz"]);
    keiko(&["rollout", "missing.xml", "--ctrl", &ctrl, "--out", &out]).expect(3);
}

#[test]
fn states_are_checked_by_name_and_shape() {
    let dir = TempDir::new("states-errors");
    let model = workspace_file("assets/robots/cartpole/cartpole.xml");
    let (out, quadruped) = (dir.file("out.npz"), workspace_file("assets/robots/quadruped/quadruped.xml"));
    let files: Vec<String> =
        ["misspelt", "narrow", "rows", "zero"].map(|n| dir.file(&format!("{n}.npz"))).into();
    let mut brick = vec![0.0; 19];
    brick[2] = 1.0;
    let question = json!([
        [files[0], "npz", "float64", "C", { "qpo": array(&[1, 2], vec![0.0; 2]) }],
        [files[1], "npz", "float64", "C", { "qpos": array(&[2, 1], vec![0.0; 2]) }],
        [files[2], "deflated", "float64", "C", {
            "qpos": array(&[2, 2], vec![0.0; 4]), "qvel": array(&[3, 2], vec![0.0; 6]),
        }],
        [files[3], "npz", "float64", "C", { "qpos": array(&[1, 19], brick) }],
    ]);
    if testkit::available(testkit::ask_python(WRITE, &question)).is_none() {
        return;
    }
    let run =
        |model: &str, states: &str| keiko(&["dynamics", model, "--states", states, "--out", &out]).expect(2);
    run(&model, &files[0]).stderr_has(&["no array `qpos`", "did you mean `qpo`"]);
    run(&model, &files[1]).stderr_has(&["`qpos`", "[2, 1]", "[K, 2]"]);
    run(&model, &files[2]).stderr_has(&["`qvel` has 3 rows and `qpos` 2"]);
    run(&quadruped, &files[3]).stderr_has(&["qpos[0, 3..7]", "length zero"]);
}
