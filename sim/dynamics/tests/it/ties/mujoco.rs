//! Accelerations under constraints, with the law of MuJoCo.

use keiko_testkit::{ask_python, available};
use serde_json::{Value, json};

use super::{One, mujoco_options, read};

/// Steps a scene from a random velocity and tells states on the way, with the acceleration that they lead to.
const ASK: &str = r#"
import json, sys, numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_string(question["xml"])
model.opt.solver, model.opt.cone = mujoco.mjtSolver.mjSOL_NEWTON, mujoco.mjtCone.mjCONE_ELLIPTIC
model.opt.tolerance, model.opt.iterations, model.opt.ls_iterations = 0, 500, 200
model.opt.ls_tolerance = 1e-10
data, rng, out = mujoco.MjData(model), np.random.default_rng(question["seed"]), []
data.qvel[:] = rng.normal(0, question["speed"], model.nv)
for step in range(question["steps"]):
    mujoco.mj_forward(model, data)
    if step % question["every"] == 0:
        out.append(dict(qpos=data.qpos.tolist(), qvel=data.qvel.tolist(), qacc=data.qacc.tolist(),
            free=data.qacc_smooth.tolist(), rows=int(data.nefc)))
    mujoco.mj_step(model, data)
kinds = [int(t) for t in model.jnt_type]
print(json.dumps(dict(states=out, kinds=kinds, timestep=model.opt.timestep)))
"#;

/// Of the largest acceleration in the state: the rest is what many sweeps leave.
const TOLERANCE: f64 = 1e-3;

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

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |s, x| s.max(x.abs()))
}

struct Scene<'a> {
    name: &'a str,
    xml: &'a str,
    /// Spread of the first velocities.
    speed: f64,
    steps: usize,
    sweeps: usize,
}

/// Compares all recorded states of a scene; some of them must have rows.
fn compare(scene: &Scene<'_>) {
    let question = json!({ "xml": scene.xml, "seed": 3, "speed": scene.speed, "steps": scene.steps,
        "every": (scene.steps / 40).max(1) });
    let Some(answer) = available(ask_python(ASK, &question)) else { return };
    let options = mujoco_options(answer["timestep"].as_f64().unwrap(), scene.sweeps);
    let mut one = One::new(read(scene.xml), options);
    let (mut worst, mut rows, mut moved) = (0.0_f64, 0, 0.0_f64);
    for state in answer["states"].as_array().unwrap() {
        let mut qpos = numbers(&state["qpos"]);
        to_xyzw(&mut qpos, &answer["kinds"]);
        let (qvel, qacc, free) = (numbers(&state["qvel"]), numbers(&state["qacc"]), numbers(&state["free"]));
        one.start(&qpos, &qvel);
        one.step();
        let scale = largest(qacc.iter().chain(&free).copied()).max(1e-6);
        let error = largest((0..qvel.len()).map(|d| (one.qvel(d) - qvel[d]) / options.timestep - qacc[d]));
        rows += state["rows"].as_u64().unwrap();
        moved = moved.max(largest(qacc.iter().zip(&free).map(|(a, b)| a - b)) / scale);
        worst = worst.max(error / scale);
    }
    println!("{}: off by {worst:.1e} at most, {rows} rows", scene.name);
    assert!(rows > 0 && moved > 1e-2, "{}: no constraint acts", scene.name);
    assert!(worst <= TOLERANCE, "{}: acceleration is off by {worst:e}", scene.name);
}

const LIMITS: &str = r#"<mujoco><worldbody>
  <body><joint name="a" type="hinge" axis="0 1 0" range="-20 30"/>
    <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
    <body pos=".3 0 0"><joint name="b" type="slide" axis="1 0 .2" range="-.1 .05" solreflimit=".01 .8" margin=".01"/>
      <geom type="box" size=".05 .04 .03" contype="0" conaffinity="0"/>
      <body pos=".1 0 0"><joint name="c" type="ball" range="0 35" armature=".001"/>
        <geom type="capsule" fromto="0 0 0 .2 0 0" size=".02" contype="0" conaffinity="0"/></body></body></body>
  <body pos="0 1 1"><joint name="e" type="hinge" axis="0 1 0"/><geom size=".1" pos=".3 0 0"/>
    <body pos=".6 0 0"><joint name="f" type="hinge" axis="0 1 0"/><geom size=".1" pos=".3 0 0"/></body></body>
 </worldbody>
 <tendon><fixed range="-.3 .4"><joint joint="e" coef="1"/><joint joint="f" coef="-.7"/></fixed></tendon>
</mujoco>"#;

const DRY: &str = r#"<mujoco><worldbody>
  <body><joint name="a" type="hinge" axis="0 1 0" frictionloss=".4"/>
    <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
    <body pos=".3 0 0"><joint name="b" type="hinge" axis="0 1 0" frictionloss=".2"/>
      <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
      <body pos=".3 0 0"><joint name="c" type="slide" axis="1 0 0" frictionloss="30"/>
        <geom type="box" size=".05 .04 .03" contype="0" conaffinity="0"/></body></body></body>
  <body pos="0 1 0"><joint name="d" type="ball" frictionloss=".05"/><geom size=".05" pos=".1 .05 0"/></body>
 </worldbody>
 <tendon><fixed frictionloss=".5"><joint joint="a" coef="1"/><joint joint="b" coef=".5"/></fixed></tendon>
</mujoco>"#;

const COUPLED: &str = r#"<mujoco><worldbody>
  <body><joint name="a" type="hinge" axis="0 1 0" ref="10"/>
    <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
    <body pos=".3 0 0"><joint name="b" type="hinge" axis="0 1 0" ref="-5"/>
      <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
      <body pos=".3 0 0"><joint name="c" type="slide" axis="1 0 0"/>
        <geom type="box" size=".05 .04 .03" contype="0" conaffinity="0"/></body></body></body>
  <body pos="0 1 0"><joint name="d" type="hinge" axis="1 0 0"/><geom size=".05" pos=".1 .1 0"/></body>
  <body pos="0 2 0"><joint name="e" type="hinge" axis="1 0 0"/><geom size=".05" pos=".1 .1 0"/></body>
 </worldbody>
 <tendon><fixed name="one"><joint joint="a" coef="1"/><joint joint="d" coef=".5"/></fixed>
   <fixed name="two"><joint joint="e" coef="-1"/></fixed></tendon>
 <equality><joint joint1="a" joint2="b" polycoef=".1 .8 .3 -.2 .1" solref=".015 .9"/>
   <joint joint1="c" polycoef=".02 0 0 0 0" solimp=".8 .9 .01 .4 2"/>
   <tendon tendon1="one" tendon2="two" polycoef="0 1.5 .2 0 0"/></equality>
</mujoco>"#;

const CONNECTED: &str = r#"<mujoco><worldbody>
  <body pos="0 0 1"><joint name="a" type="hinge" axis="0 1 0"/>
    <geom type="capsule" fromto="0 0 0 .2 0 .3" size=".03" contype="0" conaffinity="0"/>
    <body name="coupler" pos=".2 0 .3"><joint name="b" type="hinge" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 .5 0 0" size=".03" contype="0" conaffinity="0"/></body></body>
  <body name="rocker" pos=".6 0 1"><joint name="c" type="hinge" axis="0 1 0"/>
    <geom type="capsule" fromto="0 0 0 .1 0 .3" size=".03" contype="0" conaffinity="0"/></body>
  <body name="loose" pos="0 1 1"><freejoint/><geom type="box" size=".1 .07 .05" contype="0" conaffinity="0"/></body>
  <body name="arm" pos="0 1.4 1"><joint type="ball"/><geom type="box" size=".2 .04 .05" contype="0" conaffinity="0"/>
    <body name="hand" pos=".3 0 0"><joint type="hinge" axis="0 0 1"/>
      <geom type="box" size=".1 .04 .05" contype="0" conaffinity="0"/></body></body>
 </worldbody>
 <equality><connect body1="coupler" body2="rocker" anchor=".5 0 0"/>
   <connect body1="loose" body2="hand" anchor=".1 .05 .02"/><connect body1="loose" anchor="-.1 0 .05" solref=".03 1"/></equality>
</mujoco>"#;

const WELDED: &str = r#"<mujoco><worldbody>
  <body name="a" pos="0 0 1" euler="20 10 0"><freejoint/><geom type="box" size=".1 .07 .05" contype="0" conaffinity="0"/></body>
  <body name="b" pos="0 .4 1"><freejoint/><geom type="box" size=".2 .04 .05" contype="0" conaffinity="0"/>
    <body name="c" pos=".3 0 0"><joint type="hinge" axis="0 0 1"/>
      <geom type="box" size=".1 .04 .05" contype="0" conaffinity="0"/></body></body>
  <body name="d" pos="1 0 1"><freejoint/><geom type="box" size=".1 .07 .05" contype="0" conaffinity="0"/></body>
 </worldbody>
 <equality><weld body1="a" body2="c" anchor=".05 .1 0"/>
   <weld body1="d" solref=".03 .7" relpose=".9 0 1 .9 .1 .2 .05"/></equality>
</mujoco>"#;

const DROPPED: &str = r#"<mujoco><worldbody>
  <geom type="plane" size="5 5 .1" friction=".6"/>
  <body pos="0 0 .3" euler="20 30 0"><freejoint/><geom type="box" size=".1 .15 .08" friction=".6"/></body>
  <body pos="1 0 .3"><freejoint/><geom type="sphere" size=".1" priority="1" solref=".01 .5" solimp=".8 .95 .002 .5 1"/></body>
  <body pos="2 0 .4" euler="0 70 0"><freejoint/><geom type="capsule" size=".06 .2" margin=".01"/></body>
  <body pos="3 0 .4"><freejoint/><geom type="sphere" size=".1" condim="1" priority="1"/></body>
 </worldbody></mujoco>"#;

const SLOPE: &str = r#"<mujoco><option impratio="3"/><worldbody>
  <geom type="plane" size="5 5 .1" euler="0 25 0" friction=".3 .01 0" priority="1"/>
  <body pos="0 0 .12"><freejoint/><geom type="sphere" size=".1"/></body>
  <body pos="0 1 .12" euler="0 25 0"><freejoint/><geom type="box" size=".1 .1 .1"/></body>
 </worldbody></mujoco>"#;

const QUADRUPED: &str = r#"<mujoco><compiler angle="radian"/><worldbody>
  <geom type="plane" size="5 5 .1"/>
  <body pos="0 0 .33"><freejoint/><geom type="box" size=".2 .1 .05" mass="5"/>
    <body pos=".2 .1 0"><joint type="hinge" axis="1 0 0" range="-.8 .8" armature=".01"/><joint type="hinge" axis="0 1 0" range="-1 1.5" armature=".01" frictionloss=".1"/>
      <geom type="capsule" fromto="0 0 0 -.05 0 -.2" size=".02" mass=".5" contype="0" conaffinity="0"/>
      <body pos="-.05 0 -.2"><joint type="hinge" axis="0 1 0" range="-.5 1" armature=".01"/><geom type="capsule" fromto="0 0 0 .05 0 -.2" size=".015" mass=".2" contype="0" conaffinity="0"/><geom type="sphere" size=".03" pos=".05 0 -.2" mass=".05"/></body></body>
    <body pos=".2 -.1 0"><joint type="hinge" axis="1 0 0" range="-.8 .8" armature=".01"/><joint type="hinge" axis="0 1 0" range="-1 1.5" armature=".01" frictionloss=".1"/>
      <geom type="capsule" fromto="0 0 0 -.05 0 -.2" size=".02" mass=".5" contype="0" conaffinity="0"/>
      <body pos="-.05 0 -.2"><joint type="hinge" axis="0 1 0" range="-.5 1" armature=".01"/><geom type="capsule" fromto="0 0 0 .05 0 -.2" size=".015" mass=".2" contype="0" conaffinity="0"/><geom type="sphere" size=".03" pos=".05 0 -.2" mass=".05"/></body></body>
    <body pos="-.2 .1 0"><joint type="hinge" axis="1 0 0" range="-.8 .8" armature=".01"/><joint type="hinge" axis="0 1 0" range="-1 1.5" armature=".01" frictionloss=".1"/>
      <geom type="capsule" fromto="0 0 0 -.05 0 -.2" size=".02" mass=".5" contype="0" conaffinity="0"/>
      <body pos="-.05 0 -.2"><joint type="hinge" axis="0 1 0" range="-.5 1" armature=".01"/><geom type="capsule" fromto="0 0 0 .05 0 -.2" size=".015" mass=".2" contype="0" conaffinity="0"/><geom type="sphere" size=".03" pos=".05 0 -.2" mass=".05"/></body></body>
    <body pos="-.2 -.1 0"><joint type="hinge" axis="1 0 0" range="-.8 .8" armature=".01"/><joint type="hinge" axis="0 1 0" range="-1 1.5" armature=".01" frictionloss=".1"/>
      <geom type="capsule" fromto="0 0 0 -.05 0 -.2" size=".02" mass=".5" contype="0" conaffinity="0"/>
      <body pos="-.05 0 -.2"><joint type="hinge" axis="0 1 0" range="-.5 1" armature=".01"/><geom type="capsule" fromto="0 0 0 .05 0 -.2" size=".015" mass=".2" contype="0" conaffinity="0"/><geom type="sphere" size=".03" pos=".05 0 -.2" mass=".05"/></body></body>
  </body></worldbody></mujoco>"#;

#[test]
fn limits_push_as_in_mujoco() {
    compare(&Scene { name: "limits", xml: LIMITS, speed: 2.0, steps: 600, sweeps: 200 });
}

#[test]
fn dry_friction_holds_as_in_mujoco() {
    compare(&Scene { name: "dry friction", xml: DRY, speed: 2.0, steps: 400, sweeps: 200 });
}

#[test]
fn joints_and_tendons_follow_as_in_mujoco() {
    compare(&Scene { name: "couplings", xml: COUPLED, speed: 1.0, steps: 400, sweeps: 200 });
}

#[test]
fn points_stay_together_as_in_mujoco() {
    compare(&Scene { name: "connects", xml: CONNECTED, speed: 0.5, steps: 400, sweeps: 400 });
}

#[test]
fn frames_stay_together_as_in_mujoco() {
    compare(&Scene { name: "welds", xml: WELDED, speed: 0.5, steps: 400, sweeps: 400 });
}

#[test]
fn dropped_shapes_land_as_in_mujoco() {
    compare(&Scene { name: "drop", xml: DROPPED, speed: 1.0, steps: 500, sweeps: 200 });
}

#[test]
fn shapes_on_a_slope_slide_as_in_mujoco() {
    compare(&Scene { name: "slope", xml: SLOPE, speed: 0.3, steps: 300, sweeps: 400 });
}

#[test]
fn a_quadruped_lands_as_in_mujoco() {
    compare(&Scene { name: "quadruped", xml: QUADRUPED, speed: 0.3, steps: 400, sweeps: 600 });
}
