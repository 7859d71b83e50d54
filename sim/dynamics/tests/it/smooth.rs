//! Poses, mass matrix, bias force and smooth acceleration against MuJoCo, on real robots.

use keiko_dynamics::inspect::Inspector;
use keiko_model::import::{ImportOptions, load};
use keiko_testkit as testkit;
use serde_json::{Value, json};

/// Robots of the wheels: package, file below its folder.
const ROBOTS: &[(&str, &str)] = &[
    ("gymnasium", "gymnasium/envs/mujoco/assets/ant.xml"),
    ("gymnasium", "gymnasium/envs/mujoco/assets/humanoid.xml"),
    ("gymnasium", "gymnasium/envs/mujoco/assets/half_cheetah.xml"),
    ("gymnasium", "gymnasium/envs/mujoco/assets/inverted_pendulum.xml"),
];

/// Both sides work in double precision; MuJoCo's inertias of primitive shapes come from its own reader.
const TOLERANCE: f64 = 1e-6;

const ASK: &str = r#"
import json, sys, numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_path(question["file"])
model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
data, rng, out = mujoco.MjData(model), np.random.default_rng(7), []
for _ in range(question["states"]):
    mujoco.mj_resetData(model, data)
    dq = rng.normal(0, 0.5, model.nv)
    mujoco.mj_integratePos(model, data.qpos, dq, 1.0)
    data.qvel[:] = rng.normal(0, 1.0, model.nv)
    data.ctrl[:] = rng.uniform(-0.5, 0.5, model.nu)
    mujoco.mj_forward(model, data)
    M = np.zeros((model.nv, model.nv)); mujoco.mj_fullM(model, data, M)
    out.append(dict(qpos=data.qpos.tolist(), qvel=data.qvel.tolist(), ctrl=data.ctrl.tolist(),
        xpos=data.xpos.ravel().tolist(), M=M.ravel().tolist(), bias=data.qfrc_bias.tolist(),
        actuator=data.qfrc_actuator.tolist(), acceleration=data.qacc_smooth.tolist()))
kinds = [int(t) for t in model.jnt_type]
print(json.dumps(dict(states=out, kinds=kinds)))
"#;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// MuJoCo's quaternions wxyz to xyzw, joint by joint (0 free, 1 ball).
fn to_xyzw(qpos: &mut [f64], kinds: &Value) {
    let mut at = 0;
    for kind in kinds.as_array().unwrap() {
        let (start, len) = match kind.as_u64().unwrap() {
            0 => (Some(at + 3), 7),
            1 => (Some(at), 4),
            _ => (None, 1),
        };
        if let Some(start) = start {
            qpos[start..start + 4].rotate_left(1);
        }
        at += len;
    }
}

fn worst(actual: &[f64], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(1e-9_f64, |s, x| s.max(x.abs()));
    assert_eq!(actual.len(), expected.len());
    actual.iter().zip(expected).map(|(a, e)| (a - e).abs() / scale).fold(0.0, f64::max)
}

#[test]
fn real_robots_move_as_in_mujoco() {
    for (package, file) in ROBOTS {
        let Some(folder) = testkit::available(testkit::wheel(package)) else { return };
        let path = folder.join(file);
        let model = load(&path, &ImportOptions::default()).unwrap().model;
        let Some(answer) =
            testkit::available(testkit::ask_python(ASK, &json!({ "file": path, "states": 10 })))
        else {
            return;
        };
        let mut inspector = Inspector::new(&model).unwrap();
        for state in answer["states"].as_array().unwrap() {
            let mut qpos = numbers(&state["qpos"]);
            to_xyzw(&mut qpos, &answer["kinds"]);
            let ours = inspector.dynamics(&qpos, &numbers(&state["qvel"]), &numbers(&state["ctrl"]));
            let places: Vec<f64> = ours.body_position.iter().flatten().copied().collect();
            for (what, actual, expected) in [
                ("xpos", &places, "xpos"),
                ("M", &ours.mass_matrix, "M"),
                ("bias", &ours.bias, "bias"),
                ("actuator", &ours.actuator, "actuator"),
                ("acceleration", &ours.smooth_acceleration, "acceleration"),
            ] {
                let error = worst(actual, &numbers(&state[expected]));
                assert!(error <= TOLERANCE, "{file}: {what} is off by {error:e}");
            }
        }
    }
}
