//! Forces on joints, wrenches of contacts, and what sees by rays: against MuJoCo, rapier and closed forms.

use glam::{DQuat, DVec3};
use keiko_dynamics::plan::{Plan, StepOptions};
use keiko_dynamics::record;
use keiko_dynamics::step::ControlStep;
use keiko_model::RobotModel;
use keiko_model::robot::{ContactSide, FrameRef, HeightScan, Sensor, SensorKind};
use keiko_testkit as testkit;
use keiko_world::lanes::Width;
use keiko_world::verify::read;
use keiko_world::{BatchState, ContactLaw, EnvParameters, Executor, Field, PhysicsOptions, RapierExecutor};
use serde_json::{Value, json};

use super::Batch;

fn with_sensors(xml: &str, kinds: impl IntoIterator<Item = SensorKind>) -> RobotModel {
    let mut model = read(xml).unwrap();
    for (k, kind) in kinds.into_iter().enumerate() {
        model.sensors.push(Sensor { name: format!("s{k}"), kind, noise: 0.0, cutoff: 0.0 });
    }
    model
}

fn sensed(batch: &Batch) -> Vec<f32> {
    batch.state.sensors.column(1).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn near(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{what}: {found:?}, expected {expected:?}");
    }
}

/// A floating body with an arm: servo, motors with a joint limit on effort, a tendon motor, springs, damping, gravity.
const ARM: &str = r#"
<mujoco>
  <option timestep="1e-5" cone="elliptic"/>
  <worldbody>
    <body name="base" pos="0.3 -0.2 1.4" euler="20 -30 40">
      <freejoint name="root"/>
      <geom type="box" size=".2 .1 .05" mass="2" contype="0" conaffinity="0"/>
      <body name="upper" pos="0.2 0 0">
        <joint name="a" axis="0 1 0" stiffness="3" springref="0.3" damping="0.4" armature="0.02"/>
        <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" mass=".6" contype="0" conaffinity="0"/>
        <body name="lower" pos="0.3 0 0" euler="0 0 25">
          <joint name="b" axis="0.6 0 0.8" damping="0.1" actuatorfrcrange="-0.9 0.9"/>
          <geom type="capsule" fromto="0 0 0 .2 .1 0" size=".02" mass=".3" contype="0" conaffinity="0"/>
          <body name="slide" pos="0.2 0.1 0">
            <joint name="c" type="slide" axis="0 0 1" range="-0.1 0.1"/>
            <geom type="sphere" size=".02" mass=".1" contype="0" conaffinity="0"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <tendon><fixed name="t"><joint joint="a" coef="0.7"/><joint joint="b" coef="-0.3"/></fixed></tendon>
  <actuator>
    <position joint="a" kp="8" kv="0.2"/><motor joint="b" gear="2"/><motor tendon="t" gear="1.5"/>
  </actuator>
  <equality><joint joint1="c" joint2="a" polycoef="0.02 0.1 0 0 0"/></equality>
  <sensor>
    <jointactuatorfrc joint="a"/><jointactuatorfrc joint="b"/><jointactuatorfrc joint="c"/>
  </sensor>
</mujoco>"#;

const ASK_FORCES: &str = r#"
import json, sys, numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_string(question["mjcf"])
data, rng, out = mujoco.MjData(model), np.random.default_rng(3), []
joints = [model.joint(name).dofadr[0] for name in "abc"]
for _ in range(8):
    mujoco.mj_resetData(model, data)
    mujoco.mj_integratePos(model, data.qpos, rng.normal(0, 0.5, model.nv), 1.0)
    data.qpos[-1] = 0.02 + 0.1 * data.qpos[-3] + rng.uniform(-0.01, 0.01)
    data.qvel[:] = rng.normal(0, 1.0, model.nv)
    data.ctrl[:] = rng.uniform(-1, 1, model.nu)
    for x in (data.qpos, data.qvel, data.ctrl):
        x[:] = x.astype(np.float32)
    mujoco.mj_forward(model, data)
    force = data.qfrc_actuator + data.qfrc_passive + data.qfrc_constraint
    out.append(dict(qpos=data.qpos.tolist(), qvel=data.qvel.tolist(), ctrl=data.ctrl.tolist(),
        force=force[joints].tolist(), driven=data.sensordata.tolist()))
print(json.dumps(out))
"#;

#[test]
fn forces_on_joints_are_mujocos() {
    let Some(answer) = testkit::available(testkit::ask_python(ASK_FORCES, &json!({ "mjcf": ARM }))) else {
        return;
    };
    let joints =
        |model: &RobotModel| (model.joints.len() - 3..model.joints.len()).map(SensorKind::JointForce);
    let model = with_sensors(ARM, joints(&read(ARM).unwrap()));
    let options = PhysicsOptions {
        timestep: 1e-5,
        solver_iterations: 1,
        sweeps: 50,
        law: ContactLaw::Mujoco,
        ..PhysicsOptions::default()
    };
    for state in answer.as_array().unwrap() {
        let mut qpos = numbers(&state["qpos"]);
        qpos[3..7].rotate_left(1);
        let mut batch = Batch::new(&model, 2, options.clone(), Width::Double);
        batch.reset_to(&qpos, &numbers(&state["qvel"]));
        near(&sensed(&batch), &[0.0; 6], 0.0, "before the first step nothing is known of forces");
        for (row, u) in numbers(&state["ctrl"]).into_iter().enumerate() {
            batch.ctrl.row_mut(row).fill(u);
        }
        assert!(batch.step().is_empty());
        let found = sensed(&batch);
        near(&found[..3], &numbers(&state["driven"]), 1e-4, "actuators");
        // Springs, dampers and the coupling at the end of a step of 10 µs, not at its beginning.
        let expected = numbers(&state["force"]);
        for (f, e) in found[3..].iter().zip(&expected) {
            assert!((f - e).abs() < 2e-3 * (1.0 + e.abs()), "{:?}, MuJoCo {expected:?}", &found[3..]);
        }
    }
}

/// A pendulum of 2 kg, 0.5 m long, that lies on its limit with the rod level.
const SHELF: &str = r#"
<mujoco>
  <worldbody><body pos="0 0 1">
    <joint name="j" axis="0 1 0" range="-90 0" damping="0.2"/>
    <geom type="sphere" size=".05" pos="0.5 0 0" mass="2" contype="0" conaffinity="0"/>
  </body></worldbody>
  <actuator><motor joint="j"/></actuator>
  <sensor><jointactuatorfrc joint="j"/></sensor>
</mujoco>"#;

#[test]
fn a_limit_carries_what_the_motor_does_not() {
    let model = with_sensors(SHELF, [SensorKind::JointForce(0)]);
    let options = PhysicsOptions { decimation: 5, ..PhysicsOptions::default() };
    let mut batch = Batch::new(&model, 2, options, Width::Detected);
    batch.reset();
    batch.ctrl.row_mut(0).fill(-3.0);
    for _ in 0..100 {
        assert!(batch.step().is_empty());
    }
    // The weight turns the rod down, about +y; motor and limit hold it.
    near(&sensed(&batch), &[-3.0, -2.0 * 9.81 * 0.5], 0.02, "motor, and all together");
}

/// A plank of 3 kg with a load of 1 kg at one end, on two posts; and a disc that spins on a floor that only resists that.
const PLANK: &str = r#"
<mujoco>
  <option timestep="0.002"/>
  <worldbody>
    <geom name="left" type="sphere" size=".1" pos="-0.4 0 0.1"/>
    <geom name="right" type="sphere" size=".1" pos="0.4 0 0.1"/>
    <geom name="floor" type="plane" size="9 9 1" pos="0 5 0" friction="0.0001 0.01 0" condim="4"/>
    <body name="plank" pos="0.05 0 0.22"><freejoint/>
      <geom name="board" type="box" size=".6 .2 .02" mass="3"/>
      <geom name="load" type="box" size=".05 .05 .05" pos="0.35 0 .07" mass="1"/>
    </body>
    <body name="ball" pos="0 5 0.1"><freejoint/>
      <geom type="sphere" size=".1" mass="2" friction="0.0001 0.01 0" condim="4"/>
    </body>
  </worldbody>
</mujoco>"#;

#[test]
fn contacts_push_by_the_lever_rule() {
    let named = read(PLANK).unwrap();
    let geom = |name: &str| named.geoms.iter().position(|g| g.name == name).unwrap();
    let body = |name: &str| named.bodies.iter().position(|b| b.name == name).unwrap();
    let wrench = |on, with, frame| SensorKind::ContactWrench { on, with, frame };
    let (plank, ball) = (ContactSide::Body(body("plank")), ContactSide::Body(body("ball")));
    let own = Some(FrameRef::Body(body("plank")));
    let posts = ["left", "right"].map(|name| ContactSide::Geom(geom(name)));
    let kinds = [
        wrench(plank, Some(posts[0]), own),
        wrench(plank, Some(posts[1]), own),
        wrench(posts[1], Some(plank), None),
        wrench(plank, None, None),
        wrench(ball, None, Some(FrameRef::Body(body("ball")))),
        wrench(plank, Some(ball), None),
    ];
    let model = with_sensors(PLANK, kinds);
    let options = PhysicsOptions { decimation: 5, ..PhysicsOptions::default() };
    let mut batch = Batch::new(&model, 2, options, Width::Detected);
    let qpos: Vec<f32> = model.reference_qpos().iter().map(|q| *q as f32).collect();
    let mut qvel = vec![0.0; model.num_dofs()];
    qvel[11] = 60.0;
    batch.reset_to(&qpos, &qvel);
    near(&sensed(&batch), &[0.0; 36], 0.0, "before the first step");
    for _ in 0..100 {
        assert!(batch.step().is_empty());
    }
    let read = sensed(&batch);
    // Load and plank about the posts: the middle is at 0.05, the load at 0.40 from the world's origin.
    let right = 9.81 * (3.0 * 0.45 + 1.0 * 0.80) / 0.8;
    let left = 9.81 * 4.0 - right;
    // Along x friction may squeeze the plank between the posts.
    near(&read[..3], &[read[0], 0.0, left], 0.15, "left post");
    near(&read[6..9], &[-read[0], 0.0, right], 0.15, "right post");
    // From the plank's origin the posts are at -0.45 and 0.35 along x, 0.02 below.
    near(&read[3..6], &[0.0, 0.45 * left - 0.02 * read[0], 0.0], 0.1, "moment of the left post");
    near(&read[9..12], &[0.0, -0.35 * right + 0.02 * read[0], 0.0], 0.1, "moment of the right post");
    near(&read[12..15], &[read[0], 0.0, -right], 0.15, "what the plank does to the post");
    near(
        &read[15..18],
        &[0.0, 0.4 * right + 0.2 * read[0], 0.0],
        0.15,
        "its moment about the world's origin",
    );
    near(&read[18..21], &[0.0, 0.0, 9.81 * 4.0], 0.1, "both posts");
    // Torsional friction of 0.01 m times the weight, against the spin, of which it takes 25 rad/s in 1 s.
    near(&read[24..27], &[0.0, 0.0, 19.62], 0.05, "the ball");
    near(&read[27..30], &[0.0, 0.0, -0.1962], 5e-3, "the friction of its spin");
    assert_eq!(read[30..], [0.0; 6], "they never touch");
}

/// Shapes around a floating body that looks in many directions.
fn gallery(egg: &str, hills: &str) -> String {
    let looks: String = (0..40)
        .map(|k| {
            // A spiral of golden angles over the sphere.
            let z = 1.0 - (2.0 * f64::from(k) + 1.0) / 40.0;
            let turn = 2.399_963 * f64::from(k);
            let r = (1.0_f64 - z * z).sqrt();
            let (x, y) = (r * turn.cos(), r * turn.sin());
            format!("<site name='s{k}' zaxis='{x} {y} {z}' pos='0.02 0.01 {}'/>", 0.001 * f64::from(k))
        })
        .collect();
    let sensors: String = (0..40).map(|k| format!("<rangefinder site='s{k}'/>")).collect();
    format!(
        r#"<mujoco>
  <asset>
    <hfield name="h" nrow="3" ncol="4" size="3 3 0.4 0.1" elevation="{hills}"/>
    <mesh name="m" vertex="0 0 0  .3 0 0  0 .4 0  0 0 .5  .3 .4 .2"/>
  </asset>
  <worldbody>
    <geom type="hfield" hfield="h" pos="0.1 0 -0.6"/>
    <geom type="plane" size="0 0 1" pos="0 0 -1.5"/>
    <geom type="sphere" size=".2" pos="1 0 .2"/>
    <geom {egg} pos="-.8 .3 .4" euler="20 30 0"/>
    <geom type="cylinder" size=".2 .3" pos="0 1.1 .1" euler="40 0 0"/>
    <geom type="mesh" mesh="m" pos="-.6 -.9 0" euler="0 0 30" contype="0" conaffinity="0"/>
    <geom type="box" size="3 3 3" rgba="1 1 1 0" contype="0" conaffinity="0"/>
    <body pos=".3 -.9 .2"><joint axis="0 0 1"/>
      <geom type="box" size=".3 .2 .25" mass="1"/>
      <geom type="capsule" size=".1 .2" pos="0 0 .6" mass="1"/>
    </body>
    <body name="eye" pos="0 0 .5"><freejoint/>
      <geom type="sphere" size=".1" mass="1"/>{looks}
    </body>
  </worldbody>
  <sensor>{sensors}<rangefinder site="s0" cutoff="0.3"/></sensor>
</mujoco>"#
    )
}

const HILLS: &str = "0 1 2 1  3 1 0 2  2 2 1 4";
const SLOPE: &str = "0 1 2 3  1 2 3 4  2 3 4 5";

const ASK_RAYS: &str = r#"
import json, sys, numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_string(question["mjcf"])
data, rng, out = mujoco.MjData(model), np.random.default_rng(5), []
for _ in range(6):
    mujoco.mj_resetData(model, data)
    data.qpos[0] = rng.uniform(-1, 1)
    data.qpos[1:4] += rng.uniform(-0.1, 0.1, 3)
    data.qpos[4:] = rng.normal(0, 1, 4)
    data.qpos[4:] /= np.linalg.norm(data.qpos[4:])
    data.qpos[:] = data.qpos.astype(np.float32)
    mujoco.mj_forward(model, data)
    out.append(dict(qpos=data.qpos.tolist(), sensors=data.sensordata.tolist()))
print(json.dumps(out))
"#;

#[test]
fn rangefinders_read_what_mujocos_read() {
    let xml = gallery("type='ellipsoid' size='.2 .3 .15'", HILLS);
    let Some(answer) = testkit::available(testkit::ask_python(ASK_RAYS, &json!({ "mjcf": xml }))) else {
        return;
    };
    let model = read(&xml).unwrap();
    assert_eq!(model.sensors.len(), 41);
    let (mut same, mut hits, mut all) = (0, 0, 0);
    for state in answer.as_array().unwrap() {
        let mut qpos = numbers(&state["qpos"]);
        qpos[4..8].rotate_left(1);
        let expected = numbers(&state["sensors"]);
        for width in [Width::Detected, Width::Double] {
            let mut batch = Batch::new(&model, 3, PhysicsOptions::default(), width);
            batch.reset_to(&qpos, &vec![0.0; model.num_dofs()]);
            for (f, e) in sensed(&batch).iter().zip(&expected) {
                same += usize::from((f - e).abs() < 1e-4);
                hits += usize::from(*e > 0.0);
                all += 1;
            }
        }
    }
    // MuJoCo's field has walls and a bottom besides, which a ray from beside it meets; and one in a few hundred rays grazes
    // an edge, where rounding decides.
    assert!(same * 100 >= all * 99 && hits * 3 > all, "{same} of {all} agree, {hits} hit");
}

/// A scan over what is solid, with another tree in it.
fn scan(body: usize) -> HeightScan {
    HeightScan { body, counts: [5, 4], spacing: [0.3, 0.25], offset: [0.1, -0.05], above: 1.0, reach: 1.8 }
}

#[test]
fn rays_and_scans_are_those_of_rapier() {
    let xml = gallery("type='capsule' size='.1 .2'", SLOPE);
    let eye = read(&xml).unwrap().bodies.len() - 1;
    let model = with_sensors(&xml, [SensorKind::HeightScan(scan(eye))]);
    let mut rapier = RapierExecutor::new(&model, 2, PhysicsOptions::default()).unwrap();
    let mut lanes = Batch::new(&model, 2, PhysicsOptions::default(), Width::Detected);
    let mut state = BatchState::new(&model, 2);
    let (mut qpos, qvel) = (Field::zeros(model.num_qpos(), 2), Field::zeros(model.num_dofs(), 2));
    let mut parameters = EnvParameters::identity(&model, 2);
    parameters.terrain.set_column(1, [0.2, -0.3, 0.05]);
    for k in 0..5 {
        let turn = DQuat::from_euler(glam::EulerRot::XYZ, 0.3 * f64::from(k), 0.2, f64::from(k)).as_quat();
        let place = [0.4, 0.1 * k as f32, -0.2, 0.6 + 0.05 * k as f32];
        qpos.set_column(1, place.into_iter().chain(turn.to_array()));
        qpos.set_column(0, place.into_iter().chain(turn.to_array()));
        rapier.reset(&[true; 2], &qpos, &qvel, &parameters, &mut state);
        lanes.executor.reset(&[true; 2], &qpos, &qvel, &parameters, &mut lanes.state);
        let (ours, theirs) = (sensed(&lanes), state.sensors.column(1).collect::<Vec<_>>());
        let differ = ours.iter().zip(&theirs).filter(|(a, b)| (*a - *b).abs() > 2e-3).count();
        assert!(differ <= 1, "{k}: {differ} of {} differ: {ours:?}, rapier {theirs:?}", ours.len());
        assert!(theirs[41..].iter().any(|h| *h < 1.8) && theirs[..40].iter().any(|d| *d > 0.0));
    }
}

/// Over a plane with a box on it, from a body that is turned and tilted.
#[test]
fn a_scan_is_level_and_turns_with_the_heading() {
    let xml = r#"
<mujoco><worldbody>
  <geom type="plane" size="9 9 1"/>
  <geom type="box" size="1 0.4 0.1" pos="1.5 0 0.1"/>
  <body pos="0 0 0.7"><freejoint/><geom type="sphere" size=".1" mass="1"/>
    <body pos="0 0 -0.3"><joint axis="1 0 0"/><geom type="box" size="5 5 0.02" mass="1"/></body>
  </body>
</worldbody></mujoco>"#;
    let model = with_sensors(xml, [SensorKind::HeightScan(scan(1))]);
    let mut batch = Batch::new(&model, 2, PhysicsOptions::default(), Width::Detected);
    for yaw in [0.0, 0.8, -2.0, 3.1] {
        let turn = DQuat::from_rotation_z(yaw) * DQuat::from_rotation_x(0.4) * DQuat::from_rotation_y(0.3);
        let mut qpos = vec![0.9, 0.1, 0.7];
        qpos.extend(turn.as_quat().to_array());
        qpos.push(0.0);
        batch.reset_to(&qpos, &vec![0.0; model.num_dofs()]);
        let x = turn * DVec3::X;
        let heading = DQuat::from_rotation_z(x.y.atan2(x.x));
        let scan = scan(1);
        let mut expected = Vec::new();
        for j in 0..4 {
            for i in 0..5 {
                let local =
                    DVec3::new(0.3 * (f64::from(i) - 2.0) + 0.1, 0.25 * (f64::from(j) - 1.5) - 0.05, 0.0);
                let p = DVec3::new(0.9, 0.1, 0.7) + heading * local;
                let on_box = (p.x - 1.5).abs() < 1.0 && p.y.abs() < 0.4;
                expected.push(if on_box { 0.5 } else { 0.7 });
            }
        }
        assert_eq!(expected.len(), scan.size());
        assert!(expected.contains(&0.5) && expected.contains(&0.7), "both are under the grid");
        near(&sensed(&batch), &expected, 1e-5, "heights");
    }
}

#[test]
fn rapier_refuses_what_it_cannot_feel_by_name() {
    let refused = |kind| {
        let model = with_sensors(SHELF, [kind]);
        RapierExecutor::new(&model, 1, PhysicsOptions::default()).err().unwrap().to_string()
    };
    let text = refused(SensorKind::JointForce(0));
    assert!(text.contains("sensor `s0`: the whole force on a joint"), "{text}");
    let wrench = SensorKind::ContactWrench { on: ContactSide::Body(1), with: None, frame: None };
    let text = refused(wrench);
    assert!(text.contains("sensor `s0`: the wrench of contacts"), "{text}");
}

#[test]
fn all_sensors_can_be_part_of_a_kernel() {
    let xml = gallery("type='ellipsoid' size='.2 .3 .15'", HILLS);
    let eye = read(&xml).unwrap().bodies.len() - 1;
    let kinds = [
        SensorKind::HeightScan(scan(eye)),
        SensorKind::JointForce(0),
        SensorKind::ContactWrench { on: ContactSide::Body(eye), with: None, frame: None },
    ];
    let plan = Plan::new(&with_sensors(&xml, kinds), StepOptions::default()).unwrap();
    let text = record::kernel::<ControlStep>(&plan).wgsl;
    for phase in ["rays", "wrenches", "keep", "strain", "sense"] {
        assert!(text.contains(&format!("_{phase}();")), "{phase}");
    }
}
