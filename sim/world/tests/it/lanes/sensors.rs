//! Sensors of the batched engine: against MuJoCo where nothing touches, against closed forms where something does, and
//! against the rapier executor.

use keiko_model::RobotModel;
use keiko_testkit as testkit;
use keiko_world::lanes::Width;
use keiko_world::verify::read;
use keiko_world::{BatchState, EnvParameters, Executor, Field, PhysicsOptions, RapierExecutor};
use serde_json::{Value, json};

use super::Batch;

/// A floating body with an arm of three joints, a tendon, and every kind of sensor that MuJoCo has too.
const ARM: &str = r#"
<mujoco>
  <option timestep="1e-4"/>
  <worldbody>
    <body name="base" pos="0.3 -0.2 1.4" euler="20 -30 40">
      <freejoint name="root"/>
      <geom name="hull" type="box" size=".2 .1 .05" mass="2" contype="0" conaffinity="0"/>
      <site name="imu" pos="0.1 0.05 -0.02" euler="10 50 -20"/>
      <body name="upper" pos="0.2 0 0">
        <joint name="a" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" mass=".6" contype="0" conaffinity="0"/>
        <body name="lower" pos="0.3 0 0" euler="0 0 25">
          <joint name="b" axis="0.6 0 0.8" pos="0.02 0 0.01"/>
          <geom name="rod" type="capsule" fromto="0 0 0 .2 .1 0" size=".02" mass=".3" contype="0"
                conaffinity="0"/>
          <site name="tip" pos="0.2 0.1 0" euler="-40 0 15"/>
          <body name="slide" pos="0.2 0.1 0">
            <joint name="c" type="slide" axis="0 0 1"/>
            <geom type="sphere" size=".02" mass=".1" contype="0" conaffinity="0"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <tendon><fixed name="t"><joint joint="a" coef="0.7"/><joint joint="b" coef="-0.3"/></fixed></tendon>
  <actuator><motor name="m" joint="a" gear="2"/></actuator>
  <sensor>
    <jointpos joint="a"/><jointvel joint="b"/><tendonpos tendon="t"/><tendonvel tendon="t"/>
    <gyro site="imu"/><velocimeter site="tip"/><gyro site="tip"/>
    <framepos objtype="xbody" objname="lower"/>
    <framepos objtype="body" objname="lower" reftype="site" refname="imu"/>
    <framexaxis objtype="site" objname="tip"/>
    <framezaxis objtype="geom" objname="rod" reftype="xbody" refname="base"/>
    <framelinvel objtype="site" objname="tip"/>
    <framelinvel objtype="site" objname="tip" reftype="site" refname="imu"/>
    <frameangvel objtype="xbody" objname="upper"/>
    <frameangvel objtype="xbody" objname="lower" reftype="xbody" refname="base"/>
    <framequat objtype="site" objname="tip" reftype="site" refname="imu"/>
    <gyro site="imu" cutoff="0.2"/>
    <accelerometer site="imu"/><accelerometer site="tip"/>
  </sensor>
</mujoco>"#;

/// Numbers of all sensors but the quaternion and the accelerometers.
const ACCELEROMETERS: usize = 6;

const ASK: &str = r#"
import json, sys, numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_string(question["mjcf"])
data, rng, out = mujoco.MjData(model), np.random.default_rng(3), []
for _ in range(8):
    mujoco.mj_resetData(model, data)
    mujoco.mj_integratePos(model, data.qpos, rng.normal(0, 0.5, model.nv), 1.0)
    data.qvel[:] = rng.normal(0, 1.0, model.nv)
    data.ctrl[:] = rng.uniform(-0.5, 0.5, model.nu)
    # States that single precision holds.
    data.qpos[:] = data.qpos.astype(np.float32)
    data.qvel[:] = data.qvel.astype(np.float32)
    data.ctrl[:] = data.ctrl.astype(np.float32)
    mujoco.mj_forward(model, data)
    out.append(dict(qpos=data.qpos.tolist(), qvel=data.qvel.tolist(), ctrl=data.ctrl.tolist(),
        sensors=data.sensordata.tolist()))
print(json.dumps(out))
"#;

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// Row of the only quaternion among the sensors.
fn quaternion_row(model: &RobotModel) -> usize {
    let before = model.sensors.iter().take_while(|s| s.kind.size() != 4);
    before.map(|s| s.kind.size()).sum()
}

/// A quaternion and its negative are the same rotation: the one whose last number is positive.
fn same_sign(values: &mut [f32], row: usize) {
    if values[row + 3] < 0.0 {
        values[row..row + 4].iter_mut().for_each(|v| *v = -*v);
    }
}

#[test]
fn sensors_read_what_mujocos_read() {
    let question = json!({ "mjcf": ARM });
    let Some(answer) = testkit::available(testkit::ask_python(ASK, &question)) else { return };
    let model = read(ARM).unwrap();
    let options = PhysicsOptions { timestep: 1e-4, solver_iterations: 1, ..PhysicsOptions::default() };
    let row = quaternion_row(&model);
    for width in [Width::Detected, Width::Double] {
        for state in answer.as_array().unwrap() {
            let mut qpos = numbers(&state["qpos"]);
            qpos[3..7].rotate_left(1);
            let mut expected = numbers(&state["sensors"]);
            expected[row..row + 4].rotate_left(1);
            same_sign(&mut expected, row);

            let mut batch = Batch::new(&model, 3, options.clone(), width);
            batch.reset_to(&qpos, &numbers(&state["qvel"]));
            let mut found: Vec<f32> = batch.state.sensors.column(1).collect();
            same_sign(&mut found, row);
            let smooth = expected.len() - ACCELEROMETERS;
            for (k, (f, e)) in found.iter().zip(&expected).take(smooth).enumerate() {
                // Single precision over a chain of four bodies, a metre from the origin.
                assert!((f - e).abs() < 5e-6, "{width:?}, number {k}: {f}, MuJoCo {e}");
            }

            // Accelerations are means over the step that follows; MuJoCo's are those at its beginning.
            let control = numbers(&state["ctrl"])[0];
            batch.ctrl.row_mut(0).fill(control);
            assert!(batch.step().is_empty());
            let found: Vec<f32> = batch.state.sensors.column(1).collect();
            // A velocity of single precision moves by 1e-7 of itself, over 1e-4 s; in double precision what is
            // left is what the acceleration itself changes by in a step.
            let tolerance = if width == Width::Double { 0.03 } else { 0.08 };
            for k in smooth..expected.len() {
                assert!(
                    (found[k] - expected[k]).abs() < tolerance,
                    "{width:?}, number {k}: {}, MuJoCo {}",
                    found[k],
                    expected[k]
                );
            }
        }
    }
}

/// A box of 2 kg that lies on the floor.
const BOX: &str = r#"
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 .1"/>
    <body name="box" pos="0 0 0.1"><freejoint/>
      <geom type="box" size=".1 .1 .1" mass="2"/>
      <site name="s" pos="0.05 0 0" euler="0 90 0"/>
    </body>
  </worldbody>
  <sensor>
    <touch site="s"/><accelerometer site="s"/><gyro site="s"/>
  </sensor>
</mujoco>"#;

#[test]
fn a_resting_box_feels_its_weight() {
    let model = read(BOX).unwrap();
    let options = PhysicsOptions { decimation: 5, ..PhysicsOptions::default() };
    let mut batch = Batch::new(&model, 2, options, Width::Detected);
    batch.reset();
    // Before the first step nothing is known of forces or accelerations.
    let sensors = |batch: &Batch| batch.state.sensors.column(1).collect::<Vec<f32>>();
    assert_eq!(sensors(&batch)[0], 0.0);
    assert!((sensors(&batch)[1] + 9.81).abs() < 1e-4, "{:?}", sensors(&batch));
    for _ in 0..100 {
        assert!(batch.step().is_empty());
    }
    let read = sensors(&batch);
    // The site's x axis points down.
    for (found, expected, tolerance) in
        [(read[0], 19.62, 0.02), (read[1], -9.81, 0.02), (read[2], 0.0, 0.02), (read[3], 0.0, 0.02)]
    {
        assert!((found - expected).abs() < tolerance, "{read:?}");
    }
    let weight: Vec<f32> = batch.state.contact_force.column(0).skip(3).collect();
    assert!((weight[2] - 19.62).abs() < 0.02, "{weight:?}");
}

/// Both executors after the same smooth motion: the definitions are the same.
#[test]
fn both_executors_read_the_same() {
    let model = read(&ARM.replace("1e-4", "1e-3")).unwrap();
    let options = PhysicsOptions { timestep: 1e-3, decimation: 5, ..PhysicsOptions::default() };
    let mut lanes = Batch::new(&model, 1, options.clone(), Width::Detected);
    lanes.reset();
    let mut rapier = RapierExecutor::new(&model, 1, options).unwrap();
    let mut state = BatchState::new(&model, 1);
    let mut qpos = Field::zeros(model.num_qpos(), 1);
    qpos.set_column(0, model.reference_qpos().iter().map(|q| *q as f32));
    let qvel = Field::zeros(model.num_dofs(), 1);
    rapier.reset(&[true], &qpos, &qvel, &EnvParameters::identity(&model, 1), &mut state);
    lanes.ctrl.row_mut(0).fill(0.2);
    for _ in 0..10 {
        assert!(lanes.step().is_empty());
        assert!(rapier.step(&lanes.ctrl, &mut state).is_empty());
    }
    let row = quaternion_row(&model);
    let mut ours: Vec<f32> = lanes.state.sensors.column(0).collect();
    let mut theirs: Vec<f32> = state.sensors.column(0).collect();
    same_sign(&mut ours, row);
    same_sign(&mut theirs, row);
    for (k, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        // Two integrators over 50 ms of a swing of some 10 rad/s².
        let tolerance = 0.02 + 0.02 * b.abs();
        assert!((a - b).abs() < tolerance, "number {k}: lanes {a}, rapier {b}");
    }
}
